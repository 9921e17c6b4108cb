/*
 * test_branches.c - no branch and no address in keys/ depends on a secret.
 *
 * The program runs itself under valgrind; keys, seeds, codes and all random
 * bytes are marked undefined there, so that memcheck reports each decision
 * that hangs on them.  What libsodium and nettle do inside is theirs (they are
 * suppressed); the verdicts that they hand out ("the tag is right") are public
 * and marked so by the wrappers below.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/kdf.h"
#include "keys/muc.h"
#include "keys/seal.h"
#include "keys/totp.h"
#include "keys/vault.h"

#if defined(__has_include) && !defined(__SANITIZE_ADDRESS__)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAVE_MEMCHECK 1
#endif
#endif

#ifndef HAVE_MEMCHECK
#define VALGRIND_MAKE_MEM_UNDEFINED(p, len) ((void)(p), (void)(len))
#define VALGRIND_MAKE_MEM_DEFINED(p, len) ((void)(p), (void)(len))
#endif

#define FOUND 9                  /* memcheck's exit code for errors */

static const char *self;

static const char suppressions[] =
    "{\n cond\n Memcheck:Cond\n obj:*/libsodium.so*\n}\n"
    "{\n value8\n Memcheck:Value8\n obj:*/libsodium.so*\n}\n"
    "{\n value4\n Memcheck:Value4\n obj:*/libsodium.so*\n}\n";

void __real_randombytes_buf(void *p, size_t len);
void __wrap_randombytes_buf(void *p, size_t len);
int __real_sodium_memcmp(const void *a, const void *b, size_t len);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t len);
int __real_crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char *m,
    unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k);
int __wrap_crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char *m,
    unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k);
int __real_crypto_box_seal(unsigned char *c, const unsigned char *m,
    unsigned long long mlen, const unsigned char *pk);
int __wrap_crypto_box_seal(unsigned char *c, const unsigned char *m,
    unsigned long long mlen, const unsigned char *pk);
int __real_crypto_box_seal_open(unsigned char *m, const unsigned char *c,
    unsigned long long clen, const unsigned char *pk, const unsigned char *sk);
int __wrap_crypto_box_seal_open(unsigned char *m, const unsigned char *c,
    unsigned long long clen, const unsigned char *pk, const unsigned char *sk);
int __real_crypto_secretstream_xchacha20poly1305_pull(
    crypto_secretstream_xchacha20poly1305_state *st, unsigned char *m,
    unsigned long long *mlen, unsigned char *tag, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad,
    unsigned long long adlen);
int __wrap_crypto_secretstream_xchacha20poly1305_pull(
    crypto_secretstream_xchacha20poly1305_state *st, unsigned char *m,
    unsigned long long *mlen, unsigned char *tag, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad,
    unsigned long long adlen);
int __real_crypto_scalarmult_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_base(unsigned char *q, const unsigned char *n);

static int
public(int verdict)
{
	VALGRIND_MAKE_MEM_DEFINED(&verdict, sizeof verdict);
	return verdict;
}

static void
hide(void *p, size_t len)
{
	VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void
show(void *p, size_t len)
{
	VALGRIND_MAKE_MEM_DEFINED(p, len);
}

void
__wrap_randombytes_buf(void *p, size_t len)
{
	__real_randombytes_buf(p, len);
	hide(p, len);
}

int
__wrap_sodium_memcmp(const void *a, const void *b, size_t len)
{
	return public(__real_sodium_memcmp(a, b, len));
}

int
__wrap_crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char *m,
    unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k)
{
	return public(__real_crypto_aead_xchacha20poly1305_ietf_decrypt(m,
	    mlen, nsec, c, clen, ad, adlen, npub, k));
}

int
__wrap_crypto_box_seal(unsigned char *c, const unsigned char *m,
    unsigned long long mlen, const unsigned char *pk)
{
	return public(__real_crypto_box_seal(c, m, mlen, pk));
}

int
__wrap_crypto_box_seal_open(unsigned char *m, const unsigned char *c,
    unsigned long long clen, const unsigned char *pk, const unsigned char *sk)
{
	return public(__real_crypto_box_seal_open(m, c, clen, pk, sk));
}

/* Where a stream ends is public: its length tells. */
int
__wrap_crypto_secretstream_xchacha20poly1305_pull(
    crypto_secretstream_xchacha20poly1305_state *st, unsigned char *m,
    unsigned long long *mlen, unsigned char *tag, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen)
{
	int r = __real_crypto_secretstream_xchacha20poly1305_pull(st, m, mlen,
	    tag, c, clen, ad, adlen);

	show(tag, 1);
	show(mlen, sizeof *mlen);
	return public(r);
}

int
__wrap_crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
	return public(__real_crypto_scalarmult_base(q, n));
}

/* --- what runs under valgrind --- */

static const struct id user = { "user............" };
static const struct id message = { "message........." };
static const struct id object = { "object.........." };

static void
need(enum ll_result r)
{
	if (r != LL_OK)
		_exit(2);
}

static void
seal_and_open(void)
{
	struct seal_context ctx = { SEAL_DRAFT, user, message, 1 };
	uint8_t key[KEY_BYTES], kek[KEY_BYTES], text[100], hash[HASH_BYTES];
	uint8_t wrap[SEAL_WRAP_BYTES], *out, *plain;
	struct secret s;
	size_t len, plain_len;

	randombytes_buf(key, sizeof key);
	randombytes_buf(kek, sizeof kek);
	randombytes_buf(text, sizeof text);
	need(seal_bytes(key, &ctx, text, sizeof text, &out, &len));
	need(seal_open_secret(key, &ctx, out, len, &s));
	secret_finish(&s);
	free(out);
	need(seal_wrap_key(kek, &ctx, key, wrap));
	need(seal_unwrap_key(kek, &ctx, wrap, sizeof wrap, &s));
	secret_finish(&s);
	need(seal_commitment(key, &message, hash));
	need(seal_object_buffer(key, &message, &object, OBJECT_BODY, text,
	    sizeof text, &out, &len, hash));
	need(seal_object_open_buffer(key, &message, &object, OBJECT_BODY, out,
	    len, &plain, &plain_len, hash));
	free(plain);
	free(out);
}

