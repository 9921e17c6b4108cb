#include <sodium.h>

#include "store/handlers.h"
#include "store/object.h"

#define DRAFTS_MAX 1000
#define LIST_BYTES (1536 * 1024)

/* A draft of the asker's that was not sent. */
static enum ll_result
own(struct store *s, struct request *q, struct id *message_r,
    uint64_t *version_r)
{
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, message_r))
		return LL_USAGE;
	if (q->peer->role == PEER_SUBMIT &&
	    !id_equal(message_r, &q->peer->draft))
		return LL_NOTFOUND;
	r = db_number(s->db, 0, version_r, "SELECT version FROM drafts WHERE"
	    " message = ?1 AND author = ?2 AND sent = 0", "dd", message_r,
	    &q->peer->user);
	if (r == LL_OK && *version_r == 0)
		r = LL_NOTFOUND;
	return r;
}

/* Room for one more draft of that author's. */
static enum ll_result
has_room(struct store *s, struct request *q, const struct id *author)
{
	uint64_t count;
	enum ll_result r;

	r = db_number(s->db, 0, &count, "SELECT count(*) FROM drafts WHERE"
	    " author = ?1", "d", author);
	if (r == LL_OK && count >= DRAFTS_MAX) {
		q->words = "There are too many drafts.";
		r = LL_FULL;
	}
	return r;
}

/* Whether the id may become a draft: it is nobody's draft and no message. */
static enum ll_result
is_free(struct store *s, const struct id *message)
{
	uint64_t taken;
	enum ll_result r;

	r = db_number(s->db, 0, &taken, "SELECT EXISTS (SELECT 1 FROM drafts"
	    " WHERE message = ?1) OR EXISTS (SELECT 1 FROM messages WHERE"
	    " message = ?1)", "d", message);
	return r == LL_OK && taken ? LL_CONFLICT : r;
}

enum ll_result
drafts_put(struct store *s, struct request *q)
{
	uint64_t version, replaces = view_u64(q->v, F_SEQUENCE);
	size_t wrap_len, len;
	const uint8_t *wrap = view_bytes(q->v, F_WRAP, &wrap_len);
	const uint8_t *text = view_bytes(q->v, F_DRAFT, &len);
	struct id message;
	enum ll_result r;

	if (wrap == NULL || text == NULL)
		return LL_USAGE;
	r = own(s, q, &message, &version);
	if (r != LL_OK && r != LL_NOTFOUND)
		return r;
	if (r == LL_NOTFOUND && replaces != 0)
		return r;
	if (r == LL_OK && view_has(q->v, F_SEQUENCE) && replaces != version) {
		q->words = "The draft was changed elsewhere.";
		return LL_CONFLICT;
	}
	if (r == LL_NOTFOUND) {
		r = is_free(s, &message);
		if (r == LL_OK)
			r = has_room(s, q, &q->peer->user);
	}
	if (r != LL_OK)
		return r;
	r = db_run(s->db, "INSERT INTO drafts (message, author, wrap, draft,"
	    " generation, version, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	    " ON CONFLICT (message) DO UPDATE SET wrap = excluded.wrap, draft"
	    " = excluded.draft, generation = excluded.generation, version ="
	    " excluded.version, time = excluded.time", "ddbbiii", &message,
	    &q->peer->user, wrap, wrap_len, text, len,
	    view_u64(q->v, F_GENERATION), version + 1, q->now);
	msg_put_u64(q->reply, F_SEQUENCE, version + 1);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &message, FOLDER_DRAFTS, q->peer);
	return r;
}

/* Handed in from a mail program: sealed to its author by intake. */
enum ll_result
drafts_submit(struct store *s, struct request *q)
{
	size_t wrap_len, len;
	const uint8_t *wrap = view_bytes(q->v, F_WRAP, &wrap_len);
	const uint8_t *text = view_bytes(q->v, F_DRAFT, &len);
	const uint64_t generation = view_u64(q->v, F_GENERATION);
	struct id message, author;
	uint64_t good;
	enum ll_result r;

	if (wrap == NULL || text == NULL || !view_id(q->v, F_MESSAGE_ID,
	    &message) || !view_id(q->v, F_USER_ID, &author))
		return LL_USAGE;
	r = db_number(s->db, 0, &good, "SELECT 1 FROM users WHERE user = ?1"
	    " AND role = ?2 AND state = ?3 AND generation = ?4", "duui",
	    &author, ROLE_STAFF, USER_ACTIVE, generation);
	if (r == LL_OK && !good)
		r = LL_CONFLICT;
	if (r == LL_OK)
		r = is_free(s, &message);
	if (r == LL_OK)
		r = has_room(s, q, &author);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO drafts (message, author, wrap,"
		    " draft, generation, version, time) VALUES (?1, ?2, ?3, ?4,"
		    " ?5, 1, ?6)", "ddbbii", &message, &author, wrap, wrap_len,
		    text, len, generation, q->now);
	msg_put_id(q->reply, F_MESSAGE_ID, &message);
	if (r == LL_OK)
		event_box(s, &author, &message, FOLDER_DRAFTS, NULL);
	return r;
}

