/* Enrolment against a real store: the dialogue's requests, what they refuse,
 * logging in afterwards, a reset with and without the recovery code. */
#include <stdio.h>
#include <time.h>

#include "keys/totp.h"
#include "server/enrol.h"
#include "tests/unit/storekit.h"
#include "tests/unit/unit.h"

static const char words[] = "violet lantern nine harbours";

static struct kit kit;

static int
begin(void **state)
{
	(void)state;
	kit_begin(&kit);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	kit_end(&kit);
	return 0;
}

/* USER_ADD or USER_RESET of ada; the ticket's hash. */
static void
ticket_for_ada(enum op op, uint8_t hash[HASH_BYTES])
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL);
	struct msg *m = kit_request(op);
	char ticket[TICKET_TEXT + 1];

	ticket_create(ticket);
	assert_ok(ticket_parse(ticket, hash));
	msg_put_text(m, F_USER, "ada");
	if (op == OP_USER_ADD) {
		msg_put_text(m, F_EMAIL, "ada@house.test");
		msg_put_u64(m, F_ROLE, ROLE_STAFF);
	}
	msg_put_bytes(m, F_TICKET_HASH, hash, HASH_BYTES);
	assert_ok(kit_ask(local, m, NULL));
	chan_destroy(local);
}

static struct chan *
session_of_ada(struct msg **reply_r)
{
	struct chan *c = kit_channel(&kit, PEER_SESSION);
	struct msg *m = kit_request(OP_AUTH_BEGIN);

	msg_put_text(m, F_USER, "ada");
	msg_put_text(m, F_SOURCE, "192.0.2.1");
	assert_ok(kit_ask(c, m, reply_r));
	return c;
}

static struct chan *
session_with_ticket(const uint8_t hash[HASH_BYTES])
{
	struct chan *c = session_of_ada(NULL);
	struct msg *m = kit_request(OP_AUTH_TICKET);

	msg_put_bytes(m, F_TICKET_HASH, hash, HASH_BYTES);
	assert_ok(kit_ask(c, m, NULL));
	return c;
}

/* One request of the dialogue; m is used up. */
static enum ll_result
say(struct enrol *e, struct msg *m, struct msg **reply_r)
{
	struct msg *reply;
	enum ll_result r;

	assert_ok(enrol_answer(e, m, &reply));
	msg_destroy(m);
	r = msg_result(reply);
	if (reply_r != NULL)
		*reply_r = reply;
	else
		msg_destroy(reply);
	return r;
}

static enum ll_result
say_code(struct enrol *e, enum op op, const char *code)
{
	struct msg *m = kit_request(op);

	msg_put_text(m, F_CODE, code);
	return say(e, m, NULL);
}

static enum ll_result
say_passphrase(struct enrol *e, const char *text)
{
	struct msg *m = kit_request(OP_ENROL_PASS);

	msg_put_bytes(m, F_PASSPHRASE, text, strlen(text));
	return say(e, m, NULL);
}

/* Asks for the seed, confirms it with the code of that time. */
static void
confirm_totp(struct enrol *e, uint8_t seed_r[TOTP_SEED_BYTES])
{
	struct msg *reply;
	const uint8_t *seed;
	char code[TOTP_DIGITS + 1];
	size_t len;

	assert_ok(say(e, kit_request(OP_ENROL_TOTP), &reply));
	seed = view_bytes(msg_view(reply), F_SECRET, &len);
	assert_int_equal(len, TOTP_SEED_BYTES);
	memcpy(seed_r, seed, len);
	assert_memory_equal(view_text(msg_view(reply), F_DETAIL),
	    "otpauth://totp/", 15);
	msg_destroy(reply);
	totp_code(seed_r, len, (uint64_t)time(NULL) / TOTP_STEP_SECS, code);
	assert_ok(say_code(e, OP_ENROL_CONFIRM, code));
}

/* The last step; recovery code and first backup code. */
static void
finish_dialogue(struct enrol *e, char recovery[RECOVERY_TEXT + 1],
    char backup[ENROL_BACKUP_TEXT])
{
	struct tlv_view row;
	struct msg *reply;
	size_t at = 0, codes = 0;

	assert_ok(say(e, kit_request(OP_ENROL_FINISH), &reply));
	assert_true(enrol_finished(e));
	snprintf(recovery, RECOVERY_TEXT + 1, "%s",
	    view_text(msg_view(reply), F_CODE));
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		if (codes++ == 0)
			snprintf(backup, ENROL_BACKUP_TEXT, "%s",
			    view_text(row, F_CODE));
	assert_int_equal(codes, BACKUP_CODES);
	msg_destroy(reply);
}

/* Logs in with passphrase and a backup code and opens the vault: what a login
 * must be able to do with what enrolment stored. */
