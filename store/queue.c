#include <string.h>

#include "keys/seal.h"
#include "store/handlers.h"
#include "store/object.h"
#include "store/queue.h"
#include "store/route.h"

#define LEASE_SECS 120
#define LEASE_ROWS 100
#define LEASE_BYTES (1024 * 1024)
#define GIVE_UP_SECS (5 * 86400)
#define DAY_SECS 86400

/* Seconds to wait after each failed try; the last one repeats. */
static const uint64_t schedule[] = { 60, 300, 900, 3600 };

/* Days since 1970, as QUEUE_DAY counts them. */
static uint64_t
day_of(uint64_t now)
{
	return now / DAY_SECS;
}

enum ll_result
queue_today(struct store *s, uint64_t now, uint64_t *day_r, uint8_t pk_r[32])
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT day, pk FROM queue_keys WHERE day = ?1",
	    "i", day_of(now));
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_BUSY : r;
	if (day_r != NULL)
		*day_r = db_u64(st, 0);
	if (pk_r != NULL)
		(void)db_hash(st, 1, pk_r);
	db_end(st);
	return LL_OK;
}

/* What a row is made of. */
struct entry {
	struct id id, object;
	uint64_t day;
	const char *mail_id;
	const uint8_t *payload;
	size_t len;
};

static enum ll_result
read_entry(struct store *s, uint64_t now, struct tlv_view v,
    struct entry *e_r)
{
	uint64_t known;
	enum ll_result r;

	e_r->day = view_u64(v, F_QUEUE_DAY);
	e_r->mail_id = view_text(v, F_MAIL_ID);
	e_r->payload = view_bytes(v, F_PAYLOAD, &e_r->len);
	if (!view_id(v, F_QUEUE_ID, &e_r->id) || e_r->payload == NULL ||
	    e_r->mail_id[0] == '\0')
		return LL_USAGE;
	/* midnight may have passed since the plan, but not more */
	r = db_number(s->db, 0, &known, "SELECT 1 FROM queue_keys WHERE day ="
	    " ?1 AND day >= ?2", "ii", e_r->day, day_of(now) - 1);
	return r == LL_OK && known == 0 ? LL_CONFLICT : r;
}

enum ll_result
queue_add(struct store *s, uint64_t now, const struct delivery *d,
    struct tlv_view v, uint64_t not_before)
{
	struct entry e;
	enum ll_result r;

	r = read_entry(s, now, v, &e);
	if (r != LL_OK)
		return r;
	return db_run(s->db, "INSERT INTO queue (queue, delivery, address,"
	    " payload, day, mail_id, created, next, route) VALUES (?1, ?2, ?3,"
	    " ?4, ?5, ?6, ?7, ?8, ?9)", "ddtbitiiu", &e.id, &d->id, d->address,
	    e.payload, e.len, e.day, e.mail_id, now, not_before,
	    (unsigned)d->route);
}

enum ll_result
queue_add_mail(struct store *s, uint64_t now, const struct delivery *d,
    struct tlv_view v, uint64_t not_before)
{
	struct entry e;
	enum ll_result r;

	if (!view_id(v, F_OBJECT_ID, &e.object))
		return LL_USAGE;
	r = read_entry(s, now, v, &e);
	if (r != LL_OK)
		return r;
	r = db_run(s->db, "INSERT INTO queue (queue, delivery, address,"
	    " payload, day, mail_id, created, next, route, blob) SELECT ?1, ?2,"
	    " ?3, ?4, ?5, ?6, ?7, ?8, ?9, object FROM objects WHERE object ="
	    " ?10 AND message = ?11 AND kind = ?12", "ddtbitiiuddu", &e.id,
	    &d->id, d->address, e.payload, e.len, e.day, e.mail_id, now,
	    not_before, (unsigned)d->route, &e.object, &d->message,
	    OBJECT_MAIL);
	return r == LL_OK && db_changes(s->db) != 1 ? LL_CONFLICT : r;
}

