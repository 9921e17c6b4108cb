/*
 * test_envelope.c - sealed headers and signed manifests.
 */
#include "tests/unit/unit.h"

#include "keys/envelope.h"
#include "keys/vault.h"

struct fixture {
	struct envelope e;
	uint8_t key[KEY_BYTES], commitment[HASH_BYTES];
	struct vault *vault;
	struct vault_public public;
};

static void
fill(struct fixture *f)
{
	struct envelope_object o;
	struct envelope *e = &f->e;
	char name[] = "plan.pdf", type[] = "application/pdf";

	id_random(&e->message);
	e->thread = e->message;
	e->author = f->public.user;
	e->author_generation = 1;
	e->date = 1700000000;
	assert_ok(envelope_set(&e->from, "ada@house.example"));
	assert_ok(envelope_set(&e->from_name, "Ada"));
	assert_ok(envelope_set(&e->subject, "old"));
	assert_ok(envelope_set(&e->subject, "The plan \xe2\x9c\x93"));
	assert_ok(envelope_add(&e->to, &e->to_count, "bob@house.example"));
	assert_ok(envelope_add(&e->cc, &e->cc_count, "carol@out.test"));
	assert_ok(envelope_add(&e->readers, &e->reader_count, "u:BOB"));
	assert_ok(envelope_add(&e->readers, &e->reader_count,
	    "m:carol@out.test"));
	memset(&o, 0, sizeof o);
	id_random(&o.id);
	o.kind = OBJECT_BODY;
	o.plain_bytes = 100;
	o.sealed_bytes = 141;
	randombytes_buf(o.hash, sizeof o.hash);
	assert_ok(envelope_add_object(e, &o));
	id_random(&o.id);
	o.kind = OBJECT_ATTACHMENT;
	o.name = name;
	o.type = type;
	assert_ok(envelope_add_object(e, &o));
}

