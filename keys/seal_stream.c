#include <string.h>

#include "keys/seal.h"

_Static_assert(SEAL_STREAM_HEADER == 24, "stream header");

/* The ids and the kind: input of the object's key, and associated data of
 * each of its chunks. */
enum object_tag { OBJECT_MESSAGE = 1, OBJECT_SELF, OBJECT_SORT };

static enum ll_result
stream_begin(struct seal_stream *s, const uint8_t message_key[KEY_BYTES],
    const struct id *message, const struct id *object, enum object_kind kind,
    uint8_t key[KEY_BYTES])
{
	struct tlv_out ad;
	enum ll_result r;

	memset(s, 0, sizeof *s);
	tlv_out_init(&ad, sizeof s->ad);
	tlv_put_id(&ad, OBJECT_MESSAGE, message);
	tlv_put_id(&ad, OBJECT_SELF, object);
	tlv_put_u64(&ad, OBJECT_SORT, kind);
	r = derive(LABEL_OBJECT, message_key, KEY_BYTES, &ad, key);
	if (r == LL_OK) {
		memcpy(s->ad, ad.data, ad.len);
		s->ad_len = ad.len;
		crypto_generichash_init(&s->hash, NULL, 0, HASH_BYTES);
	}
	tlv_out_finish(&ad);
	return r;
}

static void
stream_count(struct seal_stream *s, const uint8_t *sealed, size_t len)
{
	crypto_generichash_update(&s->hash, sealed, len);
	s->sealed_bytes += len;
}

enum ll_result
seal_stream_push_init(struct seal_stream *s,
    const uint8_t message_key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind,
    uint8_t header[SEAL_STREAM_HEADER])
{
	uint8_t key[KEY_BYTES];
	enum ll_result r;

	r = stream_begin(s, message_key, message, object, kind, key);
	if (r != LL_OK)
		return r;
	crypto_secretstream_xchacha20poly1305_init_push(&s->state, header, key);
	stream_count(s, header, SEAL_STREAM_HEADER);
	sodium_memzero(key, sizeof key);
	return LL_OK;
}

enum ll_result
seal_stream_push(struct seal_stream *s, const uint8_t *plain, size_t len,
    int final, uint8_t *out, size_t *out_len_r)
{
	unsigned long long out_len;

	*out_len_r = 0;
	if (s->done || len > SEAL_CHUNK || (!final && len != SEAL_CHUNK))
		return LL_USAGE;
	if (crypto_secretstream_xchacha20poly1305_push(&s->state, out, &out_len,
	    plain, len, s->ad, s->ad_len,
	    final ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0) != 0)
		return LL_USAGE;
	s->done = final;
	stream_count(s, out, out_len);
	*out_len_r = out_len;
	return LL_OK;
}

enum ll_result
seal_stream_pull_init(struct seal_stream *s,
    const uint8_t message_key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind,
    const uint8_t header[SEAL_STREAM_HEADER])
{
	uint8_t key[KEY_BYTES];
	enum ll_result r;

	r = stream_begin(s, message_key, message, object, kind, key);
	if (r != LL_OK)
		return r;
	if (crypto_secretstream_xchacha20poly1305_init_pull(&s->state, header,
	    key) != 0)
		r = LL_AUTH;
	stream_count(s, header, SEAL_STREAM_HEADER);
	sodium_memzero(key, sizeof key);
	return r;
}

enum ll_result
seal_stream_pull(struct seal_stream *s, const uint8_t *sealed, size_t len,
    uint8_t *plain, size_t *len_r, int *final_r)
{
	unsigned long long plain_len;
	unsigned char tag;

	*len_r = 0;
	*final_r = 0;
	if (s->done || len < crypto_secretstream_xchacha20poly1305_ABYTES ||
	    len > SEAL_CHUNK_OUT)
		goto refuse;
	if (crypto_secretstream_xchacha20poly1305_pull(&s->state, plain,
	    &plain_len, &tag, sealed, len, s->ad, s->ad_len) != 0)
		goto refuse;
	if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		s->done = 1;
	else if (tag != 0 || plain_len != SEAL_CHUNK)
		goto wipe;
	stream_count(s, sealed, len);
	*len_r = plain_len;
	*final_r = s->done;
	return LL_OK;
wipe:
	sodium_memzero(plain, plain_len);
refuse:
	/* A stream that was refused once stays refused. */
	s->done = 1;
	return LL_AUTH;
}

void
seal_stream_finish(struct seal_stream *s, uint8_t hash[HASH_BYTES])
{
	if (hash != NULL)
		crypto_generichash_final(&s->hash, hash, HASH_BYTES);
	sodium_memzero(s, sizeof *s);
}