static void
log_in(const char *backup, uint64_t generation,
    uint8_t seal_pk_r[crypto_box_PUBLICKEYBYTES])
{
	struct secret a;
	struct kdf_params p;
	struct vault_public pub;
	struct vault *v;
	struct tlv_view slot;
	struct msg *begun, *m, *done;
	uint8_t proof[HASH_BYTES], salt[KDF_SALT_BYTES];
	const uint8_t *b;
	struct chan *c = session_of_ada(&begun);
	struct id id, other;
	size_t len, at = 0;

	assert_true(view_id(msg_view(begun), F_SLOT_ID, &id));
	p.memory_mib = (uint32_t)view_u64(msg_view(begun), F_MEMORY_MIB);
	p.passes = (uint32_t)view_u64(msg_view(begun), F_PASSES);
	b = view_bytes(msg_view(begun), F_SALT, &len);
	assert_int_equal(len, sizeof(p.salt));
	memcpy(p.salt, b, len);
	b = view_bytes(msg_view(begun), F_BACKUP_SALT, &len);
	assert_int_equal(len, sizeof(salt));
	memcpy(salt, b, len);
	assert_ok(kdf_run(words, strlen(words), &p, &a));
	assert_ok(slot_proof(SLOT_PASSPHRASE, &a, proof));
	m = kit_request(OP_AUTH_PASSWORD);
	msg_put_id(m, F_SLOT_ID, &id);
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	assert_ok(kit_ask(c, m, NULL));
	assert_ok(enrol_backup_proof(backup, salt, proof));
	m = kit_request(OP_AUTH_BACKUP);
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	assert_ok(kit_ask(c, m, NULL));
	assert_ok(kit_ask(c, kit_request(OP_AUTH_DONE), &done));
	assert_true(view_id(msg_view(done), F_USER_ID, &pub.user));
	pub.generation = view_u64(msg_view(done), F_GENERATION);
	assert_int_equal(pub.generation, generation);
	memcpy(pub.seal_pk, view_hash(msg_view(done), F_SEAL_PK), 32);
	memcpy(pub.sign_pk, view_hash(msg_view(done), F_SIGN_PK), 32);
	b = view_bytes(msg_view(done), F_BLOB, &len);
	assert_int_equal(len, sizeof(pub.blob));
	memcpy(pub.blob, b, len);
	do
		assert_true(view_nest(msg_view(done), F_SLOT, &at, &slot));
	while (view_u64(slot, F_SLOT_KIND) != SLOT_PASSPHRASE);
	assert_true(view_id(slot, F_SLOT_ID, &other));
	assert_true(id_equal(&id, &other));
	b = view_bytes(slot, F_WRAP, &len);
	assert_ok(slot_open(&pub, SLOT_PASSPHRASE, &id, &a,
	    view_hash(msg_view(done), F_PEPPER), b, len, &v));
	memcpy(seal_pk_r, pub.seal_pk, sizeof(pub.seal_pk));
	vault_destroy(v);
	secret_finish(&a);
	msg_destroy(done);
	msg_destroy(begun);
	chan_destroy(c);
}

static void
test_dialogue(void **state)
{
	static const uint8_t key[] = { 0, 0, 0, 3, 'k', 'e', 'y' };
	char recovery[RECOVERY_TEXT + 1], backup[ENROL_BACKUP_TEXT];
	uint8_t hash[HASH_BYTES], seed[TOTP_SEED_BYTES], pk[32];
	struct tlv_view row;
	struct enrol *e;
	struct msg *reply, *request;
	struct chan *c;
	size_t at = 0;

	(void)state;
	ticket_for_ada(OP_USER_ADD, hash);
	c = session_with_ticket(hash);
	assert_ok(enrol_create(c, NULL, &e));
	assert_false(enrol_has_old(e));
	assert_ok(enrol_offer_key(e, key, sizeof(key)));
	assert_ok(enrol_offer_key(e, key, sizeof(key)));
	assert_ok(say(e, kit_request(OP_ENROL_STATE), &reply));
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_memory_equal(view_text(row, F_FINGERPRINT), "SHA256:", 7);
	assert_false(view_nest(msg_view(reply), F_ROW, &at, &row));
	msg_destroy(reply);

	/* nothing is committed before every step is done */
	assert_result(say(e, kit_request(OP_ENROL_FINISH), NULL),
	    LL_CONFLICT);
	assert_result(say_passphrase(e, "short"), LL_USAGE);
	assert_ok(say_passphrase(e, words));
	assert_result(say(e, kit_request(OP_ENROL_FINISH), NULL),
	    LL_CONFLICT);
	assert_result(say_code(e, OP_ENROL_CONFIRM, "000000"), LL_CONFLICT);
	confirm_totp(e, seed);
	assert_result(say_code(e, OP_ENROL_OLD, "0000-0000"), LL_USAGE);
	finish_dialogue(e, recovery, backup);
	/* only once */
	assert_result(say(e, kit_request(OP_ENROL_FINISH), NULL),
	    LL_CONFLICT);
	request = kit_request(OP_WHOAMI);
	assert_result(enrol_answer(e, request, &reply), LL_USAGE);
	msg_destroy(request);
	enrol_destroy(e);
	chan_destroy(c);
	log_in(backup, 1, pk);
}

