/*
 * copy.h - copies files and hashes what it copied.
 */
#ifndef LL_COPY_H
#define LL_COPY_H

#include <stdint.h>
#include <sys/types.h>

#include "keys/derive.h"
#include "keys/result.h"

/* Copies the regular file src to dst (created, mode, fsynced), or only reads
 * it when dst is NULL.  *hash: BLAKE2b-256 of its bytes.  LL_NOTFOUND when src
 * is missing, LL_CONFLICT when dst exists, LL_IO with errno. */
LL_MUST enum ll_result copy_file(const char *src, const char *dst,
    mode_t mode, uint8_t hash[HASH_BYTES], uint64_t *size_r);

/* Makes the directories above path that are missing (0700), from the end of
 * the first base_len bytes on. */
LL_MUST enum ll_result copy_parents(const char *path, size_t base_len);

/* Removes a directory with everything in it; missing is fine. */
LL_MUST enum ll_result copy_remove_tree(const char *path);

#endif
