/*
 * hostkey.h - the SSH host key: an Ed25519 seed, sealed in DIR/host_ed25519
 * under a root-derived key; the public half in OpenSSH's form beside it.
 */
#ifndef LL_HOSTKEY_H
#define LL_HOSTKEY_H

#include "keys/result.h"
#include "keys/secret.h"

#define HOSTKEY_LINE 160         /* "ssh-ed25519 BASE64 letterlock" and NUL */

/* Makes a key and writes both files into dir (they must not exist). */
LL_MUST enum ll_result hostkey_create(const char *dir,
    const struct secret *root);
/* Opens the sealed seed (32 bytes).  LL_AUTH when the root secret is not the
 * one it was made with; LL_IO with errno when it can't be read. */
LL_MUST enum ll_result hostkey_load(const char *dir,
    const struct secret *root, struct secret *seed_r);
/* The public line and "SHA256:..." fingerprint (both HOSTKEY_LINE bytes). */
LL_MUST enum ll_result hostkey_public(const struct secret *seed,
    char line[HOSTKEY_LINE], char fingerprint[HOSTKEY_LINE]);

#endif
