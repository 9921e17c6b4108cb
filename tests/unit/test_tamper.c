/*
 * test_tamper.c - whatever is changed, cut, or put in another's place is
 * refused: 10,000 random bit flips, every truncation, and swaps between
 * users, messages, objects and generations.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keys/envelope.h"
#include "keys/seal.h"
#include "keys/vault.h"

#define FLIPS 10000

/* One sealed thing of each kind, all of the same user and message. */
enum kind {
	KIND_BYTES, KIND_WRAP, KIND_BOX, KIND_HEADER, KIND_BODY,
	KIND_ATTACHMENT, KIND_SLOT, KIND_BLOB, KIND_SELF, KIND_COUNT
};

struct house {
	struct id user, message, object, slot;
	uint64_t generation;
	uint8_t key[KEY_BYTES], kek[KEY_BYTES], pepper[KEY_BYTES];
	struct secret a;
	struct vault *vault;
	struct vault_public public;
	struct envelope envelope;
	uint8_t *sealed[KIND_COUNT];
	size_t len[KIND_COUNT];
};

static struct house first, second;

static struct seal_context
context(const struct house *h, enum seal_type type)
{
	struct seal_context ctx;

	memset(&ctx, 0, sizeof ctx);
	ctx.type = type;
	ctx.owner = h->user;
	ctx.object = h->message;
	ctx.generation = h->generation;
	return ctx;
}

static void
keep(struct house *h, enum kind kind, const void *p, size_t len)
{
	h->sealed[kind] = malloc(len);
	assert_non_null(h->sealed[kind]);
	memcpy(h->sealed[kind], p, len);
	h->len[kind] = len;
}

static void
seal_streams(struct house *h)
{
	static uint8_t large[SEAL_CHUNK + 500];
	uint8_t hash[HASH_BYTES];

	randombytes_buf(large, sizeof large);
	assert_ok(seal_object_buffer(h->key, &h->message, &h->object,
	    OBJECT_BODY, "a body", 6, &h->sealed[KIND_BODY],
	    &h->len[KIND_BODY], hash));
	assert_ok(seal_object_buffer(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, large, sizeof large,
	    &h->sealed[KIND_ATTACHMENT], &h->len[KIND_ATTACHMENT], hash));
}

static void
seal_header(struct house *h)
{
	struct envelope_object body;

	envelope_init(&h->envelope);
	h->envelope.message = h->message;
	h->envelope.author = h->user;
	assert_ok(envelope_set(&h->envelope.subject, "subject"));
	memset(&body, 0, sizeof body);
	body.id = h->object;
	assert_ok(envelope_add_object(&h->envelope, &body));
	assert_ok(envelope_seal(&h->envelope, h->key, &h->sealed[KIND_HEADER],
	    &h->len[KIND_HEADER]));
}

static void
build(struct house *h, uint64_t generation)
{
	struct seal_context ctx;
	uint8_t wrap[SEAL_WRAP_BYTES];

	id_random(&h->user);
	id_random(&h->message);
	id_random(&h->object);
	id_random(&h->slot);
	h->generation = generation;
	randombytes_buf(h->key, sizeof h->key);
	randombytes_buf(h->kek, sizeof h->kek);
	randombytes_buf(h->pepper, sizeof h->pepper);
	assert_ok(secret_random(&h->a, 32));
	assert_ok(vault_create(&h->user, generation, &h->vault, &h->public));
	keep(h, KIND_BLOB, h->public.blob, sizeof h->public.blob);
	ctx = context(h, SEAL_DRAFT);
	assert_ok(seal_bytes(h->key, &ctx, "a draft", 7,
	    &h->sealed[KIND_BYTES], &h->len[KIND_BYTES]));
	ctx = context(h, SEAL_LINK);
	assert_ok(seal_wrap_key(h->kek, &ctx, h->key, wrap));
	keep(h, KIND_WRAP, wrap, sizeof wrap);
	assert_ok(slot_seal(h->vault, SLOT_PASSPHRASE, &h->slot, &h->a,
	    h->pepper, wrap));
	keep(h, KIND_SLOT, wrap, sizeof wrap);
	assert_ok(vault_self_wrap(h->vault, &h->message, h->key, wrap));
	keep(h, KIND_SELF, wrap, sizeof wrap);
	ctx = context(h, SEAL_HEADER);
	assert_ok(seal_box(h->public.seal_pk, &ctx, h->key, KEY_BYTES,
	    &h->sealed[KIND_BOX], &h->len[KIND_BOX]));
	seal_streams(h);
	seal_header(h);
}

