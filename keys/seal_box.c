#include <stdlib.h>
#include <string.h>

#include "keys/seal.h"

/* After the context's fields; its tag is the next one. */
#define BOX_PAYLOAD 6

_Static_assert(SEAL_BOX_OVERHEAD == crypto_box_SEALBYTES, "box overhead");
_Static_assert(SEAL_BOX_PAYLOAD_MAX ==
    65536 - SEAL_CONTEXT_BYTES - TLV_HEAD, "payload");

enum ll_result
seal_box(const uint8_t pk[crypto_box_PUBLICKEYBYTES],
    const struct seal_context *ctx, const void *payload, size_t len,
    uint8_t **out_r, size_t *len_r)
{
	struct tlv_out plain;
	enum ll_result r;
	uint8_t *out = NULL;

	*out_r = NULL;
	*len_r = 0;
	if (len > SEAL_BOX_PAYLOAD_MAX)
		return LL_TOOBIG;
	tlv_out_init_secret(&plain, SEAL_CONTEXT_BYTES + TLV_HEAD + len);
	seal_put_context(&plain, ctx);
	tlv_put_bytes(&plain, BOX_PAYLOAD, payload, len);
	r = plain.err;
	if (r != LL_OK)
		goto out;
	out = malloc(plain.len + SEAL_BOX_OVERHEAD);
	if (out == NULL) {
		r = LL_NOMEM;
		goto out;
	}
	/* Fails for public keys of small order. */
	if (crypto_box_seal(out, plain.data, plain.len, pk) != 0) {
		r = LL_AUTH;
		goto out;
	}
	*out_r = out;
	*len_r = plain.len + SEAL_BOX_OVERHEAD;
	out = NULL;
out:
	free(out);
	tlv_out_finish(&plain);
	return r;
}

/* The length of a box gives that of its payload, so all that stands before the
 * payload is known beforehand and compared at once. */
enum ll_result
seal_box_open(const uint8_t pk[crypto_box_PUBLICKEYBYTES],
    const uint8_t sk[crypto_box_SECRETKEYBYTES], const struct seal_context *ctx,
    const void *sealed, size_t len, struct secret *payload_r)
{
	const size_t head = SEAL_CONTEXT_BYTES + TLV_HEAD;
	struct secret plain = SECRET_NONE;
	uint8_t last[TLV_HEAD];
	struct tlv_out want;
	size_t payload;
	enum ll_result r;

	payload_r->len = 0;
	payload_r->data = NULL;
	if (len < head + SEAL_BOX_OVERHEAD)
		return LL_AUTH;
	payload = len - head - SEAL_BOX_OVERHEAD;
	if (payload > SEAL_BOX_PAYLOAD_MAX)
		return LL_TOOBIG;
	tlv_out_init(&want, head);
	seal_put_context(&want, ctx);
	tlv_head(BOX_PAYLOAD, payload, last);
	tlv_put_raw(&want, last, sizeof last);
	r = want.err;
	if (r == LL_OK)
		r = secret_init(&plain, head + payload);
	if (r != LL_OK)
		goto out;
	if (crypto_box_seal_open(plain.data, sealed, len, pk, sk) != 0 ||
	    !derive_equal(plain.data, want.data, head))
		r = LL_AUTH;
	if (r == LL_OK && payload > 0) {
		/* guarded memory is dear: the payload stays where it is */
		memmove(plain.data, plain.data + head, payload);
		sodium_memzero(plain.data + payload, head);
		*payload_r = plain;
		payload_r->len = payload;
		plain = (struct secret)SECRET_NONE;
	}
out:
	tlv_out_finish(&want);
	secret_finish(&plain);
	return r;
}
