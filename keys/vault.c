#include "keys/vault.h"

#include <stdlib.h>
#include <string.h>

/* What the vault key opens, and the two keys derived from it. */
struct vault_keys {
	uint8_t vault[KEY_BYTES];
	uint8_t self[KEY_BYTES];
	uint8_t pair[crypto_box_SECRETKEYBYTES + crypto_sign_SECRETKEYBYTES];
};

struct vault {
	struct vault_public public;
	struct secret keys;        /* one struct vault_keys */
};

#define BLOB_MAX 65536
#define PAIR_BYTES (crypto_box_SECRETKEYBYTES + crypto_sign_SECRETKEYBYTES)

_Static_assert(VAULT_BLOB_BYTES == PAIR_BYTES + SEAL_OVERHEAD, "blob");
_Static_assert(sizeof(struct vault_keys) == 2 * KEY_BYTES + PAIR_BYTES,
    "no padding among keys");

static struct vault_keys *
keys_of(const struct vault *v)
{
	return (struct vault_keys *)(void *)v->keys.data;
}

static const uint8_t *
seal_sk(const struct vault *v)
{
	return keys_of(v)->pair;
}

static uint8_t *
sign_sk(const struct vault *v)
{
	return keys_of(v)->pair + crypto_box_SECRETKEYBYTES;
}

/* derive(label, vault key, user, generation) */
static enum ll_result
vault_subkey(const struct vault *v, enum label label, uint8_t out[KEY_BYTES])
{
	struct tlv_out input;
	enum ll_result r;

	tlv_out_init(&input, 64);
	tlv_put_id(&input, 1, &v->public.user);
	tlv_put_u64(&input, 2, v->public.generation);
	r = derive(label, keys_of(v)->vault, KEY_BYTES, &input, out);
	tlv_out_finish(&input);
	return r;
}

static struct seal_context
vault_context(const struct vault *v, enum seal_type type,
    const struct id *object)
{
	struct seal_context ctx;

	memset(&ctx, 0, sizeof ctx);
	ctx.type = type;
	ctx.owner = v->public.user;
	if (object != NULL)
		ctx.object = *object;
	ctx.generation = v->public.generation;
	return ctx;
}

static enum ll_result
vault_alloc(struct vault **v_r)
{
	enum ll_result r;

	*v_r = calloc(1, sizeof **v_r);
	if (*v_r == NULL)
		return LL_NOMEM;
	r = secret_init(&(*v_r)->keys, sizeof(struct vault_keys));
	if (r != LL_OK) {
		free(*v_r);
		*v_r = NULL;
	}
	return r;
}

void
vault_destroy(struct vault *v)
{
	if (v == NULL)
		return;
	secret_finish(&v->keys);
	free(v);
}

const struct vault_public *
vault_public(const struct vault *v)
{
	return &v->public;
}

static enum ll_result
seal_pair(struct vault *v)
{
	struct seal_context ctx = vault_context(v, SEAL_VAULT, NULL);
	struct secret key = SECRET_NONE;
	uint8_t *blob = NULL;
	enum ll_result r;
	size_t len;

	r = secret_init(&key, KEY_BYTES);
	if (r == LL_OK)
		r = vault_subkey(v, LABEL_VAULT, key.data);
	if (r == LL_OK)
		r = seal_bytes(key.data, &ctx, keys_of(v)->pair, PAIR_BYTES,
		    &blob, &len);
	if (r == LL_OK)
		memcpy(v->public.blob, blob, VAULT_BLOB_BYTES);
	free(blob);
	secret_finish(&key);
	return r;
}

static enum ll_result
open_pair(struct vault *v)
{
	struct seal_context ctx = vault_context(v, SEAL_VAULT, NULL);
	struct secret key = SECRET_NONE, pair = SECRET_NONE;
	enum ll_result r;

	r = secret_init(&key, KEY_BYTES);
	if (r == LL_OK)
		r = vault_subkey(v, LABEL_VAULT, key.data);
	if (r == LL_OK)
		r = seal_open_secret(key.data, &ctx, v->public.blob,
		    sizeof v->public.blob, &pair);
	if (r == LL_OK)
		memcpy(keys_of(v)->pair, pair.data, PAIR_BYTES);
	secret_finish(&pair);
	secret_finish(&key);
	return r;
}

