#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sodium.h>

#include "keys/envelope.h"
#include "store/send.h"
#include "tui/center_part.h"

#define DAY_SECS 86400
#define SEAL_SLACK 256          /* more than a one-chunk stream adds */

/* --- sealing --- */

/* One sending under way. */
struct sending {
	struct center *c;
	const struct draft *d;
	const struct center_plan *p;
	struct center_send_options *o;
	struct envelope envelope;
	uint8_t commitment[HASH_BYTES];
	uint8_t *body;               /* sealed, when it goes inline */
	size_t body_len;
	uint8_t *header;
	size_t header_len;
	uint8_t self_wrap[256];
	size_t self_wrap_len;
	struct center_link *links;   /* one per row of the plan */
	struct center_mails mails;
	uint64_t expires_days;
};

static void
sending_finish(struct sending *s)
{
	size_t i;

	envelope_finish(&s->envelope);
	free(s->body);
	free(s->header);
	for (i = 0; s->links && i < s->p->count; i++)
		center_link_finish(&s->links[i]);
	free(s->links);
	center_mails_finish(&s->mails);
}

static bool
has_link(const struct center_planned *row)
{
	return row->route == ROUTE_PORTAL_MUC && !row->held;
}

/* The plan is for these recipients and no others. */
static bool
plan_fits(const struct draft *d, const struct center_plan *p)
{
	size_t i;

	if (p->count != d->to_count + d->cc_count)
		return false;
	for (i = 0; i < p->count; i++)
		if (strcasecmp(p->rows[i].address, i < d->to_count ?
		    d->to[i] : d->cc[i - d->to_count]) != 0)
			return false;
	return true;
}

static enum ll_result
add_readers(struct envelope *e, const struct center_plan *p)
{
	const struct center_planned *row;
	char name[330];
	enum ll_result r;
	size_t i;

	for (i = 0; i < p->count; i++) {
		row = &p->rows[i];
		if (row->held)
			continue;
		(void)snprintf(name, sizeof name, "m:%s", row->address);
		if (row->route == ROUTE_INTERNAL) {
			name[0] = 'u';
			id_text(&row->user, name + 2);
		}
		r = envelope_add(&e->readers, &e->reader_count, name);
		if (r)
			return r;
	}
	return LL_OK;
}

static enum ll_result
add_names(struct envelope *e, const struct desk_self *self,
    const struct draft *d)
{
	enum ll_result r;
	size_t i;

	r = envelope_set(&e->from, self->email);
	if (r == LL_OK)
		r = envelope_set(&e->from_name, self->name);
	if (r == LL_OK)
		r = envelope_set(&e->subject, d->subject);
	for (i = 0; r == LL_OK && i < d->to_count; i++)
		r = envelope_add(&e->to, &e->to_count, d->to[i]);
	for (i = 0; r == LL_OK && i < d->cc_count; i++)
		r = envelope_add(&e->cc, &e->cc_count, d->cc[i]);
	return r;
}

/* The body: inline when small, else a blob of the draft. */
static enum ll_result
seal_body(struct sending *s, struct envelope_object *o)
{
	const struct draft *d = s->d;
	struct draft_attachment blob;
	size_t len = strlen(d->body);
	enum ll_result r;

	id_random(&o->id);
	o->kind = OBJECT_BODY;
	o->plain_bytes = len;
	if (len + SEAL_SLACK <= INLINE_MAX) {
		r = seal_object_buffer(d->key.data, &d->id, &o->id,
		    OBJECT_BODY, d->body, len, &s->body, &s->body_len,
		    o->hash);
		o->sealed_bytes = s->body_len;
		return r;
	}
	r = draft_store_body(s->c->desk, d, &blob);
	if (r == LL_OK) {
		o->id = blob.object;
		o->sealed_bytes = blob.sealed_bytes;
		memcpy(o->hash, blob.hash, HASH_BYTES);
	}
	return r;
}

static enum ll_result
add_objects(struct sending *s)
{
	const struct draft *d = s->d;
	char text_type[] = "text/plain", no_name[] = "";
	struct envelope_object o;
	enum ll_result r;
	size_t i;

	memset(&o, 0, sizeof o);
	o.name = no_name;
	o.type = text_type;
	r = seal_body(s, &o);
	if (r == LL_OK)
		r = envelope_add_object(&s->envelope, &o);
	for (i = 0; r == LL_OK && i < d->attachment_count; i++) {
		o.id = d->attachments[i].object;
		o.kind = OBJECT_ATTACHMENT;
		o.plain_bytes = d->attachments[i].plain_bytes;
		o.sealed_bytes = d->attachments[i].sealed_bytes;
		memcpy(o.hash, d->attachments[i].hash, HASH_BYTES);
		o.name = d->attachments[i].name;
		o.type = d->attachments[i].type;
		r = envelope_add_object(&s->envelope, &o);
	}
	return r;
}

