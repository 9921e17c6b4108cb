#include "server/intake_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/clean.h"
#include "keys/mime.h"
#include "server/intake_look.h"
#include "server/intake_mark.h"
#include "server/intake_part.h"
#include "server/intake_submit.h"

struct intake_out {
	struct tlv_view sender;      /* in m->who */
	struct intake_mark mark;
	struct envelope facts;
	struct intake_parts parts;
};

void
intake_out_destroy(struct intake_out *o)
{
	if (o == NULL)
		return;
	intake_parts_finish(&o->parts);
	envelope_finish(&o->facts);
	free(o);
}

static enum ll_result
deny(struct intake_mail *m, const char *words)
{
	snprintf(m->words, sizeof(m->words), "%s", words);
	return LL_DENIED;
}

/* --- is it one of ours? --- */

/* The mail server's name for who has logged in is the author's address or
 * login name. */
static bool
is_author(const struct intake_mail *m, struct tlv_view sender)
{
	return m->login[0] != '\0' &&
	    (strcasecmp(m->login, view_text(sender, F_EMAIL)) == 0 ||
	    strcmp(m->login, view_text(sender, F_USER)) == 0);
}

static bool
goes_to_listed(const struct intake_mail *m)
{
	size_t i;

	for (i = 0; i < m->to_count; i++)
		if (intake_mark_listed(m->x->secure_to, m->to[i].address))
			return true;
	return false;
}

static enum ll_result
begin(struct intake_mail *m, struct tlv_view sender,
    const struct intake_mark *mark)
{
	struct intake_out *o = calloc(1, sizeof(*o));
	enum ll_result r;

	if (o == NULL)
		return LL_NOMEM;
	m->out = o;
	envelope_init(&o->facts);
	o->parts.wire.fd = -1;
	o->sender = sender;
	o->mark = *mark;
	if (!view_id(sender, F_USER_ID, &m->author) ||
	    view_hash(sender, F_SEAL_PK) == NULL)
		return LL_PROTO;
	r = look_facts(intake_mail_fields(m), m->sender,
	    (uint64_t)time(NULL), &o->facts);
	return r == LL_OK ? intake_parts_begin(m, &o->parts) : r;
}

enum ll_result
intake_out_judge(struct intake_mail *m)
{
	struct tlv_view sender, v = msg_view(m->who);
	struct intake_mark mark;
	bool listed;
	size_t at = 0;

	if (!m->x->submits)
		return LL_OK;
	intake_mark_read(intake_mail_fields(m), &mark);
	/* an outsider's answer may have our mark in its subject; who has
	 * logged in means it */
	if (!view_nest(v, F_SENDER, &at, &sender))
		return !mark.secure || m->login[0] == '\0' ? LL_OK :
		    deny(m, "Not sent: this mail is to go secure, but its "
		    "From is not the one address of somebody who has a "
		    "secure mailbox here");
	listed = intake_mark_listed(m->x->secure_from,
	    view_text(sender, F_EMAIL)) || goes_to_listed(m);
	/* what its author encrypted goes safely without us */
	if (!mark.secure && listed)
		listed = !look_encrypted(intake_mail_fields(m),
		    (struct tlv_view){ NULL, 0 });
	if (!mark.secure && !listed) {
		m->scan = m->x->secure_rules[0] != '\0' &&
		    is_author(m, sender);
		return LL_OK;
	}
	if (!is_author(m, sender))
		return deny(m, "Not sent: this mail is to go secure, but the "
		    "mail server does not know you as its author (log in "
		    "there to send)");
	if (mark.wrong != NULL)
		return deny(m, mark.wrong);
	return begin(m, sender, &mark);
}

/* --- patterns in the text --- */

struct scan {
	const char *rules;
	const char *found;
};

static void
scan_text(void *arg, const char *text, size_t len)
{
	struct scan *s = arg;

	if (s->found == NULL)
		s->found = intake_mark_rule(s->rules, text, len);
}