/* The blob's AEAD does not commit to its key, and the public keys beside it
 * came from the store: both must be what the secret keys make. */
static enum ll_result
check_public(const struct vault *v)
{
	uint8_t pk[crypto_box_PUBLICKEYBYTES];
	uint8_t sign_pk[crypto_sign_PUBLICKEYBYTES];
	struct secret sk = SECRET_NONE;
	enum ll_result r;

	r = secret_init(&sk, crypto_sign_SECRETKEYBYTES);
	if (r != LL_OK)
		return r;
	crypto_sign_seed_keypair(sign_pk, sk.data, sign_sk(v));
	if (crypto_scalarmult_base(pk, seal_sk(v)) != 0 ||
	    !derive_equal(pk, v->public.seal_pk, sizeof pk) ||
	    !derive_equal(sign_pk, v->public.sign_pk, sizeof sign_pk) ||
	    !derive_equal(sk.data, sign_sk(v), sk.len))
		r = LL_AUTH;
	secret_finish(&sk);
	return r;
}

enum ll_result
vault_create(const struct id *user, uint64_t generation, struct vault **v_r,
    struct vault_public *pub_r)
{
	struct vault *v = NULL;
	enum ll_result r;

	*v_r = NULL;
	r = vault_alloc(&v);
	if (r != LL_OK)
		goto out;
	v->public.user = *user;
	v->public.generation = generation;
	randombytes_buf(keys_of(v)->vault, KEY_BYTES);
	crypto_box_keypair(v->public.seal_pk, keys_of(v)->pair);
	crypto_sign_keypair(v->public.sign_pk, sign_sk(v));
	r = vault_subkey(v, LABEL_SELF, keys_of(v)->self);
	if (r == LL_OK)
		r = seal_pair(v);
	if (r != LL_OK)
		goto out;
	*pub_r = v->public;
	*v_r = v;
	v = NULL;
out:
	vault_destroy(v);
	return r;
}

/* LL_AUTH if the key (from a slot) is not it or the public keys differ. */
static enum ll_result
open_blob(const struct vault_public *pub, const struct secret *vault_key,
    struct vault **v_r)
{
	struct vault *v = NULL;
	enum ll_result r;

	*v_r = NULL;
	if (vault_key->len != KEY_BYTES)
		return LL_AUTH;
	r = vault_alloc(&v);
	if (r != LL_OK)
		goto out;
	v->public = *pub;
	memcpy(keys_of(v)->vault, vault_key->data, KEY_BYTES);
	r = open_pair(v);
	if (r == LL_OK)
		r = check_public(v);
	if (r == LL_OK)
		r = vault_subkey(v, LABEL_SELF, keys_of(v)->self);
	if (r != LL_OK)
		goto out;
	*v_r = v;
	v = NULL;
out:
	vault_destroy(v);
	return r;
}

/* --- slots --- */

struct slot_row {
	enum label proof, kek;
};

static const struct slot_row slot_rows[] = {
	[SLOT_PASSPHRASE] = { LABEL_PW_PROOF, LABEL_PW_KEK },
	[SLOT_RECOVERY]   = { LABEL_RC_PROOF, LABEL_RC_KEK },
};

static const struct slot_row *
slot_row(enum slot_kind kind)
{
	if (kind != SLOT_PASSPHRASE && kind != SLOT_RECOVERY)
		return NULL;
	return &slot_rows[kind];
}

enum ll_result
slot_proof(enum slot_kind kind, const struct secret *a,
    uint8_t proof[HASH_BYTES])
{
	const struct slot_row *row = slot_row(kind);

	if (row == NULL || a->len == 0)
		return LL_USAGE;
	return derive(row->proof, a->data, a->len, NULL, proof);
}

/* derive(KEK, pepper, a, user, slot) */
static enum ll_result
slot_key(enum slot_kind kind, const struct id *user, const struct id *slot,
    const struct secret *a, const uint8_t pepper[KEY_BYTES],
    struct secret *key_r)
{
	const struct slot_row *row = slot_row(kind);
	struct tlv_out input;
	enum ll_result r;

