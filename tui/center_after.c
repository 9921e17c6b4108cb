#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/center_part.h"

/* --- answers with recipients --- */

static void
recipient_finish(struct center_recipient *r)
{
	size_t i;

	for (i = 0; i < r->event_count; i++)
		free(r->events[i].detail);
	free(r->events);
	free(r->reason);
	sodium_memzero(r, sizeof *r);
}

void
center_sent_finish(struct center_sent *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		recipient_finish(&s->rows[i]);
	free(s->rows);
	memset(s, 0, sizeof *s);
}

static enum ll_result
read_events(struct tlv_view v, struct center_recipient *r)
{
	struct tlv_view inner;
	size_t at = 0, count = 0;
	enum ll_result res;

	while (view_nest(v, F_EVENT, &at, &inner))
		count++;
	if (count == 0)
		return LL_OK;
	r->events = calloc(count, sizeof *r->events);
	if (!r->events)
		return LL_NOMEM;
	at = 0;
	while (view_nest(v, F_EVENT, &at, &inner)) {
		struct center_event_row *e = &r->events[r->event_count];

		e->event = (enum event)view_u64(inner, F_EVENT_KIND);
		e->time = view_u64(inner, F_TIME);
		res = center_clean(view_text(inner, F_DETAIL), CLEAN_LINE,
		    &e->detail);
		if (res)
			return res;
		r->event_count++;
	}
	return LL_OK;
}

static enum ll_result
read_recipient(struct center *c, struct tlv_view v,
    const struct id *message, struct center_recipient *r)
{
	const uint8_t *box;
	size_t len = 0;
	enum ll_result res;

	(void)snprintf(r->address, sizeof r->address, "%s",
	    view_text(v, F_ADDRESS));
	r->route = (enum route)view_u64(v, F_ROUTE);
	r->state = (enum delivery_state)view_u64(v, F_STATE);
	r->expires = view_u64(v, F_EXPIRES);
	r->was_read = view_u64(v, F_WAS_READ) != 0;
	res = center_clean(view_text(v, F_REASON), CLEAN_LINE, &r->reason);
	if (res)
		return res;
	box = view_bytes(v, F_CODE_BOX, &len);
	if (box && len && message && !center_self(c)->locked)
		center_code_open(c, message, box, len, r);
	return read_events(v, r);
}

/* How far a delivery has come, for the least advanced of a message. */
static int
advance(enum delivery_state s)
{
	static const int rank[] = {
		[STATE_PENDING] = 1, [STATE_QUEUED] = 2, [STATE_DEFERRED] = 3,
		[STATE_FROZEN] = 4, [STATE_DELIVERED] = 5,
		[STATE_RELAYED] = 6, [STATE_NOTIFIED] = 7,
		[STATE_OPENED] = 8, [STATE_READ] = 9, [STATE_REPLIED] = 10,
		[STATE_FAILED] = 11, [STATE_REFUSED] = 12,
		[STATE_EXPIRED] = 13, [STATE_WITHDRAWN] = 14,
		[STATE_HELD] = 15,
	};

	return (unsigned)s < sizeof rank / sizeof *rank ? rank[s] : 99;
}

enum ll_result
center_recipients_read(struct center *c, const struct msg *answer,
    const struct id *message, struct center_sent *s)
{
	struct tlv_view v = msg_view(answer), row;
	size_t at = 0, count = 0;
	enum ll_result r = LL_OK;

	while (view_nest(v, F_RECIPIENT, &at, &row))
		count++;
	s->rows = calloc(count ? count : 1, sizeof *s->rows);
	if (!s->rows)
		return LL_NOMEM;
	at = 0;
	while (r == LL_OK && view_nest(v, F_RECIPIENT, &at, &row)) {
		r = read_recipient(c, row, message, &s->rows[s->count]);
		if (s->count == 0
		    || advance(s->rows[s->count].state) < advance(s->state))
			s->state = s->rows[s->count].state;
		s->count++;
	}
	return r;
}

/* --- what a sender can do afterwards --- */

static enum ll_result
ask_recipients(struct center *c, struct msg *request, const struct id *id,
    bool codes, struct center_sent *s_r)
{
	struct msg *reply;
	enum ll_result r;

	s_r->id = *id;
	r = desk_ask(c->desk, request, &reply);
	if (r)
		return r;
	r = center_recipients_read(c, reply, codes ? id : NULL, s_r);
	msg_destroy(reply);
	if (r)
		center_sent_finish(s_r);
	return r;
}

