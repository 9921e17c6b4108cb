#include "server/session.h"

#include <string.h>

#include <nettle/rsa.h>
#include <nettle/sha2.h>
#include <sodium.h>

#define KEY_BLOB_MAX 4096
#define KEY_SIGNED_MAX (KEY_BLOB_MAX + 512)
#define KEY_RSA_MIN_BITS 3072
#define KEY_RSA_MAX_BITS 16384
#define KEY_USERAUTH_REQUEST 50
#define KEY_PRESENCE 0x01         /* flag of a security key: it was touched */

/* The bytes that a client signs (RFC 4252 section 7). */
struct blob {
	uint8_t data[KEY_SIGNED_MAX];
	size_t len;
	bool full;
};

static void
blob_raw(struct blob *b, const void *p, size_t n)
{
	if (b->full || n > sizeof(b->data) - b->len) {
		b->full = true;
		return;
	}
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

static void
blob_string(struct blob *b, const void *p, size_t n)
{
	const uint8_t len[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	blob_raw(b, len, sizeof(len));
	blob_raw(b, p, n);
}

static bool
key_signed(struct blob *b, const uint8_t id[32], const char *user,
    const char *algorithm, struct tlv_view key)
{
	const uint8_t request = KEY_USERAUTH_REQUEST, yes = 1;

	b->len = 0;
	b->full = false;
	blob_string(b, id, 32);
	blob_raw(b, &request, 1);
	blob_string(b, user, strlen(user));
	blob_string(b, "ssh-connection", 14);
	blob_string(b, "publickey", 9);
	blob_raw(b, &yes, 1);
	blob_string(b, algorithm, strlen(algorithm));
	blob_string(b, key.data, key.len);
	return !b->full;
}

/* Next string of an SSH blob. */
static bool
key_next(struct tlv_view *v, struct tlv_view *s_r)
{
	size_t n;

	if (v->len < 4)
		return false;
	n = (size_t)v->data[0] << 24 | (size_t)v->data[1] << 16 |
	    (size_t)v->data[2] << 8 | v->data[3];
	if (n > v->len - 4)
		return false;
	s_r->data = v->data + 4;
	s_r->len = n;
	v->data += 4 + n;
	v->len -= 4 + n;
	return true;
}

static bool
key_is(struct tlv_view v, const void *p, size_t n)
{
	return v.len == n && memcmp(v.data, p, n) == 0;
}

/* What a verifier is given. */
struct claim {
	const uint8_t *id;
	const char *user;
	struct tlv_view key;      /* the whole blob */
	struct tlv_view rest;     /* behind the kind's name */
	struct tlv_view data, sig;
};

static enum ll_result
key_ed25519(const struct claim *c)
{
	struct tlv_view rest = c->rest, pk;
	struct blob b;

	if (!key_next(&rest, &pk) || rest.len != 0 || pk.len != 32)
		return LL_DENIED;
	if (c->sig.len != crypto_sign_BYTES ||
	    !key_signed(&b, c->id, c->user, "ssh-ed25519", c->key) ||
	    !key_is(c->data, b.data, b.len))
		return LL_AUTH;
	return crypto_sign_verify_detached(c->sig.data, c->data.data,
	    c->data.len, pk.data) == 0 ? LL_OK : LL_AUTH;
}

/* A security key signs hash(application), flags, counter, hash(request). */
static enum ll_result
key_sk_ed25519(const struct claim *c)
{
	struct tlv_view rest = c->rest, pk, app;
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct blob b;

	if (!key_next(&rest, &pk) || !key_next(&rest, &app) ||
	    rest.len != 0 || pk.len != 32)
		return LL_DENIED;
	if (c->sig.len != crypto_sign_BYTES || c->data.len != 69 ||
	    !key_signed(&b, c->id, c->user, "sk-ssh-ed25519@openssh.com",
	    c->key))
		return LL_AUTH;
	crypto_hash_sha256(hash, app.data, app.len);
	if (memcmp(c->data.data, hash, sizeof(hash)) != 0)
		return LL_AUTH;
	crypto_hash_sha256(hash, b.data, b.len);
	if (memcmp(c->data.data + 37, hash, sizeof(hash)) != 0 ||
	    !(c->data.data[32] & KEY_PRESENCE))
		return LL_AUTH;
	return crypto_sign_verify_detached(c->sig.data, c->data.data,
	    c->data.len, pk.data) == 0 ? LL_OK : LL_AUTH;
}

static bool
key_rsa_hashed(const struct claim *c, const struct rsa_public_key *pk,
    const mpz_t sig)
{
	struct sha256_ctx h256;
	struct sha512_ctx h512;
	struct blob b;

	if (key_signed(&b, c->id, c->user, "rsa-sha2-512", c->key) &&
	    key_is(c->data, b.data, b.len)) {
		sha512_init(&h512);
		sha512_update(&h512, b.len, b.data);
		return rsa_sha512_verify(pk, &h512, sig);
	}
	if (key_signed(&b, c->id, c->user, "rsa-sha2-256", c->key) &&
	    key_is(c->data, b.data, b.len)) {
		sha256_init(&h256);
		sha256_update(&h256, b.len, b.data);
		return rsa_sha256_verify(pk, &h256, sig);
	}
	return false;
}

static enum ll_result
key_rsa(const struct claim *c)
{
	struct tlv_view rest = c->rest, e, n;
	struct rsa_public_key pk;
	mpz_t sig;
	size_t bits;
	enum ll_result r = LL_AUTH;

	if (!key_next(&rest, &e) || !key_next(&rest, &n) || rest.len != 0 ||
	    e.len > 8 || n.len > KEY_RSA_MAX_BITS / 8 + 1 ||
	    c->sig.len > KEY_RSA_MAX_BITS / 8)
		return LL_DENIED;
	rsa_public_key_init(&pk);
	mpz_init(sig);
	nettle_mpz_set_str_256_u(pk.e, e.len, e.data);
	nettle_mpz_set_str_256_u(pk.n, n.len, n.data);
	nettle_mpz_set_str_256_u(sig, c->sig.len, c->sig.data);
	bits = mpz_sizeinbase(pk.n, 2);
	if (bits < KEY_RSA_MIN_BITS || bits > KEY_RSA_MAX_BITS ||
	    !rsa_public_key_prepare(&pk))
		r = LL_DENIED;
	else if (key_rsa_hashed(c, &pk, sig))
		r = LL_OK;
	mpz_clear(sig);
	rsa_public_key_clear(&pk);
	return r;
}

static const struct {
	const char *name;
	enum ll_result (*verify)(const struct claim *c);
} kinds[] = {
	{ "ssh-ed25519", key_ed25519 },
	{ "sk-ssh-ed25519@openssh.com", key_sk_ed25519 },
	{ "ssh-rsa", key_rsa },
};

enum ll_result
session_key_verify(const uint8_t id[32], const char *user,
    struct tlv_view key, struct tlv_view data, struct tlv_view sig)
{
	struct claim c = { id, user, key, key, data, sig };
	struct tlv_view name;

	if (key.len > KEY_BLOB_MAX || !key_next(&c.rest, &name))
		return LL_DENIED;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (key_is(name, kinds[i].name, strlen(kinds[i].name)))
			return kinds[i].verify(&c);
	return LL_DENIED;
}
