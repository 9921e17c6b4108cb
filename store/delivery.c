#include <stdio.h>
#include <string.h>

#include "keys/seal.h"
#include "store/delivery.h"
#include "store/group.h"
#include "store/object.h"
#include "store/queue.h"
#include "store/route.h"

#define BATCH 100

/* --- finding --- */

static void
read_row(sqlite3_stmt *st, struct delivery *d_r)
{
	memset(d_r, 0, sizeof(*d_r));
	(void)db_id(st, 0, &d_r->id);
	(void)db_id(st, 1, &d_r->message);
	(void)db_id(st, 2, &d_r->author);
	(void)db_id(st, 3, &d_r->user);
	d_r->route = (enum route)db_u64(st, 4);
	d_r->state = (enum delivery_state)db_u64(st, 5);
	d_r->expires = db_u64(st, 6);
	d_r->was_read = db_u64(st, 7) != 0;
	(void)snprintf(d_r->address, sizeof(d_r->address), "%s",
	    db_text(st, 8));
	db_end(st);
}

#define COLUMNS "SELECT delivery, message, author, user, route, state," \
	" expires, was_read, address FROM deliveries "

enum ll_result
delivery_load(struct store *s, const struct id *id, struct delivery *d_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, COLUMNS "WHERE delivery = ?1", "d", id);
	if (r == LL_OK)
		read_row(st, d_r);
	return r;
}

enum ll_result
delivery_of_reader(struct store *s, const struct id *message,
    const struct id *user, struct delivery *d_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, COLUMNS "WHERE message = ?1 AND user = ?2",
	    "dd", message, user);
	if (r == LL_OK)
		read_row(st, d_r);
	return r;
}

enum ll_result
delivery_of_address(struct store *s, const struct id *message,
    const char *address, struct delivery *d_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, COLUMNS "WHERE message = ?1 AND lower(address)"
	    " = lower(?2)", "dt", message, address);
	if (r == LL_OK)
		read_row(st, d_r);
	return r;
}

/* --- recording --- */

enum ll_result
delivery_record(struct store *s, uint64_t now, struct delivery *d,
    enum event event, enum delivery_state state, const char *detail)
{
	struct leaf leaf = { .event = event, .delivery = &d->id,
	    .message = &d->message, .user = &d->author, .detail = detail };
	enum ll_result r = LL_OK;

	if (state != 0 && state != d->state) {
		r = db_run(s->db, "UPDATE deliveries SET state = ?2"
		    " WHERE delivery = ?1", "du", &d->id, (int)state);
		d->state = state;
	}
	if (r == LL_OK)
		r = log_append(s, now, &leaf);
	if (r == LL_OK)
		event_status(s, &d->author, &d->message, d->address, d->state,
		    event);
	return r;
}

/* How far a delivery has come towards being read; -1: it never will. */
static int
progress(enum delivery_state state)
{
	switch (state) {
	case STATE_PENDING:
	case STATE_QUEUED:
	case STATE_DEFERRED:
	case STATE_DELIVERED:
	case STATE_RELAYED:
	case STATE_NOTIFIED:
	case STATE_FROZEN:
		return 0;
	case STATE_OPENED:
		return 1;
	case STATE_READ:
		return 2;
	case STATE_REPLIED:
		return 3;
	default:
		return -1;
	}
}

enum ll_result
delivery_seen(struct store *s, uint64_t now, struct delivery *d,
    enum delivery_state state)
{
	int at = progress(d->state), to = progress(state);
	enum ll_result r = LL_OK;

	if (at < 0 || at >= to)
		return LL_OK;
	if (!d->was_read)
		r = db_run(s->db, "UPDATE deliveries SET was_read = 1"
		    " WHERE delivery = ?1", "d", &d->id);
	d->was_read = true;
	if (r == LL_OK && at == 0)
		r = delivery_record(s, now, d, EVENT_OPENED, STATE_OPENED,
		    NULL);
	if (r == LL_OK && to == 2)
		r = delivery_record(s, now, d, EVENT_READ, STATE_READ, NULL);
	return r;
}

enum ll_result
delivery_replied(struct store *s, uint64_t now, const struct id *message)
{
	struct id answered, author;
	struct delivery d;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT reply_to, author FROM messages WHERE"
	    " message = ?1 AND reply_to IS NOT NULL", "d", message);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	(void)db_id(st, 0, &answered);
	(void)db_id(st, 1, &author);
	db_end(st);
	r = delivery_of_reader(s, &answered, &author, &d);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	r = delivery_seen(s, now, &d, STATE_READ);
	if (r == LL_OK && progress(d.state) == 2)
		r = delivery_record(s, now, &d, EVENT_REPLIED, STATE_REPLIED,
		    NULL);
	return r;
}