static enum ll_result
drop_day(struct store *s, uint64_t day, uint64_t now)
{
	return db_run(s->db, "DELETE FROM queue_keys WHERE day = ?1 AND day <"
	    " ?2 AND NOT EXISTS (SELECT 1 FROM queue WHERE day = ?1)", "ii",
	    day, day_of(now));
}

/* The mail goes with the last row that sends it. */
static enum ll_result
drop_mail(struct store *s, const struct id *message, const struct id *mail)
{
	uint64_t used;
	enum ll_result r;

	r = db_number(s->db, 0, &used, "SELECT EXISTS (SELECT 1 FROM queue"
	    " WHERE blob = ?1)", "d", mail);
	if (r != LL_OK || used != 0)
		return r;
	r = object_drop(s, message, mail);
	return r == LL_NOTFOUND ? LL_OK : r;
}

enum ll_result
queue_drop(struct store *s, const struct delivery *d)
{
	bool has_mail = false;
	struct id mail;
	sqlite3_stmt *st;
	enum ll_result r;

	if (route_is_mail(d->route)) {
		r = db_one(s->db, &st, "SELECT blob FROM queue WHERE delivery"
		    " = ?1 AND blob IS NOT NULL", "d", &d->id);
		if (r != LL_OK)
			return r == LL_NOTFOUND ? LL_OK : r;
		has_mail = db_id(st, 0, &mail);
		db_end(st);
	}
	r = db_run(s->db, "DELETE FROM queue WHERE delivery = ?1", "d",
	    &d->id);
	return r == LL_OK && has_mail ? drop_mail(s, &d->message, &mail) : r;
}

enum ll_result
queue_place(struct store *s, uint64_t now, const struct delivery *d,
    enum queue_place *place_r)
{
	uint64_t leased;
	enum ll_result r;

	r = db_number(s->db, 2, &leased, "SELECT leased = 1 AND next > ?2 FROM"
	    " queue WHERE delivery = ?1", "di", &d->id, now);
	*place_r = leased == 2 ? QUEUE_OUT : leased == 1 ? QUEUE_LEASED :
	    QUEUE_WAITS;
	return r;
}

enum ll_result
queue_sweep(struct store *s, uint64_t now)
{
	/* yesterday's may be named by a message planned before midnight */
	return db_run(s->db, "DELETE FROM queue_keys WHERE day < ?1 AND NOT"
	    " EXISTS (SELECT 1 FROM queue q WHERE q.day = queue_keys.day)",
	    "i", day_of(now - 3600));
}

enum ll_result
queue_return(struct store *s, uint64_t now)
{
	return db_run(s->db, "UPDATE queue SET next = ?1, leased = 0 WHERE"
	    " leased = 1", "i", now);
}

/* --- QUEUE_LEASE --- */

static void
put_row(struct msg *m, sqlite3_stmt *st, const struct id *queue)
{
	const uint8_t *p;
	uint8_t pk[32];
	struct id delivery;
	size_t len;

	msg_begin(m, F_ROW);
	msg_put_id(m, F_QUEUE_ID, queue);
	if (db_id(st, 1, &delivery))
		msg_put_id(m, F_DELIVERY_ID, &delivery);
	msg_put_text(m, F_ADDRESS, db_text(st, 2));
	p = db_blob(st, 3, &len);
	msg_put_bytes(m, F_PAYLOAD, p, len);
	msg_put_u64(m, F_QUEUE_DAY, db_u64(st, 4));
	p = db_blob(st, 5, &len);
	if (p != NULL)
		msg_put_bytes(m, F_WRAP, p, len);
	if (db_hash(st, 6, pk))
		msg_put_bytes(m, F_QUEUE_PK, pk, sizeof(pk));
	msg_put_text(m, F_MAIL_ID, db_text(st, 7));
	msg_put_u64(m, F_ATTEMPTS, db_u64(st, 8));
	msg_put_u64(m, F_TIME, db_u64(st, 9));
	msg_put_text(m, F_EMAIL, db_text(st, 10));
	msg_put_text(m, F_NAME, db_text(st, 11));
	msg_put_u64(m, F_ROUTE, db_u64(st, 12));
	msg_end(m);
}

