#include "server/relay_stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "keys/whole.h"

struct relay_stream {
	struct seal_stream seal;
	crypto_hash_sha256_state sha;
	uint8_t hash[RELAY_STREAM_HASH];
	uint64_t bytes, done;
	int fd;
	uint8_t *data;             /* instead of fd */
	size_t data_len, data_at;
	bool ended, was_cr, at_line;
	/* of a whole chunk, or of the mail when that is smaller */
	uint8_t *sealed, *plain;
	size_t plain_room, sealed_room;
};

/* Reads as much as room, less only at the end. */
static enum ll_result
take(struct relay_stream *s, void *out, size_t room, size_t *len_r)
{
	size_t n = s->data_len - s->data_at;

	if (s->data == NULL)
		return whole_read(s->fd, out, room, len_r);
	if (n > room)
		n = room;
	memcpy(out, s->data + s->data_at, n);
	s->data_at += n;
	*len_r = n;
	return LL_OK;
}

enum ll_result
relay_stream_open(const struct queue_mail *m, const uint8_t *data, size_t len,
    int fd, struct relay_stream **s_r)
{
	uint8_t header[SEAL_STREAM_HEADER];
	struct relay_stream *s;
	enum ll_result r = LL_NOMEM;
	size_t n = 0;

	*s_r = NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		if (fd >= 0)
			close(fd);
		return LL_NOMEM;
	}
	s->fd = fd;
	s->bytes = m->bytes;
	s->at_line = true;
	memcpy(s->hash, m->hash, sizeof(s->hash));
	crypto_hash_sha256_init(&s->sha);
	s->plain_room = m->bytes < SEAL_CHUNK ? (size_t)m->bytes : SEAL_CHUNK;
	s->sealed_room = s->plain_room + SEAL_CHUNK_OUT - SEAL_CHUNK;
	s->plain = malloc(s->plain_room + 1);
	s->sealed = malloc(s->sealed_room);
	if (s->plain == NULL || s->sealed == NULL)
		goto out;
	if (data != NULL) {
		s->data = malloc(len + 1);
		if (s->data == NULL)
			goto out;
		memcpy(s->data, data, len);
		s->data_len = len;
	}
	r = take(s, header, sizeof(header), &n);
	if (r == LL_OK && n != sizeof(header))
		r = LL_AUTH;
	if (r == LL_OK)
		r = seal_stream_pull_init(&s->seal, m->key, &m->message,
		    &m->object, OBJECT_MAIL, header);
out:
	if (r == LL_OK)
		*s_r = s;
	else
		relay_stream_close(s);
	return r;
}

void
relay_stream_close(struct relay_stream *s)
{
	if (s == NULL)
		return;
	seal_stream_finish(&s->seal, NULL);
	if (s->fd >= 0)
		close(s->fd);
	free(s->data);
	if (s->plain != NULL)
		sodium_memzero(s->plain, s->plain_room);
	free(s->plain);
	free(s->sealed);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

/* A server that takes a bare CR or LF for a line end would see commands where
 * we send text. */
static bool
lines_are_whole(struct relay_stream *s, const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (s->was_cr != (p[i] == '\n'))
			return false;
		s->was_cr = p[i] == '\r';
		s->at_line = p[i] == '\n';
	}
	return true;
}

static enum ll_result
check_end(struct relay_stream *s)
{
	uint8_t hash[RELAY_STREAM_HASH];

	crypto_hash_sha256_final(&s->sha, hash);
	if (s->done != s->bytes ||
	    sodium_memcmp(hash, s->hash, sizeof(hash)) != 0)
		return LL_AUTH;
	return s->at_line ? LL_EOF : LL_PROTO;
}

enum ll_result
relay_stream_next(struct relay_stream *s, const uint8_t **p_r, size_t *len_r)
{
	size_t n = 0;
	enum ll_result r;
	int final = 0;

	*p_r = s->plain;
	*len_r = 0;
	if (s->ended)
		return check_end(s);
	r = take(s, s->sealed, s->sealed_room, &n);
	if (r != LL_OK)
		return r;
	r = seal_stream_pull(&s->seal, s->sealed, n, s->plain, len_r, &final);
	if (r != LL_OK)
		return r;
	if (final != 0) {
		s->ended = true;
		r = take(s, s->sealed, 1, &n);
		if (r == LL_OK && n != 0)
			r = LL_AUTH;
		if (r != LL_OK)
			return r;
	}
	if (!lines_are_whole(s, s->plain, *len_r))
		return LL_PROTO;
	crypto_hash_sha256_update(&s->sha, s->plain, *len_r);
	s->done += *len_r;
	if (s->done > s->bytes)
		return LL_AUTH;
	return *len_r == 0 ? check_end(s) : LL_OK;
}
