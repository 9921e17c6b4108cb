/*
 * kdf.h - Argon2id (RFC 9106), the slow step from what a person types.
 */
#ifndef LL_KDF_H
#define LL_KDF_H

#include <stdint.h>

#include "keys/result.h"
#include "keys/secret.h"

#define KDF_SALT_BYTES 16
#define KDF_OUT_BYTES 32
#define KDF_INPUT_MAX 1024      /* bytes of passphrase that are accepted */
#define KDF_MEMORY_MIB 256      /* defaults; configuration may differ */
#define KDF_PASSES 3
#define KDF_MUC_MEMORY_MIB 128

struct kdf_params {
	uint32_t memory_mib;    /* 1..4096 */
	uint32_t passes;        /* 1..16 */
	uint8_t salt[KDF_SALT_BYTES];
};

/* Fills salt with random bytes. */
void kdf_params_init(struct kdf_params *p, uint32_t memory_mib,
    uint32_t passes);

/* *out_r = Argon2id(input, p), 32 guarded bytes.  LL_TOOBIG for input over
 * KDF_INPUT_MAX, LL_USAGE for params out of range, LL_NOMEM. */
LL_MUST enum ll_result kdf_run(const void *input, size_t len,
    const struct kdf_params *p, struct secret *out_r);

#endif
