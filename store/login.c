/*
 * What a login shows is recorded here, factor by factor; only bind_done, which
 * looks at the record, gives anything out.  For a name that nobody has, the
 * same steps run against a decoy.
 */
#include <string.h>
#include <sodium.h>

#include "keys/seal.h"
#include "keys/totp.h"
#include "keys/vault.h"
#include "store/delay.h"
#include "store/handlers.h"
#include "store/login.h"

enum ll_result
login_verifier(const struct store *s, const struct id *user,
    const struct id *slot, const uint8_t proof[HASH_BYTES],
    uint8_t out[HASH_BYTES])
{
	struct tlv_out in;
	enum ll_result r;

	tlv_out_init(&in, 256);
	tlv_put_id(&in, 1, user);
	tlv_put_id(&in, 2, slot);
	tlv_put_bytes(&in, 3, proof, HASH_BYTES);
	r = derive(LABEL_VERIFIER, s->pepper.data, s->pepper.len, &in, out);
	tlv_out_finish(&in);
	return r;
}

/* --- AUTH_BEGIN --- */

/* What a user without a slot, or no user at all, is shown. */
struct offer {
	struct id slot;
	uint8_t salt[16], backup_salt[16];
	uint64_t memory_mib, passes;
};

static enum ll_result
decoy(const struct store *s, const char *name, struct offer *o_r)
{
	uint8_t bytes[2][HASH_BYTES];
	struct tlv_out in;
	enum ll_result r = LL_OK;
	unsigned n;

	for (n = 0; r == LL_OK && n < 2; n++) {
		tlv_out_init(&in, 512);
		tlv_put_u64(&in, 1, n);
		tlv_put_text(&in, 2, name);
		r = derive(LABEL_DECOY, s->pepper.data, s->pepper.len, &in,
		    bytes[n]);
		tlv_out_finish(&in);
	}
	if (r != LL_OK)
		return r;
	memcpy(o_r->slot.b, bytes[0], 16);
	memcpy(o_r->salt, bytes[0] + 16, 16);
	memcpy(o_r->backup_salt, bytes[1], 16);
	o_r->memory_mib = s->kdf_memory_mib;
	o_r->passes = s->kdf_passes;
	return LL_OK;
}

static void
copy16(sqlite3_stmt *st, int column, uint8_t out[16])
{
	size_t len;
	const uint8_t *p = db_blob(st, column, &len);

	if (p != NULL && len == 16)
		memcpy(out, p, 16);
}

/* Fills in the user's own values where there are such. */
static enum ll_result
look_up(struct store *s, struct login *l, struct offer *o)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT user, state, backup_salt FROM users"
	    " WHERE login = ?1", "t", l->name);
	if (r == LL_OK) {
		l->known = db_id(st, 0, &l->user);
		l->enabled = db_u64(st, 1) == USER_ACTIVE;
		copy16(st, 2, o->backup_salt);
		db_end(st);
	}
	if (r != LL_OK && r != LL_NOTFOUND)
		return r;
	r = db_one(s->db, &st, "SELECT slot, salt, memory_mib, passes"
	    " FROM slots WHERE user = ?1 AND kind = ?2", "du", &l->user,
	    SLOT_PASSPHRASE);
	if (r == LL_OK) {
		(void)db_id(st, 0, &o->slot);
		copy16(st, 1, o->salt);
		o->memory_mib = db_u64(st, 2);
		o->passes = db_u64(st, 3);
		db_end(st);
	}
	return r == LL_NOTFOUND ? LL_OK : r;
}