enum ll_result
queue_lease(struct store *s, struct request *q)
{
	uint64_t limit = view_u64(q->v, F_LIMIT), next;
	struct id leased[LEASE_ROWS];
	sqlite3_stmt *st;
	enum ll_result r;
	size_t n = 0, i;

	if (limit == 0 || limit > LEASE_ROWS)
		limit = LEASE_ROWS;
	r = db_query(s->db, &st, "SELECT queue, q.delivery, q.address,"
	    " payload, q.day, k.wrap, k.pk, q.mail_id, attempts, q.created,"
	    " u.email, u.name, q.route FROM queue q CROSS JOIN deliveries d ON"
	    " d.delivery = q.delivery CROSS JOIN users u ON u.user = d.author"
	    " LEFT JOIN queue_keys k ON k.day = q.day WHERE next <= ?1 AND"
	    " d.state <> 1 ORDER BY next LIMIT ?2", "ii",
	    q->now, limit);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		if (!db_id(st, 0, &leased[n]))
			continue;
		put_row(q->reply, st, &leased[n++]);
		if (msg_view(q->reply).len > LEASE_BYTES)
			break;
	}
	db_end(st);
	if (r != LL_OK && r != LL_EOF)
		return r;
	r = LL_OK;
	for (i = 0; r == LL_OK && i < n; i++)
		r = db_run(s->db, "UPDATE queue SET next = ?2, leased = 1"
		    " WHERE queue = ?1", "di", &leased[i], q->now + LEASE_SECS);
	if (r == LL_OK)
		r = db_number(s->db, 0, &next, "SELECT min(next) FROM queue",
		    "");
	if (r == LL_OK && next > 0)
		msg_put_u64(q->reply, F_DELAY_SECS,
		    next > q->now ? next - q->now : 0);
	return r;
}

/* --- QUEUE_BLOB --- */

enum ll_result
queue_blob(struct store *s, struct request *q)
{
	struct id queue, message, mail;
	sqlite3_stmt *st;
	enum ll_result r;

	if (!view_id(q->v, F_QUEUE_ID, &queue))
		return LL_USAGE;
	r = db_one(s->db, &st, "SELECT d.message, q.blob FROM queue q JOIN"
	    " deliveries d ON d.delivery = q.delivery WHERE q.queue = ?1 AND"
	    " q.blob IS NOT NULL", "d", &queue);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &message);
	(void)db_id(st, 1, &mail);
	db_end(st);
	return object_give_mail(s, q->reply, &message, &mail);
}

/* --- QUEUE_RESULT --- */

struct row {
	struct id queue, mail;
	uint64_t attempts, created, day;
	bool has_mail;
};

/* The row is done, whatever came of it. */
static enum ll_result
finish(struct store *s, struct request *q, const struct row *w,
    const struct delivery *d)
{
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM queue WHERE queue = ?1", "d",
	    &w->queue);
	if (r == LL_OK)
		r = drop_day(s, w->day, q->now);
	if (r == LL_OK && w->has_mail)
		r = drop_mail(s, &d->message, &w->mail);
	/* its author may have thrown it away meanwhile */
	return r == LL_OK && w->has_mail ? delivery_collect(s, &d->message) :
	    r;
}

static enum ll_result
give_up(struct store *s, struct request *q, const struct row *w,
    struct delivery *d, const char *detail)
{
	enum ll_result r;

	r = finish(s, q, w, d);
	if (r == LL_OK)
		r = delivery_shred(s, d, LINK_EXPIRED);
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, route_is_mail(d->route) ?
		    EVENT_FAILED : EVENT_NOTIFY_FAILED, STATE_FAILED, detail);
	return r == LL_OK ? delivery_collect(s, &d->message) : r;
}

