/*
 * A message that is still waiting goes back to where it came from: the draft.
 */
#include <string.h>

#include "keys/seal.h"
#include "store/handlers.h"
#include "store/object.h"

static enum ll_result
forget_message(struct store *s, const struct id *message)
{
	static const char *const tables[] = {
		"DELETE FROM queue WHERE delivery IN (SELECT delivery FROM"
		" deliveries WHERE message = ?1)",
		"DELETE FROM links WHERE delivery IN (SELECT delivery FROM"
		" deliveries WHERE message = ?1)",
		"DELETE FROM deliveries WHERE message = ?1",
		"DELETE FROM boxes WHERE message = ?1",
		"DELETE FROM messages WHERE message = ?1",
		"UPDATE drafts SET sent = 0 WHERE message = ?1",
		"UPDATE objects SET staged = 1 WHERE message = ?1 AND data IS"
		" NULL",
	};
	enum ll_result r = LL_OK;
	struct id object;
	sqlite3_stmt *st;
	size_t i;

	for (i = 0; r == LL_OK && i < sizeof(tables) / sizeof(*tables); i++)
		r = db_run(s->db, tables[i], "d", message);
	/* the body is written anew from the draft, and so are the mails */
	while (r == LL_OK) {
		r = db_one(s->db, &st, "SELECT object FROM objects WHERE"
		    " message = ?1 AND kind IN (?2, ?3) LIMIT 1", "duu",
		    message, OBJECT_BODY, OBJECT_MAIL);
		if (r != LL_OK)
			break;
		(void)db_id(st, 0, &object);
		db_end(st);
		r = object_drop(s, message, &object);
	}
	return r == LL_NOTFOUND ? LL_OK : r;
}

/* A late repetition of the SEND that was undone shall not send again. */
static enum ll_result
keep_answer(struct store *s, struct request *q, const struct id *message)
{
	uint8_t key[HASH_BYTES];
	struct id thread;
	sqlite3_stmt *st;
	struct msg *m;
	enum ll_result r;
	bool has_key;

	r = db_one(s->db, &st, "SELECT idempotency, thread FROM messages WHERE"
	    " message = ?1", "d", message);
	if (r != LL_OK)
		return r;
	has_key = db_hash(st, 0, key);
	(void)db_id(st, 1, &thread);
	db_end(st);
	if (!has_key)
		return LL_OK;
	r = msg_reply(q->msg, LL_OK, &m);
	if (r != LL_OK)
		return r;
	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_id(m, F_THREAD_ID, &thread);
	r = serve_remember(s, q, OP_SEND, key, m);
	msg_destroy(m);
	return r;
}

enum ll_result
send_undo(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_UNDONE, .user = &q->peer->user };
	uint64_t pending = 0, other = 0;
	struct id message;
	sqlite3_stmt *st;
	enum ll_result r;

	if (!view_id(q->v, F_MESSAGE_ID, &message))
		return LL_USAGE;
	r = db_one(s->db, &st, "SELECT coalesce(sum(state = 1), 0),"
	    " coalesce(sum(state NOT IN (1, 2)), 0) FROM deliveries WHERE"
	    " message = ?1 AND author = ?2", "dd", &message, &q->peer->user);
	if (r != LL_OK)
		return r;
	pending = db_u64(st, 0);
	other = db_u64(st, 1);
	db_end(st);
	if (pending == 0 && other == 0)
		return LL_NOTFOUND;
	if (pending == 0 || other > 0) {
		q->words = "It is on its way already: withdraw it instead.";
		return LL_CONFLICT;
	}
	r = keep_answer(s, q, &message);
	if (r == LL_OK)
		r = forget_message(s, &message);
	leaf.message = &message;
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	if (r == LL_OK) {
		event_box(s, &q->peer->user, &message, FOLDER_SENT, q->peer);
		event_box(s, &q->peer->user, &message, FOLDER_DRAFTS, q->peer);
	}
	return r;
}
