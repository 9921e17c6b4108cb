#include "server/intake_take.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/tlv.h"
#include "server/intake_look.h"
#include "store/send.h"

enum ll_result
intake_take_begin(struct intake_mail *m, bool encrypted)
{
	size_t i, kept = 0;

	for (i = 0; i < m->reader_count; i++)
		if (encrypted || m->readers[i].answers)
			m->readers[kept++] = m->readers[i];
	m->reader_count = kept;
	if (kept == 0)
		return LL_PROTO;
	m->encrypted = encrypted;
	m->taking = true;
	id_random(&m->message);
	return secret_random(&m->key, KEY_BYTES);
}

enum ll_result
intake_take_stream(struct intake_mail *m)
{
	const struct upload_target t = { .store = m->x->store,
	    .owner = &m->readers[0].user, .message = &m->message,
	    .key = m->key.data };
	enum ll_result r;

	/* How long it gets nobody knows yet: the store looks at the end. */
	r = upload_begin(&t, OBJECT_RAW, "message.eml", "message/rfc822",
	    m->len, &m->e, &m->raw);
	return r == LL_OK ? upload_add(m->raw, m->bytes, m->len) : r;
}

enum ll_result
intake_take_add(struct intake_mail *m, const void *p, size_t len)
{
	return upload_add(m->raw, p, len);
}

/* --- whose it is --- */

/* Of whom this user's rows are; for a mail of several addresses. */
static bool
is_reader(const struct intake_mail *m, const char *address)
{
	struct tlv_view v = msg_view(m->who), row;
	size_t at = 0, i;
	struct id user;

	while (view_nest(v, F_ROW, &at, &row)) {
		if (strcasecmp(view_text(row, F_ADDRESS), address) != 0 ||
		    !view_id(row, F_USER_ID, &user))
			continue;
		for (i = 0; i < m->reader_count; i++)
			if (id_equal(&m->readers[i].user, &user))
				return true;
	}
	return false;
}

static enum ll_result
mark_taken(struct intake_mail *m)
{
	size_t i, n = 0;

	for (i = 0; i < m->to_count; i++) {
		m->to[i].taken = m->to[i].address[0] != '\0' &&
		    is_reader(m, m->to[i].address);
		n += m->to[i].taken;
	}
	return n > 0 ? LL_OK : LL_PROTO;
}

/* --- sealing --- */

static enum ll_result
seal_inline(struct intake_mail *m, enum object_kind kind, const char *name,
    const char *type, const void *bytes, size_t len, uint8_t **data_r,
    size_t *len_r)
{
	struct envelope_object o = { .kind = kind, .plain_bytes = len };
	enum ll_result r;

	id_random(&o.id);
	r = seal_object_buffer(m->key.data, &m->message, &o.id, kind, bytes,
	    len, data_r, len_r, o.hash);
	if (r != LL_OK)
		return r;
	o.sealed_bytes = *len_r;
	o.name = strdup(name);
	o.type = strdup(type);
	r = o.name != NULL && o.type != NULL ?
	    envelope_add_object(&m->e, &o) : LL_NOMEM;
	free(o.name);
	free(o.type);
	return r;
}

/* The mail itself stands last, behind the line that is its body here. */
static enum ll_result
seal_objects(struct intake_mail *m, uint8_t *data[2], size_t len[2])
{
	static const char sealed[] = "This message came as encrypted mail.\n";
	static const char clear[] = "This message came as mail.\n";
	const char *text = m->encrypted ? sealed : clear;
	struct envelope_object first;
	struct upload *u = m->raw;
	enum ll_result r;

	m->raw = NULL;
	if (u == NULL)
		r = seal_inline(m, OBJECT_RAW, "message.eml", "message/rfc822",
		    m->bytes, m->len, &data[1], &len[1]);
	else
		r = upload_end(u, &m->e);
	if (r == LL_OK)
		r = seal_inline(m, OBJECT_BODY, "", "text/plain", text,
		    strlen(text), &data[0], &len[0]);
	if (r != LL_OK)
		return r;
	first = m->e.objects[1];
	m->e.objects[1] = m->e.objects[0];
	m->e.objects[0] = first;
	return LL_OK;
}

