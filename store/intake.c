/*
 * Mail that comes in from mail programs: whose it is and where it belongs,
 * its upload, its taking over, and what other servers say of mail of ours.
 * Nothing here is proven by its sender: From, references and bounces are words
 * of whoever wrote that mail.
 */
#include <string.h>
#include <strings.h>

#include "store/delivery.h"
#include "store/handlers.h"
#include "store/object.h"
#include "store/queue.h"
#include "store/vaults.h"

#define ADDRESSES_MAX 200        /* of one mail, looked at */
#define REFERENCES_MAX 50
#define TAKERS_MAX 200

/* The next one of a field that repeats; NULL: no more. */
static const char *
next_text(struct tlv_view v, enum field f, size_t *at)
{
	struct tlv_field field;
	const char *text;

	if (!view_each(v, f, at, &field))
		return NULL;
	return tlv_text(&field, &text) == LL_OK ? text : "";
}

/* --- INTAKE_WHO --- */

/* The message that a Message-ID names, where that user wrote or has it. */
static enum ll_result
find_message(struct store *s, const struct id *user, const char *mail_id,
    struct id *message_r, struct id *thread_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT f.message, coalesce(b.thread,"
	    " m.thread) FROM (SELECT message FROM messages WHERE mail_id = ?1"
	    " UNION SELECT message FROM deliveries WHERE mail_id = ?1) f"
	    " JOIN messages m ON m.message = f.message LEFT JOIN boxes b ON"
	    " b.message = f.message AND b.user = ?2 WHERE m.author = ?2 OR"
	    " b.user IS NOT NULL LIMIT 1", "td", mail_id, user);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, message_r);
	(void)db_id(st, 1, thread_r);
	db_end(st);
	return LL_OK;
}

static enum ll_result
put_thread(struct store *s, struct request *q, const struct id *user)
{
	struct id message, thread;
	const char *reference;
	enum ll_result r;
	size_t at = 0;
	unsigned n;

	for (n = 0; n < REFERENCES_MAX; n++) {
		reference = next_text(q->v, F_REFERENCE, &at);
		if (reference == NULL)
			return LL_OK;
		r = find_message(s, user, reference, &message, &thread);
		if (r == LL_NOTFOUND)
			continue;
		if (r == LL_OK) {
			msg_put_id(q->reply, F_THREAD_ID, &thread);
			msg_put_id(q->reply, F_REPLY_TO, &message);
		}
		return r;
	}
	return LL_OK;
}

/* The fields of who has a mailbox at that address; LL_NOTFOUND: nobody. */
static enum ll_result
put_owner(struct store *s, struct request *q, enum field nest,
    enum field field, const char *address)
{
	uint8_t seal_pk[32];
	sqlite3_stmt *st;
	struct id user;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT u.user, v.seal_pk, u.generation,"
	    " u.name, u.login FROM users u JOIN vaults v ON v.user = u.user"
	    " AND v.generation = u.generation WHERE u.email = lower(?1) AND"
	    " u.role = ?2 AND u.state = ?3", "tuu", address, ROLE_STAFF,
	    USER_ACTIVE);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &user);
	(void)db_hash(st, 1, seal_pk);
	msg_begin(q->reply, nest);
	msg_put_text(q->reply, field, address);
	msg_put_id(q->reply, F_USER_ID, &user);
	msg_put_bytes(q->reply, F_SEAL_PK, seal_pk, sizeof(seal_pk));
	msg_put_u64(q->reply, F_GENERATION, db_u64(st, 2));
	msg_put_text(q->reply, F_NAME, db_text(st, 3));
	if (nest == F_SENDER)
		msg_put_text(q->reply, F_USER, db_text(st, 4));
	db_end(st);
	r = put_thread(s, q, &user);
	msg_end(q->reply);
	return r;
}

enum ll_result
intake_who(struct store *s, struct request *q)
{
	enum ll_result r = LL_OK;
	const char *address;
	size_t at = 0;
	unsigned n;

	for (n = 0; r == LL_OK && n < ADDRESSES_MAX; n++) {
		address = next_text(q->v, F_ADDRESS, &at);
		if (address == NULL)
			break;
		r = put_owner(s, q, F_ROW, F_ADDRESS, address);
		if (r == LL_NOTFOUND)
			r = LL_OK;
	}
	if (r == LL_OK && view_has(q->v, F_EMAIL)) {
		r = put_owner(s, q, F_SENDER, F_EMAIL,
		    view_text(q->v, F_EMAIL));
		if (r == LL_NOTFOUND)
			r = LL_OK;
	}
	return r;
}

