/*
 * From the record of both factors to a channel bound to (user, role): what a
 * session gets, what it gets again after a restart of the store, and the
 * channels it hands to its workers.
 */
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "store/handlers.h"
#include "store/vaults.h"

#define LOGIN_SECS (12 * 3600)

enum factor_bit { BIT_KEY = 1, BIT_PASSWORD = 2, BIT_TOTP = 4, BIT_BACKUP = 8 };

static const struct {
	unsigned bit;
	const char *name;
} factors[] = {
	{ BIT_KEY, "key" },
	{ BIT_PASSWORD, "password" },
	{ BIT_TOTP, "totp" },
	{ BIT_BACKUP, "backup" },
};

/* Everything a session needs of its user; binds the peer. */
static enum ll_result
bind_user(struct store *s, struct request *q, const struct id *user,
    unsigned shown)
{
	struct peer *p = q->peer;
	uint8_t pepper[KEY_BYTES];
	sqlite3_stmt *st;
	enum ll_result r;
	size_t i;

	r = db_one(s->db, &st, "SELECT login, email, name, role, state,"
	    " generation FROM users WHERE user = ?1", "d", user);
	if (r != LL_OK)
		return r;
	if (db_u64(st, 4) != USER_ACTIVE) {
		db_end(st);
		return LL_DENIED;
	}
	msg_put_id(q->reply, F_USER_ID, user);
	msg_put_text(q->reply, F_USER, db_text(st, 0));
	msg_put_text(q->reply, F_EMAIL, db_text(st, 1));
	msg_put_text(q->reply, F_NAME, db_text(st, 2));
	msg_put_u64(q->reply, F_ROLE, db_u64(st, 3));
	p->user_role = (enum user_role)db_u64(st, 3);
	r = vaults_put(s, q->reply, user, db_u64(st, 5));
	db_end(st);
	if (r == LL_OK)
		r = vaults_pepper(s, user, pepper);
	if (r != LL_OK)
		return r;
	msg_put_bytes(q->reply, F_PEPPER, pepper, sizeof(pepper));
	sodium_memzero(pepper, sizeof(pepper));
	for (i = 0; i < sizeof(factors) / sizeof(factors[0]); i++)
		if (shown & factors[i].bit)
			msg_put_text(q->reply, F_FACTOR, factors[i].name);
	p->user = *user;
	p->bound = true;
	return LL_OK;
}

static enum ll_result
token_hash(const uint8_t token[HASH_BYTES], uint8_t hash[HASH_BYTES])
{
	return derive_bytes(LABEL_TOKEN, NULL, 0, token, HASH_BYTES, hash);
}

enum ll_result
bind_done(struct store *s, struct request *q)
{
	const struct login *l = &q->peer->login;
	struct leaf leaf = { .event = EVENT_LOGIN, .user = &l->user };
	uint8_t token[HASH_BYTES];
	unsigned shown = 0;
	enum ll_result r;

	if (q->peer->bound || !l->known || !(l->key || l->password) ||
	    !(l->totp || l->backup))
		return LL_DENIED;
	shown |= l->key ? BIT_KEY : 0;
	shown |= l->password ? BIT_PASSWORD : 0;
	shown |= l->totp ? BIT_TOTP : 0;
	shown |= l->backup ? BIT_BACKUP : 0;
	randombytes_buf(token, sizeof(token));
	r = token_hash(token, q->peer->token);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO tokens (token, user, factors,"
		    " created, until) VALUES (?1, ?2, ?3, ?4, ?5)", "hduii",
		    q->peer->token, &l->user, (int)shown, q->now,
		    q->now + LOGIN_SECS);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET last_login = ?2"
		    " WHERE user = ?1", "di", &l->user, q->now);
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	msg_put_bytes(q->reply, F_TOKEN, token, sizeof(token));
	sodium_memzero(token, sizeof(token));
	if (r == LL_OK)
		r = bind_user(s, q, &l->user, shown);
	return r;
}