static enum ll_result
address_envelope(struct intake_mail *m)
{
	const struct mail_reader *first = &m->readers[0];
	bool one_thread = first->answers;
	enum ll_result r;
	size_t i;

	for (i = 1; i < m->reader_count; i++)
		if (!m->readers[i].answers ||
		    !id_equal(&m->readers[i].thread, &first->thread))
			one_thread = false;
	m->e.message = m->message;
	m->e.thread = one_thread ? first->thread : m->message;
	if (one_thread)
		m->e.reply_to = first->reply_to;
	/* Its readers are not listed: one may have been a blind one. */
	r = look_facts(intake_mail_fields(m), m->sender,
	    (uint64_t)time(NULL), &m->e);
	if (r == LL_OK && m->e.subject[0] == '\0')
		r = envelope_set(&m->e.subject, m->encrypted ?
		    "encrypted mail" : "(no subject)");
	return r;
}

static void
put_object(struct msg *q, const struct envelope_object *o,
    const uint8_t *data, size_t len)
{
	msg_begin(q, F_OBJECT);
	msg_put_id(q, F_OBJECT_ID, &o->id);
	msg_put_u64(q, F_OBJECT_KIND, o->kind);
	msg_put_u64(q, F_SEALED_BYTES, o->sealed_bytes);
	msg_put_bytes(q, F_HASH, o->hash, sizeof(o->hash));
	if (data != NULL)
		msg_put_bytes(q, F_DATA, data, len);
	msg_end(q);
}

static enum ll_result
put_header(struct intake_mail *m, struct msg *q)
{
	uint8_t commitment[HASH_BYTES], *header = NULL;
	enum ll_result r;
	size_t len = 0;

	r = envelope_seal(&m->e, m->key.data, &header, &len);
	if (r == LL_OK)
		r = seal_commitment(m->key.data, &m->message, commitment);
	if (r == LL_OK) {
		msg_put_bytes(q, F_HEADER, header, len);
		msg_put_bytes(q, F_COMMITMENT, commitment, sizeof(commitment));
	}
	free(header);
	return r;
}

static enum ll_result
put_readers(struct intake_mail *m, struct msg *q)
{
	struct seal_context ctx = { .type = SEAL_HEADER,
	    .object = m->message };
	enum ll_result r = LL_OK;
	uint8_t *box;
	size_t i, len;

	for (i = 0; r == LL_OK && i < m->reader_count; i++) {
		const struct mail_reader *o = &m->readers[i];

		ctx.owner = o->user;
		ctx.generation = o->generation;
		r = seal_box(o->seal_pk, &ctx, m->key.data, m->key.len, &box,
		    &len);
		if (r != LL_OK)
			return r;
		msg_begin(q, F_RECIPIENT);
		msg_put_id(q, F_USER_ID, &o->user);
		msg_put_bytes(q, F_WRAP, box, len);
		msg_put_u64(q, F_GENERATION, o->generation);
		msg_put_id(q, F_THREAD_ID, o->answers ? &o->thread :
		    &m->message);
		if (o->answers)
			msg_put_id(q, F_REPLY_TO, &o->reply_to);
		msg_end(q);
		free(box);
	}
	return r;
}

static enum ll_result
put_identity(struct intake_mail *m, struct msg *q)
{
	uint8_t identity[HASH_BYTES];
	char mail_id[200];
	enum ll_result r;

	look_message_id(intake_mail_fields(m), mail_id);
	r = mark_taken(m);
	if (r == LL_OK)
		r = intake_mail_identity(m, false, identity);
	if (r != LL_OK)
		return r;
	if (mail_id[0] == '\0') {
		(void)sodium_bin2hex(mail_id, sizeof(mail_id), identity,
		    sizeof(identity));
		memcpy(mail_id + 2 * HASH_BYTES, "@intake.invalid", 16);
	}
	msg_put_bytes(q, F_IDEMPOTENCY, identity, sizeof(identity));
	msg_put_text(q, F_MAIL_ID, mail_id);
	return LL_OK;
}

enum ll_result
intake_take_end(struct intake_mail *m)
{
	uint8_t *data[2] = { NULL, NULL };
	size_t len[2] = { 0, 0 };
	struct msg *q = NULL;
	enum ll_result r;

	r = seal_objects(m, data, len);
	if (r == LL_OK)
		r = address_envelope(m);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_INTAKE_TAKE, &q);
	if (r == LL_OK)
		r = put_identity(m, q);
	if (r == LL_OK) {
		msg_put_id(q, F_MESSAGE_ID, &m->message);
		msg_put_text(q, F_ADDRESS, m->e.from);
		put_object(q, &m->e.objects[0], data[0], len[0]);
		put_object(q, &m->e.objects[1], data[1], len[1]);
		r = put_header(m, q);
	}
	if (r == LL_OK)
		r = put_readers(m, q);
	if (r == LL_OK) {
		r = portal_store_ask(m->x->store, q, NULL);
		q = NULL;
	}
	msg_destroy(q);
	free(data[0]);
	free(data[1]);
	return r;
}