enum ll_result
center_undo(struct center *c, const struct id *id)
{
	uint8_t once[HASH_BYTES];
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	r = center_request(OP_UNDO, id, &m);
	if (r)
		return r;
	/* Asked again after a restart of the store, it has been done. */
	randombytes_buf(once, sizeof once);
	msg_put_bytes(m, F_IDEMPOTENCY, once, sizeof once);
	return desk_ask(c->desk, m, NULL);
}

enum ll_result
center_status(struct center *c, const struct id *id,
    struct center_sent *s_r)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	memset(s_r, 0, sizeof *s_r);
	r = center_request(OP_STATUS, id, &m);
	return r ? r : ask_recipients(c, m, id, true, s_r);
}

enum ll_result
center_withdraw(struct center *c, const struct id *id, const char *address,
    const char *reason, struct center_sent *s_r)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	memset(s_r, 0, sizeof *s_r);
	r = center_request(OP_WITHDRAW, id, &m);
	if (r)
		return r;
	if (address)
		msg_put_text(m, F_ADDRESS, address);
	if (reason && *reason)
		msg_put_text(m, F_DETAIL, reason);
	return ask_recipients(c, m, id, false, s_r);
}

/* --- a new link and code --- */

/* Until when the delivery to address lives; LL_NOTFOUND without one. */
static enum ll_result
delivery_expiry(struct center *c, const struct id *id, const char *address,
    uint64_t *expires_r)
{
	struct center_sent s;
	enum ll_result r;
	size_t i;

	r = center_status(c, id, &s);
	if (r)
		return r;
	r = LL_NOTFOUND;
	for (i = 0; i < s.count; i++) {
		if (strcasecmp(s.rows[i].address, address) != 0)
			continue;
		*expires_r = s.rows[i].expires;
		r = s.rows[i].route == ROUTE_PORTAL_MUC ? LL_OK : LL_CONFLICT;
	}
	center_sent_finish(&s);
	if (r == LL_NOTFOUND)
		return center_fail(c, r,
		    "the message did not go to that address");
	if (r == LL_CONFLICT)
		return center_fail(c, r, "only a web link can be reissued");
	return r;
}

static enum ll_result
plan_queue(struct center *c, const char *address, struct center_plan *p_r)
{
	struct draft one;
	const char *why;
	enum ll_result r;

	memset(p_r, 0, sizeof *p_r);
	r = draft_init(&one);
	if (r)
		return r;
	r = draft_add_to(&one, address, &why);
	if (r == LL_OK)
		r = center_plan(c, &one, p_r);
	else if (why)
		r = center_fail(c, r, why);
	draft_finish(&one);
	return r;
}

static enum ll_result
ask_reissue(struct center *c, const struct id *id, const char *address,
    const struct center_link *l, struct center_send_options *o,
    struct center_sent *s_r)
{
	struct msg *m;
	enum ll_result r;

	r = center_request(OP_REISSUE, id, &m);
	if (r)
		return r;
	if (sodium_is_zero(o->idempotency, sizeof o->idempotency))
		randombytes_buf(o->idempotency, sizeof o->idempotency);
	msg_put_bytes(m, F_IDEMPOTENCY, o->idempotency,
	    sizeof o->idempotency);
	msg_put_text(m, F_ADDRESS, address);
	center_link_put(m, l);
	r = ask_recipients(c, m, id, false, s_r);
	if (r == LL_OK && s_r->count == 1)
		center_link_tell(l, &s_r->rows[0]);
	else if (r == LL_OK)
		r = LL_PROTO;
	return r;
}

enum ll_result
center_reissue(struct center *c, const struct id *id, const char *address,
    struct center_send_options *o, struct center_sent *s_r)
{
	struct center_link_order order = { .address = address,
	    .message = *id };
	struct center_link link;
	struct center_plan plan;
	struct mail mail;
	enum ll_result r;

	center_begin(c);
	memset(s_r, 0, sizeof *s_r);
	if (center_self(c)->locked)
		return LL_LOCKED;
	r = delivery_expiry(c, id, address, &order.expires);
	if (r)
		return r;
	r = plan_queue(c, address, &plan);
	if (r)
		return r;
	order.queue_day = plan.queue_day;
	order.queue_pk = plan.queue_pk;
	r = mail_fetch(c->desk, id, &mail);
	if (r == LL_OK) {
		order.key = &mail.key;
		if (o->progress && !o->progress(o->arg, "Making link", 1,
		    1))
			r = LL_AGAIN;
		if (r == LL_OK)
			r = center_link_make(c, &order, &link);
		if (r == LL_OK) {
			r = ask_reissue(c, id, address, &link, o, s_r);
			center_link_finish(&link);
		}
		mail_finish(&mail);
	}
	center_plan_finish(&plan);
	return r;
}