enum ll_result
intake_out_scan(struct intake_mail *m)
{
	const struct tlv_view body = { m->bytes + m->head_len,
		m->len - m->head_len };
	struct tlv_view sender, v = msg_view(m->who);
	struct intake_mark mark;
	struct scan s = { m->x->secure_rules, NULL };
	size_t at = 0;

	m->scan = false;
	look_texts(intake_mail_fields(m), body, scan_text, &s);
	if (s.found == NULL || !view_nest(v, F_SENDER, &at, &sender))
		return LL_OK;
	intake_mark_read(intake_mail_fields(m), &mark);
	return begin(m, sender, &mark);
}

enum ll_result
intake_out_add(struct intake_mail *m, const void *p, size_t len)
{
	enum ll_result r = parse_put(&m->out->parts.wire, 'D', p, len);

	return r == LL_EOF ? LL_BUSY : r;
}

/* --- what it becomes --- */

static bool
is_named(const struct envelope *e, const char *address)
{
	size_t i;

	for (i = 0; i < e->to_count; i++)
		if (strcasecmp(e->to[i], address) == 0)
			return true;
	for (i = 0; i < e->cc_count; i++)
		if (strcasecmp(e->cc[i], address) == 0)
			return true;
	return false;
}

static bool
is_recipient(const struct intake_mail *m, const char *address)
{
	size_t i;

	for (i = 0; i < m->to_count; i++)
		if (strcasecmp(m->to[i].address, address) == 0)
			return true;
	return false;
}

/* Whom the header names and the mail server was told: the open ones. */
static enum ll_result
add_open(const struct intake_mail *m, struct draft *d, size_t *count_r)
{
	const struct envelope *e = &m->out->facts;
	enum ll_result r = LL_OK;
	const char *why;
	size_t i;

	for (i = 0; r == LL_OK && i < e->to_count; i++)
		if (is_recipient(m, e->to[i]))
			r = draft_add_to(d, e->to[i], &why);
	for (i = 0; r == LL_OK && i < e->cc_count; i++)
		if (is_recipient(m, e->cc[i]))
			r = draft_add_cc(d, e->cc[i], &why);
	*count_r = d->to_count + d->cc_count;
	return r;
}

static enum ll_result
describe(struct intake_mail *m, struct draft *d)
{
	struct intake_out *o = m->out;
	enum ll_result r;

	intake_mark_strip(o->facts.subject);
	r = draft_set_subject(d, o->facts.subject);
	d->class = o->mark.class;
	d->expires_days = o->mark.expires_days;
	(void)view_id(o->sender, F_THREAD_ID, &d->thread);
	(void)view_id(o->sender, F_REPLY_TO, &d->reply_to);
	return r;
}

/* One draft for those whom all may see, one for each blind one. */
static enum ll_result
make_drafts(struct intake_mail *m)
{
	struct intake_parts *p = &m->out->parts;
	size_t i, open = 0;
	enum ll_result r;
	const char *why;

	for (i = 0; i < m->to_count; i++)
		if (m->to[i].address[0] == '\0')
			return deny(m, "Not sent: a recipient's address "
			    "cannot be used here");
	r = intake_parts_draft(p);
	if (r == LL_OK)
		r = add_open(m, &p->drafts[0].d, &open);
	if (open == 0)
		intake_parts_forget(p);
	for (i = 0; r == LL_OK && i < m->to_count; i++) {
		if (is_named(&m->out->facts, m->to[i].address))
			continue;
		r = intake_parts_draft(p);
		if (r == LL_TOOBIG)
			return deny(m, "Not sent: too many blind recipients "
			    "for one mail");
		if (r == LL_OK)
			r = draft_add_to(&p->drafts[p->count - 1].d,
			    m->to[i].address, &why);
	}
	for (i = 0; r == LL_OK && i < p->count; i++)
		r = describe(m, &p->drafts[i].d);
	return r;
}

/* --- into the store --- */

static enum ll_result
put_identity(struct intake_mail *m, size_t n, struct msg *q)
{
	uint8_t hash[HASH_BYTES];
	struct tlv_out o;
	enum ll_result r;

	r = intake_mail_identity(m, true, hash);
	if (r != LL_OK)
		return r;
	tlv_out_init(&o, 256);
	tlv_put_bytes(&o, 1, hash, sizeof(hash));
	tlv_put_u64(&o, 2, n);
	r = o.err == LL_OK ? derive_bytes(LABEL_IDEMPOTENCY, NULL, 0, o.data,
	    o.len, hash) : o.err;
	tlv_out_finish(&o);
	if (r == LL_OK)
		msg_put_bytes(q, F_IDEMPOTENCY, hash, sizeof(hash));
	return r;
}