/* --- destroying keys --- */

enum ll_result
delivery_shred(struct store *s, struct delivery *d, enum link_state says)
{
	static const struct id nobody;
	enum ll_result r;

	/* out of the write-ahead log, too, with this very commit */
	s->truncate = true;
	r = db_run(s->db, "UPDATE deliveries SET wrap = NULL"
	    " WHERE delivery = ?1 AND wrap IS NOT NULL", "d", &d->id);
	if (r == LL_OK && !id_equal(&d->user, &nobody)) {
		r = db_run(s->db, "DELETE FROM boxes WHERE message = ?1 AND"
		    " user = ?2 AND user <> ?3", "ddd", &d->message, &d->user,
		    &d->author);
		if (r == LL_OK && db_changes(s->db) > 0)
			event_box(s, &d->user, &d->message, FOLDER_INBOX,
			    NULL);
	}
	if (r == LL_OK && d->route == ROUTE_PORTAL_MUC)
		r = db_run(s->db, "DELETE FROM tries WHERE open = 0 AND"
		    " locator IN (SELECT locator FROM links WHERE delivery ="
		    " ?1)", "d", &d->id);
	if (r == LL_OK && d->route == ROUTE_PORTAL_MUC)
		r = db_run(s->db, "UPDATE links SET state = ?2, wrap = NULL,"
		    " code_box = NULL, pair_box = NULL WHERE delivery = ?1"
		    " AND state IN (1, 2)", "du", &d->id, (int)says);
	if (r == LL_OK && d->route == ROUTE_PORTAL_MUC)
		r = db_run(s->db, "DELETE FROM tokens WHERE delivery = ?1",
		    "d", &d->id);
	if (r == LL_OK && (d->route == ROUTE_PORTAL_MUC ||
	    route_is_mail(d->route)))
		r = queue_drop(s, d);
	return r;
}

enum ll_result
delivery_collect(struct store *s, const struct id *message)
{
	enum ll_result r;
	uint64_t used;

	r = db_number(s->db, 0, &used, "SELECT EXISTS (SELECT 1 FROM boxes"
	    " WHERE message = ?1 AND (wrap IS NOT NULL OR self_wrap IS NOT"
	    " NULL)) OR EXISTS (SELECT 1 FROM deliveries d LEFT JOIN links l"
	    " ON l.delivery = d.delivery WHERE d.message = ?1 AND (d.wrap IS"
	    " NOT NULL OR l.wrap IS NOT NULL)) OR EXISTS (SELECT 1 FROM queue"
	    " WHERE blob IN (SELECT object FROM objects WHERE message = ?1 AND"
	    " kind = ?2))", "du", message, OBJECT_MAIL);
	if (r != LL_OK || used != 0)
		return r;
	r = object_drop_all(s, message);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE messages SET header = NULL"
		    " WHERE message = ?1", "d", message);
	return r;
}

/* --- time --- */

enum ll_result
delivery_hand_over(struct store *s, uint64_t now, struct delivery *d,
    const void *wrap, size_t len, uint64_t generation)
{
	enum ll_result r;

	/* The author may be a reader of the same message: one row then, which
	 * stands in both of the author's folders' stead in the inbox. */
	r = db_run(s->db, "INSERT INTO boxes (user, message, thread, folder,"
	    " unread, time, wrap, generation) SELECT ?1, message, thread, ?3,"
	    " 1, ?4, ?5, ?6 FROM messages WHERE message = ?2"
	    " ON CONFLICT (message, user) DO UPDATE SET folder ="
	    " excluded.folder, unread = 1", "dduibi", &d->user, &d->message,
	    FOLDER_INBOX, now, wrap, len, generation);
	if (r == LL_OK)
		r = delivery_record(s, now, d, EVENT_DELIVERED,
		    STATE_DELIVERED, NULL);
	if (r == LL_OK)
		event_box(s, &d->user, &d->message, FOLDER_INBOX, NULL);
	return r;
}

