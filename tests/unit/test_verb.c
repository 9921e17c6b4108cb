#include "tests/unit/unit.h"

#include "tui/verb.h"

/* Parses a command of its verb; the caller finishes both. */
static enum ll_result
parse(const char *text, struct verb_call *call, struct split *w)
{
	const char *why;
	enum ll_result r;

	memset(call, 0, sizeof *call);
	assert_ok(split_command(text, w, &why));
	r = verb_find(w->w[0].text, ROLE_STAFF, VERB_EXEC, &call->verb);
	return r ? r : verb_parse(call, w, 1);
}

static void
names_are_unique_and_explained(void **state)
{
	const struct verb *v;
	size_t i, k, count;

	(void)state;
	v = verb_table(&count);
	for (i = 0; i < count; i++) {
		assert_true(*v[i].name && *v[i].help && v[i].roles);
		assert_true(v[i].run || v[i].line);
		if (v[i].flags & VERB_EXEC)
			assert_non_null(v[i].run);
		for (k = 0; k < i; k++)
			assert_string_not_equal(v[i].name, v[k].name);
	}
}

static void
the_contracts_verbs_are_there(void **state)
{
	static const char *const staff[] = { "help", "whoami", "list", "show",
	    "send", "status", "withdraw", "reissue", "plan" };
	static const char *const admin[] = { "user", "server-status", "queue",
	    "log", "help", "whoami" };
	const struct verb *v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof staff / sizeof *staff; i++)
		assert_ok(verb_find(staff[i], ROLE_STAFF, VERB_EXEC, &v));
	for (i = 0; i < sizeof admin / sizeof *admin; i++)
		assert_ok(verb_find(admin[i], ROLE_ADMIN, VERB_EXEC, &v));
	/* An admin has no way to a message, staff none to accounts. */
	for (i = 2; i < sizeof staff / sizeof *staff; i++)
		assert_result(verb_find(staff[i], ROLE_ADMIN, VERB_EXEC, &v),
		    LL_DENIED);
	for (i = 0; i < 4; i++)
		assert_result(verb_find(admin[i], ROLE_STAFF, VERB_EXEC, &v),
		    LL_DENIED);
	assert_result(verb_find("", ROLE_STAFF, VERB_EXEC, &v), LL_USAGE);
	assert_result(verb_find("sho", ROLE_STAFF, VERB_EXEC, &v), LL_USAGE);
	assert_ok(verb_find("arch", ROLE_STAFF, VERB_LINE, &v));
	assert_string_equal(v->name, "archive");
	/* "re": read, reply, reissue, restore */
	assert_result(verb_find("re", ROLE_STAFF, VERB_LINE, &v), LL_USAGE);
}

static void
an_options_value_runs_to_the_next_option(void **state)
{
	struct verb_call c;
	struct split w;

	(void)state;
	assert_ok(parse("send --to ada@x.test bob@x.test,eve@x.test "
	    "--subject Two  words '--here' --to carol@x.test --json", &c,
	    &w));
	assert_int_equal(c.option_count, 4);
	assert_string_equal(c.options[0].value,
	    "ada@x.test bob@x.test,eve@x.test");
	assert_string_equal(verb_option(&c, "subject"), "Two words --here");
	assert_string_equal(c.options[2].value, "carol@x.test");
	assert_true(c.json);
	assert_int_equal(c.word_count, 0);
	verb_call_finish(&c);
	split_finish(&w);

	assert_ok(parse("show --json 7F3K", &c, &w));
	assert_true(c.json);
	assert_int_equal(c.word_count, 1);
	assert_string_equal(c.words[0], "7F3K");
	verb_call_finish(&c);
	split_finish(&w);

	assert_ok(parse("send --subject=a=b --to=ada@x.test", &c, &w));
	assert_string_equal(verb_option(&c, "subject"), "a=b");
	verb_call_finish(&c);
	split_finish(&w);
}

static void
wrong_options_are_named(void **state)
{
	static const char *const bad[][2] = {
		{ "list --colour red", "list has no option --colour" },
		{ "send --subject", "--subject needs a value" },
		{ "send --subject --to a@b.test", "--subject needs a value" },
		{ "send --subject a --subject b",
		    "--subject is given twice" },
		{ "show X --json=1", "--json takes no value" },
		{ "list -- x", "list has no option --" },
		{ "list --\033[31m", "list has no option --<U+001B>[31m" },
		{ "show 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
		    "too many words" },
	};
	struct verb_call c;
	struct split w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_result(parse(bad[i][0], &c, &w), LL_USAGE);
		assert_string_equal(c.why, bad[i][1]);
		verb_call_finish(&c);
		split_finish(&w);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique_and_explained),
		cmocka_unit_test(the_contracts_verbs_are_there),
		cmocka_unit_test(an_options_value_runs_to_the_next_option),
		cmocka_unit_test(wrong_options_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
