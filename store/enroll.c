/*
 * A ticket (or the local command) opens enrolment: the session makes the keys,
 * the store keeps their public halves and wraps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/seal.h"
#include "keys/totp.h"
#include "keys/vault.h"
#include "store/delay.h"
#include "store/handlers.h"
#include "store/login.h"
#include "store/sshkeys.h"
#include "store/vaults.h"

/* --- ENROL_BEGIN --- */

static enum ll_result
begin(struct store *s, struct request *q, const struct id *user)
{
	uint8_t pepper[KEY_BYTES];
	uint64_t generation;
	sqlite3_stmt *st;
	enum ll_result r;

	r = vaults_pepper(s, user, pepper);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT login, email, name, generation"
		    " FROM users WHERE user = ?1", "d", user);
	if (r != LL_OK)
		return r;
	generation = db_u64(st, 3);
	msg_put_bytes(q->reply, F_PEPPER, pepper, sizeof(pepper));
	msg_put_id(q->reply, F_USER_ID, user);
	msg_put_text(q->reply, F_USER, db_text(st, 0));
	msg_put_text(q->reply, F_EMAIL, db_text(st, 1));
	msg_put_text(q->reply, F_NAME, db_text(st, 2));
	db_end(st);
	msg_put_u64(q->reply, F_MEMORY_MIB, s->kdf_memory_mib);
	msg_put_u64(q->reply, F_PASSES, s->kdf_passes);
	msg_put_text(q->reply, F_ORG, s->org);
	/* GENERATION first is the next one: readers take the first */
	msg_put_u64(q->reply, F_GENERATION, generation + 1);
	if (generation > 0)
		r = vaults_put(s, q->reply, user, generation);
	return r;
}

/* Two enrolments may run on one ticket: the first one spends it.  And an admin
 * may have given out another since: then this one, whoever holds it, is worth
 * nothing any more. */
static enum ll_result
ticket_is_good(struct store *s, struct request *q)
{
	const struct login *l = &q->peer->login;
	uint64_t state;
	enum ll_result r;

	r = db_number(s->db, 0, &state, "SELECT state FROM users WHERE user ="
	    " ?1 AND ticket = ?2 AND ticket_until > ?3", "dhi", &l->user,
	    l->ticket_hash, q->now);
	if (r != LL_OK || state == USER_INVITED || state == USER_RESET)
		return r;
	q->words = "That ticket is not good any more.";
	return LL_USED;
}

enum ll_result
enroll_begin(struct store *s, struct request *q)
{
	enum ll_result r = ticket_is_good(s, q);

	return r == LL_OK ? begin(s, q, &q->peer->login.user) : r;
}

/* A user that may be enrolled by the local command. */
static enum ll_result
local_user(struct store *s, struct request *q, struct id *user_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT user, state FROM users WHERE login = ?1",
	    "t", view_text(q->v, F_USER));
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, user_r);
	if (db_u64(st, 1) != USER_INVITED && db_u64(st, 1) != USER_RESET) {
		q->words = "That user is enrolled already.";
		r = LL_CONFLICT;
	}
	db_end(st);
	return r;
}

enum ll_result
enroll_local_begin(struct store *s, struct request *q)
{
	struct id user;
	enum ll_result r;

	r = local_user(s, q, &user);
	return r == LL_OK ? begin(s, q, &user) : r;
}

/* --- ENROL_COMMIT --- */

/* New key pairs (the next generation), or the old ones in new slots. */
static enum ll_result
keep_vault(struct store *s, struct request *q, const struct id *user,
    uint64_t generation)
{
	const uint8_t *seal_pk = view_hash(q->v, F_SEAL_PK);
	const uint8_t *sign_pk = view_hash(q->v, F_SIGN_PK);
	uint64_t given = view_u64(q->v, F_GENERATION);
	struct leaf leaf = { .event = EVENT_KEYBIND, .user = user };
	uint8_t old_seal[32], old_sign[32];
	const uint8_t *blob;
	enum ll_result r;
	size_t len;

	blob = view_bytes(q->v, F_BLOB, &len);
	if (seal_pk == NULL || sign_pk == NULL || blob == NULL ||
	    len != VAULT_BLOB_BYTES)
		return LL_USAGE;
	if (given == generation + 1) {
		r = db_run(s->db, "INSERT INTO vaults (user, generation,"
		    " seal_pk, sign_pk, blob) VALUES (?1, ?2, ?3, ?4, ?5)",
		    "dihhb", user, given, seal_pk, sign_pk, blob, len);
		return r == LL_OK ? log_append(s, q->now, &leaf) : r;
	}
	if (given != generation)
		return LL_CONFLICT;
	r = vaults_keys(s, user, generation, old_seal, old_sign);
	if (r != LL_OK)
		return r;
	if (memcmp(old_seal, seal_pk, 32) != 0 ||
	    memcmp(old_sign, sign_pk, 32) != 0)
		return LL_CONFLICT;
	return db_run(s->db, "UPDATE vaults SET blob = ?3 WHERE user = ?1"
	    " AND generation = ?2", "dib", user, generation, blob, len);
}

