#include "tests/unit/unit.h"

#include "keys/secret.h"
#include "store/draft.h"

static const struct id author = { "author 16 bytes" };

static void
fill(struct draft *d)
{
	struct draft_attachment a = { .name = NULL };
	char name[] = "report.pdf", type[] = "application/pdf";
	const char *why;

	assert_ok(draft_init(d));
	id_random(&d->thread);
	id_random(&d->reply_to);
	assert_ok(draft_add_to(d, "Ada@House.example", &why));
	assert_ok(draft_add_cc(d, "bob@house.example", &why));
	assert_ok(draft_set_subject(d, "Gr\303\274\303\237e"));
	assert_ok(draft_set_body(d, "one\ntwo\n"));
	d->cursor = 5;
	d->expires_days = 7;
	id_random(&a.object);
	a.name = name;
	a.type = type;
	a.plain_bytes = 1000;
	a.sealed_bytes = 1041;
	randombytes_buf(a.hash, sizeof a.hash);
	assert_ok(draft_add_attachment(d, &a));
	assert_ok(draft_add_attachment(d, &a));
}

/* A draft of the same id and key that has only been unsealed. */
static enum ll_result
reopen(const struct draft *d, uint64_t generation, const uint8_t *sealed,
    size_t len, struct draft *other)
{
	memset(other, 0, sizeof *other);
	other->id = d->id;
	assert_ok(secret_copy(&other->key, d->key.data, d->key.len));
	return draft_unseal(other, &author, generation, sealed, len);
}

static void
what_is_sealed_comes_back_whole(void **state)
{
	struct draft d, e;
	uint8_t *sealed;
	size_t len;

	(void)state;
	fill(&d);
	assert_ok(draft_seal(&d, &author, 3, &sealed, &len));
	assert_ok(reopen(&d, 3, sealed, len, &e));
	assert_true(id_equal(&d.thread, &e.thread));
	assert_true(id_equal(&d.reply_to, &e.reply_to));
	assert_int_equal(e.to_count, 1);
	assert_string_equal(e.to[0], "Ada@house.example");
	assert_int_equal(e.cc_count, 1);
	assert_string_equal(e.cc[0], "bob@house.example");
	assert_string_equal(e.subject, d.subject);
	assert_string_equal(e.body, d.body);
	assert_int_equal(e.cursor, 5);
	assert_int_equal(e.expires_days, 7);
	assert_int_equal(e.attachment_count, 2);
	assert_string_equal(e.attachments[0].name, "report.pdf");
	assert_string_equal(e.attachments[1].name, "report (2).pdf");
	assert_string_equal(e.attachments[1].type, "application/pdf");
	assert_int_equal(e.attachments[0].plain_bytes, 1000);
	assert_int_equal(e.attachments[0].sealed_bytes, 1041);
	assert_memory_equal(e.attachments[0].hash, d.attachments[0].hash,
	    HASH_BYTES);
	free(sealed);
	draft_finish(&d);
	draft_finish(&e);
}

static void
class_and_wanted_routes_are_kept(void **state)
{
	struct draft d, e;
	uint8_t *sealed;
	size_t len;

	(void)state;
	fill(&d);
	assert_int_equal(draft_wanted(&d, "bob@house.example"), ROUTE_NONE);
	d.class = CLASS_REGISTERED;
	assert_ok(draft_want(&d, "bob@house.example", ROUTE_TLS));
	assert_ok(draft_want(&d, "Ada@house.example", ROUTE_SMIME));
	assert_ok(draft_want(&d, "BOB@house.example", ROUTE_OPENPGP));
	assert_ok(draft_seal(&d, &author, 3, &sealed, &len));
	assert_ok(reopen(&d, 3, sealed, len, &e));
	assert_int_equal(e.class, CLASS_REGISTERED);
	assert_int_equal(e.via_count, 2);
	assert_int_equal(draft_wanted(&e, "bob@house.example"),
	    ROUTE_OPENPGP);
	assert_int_equal(draft_wanted(&e, "ada@house.example"), ROUTE_SMIME);
	assert_ok(draft_want(&e, "ada@house.example", ROUTE_NONE));
	assert_int_equal(draft_wanted(&e, "ada@house.example"), ROUTE_NONE);
	free(sealed);
	draft_finish(&d);
	memset(&d, 0, sizeof d);
	draft_take_wishes(&d, &e);
	assert_int_equal(d.class, CLASS_REGISTERED);
	assert_int_equal(draft_wanted(&d, "bob@house.example"),
	    ROUTE_OPENPGP);
	assert_int_equal(e.via_count, 0);
	draft_finish(&d);
	draft_finish(&e);
}

