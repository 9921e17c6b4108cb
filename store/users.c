#include <stdio.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/vault.h"
#include "store/delay.h"
#include "store/handlers.h"
#include "store/login.h"
#include "store/sshkeys.h"
#include "store/vaults.h"

#define TICKET_SECS (14 * 86400)

/* Login names: what fits a command line and a mail address. */
static bool
login_good(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] >= 'a' && name[i] <= 'z')
			continue;
		if (i > 0 && ((name[i] >= '0' && name[i] <= '9') ||
		    strchr("._-", name[i]) != NULL))
			continue;
		return false;
	}
	return i > 0 && i <= 32;
}

static void
lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static enum ll_result
insert(struct store *s, struct request *q, const struct id *user,
    const char *email, uint64_t role)
{
	const uint8_t *ticket = view_hash(q->v, F_TICKET_HASH);
	uint8_t verifier[HASH_BYTES];
	enum ll_result r;

	if (ticket == NULL)
		return LL_USAGE;
	r = login_verifier(s, user, user, ticket, verifier);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO users (user, login, email, name,"
		    " role, state, created, ticket, ticket_until) VALUES (?1,"
		    " ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", "dtttiuihi", user,
		    view_text(q->v, F_USER), email, view_text(q->v, F_NAME),
		    role, USER_INVITED, q->now, verifier,
		    q->now + TICKET_SECS);
	if (r == LL_CONFLICT)
		q->words = "That name or e-mail address is taken.";
	return r;
}

enum ll_result
users_add(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_USER_ADDED };
	uint64_t role = view_u64(q->v, F_ROLE);
	char email[321];
	struct id user;
	enum ll_result r;

	if (!login_good(view_text(q->v, F_USER))) {
		q->words = "A user name is 1 to 32 of a-z 0-9 . _ - and "
		    "begins with a letter.";
		return LL_USAGE;
	}
	r = clean_address(view_text(q->v, F_EMAIL), email, &q->words);
	if (r != LL_OK)
		return r;
	lower(email);
	if (role < ROLE_STAFF || role > ROLE_AUDITOR)
		return LL_USAGE;
	id_random(&user);
	leaf.user = &user;
	r = insert(s, q, &user, email, role);
	if (r == LL_OK)
		r = sshkeys_keep(s, q, &user);
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	msg_put_id(q->reply, F_USER_ID, &user);
	return r;
}

enum ll_result
users_list(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(s->db, &st, "SELECT login, email, name, role, state,"
	    " last_login, generation FROM users ORDER BY login", "");
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		msg_put_text(q->reply, F_USER, db_text(st, 0));
		msg_put_text(q->reply, F_EMAIL, db_text(st, 1));
		msg_put_text(q->reply, F_NAME, db_text(st, 2));
		msg_put_u64(q->reply, F_ROLE, db_u64(st, 3));
		msg_put_u64(q->reply, F_STATE, db_u64(st, 4));
		msg_put_u64(q->reply, F_TIME, db_u64(st, 5));
		msg_put_u64(q->reply, F_GENERATION, db_u64(st, 6));
		msg_end(q->reply);
	}
	return r == LL_EOF ? LL_OK : r;
}

struct user_row {
	struct id id;
	uint64_t state, role, generation;
};

static enum ll_result
find(struct store *s, struct request *q, struct user_row *u_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT user, state, role, generation"
	    " FROM users WHERE login = ?1", "t", view_text(q->v, F_USER));
	if (r == LL_NOTFOUND)
		q->words = "There is no such user.";
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &u_r->id);
	u_r->state = db_u64(st, 1);
	u_r->role = db_u64(st, 2);
	u_r->generation = db_u64(st, 3);
	db_end(st);
	return LL_OK;
}

/* An admin at the terminal cannot shut the last door of the house: only the
 * local command can. */
static enum ll_result
not_last_admin(struct store *s, struct request *q, const struct user_row *u)
{
	uint64_t others;
	enum ll_result r;

	if (u->role != ROLE_ADMIN || q->peer->role == PEER_LOCAL)
		return LL_OK;
	r = db_number(s->db, 0, &others, "SELECT count(*) FROM users"
	    " WHERE role = ?1 AND state = ?2 AND user <> ?3", "uud",
	    ROLE_ADMIN, USER_ACTIVE, &u->id);
	if (r == LL_OK && others == 0) {
		q->words = "That is the last admin.";
		r = LL_DENIED;
	}
	return r;
}

static enum ll_result
end_tokens(struct store *s, const struct id *user)
{
	return db_run(s->db, "DELETE FROM tokens WHERE user = ?1", "d", user);
}

