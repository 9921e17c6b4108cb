/*
 * vaults.h - users' key pairs and slots, as messages carry them.
 */
#ifndef LL_VAULTS_H
#define LL_VAULTS_H

#include "store/serve.h"

/* GENERATION SEAL_PK SIGN_PK BLOB and every SLOT of that generation into m. */
LL_MUST enum ll_result vaults_put(struct store *s, struct msg *m,
    const struct id *user, uint64_t generation);
/* One user's pepper. */
LL_MUST enum ll_result vaults_pepper(const struct store *s,
    const struct id *user, uint8_t pepper[KEY_BYTES]);
/* The public keys of one generation; LL_NOTFOUND. */
LL_MUST enum ll_result vaults_keys(struct store *s, const struct id *user,
    uint64_t generation, uint8_t seal_pk[32], uint8_t sign_pk[32]);
/* One SLOT of a request into the table.  LL_USAGE. */
LL_MUST enum ll_result vaults_add_slot(struct store *s, const struct id *user,
    uint64_t generation, struct tlv_view slot);

#endif