static void
tear_down(struct house *h)
{
	int i;

	for (i = 0; i < KIND_COUNT; i++)
		free(h->sealed[i]);
	envelope_finish(&h->envelope);
	vault_destroy(h->vault);
	secret_finish(&h->a);
}

static enum ll_result
open_stream(const struct house *h, enum object_kind kind, const uint8_t *p,
    size_t len)
{
	uint8_t hash[HASH_BYTES];
	uint8_t *plain;
	size_t got;
	enum ll_result r;

	r = seal_object_open_buffer(h->key, &h->message, &h->object, kind, p,
	    len, &plain, &got, hash);
	assert_true((r == LL_OK) == (plain != NULL));
	free(plain);
	return r;
}

static enum ll_result
open_header(const struct house *h, const uint8_t *p, size_t len)
{
	struct envelope e;
	enum ll_result r;

	r = envelope_open(h->key, &h->message, p, len, &e);
	assert_true(r == LL_OK || e.subject == NULL);
	envelope_finish(&e);
	return r;
}

static enum ll_result
open_blob(const struct house *h, const uint8_t *p, size_t len)
{
	struct vault_public public = h->public;
	struct vault *v;
	enum ll_result r;

	if (len != sizeof public.blob)
		return LL_AUTH;
	memcpy(public.blob, p, len);
	r = slot_open(&public, SLOT_PASSPHRASE, &h->slot, &h->a, h->pepper,
	    h->sealed[KIND_SLOT], h->len[KIND_SLOT], &v);
	vault_destroy(v);
	return r;
}

static enum ll_result
open_slot(const struct house *h, const uint8_t *p, size_t len)
{
	struct vault *v;
	enum ll_result r;

	r = slot_open(&h->public, SLOT_PASSPHRASE, &h->slot, &h->a, h->pepper,
	    p, len, &v);
	vault_destroy(v);
	return r;
}

/* Opens as the house would. */
static enum ll_result
try_open(const struct house *h, enum kind kind, const uint8_t *p, size_t len)
{
	struct secret s = SECRET_NONE;
	struct seal_context ctx;
	enum ll_result r;

	switch (kind) {
	case KIND_BYTES:
		ctx = context(h, SEAL_DRAFT);
		r = seal_open_secret(h->key, &ctx, p, len, &s);
		break;
	case KIND_WRAP:
		ctx = context(h, SEAL_LINK);
		r = seal_unwrap_key(h->kek, &ctx, p, len, &s);
		break;
	case KIND_BOX:
		ctx = context(h, SEAL_HEADER);
		r = vault_box_open(h->vault, &ctx, p, len, &s);
		break;
	case KIND_SELF:
		r = vault_self_unwrap(h->vault, &h->message, p, len, &s);
		break;
	case KIND_HEADER:
		return open_header(h, p, len);
	case KIND_BODY:
		return open_stream(h, OBJECT_BODY, p, len);
	case KIND_ATTACHMENT:
		return open_stream(h, OBJECT_ATTACHMENT, p, len);
	case KIND_SLOT:
		return open_slot(h, p, len);
	default:
		return open_blob(h, p, len);
	}
	assert_true(r == LL_OK || s.data == NULL);
	secret_finish(&s);
	return r;
}

static int
refused(enum ll_result r)
{
	return r == LL_AUTH || r == LL_NEWER || r == LL_TOOBIG;
}

static void
untouched_they_open(void **state)
{
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		assert_ok(try_open(&first, kind, first.sealed[kind],
		    first.len[kind]));
		assert_ok(try_open(&second, kind, second.sealed[kind],
		    second.len[kind]));
	}
}

