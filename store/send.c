#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "keys/envelope.h"
#include "store/delivery.h"
#include "store/handlers.h"
#include "store/link.h"
#include "store/object.h"
#include "store/plan.h"
#include "store/queue.h"
#include "store/route.h"
#include "store/send.h"
#include "store/sweep.h"

#define DAY_SECS 86400
#define EXPIRES_MAX_DAYS 36500

static const char changed[] = "An address or key changed since the plan was "
    "shown.";

/* One SEND on its way into the tables. */
struct sending {
	struct request *q;
	struct id message, author;
	uint64_t generation;     /* of the author's keys */
	uint64_t delay_secs, expires;
	struct plan plan;
};

#define FINGERPRINTS_MAX 8448    /* 64 of 128 digits, and blanks */

enum ll_result
send_pepper(struct store *s, struct request *q)
{
	const uint8_t *locator = view_hash(q->v, F_LOCATOR_HASH);
	uint8_t pepper[KEY_BYTES];
	enum ll_result r;

	if (locator == NULL)
		return LL_USAGE;
	r = derive_bytes(LABEL_LINK_PEPPER, s->pepper.data, s->pepper.len,
	    locator, HASH_BYTES, pepper);
	if (r != LL_OK)
		return r;
	msg_put_bytes(q->reply, F_PEPPER, pepper, sizeof(pepper));
	sodium_memzero(pepper, sizeof(pepper));
	msg_put_u64(q->reply, F_MEMORY_MIB, s->muc_memory_mib);
	msg_put_u64(q->reply, F_PASSES, s->kdf_passes);
	return LL_OK;
}

/* The draft, if there is one, must be the author's own; the id new. */
static enum ll_result
check_id(struct store *s, const struct sending *w)
{
	uint64_t taken;
	enum ll_result r;

	r = db_number(s->db, 0, &taken, "SELECT EXISTS (SELECT 1 FROM drafts"
	    " WHERE message = ?1 AND (author <> ?2 OR sent = 1))", "dd",
	    &w->message, &w->author);
	return r == LL_OK && taken ? LL_CONFLICT : r;
}

/* LL_NOTFOUND: the message is new.  LL_OK: this very request made it, and the
 * answer is given again, with the states of today. */
static enum ll_result
recall(struct store *s, const struct sending *w)
{
	const uint8_t *key = view_hash(w->q->v, F_IDEMPOTENCY);
	struct msg *m = w->q->reply;
	uint8_t made_by[HASH_BYTES];
	sqlite3_stmt *st;
	struct id author, delivery;
	enum ll_result r;
	bool same;

	r = db_one(s->db, &st, "SELECT author, idempotency FROM messages"
	    " WHERE message = ?1", "d", &w->message);
	if (r != LL_OK)
		return r;
	same = db_id(st, 0, &author) && id_equal(&author, &w->author) &&
	    db_hash(st, 1, made_by) && key != NULL &&
	    memcmp(made_by, key, HASH_BYTES) == 0;
	db_end(st);
	if (!same)
		return LL_CONFLICT;
	r = db_query(s->db, &st, "SELECT delivery, address, route, state,"
	    " reason, expires FROM deliveries WHERE message = ?1 ORDER BY"
	    " position", "d", &w->message);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(m, F_RECIPIENT);
		if (db_id(st, 0, &delivery))
			msg_put_id(m, F_DELIVERY_ID, &delivery);
		msg_put_text(m, F_ADDRESS, db_text(st, 1));
		msg_put_u64(m, F_ROUTE, db_u64(st, 2));
		msg_put_u64(m, F_STATE, db_u64(st, 3));
		msg_put_text(m, F_REASON, db_text(st, 4));
		msg_put_u64(m, F_EXPIRES, db_u64(st, 5));
		msg_end(m);
	}
	return r == LL_EOF ? LL_OK : r;
}

static enum ll_result
check_plan(struct store *s, struct sending *w)
{
	const uint8_t *shown = view_hash(w->q->v, F_PLAN_HASH);
	uint8_t hash[HASH_BYTES];
	uint64_t generation;
	enum ll_result r;

	if (shown == NULL)
		return LL_USAGE;
	r = plan_build(s, w->q, &w->plan);
	if (r == LL_DENIED) {
		w->q->words = changed;
		return LL_CONFLICT;
	}
	if (r == LL_OK)
		r = plan_hash(&w->plan, &w->author, hash);
	if (r == LL_OK)
		r = db_number(s->db, 0, &generation, "SELECT generation FROM"
		    " users WHERE user = ?1", "d", &w->author);
	if (r != LL_OK)
		return r;
	if (memcmp(hash, shown, HASH_BYTES) == 0 &&
	    generation == w->generation)
		return LL_OK;
	w->q->words = changed;
	return LL_CONFLICT;
}