/* A list leaves out the texts that would not fit; DRAFT_GET has them all. */
static void
put_row(struct msg *m, sqlite3_stmt *st, size_t limit)
{
	const uint8_t *p;
	struct id message;
	size_t len;

	msg_begin(m, F_ROW);
	if (db_id(st, 0, &message))
		msg_put_id(m, F_MESSAGE_ID, &message);
	p = db_blob(st, 1, &len);
	msg_put_bytes(m, F_WRAP, p, len);
	p = db_blob(st, 2, &len);
	if (msg_view(m).len + len < limit)
		msg_put_bytes(m, F_DRAFT, p, len);
	msg_put_u64(m, F_GENERATION, db_u64(st, 3));
	msg_put_u64(m, F_TIME, db_u64(st, 4));
	msg_put_u64(m, F_SEQUENCE, db_u64(st, 5));
	msg_end(m);
}

#define COLUMNS "SELECT message, wrap, draft, generation, time, version" \
	" FROM drafts "

enum ll_result
drafts_list(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, COLUMNS "WHERE author = ?1 AND sent = 0 AND"
	    " (?2 IS NULL OR message = ?2) ORDER BY time DESC, rowid DESC"
	    " LIMIT 1000", "dd", &q->peer->user, q->peer->role ==
	    PEER_SUBMIT ? &q->peer->draft : NULL);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK)
		put_row(q->reply, st, LIST_BYTES);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
drafts_get(struct store *s, struct request *q)
{
	struct id message;
	uint64_t version;
	sqlite3_stmt *st;
	enum ll_result r;

	r = own(s, q, &message, &version);
	if (r == LL_OK)
		r = db_one(s->db, &st, COLUMNS "WHERE message = ?1", "d",
		    &message);
	if (r != LL_OK)
		return r;
	put_row(q->reply, st, MSG_MAX);
	db_end(st);
	return object_put_all(s, q->reply, &message);
}

enum ll_result
drafts_delete(struct store *s, struct request *q)
{
	struct id message;
	uint64_t version;
	enum ll_result r;

	r = own(s, q, &message, &version);
	if (r == LL_OK)
		r = object_drop_all(s, &message);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM drafts WHERE message = ?1", "d",
		    &message);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &message, FOLDER_DRAFTS, q->peer);
	return r;
}

/* --- a draft's attachments --- */

/* The draft, or a message to be that nobody has yet. */
static enum ll_result
place(struct store *s, struct request *q, struct object_place *p_r)
{
	uint64_t version;
	enum ll_result r;

	*p_r = (struct object_place){ .owner = q->peer->user };
	r = own(s, q, &p_r->message, &version);
	return r == LL_NOTFOUND ? is_free(s, &p_r->message) : r;
}

enum ll_result
object_new(struct store *s, struct request *q)
{
	struct object_place where;
	enum ll_result r;

	r = place(s, q, &where);
	return r == LL_OK ? object_upload_new(s, q, &where) : r;
}

enum ll_result
object_commit(struct store *s, struct request *q)
{
	struct object_place where;
	enum ll_result r;

	r = place(s, q, &where);
	if (r == LL_OK)
		r = object_upload_end(s, q, &where);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &where.message, FOLDER_DRAFTS,
		    q->peer);
	return r;
}

enum ll_result
object_delete(struct store *s, struct request *q)
{
	struct id message, object;
	uint64_t version;
	enum ll_result r;

	if (!view_id(q->v, F_OBJECT_ID, &object))
		return LL_USAGE;
	if (object_upload_cancel(s, q->peer, &object))
		return LL_OK;
	r = own(s, q, &message, &version);
	if (r == LL_OK)
		r = object_drop(s, &message, &object);
	if (r == LL_OK)
		event_box(s, &q->peer->user, &message, FOLDER_DRAFTS, q->peer);
	return r;
}