static void
ten_thousand_bit_flips_are_refused(void **state)
{
	uint8_t *p;
	size_t at;
	int i, kind, bit;

	(void)state;
	for (i = 0; i < FLIPS; i++) {
		kind = i % KIND_COUNT;
		p = first.sealed[kind];
		at = randombytes_uniform((uint32_t)first.len[kind]);
		bit = 1 << randombytes_uniform(8);
		p[at] = (uint8_t)(p[at] ^ bit);
		if (!refused(try_open(&first, kind, p, first.len[kind])))
			fail_msg("kind %d opens with bit %#x of byte %zu "
			    "changed", kind, bit, at);
		p[at] = (uint8_t)(p[at] ^ bit);
	}
}

static void
every_truncation_and_extension_is_refused(void **state)
{
	uint8_t *longer;
	size_t len, step;
	int kind;

	(void)state;
	for (kind = 0; kind < KIND_COUNT; kind++) {
		step = first.len[kind] > 10000 ? 997 : 1;
		for (len = 0; len < first.len[kind]; len += step)
			assert_true(refused(try_open(&first, kind,
			    first.sealed[kind], len)));
		longer = calloc(1, first.len[kind] + 70000);
		assert_non_null(longer);
		memcpy(longer, first.sealed[kind], first.len[kind]);
		assert_true(refused(try_open(&first, kind, longer,
		    first.len[kind] + 1)));
		assert_false(try_open(&first, kind, longer,
		    first.len[kind] + 70000) == LL_OK);
		free(longer);
	}
}

/* A whole sealed thing of another user and message. */
static void
swaps_between_houses_are_refused(void **state)
{
	int a, b;

	(void)state;
	for (a = 0; a < KIND_COUNT; a++) {
		for (b = 0; b < KIND_COUNT; b++)
			assert_true(refused(try_open(&first, a,
			    second.sealed[b], second.len[b])));
		for (b = 0; b < KIND_COUNT; b++)
			if (a != b)
				assert_true(refused(try_open(&first, a,
				    first.sealed[b], first.len[b])));
	}
}

/* The right key, but each part of the context another. */
static void
swaps_of_each_context_part_are_refused(void **state)
{
	struct house other;
	int part, kind;
	bool bound;

	(void)state;
	for (part = 0; part < 4; part++) {
		other = first;
		if (part == 0)
			other.user = other.public.user = second.user;
		if (part == 1)
			other.message = second.message;
		if (part == 2)
			other.generation = ++other.public.generation;
		if (part == 3)
			other.object = second.object;
		for (kind = 0; kind < KIND_COUNT; kind++) {
			bool stream = kind == KIND_BODY ||
			    kind == KIND_ATTACHMENT;
			bool header = kind == KIND_HEADER;
			bool vault = kind == KIND_SLOT || kind == KIND_BLOB;
			bool self = kind == KIND_SELF;

			bound = part == 0 ? !stream && !header && !self :
			    part == 1 ? !vault :
			    part == 2 ? !stream && !header && !self : stream;
			if (refused(try_open(&other, kind, other.sealed[kind],
			    other.len[kind])) != bound)
				fail_msg("part %d of kind %d", part, kind);
		}
	}
}

/* Chunks of one stream moved, doubled, or taken from another. */
static void
chunks_can_t_be_rearranged(void **state)
{
	static uint8_t plain[3 * SEAL_CHUNK];
	const size_t head = SEAL_STREAM_HEADER, chunk = SEAL_CHUNK_OUT;
	struct house *h = &first;
	uint8_t hash[HASH_BYTES], *a, *b, *made;
	size_t len, len_b;

	(void)state;
	assert_ok(seal_object_buffer(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, plain, sizeof plain, &a, &len, hash));
	assert_ok(seal_object_buffer(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, plain, sizeof plain, &b, &len_b, hash));
	assert_int_equal(len, len_b);
	made = malloc(len + chunk);
	assert_non_null(made);
#define REFUSED(n) assert_result(open_stream(h, OBJECT_ATTACHMENT, made, n), \
	    LL_AUTH)
	memcpy(made, a, len);
	assert_ok(open_stream(h, OBJECT_ATTACHMENT, made, len));
	REFUSED(len - 17);
	REFUSED(head + chunk);
	REFUSED(head);
	memcpy(made + head, a + head + chunk, chunk);
	memcpy(made + head + chunk, a + head, chunk);
	REFUSED(len);
	memcpy(made, a, len);
	memcpy(made + head + chunk, a + head, chunk);
	REFUSED(len);
	memcpy(made, a, len);
	memcpy(made + head, b + head, chunk);
	REFUSED(len);
	memcpy(made, a, len);
	memcpy(made + len, a + head, chunk);
	REFUSED(len + chunk);
	memcpy(made, a, len);
	memmove(made + head, made + head + chunk, len - head - chunk);
	REFUSED(len - chunk);