enum ll_result
login_begin(struct store *s, struct request *q)
{
	const char *name = view_text(q->v, F_USER);
	struct login *l = &q->peer->login, fresh = { 0 };
	struct offer o;
	enum ll_result r;

	if (name[0] == '\0' || strlen(name) >= sizeof(l->name))
		return LL_USAGE;
	if (q->peer->bound || (l->begun && strcmp(l->name, name) != 0)) {
		q->words = "The user name changed.";
		return LL_DENIED;
	}
	(void)memcpy(fresh.name, name, strlen(name) + 1);
	r = delay_name(s, name, fresh.name_hash);
	if (r == LL_OK)
		r = decoy(s, name, &o);
	if (r == LL_OK)
		r = look_up(s, &fresh, &o);
	if (r == LL_OK)
		r = delay_check(s, q, fresh.name_hash, FACTOR_PASSWORD);
	if (r != LL_OK && r != LL_RATE)
		return r;
	fresh.slot = o.slot;
	fresh.begun = true;
	if (!l->begun)
		*l = fresh;
	msg_put_id(q->reply, F_SLOT_ID, &o.slot);
	msg_put_bytes(q->reply, F_SALT, o.salt, sizeof(o.salt));
	msg_put_u64(q->reply, F_MEMORY_MIB, o.memory_mib);
	msg_put_u64(q->reply, F_PASSES, o.passes);
	msg_put_u64(q->reply, F_DELAY_SECS, q->delay_secs);
	msg_put_bytes(q->reply, F_BACKUP_SALT, o.backup_salt,
	    sizeof(o.backup_salt));
	return LL_OK;
}

/* --- first factors --- */

static enum ll_result
key_known(struct store *s, struct request *q)
{
	const struct login *l = &q->peer->login;
	const uint8_t *key;
	uint64_t found;
	enum ll_result r;
	size_t len;

	key = view_bytes(q->v, F_KEY, &len);
	if (key == NULL)
		return LL_USAGE;
	r = db_number(s->db, 0, &found, "SELECT 1 FROM ssh_keys"
	    " WHERE user = ?1 AND key = ?2", "db", &l->user, key, len);
	if (r != LL_OK)
		return r;
	return found == 1 && l->known && l->enabled ? LL_OK : LL_NOTFOUND;
}

enum ll_result
login_probe(struct store *s, struct request *q)
{
	return key_known(s, q);
}

enum ll_result
login_key(struct store *s, struct request *q)
{
	enum ll_result r = key_known(s, q);

	if (r == LL_OK)
		q->peer->login.key = true;
	return r == LL_NOTFOUND ? LL_AUTH : r;
}

static enum ll_result
failed(struct store *s, struct request *q, enum factor factor,
    const char *detail)
{
	const struct login *l = &q->peer->login;
	struct leaf leaf = { .event = EVENT_LOGIN_FAILED, .detail = detail };
	enum ll_result r;

	if (l->known)
		leaf.user = &l->user;
	r = delay_fail(s, q, l->name_hash, factor);
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	return r == LL_OK ? LL_AUTH : r;
}

enum ll_result
login_password(struct store *s, struct request *q)
{
	struct login *l = &q->peer->login;
	const uint8_t *proof = view_hash(q->v, F_PROOF);
	uint8_t verifier[HASH_BYTES], kept[HASH_BYTES];
	sqlite3_stmt *st;
	struct id slot;
	enum ll_result r;
	bool same;

	if (proof == NULL || !view_id(q->v, F_SLOT_ID, &slot))
		return LL_USAGE;
	r = delay_check(s, q, l->name_hash, FACTOR_PASSWORD);
	if (r != LL_OK)
		return r;
	r = login_verifier(s, &l->user, &slot, proof, verifier);
	if (r != LL_OK)
		return r;
	randombytes_buf(kept, sizeof(kept));
	r = db_one(s->db, &st, "SELECT verifier FROM slots WHERE slot = ?1"
	    " AND user = ?2 AND kind = ?3", "ddu", &slot, &l->user,
	    SLOT_PASSPHRASE);
	if (r == LL_OK) {
		(void)db_hash(st, 0, kept);
		db_end(st);
	} else if (r != LL_NOTFOUND) {
		return r;
	}
	same = derive_equal(verifier, kept, HASH_BYTES) == 1;
	if (!same || r != LL_OK || !l->known || !l->enabled)
		return failed(s, q, FACTOR_PASSWORD, "passphrase");
	r = delay_clear(s, l->name_hash, FACTOR_PASSWORD);
	if (r == LL_OK)
		l->password = true;
	return r;
}

