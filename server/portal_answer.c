#include "server/portal_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/seal.h"
#include "store/send.h"

struct upload_target
reply_target(struct request *q)
{
	struct upload_target t = { .store = q->portal->store,
	    .opened = &q->reply->opened, .message = &q->reply->message,
	    .key = q->reply->key.data };

	return t;
}

/* Browsers send CRLF; messages have LF. */
static void
normalise(struct reply *r)
{
	size_t from, to = 0;

	for (from = 0; from < r->text_len; from++) {
		if (r->text[from] == '\r' && from + 1 < r->text_len &&
		    r->text[from + 1] == '\n')
			continue;
		r->text[to++] = r->text[from];
	}
	r->text_len = to;
}

/* Seals the text as the first object: in the message when short, else as a
 * blob.  *data_r (malloc'd) is NULL for a blob. */
static enum ll_result
seal_text(struct request *q, uint8_t **data_r, size_t *len_r)
{
	struct upload_target t = reply_target(q);
	struct reply *r = q->reply;
	struct envelope_object body = { .kind = OBJECT_BODY };
	struct upload *u = NULL;
	char empty[1] = "", type[] = "text/plain";
	const char *text = r->text != NULL ? r->text : empty;
	enum ll_result res;

	*data_r = NULL;
	*len_r = 0;
	if (seal_object_bytes(r->text_len) > INLINE_MAX) {
		res = upload_begin(&t, OBJECT_BODY, "", type, r->text_len,
		    &r->e, &u);
		if (res == LL_OK)
			res = upload_add(u, text, r->text_len);
		if (res == LL_OK)
			return upload_end(u, &r->e);
		upload_abort(u);
		return res;
	}
	id_random(&body.id);
	res = seal_object_buffer(r->key.data, &r->message, &body.id,
	    OBJECT_BODY, text, r->text_len, data_r, len_r, body.hash);
	if (res != LL_OK)
		return res;
	body.plain_bytes = r->text_len;
	body.sealed_bytes = *len_r;
	body.name = empty;
	body.type = type;
	return envelope_add_object(&r->e, &body);
}

/* The body was sealed last and stands first. */
static void
body_first(struct envelope *e)
{
	struct envelope_object body = e->objects[e->object_count - 1];

	memmove(e->objects + 1, e->objects,
	    (e->object_count - 1) * sizeof(body));
	e->objects[0] = body;
}

static enum ll_result
set_subject(struct envelope *e, const char *subject)
{
	char text[ENVELOPE_SUBJECT_MAX];
	size_t n;

	snprintf(text, sizeof(text), "%s%s",
	    strncmp(subject, "Re: ", 4) == 0 ? "" : "Re: ", subject);
	/* Not cut within a character. */
	for (n = strlen(text); n > 0 && !utf8_valid(text, n); n--)
		text[n - 1] = '\0';
	return envelope_set(&e->subject, text);
}

static enum ll_result
address_envelope(struct reply *r)
{
	const struct letter *l = &r->letter;
	char reader[ID_TEXT + 3] = "u:";
	enum ll_result res;

	r->e.message = r->message;
	r->e.thread = l->thread;
	r->e.reply_to = r->opened.message;
	r->e.date = (uint64_t)time(NULL);
	id_text(&l->author, reader + 2);
	res = set_subject(&r->e, l->e.subject);
	if (res == LL_OK)
		res = envelope_set(&r->e.from, l->address);
	if (res == LL_OK)
		res = envelope_add(&r->e.to, &r->e.to_count, l->author_email);
	if (res == LL_OK)
		res = envelope_add(&r->e.readers, &r->e.reader_count, reader);
	return res;
}

static void
put_object(struct msg *m, const struct envelope_object *o,
    const uint8_t *data, size_t len)
{
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &o->id);
	msg_put_u64(m, F_OBJECT_KIND, o->kind);
	msg_put_u64(m, F_SEALED_BYTES, o->sealed_bytes);
	msg_put_bytes(m, F_HASH, o->hash, sizeof(o->hash));
	if (data != NULL)
		msg_put_bytes(m, F_DATA, data, len);
	msg_end(m);
}

/* Header and key, sealed, into the request. */
static enum ll_result
put_seals(struct reply *r, struct msg *m)
{
	const struct letter *l = &r->letter;
	struct seal_context ctx = { SEAL_HEADER, l->author, r->message,
	    l->author_generation };
	uint8_t commitment[HASH_BYTES], *header = NULL, *box = NULL;
	size_t header_len = 0, box_len = 0;
	enum ll_result res;

	res = envelope_seal(&r->e, r->key.data, &header, &header_len);
	if (res == LL_OK)
		res = seal_commitment(r->key.data, &r->message, commitment);
	if (res == LL_OK)
		res = seal_box(l->author_pk, &ctx, r->key.data, r->key.len,
		    &box, &box_len);
	if (res == LL_OK) {
		msg_put_bytes(m, F_HEADER, header, header_len);
		msg_put_bytes(m, F_COMMITMENT, commitment, sizeof(commitment));
		msg_put_bytes(m, F_WRAP, box, box_len);
		msg_put_u64(m, F_GENERATION, l->author_generation);
	}
	free(header);
	free(box);
	return res;
}

static enum ll_result
put_idempotency(struct request *q, struct msg *m)
{
	uint8_t in[ID_BYTES + CSRF_TEXT], hash[HASH_BYTES];
	enum ll_result res;

	memcpy(in, q->path.delivery.b, ID_BYTES);
	memcpy(in + ID_BYTES, q->reply->once, CSRF_TEXT);
	res = derive_bytes(LABEL_IDEMPOTENCY, q->portal->key.data,
	    q->portal->key.len, in, sizeof(in), hash);
	if (res == LL_OK)
		msg_put_bytes(m, F_IDEMPOTENCY, hash, sizeof(hash));
	return res;
}

enum ll_result
reply_send(struct request *q)
{
	struct reply *r = q->reply;
	struct msg *m = NULL;
	uint8_t *data = NULL;
	size_t len = 0, i;
	enum ll_result res;

	normalise(r);
	res = seal_text(q, &data, &len);
	if (res == LL_OK)
		body_first(&r->e);
	if (res == LL_OK)
		res = address_envelope(r);
	if (res == LL_OK)
		res = msg_create(MSG_REQUEST, OP_PORTAL_REPLY, &m);
	if (res != LL_OK)
		goto out;
	msg_put_bytes(m, F_TOKEN, r->opened.token, HASH_BYTES);
	msg_put_id(m, F_MESSAGE_ID, &r->message);
	res = put_idempotency(q, m);
	if (res == LL_OK)
		res = put_seals(r, m);
	if (res != LL_OK)
		goto out;
	for (i = 0; i < r->e.object_count; i++)
		put_object(m, &r->e.objects[i], i == 0 ? data : NULL, len);
	res = portal_store_ask(q->portal->store, m, NULL);
	m = NULL;
out:
	msg_destroy(m);
	free(data);
	return res;
}

