#include <stdlib.h>
#include <string.h>

#include "keys/seal.h"
#include "keys/whole.h"

#define CHUNK_TAG crypto_secretstream_xchacha20poly1305_ABYTES
#define BUFFER_MAX ((size_t)1 << 30)

uint64_t
seal_object_bytes(uint64_t plain_bytes)
{
	return SEAL_STREAM_HEADER + plain_bytes +
	    (plain_bytes / SEAL_CHUNK + 1) * CHUNK_TAG;
}

enum ll_result
seal_object_buffer(const uint8_t key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind, const void *plain,
    size_t len, uint8_t **out_r, size_t *out_len_r, uint8_t hash[HASH_BYTES])
{
	const uint8_t *p = plain;
	struct seal_stream s;
	size_t left = len, take, wrote, at = SEAL_STREAM_HEADER;
	enum ll_result r;
	uint8_t *out;

	*out_r = NULL;
	*out_len_r = 0;
	if (len > BUFFER_MAX)
		return LL_TOOBIG;
	out = malloc(seal_object_bytes(len));
	if (out == NULL)
		return LL_NOMEM;
	r = seal_stream_push_init(&s, key, message, object, kind, out);
	while (r == LL_OK && !s.done) {
		take = left < SEAL_CHUNK ? left : SEAL_CHUNK;
		r = seal_stream_push(&s, p, take, take < SEAL_CHUNK, out + at,
		    &wrote);
		left -= take;
		at += wrote;
		if (left > 0)
			p += take;
	}
	seal_stream_finish(&s, r == LL_OK ? hash : NULL);
	if (r != LL_OK) {
		free(out);
		return r;
	}
	*out_r = out;
	*out_len_r = at;
	return LL_OK;
}

enum ll_result
seal_object_open_buffer(const uint8_t key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind, const void *sealed,
    size_t len, uint8_t **plain_r, size_t *len_r, uint8_t hash[HASH_BYTES])
{
	const uint8_t *p = sealed;
	size_t left, take, got, at = 0;
	int final = 0;
	struct seal_stream s;
	enum ll_result r;
	uint8_t *plain;

	*plain_r = NULL;
	*len_r = 0;
	if (len < SEAL_STREAM_HEADER + CHUNK_TAG)
		return LL_AUTH;
	if (len > BUFFER_MAX)
		return LL_TOOBIG;
	plain = malloc(len);
	if (plain == NULL)
		return LL_NOMEM;
	left = len - SEAL_STREAM_HEADER;
	r = seal_stream_pull_init(&s, key, message, object, kind, p);
	p += SEAL_STREAM_HEADER;
	while (r == LL_OK && left > 0) {
		take = left < SEAL_CHUNK_OUT ? left : SEAL_CHUNK_OUT;
		r = seal_stream_pull(&s, p, take, plain + at, &got, &final);
		left -= take;
		p += take;
		at += got;
	}
	if (r == LL_OK && !final)
		r = LL_AUTH;
	seal_stream_finish(&s, r == LL_OK ? hash : NULL);
	if (r != LL_OK) {
		sodium_memzero(plain, at);
		free(plain);
		return r;
	}
	plain[at] = 0;
	*plain_r = plain;
	*len_r = at;
	return LL_OK;
}

struct chunk_pair {
	uint8_t plain[SEAL_CHUNK];
	uint8_t sealed[SEAL_CHUNK_OUT];
};

static void
chunk_pair_destroy(struct chunk_pair *c)
{
	if (c != NULL)
		sodium_memzero(c, sizeof *c);
	free(c);
}

enum ll_result
seal_object_fd(const uint8_t key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind, int in, int out,
    uint64_t limit, uint64_t *plain_bytes_r, uint64_t *sealed_bytes_r,
    uint8_t hash[HASH_BYTES])
{
	struct chunk_pair *c;
	struct seal_stream s;
	size_t got, wrote;
	uint64_t sum = 0;
	enum ll_result r;

	*plain_bytes_r = *sealed_bytes_r = 0;
	c = malloc(sizeof *c);
	if (c == NULL)
		return LL_NOMEM;
	r = seal_stream_push_init(&s, key, message, object, kind, c->sealed);
	if (r == LL_OK)
		r = whole_write(out, c->sealed, SEAL_STREAM_HEADER);
	while (r == LL_OK && !s.done) {
		r = whole_read(in, c->plain, SEAL_CHUNK, &got);
		if (r == LL_OK && got > limit - sum)
			r = LL_TOOBIG;
		if (r == LL_OK)
			r = seal_stream_push(&s, c->plain, got,
			    got < SEAL_CHUNK, c->sealed, &wrote);
		if (r == LL_OK)
			r = whole_write(out, c->sealed, wrote);
		if (r == LL_OK)
			sum += got;
	}
	if (r == LL_OK) {
		*plain_bytes_r = sum;
		*sealed_bytes_r = s.sealed_bytes;
	}
	seal_stream_finish(&s, r == LL_OK ? hash : NULL);
	chunk_pair_destroy(c);
	return r;
}

enum ll_result
seal_object_open_fd(const uint8_t key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind, int in, int out,
    uint64_t *plain_bytes_r, uint8_t hash[HASH_BYTES])
{
	struct seal_stream s;
	struct chunk_pair *c;
	size_t got, wrote;
	int final = 0;
	uint64_t sum = 0;
	enum ll_result r;

	*plain_bytes_r = 0;
	memset(&s, 0, sizeof s);
	c = malloc(sizeof *c);
	if (c == NULL)
		return LL_NOMEM;
	r = whole_read(in, c->sealed, SEAL_STREAM_HEADER, &got);
	if (r == LL_OK && got != SEAL_STREAM_HEADER)
		r = LL_AUTH;
	if (r == LL_OK)
		r = seal_stream_pull_init(&s, key, message, object, kind,
		    c->sealed);
	while (r == LL_OK) {
		r = whole_read(in, c->sealed, SEAL_CHUNK_OUT, &got);
		if (r == LL_OK && got == 0)
			break;
		if (r == LL_OK)
			r = seal_stream_pull(&s, c->sealed, got, c->plain,
			    &wrote, &final);
		if (r == LL_OK)
			r = whole_write(out, c->plain, wrote);
		if (r == LL_OK)
			sum += wrote;
	}
	if (r == LL_OK && !final)
		r = LL_AUTH;
	if (r == LL_OK)
		*plain_bytes_r = sum;
	seal_stream_finish(&s, r == LL_OK ? hash : NULL);
	chunk_pair_destroy(c);
	return r;
}
