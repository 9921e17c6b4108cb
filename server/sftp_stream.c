#include "server/sftp_stream.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/whole.h"

/* --- reading --- */

/* Exactly len bytes of ciphertext from where the reader is. */
static enum ll_result
fetch(struct sftp_reader *r, uint8_t *out, size_t len)
{
	enum ll_result result;
	size_t got;

	if (len > r->sealed_bytes - r->at)
		return LL_AUTH;
	if (r->fd < 0) {
		memcpy(out, r->data + r->at, len);
		r->at += len;
		return LL_OK;
	}
	result = whole_read(r->fd, out, len, &got);
	r->at += got;
	return result ? result : got == len ? LL_OK : LL_AUTH;
}

static enum ll_result
rewind_stream(struct sftp_reader *r)
{
	uint8_t header[SEAL_STREAM_HEADER], hash[HASH_BYTES];
	enum ll_result result;

	if (r->begun && !r->final)
		seal_stream_finish(&r->stream, hash);
	r->begun = r->final = false;
	r->at = 0;
	r->start = 0;
	r->len = 0;
	if (r->fd >= 0 && lseek(r->fd, 0, SEEK_SET) != 0)
		return LL_IO;
	result = fetch(r, header, sizeof(header));
	if (result)
		return result;
	result = seal_stream_pull_init(&r->stream, r->key.data, &r->message,
	    &r->object, OBJECT_ATTACHMENT, header);
	r->begun = result == LL_OK;
	return result;
}

static enum ll_result
next_chunk(struct sftp_reader *r)
{
	uint64_t left = r->sealed_bytes - r->at;
	size_t take = left < SEAL_CHUNK_OUT ? (size_t)left : SEAL_CHUNK_OUT;
	uint8_t hash[HASH_BYTES];
	enum ll_result result;
	int final = 0;

	r->start += r->len;
	r->len = 0;
	result = fetch(r, r->chunk, take);
	if (result)
		return result;
	result = seal_stream_pull(&r->stream, r->chunk, take, r->plain,
	    &r->len, &final);
	if (result) {
		r->len = 0;
		return result;
	}
	if (!final)
		return LL_OK;
	r->final = true;
	seal_stream_finish(&r->stream, hash);
	if (r->at != r->sealed_bytes ||
	    !derive_equal(hash, r->hash, sizeof(hash))) {
		r->len = 0;
		return LL_AUTH;
	}
	return LL_OK;
}

enum ll_result
sftp_reader_begin(struct sftp_reader *r, const struct secret *key)
{
	enum ll_result result;

	r->begun = false;
	r->key = (struct secret)SECRET_NONE;
	r->chunk = malloc(SEAL_CHUNK_OUT);
	r->plain = malloc(SEAL_CHUNK);
	if (!r->chunk || !r->plain)
		return LL_NOMEM;
	result = secret_copy(&r->key, key->data, key->len);
	return result ? result : rewind_stream(r);
}

enum ll_result
sftp_reader_read(struct sftp_reader *r, uint64_t offset, uint8_t *out,
    size_t len, size_t *got_r)
{
	enum ll_result result = LL_OK;

	*got_r = 0;
	if (offset < r->start)
		result = rewind_stream(r);
	while (result == LL_OK && *got_r < len) {
		uint64_t want = offset + *got_r;

		if (want < r->start + r->len) {
			size_t from = (size_t)(want - r->start);
			size_t n = r->len - from;

			if (n > len - *got_r)
				n = len - *got_r;
			memcpy(out + *got_r, r->plain + from, n);
			*got_r += n;
		} else if (r->final) {
			break;
		} else {
			result = next_chunk(r);
		}
	}
	return result;
}

void
sftp_reader_finish(struct sftp_reader *r)
{
	uint8_t hash[HASH_BYTES];

	if (r->begun && !r->final)
		seal_stream_finish(&r->stream, hash);
	r->begun = false;
	if (r->plain)
		explicit_bzero(r->plain, SEAL_CHUNK);
	free(r->plain);
	free(r->chunk);
	free(r->data);
	if (r->fd >= 0)
		close(r->fd);
	secret_finish(&r->key);
	r->plain = r->chunk = r->data = NULL;
	r->fd = -1;
}

/* --- writing --- */

static enum ll_result
put(struct sftp_writer *w, const uint8_t *data, size_t len)
{
	enum ll_result r = whole_write(w->fd, data, len);

	if (r == LL_OK)
		w->sealed_bytes += len;
	return r;
}

static enum ll_result
seal_chunk(struct sftp_writer *w, int final)
{
	size_t len;
	enum ll_result r;

	r = seal_stream_push(&w->stream, w->plain, w->len, final, w->chunk,
	    &len);
	w->len = 0;
	return r ? r : put(w, w->chunk, len);
}

enum ll_result
sftp_writer_begin(struct sftp_writer *w, int fd, const struct secret *key,
    const struct id *message, const struct id *object, uint64_t limit)
{
	uint8_t header[SEAL_STREAM_HEADER];
	enum ll_result r;

	memset(w, 0, sizeof(*w));
	w->fd = fd;
	w->limit = limit;
	w->plain = malloc(SEAL_CHUNK);
	w->chunk = malloc(SEAL_CHUNK_OUT);
	if (!w->plain || !w->chunk)
		return LL_NOMEM;
	r = seal_stream_push_init(&w->stream, key->data, message, object,
	    OBJECT_ATTACHMENT, header);
	return r ? r : put(w, header, sizeof(header));
}

enum ll_result
sftp_writer_write(struct sftp_writer *w, const uint8_t *data, size_t len)
{
	enum ll_result r = LL_OK;

	if (len > w->limit - w->plain_bytes)
		return LL_TOOBIG;
	while (r == LL_OK && len > 0) {
		size_t n = SEAL_CHUNK - w->len;

		if (n > len)
			n = len;
		memcpy(w->plain + w->len, data, n);
		w->len += n;
		w->plain_bytes += n;
		data += n;
		len -= n;
		/* the last chunk is never a full one: as seal_object_fd */
		if (w->len == SEAL_CHUNK)
			r = seal_chunk(w, 0);
	}
	return r;
}

enum ll_result
sftp_writer_end(struct sftp_writer *w)
{
	enum ll_result r = seal_chunk(w, 1);

	if (r)
		return r;
	seal_stream_finish(&w->stream, w->hash);
	return fsync(w->fd) == 0 ? LL_OK : LL_IO;
}

void
sftp_writer_finish(struct sftp_writer *w)
{
	if (w->plain)
		explicit_bzero(w->plain, SEAL_CHUNK);
	sodium_memzero(&w->stream, sizeof(w->stream));
	free(w->plain);
	free(w->chunk);
	w->plain = w->chunk = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}