static void
live_with_a_vault(void)
{
	struct seal_context ctx = { SEAL_HEADER, user, message, 1 };
	uint8_t pepper[KEY_BYTES], wrap[SEAL_WRAP_BYTES], proof[HASH_BYTES];
	uint8_t sig[ENVELOPE_SIGNATURE], *box;
	struct secret a, key;
	struct vault_public public_half;
	struct vault *v, *again;
	size_t len;

	randombytes_buf(pepper, sizeof pepper);
	need(secret_random(&a, KDF_OUT_BYTES));
	need(vault_create(&user, 1, &v, &public_half));
	need(slot_proof(SLOT_PASSPHRASE, &a, proof));
	need(slot_seal(v, SLOT_PASSPHRASE, &object, &a, pepper, wrap));
	need(slot_open(&public_half, SLOT_PASSPHRASE, &object, &a, pepper,
	    wrap, sizeof wrap, &again));
	need(vault_self_wrap(again, &message, pepper, wrap));
	need(vault_self_unwrap(again, &message, wrap, sizeof wrap, &key));
	need(seal_box(public_half.seal_pk, &ctx, key.data, key.len, &box,
	    &len));
	secret_finish(&key);
	need(vault_box_open(again, &ctx, box, len, &key));
	need(vault_sign_manifest(again, proof, sig));
	free(box);
	secret_finish(&key);
	secret_finish(&a);
	vault_destroy(v);
	vault_destroy(again);
}

static void
make_codes(void)
{
	char recovery[RECOVERY_TEXT + 1], ticket[TICKET_TEXT + 1];
	char muc[MUC_TEXT + 1], code[TOTP_DIGITS + 1];
	char base32[TOTP_BASE32_MAX];
	uint8_t seed[TOTP_SEED_BYTES];
	struct secret a;
	uint64_t step;

	need(recovery_create(recovery, &a));
	secret_finish(&a);
	ticket_create(ticket);
	muc_create(muc);
	randombytes_buf(seed, sizeof seed);
	totp_code(seed, sizeof seed, 1, code);
	if (totp_verify(seed, sizeof seed, "000000", 59, 0, &step) == LL_NOMEM)
		_exit(2);
	show(seed, sizeof seed);
	totp_base32(seed, sizeof seed, base32);
}

static void
open_a_link(void)
{
	uint8_t pepper[KEY_BYTES], hash[HASH_BYTES], proof[HASH_BYTES];
	char code[MUC_SYMBOLS + 1] = "100010000010";
	struct secret x, key;
	struct id secret;

	randombytes_buf(pepper, sizeof pepper);
	id_random(&secret);
	hide(code, MUC_SYMBOLS);
	link_locator_hash(&message, hash);
	need(link_stretch(code, hash, 1, 1, &x));
	need(link_proof(&secret, &x, proof));
	need(link_key(pepper, &secret, &x, &key));
	secret_finish(&x);
	secret_finish(&key);
}

/* Proof that the watching works: this must be found. */
static void
stumble(void)
{
	uint8_t key[KEY_BYTES];

	randombytes_buf(key, sizeof key);
	if (key[0] == 7)
		printf("#\n");
}

static int
inner(const char *what)
{
	if (strcmp(what, "stumble") == 0) {
		stumble();
		return 0;
	}
	seal_and_open();
	live_with_a_vault();
	make_codes();
	open_a_link();
	return 0;
}

/* --- the tests --- */

static int
under_valgrind(char *what, bool loud)
{
	char quiet[] = "-q", code[] = "--error-exitcode=9", rule[80];
	char tool[] = "valgrind", path[] = "/tmp/ll-suppress-XXXXXX";
	char program[4096], leaks[] = "--leak-check=no";
	char *argv[] = {
		tool, quiet, code, leaks, rule, program, what, NULL
	};
	int fd, status;
	pid_t pid;

	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, suppressions, sizeof suppressions - 1),
	    sizeof suppressions - 1);
	close(fd);
	snprintf(rule, sizeof rule, "--suppressions=%s", path);
	snprintf(program, sizeof program, "%s", self);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(2, 1);
		if (!loud)
			dup2(open("/dev/null", O_WRONLY), 2);
		execvp(tool, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
a_branch_on_a_secret_is_found(void **state)
{
	char what[] = "stumble";
	int got;

	(void)state;
#ifndef HAVE_MEMCHECK
	skip();
#endif
	got = under_valgrind(what, false);
	if (got == 127)
		skip();          /* no valgrind here */
	assert_int_equal(got, FOUND);
}

static void
keys_has_none(void **state)
{
	char what[] = "keys";
	int got;

	(void)state;
#ifndef HAVE_MEMCHECK
	skip();
#endif
	got = under_valgrind(what, true);
	if (got == 127)
		skip();
	assert_int_equal(got, 0);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_branch_on_a_secret_is_found),
		cmocka_unit_test(keys_has_none),
	};

	self = argv[0];
	if (secret_setup(0) != LL_OK)
		return 1;
	if (argc == 2)
		return inner(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
