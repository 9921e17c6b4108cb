#include "server/portal_letter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "keys/seal.h"
#include "store/kind.h"

/* Sealed size of the longest body that is shown. */
#define SEALED_BODY_MAX (LETTER_BODY_MAX + SEAL_STREAM_HEADER + \
    (LETTER_BODY_MAX / SEAL_CHUNK + 1) * (SEAL_CHUNK_OUT - SEAL_CHUNK))

static enum ll_result
ask_fetch(struct portal_store *store, const struct opened *o,
    struct msg **reply_r)
{
	struct msg *m = NULL;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, OP_PORTAL_FETCH, &m);
	if (r != LL_OK)
		return r;
	msg_put_bytes(m, F_TOKEN, o->token, sizeof(o->token));
	r = portal_store_ask(store, m, reply_r);
	/* The store knows the token no more: its time is over. */
	return r == LL_AUTH ? LL_NOTFOUND : r;
}

static enum ll_result
open_envelope(const struct opened *o, struct tlv_view v, struct letter *l)
{
	const uint8_t *commitment = view_hash(v, F_COMMITMENT), *header;
	const uint8_t *sign_pk = view_hash(v, F_SIGN_PK);
	uint8_t expected[HASH_BYTES];
	size_t len;
	enum ll_result r;

	header = view_bytes(v, F_HEADER, &len);
	if (header == NULL || commitment == NULL || sign_pk == NULL)
		return LL_PROTO;
	r = seal_commitment(o->key.data, &o->message, expected);
	if (r != LL_OK)
		return r;
	if (!derive_equal(expected, commitment, sizeof(expected)))
		return LL_PROTO;
	r = envelope_open(o->key.data, &o->message, header, len, &l->e);
	if (r != LL_OK)
		return r == LL_AUTH ? LL_PROTO : r;
	l->submitted = (view_u64(v, F_FLAGS) & FETCH_SUBMITTED) != 0;
	l->signed_well = envelope_verify(&l->e, commitment, sign_pk) ==
	    LL_OK && strcmp(l->e.from, l->author_email) == 0;
	return LL_OK;
}

enum ll_result
letter_open(struct portal_store *store, const struct opened *o,
    struct letter *l_r)
{
	struct tlv_view v;
	enum ll_result r;

	memset(l_r, 0, sizeof(*l_r));
	envelope_init(&l_r->e);
	r = ask_fetch(store, o, &l_r->fetched);
	if (r != LL_OK)
		return r;
	v = msg_view(l_r->fetched);
	l_r->author_email = view_text(v, F_EMAIL);
	l_r->author_name = view_text(v, F_NAME);
	l_r->address = view_text(v, F_ADDRESS);
	l_r->author_pk = view_hash(v, F_SEAL_PK);
	l_r->author_generation = view_u64(v, F_GENERATION);
	l_r->limit = view_u64(v, F_LIMIT);
	l_r->expires = view_u64(v, F_EXPIRES);
	l_r->replied = view_u64(v, F_STATE) == STATE_REPLIED;
	r = open_envelope(o, v, l_r);
	if (r != LL_OK)
		return r;
	if (!view_id(v, F_USER_ID, &l_r->author))
		l_r->author = l_r->e.author;
	if (!view_id(v, F_THREAD_ID, &l_r->thread))
		l_r->thread = l_r->e.thread;
	return LL_OK;
}

void
letter_finish(struct letter *l)
{
	envelope_finish(&l->e);
	msg_destroy(l->fetched);
	l->fetched = NULL;
}

const struct envelope_object *
letter_file(const struct letter *l, unsigned n)
{
	size_t i;

	for (i = 0; i < l->e.object_count; i++)
		if (l->e.objects[i].kind == OBJECT_ATTACHMENT && --n == 0)
			return &l->e.objects[i];
	return NULL;
}

enum ll_result
letter_object(struct portal_store *store, const struct opened *o,
    const struct id *object, uint8_t **data_r, size_t *len_r, int *fd_r)
{
	struct msg *m = NULL, *reply = NULL;
	const uint8_t *data;
	enum ll_result r;

	*data_r = NULL;
	*len_r = 0;
	*fd_r = -1;
	r = msg_create(MSG_REQUEST, OP_PORTAL_OBJECT, &m);
	if (r != LL_OK)
		return r;
	msg_put_bytes(m, F_TOKEN, o->token, sizeof(o->token));
	msg_put_id(m, F_OBJECT_ID, object);
	r = portal_store_ask(store, m, &reply);
	if (r != LL_OK)
		return r == LL_AUTH ? LL_NOTFOUND : r;
	*fd_r = msg_take_fd(reply, 0);
	data = view_bytes(msg_view(reply), F_DATA, len_r);
	if (*fd_r < 0 && data == NULL) {
		r = LL_PROTO;
	} else if (*fd_r < 0) {
		*data_r = malloc(*len_r + 1);
		if (*data_r == NULL)
			r = LL_NOMEM;
		else
			memcpy(*data_r, data, *len_r);
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
read_file(int fd, uint8_t **data_r, size_t *len_r)
{
	struct stat st;
	uint8_t *data;
	size_t got = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) != 0)
		return LL_IO;
	if (st.st_size < 0 || st.st_size > SEALED_BODY_MAX)
		return LL_TOOBIG;
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL)
		return LL_NOMEM;
	while (got < (size_t)st.st_size && n > 0) {
		n = pread(fd, data + got, (size_t)st.st_size - got,
		    (off_t)got);
		got += n > 0 ? (size_t)n : 0;
	}
	if (got < (size_t)st.st_size) {
		free(data);
		return LL_IO;
	}
	*data_r = data;
	*len_r = got;
	return LL_OK;
}

static enum ll_result
open_body(const struct opened *o, const struct envelope_object *body,
    const uint8_t *sealed, size_t len, char **text_r, size_t *len_r)
{
	uint8_t hash[HASH_BYTES], *plain = NULL;
	enum ll_result r;

	r = seal_object_open_buffer(o->key.data, &o->message, &body->id,
	    OBJECT_BODY, sealed, len, &plain, len_r, hash);
	if (r != LL_OK)
		return r == LL_AUTH ? LL_PROTO : r;
	if (!derive_equal(hash, body->hash, sizeof(hash))) {
		sodium_memzero(plain, *len_r);
		free(plain);
		return LL_PROTO;
	}
	*text_r = (char *)plain;
	return LL_OK;
}

enum ll_result
letter_body(struct portal_store *store, const struct opened *o,
    const struct letter *l, char **text_r, size_t *len_r)
{
	const struct envelope_object *body;
	uint8_t *sealed = NULL;
	size_t sealed_len = 0;
	int fd = -1;
	enum ll_result r;

	*text_r = NULL;
	*len_r = 0;
	if (l->e.object_count == 0 || l->e.objects[0].kind != OBJECT_BODY)
		return LL_PROTO;
	body = &l->e.objects[0];
	if (body->plain_bytes > LETTER_BODY_MAX)
		return LL_TOOBIG;
	r = letter_object(store, o, &body->id, &sealed, &sealed_len, &fd);
	if (r == LL_OK && fd >= 0)
		r = read_file(fd, &sealed, &sealed_len);
	if (r == LL_OK)
		r = open_body(o, body, sealed, sealed_len, text_r, len_r);
	if (fd >= 0)
		close(fd);
	free(sealed);
	return r;
}
