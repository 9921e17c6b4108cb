#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/totp.h"
#include "server/enrol_state.h"

#define BACKUP_MEMORY_MIB 16
#define BACKUP_PASSES 3

/* --- beginning --- */

static void
take_old(struct enrol *e, struct tlv_view v)
{
	struct tlv_view slot;
	const uint8_t *p;
	size_t at = 0, len;

	while (view_nest(v, F_SLOT, &at, &slot))
		if (view_u64(slot, F_SLOT_KIND) == SLOT_RECOVERY)
			break;
	p = view_bytes(v, F_BLOB, &len);
	if (p == NULL || len != VAULT_BLOB_BYTES ||
	    view_hash(v, F_SEAL_PK) == NULL || view_hash(v, F_SIGN_PK) == NULL)
		return;
	memcpy(e->old.blob, p, len);
	memcpy(e->old.seal_pk, view_hash(v, F_SEAL_PK),
	    sizeof(e->old.seal_pk));
	memcpy(e->old.sign_pk, view_hash(v, F_SIGN_PK),
	    sizeof(e->old.sign_pk));
	e->old.user = e->user_id;
	e->old.generation = e->generation - 1;
	p = view_bytes(slot, F_WRAP, &len);
	if (p == NULL || len != sizeof(e->old_wrap) ||
	    !view_id(slot, F_SLOT_ID, &e->old_slot))
		return;
	memcpy(e->old_wrap, p, len);
	e->has_old = true;
}

static enum ll_result
take_begin(struct enrol *e, struct tlv_view v)
{
	const uint8_t *pepper = view_hash(v, F_PEPPER);

	e->generation = view_u64(v, F_GENERATION);
	if (pepper == NULL || !view_id(v, F_USER_ID, &e->user_id) ||
	    e->generation == 0)
		return LL_PROTO;
	snprintf(e->user, sizeof(e->user), "%s", view_text(v, F_USER));
	snprintf(e->address, sizeof(e->address), "%s", view_text(v, F_EMAIL));
	snprintf(e->name, sizeof(e->name), "%s", view_text(v, F_NAME));
	snprintf(e->org, sizeof(e->org), "%s", view_text(v, F_ORG));
	kdf_params_init(&e->params, (uint32_t)view_u64(v, F_MEMORY_MIB),
	    (uint32_t)view_u64(v, F_PASSES));
	if (e->generation > 1)
		take_old(e, v);
	return secret_copy(&e->pepper, pepper, KEY_BYTES);
}

enum ll_result
enrol_create(struct chan *store, const char *local_user, struct enrol **e_r)
{
	struct enrol *e = calloc(1, sizeof(*e));
	struct msg *request = NULL, *reply = NULL;
	enum ll_result r;

	*e_r = NULL;
	if (e == NULL)
		return LL_NOMEM;
	e->store = store;
	e->local = local_user != NULL;
	r = msg_create(MSG_REQUEST, e->local ? OP_LOCAL_ENROL :
	    OP_ENROL_BEGIN, &request);
	if (r)
		goto out;
	if (e->local)
		msg_put_text(request, F_USER, local_user);
	r = chan_ask(store, request, &reply, NULL, 0);
	if (r == LL_OK)
		r = take_begin(e, msg_view(reply));
out:
	msg_destroy(reply);
	if (r) {
		enrol_destroy(e);
		return r;
	}
	*e_r = e;
	return LL_OK;
}

void
enrol_destroy(struct enrol *e)
{
	size_t i;

	if (e == NULL)
		return;
	for (i = 0; i < e->key_count; i++)
		free(e->keys[i].blob);
	secret_finish(&e->pepper);
	secret_finish(&e->a);
	secret_finish(&e->seed);
	vault_destroy(e->old_vault);
	free(e);
}

void
enrol_use(struct enrol *e, struct chan *store)
{
	e->store = store;
}

void
enrol_then(struct enrol *e, enrol_vault_fn *fn, void *arg)
{
	e->then = fn;
	e->then_arg = arg;
}

bool
enrol_finished(const struct enrol *e)
{
	return e->finished;
}

bool
enrol_has_old(const struct enrol *e)
{
	return e->has_old;
}

enum ll_result
enrol_offer_key(struct enrol *e, const uint8_t *blob, size_t len)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct enrol_key *k;
	size_t i;

	if (len == 0 || len > 4096)
		return LL_TOOBIG;
	for (i = 0; i < e->key_count; i++)
		if (e->keys[i].len == len &&
		    memcmp(e->keys[i].blob, blob, len) == 0)
			return LL_OK;
	if (e->key_count == ENROL_KEYS_MAX)
		return LL_FULL;
	k = &e->keys[e->key_count];
	k->blob = malloc(len);
	if (k->blob == NULL)
		return LL_NOMEM;
	memcpy(k->blob, blob, len);
	k->len = len;
	k->keep = false;
	crypto_hash_sha256(hash, blob, len);
	memcpy(k->fingerprint, "SHA256:", 8);
	sodium_bin2base64(k->fingerprint + 7, sizeof(k->fingerprint) - 7,
	    hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	e->key_count++;
	return LL_OK;
}

