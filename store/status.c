/*
 * What became of a message, recipient by recipient, and what its author can
 * still do about it.
 */
#include <stdio.h>
#include <string.h>

#include "store/delivery.h"
#include "store/handlers.h"
#include "store/link.h"
#include "store/queue.h"
#include "store/route.h"
#include "store/send.h"

#define EVENTS_MAX 40
#define DETAIL_MAX 300           /* characters */
#define STATUS_BYTES (1024 * 1024)

/* LL_OK when the asker wrote that message; *class_r may be NULL. */
static enum ll_result
own(struct store *s, struct request *q, struct id *message_r,
    uint64_t *class_r)
{
	uint64_t mine;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, message_r))
		return LL_USAGE;
	r = db_number(s->db, 0, &mine, "SELECT class FROM messages WHERE"
	    " message = ?1 AND author = ?2", "dd", message_r, &q->peer->user);
	if (class_r != NULL)
		*class_r = mine;
	return r == LL_OK && mine == 0 ? LL_NOTFOUND : r;
}

/* --- STATUS --- */

/* The last events, in order.  The other server's words are cut, the more the
 * fuller the answer is. */
static enum ll_result
put_events(struct store *s, struct msg *m, const struct id *delivery)
{
	const bool full = msg_view(m).len > STATUS_BYTES;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, "SELECT event, time, detail FROM (SELECT"
	    " sequence, event, time, substr(detail, 1, ?2) AS detail FROM log"
	    " WHERE delivery = ?1 ORDER BY sequence DESC LIMIT ?3) ORDER BY"
	    " sequence", "duu", delivery, full ? 0 : DETAIL_MAX,
	    full ? 2 : EVENTS_MAX);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(m, F_EVENT);
		msg_put_u64(m, F_EVENT_KIND, db_u64(st, 0));
		msg_put_u64(m, F_TIME, db_u64(st, 1));
		if (db_text(st, 2)[0] != '\0')
			msg_put_text(m, F_DETAIL, db_text(st, 2));
		msg_end(m);
	}
	return r == LL_EOF ? LL_OK : r;
}

static enum ll_result
put_code(struct store *s, struct msg *m, const struct id *delivery)
{
	const uint8_t *box;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = db_one(s->db, &st, "SELECT code_box FROM links WHERE delivery ="
	    " ?1 AND state IN (1, 2) AND code_box IS NOT NULL", "d",
	    delivery);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	box = db_blob(st, 0, &len);
	msg_put_bytes(m, F_CODE_BOX, box, len);
	db_end(st);
	return LL_OK;
}

/* The keys it was encrypted to, one by one. */
static void
put_keys(struct msg *m, const char *keys)
{
	char one[129];
	size_t len;

	for (; *keys != '\0'; keys += len + strspn(keys + len, " ")) {
		len = strcspn(keys, " ");
		(void)snprintf(one, sizeof(one), "%.*s", (int)len, keys);
		msg_put_text(m, F_FINGERPRINT, one);
	}
}