	key_r->len = 0;
	key_r->data = NULL;
	if (row == NULL || a->len == 0)
		return LL_USAGE;
	tlv_out_init_secret(&input, 3 * TLV_HEAD + a->len + 2 * ID_BYTES);
	tlv_put_bytes(&input, 1, a->data, a->len);
	tlv_put_id(&input, 2, user);
	tlv_put_id(&input, 3, slot);
	r = secret_init(key_r, KEY_BYTES);
	if (r == LL_OK)
		r = derive(row->kek, pepper, KEY_BYTES, &input, key_r->data);
	if (r != LL_OK)
		secret_finish(key_r);
	tlv_out_finish(&input);
	return r;
}

static struct seal_context
slot_context(const struct vault_public *pub, const struct id *slot)
{
	struct seal_context ctx;

	memset(&ctx, 0, sizeof ctx);
	ctx.type = SEAL_SLOT;
	ctx.owner = pub->user;
	ctx.object = *slot;
	ctx.generation = pub->generation;
	return ctx;
}

enum ll_result
slot_seal(const struct vault *v, enum slot_kind kind, const struct id *slot,
    const struct secret *a, const uint8_t pepper[KEY_BYTES],
    uint8_t wrap[SEAL_WRAP_BYTES])
{
	struct seal_context ctx = slot_context(&v->public, slot);
	struct secret key = SECRET_NONE;
	enum ll_result r;

	r = slot_key(kind, &v->public.user, slot, a, pepper, &key);
	if (r == LL_OK)
		r = seal_wrap_key(key.data, &ctx, keys_of(v)->vault, wrap);
	secret_finish(&key);
	return r;
}

enum ll_result
slot_open(const struct vault_public *pub, enum slot_kind kind,
    const struct id *slot, const struct secret *a,
    const uint8_t pepper[KEY_BYTES], const void *wrap, size_t wrap_len,
    struct vault **v_r)
{
	struct seal_context ctx = slot_context(pub, slot);
	struct secret key = SECRET_NONE, vault_key = SECRET_NONE;
	enum ll_result r;

	*v_r = NULL;
	r = slot_key(kind, &pub->user, slot, a, pepper, &key);
	if (r == LL_OK)
		r = seal_unwrap_key(key.data, &ctx, wrap, wrap_len, &vault_key);
	if (r == LL_OK)
		r = open_blob(pub, &vault_key, v_r);
	secret_finish(&vault_key);
	secret_finish(&key);
	return r;
}

/* --- what an open vault does --- */

enum ll_result
vault_self_wrap(const struct vault *v, const struct id *message,
    const uint8_t key[KEY_BYTES], uint8_t wrap[SEAL_WRAP_BYTES])
{
	struct seal_context ctx = vault_context(v, SEAL_SELF, message);

	return seal_wrap_key(keys_of(v)->self, &ctx, key, wrap);
}

enum ll_result
vault_self_unwrap(const struct vault *v, const struct id *message,
    const void *wrap, size_t len, struct secret *key_r)
{
	struct seal_context ctx = vault_context(v, SEAL_SELF, message);

	return seal_unwrap_key(keys_of(v)->self, &ctx, wrap, len, key_r);
}

enum ll_result
vault_seal_blob(const struct vault *v, const struct id *key, const void *plain,
    size_t len, uint8_t **out_r, size_t *len_r)
{
	struct seal_context ctx = vault_context(v, SEAL_MAILKEY, key);

	*out_r = NULL;
	*len_r = 0;
	if (len > BLOB_MAX)
		return LL_TOOBIG;
	return seal_bytes(keys_of(v)->self, &ctx, plain, len, out_r, len_r);
}

enum ll_result
vault_open_blob(const struct vault *v, const struct id *key,
    const void *sealed, size_t len, struct secret *plain_r)
{
	struct seal_context ctx = vault_context(v, SEAL_MAILKEY, key);

	return seal_open_secret(keys_of(v)->self, &ctx, sealed, len, plain_r);
}

enum ll_result
vault_box_open(const struct vault *v, const struct seal_context *ctx,
    const void *sealed, size_t len, struct secret *payload_r)
{
	return seal_box_open(v->public.seal_pk, seal_sk(v), ctx, sealed, len,
	    payload_r);
}

enum ll_result
vault_sign_manifest(const struct vault *v, const uint8_t manifest[HASH_BYTES],
    uint8_t sig[ENVELOPE_SIGNATURE])
{
	uint8_t text[ENVELOPE_SIGNED];

	envelope_signed(manifest, text);
	crypto_sign_detached(sig, NULL, text, sizeof text, sign_sk(v));
	return LL_OK;
}