/* Message-ID of the mails of this message, which are one mail to who gets
 * them; NULL when it needs none. */
static const char *
first_mail_id(struct tlv_view v)
{
	struct tlv_view recipient, mail;
	size_t at = 0, in;

	while (view_nest(v, F_RECIPIENT, &at, &recipient)) {
		in = 0;
		if (view_nest(recipient, F_MAIL, &in, &mail))
			return view_text(mail, F_MAIL_ID);
	}
	return NULL;
}

static enum ll_result
keep_message(struct store *s, const struct sending *w)
{
	const struct request *q = w->q;
	size_t header_len, wrap_len;
	const uint8_t *header = view_bytes(q->v, F_HEADER, &header_len);
	const uint8_t *wrap = view_bytes(q->v, F_SELF_WRAP, &wrap_len);
	const uint8_t *commitment = view_hash(q->v, F_COMMITMENT);
	struct id thread, reply_to;
	bool replies = view_id(q->v, F_REPLY_TO, &reply_to);
	const bool submitted = q->peer->role == PEER_SUBMIT;
	enum ll_result r;

	if (header == NULL || wrap == NULL || commitment == NULL ||
	    (wrap_len != SEAL_WRAP_BYTES && !submitted) ||
	    !view_id(q->v, F_THREAD_ID, &thread))
		return LL_USAGE;
	r = db_run(s->db, "INSERT INTO messages (message, thread, reply_to,"
	    " author, author_generation, time, expires, header, commitment,"
	    " idempotency, class, mail_id, house_pk) VALUES (?1, ?2, ?3, ?4,"
	    " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)", "ddddiiibhhutb",
	    &w->message, &thread, replies ? &reply_to : NULL, &w->author,
	    w->generation, q->now, w->expires, header, header_len, commitment,
	    view_hash(q->v, F_IDEMPOTENCY), (unsigned)w->plan.class,
	    first_mail_id(q->v), submitted ? q->peer->house_pk : NULL,
	    submitted ? sizeof(q->peer->house_pk) : 0);
	if (r != LL_OK)
		return r;
	/* nobody but its author can wrap under the author's own key: who
	 * submits for them gives a box */
	return db_run(s->db, "INSERT INTO boxes (user, message, thread,"
	    " folder, unread, time, self_wrap, wrap, generation) VALUES (?1,"
	    " ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8)", "dddiibbi", &w->author,
	    &w->message, &thread, (uint64_t)FOLDER_SENT, q->now,
	    submitted ? NULL : wrap, wrap_len, submitted ? wrap : NULL,
	    wrap_len, w->generation);
}

/* --- recipients --- */

/* The keys, as the row of the delivery keeps them. */
static void
join_keys(const struct plan *p, const struct plan_line *l,
    char text[FINGERPRINTS_MAX])
{
	size_t i, len = 0;

	for (i = 0; i < l->key_count && len < FINGERPRINTS_MAX; i++)
		len += (size_t)snprintf(text + len, FINGERPRINTS_MAX - len,
		    "%s%s", i > 0 ? " " : "",
		    p->keys[l->first_key + i].fingerprint);
}

/* Under which Message-ID the recipient's server gets to see it; bounces name
 * it. */
static const char *
mail_id_of(struct tlv_view v)
{
	struct tlv_view inner;
	size_t at = 0;

	if (view_nest(v, F_MAIL, &at, &inner))
		return view_text(inner, F_MAIL_ID);
	at = 0;
	return view_nest(v, F_LINK, &at, &inner) ?
	    view_text(inner, F_MAIL_ID) : NULL;
}

static enum ll_result
insert_delivery(struct store *s, const struct sending *w,
    const struct delivery *d, const struct plan_line *l, struct tlv_view v,
    unsigned position)
{
	const bool waits = w->delay_secs > 0 && d->route == ROUTE_INTERNAL;
	char keys[FINGERPRINTS_MAX];
	const uint8_t *wrap;
	size_t len;

	join_keys(&w->plan, l, keys);
	wrap = view_bytes(v, F_WRAP, &len);
	return db_run(s->db, "INSERT INTO deliveries (delivery, message,"
	    " author, position, address, route, state, reason, user,"
	    " not_before, expires, wrap, generation, mail_id, fingerprint)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
	    " ?14, ?15)", "dddutuutdiibitt",
	    &d->id, &w->message, &w->author, (int)position, d->address,
	    (int)d->route, (int)d->state, l->reason,
	    d->route == ROUTE_INTERNAL ? &l->user : NULL,
	    w->q->now + w->delay_secs, w->expires, waits ? wrap : NULL, len,
	    l->generation, d->route == ROUTE_INTERNAL ? NULL : mail_id_of(v),
	    l->key_count > 0 ? keys : NULL);
}