static void
test_wrong_confirm(void **state)
{
	uint8_t hash[HASH_BYTES];
	struct enrol *e;
	struct chan *c;

	(void)state;
	ticket_for_ada(OP_USER_ADD, hash);
	c = session_with_ticket(hash);
	assert_ok(enrol_create(c, NULL, &e));
	assert_ok(say_passphrase(e, words));
	assert_ok(say(e, kit_request(OP_ENROL_TOTP), NULL));
	assert_result(say_code(e, OP_ENROL_CONFIRM, "12345"), LL_AUTH);
	assert_result(say(e, kit_request(OP_ENROL_FINISH), NULL),
	    LL_CONFLICT);
	enrol_destroy(e);
	chan_destroy(c);
}

/* A whole enrolment of ada, with or without the old recovery code. */
static void
enrol_ada(enum op op, const char *old, char recovery[RECOVERY_TEXT + 1],
    char backup[ENROL_BACKUP_TEXT])
{
	uint8_t hash[HASH_BYTES], seed[TOTP_SEED_BYTES];
	struct enrol *e;
	struct chan *c;

	ticket_for_ada(op, hash);
	c = session_with_ticket(hash);
	assert_ok(enrol_create(c, NULL, &e));
	assert_int_equal(enrol_has_old(e), op == OP_USER_RESET);
	assert_ok(say_passphrase(e, words));
	confirm_totp(e, seed);
	if (old != NULL) {
		/* the decision about the old mailbox is asked for */
		assert_result(say(e, kit_request(OP_ENROL_FINISH), NULL),
		    LL_CONFLICT);
		assert_ok(say_code(e, OP_ENROL_OLD, old));
	}
	finish_dialogue(e, recovery, backup);
	enrol_destroy(e);
	chan_destroy(c);
}

static void
test_reset(void **state)
{
	char recovery[RECOVERY_TEXT + 1], next[RECOVERY_TEXT + 1];
	char wrong[RECOVERY_TEXT + 1], backup[ENROL_BACKUP_TEXT];
	uint8_t first[32], second[32], third[32], hash[HASH_BYTES];
	struct secret a;
	struct enrol *e;
	struct chan *c;

	(void)state;
	enrol_ada(OP_USER_ADD, NULL, recovery, backup);
	log_in(backup, 1, first);

	/* somebody else's recovery code opens nothing */
	ticket_for_ada(OP_USER_RESET, hash);
	c = session_with_ticket(hash);
	assert_ok(enrol_create(c, NULL, &e));
	assert_ok(recovery_create(wrong, &a));
	secret_finish(&a);
	assert_result(say_code(e, OP_ENROL_OLD, wrong), LL_AUTH);
	enrol_destroy(e);
	chan_destroy(c);

	/* with it, the same keys under new factors */
	enrol_ada(OP_USER_RESET, recovery, next, backup);
	assert_string_not_equal(recovery, next);
	log_in(backup, 1, second);
	assert_memory_equal(first, second, 32);

	/* without it, a new generation */
	enrol_ada(OP_USER_RESET, "", recovery, backup);
	log_in(backup, 2, third);
	assert_memory_not_equal(first, third, 32);
}

static void
test_local(void **state)
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL);
	struct enrol_codes codes;
	uint8_t hash[HASH_BYTES], pk[32];
	struct secret seed;
	struct enrol *e;
	const char *why;

	(void)state;
	ticket_for_ada(OP_USER_ADD, hash);
	assert_result(enrol_create(local, "nobody", &e), LL_NOTFOUND);
	assert_ok(enrol_create(local, "ada", &e));
	assert_ok(enrol_passphrase(e, words, strlen(words), &why));
	assert_ok(secret_random(&seed, 20));
	assert_ok(enrol_totp(e, &seed));
	secret_finish(&seed);
	assert_ok(enrol_finish(e, &codes));
	enrol_destroy(e);
	chan_destroy(local);
	log_in(codes.backup[9], 1, pk);
}

static void
test_backup_code(void **state)
{
	static const uint8_t salt[KDF_SALT_BYTES] = { 7 };
	static const char *const bad[] = {
		"", "ABCDE-FGHJ", "ABCDE-FGHJKM", "ABCDE-FGHJU", "ABCDE_FGHJK"
	};
	uint8_t one[HASH_BYTES], two[HASH_BYTES];
	size_t i;

	(void)state;
	assert_ok(enrol_backup_proof("ABCD0-FGH1K", salt, one));
	assert_ok(enrol_backup_proof(" abcdo fghlk ", salt, two));
	assert_memory_equal(one, two, sizeof(one));
	assert_ok(enrol_backup_proof("ABCD0-FGH1J", salt, two));
	assert_memory_not_equal(one, two, sizeof(one));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_result(enrol_backup_proof(bad[i], salt, one),
		    LL_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dialogue, begin, finish),
		cmocka_unit_test_setup_teardown(test_wrong_confirm, begin,
		    finish),
		cmocka_unit_test_setup_teardown(test_reset, begin, finish),
		cmocka_unit_test_setup_teardown(test_local, begin, finish),
		cmocka_unit_test(test_backup_code),
	};

	return secret_setup(65536) != LL_OK ? 1 :
	    cmocka_run_group_tests(tests, NULL, NULL);
}