static enum ll_result
release_one(struct store *s, uint64_t now, const struct id *id)
{
	uint64_t generation;
	const uint8_t *wrap;
	struct delivery d;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = delivery_load(s, id, &d);
	if (r != LL_OK)
		return r;
	if (d.route == ROUTE_PORTAL_MUC || route_is_mail(d.route)) {
		r = delivery_record(s, now, &d, EVENT_QUEUED, STATE_QUEUED,
		    NULL);
		event_queue(s);
	} else {
		r = db_one(s->db, &st, "SELECT wrap, generation FROM"
		    " deliveries WHERE delivery = ?1", "d", id);
		if (r != LL_OK)
			return r;
		wrap = db_blob(st, 0, &len);
		generation = db_u64(st, 1);
		r = delivery_hand_over(s, now, &d, wrap, len, generation);
		db_end(st);
		if (r == LL_OK)
			r = db_run(s->db, "UPDATE deliveries SET wrap = NULL"
			    " WHERE delivery = ?1", "d", id);
	}
	if (r == LL_OK)
		r = delivery_replied(s, now, &d.message);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM drafts WHERE message = ?1 AND"
		    " sent = 1", "d", &d.message);
	return r;
}

enum ll_result
delivery_release(struct store *s, uint64_t now, uint64_t *next_r)
{
	struct id due[BATCH];
	sqlite3_stmt *st;
	enum ll_result r;
	size_t n = 0, i;

	*next_r = 0;
	r = db_query(s->db, &st, "SELECT delivery FROM deliveries WHERE"
	    " state = 1 AND not_before <= ?1 ORDER BY not_before LIMIT ?2",
	    "iu", now, BATCH);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK)
		n += db_id(st, 0, &due[n]) ? 1 : 0;
	if (r != LL_EOF)
		return r;
	r = LL_OK;
	for (i = 0; r == LL_OK && i < n; i++)
		r = release_one(s, now, &due[i]);
	if (r == LL_OK)
		r = db_number(s->db, 0, next_r, "SELECT min(not_before) FROM"
		    " deliveries WHERE state = 1", "");
	return r;
}

static enum ll_result
expire_deliveries(struct store *s, uint64_t now, const struct id *message)
{
	enum queue_place place;
	struct delivery d;
	sqlite3_stmt *st;
	enum ll_result r;
	uint64_t position = 0;

	for (;;) {
		r = db_one(s->db, &st, COLUMNS "WHERE message = ?1 AND"
		    " position >= ?2 ORDER BY position LIMIT 1", "di",
		    message, position);
		if (r != LL_OK)
			return r == LL_NOTFOUND ? LL_OK : r;
		read_row(st, &d);
		r = db_number(s->db, 0, &position, "SELECT position + 1 FROM"
		    " deliveries WHERE delivery = ?1", "d", &d.id);
		place = QUEUE_WAITS;
		if (r == LL_OK && route_is_mail(d.route))
			r = queue_place(s, now, &d, &place);
		/* the relay will say what has become of it */
		if (r == LL_OK && place == QUEUE_LEASED)
			continue;
		if (r == LL_OK)
			r = delivery_shred(s, &d, LINK_EXPIRED);
		/* who read it has read it, and what is out is out: these
		 * outcomes stay */
		if (r == LL_OK && progress(d.state) < 2 && progress(d.state)
		    >= 0 && place != QUEUE_OUT)
			r = delivery_record(s, now, &d, EVENT_EXPIRED,
			    STATE_EXPIRED, NULL);
		if (r != LL_OK)
			return r;
	}
}

static enum ll_result
expire_one(struct store *s, uint64_t now, const struct id *message,
    const struct id *author)
{
	struct leaf leaf = { .event = EVENT_EXPIRED, .message = message,
	    .user = author };
	enum ll_result r;

	r = log_append(s, now, &leaf);
	if (r == LL_OK)
		r = expire_deliveries(s, now, message);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE boxes SET wrap = NULL, self_wrap ="
		    " NULL, unread = 0 WHERE message = ?1", "d", message);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE messages SET expired = 1 WHERE"
		    " message = ?1", "d", message);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM drafts WHERE message = ?1 AND"
		    " sent = 1", "d", message);
	if (r == LL_OK)
		r = delivery_collect(s, message);
	if (r == LL_OK)
		event_box(s, author, message, FOLDER_SENT, NULL);
	return r;
}

enum ll_result
delivery_expire(struct store *s, uint64_t now, bool *more_r)
{
	struct id due[BATCH], author[BATCH];
	sqlite3_stmt *st;
	enum ll_result r;
	size_t n = 0, i;

	*more_r = false;
	r = db_query(s->db, &st, "SELECT message, author FROM messages WHERE"
	    " expires > 0 AND expired = 0 AND expires <= ?1 LIMIT ?2", "iu",
	    now, BATCH);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		(void)db_id(st, 1, &author[n]);
		n += db_id(st, 0, &due[n]) ? 1 : 0;
	}
	if (r != LL_EOF)
		return r;
	r = LL_OK;
	for (i = 0; r == LL_OK && i < n; i++)
		r = expire_one(s, now, &due[i], &author[i]);
	*more_r = r == LL_OK && n == BATCH;
	return r;
}