enum ll_result
delivery_status(struct store *s, struct request *q)
{
	struct id message, delivery;
	uint64_t class;
	sqlite3_stmt *st;
	enum ll_result r;

	r = own(s, q, &message, &class);
	if (r == LL_OK)
		r = db_query(s->db, &st, "SELECT delivery, address, route,"
		    " state, reason, expires, fingerprint FROM deliveries"
		    " WHERE message = ?1 ORDER BY position", "d", &message);
	if (r != LL_OK)
		return r;
	msg_put_id(q->reply, F_MESSAGE_ID, &message);
	msg_put_u64(q->reply, F_CLASS, class);
	while ((r = db_next(s->db, st)) == LL_OK) {
		if (!db_id(st, 0, &delivery))
			continue;
		msg_begin(q->reply, F_RECIPIENT);
		msg_put_id(q->reply, F_DELIVERY_ID, &delivery);
		msg_put_text(q->reply, F_ADDRESS, db_text(st, 1));
		msg_put_u64(q->reply, F_ROUTE, db_u64(st, 2));
		msg_put_u64(q->reply, F_STATE, db_u64(st, 3));
		msg_put_text(q->reply, F_REASON, db_text(st, 4));
		msg_put_u64(q->reply, F_EXPIRES, db_u64(st, 5));
		put_keys(q->reply, db_text(st, 6));
		r = put_code(s, q->reply, &delivery);
		if (r == LL_OK)
			r = put_events(s, q->reply, &delivery);
		msg_end(q->reply);
		if (r != LL_OK)
			break;
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

/* --- WITHDRAW --- */

static bool
is_over(enum delivery_state state)
{
	return state == STATE_HELD || state == STATE_WITHDRAWN ||
	    state == STATE_EXPIRED || state == STATE_FAILED ||
	    state == STATE_REFUSED;
}

/* Why a mail cannot be called back; NULL: it can. */
static enum ll_result
too_late(struct store *s, const struct request *q, const struct delivery *d,
    const char **why_r)
{
	enum queue_place place;
	enum ll_result r;

	*why_r = NULL;
	if (!route_is_mail(d->route) || is_over(d->state))
		return LL_OK;
	r = queue_place(s, q->now, d, &place);
	if (place == QUEUE_OUT)
		*why_r = "it is out already: their mail server has taken it";
	else if (place == QUEUE_LEASED)
		*why_r = "it is being handed over at this moment: try again "
		    "in two minutes";
	return r;
}

static enum ll_result
withdraw_one(struct store *s, struct request *q, struct delivery *d)
{
	const char *detail = view_text(q->v, F_DETAIL), *late;
	enum ll_result r;

	r = too_late(s, q, d, &late);
	if (r == LL_OK && late == NULL && !is_over(d->state)) {
		r = delivery_shred(s, d, LINK_WITHDRAWN);
		if (r == LL_OK)
			r = delivery_record(s, q->now, d, EVENT_WITHDRAWN,
			    STATE_WITHDRAWN, detail[0] ? detail : NULL);
	}
	msg_begin(q->reply, F_RECIPIENT);
	msg_put_text(q->reply, F_ADDRESS, d->address);
	msg_put_u64(q->reply, F_ROUTE, (uint64_t)d->route);
	msg_put_u64(q->reply, F_STATE, (uint64_t)d->state);
	msg_put_u64(q->reply, F_WAS_READ, d->was_read ? 1 : 0);
	if (late != NULL)
		msg_put_text(q->reply, F_REASON, late);
	msg_end(q->reply);
	return r;
}

static enum ll_result
withdraw_all(struct store *s, struct request *q, const struct id *message)
{
	struct id ids[RECIPIENTS_MAX];
	struct delivery d;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t n = 0, i;

	r = db_query(s->db, &st, "SELECT delivery FROM deliveries WHERE"
	    " message = ?1 ORDER BY position LIMIT ?2", "du", message,
	    RECIPIENTS_MAX);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK)
		n += db_id(st, 0, &ids[n]) ? 1 : 0;
	if (r != LL_EOF)
		return r;
	r = LL_OK;
	for (i = 0; r == LL_OK && i < n; i++) {
		r = delivery_load(s, &ids[i], &d);
		if (r == LL_OK)
			r = withdraw_one(s, q, &d);
	}
	return r;
}

enum ll_result
delivery_withdraw(struct store *s, struct request *q)
{
	struct delivery d;
	struct id message;
	enum ll_result r;

	r = own(s, q, &message, NULL);
	if (r != LL_OK)
		return r;
	if (view_has(q->v, F_ADDRESS)) {
		r = delivery_of_address(s, &message, view_text(q->v,
		    F_ADDRESS), &d);
		if (r == LL_OK)
			r = withdraw_one(s, q, &d);
	} else {
		r = withdraw_all(s, q, &message);
	}
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM drafts WHERE message = ?1 AND"
		    " sent = 1", "d", &message);
	if (r == LL_OK)
		r = delivery_collect(s, &message);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &message, FOLDER_SENT, q->peer);
	return r;
}

/* --- REISSUE --- */

/* The old link says that it was replaced; nothing opens it any more. */
static enum ll_result
replace_link(struct store *s, struct request *q, struct delivery *d,
    struct tlv_view link)
{
	enum ll_result r;

	r = delivery_shred(s, d, LINK_REPLACED);
	if (r == LL_OK)
		r = link_add(s, q, d, link, q->now);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE deliveries SET mail_id = ?2 WHERE"
		    " delivery = ?1", "dt", &d->id,
		    view_text(link, F_MAIL_ID));
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, EVENT_REISSUED, 0, NULL);
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, EVENT_QUEUED, STATE_QUEUED,
		    NULL);
	event_queue(s);
	return r;
}

enum ll_result
delivery_reissue(struct store *s, struct request *q)
{
	struct tlv_view link;
	struct delivery d;
	struct id message;
	enum ll_result r;
	size_t at = 0;

	if (!view_nest(q->v, F_LINK, &at, &link))
		return LL_USAGE;
	r = own(s, q, &message, NULL);
	if (r == LL_OK)
		r = delivery_of_address(s, &message, view_text(q->v,
		    F_ADDRESS), &d);
	if (r != LL_OK)
		return r;
	if (d.route != ROUTE_PORTAL_MUC || d.state == STATE_PENDING ||
	    is_over(d.state)) {
		q->words = "There is no link to be replaced.";
		return LL_CONFLICT;
	}
	if (d.expires > 0 && d.expires <= q->now)
		return LL_GONE;
	r = replace_link(s, q, &d, link);
	msg_begin(q->reply, F_RECIPIENT);
	msg_put_text(q->reply, F_ADDRESS, d.address);
	msg_put_u64(q->reply, F_ROUTE, (uint64_t)d.route);
	msg_put_u64(q->reply, F_STATE, (uint64_t)d.state);
	msg_put_u64(q->reply, F_EXPIRES, d.expires);
	msg_end(q->reply);
	return r;
}