/* --- uploads --- */

/* The mail's id must be new: no message's, nobody's draft. */
static enum ll_result
place(struct store *s, struct request *q, struct object_place *p_r)
{
	uint64_t taken;
	enum ll_result r;

	memset(p_r, 0, sizeof(*p_r));
	if (!view_id(q->v, F_MESSAGE_ID, &p_r->message))
		return LL_USAGE;
	r = db_number(s->db, 0, &taken, "SELECT EXISTS (SELECT 1 FROM drafts"
	    " WHERE message = ?1) OR EXISTS (SELECT 1 FROM messages WHERE"
	    " message = ?1) OR EXISTS (SELECT 1 FROM objects WHERE message ="
	    " ?1 AND delivery IS NOT NULL)", "d", &p_r->message);
	return r == LL_OK && taken ? LL_CONFLICT : r;
}

enum ll_result
intake_blob(struct store *s, struct request *q)
{
	struct object_place where;
	enum ll_result r;
	uint64_t known;

	r = place(s, q, &where);
	if (r == LL_OK && !view_id(q->v, F_USER_ID, &where.owner))
		r = LL_USAGE;
	if (r == LL_OK)
		r = db_number(s->db, 0, &known, "SELECT 1 FROM users WHERE"
		    " user = ?1", "d", &where.owner);
	if (r == LL_OK && !known)
		r = LL_NOTFOUND;
	return r == LL_OK ? object_upload_new(s, q, &where) : r;
}

enum ll_result
intake_commit(struct store *s, struct request *q)
{
	struct object_place where;
	enum ll_result r;

	r = place(s, q, &where);
	if (r == LL_OK && !object_upload_owner(s, q, &where.owner))
		r = LL_NOTFOUND;
	return r == LL_OK ? object_upload_end(s, q, &where) : r;
}

enum ll_result
intake_drop(struct store *s, struct request *q)
{
	struct id object;

	if (!view_id(q->v, F_OBJECT_ID, &object))
		return LL_USAGE;
	return object_upload_cancel(s, q->peer, &object) ? LL_OK :
	    LL_NOTFOUND;
}

/* --- INTAKE_TAKE --- */

struct taker {
	struct id user, thread, reply_to;
	bool answers;            /* reply_to is set */
	uint64_t generation;
	const uint8_t *wrap;
	size_t wrap_len;
};

/* LL_CONFLICT: what INTAKE_WHO said of that reader no longer holds. */
static enum ll_result
check_taker(struct store *s, const struct id *message, const struct taker *t)
{
	uint64_t good;
	enum ll_result r;

	r = db_number(s->db, 0, &good, "SELECT 1 FROM users WHERE user = ?1"
	    " AND role = ?2 AND state = ?3 AND generation = ?4", "duui",
	    &t->user, ROLE_STAFF, USER_ACTIVE, t->generation);
	if (r != LL_OK || !good)
		return r != LL_OK ? r : LL_CONFLICT;
	if (!t->answers)
		return id_equal(&t->thread, message) ? LL_OK : LL_USAGE;
	r = db_number(s->db, 0, &good, "SELECT 1 FROM messages m LEFT JOIN"
	    " boxes b ON b.message = m.message AND b.user = ?2 WHERE m.message"
	    " = ?1 AND (m.author = ?2 OR b.user IS NOT NULL) AND"
	    " coalesce(b.thread, m.thread) = ?3", "ddd", &t->reply_to,
	    &t->user, &t->thread);
	return r == LL_OK && !good ? LL_CONFLICT : r;
}

static enum ll_result
read_taker(struct store *s, const struct id *message, struct tlv_view v,
    struct taker *t_r)
{
	memset(t_r, 0, sizeof(*t_r));
	t_r->wrap = view_bytes(v, F_WRAP, &t_r->wrap_len);
	t_r->generation = view_u64(v, F_GENERATION);
	t_r->answers = view_id(v, F_REPLY_TO, &t_r->reply_to);
	if (t_r->wrap == NULL || !view_id(v, F_USER_ID, &t_r->user) ||
	    !view_id(v, F_THREAD_ID, &t_r->thread))
		return LL_USAGE;
	return check_taker(s, message, t_r);
}

