#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <nettle/rsa.h>
#include <nettle/sha2.h>
#include <sodium.h>

#include "server/session.h"

/* What a client would send: key, signed data, signature. */
struct login {
	uint8_t key[2048], data[4096], sig[1024];
	size_t key_len, data_len, sig_len;
};

static const uint8_t id[32] = "the session id of this very test";
static struct rsa_public_key rsa_pk;
static struct rsa_private_key rsa_sk;

static void
put(uint8_t *out, size_t *len, const void *p, size_t n)
{
	memcpy(out + *len, p, n);
	*len += n;
}

static void
put_string(uint8_t *out, size_t *len, const void *p, size_t n)
{
	const uint8_t head[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	put(out, len, head, sizeof(head));
	put(out, len, p, n);
}

static void
put_text(uint8_t *out, size_t *len, const char *text)
{
	put_string(out, len, text, strlen(text));
}

/* RFC 4252 section 7. */
static void
make_data(struct login *l, const char *user, const char *service,
    const char *algorithm)
{
	l->data_len = 0;
	put_string(l->data, &l->data_len, id, sizeof(id));
	put(l->data, &l->data_len, "\x32", 1);
	put_text(l->data, &l->data_len, user);
	put_text(l->data, &l->data_len, service);
	put_text(l->data, &l->data_len, "publickey");
	put(l->data, &l->data_len, "\x01", 1);
	put_text(l->data, &l->data_len, algorithm);
	put_string(l->data, &l->data_len, l->key, l->key_len);
}

static void
make_ed25519(struct login *l, const char *user, const char *service)
{
	uint8_t pk[32], sk[64];

	memset(l, 0, sizeof(*l));
	assert_int_equal(crypto_sign_keypair(pk, sk), 0);
	put_text(l->key, &l->key_len, "ssh-ed25519");
	put_string(l->key, &l->key_len, pk, sizeof(pk));
	make_data(l, user, service, "ssh-ed25519");
	assert_int_equal(crypto_sign_detached(l->sig, NULL, l->data,
	    l->data_len, sk), 0);
	l->sig_len = crypto_sign_BYTES;
}

/* As a security key signs: hash of the application, flags, counter, hash. */
static void
make_sk(struct login *l, uint8_t flags)
{
	uint8_t pk[32], sk[64], hash[32];
	size_t n = 0;

	memset(l, 0, sizeof(*l));
	assert_int_equal(crypto_sign_keypair(pk, sk), 0);
	put_text(l->key, &l->key_len, "sk-ssh-ed25519@openssh.com");
	put_string(l->key, &l->key_len, pk, sizeof(pk));
	put_text(l->key, &l->key_len, "ssh:");
	make_data(l, "ada", "ssh-connection", "sk-ssh-ed25519@openssh.com");
	crypto_hash_sha256(hash, l->data, l->data_len);
	crypto_hash_sha256(l->data, (const uint8_t *)"ssh:", 4);
	n = 32;
	put(l->data, &n, &flags, 1);
	put(l->data, &n, "\0\0\0\x07", 4);
	put(l->data, &n, hash, 32);
	l->data_len = n;
	assert_int_equal(crypto_sign_detached(l->sig, NULL, l->data,
	    l->data_len, sk), 0);
	l->sig_len = crypto_sign_BYTES;
}

static void
random_bytes(void *ctx, size_t n, uint8_t *out)
{
	(void)ctx;
	randombytes_buf(out, n);
}

static void
put_number(uint8_t *out, size_t *len, const mpz_t x)
{
	uint8_t bytes[600];
	const size_t n = nettle_mpz_sizeinbase_256_s(x);

	nettle_mpz_get_str_256(n, bytes, x);
	put_string(out, len, bytes, n);
}

static void
make_rsa(struct login *l, const char *algorithm)
{
	struct sha256_ctx h256;
	struct sha512_ctx h512;
	mpz_t sig;
	int ok;

	memset(l, 0, sizeof(*l));
	put_text(l->key, &l->key_len, "ssh-rsa");
	put_number(l->key, &l->key_len, rsa_pk.e);
	put_number(l->key, &l->key_len, rsa_pk.n);
	make_data(l, "ada", "ssh-connection", algorithm);
	mpz_init(sig);
	if (strcmp(algorithm, "rsa-sha2-512") == 0) {
		sha512_init(&h512);
		sha512_update(&h512, l->data_len, l->data);
		ok = rsa_sha512_sign(&rsa_sk, &h512, sig);
	} else {
		sha256_init(&h256);
		sha256_update(&h256, l->data_len, l->data);
		ok = rsa_sha256_sign(&rsa_sk, &h256, sig);
	}
	assert_true(ok);
	l->sig_len = rsa_pk.size;
	nettle_mpz_get_str_256(l->sig_len, l->sig, sig);
	mpz_clear(sig);
}

static enum ll_result
verify(const struct login *l, const uint8_t session[32], const char *user)
{
	const struct tlv_view key = { l->key, l->key_len };
	const struct tlv_view data = { l->data, l->data_len };
	const struct tlv_view sig = { l->sig, l->sig_len };

	return session_key_verify(session, user, key, data, sig);
}

/* Every single bit of what was signed or shown counts. */
static void
refuses_changes(struct login *l)
{
	uint8_t *const parts[] = { l->key, l->data, l->sig };
	const size_t sizes[] = { l->key_len, l->data_len, l->sig_len };

	for (size_t p = 0; p < 3; p++)
		for (size_t i = 0; i < sizes[p]; i++) {
			parts[p][i] ^= 0x10;
			assert_int_not_equal(verify(l, id, "ada"), LL_OK);
			parts[p][i] ^= 0x10;
		}
	assert_int_equal(verify(l, id, "ada"), LL_OK);
}

static void
test_ed25519(void **state)
{
	uint8_t other[32] = { 1 };
	struct login l;

	(void)state;
	make_ed25519(&l, "ada", "ssh-connection");
	assert_int_equal(verify(&l, id, "ada"), LL_OK);
	assert_int_equal(verify(&l, id, "bob"), LL_AUTH);
	assert_int_equal(verify(&l, other, "ada"), LL_AUTH);
	refuses_changes(&l);
	make_ed25519(&l, "bob", "ssh-connection");
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
	make_ed25519(&l, "ada", "ssh-something");
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
}

static void
test_security_key(void **state)
{
	struct login l;

	(void)state;
	make_sk(&l, 1);
	assert_int_equal(verify(&l, id, "ada"), LL_OK);
	assert_int_equal(verify(&l, id, "bob"), LL_AUTH);
	refuses_changes(&l);
	make_sk(&l, 0);
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
}

static void
test_rsa(void **state)
{
	struct login l;

	(void)state;
	make_rsa(&l, "rsa-sha2-512");
	assert_int_equal(verify(&l, id, "ada"), LL_OK);
	assert_int_equal(verify(&l, id, "bob"), LL_AUTH);
	l.data[40] ^= 1;
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
	make_rsa(&l, "rsa-sha2-256");
	assert_int_equal(verify(&l, id, "ada"), LL_OK);
	l.sig[9] ^= 1;
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
	/* SHA-1 is what that name means in a signature */
	make_rsa(&l, "ssh-rsa");
	assert_int_equal(verify(&l, id, "ada"), LL_AUTH);
}

static void
test_short_rsa(void **state)
{
	struct rsa_public_key pk = rsa_pk;
	struct rsa_private_key sk = rsa_sk;
	struct login l;

	(void)state;
	rsa_public_key_init(&rsa_pk);
	rsa_private_key_init(&rsa_sk);
	mpz_set_ui(rsa_pk.e, 65537);
	assert_true(rsa_generate_keypair(&rsa_pk, &rsa_sk, NULL, random_bytes,
	    NULL, NULL, 2048, 0));
	make_rsa(&l, "rsa-sha2-512");
	assert_int_equal(verify(&l, id, "ada"), LL_DENIED);
	rsa_public_key_clear(&rsa_pk);
	rsa_private_key_clear(&rsa_sk);
	rsa_pk = pk;
	rsa_sk = sk;
}

static void
test_other_kinds_and_noise(void **state)
{
	struct login l;

	(void)state;
	make_ed25519(&l, "ada", "ssh-connection");
	l.key[4] = 'x';
	assert_int_equal(verify(&l, id, "ada"), LL_DENIED);
	make_ed25519(&l, "ada", "ssh-connection");
	for (size_t n = 0; n < l.key_len; n++) {
		const struct tlv_view key = { l.key, n };
		const struct tlv_view data = { l.data, l.data_len };
		const struct tlv_view sig = { l.sig, l.sig_len };

		assert_int_equal(session_key_verify(id, "ada", key, data,
		    sig), LL_DENIED);
	}
	for (int i = 0; i < 20000; i++) {
		randombytes_buf(l.key, l.key_len);
		if (i % 2)
			memcpy(l.key, "\0\0\0\x07ssh-rsa", 11);
		assert_int_not_equal(verify(&l, id, "ada"), LL_OK);
	}
}

static int
set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	rsa_public_key_init(&rsa_pk);
	rsa_private_key_init(&rsa_sk);
	mpz_set_ui(rsa_pk.e, 65537);
	return rsa_generate_keypair(&rsa_pk, &rsa_sk, NULL, random_bytes,
	    NULL, NULL, 3072, 0) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	rsa_public_key_clear(&rsa_pk);
	rsa_private_key_clear(&rsa_sk);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_security_key),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_short_rsa),
		cmocka_unit_test(test_other_kinds_and_noise),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
