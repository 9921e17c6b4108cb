/*
 * peerkey.h - OpenPGP keys and certificates of people and domains outside,
 * each user's own and the house's.
 */
#ifndef LL_PEERKEY_H
#define LL_PEERKEY_H

#include "store/serve.h"

/* Owner of what the administration gave: 16 zero bytes. */
extern const struct id peerkey_house;

/* An address as keys are kept by it: lower case; "@domain", or a domain alone,
 * for a whole domain.  LL_USAGE with words in *why_r. */
LL_MUST enum ll_result peerkey_address(const char *typed, char out_r[321],
    const char **why_r);
/* Keeps the key that v has (FORMAT PUBLIC FINGERPRINT ALGORITHM CREATED
 * KEY_EXPIRES FLAGS) for an owner and an address that peerkey_address made.
 * It is a change when another usable key stands there among the first `before`
 * rows (peerkey_last) and source is nobody's own hand.  *flags_r: PEERKEY_*.
 * With PEERKEY_REVOKED among FLAGS it goes, under whatever address the owner
 * has it; only FINGERPRINT is asked for then.  LL_USAGE: fields are missing;
 * LL_FULL: too many keys of that address. */
LL_MUST enum ll_result peerkey_keep(struct store *s, uint64_t now,
    const struct id *owner, const char *address, struct tlv_view v,
    enum key_source source, uint64_t before, uint64_t *flags_r);
/* The newest row, for peerkey_keep. */
LL_MUST enum ll_result peerkey_last(struct store *s, uint64_t *row_r);

#endif
