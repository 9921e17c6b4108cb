/*
 * test_vault.c - key pairs, slots, recovery codes and tickets.
 */
#include "tests/unit/unit.h"

#include "keys/vault.h"

#define A_BYTES 32

struct fixture {
	struct id user, slot;
	struct vault *vault;
	struct vault_public public;
	struct secret a;
	uint8_t pepper[KEY_BYTES];
	uint8_t wrap[SEAL_WRAP_BYTES];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	id_random(&f->user);
	id_random(&f->slot);
	randombytes_buf(f->pepper, sizeof f->pepper);
	assert_ok(secret_random(&f->a, A_BYTES));
	assert_ok(vault_create(&f->user, 1, &f->vault, &f->public));
	assert_ok(slot_seal(f->vault, SLOT_PASSPHRASE, &f->slot, &f->a,
	    f->pepper, f->wrap));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	vault_destroy(f->vault);
	secret_finish(&f->a);
	free(f);
	return 0;
}

static enum ll_result
try_open(const struct fixture *f, const struct vault_public *public,
    enum slot_kind kind, const struct id *slot)
{
	struct vault *v = NULL;
	enum ll_result r;

	r = slot_open(public, kind, slot, &f->a, f->pepper, f->wrap,
	    sizeof f->wrap, &v);
	assert_true((r == LL_OK) == (v != NULL));
	vault_destroy(v);
	return r;
}

static void
slot_gives_back_the_same_vault(void **state)
{
	struct fixture *f = *state;
	uint8_t manifest[HASH_BYTES] = { 7 }, sig[2][ENVELOPE_SIGNATURE];
	uint8_t key[KEY_BYTES], wrap[SEAL_WRAP_BYTES];
	struct seal_context ctx = { SEAL_CODE, f->user, f->slot, 1 };
	struct secret got = SECRET_NONE;
	struct vault *v;
	uint8_t *box;
	size_t len;

	assert_ok(slot_open(&f->public, SLOT_PASSPHRASE, &f->slot, &f->a,
	    f->pepper, f->wrap, sizeof f->wrap, &v));
	assert_memory_equal(vault_public(v)->seal_pk, f->public.seal_pk, 32);
	assert_ok(vault_sign_manifest(f->vault, manifest, sig[0]));
	assert_ok(vault_sign_manifest(v, manifest, sig[1]));
	assert_memory_equal(sig[0], sig[1], ENVELOPE_SIGNATURE);

	randombytes_buf(key, sizeof key);
	assert_ok(vault_self_wrap(f->vault, &f->slot, key, wrap));
	assert_ok(vault_self_unwrap(v, &f->slot, wrap, sizeof wrap, &got));
	assert_memory_equal(got.data, key, sizeof key);
	secret_finish(&got);
	assert_result(vault_self_unwrap(v, &f->user, wrap, sizeof wrap, &got),
	    LL_AUTH);

	assert_ok(seal_box(f->public.seal_pk, &ctx, "words", 5, &box, &len));
	assert_ok(vault_box_open(v, &ctx, box, len, &got));
	assert_int_equal(got.len, 5);
	assert_memory_equal(got.data, "words", 5);
	secret_finish(&got);
	ctx.type = SEAL_PAIR;
	assert_result(vault_box_open(v, &ctx, box, len, &got), LL_AUTH);
	free(box);
	vault_destroy(v);
}

static void
mail_key_opens_under_its_own_id_only(void **state)
{
	struct fixture *f = *state;
	struct secret got = SECRET_NONE;
	uint8_t *sealed, large[1] = { 0 };
	size_t len;

	assert_ok(vault_seal_blob(f->vault, &f->slot, "secret key", 10,
	    &sealed, &len));
	assert_int_equal(len, 10 + SEAL_OVERHEAD);
	assert_ok(vault_open_blob(f->vault, &f->slot, sealed, len, &got));
	assert_int_equal(got.len, 10);
	assert_memory_equal(got.data, "secret key", 10);
	secret_finish(&got);
	assert_result(vault_open_blob(f->vault, &f->user, sealed, len, &got),
	    LL_AUTH);
	sealed[len - 1] ^= 1;
	assert_result(vault_open_blob(f->vault, &f->slot, sealed, len, &got),
	    LL_AUTH);
	free(sealed);
	assert_result(vault_seal_blob(f->vault, &f->slot, large, 65537,
	    &sealed, &len), LL_TOOBIG);
}

static void
everything_is_bound_into_a_slot(void **state)
{
	struct fixture *f = *state;
	struct vault_public other = f->public;
	struct id slot = f->slot;

	assert_ok(try_open(f, &f->public, SLOT_PASSPHRASE, &f->slot));
	assert_result(try_open(f, &f->public, SLOT_RECOVERY, &f->slot),
	    LL_AUTH);
	slot.b[3] ^= 1;
	assert_result(try_open(f, &f->public, SLOT_PASSPHRASE, &slot), LL_AUTH);
	other.generation++;
	assert_result(try_open(f, &other, SLOT_PASSPHRASE, &f->slot), LL_AUTH);
	other = f->public;
	other.user.b[15] ^= 0x80;
	assert_result(try_open(f, &other, SLOT_PASSPHRASE, &f->slot), LL_AUTH);
	f->pepper[0] ^= 1;
	assert_result(try_open(f, &f->public, SLOT_PASSPHRASE, &f->slot),
	    LL_AUTH);
	f->pepper[0] ^= 1;
	f->a.data[31] ^= 1;
	assert_result(try_open(f, &f->public, SLOT_PASSPHRASE, &f->slot),
	    LL_AUTH);
	f->a.data[31] ^= 1;
	assert_result(slot_seal(f->vault, 3, &f->slot, &f->a, f->pepper,
	    f->wrap), LL_USAGE);
}

