/*
 * login.h - proofs of login factors, for the files that keep them.
 */
#ifndef LL_LOGIN_H
#define LL_LOGIN_H

#include "store/serve.h"

/* What is kept of a proof (of a slot; of a ticket or backup code, with the
 * user's id as slot): a hash keyed with the server's pepper. */
LL_MUST enum ll_result login_verifier(const struct store *s,
    const struct id *user, const struct id *slot,
    const uint8_t proof[HASH_BYTES], uint8_t out[HASH_BYTES]);

#endif
