/*
 * secret.h - memory that holds keys and passphrases.
 *
 * Guarded pages (libsodium's sodium_malloc): locked into memory, excluded from
 * core dumps, wiped on release.  libsodium ignores a failing mlock; this
 * module does not.
 */
#ifndef LL_SECRET_H
#define LL_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

struct secret {
	size_t len;          /* bytes usable at data */
	uint8_t *data;       /* guarded; NULL when empty */
};

#define SECRET_NONE { 0, NULL }

/* To be called once at the start of every program: sodium_init, and a check
 * that at least need_bytes of locked memory are to be had (RLIMIT_MEMLOCK;
 * a trial allocation is locked and released).  LL_FULL when they are not. */
LL_MUST enum ll_result secret_setup(size_t need_bytes);

/* Makes *s a zeroed guarded buffer of len bytes (1..65536).  On failure *s is
 * SECRET_NONE.  LL_NOMEM also when the pages could not be locked. */
LL_MUST enum ll_result secret_init(struct secret *s, size_t len);

/* secret_init and a copy of len bytes from src; src is not wiped. */
LL_MUST enum ll_result secret_copy(struct secret *s, const void *src,
    size_t len);

/* secret_init and fresh random bytes. */
LL_MUST enum ll_result secret_random(struct secret *s, size_t len);

/* Wipes and releases; *s becomes SECRET_NONE.  An empty secret is fine. */
void secret_finish(struct secret *s);

#endif