static enum ll_result
send_internal(struct store *s, const struct sending *w, struct delivery *d,
    const struct plan_line *l, struct tlv_view v)
{
	const uint8_t *wrap;
	size_t len;

	wrap = view_bytes(v, F_WRAP, &len);
	if (wrap == NULL || view_u64(v, F_GENERATION) != l->generation)
		return LL_CONFLICT;
	if (w->delay_secs > 0)
		return LL_OK;
	return delivery_hand_over(s, w->q->now, d, wrap, len, l->generation);
}

static enum ll_result
send_link(struct store *s, const struct sending *w, struct delivery *d,
    struct tlv_view v)
{
	struct tlv_view link;
	enum ll_result r;
	size_t at = 0;

	if (!view_nest(v, F_LINK, &at, &link))
		return LL_CONFLICT;
	r = link_add(s, w->q, d, link, w->q->now + w->delay_secs);
	if (r != LL_OK || w->delay_secs > 0)
		return r;
	event_queue(s);
	return delivery_record(s, w->q->now, d, EVENT_QUEUED, STATE_QUEUED,
	    NULL);
}

/* Sealed to exactly the keys that the plan named. */
static bool
keys_match(const struct plan *p, const struct plan_line *l, struct tlv_view v)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0, n = 0, i;

	for (; view_each(v, F_FINGERPRINT, &at, &f); n++) {
		if (tlv_text(&f, &text) != LL_OK)
			return false;
		for (i = 0; i < l->key_count; i++)
			if (strcasecmp(p->keys[l->first_key + i].fingerprint,
			    text) == 0)
				break;
		if (i == l->key_count)
			return false;
	}
	return n == l->key_count;
}

static enum ll_result
send_mail(struct store *s, struct sending *w, struct delivery *d,
    const struct plan_line *l, struct tlv_view v)
{
	struct tlv_view mail;
	enum ll_result r;
	size_t at = 0;

	if (!view_nest(v, F_MAIL, &at, &mail) || !keys_match(&w->plan, l, v))
		return LL_CONFLICT;
	r = queue_add_mail(s, w->q->now, d, mail, w->q->now + w->delay_secs);
	if (r != LL_OK || w->delay_secs > 0)
		return r;
	event_queue(s);
	return delivery_record(s, w->q->now, d, EVENT_QUEUED, STATE_QUEUED,
	    NULL);
}

/* Every finished mail is on its way to somebody. */
static enum ll_result
check_mails(struct store *s, const struct sending *w)
{
	uint64_t unused;
	enum ll_result r;

	r = db_number(s->db, 0, &unused, "SELECT EXISTS (SELECT 1 FROM objects"
	    " o WHERE message = ?1 AND kind = ?2 AND NOT EXISTS (SELECT 1 FROM"
	    " queue WHERE blob = o.object))", "du", &w->message, OBJECT_MAIL);
	return r == LL_OK && unused ? LL_USAGE : r;
}

static enum ll_result
remember_contact(struct store *s, const struct sending *w,
    const char *address)
{
	return db_run(s->db, "INSERT INTO contacts (user, address, last)"
	    " VALUES (?1, lower(?2), ?3) ON CONFLICT DO UPDATE SET last ="
	    " excluded.last WHERE excluded.last > last + 3600", "dti",
	    &w->author, address, w->q->now);
}

static void
put_recipient(struct msg *m, const struct delivery *d,
    const struct plan_line *l)
{
	msg_begin(m, F_RECIPIENT);
	msg_put_id(m, F_DELIVERY_ID, &d->id);
	msg_put_text(m, F_ADDRESS, d->address);
	msg_put_u64(m, F_ROUTE, (uint64_t)d->route);
	msg_put_u64(m, F_STATE, (uint64_t)d->state);
	msg_put_text(m, F_REASON, l->reason);
	msg_put_u64(m, F_EXPIRES, d->expires);
	msg_end(m);
}

/* Without a delay nothing is ever pending. */
static enum delivery_state
first_state(const struct sending *w, enum route route)
{
	if (route == ROUTE_NONE)
		return STATE_HELD;
	if (w->delay_secs > 0)
		return STATE_PENDING;
	return route == ROUTE_INTERNAL ? STATE_DELIVERED : STATE_QUEUED;
}

