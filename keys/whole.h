/*
 * whole.h - reads and writes that end when all is done, for descriptors that
 * block.
 */
#ifndef LL_WHOLE_H
#define LL_WHOLE_H

#include <stddef.h>

#include "keys/result.h"

/* Writes all len bytes.  LL_FULL when disk, quota or the file's size limit
 * have no more room, otherwise LL_IO; both with errno, and part may have been
 * written. */
LL_MUST enum ll_result whole_write(int fd, const void *bytes, size_t len);

/* Reads until room is used up or the input ends; len_r is what came, also
 * before LL_IO (with errno). */
LL_MUST enum ll_result whole_read(int fd, void *bytes, size_t room,
    size_t *len_r);

#endif