static enum ll_result
disable(struct store *s, struct request *q, const struct user_row *u)
{
	struct leaf leaf = { .event = EVENT_USER_DISABLED, .user = &u->id };
	enum ll_result r;

	if (u->state == USER_DISABLED)
		return LL_OK;
	r = not_last_admin(s, q, u);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET state = ?2, ticket = NULL"
		    " WHERE user = ?1", "du", &u->id, USER_DISABLED);
	if (r == LL_OK)
		r = end_tokens(s, &u->id);
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	if (r == LL_OK)
		serve_end_logins(s, &u->id, NULL, USER_DISABLED);
	return r;
}

static enum ll_result
enable(struct store *s, struct request *q, const struct user_row *u)
{
	struct leaf leaf = { .event = EVENT_USER_ENABLED, .user = &u->id };
	uint64_t factors;
	enum ll_result r;

	r = delay_clear_all(s, view_text(q->v, F_USER));
	if (r != LL_OK || u->state == USER_ACTIVE)
		return r;
	if (u->state != USER_DISABLED) {
		q->words = "That user has not enrolled yet: the ticket opens "
		    "the account.";
		return LL_CONFLICT;
	}
	r = db_number(s->db, 0, &factors, "SELECT totp IS NOT NULL FROM users"
	    " WHERE user = ?1", "d", &u->id);
	if (r == LL_OK && factors == 0) {
		q->words = "That user has no login factors: reset it instead.";
		return LL_CONFLICT;
	}
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET state = ?2 WHERE user ="
		    " ?1", "du", &u->id, USER_ACTIVE);
	return r == LL_OK ? log_append(s, q->now, &leaf) : r;
}

enum ll_result
users_state(struct store *s, struct request *q)
{
	uint64_t state = view_u64(q->v, F_STATE);
	struct user_row u;
	enum ll_result r;

	r = find(s, q, &u);
	if (r != LL_OK)
		return r;
	if (state == USER_DISABLED)
		return disable(s, q, &u);
	return state == USER_ACTIVE ? enable(s, q, &u) : LL_USAGE;
}

/* Every login factor ends; the vault and its recovery slot stay, so that
 * ticket and recovery code together open the old mail. */
enum ll_result
users_reset(struct store *s, struct request *q)
{
	const uint8_t *ticket = view_hash(q->v, F_TICKET_HASH);
	struct leaf leaf = { .event = EVENT_USER_RESET };
	uint8_t verifier[HASH_BYTES];
	struct user_row u;
	enum ll_result r;

	if (ticket == NULL)
		return LL_USAGE;
	r = find(s, q, &u);
	if (r == LL_OK)
		r = not_last_admin(s, q, &u);
	if (r == LL_OK)
		r = login_verifier(s, &u.id, &u.id, ticket, verifier);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET state = ?2, ticket = ?3,"
		    " ticket_until = ?4, totp = NULL, backup_salt = NULL"
		    " WHERE user = ?1", "duhi", &u.id,
		    u.generation == 0 ? USER_INVITED : USER_RESET, verifier,
		    q->now + TICKET_SECS);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM slots WHERE user = ?1 AND kind"
		    " = ?2", "du", &u.id, SLOT_PASSPHRASE);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM backup_codes WHERE user = ?1",
		    "d", &u.id);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM ssh_keys WHERE user = ?1", "d",
		    &u.id);
	if (r == LL_OK)
		r = delay_clear_all(s, view_text(q->v, F_USER));
	if (r == LL_OK)
		r = end_tokens(s, &u.id);
	leaf.user = &u.id;
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	if (r == LL_OK)
		serve_end_logins(s, &u.id, NULL, USER_RESET);
	return r;
}

enum ll_result
users_whoami(struct store *s, struct request *q)
{
	uint8_t seal_pk[32], sign_pk[32];
	uint64_t generation;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT login, email, name, role, generation"
	    " FROM users WHERE user = ?1", "d", &q->peer->user);
	if (r != LL_OK)
		return r;
	generation = db_u64(st, 4);
	msg_put_text(q->reply, F_USER, db_text(st, 0));
	msg_put_text(q->reply, F_EMAIL, db_text(st, 1));
	msg_put_text(q->reply, F_NAME, db_text(st, 2));
	msg_put_u64(q->reply, F_ROLE, db_u64(st, 3));
	db_end(st);
	msg_put_id(q->reply, F_USER_ID, &q->peer->user);
	r = vaults_keys(s, &q->peer->user, generation, seal_pk, sign_pk);
	if (r != LL_OK)
		return r;
	msg_put_u64(q->reply, F_GENERATION, generation);
	msg_put_bytes(q->reply, F_SEAL_PK, seal_pk, sizeof(seal_pk));
	msg_put_bytes(q->reply, F_SIGN_PK, sign_pk, sizeof(sign_pk));
	msg_put_text(q->reply, F_ORG, s->org);
	msg_put_u64(q->reply, F_LIMIT, s->attachment_max);
	msg_put_u64(q->reply, F_QUOTA, s->quota);
	return LL_OK;
}