static enum ll_result
send_one(struct store *s, struct sending *w, struct tlv_view v,
    unsigned position)
{
	struct plan_line *l = &w->plan.lines[position];
	const bool held = l->route == ROUTE_NONE;
	struct delivery d = { .message = w->message, .author = w->author,
	    .user = l->user, .route = l->route, .expires = w->expires };
	enum ll_result r;

	if (view_u64(v, F_ROUTE) != (uint64_t)l->route)
		return LL_CONFLICT;
	if (l->known[0] != '\0' && view_u64(v, F_FLAGS) == 1)
		memcpy(l->reason, l->known, sizeof(l->reason));
	id_random(&d.id);
	memcpy(d.address, l->address, sizeof(d.address));
	d.state = first_state(w, l->route);
	r = insert_delivery(s, w, &d, l, v, position);
	if (r == LL_OK)
		r = delivery_record(s, w->q->now, &d, held ? EVENT_HELD :
		    EVENT_SUBMITTED, 0, held ? l->reason : NULL);
	if (r == LL_OK && l->route == ROUTE_INTERNAL)
		r = send_internal(s, w, &d, l, v);
	else if (r == LL_OK && l->route == ROUTE_PORTAL_MUC)
		r = send_link(s, w, &d, v);
	else if (r == LL_OK && route_is_mail(l->route))
		r = send_mail(s, w, &d, l, v);
	if (r == LL_OK)
		r = remember_contact(s, w, d.address);
	if (r == LL_OK)
		put_recipient(w->q->reply, &d, l);
	return r;
}

/* --- SEND --- */

/* The draft waits for an undo, or goes. */
static enum ll_result
settle_draft(struct store *s, const struct sending *w)
{
	enum ll_result r;

	if (w->delay_secs > 0)
		r = db_run(s->db, "UPDATE drafts SET sent = 1 WHERE message ="
		    " ?1", "d", &w->message);
	else
		r = db_run(s->db, "DELETE FROM drafts WHERE message = ?1",
		    "d", &w->message);
	if (r == LL_OK && db_changes(s->db) > 0)
		event_box(s, &w->author, &w->message, FOLDER_DRAFTS,
		    w->q->peer);
	return r;
}

static enum ll_result
send_all(struct store *s, struct sending *w)
{
	struct object_place place = { .message = w->message,
	    .owner = w->author, .mails = true };
	struct tlv_view v;
	enum ll_result r;
	unsigned position = 0;
	size_t at = 0;

	r = check_id(s, w);
	if (r == LL_OK)
		r = check_plan(s, w);
	if (r == LL_OK)
		r = keep_message(s, w);
	if (r == LL_OK)
		r = object_attach(s, w->q, &place);
	while (r == LL_OK && view_nest(w->q->v, F_RECIPIENT, &at, &v))
		r = send_one(s, w, v, position++);
	if (r == LL_OK && place.mails_seen)
		r = check_mails(s, w);
	if (r == LL_OK)
		r = settle_draft(s, w);
	if (r == LL_OK && w->delay_secs == 0 && view_has(w->q->v, F_REPLY_TO))
		r = delivery_replied(s, w->q->now, &w->message);
	return r;
}

enum ll_result
send_message(struct store *s, struct request *q)
{
	uint64_t days = view_u64(q->v, F_EXPIRES);
	struct sending w = { .q = q, .author = q->peer->user };
	struct id thread;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, &w.message) ||
	    !view_id(q->v, F_THREAD_ID, &thread))
		return LL_USAGE;
	w.generation = view_u64(q->v, F_GENERATION);
	w.delay_secs = view_u64(q->v, F_DELAY_SECS);
	if (w.delay_secs > s->undo_secs)
		w.delay_secs = s->undo_secs;
	if (days == 0)
		days = s->expiry_days;
	if (days > EXPIRES_MAX_DAYS)
		return LL_USAGE;
	w.expires = days > 0 ? q->now + days * DAY_SECS : 0;
	msg_put_id(q->reply, F_MESSAGE_ID, &w.message);
	msg_put_id(q->reply, F_THREAD_ID, &thread);
	r = recall(s, &w);
	if (r != LL_NOTFOUND)
		return r;
	s->sender = q->peer;
	r = send_all(s, &w);
	s->sender = NULL;
	plan_finish(&w.plan);
	if (r != LL_OK)
		return r;
	if (w.delay_secs > 0)
		sweep_at(s, w.delay_secs);
	event_box(s, &w.author, &w.message, FOLDER_SENT, q->peer);
	return LL_OK;
}
