#include <string.h>

#include "store/delivery.h"
#include "store/handlers.h"
#include "store/object.h"
#include "store/vaults.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX 500
#define PAGE_BYTES (1024 * 1024)

#define COLUMNS "SELECT b.sequence, b.message, b.folder, b.unread, b.time," \
	" b.wrap, b.self_wrap, b.generation, m.header, m.commitment," \
	" m.expired, m.expires, m.mail_id FROM boxes b JOIN messages m ON" \
	" m.message = b.message "

static void
put_blob(struct msg *m, enum field f, sqlite3_stmt *st, int column)
{
	const uint8_t *p;
	size_t len;

	p = db_blob(st, column, &len);
	if (p != NULL)
		msg_put_bytes(m, f, p, len);
}

/* The fields of one row.  An expired one has neither key nor header. */
static void
put_fields(struct msg *m, sqlite3_stmt *st)
{
	struct id message;

	msg_put_u64(m, F_SEQUENCE, db_u64(st, 0));
	if (db_id(st, 1, &message))
		msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_u64(m, F_FOLDER, db_u64(st, 2));
	msg_put_u64(m, F_UNREAD, db_u64(st, 3));
	msg_put_u64(m, F_TIME, db_u64(st, 4));
	if (db_null(st, 6))
		put_blob(m, F_WRAP, st, 5);
	put_blob(m, F_SELF_WRAP, st, 6);
	msg_put_u64(m, F_GENERATION, db_u64(st, 7));
	put_blob(m, F_HEADER, st, 8);
	put_blob(m, F_COMMITMENT, st, 9);
	if (!db_null(st, 12))
		msg_put_text(m, F_MAIL_ID, db_text(st, 12));
	if (db_u64(st, 10) != 0)
		msg_put_u64(m, F_STATE, STATE_EXPIRED);
}

static enum ll_result
put_rows(struct store *s, struct msg *m, sqlite3_stmt *st)
{
	enum ll_result r;

	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(m, F_ROW);
		put_fields(m, st);
		msg_end(m);
		if (msg_view(m).len > PAGE_BYTES)
			break;
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

static uint64_t
page(const struct request *q)
{
	uint64_t limit = view_u64(q->v, F_LIMIT);

	if (limit == 0)
		return PAGE_DEFAULT;
	return limit < PAGE_MAX ? limit : PAGE_MAX;
}

enum ll_result
boxes_list(struct store *s, struct request *q)
{
	uint64_t folder = view_u64(q->v, F_FOLDER);
	uint64_t before = view_u64(q->v, F_BEFORE);
	sqlite3_stmt *st;
	enum ll_result r;

	if (before == 0 || before > INT64_MAX)
		before = INT64_MAX;
	r = db_query(s->db, &st, COLUMNS "WHERE b.user = ?1 AND b.folder = ?2"
	    " AND b.sequence < ?3 ORDER BY b.sequence DESC LIMIT ?4", "diii",
	    &q->peer->user, folder, before, page(q));
	if (r == LL_OK)
		r = put_rows(s, q->reply, st);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT total, unread FROM counts WHERE"
		    " user = ?1 AND folder = ?2", "di", &q->peer->user,
		    folder);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	msg_put_u64(q->reply, F_COUNT, db_u64(st, 0));
	msg_put_u64(q->reply, F_UNREAD, db_u64(st, 1));
	db_end(st);
	return LL_OK;
}

/* The asker's rows between two ids.  The ids are random, so that few rows of
 * anybody's lie between them; the user's index would mean a whole mailbox. */
