/*
 * intake_house.h - the organisation's own keys: what mail that staff hand in
 * from a mail program is signed with ("submitted by mail program").
 *
 * The Ed25519 key follows from the root secret.  The OpenPGP key is made once,
 * sealed under a key of the root's, and kept by the store.
 */
#ifndef LL_INTAKE_HOUSE_H
#define LL_INTAKE_HOUSE_H

#include "keys/envelope.h"
#include "server/intake.h"

/* The signing key, from x->key. */
LL_MUST enum ll_result intake_house_begin(struct intake *x);
/* Signs a manifest's hash. */
LL_MUST enum ll_result intake_house_sign(const struct intake *x,
    const uint8_t manifest[HASH_BYTES], uint8_t out[ENVELOPE_SIGNATURE]);
/* x->house is there from now on: read from the store, or made.  The caller
 * holds x->submitting. */
LL_MUST enum ll_result intake_house_mail(struct intake *x);

#endif