static void
sign(struct fixture *f)
{
	uint8_t manifest[HASH_BYTES];

	assert_ok(envelope_manifest(&f->e, f->commitment, manifest));
	assert_ok(vault_sign_manifest(f->vault, manifest, f->e.signature));
	f->e.is_signed = true;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct id user;

	assert_non_null(f);
	id_random(&user);
	assert_ok(vault_create(&user, 1, &f->vault, &f->public));
	randombytes_buf(f->key, sizeof f->key);
	envelope_init(&f->e);
	fill(f);
	assert_ok(seal_commitment(f->key, &f->e.message, f->commitment));
	sign(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	envelope_finish(&f->e);
	vault_destroy(f->vault);
	free(f);
	return 0;
}

static void
comes_back_as_it_went(void **state)
{
	struct fixture *f = *state;
	const struct envelope *e = &f->e;
	struct envelope got;
	uint8_t *sealed;
	size_t len;

	assert_ok(envelope_seal(e, f->key, &sealed, &len));
	assert_int_equal(len % ENVELOPE_STEP, 0);
	assert_ok(envelope_open(f->key, &e->message, sealed, len, &got));
	assert_true(id_equal(&got.thread, &e->thread));
	assert_true(id_equal(&got.author, &e->author));
	assert_int_equal(got.author_generation, 1);
	assert_int_equal(got.date, 1700000000);
	assert_string_equal(got.from, "ada@house.example");
	assert_string_equal(got.from_name, "Ada");
	assert_string_equal(got.subject, "The plan \xe2\x9c\x93");
	assert_int_equal(got.to_count, 1);
	assert_string_equal(got.to[0], "bob@house.example");
	assert_string_equal(got.cc[0], "carol@out.test");
	assert_int_equal(got.reader_count, 2);
	assert_string_equal(got.readers[1], "m:carol@out.test");
	assert_int_equal(got.object_count, 2);
	assert_string_equal(got.objects[0].name, "");
	assert_string_equal(got.objects[1].name, "plan.pdf");
	assert_int_equal(got.objects[1].kind, OBJECT_ATTACHMENT);
	assert_int_equal(got.objects[1].sealed_bytes, 141);
	assert_memory_equal(got.objects[1].hash, e->objects[1].hash, 32);
	assert_ok(envelope_verify(&got, f->commitment, f->public.sign_pk));
	envelope_finish(&got);
	free(sealed);
}

static void
unsigned_is_told_from_signed(void **state)
{
	struct fixture *f = *state;
	struct envelope got;
	uint8_t *sealed;
	size_t len;

	f->e.is_signed = false;
	assert_ok(envelope_seal(&f->e, f->key, &sealed, &len));
	assert_ok(envelope_open(f->key, &f->e.message, sealed, len, &got));
	assert_false(got.is_signed);
	assert_result(envelope_verify(&got, f->commitment, f->public.sign_pk),
	    LL_AUTH);
	envelope_finish(&got);
	free(sealed);
}

/* Each thing that the signature is about, changed after signing. */
static void
signature_covers_every_field(void **state)
{
	struct fixture *f = *state;
	struct envelope *e = &f->e;
	struct envelope_object extra = e->objects[1];
	uint8_t pk[32];
	char *texts[] = {
		e->from, e->from_name, e->subject, e->to[0], e->cc[0],
		e->readers[0], e->objects[0].type, e->objects[1].name
	};
	uint64_t *numbers[] = {
		&e->author_generation, &e->date, &e->objects[0].plain_bytes,
		&e->objects[1].sealed_bytes
	};
	uint8_t *bytes[] = {
		e->message.b, e->thread.b, e->reply_to.b, e->author.b,
		e->objects[0].id.b, e->objects[1].hash, f->commitment,
		e->signature
	};
	size_t i;

	assert_ok(envelope_set(&e->objects[0].type, "text/plain"));
	texts[6] = e->objects[0].type;
	sign(f);
#define REFUSED assert_result(envelope_verify(e, f->commitment, \
	    f->public.sign_pk), LL_AUTH)
	assert_ok(envelope_verify(e, f->commitment, f->public.sign_pk));
	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		texts[i][0] ^= 1;
		REFUSED;
		texts[i][0] ^= 1;
	}
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		++*numbers[i];
		REFUSED;
		--*numbers[i];
	}
	for (i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		bytes[i][0] ^= 1;
		REFUSED;
		bytes[i][0] ^= 1;
	}
	memcpy(pk, f->public.sign_pk, sizeof pk);
	pk[0] ^= 1;
	assert_result(envelope_verify(e, f->commitment, pk), LL_AUTH);
	assert_ok(envelope_verify(e, f->commitment, f->public.sign_pk));
	assert_ok(envelope_add(&e->readers, &e->reader_count, "u:EVE"));
	REFUSED;
	e->reader_count--;
	free(e->readers[e->reader_count]);
	assert_ok(envelope_add_object(e, &extra));
	REFUSED;
#undef REFUSED
}

/* A name moved from one list to the next encodes differently. */
static void
lists_do_not_run_together(void **state)
{
	struct fixture *f = *state;
	uint8_t before[HASH_BYTES], after[HASH_BYTES];
	struct envelope *e = &f->e;

	assert_ok(envelope_manifest(e, f->commitment, before));
	assert_ok(envelope_add(&e->to, &e->to_count, e->cc[0]));
	free(e->cc[0]);
	e->cc_count = 0;
	assert_ok(envelope_manifest(e, f->commitment, after));
	assert_memory_not_equal(before, after, HASH_BYTES);
}

static void
another_message_s_header_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t other_key[KEY_BYTES];
	struct envelope got;
	struct id other;
	uint8_t *sealed;
	size_t len;

	id_random(&other);
	randombytes_buf(other_key, sizeof other_key);
	assert_ok(envelope_seal(&f->e, f->key, &sealed, &len));
	assert_result(envelope_open(f->key, &other, sealed, len, &got),
	    LL_AUTH);
	assert_result(envelope_open(other_key, &f->e.message, sealed, len,
	    &got), LL_AUTH);
	assert_null(got.subject);
	assert_result(envelope_open(f->key, &f->e.message, sealed, len - 1,
	    &got), LL_AUTH);
	assert_result(envelope_open(f->key, &f->e.message, sealed, 3, &got),
	    LL_AUTH);
	sealed[0] = 2;
	assert_result(envelope_open(f->key, &f->e.message, sealed, len, &got),
	    LL_NEWER);
	free(sealed);
}