/* --- steps --- */

/* The slow hash, when the store lets us: its leases bound the memory. */
static enum ll_result
leased_kdf(struct enrol *e, const char *text, size_t len)
{
	struct secret a = SECRET_NONE;
	struct msg *m = NULL;
	enum ll_result r, released;

	r = msg_create(MSG_REQUEST, OP_KDF_LEASE, &m);
	if (r == LL_OK)
		r = chan_ask(e->store, m, NULL, NULL, 0);
	if (r)
		return r;
	r = kdf_run(text, len, &e->params, &a);
	released = msg_create(MSG_REQUEST, OP_KDF_RELEASE, &m);
	if (released == LL_OK)
		released = chan_ask(e->store, m, NULL, NULL, 0);
	if (r == LL_OK)
		r = released;
	if (r) {
		secret_finish(&a);
		return r;
	}
	secret_finish(&e->a);
	e->a = a;
	return LL_OK;
}

enum ll_result
enrol_passphrase(struct enrol *e, const char *text, size_t len,
    const char **why_r)
{
	enum ll_result r = passphrase_check(text, len, why_r);

	if (r)
		return r;
	*why_r = "";
	id_random(&e->slot);
	kdf_params_init(&e->params, e->params.memory_mib, e->params.passes);
	return leased_kdf(e, text, len);
}

enum ll_result
enrol_old(struct enrol *e, const char *code)
{
	struct secret a = SECRET_NONE;
	enum ll_result r;

	vault_destroy(e->old_vault);
	e->old_vault = NULL;
	e->new_generation = false;
	if (code[0] == '\0') {
		e->new_generation = true;
		return LL_OK;
	}
	if (!e->has_old)
		return LL_USAGE;
	r = recovery_parse(code, &a);
	if (r == LL_OK)
		r = slot_open(&e->old, SLOT_RECOVERY, &e->old_slot, &a,
		    e->pepper.data, e->old_wrap, sizeof(e->old_wrap),
		    &e->old_vault);
	secret_finish(&a);
	return r;
}

enum ll_result
enrol_totp(struct enrol *e, const struct secret *seed)
{
	struct secret copy = SECRET_NONE;
	enum ll_result r = secret_copy(&copy, seed->data, seed->len);

	if (r)
		return r;
	secret_finish(&e->seed);
	e->seed = copy;
	e->confirmed = true;
	e->step = 0;
	return LL_OK;
}

enum ll_result
enrol_backup_proof(const char *typed, const uint8_t salt[KDF_SALT_BYTES],
    uint8_t proof[HASH_BYTES])
{
	struct kdf_params p = { BACKUP_MEMORY_MIB, BACKUP_PASSES, { 0 } };
	char code[BACKUP_CODE_SYMBOLS];
	struct secret a = SECRET_NONE;
	enum ll_result r = LL_OK;
	size_t n = 0;
	int value;

	for (; r == LL_OK && *typed != '\0'; typed++) {
		if (*typed == ' ' || *typed == '-')
			continue;
		value = crockford_value(*typed);
		if (value < 0 || n == sizeof(code))
			r = LL_USAGE;
		else
			code[n++] = crockford_symbols[value];
	}
	if (n != sizeof(code))
		r = LL_USAGE;
	memcpy(p.salt, salt, KDF_SALT_BYTES);
	if (r == LL_OK)
		r = kdf_run(code, sizeof(code), &p, &a);
	if (r == LL_OK)
		r = derive_bytes(LABEL_BACKUP_PROOF, NULL, 0, a.data, a.len,
		    proof);
	secret_finish(&a);
	sodium_memzero(code, sizeof(code));
	return r;
}

/* --- the end --- */

static void
backup_code(char text[ENROL_BACKUP_TEXT])
{
	size_t i, n = 0;

	for (i = 0; i < BACKUP_CODE_SYMBOLS; i++) {
		if (i == BACKUP_CODE_SYMBOLS / 2)
			text[n++] = '-';
		text[n++] = crockford_symbols[randombytes_uniform(32)];
	}
	text[n] = '\0';
}

/* kdf: NULL for the recovery slot, whose code needs no slow hash. */
static enum ll_result
put_slot(struct enrol *e, struct msg *m, const struct vault *v,
    enum slot_kind kind, const struct id *slot, const struct secret *a)
{
	uint8_t wrap[SEAL_WRAP_BYTES], proof[HASH_BYTES];
	enum ll_result r;

