#include "keys/kdf.h"

#include <sodium.h>

#define MEMORY_MIB_MAX 4096
#define PASSES_MAX 16
#define MIB ((size_t)1 << 20)

void
kdf_params_init(struct kdf_params *p, uint32_t memory_mib, uint32_t passes)
{
	p->memory_mib = memory_mib;
	p->passes = passes;
	randombytes_buf(p->salt, sizeof p->salt);
}

enum ll_result
kdf_run(const void *input, size_t len, const struct kdf_params *p,
    struct secret *out_r)
{
	enum ll_result r;

	out_r->len = 0;
	out_r->data = NULL;
	if (len > KDF_INPUT_MAX)
		return LL_TOOBIG;
	if (p->memory_mib < 1 || p->memory_mib > MEMORY_MIB_MAX ||
	    p->passes < 1 || p->passes > PASSES_MAX)
		return LL_USAGE;
	r = secret_init(out_r, KDF_OUT_BYTES);
	if (r != LL_OK)
		return r;
	if (crypto_pwhash_argon2id(out_r->data, KDF_OUT_BYTES,
	    len == 0 ? "" : input, len,
	    p->salt, p->passes, p->memory_mib * MIB,
	    crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
		secret_finish(out_r);
		return LL_NOMEM;
	}
	return LL_OK;
}
