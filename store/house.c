#include <stdio.h>

#include "store/handlers.h"

struct figure {
	const char *name, *sql;
};

static const struct figure figures[] = {
	{ "users", "SELECT count(*) FROM users" },
	{ "users active", "SELECT count(*) FROM users WHERE state = 2" },
	{ "messages", "SELECT count(*) FROM messages" },
	{ "deliveries pending", "SELECT count(*) FROM deliveries WHERE state"
	    " = 1" },
	{ "queue", "SELECT count(*) FROM queue" },
	{ "queue deferred", "SELECT count(*) FROM queue WHERE attempts > 0" },
	{ "lookups waiting", "SELECT count(*) FROM findings WHERE wanted = 1" },
	{ "lookups found", "SELECT count(*) FROM findings WHERE state = 2" },
	{ "lookups failed", "SELECT count(*) FROM findings WHERE state = 4" },
	{ "links open", "SELECT count(*) FROM links WHERE state = 1" },
	{ "links frozen", "SELECT count(*) FROM links WHERE state = 2" },
	{ "log leaves", "SELECT coalesce(max(sequence), 0) FROM log" },
	{ "bytes of attachments and bodies", "SELECT coalesce(sum(bytes), 0)"
	    " FROM users" },
	{ "schema", "PRAGMA user_version" },
};

static void
put(struct msg *m, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	msg_begin(m, F_ROW);
	msg_put_text(m, F_NAME, name);
	msg_put_text(m, F_DETAIL, text);
	msg_end(m);
}

enum ll_result
house_status(struct store *s, struct request *q)
{
	const struct peer *p;
	uint64_t n, logins = 0;
	enum ll_result r;
	size_t i;

	for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		r = db_number(s->db, 0, &n, figures[i].sql, "");
		if (r != LL_OK)
			return r;
		put(q->reply, figures[i].name, n);
	}
	for (p = s->peers; p != NULL; p = p->next)
		logins += p->role == PEER_SESSION && p->bound ? 1 : 0;
	put(q->reply, "logins", logins);
	return LL_OK;
}

enum ll_result
house_queue(struct store *s, struct request *q)
{
	uint64_t next;
	struct id id;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, "SELECT queue, address, created, attempts,"
	    " last_error, next FROM queue ORDER BY next LIMIT 1000", "");
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		next = db_u64(st, 5);
		msg_begin(q->reply, F_ROW);
		if (db_id(st, 0, &id))
			msg_put_id(q->reply, F_QUEUE_ID, &id);
		msg_put_text(q->reply, F_ADDRESS, db_text(st, 1));
		msg_put_u64(q->reply, F_TIME, db_u64(st, 2));
		msg_put_u64(q->reply, F_ATTEMPTS, db_u64(st, 3));
		msg_put_text(q->reply, F_LAST_ERROR, db_text(st, 4));
		msg_put_u64(q->reply, F_DELAY_SECS,
		    next > q->now ? next - q->now : 0);
		msg_end(q->reply);
	}
	return r == LL_EOF ? LL_OK : r;
}
