#include "store/mail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/whole.h"

/* The OBJECT of a fetched message, in its row or beside it. */
static bool
find_object(const struct mail *m, const struct id *id,
    struct tlv_view *object_r)
{
	struct tlv_view top = msg_view(m->answer), where[2];
	struct id found;
	size_t at = 0, i;

	where[0] = where[1] = top;
	(void)view_nest(top, F_ROW, &at, &where[1]);
	for (i = 0; i < 2; i++) {
		at = 0;
		while (view_nest(where[i], F_OBJECT, &at, object_r))
			if (view_id(*object_r, F_OBJECT_ID, &found)
			    && id_equal(&found, id))
				return true;
	}
	return false;
}

/* The sealed bytes in an anonymous file. */
static enum ll_result
memory_file(const uint8_t *p, size_t len, int *fd_r)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	*fd_r = -1;
	if (fd < 0)
		return LL_IO;
	if (whole_write(fd, p, len)) {
		close(fd);
		return LL_IO;
	}
	*fd_r = fd;
	return lseek(fd, 0, SEEK_SET) == 0 ? LL_OK : LL_IO;
}

static enum ll_result
ask_object(struct desk *k, const struct mail *m, const struct id *object,
    struct msg **reply_r)
{
	struct msg *q;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, OP_OBJECT_OPEN, &q);
	if (r)
		return r;
	msg_put_id(q, F_MESSAGE_ID, &m->row.id);
	msg_put_id(q, F_OBJECT_ID, object);
	return desk_ask(k, q, reply_r);
}

/* A descriptor of object n's ciphertext, at offset 0, and its sealed length. */
static enum ll_result
object_fd(struct desk *k, const struct mail *m, size_t n, int *fd_r,
    uint64_t *sealed_bytes_r)
{
	const struct envelope *e = &m->row.envelope;
	struct msg *reply;
	const uint8_t *p;
	size_t len = 0;
	enum ll_result r;

	*fd_r = -1;
	*sealed_bytes_r = 0;
	if (n >= e->object_count)
		return LL_NOTFOUND;
	r = ask_object(k, m, &e->objects[n].id, &reply);
	if (r)
		return r;
	*sealed_bytes_r = e->objects[n].sealed_bytes;
	*fd_r = msg_take_fd(reply, 0);
	p = view_bytes(msg_view(reply), F_DATA, &len);
	if (*fd_r < 0)
		r = p ? memory_file(p, len, fd_r) : LL_PROTO;
	msg_destroy(reply);
	return r;
}

static enum ll_result
open_bytes(const struct mail *m, size_t n, const uint8_t *sealed, size_t len,
    char **text_r, size_t *len_r)
{
	const struct envelope_object *o = &m->row.envelope.objects[n];
	uint8_t hash[HASH_BYTES], *plain = NULL;
	size_t plain_len = 0;
	enum ll_result r;

	if (len != o->sealed_bytes)
		return LL_AUTH;
	r = seal_object_open_buffer(m->key.data, &m->row.id, &o->id, o->kind,
	    sealed, len, &plain, &plain_len, hash);
	if (r == LL_OK && !derive_equal(hash, o->hash, HASH_BYTES))
		r = LL_AUTH;
	if (r == LL_OK) {
		*text_r = malloc(plain_len + 1);
		if (!*text_r)
			r = LL_NOMEM;
	}
	if (r == LL_OK) {
		memcpy(*text_r, plain, plain_len);
		(*text_r)[plain_len] = '\0';
		*len_r = plain_len;
	}
	if (plain)
		sodium_memzero(plain, plain_len);
	free(plain);
	return r;
}

static enum ll_result
read_file(int fd, uint64_t size, uint8_t **p_r)
{
	size_t got = 0;
	ssize_t n;

	*p_r = malloc(size ? size : 1);
	if (!*p_r)
		return LL_NOMEM;
	while (got < size) {
		n = pread(fd, *p_r + got, size - got, (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return LL_IO;
		if (n == 0)
			return LL_AUTH;
		got += (size_t)n;
	}
	return LL_OK;
}

enum ll_result
mail_read(struct desk *k, const struct mail *m, size_t n, char **text_r,
    size_t *len_r)
{
	const struct envelope *e = &m->row.envelope;
	struct tlv_view object;
	const uint8_t *data = NULL;
	uint8_t *copy = NULL;
	uint64_t size;
	size_t len = 0;
	int fd;
	enum ll_result r;

	*text_r = NULL;
	*len_r = 0;
	if (n >= e->object_count)
		return LL_NOTFOUND;
	if (e->objects[n].sealed_bytes > MAIL_BODY_MAX)
		return LL_TOOBIG;
	if (find_object(m, &e->objects[n].id, &object))
		data = view_bytes(object, F_DATA, &len);
	if (data)
		return open_bytes(m, n, data, len, text_r, len_r);
	r = object_fd(k, m, n, &fd, &size);
	if (r)
		return r;
	r = read_file(fd, size, &copy);
	if (r == LL_OK)
		r = open_bytes(m, n, copy, size, text_r, len_r);
	free(copy);
	close(fd);
	return r;
}

/* --- in pieces --- */

static enum ll_result
pull_all(int fd, struct seal_stream *stream, mail_piece_fn *put, void *ctx)
{
	uint8_t *sealed = malloc(SEAL_CHUNK_OUT + SEAL_CHUNK);
	uint8_t *plain = sealed ? sealed + SEAL_CHUNK_OUT : NULL;
	size_t got, len;
	int final = 0;
	enum ll_result r = sealed ? LL_OK : LL_NOMEM;

	while (r == LL_OK && !final) {
		r = whole_read(fd, sealed, SEAL_CHUNK_OUT, &got);
		if (r == LL_OK && got == 0)
			r = LL_AUTH;
		if (r == LL_OK)
			r = seal_stream_pull(stream, sealed, got, plain, &len,
			    &final);
		if (r == LL_OK && len > 0)
			r = put(ctx, plain, len);
	}
	if (plain)
		sodium_memzero(plain, SEAL_CHUNK);
	free(sealed);
	return r;
}

enum ll_result
mail_pieces(struct desk *k, const struct mail *m, size_t n,
    mail_piece_fn *put, void *ctx)
{
	const struct envelope_object *o = &m->row.envelope.objects[n];
	uint8_t header[SEAL_STREAM_HEADER], hash[HASH_BYTES];
	struct seal_stream stream;
	uint64_t size;
	size_t got = 0;
	int fd;
	enum ll_result r;

	r = object_fd(k, m, n, &fd, &size);
	if (r)
		return r;
	r = whole_read(fd, header, sizeof header, &got);
	if (r == LL_OK && got != sizeof header)
		r = LL_AUTH;
	if (r == LL_OK)
		r = seal_stream_pull_init(&stream, m->key.data, &m->row.id,
		    &o->id, o->kind, header);
	if (r == LL_OK) {
		r = pull_all(fd, &stream, put, ctx);
		if (r == LL_OK && stream.sealed_bytes != size)
			r = LL_AUTH;
		seal_stream_finish(&stream, hash);
		if (r == LL_OK && !derive_equal(hash, o->hash, HASH_BYTES))
			r = LL_AUTH;
	}
	close(fd);
	return r;
}