/* Public keys that a store might put under someone's blob. */
static void
foreign_public_keys_are_refused(void **state)
{
	struct fixture *f = *state;
	struct vault_public other, mixed = f->public;
	struct vault *v;

	assert_ok(vault_create(&f->user, 1, &v, &other));
	vault_destroy(v);
	memcpy(mixed.seal_pk, other.seal_pk, sizeof mixed.seal_pk);
	assert_result(try_open(f, &mixed, SLOT_PASSPHRASE, &f->slot), LL_AUTH);
	mixed = f->public;
	memcpy(mixed.sign_pk, other.sign_pk, sizeof mixed.sign_pk);
	assert_result(try_open(f, &mixed, SLOT_PASSPHRASE, &f->slot), LL_AUTH);
	mixed = f->public;
	memcpy(mixed.blob, other.blob, sizeof mixed.blob);
	assert_result(try_open(f, &mixed, SLOT_PASSPHRASE, &f->slot), LL_AUTH);
}

static void
proof_tells_nothing_of_the_key(void **state)
{
	struct fixture *f = *state;
	uint8_t proof[HASH_BYTES], rc[HASH_BYTES], again[HASH_BYTES];

	assert_ok(slot_proof(SLOT_PASSPHRASE, &f->a, proof));
	assert_ok(slot_proof(SLOT_PASSPHRASE, &f->a, again));
	assert_ok(slot_proof(SLOT_RECOVERY, &f->a, rc));
	assert_memory_equal(proof, again, HASH_BYTES);
	assert_memory_not_equal(proof, rc, HASH_BYTES);
	assert_memory_not_equal(proof, f->a.data, HASH_BYTES);
}

static void
recovery_code_opens(void **state)
{
	struct fixture *f = *state;
	char text[RECOVERY_TEXT + 1], typed[2 * RECOVERY_TEXT + 2];
	struct secret a, b;
	struct vault *v;
	size_t i, n = 0;

	assert_ok(recovery_create(text, &a));
	assert_int_equal(strlen(text), RECOVERY_TEXT);
	assert_ok(slot_seal(f->vault, SLOT_RECOVERY, &f->slot, &a, f->pepper,
	    f->wrap));
	/* as someone might copy it from paper */
	for (i = 0; text[i] != 0; i++) {
		if (text[i] == '-')
			typed[n++] = ' ';
		else if (text[i] == '1')
			typed[n++] = 'l';
		else if (text[i] == '0')
			typed[n++] = 'o';
		else
			typed[n++] = (char)(text[i] >= 'A' ? text[i] + 32 :
			    text[i]);
	}
	typed[n] = 0;
	assert_ok(recovery_parse(typed, &b));
	assert_ok(slot_open(&f->public, SLOT_RECOVERY, &f->slot, &b, f->pepper,
	    f->wrap, sizeof f->wrap, &v));
	vault_destroy(v);
	secret_finish(&a);
	secret_finish(&b);
	typed[n - 1] = 0;
	assert_result(recovery_parse(typed, &b), LL_USAGE);
	assert_null(b.data);
	assert_result(recovery_parse("", &b), LL_USAGE);
	text[0] = 'U';
	assert_result(recovery_parse(text, &b), LL_USAGE);
}

static void
ticket_has_form_and_check(void **state)
{
	static const uint8_t zero[HASH_BYTES];
	uint8_t hash[HASH_BYTES], again[HASH_BYTES];
	char text[TICKET_TEXT + 1], typed[TICKET_TEXT + 1];
	size_t i;

	(void)state;
	ticket_create(text);
	assert_int_equal(strlen(text), TICKET_TEXT);
	for (i = 4; i < TICKET_TEXT; i += 5)
		assert_int_equal(text[i], '-');
	assert_ok(ticket_parse(text, hash));
	for (i = 0; i <= TICKET_TEXT; i++)
		typed[i] = (char)(text[i] >= 'A' ? text[i] + 32 : text[i]);
	assert_ok(ticket_parse(typed, again));
	assert_memory_equal(hash, again, HASH_BYTES);
	text[7] = text[7] == '7' ? '8' : '7';
	assert_result(ticket_parse(text, hash), LL_AUTH);
	assert_memory_equal(hash, zero, HASH_BYTES);
	assert_result(ticket_parse("AAAA", hash), LL_USAGE);
}

int
main(void)
{
#define VAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		VAULT_TEST(slot_gives_back_the_same_vault),
		VAULT_TEST(everything_is_bound_into_a_slot),
		VAULT_TEST(foreign_public_keys_are_refused),
		VAULT_TEST(proof_tells_nothing_of_the_key),
		VAULT_TEST(recovery_code_opens),
		VAULT_TEST(mail_key_opens_under_its_own_id_only),
		cmocka_unit_test(ticket_has_form_and_check),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