static enum ll_result
sign(struct sending *s)
{
	uint8_t manifest[HASH_BYTES];
	const uint8_t *p;
	size_t len = 0;
	struct msg *m, *reply;
	enum ll_result r;

	r = envelope_manifest(&s->envelope, s->commitment, manifest);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_AGENT_SIGN, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_HASH, manifest, HASH_BYTES);
	r = desk_ask_agent(s->c->desk, m, &reply);
	if (r)
		return r;
	p = view_bytes(msg_view(reply), F_SIGNATURE, &len);
	if (p && len == ENVELOPE_SIGNATURE) {
		memcpy(s->envelope.signature, p, len);
		s->envelope.is_signed = true;
	} else {
		r = LL_PROTO;
	}
	msg_destroy(reply);
	return r;
}

/* The author's own copy of the key. */
static enum ll_result
wrap_for_self(struct sending *s)
{
	const uint8_t *p;
	size_t len = 0;
	struct msg *m, *reply;
	enum ll_result r;

	r = center_request(OP_AGENT_SELF, &s->d->id, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_SECRET, s->d->key.data, s->d->key.len);
	r = desk_ask_agent(s->c->desk, m, &reply);
	if (r)
		return r;
	p = view_bytes(msg_view(reply), F_SELF_WRAP, &len);
	if (p && len <= sizeof s->self_wrap) {
		memcpy(s->self_wrap, p, len);
		s->self_wrap_len = len;
	} else {
		r = LL_PROTO;
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
seal_envelope(struct sending *s)
{
	const struct desk_self *self = center_self(s->c);
	const struct draft *d = s->d;
	struct envelope *e = &s->envelope;
	static const struct id none;
	enum ll_result r;

	e->message = d->id;
	e->thread = id_equal(&d->thread, &none) ? d->id : d->thread;
	e->reply_to = d->reply_to;
	e->author = self->id;
	e->author_generation = self->generation;
	e->date = (uint64_t)time(NULL);
	r = add_names(e, self, d);
	if (r == LL_OK)
		r = add_readers(e, s->p);
	if (r == LL_OK)
		r = add_objects(s);
	if (r == LL_OK)
		r = seal_commitment(d->key.data, &d->id, s->commitment);
	if (r == LL_OK)
		r = sign(s);
	if (r == LL_OK)
		r = envelope_seal(e, d->key.data, &s->header,
		    &s->header_len);
	return r;
}

static enum ll_result
make_links(struct sending *s)
{
	struct center_link_order order = {
		.message = s->d->id, .key = &s->d->key,
		.expires = (uint64_t)time(NULL) + s->expires_days * DAY_SECS,
		.queue_day = s->p->queue_day, .queue_pk = s->p->queue_pk,
	};
	const struct center_planned *row;
	size_t i, step = 0, steps = 0;
	enum ll_result r = LL_OK;

	s->links = calloc(s->p->count, sizeof *s->links);
	if (!s->links)
		return LL_NOMEM;
	for (i = 0; i < s->p->count; i++)
		steps += has_link(&s->p->rows[i]);
	for (i = 0; r == LL_OK && i < s->p->count; i++) {
		row = &s->p->rows[i];
		if (!has_link(row))
			continue;
		step++;
		if (s->o->progress
		    && !s->o->progress(s->o->arg, "Making link", step,
		    steps))
			return LL_AGAIN;
		order.address = row->address;
		order.pair_box = row->code_known && !s->o->new_codes ?
		    row->pair_box : NULL;
		order.pair_box_len = row->pair_box_len;
		r = center_link_make(s->c, &order, &s->links[i]);
	}
	return r;
}

/* --- the request --- */

static enum ll_result
put_recipient(struct sending *s, struct msg *m, size_t i)
{
	const struct center_planned *row = &s->p->rows[i];
	struct seal_context ctx = { SEAL_HEADER, row->user, s->d->id,
	    row->generation };
	uint8_t *box = NULL;
	size_t len = 0;
	enum ll_result r = LL_OK;

	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, row->address);
	msg_put_u64(m, F_ROUTE, row->route);
	if (has_link(row)) {
		center_link_put(m, &s->links[i]);
		/* The pair's known code: the reason says so. */
		if (s->links[i].is_known)
			msg_put_u64(m, F_FLAGS, 1);
	} else if (row->route == ROUTE_INTERNAL && !row->held) {
		r = seal_box(row->seal_pk, &ctx, s->d->key.data,
		    s->d->key.len, &box, &len);
		if (r == LL_OK) {
			msg_put_bytes(m, F_WRAP, box, len);
			msg_put_u64(m, F_GENERATION, row->generation);
		}
		free(box);
	} else if (center_has_mail(row)) {
		r = center_mails_put(s->c, m, &s->mails, s->p, i, &s->d->id,
		    s->envelope.date + s->expires_days * DAY_SECS);
	}
	msg_end(m);
	return r;
}

static void
put_objects(const struct sending *s, struct msg *m)
{
	const struct envelope *e = &s->envelope;
	size_t i;

	for (i = 0; i < e->object_count; i++) {
		msg_begin(m, F_OBJECT);
		msg_put_id(m, F_OBJECT_ID, &e->objects[i].id);
		msg_put_u64(m, F_OBJECT_KIND, e->objects[i].kind);
		msg_put_u64(m, F_SEALED_BYTES, e->objects[i].sealed_bytes);
		msg_put_bytes(m, F_HASH, e->objects[i].hash, HASH_BYTES);
		if (i == 0 && s->body)
			msg_put_bytes(m, F_DATA, s->body, s->body_len);
		msg_end(m);
	}
	center_mails_put_objects(m, &s->mails);
}

static enum ll_result
make_request(struct sending *s, struct msg **m_r)
{
	static const struct id none;
	const struct envelope *e = &s->envelope;
	struct msg *m;
	enum ll_result r;
	size_t i;

	r = msg_create(MSG_REQUEST, OP_SEND, &m);
	if (r)
		return r;
	if (sodium_is_zero(s->o->idempotency, sizeof s->o->idempotency))
		randombytes_buf(s->o->idempotency,
		    sizeof s->o->idempotency);
	msg_put_bytes(m, F_IDEMPOTENCY, s->o->idempotency,
	    sizeof s->o->idempotency);
	msg_put_id(m, F_MESSAGE_ID, &e->message);
	msg_put_id(m, F_THREAD_ID, &e->thread);
	if (!id_equal(&e->reply_to, &none))
		msg_put_id(m, F_REPLY_TO, &e->reply_to);
	msg_put_bytes(m, F_PLAN_HASH, s->p->hash, HASH_BYTES);
	msg_put_u64(m, F_CLASS, s->p->class);
	msg_put_bytes(m, F_HEADER, s->header, s->header_len);
	msg_put_bytes(m, F_COMMITMENT, s->commitment, HASH_BYTES);
	msg_put_u64(m, F_GENERATION, e->author_generation);
	msg_put_bytes(m, F_SELF_WRAP, s->self_wrap, s->self_wrap_len);
	msg_put_u64(m, F_EXPIRES, s->expires_days);
	msg_put_u64(m, F_DELAY_SECS, s->o->delay_secs);
	put_objects(s, m);
	for (i = 0; r == LL_OK && i < s->p->count; i++)
		r = put_recipient(s, m, i);
	if (r) {
		msg_destroy(m);
		return r;
	}
	*m_r = m;
	return LL_OK;
}

static void
tell_codes(const struct sending *s, struct center_sent *sent)
{
	size_t i, k;

	for (i = 0; i < sent->count; i++)
		for (k = 0; k < s->p->count; k++)
			if (has_link(&s->p->rows[k])
			    && strcasecmp(s->p->rows[k].address,
			    sent->rows[i].address) == 0)
				center_link_tell(&s->links[k],
				    &sent->rows[i]);
}

static enum ll_result
commit(struct sending *s, bool repeated, struct center_sent *sent)
{
	struct msg *m, *reply;
	enum ll_result r;

	r = make_request(s, &m);
	if (r == LL_OK)
		r = desk_ask(s->c->desk, m, &reply);
	if (r)
		return r;
	r = center_recipients_read(s->c, reply, NULL, sent);
	msg_destroy(reply);
	if (r)
		return r;
	/* A repeated request may have been answered as the first was, whose
	 * links were other ones: the boxed codes are the true ones. */
	if (repeated) {
		center_sent_finish(sent);
		r = center_status(s->c, &s->envelope.message, sent);
	} else {
		tell_codes(s, sent);
	}
	sent->id = s->envelope.message;
	sent->thread = s->envelope.thread;
	sent->undo_until = s->o->delay_secs ?
	    (uint64_t)time(NULL) + s->o->delay_secs : 0;
	return r;
}

enum ll_result
center_send(struct center *c, const struct draft *d,
    const struct center_plan *p, struct center_send_options *o,
    struct center_sent *s_r)
{
	struct sending s = { .c = c, .d = d, .p = p, .o = o };
	bool repeated = !sodium_is_zero(o->idempotency,
	    sizeof o->idempotency);
	enum ll_result r;

	center_begin(c);
	memset(s_r, 0, sizeof *s_r);
	if (center_self(c)->locked)
		return LL_LOCKED;
	if (!plan_fits(d, p))
		return center_fail(c, LL_CONFLICT,
		    "the recipients changed since the plan: plan again");
	s.expires_days = d->expires_days ? d->expires_days : p->expires_days;
	if (s.expires_days == 0)
		s.expires_days = center_self(c)->expiry_days;
	envelope_init(&s.envelope);
	r = seal_envelope(&s);
	if (r == LL_OK)
		r = wrap_for_self(&s);
	if (r == LL_OK)
		r = make_links(&s);
	if (r == LL_OK)
		r = center_mails_make(c, d, p, o, s.envelope.date, &s.mails);
	if (r == LL_OK)
		r = commit(&s, repeated, s_r);
	if (r && r != LL_BUSY)
		center_mails_drop(c, d, &s.mails);
	sending_finish(&s);
	if (r)
		center_sent_finish(s_r);
	if (r == LL_CONFLICT && c->failure != LL_CONFLICT)
		return center_fail(c, r, "an address or key changed since "
		    "the plan was shown: plan again");
	return r;
}