	r = slot_proof(kind, a, proof);
	if (r == LL_OK)
		r = slot_seal(v, kind, slot, a, e->pepper.data, wrap);
	if (r)
		return r;
	msg_begin(m, F_SLOT);
	msg_put_id(m, F_SLOT_ID, slot);
	msg_put_u64(m, F_SLOT_KIND, kind);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	if (kind == SLOT_PASSPHRASE) {
		msg_put_bytes(m, F_SALT, e->params.salt, KDF_SALT_BYTES);
		msg_put_u64(m, F_MEMORY_MIB, e->params.memory_mib);
		msg_put_u64(m, F_PASSES, e->params.passes);
	}
	msg_end(m);
	sodium_memzero(proof, sizeof(proof));
	return LL_OK;
}

static enum ll_result
put_slots(struct enrol *e, struct msg *m, const struct vault *v,
    char recovery[RECOVERY_TEXT + 1])
{
	struct secret a = SECRET_NONE;
	struct id slot;
	enum ll_result r;

	r = put_slot(e, m, v, SLOT_PASSPHRASE, &e->slot, &e->a);
	if (r == LL_OK)
		r = recovery_create(recovery, &a);
	if (r == LL_OK) {
		id_random(&slot);
		r = put_slot(e, m, v, SLOT_RECOVERY, &slot, &a);
	}
	secret_finish(&a);
	return r;
}

static enum ll_result
put_backups(struct msg *m, char codes[BACKUP_CODES][ENROL_BACKUP_TEXT])
{
	uint8_t salt[KDF_SALT_BYTES], proof[HASH_BYTES];
	enum ll_result r = LL_OK;
	size_t i;

	randombytes_buf(salt, sizeof(salt));
	msg_put_bytes(m, F_SALT, salt, sizeof(salt));
	for (i = 0; r == LL_OK && i < BACKUP_CODES; i++) {
		backup_code(codes[i]);
		r = enrol_backup_proof(codes[i], salt, proof);
		if (r == LL_OK)
			msg_put_bytes(m, F_BACKUP_HASH, proof, sizeof(proof));
	}
	sodium_memzero(proof, sizeof(proof));
	return r;
}

/* Everything the store keeps of the account, in one message. */
static enum ll_result
fill_commit(struct enrol *e, struct msg *m, const struct vault *v,
    struct enrol_codes *codes)
{
	const struct vault_public *pub = vault_public(v);
	enum ll_result r;
	size_t i;

	if (e->local)
		msg_put_text(m, F_USER, e->user);
	msg_put_bytes(m, F_SEAL_PK, pub->seal_pk, sizeof(pub->seal_pk));
	msg_put_bytes(m, F_SIGN_PK, pub->sign_pk, sizeof(pub->sign_pk));
	msg_put_bytes(m, F_BLOB, pub->blob, sizeof(pub->blob));
	msg_put_u64(m, F_GENERATION, pub->generation);
	r = put_slots(e, m, v, codes->recovery);
	if (r)
		return r;
	msg_put_bytes(m, F_TOTP_SEED, e->seed.data, e->seed.len);
	msg_put_u64(m, F_TIME, e->step);
	for (i = 0; i < e->key_count; i++)
		if (e->keys[i].keep)
			msg_put_bytes(m, F_KEY, e->keys[i].blob,
			    e->keys[i].len);
	return put_backups(m, codes->backup);
}

enum ll_result
enrol_finish(struct enrol *e, struct enrol_codes *codes_r)
{
	struct vault *fresh = NULL;
	struct vault_public pub;
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	memset(codes_r, 0, sizeof(*codes_r));
	if (e->finished || e->a.data == NULL || !e->confirmed ||
	    (e->has_old && e->old_vault == NULL && !e->new_generation))
		return LL_CONFLICT;
	if (e->old_vault == NULL)
		r = vault_create(&e->user_id, e->generation, &fresh, &pub);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, e->local ? OP_LOCAL_COMMIT :
		    OP_ENROL_COMMIT, &m);
	if (r == LL_OK)
		r = fill_commit(e, m, fresh != NULL ? fresh : e->old_vault,
		    codes_r);
	if (r == LL_OK) {
		r = chan_ask(e->store, m, NULL, NULL, 0);
		m = NULL;
	}
	if (r == LL_OK && e->then != NULL)
		e->then(e->then_arg, fresh != NULL ? fresh : e->old_vault,
		    e->address, e->name);
	msg_destroy(m);
	vault_destroy(fresh);
	if (r)
		sodium_memzero(codes_r, sizeof(*codes_r));
	e->finished = r == LL_OK;
	return r;
}