enum ll_result
login_ticket(struct store *s, struct request *q)
{
	struct login *l = &q->peer->login;
	const uint8_t *hash = view_hash(q->v, F_TICKET_HASH);
	uint8_t verifier[HASH_BYTES], kept[HASH_BYTES];
	uint64_t state = 0, until = 0;
	sqlite3_stmt *st;
	enum ll_result r;
	bool open = false;

	if (hash == NULL)
		return LL_USAGE;
	r = delay_check(s, q, l->name_hash, FACTOR_TICKET);
	if (r == LL_OK)
		r = login_verifier(s, &l->user, &l->user, hash, verifier);
	if (r != LL_OK)
		return r;
	r = db_one(s->db, &st, "SELECT ticket, ticket_until, state, email,"
	    " name, role FROM users WHERE user = ?1", "d", &l->user);
	if (r != LL_OK && r != LL_NOTFOUND)
		return r;
	if (r == LL_OK) {
		open = db_hash(st, 0, kept);
		until = db_u64(st, 1);
		state = db_u64(st, 2);
		open = open && derive_equal(verifier, kept, HASH_BYTES) == 1 &&
		    until > q->now &&
		    (state == USER_INVITED || state == USER_RESET);
		msg_put_id(q->reply, F_USER_ID, &l->user);
		msg_put_text(q->reply, F_EMAIL, db_text(st, 3));
		msg_put_text(q->reply, F_NAME, db_text(st, 4));
		msg_put_u64(q->reply, F_ROLE, db_u64(st, 5));
		db_end(st);
	}
	if (!open)
		return failed(s, q, FACTOR_TICKET, "ticket");
	r = delay_clear(s, l->name_hash, FACTOR_TICKET);
	if (r == LL_OK) {
		memcpy(l->ticket_hash, kept, HASH_BYTES);
		l->ticket = true;
	}
	return r;
}

/* --- the second factor --- */

static enum ll_result
seed_open(struct store *s, const struct id *user, struct secret *seed_r,
    uint64_t *last_step_r)
{
	struct seal_context ctx = { .type = SEAL_TOTP, .owner = *user };
	sqlite3_stmt *st;
	enum ll_result r;
	const uint8_t *p;
	size_t len;

	r = db_one(s->db, &st, "SELECT totp, totp_step FROM users"
	    " WHERE user = ?1", "d", user);
	if (r != LL_OK)
		return r;
	p = db_blob(st, 0, &len);
	*last_step_r = db_u64(st, 1);
	r = LL_AUTH;
	if (p != NULL)
		r = seal_open_secret(s->totp_key.data, &ctx, p, len, seed_r);
	db_end(st);
	return r;
}

enum ll_result
login_totp(struct store *s, struct request *q)
{
	struct login *l = &q->peer->login;
	const char *code = view_text(q->v, F_CODE);
	struct secret seed = SECRET_NONE;
	uint64_t last = 0, step = 0;
	enum ll_result r;

	r = delay_check(s, q, l->name_hash, FACTOR_TOTP);
	if (r != LL_OK)
		return r;
	r = seed_open(s, &l->user, &seed, &last);
	if (r != LL_OK)
		return r;
	r = totp_verify(seed.data, seed.len, code, q->now, last, &step);
	secret_finish(&seed);
	if (r == LL_AUTH)
		return failed(s, q, FACTOR_TOTP, "verification code");
	if (r != LL_OK) {
		q->words = "That code was used; wait for the next.";
		return r;
	}
	/* Of a hundred that come together, only the first still finds the
	 * older step. */
	r = db_run(s->db, "UPDATE users SET totp_step = ?2 WHERE user = ?1"
	    " AND totp_step < ?2", "di", &l->user, step);
	if (r == LL_OK && db_changes(s->db) != 1)
		return LL_USED;
	if (r == LL_OK)
		r = delay_clear(s, l->name_hash, FACTOR_TOTP);
	if (r == LL_OK)
		l->totp = true;
	return r;
}

enum ll_result
login_backup(struct store *s, struct request *q)
{
	struct login *l = &q->peer->login;
	const uint8_t *proof = view_hash(q->v, F_PROOF);
	uint8_t verifier[HASH_BYTES];
	enum ll_result r;

	if (proof == NULL)
		return LL_USAGE;
	r = delay_check(s, q, l->name_hash, FACTOR_BACKUP);
	if (r == LL_OK)
		r = login_verifier(s, &l->user, &l->user, proof, verifier);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM backup_codes WHERE user = ?1"
		    " AND verifier = ?2", "dh", &l->user, verifier);
	if (r != LL_OK)
		return r;
	if (db_changes(s->db) != 1)
		return failed(s, q, FACTOR_BACKUP, "backup code");
	r = delay_clear(s, l->name_hash, FACTOR_BACKUP);
	if (r == LL_OK)
		l->backup = true;
	return r;
}
