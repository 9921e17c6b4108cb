/*
 * The keys that staff sign mail with and that others encrypt to.  The private
 * half is sealed in its owner's vault before it comes here, so that those of
 * an older generation open again with the vault they belong to.
 */
#include <string.h>

#include "keys/parse.h"
#include "store/handlers.h"

#define KEYS_MAX 50              /* of one user, all generations */

/* The user the request is about: the asker, or whom the local command names. */
static enum ll_result
whose(struct store *s, struct request *q, struct id *user_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	if (q->peer->role != PEER_LOCAL) {
		*user_r = q->peer->user;
		return LL_OK;
	}
	if (!view_has(q->v, F_USER)) {
		memset(user_r, 0, sizeof(*user_r));
		return LL_OK;        /* the house's own */
	}
	r = db_one(s->db, &st, "SELECT user FROM users WHERE login = ?1", "t",
	    view_text(q->v, F_USER));
	if (r == LL_NOTFOUND)
		q->words = "There is no such user.";
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, user_r);
	db_end(st);
	return LL_OK;
}

/* One pair of each format is made for a vault; imported ones come on top. */
static enum ll_result
may_add(struct store *s, struct request *q, const struct id *user)
{
	uint64_t same, all, vault;
	enum ll_result r;

	r = db_number(s->db, 0, &same, "SELECT count(*) FROM mail_keys WHERE"
	    " user = ?1 AND format = ?2 AND generation = ?3", "dii", user,
	    view_u64(q->v, F_FORMAT), view_u64(q->v, F_GENERATION));
	if (r == LL_OK)
		r = db_number(s->db, 0, &all, "SELECT count(*) FROM mail_keys"
		    " WHERE user = ?1", "d", user);
	if (r == LL_OK)
		r = db_number(s->db, 0, &vault, "SELECT 1 FROM vaults WHERE"
		    " user = ?1 AND generation = ?2", "di", user,
		    view_u64(q->v, F_GENERATION));
	if (r != LL_OK)
		return r;
	/* the house's are sealed under a key of the root's */
	if (vault == 0 && q->peer->role != PEER_INTAKE)
		return LL_USAGE;
	if (same > 0 && !(view_u64(q->v, F_FLAGS) & MAILKEY_IMPORTED)) {
		q->words = "There is a mail key of that kind already.";
		return LL_CONFLICT;
	}
	return all < KEYS_MAX ? LL_OK : LL_FULL;
}

static enum ll_result
insert(struct store *s, struct request *q, const struct id *user)
{
	size_t sealed_len, public_len, certificate_len;
	const uint8_t *sealed, *public, *certificate;

	sealed = view_bytes(q->v, F_SEALED_KEY, &sealed_len);
	public = view_bytes(q->v, F_PUBLIC, &public_len);
	certificate = view_bytes(q->v, F_CERTIFICATE, &certificate_len);
	if (sealed == NULL || public == NULL ||
	    view_text(q->v, F_FINGERPRINT)[0] == '\0')
		return LL_USAGE;
	return db_run(s->db, "INSERT INTO mail_keys (user, format,"
	    " fingerprint, generation, sealed, public, certificate,"
	    " certificate_until, algorithm, created) VALUES (?1, ?2, ?3, ?4,"
	    " ?5, ?6, ?7, ?8, ?9, ?10)", "ditibbbiti", user,
	    view_u64(q->v, F_FORMAT), view_text(q->v, F_FINGERPRINT),
	    view_u64(q->v, F_GENERATION), sealed, sealed_len, public,
	    public_len, certificate, certificate_len,
	    view_u64(q->v, F_KEY_EXPIRES), view_text(q->v, F_ALGORITHM),
	    view_u64(q->v, F_CREATED));
}

enum ll_result
mailkey_put(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_MAIL_KEY };
	uint64_t format = view_u64(q->v, F_FORMAT);
	struct id user;
	enum ll_result r;

	if (format != PARSE_OPENPGP && format != PARSE_SMIME)
		return LL_USAGE;
	r = whose(s, q, &user);
	if (r == LL_OK)
		r = may_add(s, q, &user);
	if (r == LL_OK)
		r = insert(s, q, &user);
	leaf.user = &user;
	leaf.detail = view_text(q->v, F_FINGERPRINT);
	return r == LL_OK ? log_append(s, q->now, &leaf) : r;
}

static void
put_bytes(struct msg *m, enum field f, sqlite3_stmt *st, int column)
{
	const uint8_t *p;
	size_t len;

	p = db_blob(st, column, &len);
	if (p != NULL)
		msg_put_bytes(m, f, p, len);
}

enum ll_result
mailkey_list(struct store *s, struct request *q)
{
	struct msg *m = q->reply;
	sqlite3_stmt *st;
	struct id user;
	enum ll_result r;

	r = whose(s, q, &user);
	if (r == LL_OK)
		r = db_query(s->db, &st, "SELECT format, sealed, public,"
		    " certificate, fingerprint, algorithm, created,"
		    " generation, certificate_until FROM mail_keys WHERE user"
		    " = ?1 ORDER BY generation DESC, rowid DESC", "d", &user);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(m, F_ROW);
		msg_put_u64(m, F_FORMAT, db_u64(st, 0));
		put_bytes(m, F_SEALED_KEY, st, 1);
		put_bytes(m, F_PUBLIC, st, 2);
		put_bytes(m, F_CERTIFICATE, st, 3);
		msg_put_text(m, F_FINGERPRINT, db_text(st, 4));
		msg_put_text(m, F_ALGORITHM, db_text(st, 5));
		msg_put_u64(m, F_CREATED, db_u64(st, 6));
		msg_put_u64(m, F_GENERATION, db_u64(st, 7));
		msg_put_u64(m, F_KEY_EXPIRES, db_u64(st, 8));
		msg_end(m);
	}
	return r == LL_EOF ? LL_OK : r;
}

/* Without a certificate only the end of the one that is there changes: it was
 * revoked, and still opens what was sealed to it. */
enum ll_result
mailkey_cert(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_MAIL_KEY };
	const uint8_t *certificate;
	struct id user;
	enum ll_result r;
	size_t len;

	certificate = view_bytes(q->v, F_CERTIFICATE, &len);
	r = whose(s, q, &user);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE mail_keys SET certificate ="
		    " coalesce(?3, certificate), certificate_until = ?4 WHERE"
		    " user = ?1 AND fingerprint = ?2 AND format = ?5 AND"
		    " coalesce(?3, certificate) IS NOT NULL", "dtbii", &user,
		    view_text(q->v, F_FINGERPRINT), certificate, len,
		    view_u64(q->v, F_KEY_EXPIRES), (uint64_t)PARSE_SMIME);
	if (r == LL_OK && db_changes(s->db) != 1) {
		q->words = "There is no key of that fingerprint.";
		r = LL_NOTFOUND;
	}
	leaf.user = &user;
	leaf.detail = view_text(q->v, F_FINGERPRINT);
	return r == LL_OK ? log_append(s, q->now, &leaf) : r;
}