static enum ll_result
between(struct store *s, struct request *q, const struct id *low,
    const struct id *high, uint64_t found[2], unsigned *n_r)
{
	sqlite3_stmt *st;
	struct id user;
	enum ll_result r;

	*n_r = 0;
	r = db_query(s->db, &st, "SELECT sequence, user FROM boxes WHERE"
	    " message BETWEEN ?1 AND ?2", "dd", low, high);
	if (r != LL_OK)
		return r;
	while (*n_r < 2 && (r = db_next(s->db, st)) == LL_OK)
		if (db_id(st, 1, &user) && id_equal(&user, &q->peer->user))
			found[(*n_r)++] = db_u64(st, 0);
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
boxes_find(struct store *s, struct request *q)
{
	uint64_t found[2];
	struct id low, high;
	sqlite3_stmt *st;
	enum ll_result r;
	unsigned n, i;

	if (!view_id(q->v, F_MESSAGE_ID, &low) ||
	    !view_id(q->v, F_REPLY_TO, &high))
		return LL_USAGE;
	r = between(s, q, &low, &high, found, &n);
	for (i = 0; r == LL_OK && i < n; i++) {
		r = db_query(s->db, &st, COLUMNS "WHERE b.sequence = ?1", "i",
		    found[i]);
		if (r == LL_OK)
			r = put_rows(s, q->reply, st);
	}
	return r;
}

enum ll_result
boxes_thread(struct store *s, struct request *q)
{
	struct id thread;
	sqlite3_stmt *st;
	enum ll_result r;

	if (!view_id(q->v, F_THREAD_ID, &thread))
		return LL_USAGE;
	r = db_query(s->db, &st, COLUMNS "WHERE b.sequence IN (SELECT sequence"
	    " FROM boxes WHERE message = ?2 AND user = ?1 UNION ALL SELECT"
	    " sequence FROM boxes WHERE user = ?1 AND thread = ?2 AND thread"
	    " <> message) ORDER BY b.sequence LIMIT ?3", "ddu",
	    &q->peer->user, &thread, PAGE_MAX);
	return r == LL_OK ? put_rows(s, q->reply, st) : r;
}

/* What waits for its author's key: wrong codes come while nobody is here. */
static enum ll_result
count_frozen(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	/* the index needs the state in the statement itself */
	r = db_query(s->db, &st, "SELECT count(*), d.address, max(l.created)"
	    " FROM links l JOIN deliveries d ON d.delivery = l.delivery"
	    " WHERE l.state = 2 AND d.author = ?1", "d", &q->peer->user);
	if (r != LL_OK)
		return r;
	r = db_next(s->db, st);
	if (r == LL_OK && db_u64(st, 0) > 0) {
		msg_put_u64(q->reply, F_COUNT, db_u64(st, 0));
		msg_put_text(q->reply, F_ADDRESS, db_text(st, 1));
	}
	db_end(st);
	return r;
}

enum ll_result
boxes_counts(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, "SELECT folder, total, unread FROM counts"
	    " WHERE user = ?1 UNION ALL SELECT ?2, count(*), 0 FROM drafts"
	    " WHERE author = ?1 AND sent = 0", "du", &q->peer->user,
	    FOLDER_DRAFTS);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		msg_put_u64(q->reply, F_FOLDER, db_u64(st, 0));
		msg_put_u64(q->reply, F_COUNT, db_u64(st, 1));
		msg_put_u64(q->reply, F_UNREAD, db_u64(st, 2));
		msg_end(q->reply);
	}
	return r == LL_EOF ? count_frozen(s, q) : r;
}

enum ll_result
boxes_people(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, "SELECT c.address, coalesce(u.name, ''),"
	    " c.last FROM contacts c LEFT JOIN users u ON u.email = c.address"
	    " WHERE c.user = ?1 UNION ALL SELECT email, name, 0 FROM users"
	    " WHERE role = ?2 AND state = ?3 AND email NOT IN (SELECT address"
	    " FROM contacts WHERE user = ?1) ORDER BY 3 DESC, 1 LIMIT 5000",
	    "duu", &q->peer->user, ROLE_STAFF, USER_ACTIVE);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		msg_put_text(q->reply, F_ADDRESS, db_text(st, 0));
		msg_put_text(q->reply, F_NAME, db_text(st, 1));
		msg_put_u64(q->reply, F_TIME, db_u64(st, 2));
		msg_end(q->reply);
	}
	return r == LL_EOF ? LL_OK : r;
}

/* --- one message --- */

/* The reader gets the key of the content: that is "opened". */
static enum ll_result
seen(struct store *s, struct request *q, const struct id *message,
    enum delivery_state state)
{
	struct delivery d;
	enum ll_result r;

	r = delivery_of_reader(s, message, &q->peer->user, &d);
	if (r == LL_OK)
		r = delivery_seen(s, q->now, &d, state);
	return r == LL_NOTFOUND ? LL_OK : r;
}

static enum ll_result
put_author(struct store *s, struct msg *m, const struct id *message)
{
	uint8_t seal_pk[32], sign_pk[32];
	uint64_t generation;
	sqlite3_stmt *st;
	struct id author;
	enum ll_result r;
	bool by_house;

	r = db_one(s->db, &st, "SELECT m.author, m.author_generation, u.email,"
	    " u.name, m.house_pk FROM messages m JOIN users u ON u.user ="
	    " m.author WHERE m.message = ?1", "d", message);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	(void)db_id(st, 0, &author);
	generation = db_u64(st, 1);
	msg_put_id(m, F_AUTHOR_ID, &author);
	msg_put_text(m, F_EMAIL, db_text(st, 2));
	msg_put_text(m, F_NAME, db_text(st, 3));
	by_house = db_hash(st, 4, sign_pk);
	db_end(st);
	if (by_house)
		msg_put_u64(m, F_FLAGS, FETCH_SUBMITTED);
	else
		r = vaults_keys(s, &author, generation, seal_pk, sign_pk);
	if (r == LL_OK)
		msg_put_bytes(m, F_SIGN_PK, sign_pk, sizeof(sign_pk));
	return r;
}