static enum ll_result
put_draft(const struct intake_mail *m, const struct draft *d, struct msg *q)
{
	const struct intake_out *o = m->out;
	const uint64_t generation = view_u64(o->sender, F_GENERATION);
	const struct seal_context ctx = { SEAL_DRAFT, m->author, d->id,
		generation };
	uint8_t *box = NULL, *sealed = NULL;
	size_t box_len = 0, len = 0;
	enum ll_result r;

	r = seal_box(view_hash(o->sender, F_SEAL_PK), &ctx, d->key.data,
	    d->key.len, &box, &box_len);
	if (r == LL_OK)
		r = draft_seal(d, &m->author, generation, &sealed, &len);
	if (r == LL_OK) {
		msg_put_id(q, F_USER_ID, &m->author);
		msg_put_id(q, F_MESSAGE_ID, &d->id);
		msg_put_bytes(q, F_WRAP, box, box_len);
		msg_put_bytes(q, F_DRAFT, sealed, len);
		msg_put_u64(q, F_GENERATION, generation);
	}
	free(box);
	free(sealed);
	return r;
}

/* *came_r: it came before, and this draft is not kept. */
static enum ll_result
keep_draft(struct intake_mail *m, size_t n, bool *came_r)
{
	const struct draft *d = &m->out->parts.drafts[n].d;
	struct msg *q, *reply;
	struct id kept;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_INTAKE_DRAFT, &q);
	if (r != LL_OK)
		return r;
	r = put_identity(m, n, q);
	if (r == LL_OK)
		r = put_draft(m, d, q);
	if (r != LL_OK) {
		msg_destroy(q);
		return r;
	}
	r = portal_store_ask(m->x->store, q, &reply);
	if (r != LL_OK)
		return r;
	if (view_id(msg_view(reply), F_MESSAGE_ID, &kept) &&
	    !id_equal(&kept, &d->id))
		*came_r = true;
	msg_destroy(reply);
	return LL_OK;
}

/* All or none: a recipient whom no safe way leads to stops the whole mail,
 * because its author hears of it now and by nothing else. */
static enum ll_result
send_all(struct intake_mail *m)
{
	struct intake_parts *p = &m->out->parts;
	enum ll_result r = LL_OK;
	size_t i;

	pthread_mutex_lock(&m->x->submitting);
	for (i = 0; r == LL_OK && i < p->count; i++)
		r = intake_submit_plan(m, &p->drafts[i].d);
	if (r == LL_DENIED)
		for (i = 0; i < p->count; i++)
			intake_submit_discard(m, &p->drafts[i].d);
	for (i = 0; r == LL_OK && i < p->count; i++) {
		r = intake_submit_send(m, &p->drafts[i].d);
		if (r == LL_DENIED && i > 0)
			r = LL_CONFLICT;
		else if (r == LL_DENIED)
			intake_submit_discard(m, &p->drafts[i].d);
	}
	pthread_mutex_unlock(&m->x->submitting);
	/* what was not sent now is a draft of its author's: as if held */
	if (r != LL_OK && r != LL_DENIED)
		(void)fprintf(stderr, "letterlock-intake: a mail waits as a "
		    "draft: %s\n", ll_result_text(r));
	return r == LL_DENIED ? r : LL_OK;
}

enum ll_result
intake_out_end(struct intake_mail *m)
{
	struct intake_out *o = m->out;
	bool came = false;
	enum ll_result r;
	size_t i;

	r = make_drafts(m);
	if (r == LL_OK)
		r = intake_parts_read(m, &o->parts);
	for (i = 0; r == LL_OK && i < o->parts.count; i++)
		r = keep_draft(m, i, &came);
	if (r == LL_OK && !m->x->hold && !came)
		r = send_all(m);
	for (i = 0; r == LL_OK && i < m->to_count; i++)
		m->to[i].taken = true;
	return r;
}