static enum ll_result
keep_message(struct store *s, struct request *q, const struct id *message,
    const struct taker *t)
{
	const uint8_t *commitment = view_hash(q->v, F_COMMITMENT);
	const uint8_t *header;
	size_t len;

	header = view_bytes(q->v, F_HEADER, &len);
	if (header == NULL || commitment == NULL)
		return LL_USAGE;
	return db_run(s->db, "INSERT INTO messages (message, thread, reply_to,"
	    " author_generation, time, expires, header, commitment, mail_id,"
	    " idempotency) VALUES (?1, ?2, ?3, 0, ?4, 0, ?5, ?6, ?7, ?8)",
	    "dddibhth", message, &t->thread, t->answers ? &t->reply_to : NULL,
	    q->now, header, len, commitment, view_text(q->v, F_MAIL_ID),
	    view_hash(q->v, F_IDEMPOTENCY));
}

/* Who was asked in a mail of its own answered: whether it was they is not
 * known, so this proves neither that it was opened nor read. */
static enum ll_result
answered(struct store *s, struct request *q, const struct taker *t)
{
	enum delivery_state state = 0;
	struct delivery d;
	enum ll_result r;

	r = delivery_of_address(s, &t->reply_to, view_text(q->v, F_ADDRESS),
	    &d);
	if (r != LL_OK || !id_equal(&d.author, &t->user))
		return r == LL_NOTFOUND ? LL_OK : r;
	switch (d.state) {
	case STATE_PENDING:
	case STATE_HELD:
	case STATE_REPLIED:
	case STATE_WITHDRAWN:
	case STATE_EXPIRED:
		return LL_OK;
	case STATE_QUEUED:
	case STATE_NOTIFIED:
	case STATE_FROZEN:
	case STATE_DELIVERED:
		break;           /* what was sealed waits to be opened still */
	case STATE_FAILED:
		if (d.route == ROUTE_PORTAL_MUC)
			break;
		state = STATE_REPLIED;
		break;
	default:
		state = STATE_REPLIED;
	}
	return delivery_record(s, q->now, &d, EVENT_REPLIED, state,
	    "by mail; its From address is not proven");
}

static enum ll_result
hand_over(struct store *s, struct request *q, const struct id *message,
    const struct taker *t)
{
	struct leaf leaf = { .event = EVENT_MAIL_TAKEN, .message = message,
	    .user = &t->user };
	enum ll_result r;

	/* two addresses of the mail may be one person's: one row */
	r = db_run(s->db, "INSERT INTO boxes (user, message, thread, folder,"
	    " unread, time, wrap, generation) VALUES (?1, ?2, ?3, ?4, 1, ?5,"
	    " ?6, ?7) ON CONFLICT (message, user) DO NOTHING", "ddduibi",
	    &t->user, message, &t->thread, FOLDER_INBOX, q->now, t->wrap,
	    t->wrap_len, t->generation);
	if (r != LL_OK || db_changes(s->db) == 0)
		return r;
	r = log_append(s, q->now, &leaf);
	if (r == LL_OK && t->answers)
		r = answered(s, q, t);
	if (r == LL_OK)
		event_box(s, &t->user, message, FOLDER_INBOX, NULL);
	return r;
}

/* A mail server repeats for days what it did not hear an answer to, longer
 * than answers are remembered. */
static enum ll_result
taken_before(struct store *s, struct request *q, bool *before_r)
{
	uint64_t n;
	enum ll_result r;

	r = db_number(s->db, 0, &n, "SELECT 1 FROM messages WHERE mail_id ="
	    " ?1 AND idempotency = ?2", "th", view_text(q->v, F_MAIL_ID),
	    view_hash(q->v, F_IDEMPOTENCY));
	*before_r = n != 0;
	return r;
}

