#include "server/portal_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "keys/clean.h"
#include "keys/seal.h"
#include "server/portal.h"
#include "server/portal_letter.h"

/* One download: sealed bytes come from memory or a file, a chunk of plain
 * bytes at a time goes out. */
struct download {
	struct request *q;
	struct seal_stream stream;
	int fd;                    /* -1: from data */
	uint8_t *data;
	size_t data_len, data_at;
	uint8_t sealed[SEAL_CHUNK_OUT];
	uint8_t plain[SEAL_CHUNK];
	size_t plain_len, plain_at;
	int final;
	uint8_t hash[HASH_BYTES];  /* what the author signed */
};

void
file_disposition(const char *name, char *out, size_t room)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	const char *p;
	size_t at;

	at = (size_t)snprintf(out, room, "attachment; filename=\"");
	for (p = name; *p != '\0' && at + 8 < room / 3; p++)
		out[at++] = *p == ' ' || strchr(plain, *p) != NULL ? *p : '_';
	at += (size_t)snprintf(out + at, room - at,
	    "\"; filename*=UTF-8''");
	for (p = name; *p != '\0' && at + 4 < room; p++) {
		if (strchr(plain, *p) != NULL)
			out[at++] = *p;
		else
			at += (size_t)snprintf(out + at, room - at, "%%%02X",
			    (unsigned char)*p);
	}
	out[at] = '\0';
}

static void
free_download(void *cls)
{
	struct download *d = cls;

	if (d->fd >= 0)
		close(d->fd);
	free(d->data);
	sodium_memzero(d, sizeof(*d));
	free(d);
}

/* Up to len sealed bytes; fewer only at the end. */
static size_t
read_sealed(struct download *d, uint8_t *out, size_t len)
{
	size_t got = 0;
	ssize_t n;

	if (d->fd < 0) {
		got = d->data_len - d->data_at;
		got = got < len ? got : len;
		memcpy(out, d->data + d->data_at, got);
		d->data_at += got;
		return got;
	}
	while (got < len) {
		n = read(d->fd, out + got, len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

/* The next chunk, opened; false when it is not what was sealed. */
static bool
next_chunk(struct download *d)
{
	size_t n = read_sealed(d, d->sealed, sizeof(d->sealed));

	d->plain_at = 0;
	if (n == 0 || seal_stream_pull(&d->stream, d->sealed, n, d->plain,
	    &d->plain_len, &d->final) != LL_OK)
		return false;
	return true;
}

/* At the end: nothing may follow, and the whole is what was signed. */
static bool
is_whole(struct download *d)
{
	uint8_t hash[HASH_BYTES], more;

	if (read_sealed(d, &more, 1) != 0)
		return false;
	seal_stream_finish(&d->stream, hash);
	return derive_equal(hash, d->hash, sizeof(hash)) == 1;
}

static ssize_t
give(void *cls, uint64_t at, char *buffer, size_t room)
{
	struct download *d = cls;
	size_t n;

	(void)at;
	conn_allow(d->q->conn, CONN_CHUNK_MS);
	while (d->plain_at == d->plain_len) {
		if (d->final)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (!next_chunk(d))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		/* The last bytes leave only when the whole was checked. */
		if (d->final && !is_whole(d))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = d->plain_len - d->plain_at;
	n = n < room ? n : room;
	memcpy(buffer, d->plain + d->plain_at, n);
	d->plain_at += n;
	return (ssize_t)n;
}

static enum ll_result
open_download(struct request *q, const struct opened *o,
    const struct envelope_object *f, struct download **d_r)
{
	uint8_t header[SEAL_STREAM_HEADER];
	struct download *d;
	enum ll_result r;

	*d_r = NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return LL_NOMEM;
	d->q = q;
	memcpy(d->hash, f->hash, sizeof(d->hash));
	r = letter_object(q->portal->store, o, &f->id, &d->data,
	    &d->data_len, &d->fd);
	if (r == LL_OK && read_sealed(d, header, sizeof(header)) !=
	    sizeof(header))
		r = LL_PROTO;
	if (r == LL_OK)
		r = seal_stream_pull_init(&d->stream, o->key.data,
		    &o->message, &f->id, OBJECT_ATTACHMENT, header);
	if (r == LL_OK)
		*d_r = d;
	else
		free_download(d);
	return r;
}

static enum MHD_Result
send_file(struct request *q, const struct envelope_object *f,
    struct download *d)
{
	char disposition[1200], *name = NULL;
	struct MHD_Response *r;
	enum MHD_Result sent;

	if (clean_file_name(f->name, strlen(f->name), &name) != LL_OK) {
		free_download(d);
		return MHD_NO;
	}
	file_disposition(name, disposition, sizeof(disposition));
	free(name);
	r = MHD_create_response_from_callback(f->plain_bytes, SEAL_CHUNK,
	    give, d, free_download);
	if (r == NULL) {
		free_download(d);
		return MHD_NO;
	}
	http_headers(q, r, "default-src 'none'; sandbox");
	(void)MHD_add_response_header(r, "Content-Type",
	    "application/octet-stream");
	(void)MHD_add_response_header(r, "Content-Disposition", disposition);
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	sent = MHD_queue_response(q->mhd, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return sent;
}

enum MHD_Result
file_get(struct request *q)
{
	uint8_t cookie[COOKIE_BYTES];
	const struct envelope_object *f;
	struct download *d = NULL;
	enum MHD_Result sent;
	struct opened o;
	struct letter l;
	enum ll_result r;

	memset(&l, 0, sizeof(l));
	r = http_session(q, cookie, &o);
	sodium_memzero(cookie, sizeof(cookie));
	if (r != LL_OK)
		return http_refuse(q, LL_NOTFOUND);
	r = letter_open(q->portal->store, &o, &l);
	f = r == LL_OK ? letter_file(&l, q->path.file) : NULL;
	if (r == LL_OK && f == NULL)
		r = LL_NOTFOUND;
	if (r == LL_OK)
		r = open_download(q, &o, f, &d);
	sent = r == LL_OK ? send_file(q, f, d) : http_refuse(q, r);
	letter_finish(&l);
	opened_finish(&o);
	return sent;
}