#undef REFUSED
	free(a);
	free(b);
	free(made);
}

/* The same through descriptors, where a truncated file is the likely case. */
static void
truncated_files_are_refused(void **state)
{
	static uint8_t plain[2 * SEAL_CHUNK];
	uint8_t hash[HASH_BYTES], again[HASH_BYTES];
	uint64_t bytes, sealed;
	struct house *h = &first;
	off_t cuts[] = {
		0, 10, SEAL_STREAM_HEADER, SEAL_STREAM_HEADER + SEAL_CHUNK_OUT,
		SEAL_STREAM_HEADER + 2 * SEAL_CHUNK_OUT, -1
	};
	int in, out, back;
	size_t i;

	(void)state;
	in = memfd_create("in", 0);
	out = memfd_create("out", 0);
	back = memfd_create("back", 0);
	assert_true(in >= 0 && out >= 0 && back >= 0);
	assert_int_equal(write(in, plain, sizeof plain), sizeof plain);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	assert_result(seal_object_fd(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, in, out, sizeof plain - 1, &bytes, &sealed,
	    hash), LL_TOOBIG);
	assert_int_equal(lseek(in, 0, SEEK_SET) | lseek(out, 0, SEEK_SET), 0);
	assert_int_equal(ftruncate(out, 0), 0);
	assert_ok(seal_object_fd(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, in, out, sizeof plain, &bytes, &sealed, hash));
	assert_int_equal(bytes, sizeof plain);
	assert_int_equal(sealed, seal_object_bytes(sizeof plain));
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_ok(seal_object_open_fd(h->key, &h->message, &h->object,
	    OBJECT_ATTACHMENT, out, back, &bytes, again));
	assert_int_equal(bytes, sizeof plain);
	assert_memory_equal(hash, again, HASH_BYTES);
	cuts[5] = (off_t)sealed - 1;
	for (i = sizeof cuts / sizeof *cuts; i-- > 0;) {
		if (i < 5 && cuts[i] > cuts[5])
			continue;
		assert_int_equal(ftruncate(out, cuts[i]), 0);
		assert_int_equal(lseek(out, 0, SEEK_SET), 0);
		assert_result(seal_object_open_fd(h->key, &h->message,
		    &h->object, OBJECT_ATTACHMENT, out, back, &bytes, again),
		    LL_AUTH);
		assert_int_equal(bytes, 0);
	}
	close(in);
	close(out);
	close(back);
}

/* Keys that differ in one bit open nothing. */
static void
neighbouring_keys_open_nothing(void **state)
{
	int bit, kind;

	(void)state;
	for (bit = 0; bit < 256; bit++) {
		first.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		first.kek[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (kind = 0; kind < KIND_SLOT; kind++) {
			if (kind == KIND_BOX || kind == KIND_ATTACHMENT)
				continue;
			assert_result(try_open(&first, kind,
			    first.sealed[kind], first.len[kind]), LL_AUTH);
		}
		first.key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		first.kek[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static int
group_setup(void **state)
{
	(void)state;
	build(&first, 1);
	build(&second, 1);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	tear_down(&first);
	tear_down(&second);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(untouched_they_open),
		cmocka_unit_test(ten_thousand_bit_flips_are_refused),
		cmocka_unit_test(every_truncation_and_extension_is_refused),
		cmocka_unit_test(swaps_between_houses_are_refused),
		cmocka_unit_test(swaps_of_each_context_part_are_refused),
		cmocka_unit_test(chunks_can_t_be_rearranged),
		cmocka_unit_test(truncated_files_are_refused),
		cmocka_unit_test(neighbouring_keys_open_nothing),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
