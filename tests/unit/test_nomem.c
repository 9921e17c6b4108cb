/*
 * test_nomem.c - the Nth allocation fails, for every N: the result says so,
 * nothing leaks, and no half-made thing is handed out.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keys/clean.h"
#include "keys/envelope.h"
#include "keys/kdf.h"
#include "keys/muc.h"
#include "keys/totp.h"
#include "keys/vault.h"

static long countdown = -1;      /* the allocation at 0 fails */
static long held;                /* allocations not yet freed */

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__real_sodium_malloc(size_t n);
void __real_sodium_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);
void *__wrap_sodium_malloc(size_t n);
void __wrap_sodium_free(void *p);

static int
refuses(void)
{
	return countdown >= 0 && countdown-- == 0;
}

static void *
given(void *p)
{
	held += p != NULL;
	return p;
}

void *
__wrap_malloc(size_t n)
{
	return refuses() ? NULL : given(__real_malloc(n));
}

void *
__wrap_calloc(size_t count, size_t n)
{
	return refuses() ? NULL : given(__real_calloc(count, n));
}

void *
__wrap_realloc(void *p, size_t n)
{
	if (refuses())
		return NULL;
	held -= p != NULL;
	return given(__real_realloc(p, n));
}

char *
__wrap_strdup(const char *s)
{
	return refuses() ? NULL : given(__real_strdup(s));
}

void
__wrap_free(void *p)
{
	held -= p != NULL;
	__real_free(p);
}

void *
__wrap_sodium_malloc(size_t n)
{
	return refuses() ? NULL : given(__real_sodium_malloc(n));
}

void
__wrap_sodium_free(void *p)
{
	held -= p != NULL;
	__real_sodium_free(p);
}

/* --- what is tried; each leaves nothing behind, whatever it returns --- */

static const struct id user = { "user............" };
static const struct id message = { "message........." };
static const struct id object = { "object.........." };
static const uint8_t key[KEY_BYTES] = { 1 };

static enum ll_result
fill_envelope(struct envelope *e)
{
	struct envelope_object body;
	enum ll_result r;
	int i;

	envelope_init(e);
	e->message = message;
	memset(&body, 0, sizeof body);
	r = envelope_set(&e->subject, "one");
	if (r == LL_OK)
		r = envelope_set(&e->subject, "two");
	for (i = 0; r == LL_OK && i < 5; i++)
		r = envelope_add(&e->to, &e->to_count, "ada@house.example");
	for (i = 0; r == LL_OK && i < 3; i++) {
		body.kind = i == 0 ? OBJECT_BODY : OBJECT_ATTACHMENT;
		r = envelope_add_object(e, &body);
	}
	return r;
}

static enum ll_result
headers(void)
{
	uint8_t manifest[HASH_BYTES], *sealed = NULL;
	struct envelope e, got;
	enum ll_result r;
	size_t len;

	envelope_init(&got);
	r = fill_envelope(&e);
	if (r == LL_OK)
		r = envelope_manifest(&e, key, manifest);
	if (r == LL_OK)
		r = envelope_seal(&e, key, &sealed, &len);
	assert_true(r == LL_OK || sealed == NULL);
	if (r == LL_OK)
		r = envelope_open(key, &message, sealed, len, &got);
	assert_true(r == LL_OK || got.subject == NULL);
	envelope_finish(&got);
	envelope_finish(&e);
	free(sealed);
	return r;
}

static enum ll_result
vaults(void)
{
	uint8_t wrap[SEAL_WRAP_BYTES], again[SEAL_WRAP_BYTES];
	struct secret a = SECRET_NONE, got = SECRET_NONE;
	struct vault *v = NULL, *w = NULL;
	struct vault_public public;
	enum ll_result r;

	r = secret_copy(&a, key, sizeof key);
	if (r == LL_OK)
		r = vault_create(&user, 1, &v, &public);
	if (r == LL_OK)
		r = slot_seal(v, SLOT_RECOVERY, &object, &a, key, wrap);
	if (r == LL_OK)
		r = slot_open(&public, SLOT_RECOVERY, &object, &a, key, wrap,
		    sizeof wrap, &w);
	assert_true(r == LL_OK || w == NULL);
	if (r == LL_OK)
		r = vault_self_wrap(w, &message, key, again);
	if (r == LL_OK)
		r = vault_self_unwrap(v, &message, again, sizeof again, &got);
	assert_true(r == LL_OK || got.data == NULL);
	secret_finish(&got);
	vault_destroy(v);
	vault_destroy(w);
	secret_finish(&a);
	return r;
}

static enum ll_result
boxes(void)
{
	struct seal_context ctx = { SEAL_CODE, user, message, 1 };
	struct secret got = SECRET_NONE;
	uint8_t pk[32], sk[32], *sealed = NULL;
	enum ll_result r;
	size_t len;

	crypto_box_keypair(pk, sk);
	r = seal_box(pk, &ctx, "words", 5, &sealed, &len);
	if (r == LL_OK)
		r = seal_box_open(pk, sk, &ctx, sealed, len, &got);
	assert_true(r == LL_OK || got.data == NULL);
	secret_finish(&got);
	free(sealed);
	return r;
}

