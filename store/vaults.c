#include "keys/seal.h"
#include "keys/vault.h"
#include "store/login.h"
#include "store/vaults.h"

enum ll_result
vaults_pepper(const struct store *s, const struct id *user,
    uint8_t pepper[KEY_BYTES])
{
	return derive_bytes(LABEL_USER_PEPPER, s->pepper.data, s->pepper.len,
	    user->b, ID_BYTES, pepper);
}

enum ll_result
vaults_keys(struct store *s, const struct id *user, uint64_t generation,
    uint8_t seal_pk[32], uint8_t sign_pk[32])
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT seal_pk, sign_pk FROM vaults"
	    " WHERE user = ?1 AND generation = ?2", "di", user, generation);
	if (r != LL_OK)
		return r;
	(void)db_hash(st, 0, seal_pk);
	(void)db_hash(st, 1, sign_pk);
	db_end(st);
	return LL_OK;
}

static enum ll_result
put_slots(struct store *s, struct msg *m, const struct id *user,
    uint64_t generation)
{
	sqlite3_stmt *st;
	enum ll_result r;
	const uint8_t *p;
	struct id slot;
	size_t len;

	r = db_query(s->db, &st, "SELECT slot, kind, wrap, salt, memory_mib,"
	    " passes FROM slots WHERE user = ?1 AND generation = ?2", "di",
	    user, generation);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(m, F_SLOT);
		if (db_id(st, 0, &slot))
			msg_put_id(m, F_SLOT_ID, &slot);
		msg_put_u64(m, F_SLOT_KIND, db_u64(st, 1));
		p = db_blob(st, 2, &len);
		msg_put_bytes(m, F_WRAP, p, len);
		p = db_blob(st, 3, &len);
		if (p != NULL)
			msg_put_bytes(m, F_SALT, p, len);
		msg_put_u64(m, F_MEMORY_MIB, db_u64(st, 4));
		msg_put_u64(m, F_PASSES, db_u64(st, 5));
		msg_end(m);
	}
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
vaults_put(struct store *s, struct msg *m, const struct id *user,
    uint64_t generation)
{
	uint8_t key[32];
	sqlite3_stmt *st;
	enum ll_result r;
	const uint8_t *p;
	size_t len;

	r = db_one(s->db, &st, "SELECT seal_pk, sign_pk, blob FROM vaults"
	    " WHERE user = ?1 AND generation = ?2", "di", user, generation);
	if (r != LL_OK)
		return r;
	msg_put_u64(m, F_GENERATION, generation);
	(void)db_hash(st, 0, key);
	msg_put_bytes(m, F_SEAL_PK, key, sizeof(key));
	(void)db_hash(st, 1, key);
	msg_put_bytes(m, F_SIGN_PK, key, sizeof(key));
	p = db_blob(st, 2, &len);
	msg_put_bytes(m, F_BLOB, p, len);
	db_end(st);
	return put_slots(s, m, user, generation);
}

enum ll_result
vaults_add_slot(struct store *s, const struct id *user, uint64_t generation,
    struct tlv_view slot)
{
	uint64_t kind = view_u64(slot, F_SLOT_KIND);
	const uint8_t *proof = view_hash(slot, F_PROOF);
	const uint8_t *wrap, *salt;
	uint8_t verifier[HASH_BYTES];
	size_t wrap_len, salt_len;
	enum ll_result r;
	struct id id;

	wrap = view_bytes(slot, F_WRAP, &wrap_len);
	salt = view_bytes(slot, F_SALT, &salt_len);
	if (!view_id(slot, F_SLOT_ID, &id) || proof == NULL ||
	    wrap == NULL || wrap_len != SEAL_WRAP_BYTES)
		return LL_USAGE;
	if (kind != SLOT_PASSPHRASE && kind != SLOT_RECOVERY)
		return LL_USAGE;
	if (kind == SLOT_PASSPHRASE && (salt == NULL || salt_len != 16))
		return LL_USAGE;
	r = login_verifier(s, user, &id, proof, verifier);
	if (r != LL_OK)
		return r;
	return db_run(s->db, "INSERT INTO slots (slot, user, generation, kind,"
	    " wrap, verifier, salt, memory_mib, passes) VALUES (?1, ?2, ?3, ?4,"
	    " ?5, ?6, ?7, ?8, ?9)", "ddiibhbii", &id, user, generation, kind,
	    wrap, wrap_len, verifier, salt, salt_len,
	    view_u64(slot, F_MEMORY_MIB), view_u64(slot, F_PASSES));
}