enum ll_result
intake_take(struct store *s, struct request *q)
{
	struct object_place where;
	unsigned count = 0;
	struct tlv_view v;
	enum ll_result r;
	struct taker t;
	bool before;
	size_t at = 0;

	if (view_hash(q->v, F_IDEMPOTENCY) == NULL ||
	    view_text(q->v, F_MAIL_ID)[0] == '\0')
		return LL_USAGE;
	r = taken_before(s, q, &before);
	if (r != LL_OK || before)
		return r;
	r = place(s, q, &where);
	while (r == LL_OK && view_nest(q->v, F_RECIPIENT, &at, &v)) {
		if (count == TAKERS_MAX)
			return LL_TOOBIG;
		r = read_taker(s, &where.message, v, &t);
		if (r == LL_OK && count == 0) {
			where.owner = t.user;
			r = keep_message(s, q, &where.message, &t);
		}
		if (r == LL_OK && count++ == 0)
			r = object_attach(s, q, &where);
		if (r == LL_OK)
			r = hand_over(s, q, &where.message, &t);
	}
	return r == LL_OK && count == 0 ? LL_USAGE : r;
}

/* --- INTAKE_BOUNCE --- */

/* The delivery that a report is about.  LL_NOTFOUND: none, or not to be told
 * from others of the same mail. */
static enum ll_result
reported(struct store *s, struct request *q, struct delivery *d_r)
{
	const char *mail_id = view_text(q->v, F_MAIL_ID);
	const char *address = view_text(q->v, F_ADDRESS);
	sqlite3_stmt *st;
	struct id delivery;
	enum ll_result r;
	uint64_t n;

	r = db_one(s->db, &st, "SELECT delivery, count(*) OVER () FROM"
	    " deliveries WHERE mail_id = ?1 ORDER BY lower(address) <>"
	    " lower(?2) LIMIT 1", "tt", mail_id, address);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &delivery);
	n = db_u64(st, 1);
	db_end(st);
	r = delivery_load(s, &delivery, d_r);
	/* forwarded mail is reported on under an address we never wrote to */
	if (r == LL_OK && n > 1 && strcasecmp(address, d_r->address) != 0)
		r = LL_NOTFOUND;
	return r;
}

static enum ll_result
failed(struct store *s, struct request *q, struct delivery *d)
{
	const bool link = d->route == ROUTE_PORTAL_MUC;
	enum ll_result r;

	r = link ? delivery_shred(s, d, LINK_EXPIRED) : queue_drop(s, d);
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, link ? EVENT_NOTIFY_FAILED :
		    EVENT_FAILED, STATE_FAILED, view_text(q->v, F_DETAIL));
	return r == LL_OK ? delivery_collect(s, &d->message) : r;
}

/* A later word that is no final one: the state goes back and forth only
 * between relayed and deferred. */
static enum ll_result
told(struct store *s, struct request *q, struct delivery *d, uint64_t state)
{
	const bool late = state == STATE_DEFERRED;
	enum delivery_state becomes = 0;

	if (late && d->state == STATE_RELAYED)
		becomes = STATE_DEFERRED;
	if (!late && d->state == STATE_DEFERRED &&
	    d->route != ROUTE_PORTAL_MUC)
		becomes = STATE_RELAYED;
	return delivery_record(s, q->now, d, late ? EVENT_DEFERRED :
	    EVENT_RELAYED, becomes, view_text(q->v, F_DETAIL));
}

enum ll_result
intake_bounce(struct store *s, struct request *q)
{
	uint64_t state = view_u64(q->v, F_STATE);
	struct delivery d;
	enum ll_result r;

	if (state != STATE_FAILED && state != STATE_DEFERRED &&
	    state != STATE_RELAYED)
		return LL_USAGE;
	r = reported(s, q, &d);
	if (r == LL_OK && d.state != STATE_QUEUED && d.state !=
	    STATE_DEFERRED && d.state != STATE_RELAYED && d.state !=
	    STATE_NOTIFIED)
		r = LL_NOTFOUND;
	if (r == LL_NOTFOUND) {
		msg_put_u64(q->reply, F_COUNT, 0);
		return LL_OK;
	}
	if (r == LL_OK)
		r = state == STATE_FAILED ? failed(s, q, &d) :
		    told(s, q, &d, state);
	if (r == LL_OK)
		msg_put_u64(q->reply, F_COUNT, 1);
	return r;
}