static void
ceilings_hold_when_sealing(void **state)
{
	struct fixture *f = *state;
	char longest[ENVELOPE_SUBJECT_MAX + 2];
	struct envelope *e = &f->e;
	struct envelope got;
	enum ll_result r;
	uint8_t *sealed;
	size_t len, i;

	memset(longest, 's', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_ok(envelope_set(&e->subject, longest));
	assert_result(envelope_seal(e, f->key, &sealed, &len), LL_USAGE);
	longest[ENVELOPE_SUBJECT_MAX] = 0;
	assert_ok(envelope_set(&e->subject, longest));
	assert_ok(envelope_seal(e, f->key, &sealed, &len));
	free(sealed);
	assert_ok(envelope_set(&e->subject, "\xff"));
	assert_result(envelope_seal(e, f->key, &sealed, &len), LL_USAGE);
	assert_ok(envelope_set(&e->subject, ""));
	for (i = e->reader_count; i < ENVELOPE_READERS_MAX; i++)
		assert_ok(envelope_add(&e->readers, &e->reader_count, "u:X"));
	assert_result(envelope_add(&e->readers, &e->reader_count, "u:X"),
	    LL_TOOBIG);
	for (i = e->object_count; i < ENVELOPE_OBJECTS_MAX; i++)
		assert_ok(envelope_add_object(e, &e->objects[1]));
	assert_result(envelope_add_object(e, &e->objects[1]), LL_TOOBIG);
	assert_ok(envelope_seal(e, f->key, &sealed, &len));
	assert_true(len <= ENVELOPE_HEADER_MAX);
	assert_ok(envelope_open(f->key, &e->message, sealed, len, &got));
	assert_int_equal(got.reader_count, ENVELOPE_READERS_MAX);
	assert_int_equal(got.object_count, ENVELOPE_OBJECTS_MAX);
	envelope_finish(&got);
	free(sealed);
	for (i = 0; i < 900; i++)
		assert_ok(envelope_add(&e->to, &e->to_count, "a-long-address-"
		    "that-fills-the-header-to-its-brim-and-over-it-in-the-end-"
		    "so-that-it-must-be-refused-and-not-cut@house.example"));
	r = envelope_seal(e, f->key, &sealed, &len);
	assert_result(r, LL_TOOBIG);
	assert_null(sealed);
}

static void
a_body_comes_first_and_once(void **state)
{
	struct fixture *f = *state;
	struct envelope *e = &f->e;
	uint8_t *sealed;
	size_t len;

	e->objects[0].kind = OBJECT_ATTACHMENT;
	assert_result(envelope_seal(e, f->key, &sealed, &len), LL_USAGE);
	e->objects[0].kind = OBJECT_BODY;
	e->objects[1].kind = OBJECT_BODY;
	assert_result(envelope_seal(e, f->key, &sealed, &len), LL_USAGE);
	e->objects[1].kind = OBJECT_ATTACHMENT;
	assert_ok(envelope_seal(e, f->key, &sealed, &len));
	free(sealed);
}

/* Short and long subjects of one kind of message look alike. */
static void
padding_hides_small_differences(void **state)
{
	struct fixture *f = *state;
	uint8_t *sealed;
	size_t a, b;

	assert_ok(envelope_set(&f->e.subject, "x"));
	assert_ok(envelope_seal(&f->e, f->key, &sealed, &a));
	free(sealed);
	assert_ok(envelope_set(&f->e.subject, "something rather longer"));
	assert_ok(envelope_seal(&f->e, f->key, &sealed, &b));
	free(sealed);
	assert_int_equal(a, b);
	assert_int_equal(a, ENVELOPE_STEP);
}

int
main(void)
{
#define ENVELOPE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		ENVELOPE_TEST(comes_back_as_it_went),
		ENVELOPE_TEST(unsigned_is_told_from_signed),
		ENVELOPE_TEST(signature_covers_every_field),
		ENVELOPE_TEST(lists_do_not_run_together),
		ENVELOPE_TEST(another_message_s_header_is_refused),
		ENVELOPE_TEST(ceilings_hold_when_sealing),
		ENVELOPE_TEST(a_body_comes_first_and_once),
		ENVELOPE_TEST(padding_hides_small_differences),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