static enum ll_result
keep_slots(struct store *s, struct request *q, const struct id *user,
    uint64_t generation)
{
	struct tlv_view slot;
	enum ll_result r;
	size_t at = 0;
	unsigned passphrases = 0;

	/* Slots of an older generation stay: who finds the recovery code
	 * later has a way to old mail. */
	r = db_run(s->db, "DELETE FROM slots WHERE user = ?1 AND"
	    " (generation = ?2 OR kind = ?3)", "diu", user, generation,
	    SLOT_PASSPHRASE);
	while (r == LL_OK && view_nest(q->v, F_SLOT, &at, &slot)) {
		if (view_u64(slot, F_SLOT_KIND) == SLOT_PASSPHRASE)
			passphrases++;
		r = vaults_add_slot(s, user, generation, slot);
	}
	if (r == LL_OK && passphrases != 1)
		r = LL_USAGE;
	return r;
}

static enum ll_result
keep_totp(struct store *s, struct request *q, const struct id *user)
{
	struct seal_context ctx = { .type = SEAL_TOTP, .owner = *user };
	uint8_t *sealed = NULL, verifier[HASH_BYTES];
	struct tlv_field code;
	const uint8_t *seed, *salt;
	size_t len, salt_len, sealed_len, at = 0;
	unsigned codes = 0;
	enum ll_result r;

	seed = view_bytes(q->v, F_TOTP_SEED, &len);
	salt = view_bytes(q->v, F_SALT, &salt_len);
	if (seed == NULL || len < 10 || len > TOTP_SEED_MAX)
		return LL_USAGE;
	r = seal_bytes(s->totp_key.data, &ctx, seed, len, &sealed,
	    &sealed_len);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET totp = ?2, totp_step = ?3,"
		    " backup_salt = ?4 WHERE user = ?1", "dbib", user, sealed,
		    sealed_len, view_u64(q->v, F_TIME), salt, salt_len);
	free(sealed);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM backup_codes WHERE user = ?1",
		    "d", user);
	while (r == LL_OK && view_each(q->v, F_BACKUP_HASH, &at, &code)) {
		if (++codes > BACKUP_CODES)
			return LL_TOOBIG;
		r = login_verifier(s, user, user, code.data, verifier);
		if (r == LL_OK)
			r = db_run(s->db, "INSERT INTO backup_codes (user,"
			    " verifier) VALUES (?1, ?2)", "dh", user,
			    verifier);
	}
	return r;
}

static enum ll_result
commit(struct store *s, struct request *q, const struct id *user)
{
	struct leaf leaf = { .event = EVENT_USER_ENROLLED, .user = user };
	char login[65];
	uint64_t old, generation = view_u64(q->v, F_GENERATION);
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT generation, login FROM users"
	    " WHERE user = ?1", "d", user);
	if (r != LL_OK)
		return r;
	old = db_u64(st, 0);
	(void)snprintf(login, sizeof(login), "%s", db_text(st, 1));
	db_end(st);
	r = keep_vault(s, q, user, old);
	if (r == LL_OK)
		r = keep_slots(s, q, user, generation);
	if (r == LL_OK)
		r = keep_totp(s, q, user);
	if (r == LL_OK)
		r = sshkeys_keep(s, q, user);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE users SET state = ?2, generation ="
		    " ?3, ticket = NULL, ticket_until = 0 WHERE user = ?1",
		    "dui", user, USER_ACTIVE, generation);
	if (r == LL_OK)
		r = delay_clear_all(s, login);
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	return r;
}

enum ll_result
enroll_commit(struct store *s, struct request *q)
{
	enum ll_result r = ticket_is_good(s, q);

	if (r != LL_OK)
		return r;
	r = commit(s, q, &q->peer->login.user);
	if (r == LL_OK)
		q->peer->login.ticket = false;
	return r;
}

enum ll_result
enroll_local_commit(struct store *s, struct request *q)
{
	struct id user;
	enum ll_result r;

	r = local_user(s, q, &user);
	return r == LL_OK ? commit(s, q, &user) : r;
}
