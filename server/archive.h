/*
 * archive.h - backup and restore of a whole data directory.
 *
 * A backup is a directory: db/letterlock.db and blobs/xx/ID as the store gave
 * them at one point in time, letterlock.conf, the sealed SSH host key, the
 * portal's certificate, and MANIFEST, written last: one line per file,
 * BLAKE2b-256 in hex, size, path.  Secrets that lie open in the data directory
 * (root.key, the certificate's key) come along unless they are to be left out;
 * one that is a systemd credential never does.
 */
#ifndef LL_ARCHIVE_H
#define LL_ARCHIVE_H

#include "keys/result.h"
#include "server/local.h"

/* Writes a backup into path, which must not exist or be empty; secrets: with
 * root.key and portal.key.  On failure why (CONFIG_WHY bytes) has a line for
 * the person. */
LL_MUST enum ll_result archive_backup(struct local *l, const char *path,
    bool secrets, char *why);

/* Puts a backup back into l's data directory, which must not exist or be empty
 * but for root.key or root.sealed.  Every file is checked against the manifest
 * (LL_AUTH: the backup was changed, nothing is restored).  root_key: a file
 * with the root secret to be put there, or NULL; it, or one that is there
 * already, wins over the backup's.  On success why may hold
 * lines of advice. */
LL_MUST enum ll_result archive_restore(struct local *l, const char *path,
    const char *root_key, char *why);

#endif
