#include "keys/seal.h"

#include <stdlib.h>
#include <string.h>

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SECRET_PLAIN_MAX 65536
#define SEALED_MAX ((size_t)1 << 30)

_Static_assert(SEAL_OVERHEAD == 1 + NONCE_BYTES + TAG_BYTES, "overhead");

enum context_tag {
	CONTEXT_SUITE = 1, CONTEXT_TYPE, CONTEXT_OWNER, CONTEXT_OBJECT,
	CONTEXT_GENERATION
};

_Static_assert(SEAL_CONTEXT_BYTES ==
    3 * (TLV_HEAD + 8) + 2 * (TLV_HEAD + ID_BYTES), "context");

void
seal_put_context(struct tlv_out *o, const struct seal_context *ctx)
{
	tlv_put_u64(o, CONTEXT_SUITE, SEAL_SUITE);
	tlv_put_u64(o, CONTEXT_TYPE, ctx->type);
	tlv_put_id(o, CONTEXT_OWNER, &ctx->owner);
	tlv_put_id(o, CONTEXT_OBJECT, &ctx->object);
	tlv_put_u64(o, CONTEXT_GENERATION, ctx->generation);
}

/* Writes SEAL_OVERHEAD + len bytes at out. */
static enum ll_result
seal_into(const uint8_t key[KEY_BYTES], const struct seal_context *ctx,
    const void *plain, size_t len, uint8_t *out)
{
	struct tlv_out ad;
	enum ll_result r;

	tlv_out_init(&ad, SEAL_CONTEXT_BYTES);
	seal_put_context(&ad, ctx);
	r = ad.err;
	if (r != LL_OK)
		goto out;
	out[0] = SEAL_SUITE;
	randombytes_buf(out + 1, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + 1 + NONCE_BYTES, NULL,
	    plain, len, ad.data, ad.len, NULL, out + 1, key);
out:
	tlv_out_finish(&ad);
	return r;
}

/* Writes len - SEAL_OVERHEAD bytes at out, which is zeroed on failure. */
static enum ll_result
open_into(const uint8_t key[KEY_BYTES], const struct seal_context *ctx,
    const uint8_t *sealed, size_t len, uint8_t *out)
{
	struct tlv_out ad;
	enum ll_result r;

	tlv_out_init(&ad, SEAL_CONTEXT_BYTES);
	seal_put_context(&ad, ctx);
	r = ad.err;
	if (r == LL_OK && crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL,
	    NULL, sealed + 1 + NONCE_BYTES, len - 1 - NONCE_BYTES, ad.data,
	    ad.len, sealed + 1, key) != 0)
		r = LL_AUTH;
	tlv_out_finish(&ad);
	return r;
}

static enum ll_result
check_frame(const uint8_t *sealed, size_t len)
{
	if (len < SEAL_OVERHEAD)
		return LL_AUTH;
	if (len > SEALED_MAX)
		return LL_TOOBIG;
	return sealed[0] == SEAL_SUITE ? LL_OK : LL_NEWER;
}

enum ll_result
seal_bytes(const uint8_t key[KEY_BYTES], const struct seal_context *ctx,
    const void *plain, size_t len, uint8_t **out_r, size_t *len_r)
{
	enum ll_result r;
	uint8_t *out;

	*out_r = NULL;
	*len_r = 0;
	if (len > SEALED_MAX - SEAL_OVERHEAD)
		return LL_TOOBIG;
	out = malloc(len + SEAL_OVERHEAD);
	if (out == NULL)
		return LL_NOMEM;
	r = seal_into(key, ctx, plain, len, out);
	if (r != LL_OK) {
		free(out);
		return r;
	}
	*out_r = out;
	*len_r = len + SEAL_OVERHEAD;
	return LL_OK;
}

enum ll_result
seal_open_secret(const uint8_t key[KEY_BYTES], const struct seal_context *ctx,
    const void *sealed, size_t len, struct secret *out_r)
{
	uint8_t none[1];
	enum ll_result r;

	out_r->len = 0;
	out_r->data = NULL;
	r = check_frame(sealed, len);
	if (r != LL_OK)
		return r;
	if (len == SEAL_OVERHEAD)
		return open_into(key, ctx, sealed, len, none);
	if (len - SEAL_OVERHEAD > SECRET_PLAIN_MAX)
		return LL_TOOBIG;
	r = secret_init(out_r, len - SEAL_OVERHEAD);
	if (r == LL_OK)
		r = open_into(key, ctx, sealed, len, out_r->data);
	if (r != LL_OK)
		secret_finish(out_r);
	return r;
}

enum ll_result
seal_open(const uint8_t key[KEY_BYTES], const struct seal_context *ctx,
    const void *sealed, size_t len, uint8_t **out_r, size_t *len_r)
{
	enum ll_result r;
	uint8_t *out;

	*out_r = NULL;
	*len_r = 0;
	r = check_frame(sealed, len);
	if (r != LL_OK)
		return r;
	out = malloc(len - SEAL_OVERHEAD + 1);
	if (out == NULL)
		return LL_NOMEM;
	r = open_into(key, ctx, sealed, len, out);
	if (r != LL_OK) {
		free(out);
		return r;
	}
	out[len - SEAL_OVERHEAD] = 0;
	*out_r = out;
	*len_r = len - SEAL_OVERHEAD;
	return LL_OK;
}

static enum ll_result
wrap_commitment(const uint8_t kek[KEY_BYTES], const struct seal_context *ctx,
    uint8_t out[HASH_BYTES])
{
	struct tlv_out input;
	enum ll_result r;

	tlv_out_init(&input, SEAL_CONTEXT_BYTES);
	seal_put_context(&input, ctx);
	r = derive(LABEL_COMMIT, kek, KEY_BYTES, &input, out);
	tlv_out_finish(&input);
	return r;
}

enum ll_result
seal_wrap_key(const uint8_t kek[KEY_BYTES], const struct seal_context *ctx,
    const uint8_t key[KEY_BYTES], uint8_t out[SEAL_WRAP_BYTES])
{
	enum ll_result r;

	r = wrap_commitment(kek, ctx, out);
	if (r == LL_OK)
		r = seal_into(kek, ctx, key, KEY_BYTES, out + HASH_BYTES);
	if (r != LL_OK)
		memset(out, 0, SEAL_WRAP_BYTES);
	return r;
}

enum ll_result
seal_unwrap_key(const uint8_t kek[KEY_BYTES], const struct seal_context *ctx,
    const void *wrap, size_t len, struct secret *key_r)
{
	uint8_t commitment[HASH_BYTES];
	const uint8_t *sealed;
	enum ll_result r;

	key_r->len = 0;
	key_r->data = NULL;
	if (len != SEAL_WRAP_BYTES)
		return LL_AUTH;
	sealed = (const uint8_t *)wrap + HASH_BYTES;
	if (sealed[0] != SEAL_SUITE)
		return LL_NEWER;
	r = wrap_commitment(kek, ctx, commitment);
	if (r != LL_OK)
		return r;
	if (!derive_equal(commitment, wrap, HASH_BYTES))
		return LL_AUTH;
	return seal_open_secret(kek, ctx, sealed, len - HASH_BYTES, key_r);
}

enum ll_result
seal_commitment(const uint8_t key[KEY_BYTES], const struct id *object,
    uint8_t out[HASH_BYTES])
{
	return derive_bytes(LABEL_COMMIT, key, KEY_BYTES, object->b, ID_BYTES,
	    out);
}
