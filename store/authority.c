/*
 * Whose certificates the house believes: its own CA and those of others, with
 * their lists of revoked ones.  Nothing is parsed here: who adds one has
 * looked at it.
 */
#include <stdio.h>
#include <string.h>

#include "store/handlers.h"

#define AUTHORITIES_MAX 200
#define LIST_BYTES (1536 * 1024)
#define CRL_LEAST 65536          /* room that a list of revoked ones may want */

static enum ll_result
record(struct store *s, struct request *q, const char *what)
{
	struct leaf leaf = { .event = EVENT_CA };
	char detail[200];

	(void)snprintf(detail, sizeof(detail), "%s %s", what,
	    view_text(q->v, F_FINGERPRINT));
	leaf.detail = detail;
	return log_append(s, q->now, &leaf);
}

static void
put_row(struct msg *m, sqlite3_stmt *st)
{
	uint64_t flags = db_u64(st, 4) ? CA_OWN : 0;
	const uint8_t *p;
	size_t len;

	msg_begin(m, F_ROW);
	msg_put_text(m, F_FINGERPRINT, db_text(st, 0));
	msg_put_text(m, F_NAME, db_text(st, 1));
	p = db_blob(st, 2, &len);
	msg_put_bytes(m, F_CERTIFICATE, p, len);
	msg_put_u64(m, F_KEY_EXPIRES, db_u64(st, 3));
	msg_put_u64(m, F_TIME, db_u64(st, 5));
	p = db_blob(st, 6, &len);
	if (p != NULL && msg_view(m).len + len < LIST_BYTES)
		msg_put_bytes(m, F_CRL, p, len);
	else if (p != NULL)
		flags |= CA_CRL_ELSEWHERE;
	msg_put_u64(m, F_EXPIRES, db_u64(st, 7));
	msg_put_u64(m, F_FLAGS, flags);
	msg_end(m);
}

#define COLUMNS "SELECT fingerprint, name, certificate, expires, own, added," \
	" crl, crl_until FROM authorities "

enum ll_result
authority_list(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	if (view_has(q->v, F_FINGERPRINT))
		r = db_query(s->db, &st, COLUMNS "WHERE fingerprint = ?1", "t",
		    view_text(q->v, F_FINGERPRINT));
	else
		r = db_query(s->db, &st, COLUMNS "ORDER BY own DESC, name",
		    "");
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		if (msg_view(q->reply).len > LIST_BYTES + CRL_LEAST)
			break;
		put_row(q->reply, st);
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
authority_trust(struct store *s, struct request *q)
{
	const uint8_t *certificate;
	uint64_t count;
	enum ll_result r;
	size_t len;

	certificate = view_bytes(q->v, F_CERTIFICATE, &len);
	if (certificate == NULL || len == 0 ||
	    view_text(q->v, F_FINGERPRINT)[0] == '\0')
		return LL_USAGE;
	r = db_number(s->db, 0, &count, "SELECT count(*) FROM authorities",
	    "");
	if (r == LL_OK && count >= AUTHORITIES_MAX)
		r = LL_FULL;
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO authorities (fingerprint, name,"
		    " certificate, expires, own, added) VALUES (?1, ?2, ?3,"
		    " ?4, ?5, ?6) ON CONFLICT DO UPDATE SET name ="
		    " excluded.name, own = excluded.own", "ttbiui",
		    view_text(q->v, F_FINGERPRINT), view_text(q->v, F_NAME),
		    certificate, len, view_u64(q->v, F_KEY_EXPIRES),
		    (view_u64(q->v, F_FLAGS) & CA_OWN) != 0, q->now);
	return r == LL_OK ? record(s, q, "trusted") : r;
}

enum ll_result
authority_crl(struct store *s, struct request *q)
{
	const uint8_t *crl;
	enum ll_result r;
	size_t len;

	crl = view_bytes(q->v, F_CRL, &len);
	if (crl == NULL || len == 0)
		return LL_USAGE;
	r = db_run(s->db, "UPDATE authorities SET crl = ?2, crl_until = ?3"
	    " WHERE fingerprint = ?1", "tbi", view_text(q->v, F_FINGERPRINT),
	    crl, len, view_u64(q->v, F_TIME));
	if (r == LL_OK && db_changes(s->db) != 1)
		r = LL_NOTFOUND;
	return r == LL_OK ? record(s, q, "revocation list of") : r;
}

enum ll_result
authority_remove(struct store *s, struct request *q)
{
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM authorities WHERE fingerprint = ?1",
	    "t", view_text(q->v, F_FINGERPRINT));
	if (r == LL_OK && db_changes(s->db) != 1)
		r = LL_NOTFOUND;
	return r == LL_OK ? record(s, q, "removed") : r;
}