enum ll_result
boxes_fetch(struct store *s, struct request *q)
{
	struct id message;
	sqlite3_stmt *st;
	enum ll_result r;
	bool gone;

	if (!view_id(q->v, F_MESSAGE_ID, &message))
		return LL_USAGE;
	r = db_one(s->db, &st, COLUMNS "WHERE b.message = ?1 AND b.user = ?2",
	    "dd", &message, &q->peer->user);
	if (r != LL_OK)
		return r;
	gone = (db_null(st, 5) && db_null(st, 6)) ||
	    (db_u64(st, 11) > 0 && db_u64(st, 11) <= q->now);
	msg_begin(q->reply, F_ROW);
	put_fields(q->reply, st);
	msg_end(q->reply);
	db_end(st);
	if (gone) {
		q->words = "It has expired: its key was destroyed.";
		return LL_GONE;
	}
	r = seen(s, q, &message, STATE_OPENED);
	if (r == LL_OK)
		r = put_author(s, q->reply, &message);
	return r == LL_OK ? object_put_all(s, q->reply, &message) : r;
}

enum ll_result
object_open(struct store *s, struct request *q)
{
	struct id message, object;
	uint64_t mine;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, &message) ||
	    !view_id(q->v, F_OBJECT_ID, &object))
		return LL_USAGE;
	r = db_number(s->db, 0, &mine, "SELECT EXISTS (SELECT 1 FROM boxes b"
	    " JOIN messages m ON m.message = b.message WHERE b.message = ?1"
	    " AND b.user = ?2 AND (wrap IS NOT NULL OR self_wrap IS NOT NULL)"
	    " AND (expires = 0 OR expires > ?3) AND NOT ?4) OR EXISTS (SELECT"
	    " 1 FROM drafts WHERE message = ?1 AND author = ?2 AND (NOT ?4 OR"
	    " message = ?5))", "ddiud", &message, &q->peer->user, q->now,
	    (unsigned)(q->peer->role == PEER_SUBMIT), &q->peer->draft);
	if (r != LL_OK || mine == 0)
		return r != LL_OK ? r : LL_NOTFOUND;
	r = seen(s, q, &message, STATE_OPENED);
	return r == LL_OK ? object_give(s, q->reply, &message, &object) : r;
}

static enum ll_result
mark_row(struct store *s, struct request *q, const struct id *message)
{
	uint64_t folder = view_u64(q->v, F_FOLDER);
	const struct id *user = &q->peer->user;
	const uint8_t *wrap;
	enum ll_result r = LL_OK;
	size_t len;

	if (view_has(q->v, F_UNREAD))
		r = db_run(s->db, "UPDATE boxes SET unread = ?3 WHERE message"
		    " = ?1 AND user = ?2 AND unread <> ?3", "ddu", message,
		    user, view_u64(q->v, F_UNREAD) != 0);
	if (r == LL_OK && view_has(q->v, F_FOLDER)) {
		if (folder == FOLDER_DRAFTS || folder < FOLDER_INBOX ||
		    folder > FOLDER_TRASH)
			return LL_USAGE;
		r = db_run(s->db, "UPDATE boxes SET folder = ?3 WHERE message"
		    " = ?1 AND user = ?2", "ddi", message, user, folder);
	}
	wrap = view_bytes(q->v, F_SELF_WRAP, &len);
	if (r == LL_OK && wrap != NULL)
		r = db_run(s->db, "UPDATE boxes SET self_wrap = ?3, wrap ="
		    " NULL WHERE message = ?1 AND user = ?2 AND (wrap IS NOT"
		    " NULL OR self_wrap IS NOT NULL)", "ddb", message, user,
		    wrap, len);
	return r;
}

enum ll_result
boxes_mark(struct store *s, struct request *q)
{
	uint64_t folder;
	struct id message;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, &message))
		return LL_USAGE;
	r = db_number(s->db, 0, &folder, "SELECT folder FROM boxes WHERE"
	    " message = ?1 AND user = ?2", "dd", &message, &q->peer->user);
	if (r == LL_OK && folder == 0)
		r = LL_NOTFOUND;
	if (r == LL_OK)
		r = mark_row(s, q, &message);
	if (r == LL_OK && view_has(q->v, F_UNREAD) &&
	    view_u64(q->v, F_UNREAD) == 0)
		r = seen(s, q, &message, STATE_READ);
	if (r != LL_OK || (!view_has(q->v, F_UNREAD) &&
	    !view_has(q->v, F_FOLDER)))
		return r;
	event_box(s, &q->peer->user, &message, (enum folder)folder, q->peer);
	if (view_has(q->v, F_FOLDER))
		event_box(s, &q->peer->user, &message,
		    (enum folder)view_u64(q->v, F_FOLDER), q->peer);
	return LL_OK;
}

enum ll_result
boxes_purge(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_MESSAGE_PURGED,
	    .user = &q->peer->user };
	struct id message;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, &message))
		return LL_USAGE;
	r = db_run(s->db, "DELETE FROM boxes WHERE message = ?1 AND user = ?2"
	    " AND folder = ?3", "ddu", &message, &q->peer->user,
	    FOLDER_TRASH);
	if (r == LL_OK && db_changes(s->db) != 1)
		r = LL_NOTFOUND;
	leaf.message = &message;
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	if (r == LL_OK)
		r = delivery_collect(s, &message);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &message, FOLDER_TRASH, q->peer);
	return r;
}