static void
every_flipped_bit_is_noticed(void **state)
{
	struct draft d, e;
	uint8_t *sealed;
	size_t len, i;

	(void)state;
	fill(&d);
	assert_ok(draft_seal(&d, &author, 3, &sealed, &len));
	for (i = 0; i < len; i++) {
		sealed[i] ^= (uint8_t)(1u << i % 8);
		assert_true(reopen(&d, 3, sealed, len, &e) != LL_OK);
		draft_finish(&e);
		sealed[i] ^= (uint8_t)(1u << i % 8);
	}
	assert_result(reopen(&d, 4, sealed, len, &e), LL_AUTH);
	draft_finish(&e);
	assert_true(reopen(&d, 3, sealed, len - 1, &e) != LL_OK);
	draft_finish(&e);
	d.id.b[0] ^= 1;
	assert_result(reopen(&d, 3, sealed, len, &e), LL_AUTH);
	draft_finish(&e);
	free(sealed);
	draft_finish(&d);
}

static void
recipients_are_checked_and_merged(void **state)
{
	static const char *const bad[] = { "", "ada", "@x.test", "a b@x.test",
	    "ada@", "ada@x..test", "ada@x.test\n", "<ada@x.test>",
	    "\"a b\"@x.test", "ada@x_y.test" };
	struct draft d;
	char text[40];
	const char *why;
	size_t i;

	(void)state;
	assert_ok(draft_init(&d));
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_result(draft_add_to(&d, bad[i], &why), LL_USAGE);
		assert_non_null(why);
	}
	assert_int_equal(d.to_count, 0);
	assert_ok(draft_add_to(&d, "ada@x.test", &why));
	assert_ok(draft_add_to(&d, "ADA@X.TEST", &why));
	assert_ok(draft_add_cc(&d, "ada@x.test", &why));
	assert_int_equal(d.to_count, 1);
	assert_int_equal(d.cc_count, 0);
	for (i = 1; i < DRAFT_RECIPIENTS_MAX; i++) {
		(void)snprintf(text, sizeof text, "u%zu@x.test", i);
		assert_ok(draft_add_to(&d, text, &why));
	}
	assert_result(draft_add_cc(&d, "one@more.test", &why), LL_TOOBIG);
	draft_finish(&d);
}

static void
ceilings_of_text_hold(void **state)
{
	char *big = malloc(DRAFT_BODY_MAX + 2);
	struct draft d, e;
	uint8_t *sealed;
	size_t len, i;
	char text[40];
	const char *why;

	(void)state;
	assert_non_null(big);
	assert_ok(draft_init(&d));
	memset(big, 'x', DRAFT_BODY_MAX + 1);
	big[DRAFT_BODY_MAX + 1] = '\0';
	assert_result(draft_set_body(&d, big), LL_TOOBIG);
	assert_result(draft_set_subject(&d, big), LL_TOOBIG);
	assert_result(draft_set_body(&d, "\xff"), LL_USAGE);
	assert_string_equal(d.body, "");
	big[DRAFT_BODY_MAX] = '\0';
	assert_ok(draft_set_body(&d, big));
	big[DRAFT_SUBJECT_MAX] = '\0';
	assert_ok(draft_set_subject(&d, big));
	/* the largest draft there is can be sealed and read again */
	for (i = 0; i < DRAFT_RECIPIENTS_MAX; i++) {
		(void)snprintf(text, sizeof text, "u%zu@x.test", i);
		assert_ok(draft_add_to(&d, text, &why));
	}
	assert_ok(draft_seal(&d, &author, 1, &sealed, &len));
	assert_ok(reopen(&d, 1, sealed, len, &e));
	assert_int_equal(strlen(e.body), DRAFT_BODY_MAX);
	assert_int_equal(e.to_count, DRAFT_RECIPIENTS_MAX);
	free(sealed);
	free(big);
	draft_finish(&d);
	draft_finish(&e);
}

static void
names_of_attachments_stay_apart(void **state)
{
	char name[DRAFT_NAME_MAX + 2], type[] = "text/plain";
	struct draft_attachment a = { .name = name, .type = type };
	struct draft d, e;
	uint8_t *sealed;
	size_t len, i, k;

	(void)state;
	assert_ok(draft_init(&d));
	memset(name, 'n', DRAFT_NAME_MAX + 1);
	name[DRAFT_NAME_MAX + 1] = '\0';
	assert_result(draft_add_attachment(&d, &a), LL_TOOBIG);
	name[DRAFT_NAME_MAX] = '\0';
	for (i = 0; i < DRAFT_ATTACHMENTS_MAX; i++)
		assert_ok(draft_add_attachment(&d, &a));
	assert_result(draft_add_attachment(&d, &a), LL_TOOBIG);
	for (i = 0; i < d.attachment_count; i++)
		for (k = 0; k < i; k++)
			assert_string_not_equal(d.attachments[i].name,
			    d.attachments[k].name);
	assert_ok(draft_seal(&d, &author, 1, &sealed, &len));
	assert_ok(reopen(&d, 1, sealed, len, &e));
	assert_string_equal(e.attachments[99].name, d.attachments[99].name);
	free(sealed);
	draft_finish(&d);
	draft_finish(&e);
}

static int
setup(void **state)
{
	(void)state;
	return secret_setup(65536) != LL_OK;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_comes_back_whole),
		cmocka_unit_test(class_and_wanted_routes_are_kept),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(recipients_are_checked_and_merged),
		cmocka_unit_test(ceilings_of_text_hold),
		cmocka_unit_test(names_of_attachments_stay_apart),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
