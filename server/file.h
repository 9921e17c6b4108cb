/*
 * file.h - small files of the data directory, whole and durable.
 */
#ifndef LL_FILE_H
#define LL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys/result.h"
#include "keys/secret.h"

#define FILE_PATH_MAX 1200

/* dir/name into path (FILE_PATH_MAX bytes).  LL_TOOBIG. */
LL_MUST enum ll_result file_path(const char *dir, const char *name,
    char path[FILE_PATH_MAX]);

/* Creates path (it must not exist) with exactly that mode, writes, fsyncs the
 * file.  LL_CONFLICT when it exists, LL_IO with errno. */
LL_MUST enum ll_result file_create(const char *path, mode_t mode,
    const void *data, size_t len);

/* Reads a whole file of at most max bytes (1..65536) into guarded memory; a
 * NUL that len does not count follows.  LL_TOOBIG, LL_IO with errno, LL_DENIED
 * when private and others than the owner may read or write it. */
LL_MUST enum ll_result file_read(const char *path, size_t max, int private,
    struct secret *out_r);

/* fsync of a directory, so that names made in it last. */
LL_MUST enum ll_result file_sync_dir(const char *path);

/* mkdir, fine when it is there.  LL_IO. */
LL_MUST enum ll_result file_mkdir(const char *path, mode_t mode);

/* LL_OK when path does not exist or is an empty directory (lost+found aside),
 * LL_CONFLICT when something is in it, LL_IO. */
LL_MUST enum ll_result file_is_empty_dir(const char *path);

#endif