static enum ll_result
put_off(struct store *s, struct request *q, const struct row *w,
    struct delivery *d, const char *detail)
{
	const uint64_t last = sizeof(schedule) / sizeof(schedule[0]) - 1;
	uint64_t wait = schedule[w->attempts < last ? w->attempts : last];
	enum ll_result r;

	if (q->now + wait >= w->created + GIVE_UP_SECS ||
	    (d->expires > 0 && d->expires <= q->now))
		return give_up(s, q, w, d, detail);
	r = db_run(s->db, "UPDATE queue SET attempts = attempts + 1, next ="
	    " ?2, leased = 0, last_error = ?3 WHERE queue = ?1", "dit",
	    &w->queue, q->now + wait, detail);
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, EVENT_DEFERRED,
		    d->state == STATE_QUEUED ? STATE_DEFERRED : 0, detail);
	return r;
}

/* What is out of the house cannot expire any more. */
static enum ll_result
relayed(struct store *s, struct request *q, struct delivery *d,
    const char *detail)
{
	enum ll_result r = LL_OK;

	if (d->state == STATE_QUEUED || d->state == STATE_DEFERRED) {
		r = db_run(s->db, "UPDATE deliveries SET state = ?2, expires ="
		    " 0 WHERE delivery = ?1", "du", &d->id, STATE_RELAYED);
		d->state = STATE_RELAYED;
	}
	return r == LL_OK ? delivery_record(s, q->now, d, EVENT_RELAYED, 0,
	    detail) : r;
}

/* Opened before the relay's word arrived: the later state stays. */
static enum ll_result
sent(struct store *s, struct request *q, const struct row *w,
    struct delivery *d, const char *detail)
{
	enum ll_result r;

	r = finish(s, q, w, d);
	if (r == LL_OK && route_is_mail(d->route))
		return relayed(s, q, d, detail);
	if (r == LL_OK)
		r = delivery_record(s, q->now, d, EVENT_NOTIFIED,
		    d->state == STATE_QUEUED || d->state == STATE_DEFERRED ?
		    STATE_NOTIFIED : 0, detail);
	return r;
}

enum ll_result
queue_result(struct store *s, struct request *q)
{
	const char *detail = view_text(q->v, F_DETAIL);
	struct delivery d;
	struct id delivery;
	sqlite3_stmt *st;
	enum ll_result r;
	struct row w;

	if (!view_id(q->v, F_QUEUE_ID, &w.queue))
		return LL_USAGE;
	r = db_one(s->db, &st, "SELECT delivery, attempts, created, day, blob"
	    " FROM queue WHERE queue = ?1", "d", &w.queue);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &delivery);
	w.attempts = db_u64(st, 1);
	w.created = db_u64(st, 2);
	w.day = db_u64(st, 3);
	w.has_mail = db_id(st, 4, &w.mail);
	db_end(st);
	r = delivery_load(s, &delivery, &d);
	if (r != LL_OK)
		return r;
	switch (view_u64(q->v, F_STATE)) {
	case QUEUE_SENT:
		return sent(s, q, &w, &d, detail);
	case QUEUE_RETRY:
		return put_off(s, q, &w, &d, detail);
	case QUEUE_REFUSED:
		return give_up(s, q, &w, &d, detail);
	default:
		return LL_USAGE;
	}
}

/* --- QUEUE_KEY --- */

enum ll_result
queue_key(struct store *s, struct request *q)
{
	uint64_t day = view_u64(q->v, F_QUEUE_DAY), today;
	const uint8_t *pk = view_hash(q->v, F_QUEUE_PK), *wrap;
	size_t len;

	wrap = view_bytes(q->v, F_WRAP, &len);
	today = day_of(q->now);
	if (pk == NULL || wrap == NULL || day < today || day > today + 2)
		return LL_USAGE;
	return db_run(s->db, "INSERT INTO queue_keys (day, pk, wrap) VALUES"
	    " (?1, ?2, ?3) ON CONFLICT DO NOTHING", "ihb", day, pk, wrap, len);
}