static enum ll_result
sealed_bytes(void)
{
	struct seal_context ctx = { SEAL_DRAFT, user, message, 1 };
	uint8_t *sealed = NULL, *plain = NULL;
	struct secret got = SECRET_NONE;
	enum ll_result r;
	size_t len, n;

	r = seal_bytes(key, &ctx, "words", 5, &sealed, &len);
	if (r == LL_OK)
		r = seal_open(key, &ctx, sealed, len, &plain, &n);
	if (r == LL_OK)
		r = seal_open_secret(key, &ctx, sealed, len, &got);
	assert_true(r == LL_OK || got.data == NULL);
	secret_finish(&got);
	free(plain);
	free(sealed);
	return r;
}

static enum ll_result
objects(void)
{
	static const uint8_t text[SEAL_CHUNK + 7];
	uint8_t hash[HASH_BYTES], *sealed = NULL, *plain = NULL;
	enum ll_result r;
	size_t len, n;

	r = seal_object_buffer(key, &message, &object, OBJECT_BODY, text,
	    sizeof text, &sealed, &len, hash);
	if (r == LL_OK)
		r = seal_object_open_buffer(key, &message, &object,
		    OBJECT_BODY, sealed, len, &plain, &n, hash);
	assert_true(r == LL_OK || plain == NULL);
	free(plain);
	free(sealed);
	return r;
}

static enum ll_result
files(void)
{
	int in = memfd_create("in", 0), out = memfd_create("out", 0);
	uint8_t hash[HASH_BYTES];
	uint64_t plain, sealed;
	enum ll_result r;

	assert_int_equal(write(in, "words", 5), 5);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	r = seal_object_fd(key, &message, &object, OBJECT_BODY, in, out, 100,
	    &plain, &sealed, hash);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	if (r == LL_OK)
		r = seal_object_open_fd(key, &message, &object, OBJECT_BODY,
		    out, in, &plain, hash);
	close(in);
	close(out);
	return r;
}

static enum ll_result
links(void)
{
	struct secret x = SECRET_NONE, k = SECRET_NONE;
	enum ll_result r;

	r = link_stretch("100010000010", key, 1, 1, &x);
	if (r == LL_OK)
		r = link_key(key, &message, &x, &k);
	assert_true(r == LL_OK || k.data == NULL);
	secret_finish(&x);
	secret_finish(&k);
	return r;
}

static enum ll_result
codes(void)
{
	struct secret a = SECRET_NONE, b = SECRET_NONE, seed = SECRET_NONE;
	char text[RECOVERY_TEXT + 1];
	enum ll_result r;

	r = recovery_create(text, &a);
	if (r == LL_OK)
		r = recovery_parse(text, &b);
	if (r == LL_OK)
		r = totp_parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", &seed);
	assert_true(r == LL_OK || seed.data == NULL);
	secret_finish(&a);
	secret_finish(&b);
	secret_finish(&seed);
	return r;
}

static enum ll_result
texts(void)
{
	char *text = NULL, *name = NULL;
	enum ll_result r;

	r = clean_text("a\x1b", 2, CLEAN_LINE, &text);
	if (r == LL_OK)
		r = clean_file_name("../x", 4, &name);
	assert_true(r == LL_OK || name == NULL);
	free(text);
	free(name);
	return r;
}

static void
each_failure_is_reported_and_leaks_nothing(void **state)
{
	static const struct {
		const char *name;
		enum ll_result (*try)(void);
		long least;
	} rows[] = {
		{ "headers", headers, 30 }, { "vaults", vaults, 20 },
		{ "boxes", boxes, 4 }, { "sealed bytes", sealed_bytes, 5 },
		{ "objects", objects, 4 }, { "files", files, 4 },
		{ "links", links, 3 }, { "codes", codes, 3 },
		{ "texts", texts, 2 },
	};
	enum ll_result r;
	size_t i;
	long n, before;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (n = 0;; n++) {
			assert_true(n < 1000);
			before = held;
			countdown = n;
			r = rows[i].try();
			/* not reached: nothing failed this time */
			if (countdown >= 0)
				break;
			countdown = -1;
			if (r != LL_NOMEM)
				fail_msg("%s, allocation %ld: %s",
				    rows[i].name, n, ll_result_text(r));
			if (held != before)
				fail_msg("%s, allocation %ld: %ld left",
				    rows[i].name, n, held - before);
		}
		countdown = -1;
		assert_ok(r);
		assert_int_equal(held, before);
		if (n < rows[i].least)
			fail_msg("%s: only %ld allocations", rows[i].name, n);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_is_reported_and_leaks_nothing),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