enum ll_result
bind_attach(struct store *s, struct request *q)
{
	const uint8_t *token = view_hash(q->v, F_TOKEN);
	uint8_t hash[HASH_BYTES];
	uint64_t until, shown;
	sqlite3_stmt *st;
	struct id user;
	enum ll_result r;

	if (token == NULL || q->peer->bound)
		return LL_USAGE;
	r = token_hash(token, hash);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT user, until, factors"
		    " FROM tokens WHERE token = ?1 AND user IS NOT NULL", "h",
		    hash);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_AUTH : r;
	(void)db_id(st, 0, &user);
	until = db_u64(st, 1);
	shown = db_u64(st, 2);
	db_end(st);
	if (until <= q->now)
		return LL_AUTH;
	memcpy(q->peer->token, hash, HASH_BYTES);
	msg_put_bytes(q->reply, F_TOKEN, token, HASH_BYTES);
	return bind_user(s, q, &user, (unsigned)shown);
}

enum ll_result
bind_worker(struct store *s, struct request *q)
{
	enum ll_result r;
	struct peer *p;
	int fd;

	r = serve_pair(s, PEER_WORKER, &p, &fd);
	if (r != LL_OK)
		return r;
	p->bound = true;
	p->user = q->peer->user;
	p->user_role = q->peer->user_role;
	memcpy(p->token, q->peer->token, HASH_BYTES);
	msg_put_fd(q->reply, fd);
	return LL_OK;
}

/* Only what was handed in from a mail program goes this way: it opens no
 * mailbox, and nothing in it is released by it. */
enum ll_result
bind_submit(struct store *s, struct request *q)
{
	const uint8_t *pk = view_hash(q->v, F_SIGN_PK);
	enum ll_result r;
	struct id user, draft;
	struct peer *p;
	uint64_t good;
	int fd;

	if (pk == NULL || !view_id(q->v, F_USER_ID, &user) ||
	    !view_id(q->v, F_MESSAGE_ID, &draft))
		return LL_USAGE;
	r = db_number(s->db, 0, &good, "SELECT 1 FROM users WHERE user = ?1"
	    " AND role = ?2 AND state = ?3", "duu", &user, ROLE_STAFF,
	    USER_ACTIVE);
	if (r == LL_OK && !good)
		r = LL_NOTFOUND;
	if (r == LL_OK)
		r = serve_pair(s, PEER_SUBMIT, &p, &fd);
	if (r != LL_OK)
		return r;
	p->bound = true;
	p->user = user;
	p->user_role = ROLE_STAFF;
	p->draft = draft;
	memcpy(p->house_pk, pk, sizeof(p->house_pk));
	msg_put_fd(q->reply, fd);
	return LL_OK;
}

enum ll_result
bind_logout(struct store *s, struct request *q)
{
	const struct id user = q->peer->user;
	uint8_t token[HASH_BYTES];
	enum ll_result r;

	memcpy(token, q->peer->token, HASH_BYTES);
	r = db_run(s->db, "DELETE FROM tokens WHERE token = ?1", "h", token);
	if (r == LL_OK)
		serve_end_logins(s, &user, token, USER_ACTIVE);
	return r;
}

/* The daemon makes the channels of the other programs. */
enum ll_result
bind_channel(struct store *s, struct request *q)
{
	static const unsigned allowed = 1u << PEER_SESSION | 1u << PEER_RELAY |
	    1u << PEER_PORTAL | 1u << PEER_INTAKE | 1u << PEER_LOCAL;
	uint64_t role = view_u64(q->v, F_ROLE);
	enum ll_result r;
	struct peer *p;
	int fd;

	if (role > PEER_LOCAL || !(allowed >> role & 1u))
		return LL_DENIED;
	r = serve_pair(s, (enum peer_role)role, &p, &fd);
	if (r != LL_OK)
		return r;
	msg_put_fd(q->reply, fd);
	return LL_OK;
}
