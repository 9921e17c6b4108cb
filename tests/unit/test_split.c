#include "tests/unit/unit.h"

#include "tui/split.h"

struct row {
	const char *text;
	const char *want;        /* words, each in brackets; 'q' for quoted */
};

static const struct row rows[] = {
	{ "", "" },
	{ "  \t\n ", "" },
	{ "send --to ada@house.example", "[send][--to][ada@house.example]" },
	{ "a  b\tc\nd", "[a][b][c][d]" },
	{ "'two words' x", "[two words]q[x]" },
	{ "\"two words\" x", "[two words]q[x]" },
	{ "a'b c'd", "[ab cd]q" },
	{ "''", "[]q" },
	{ "\"\" ''", "[]q[]q" },
	{ "a\\ b", "[a b]q" },
	{ "\\--to", "[--to]q" },
	{ "'it'\\''s'", "[it's]q" },
	{ "\"a\\\"b\"", "[a\"b]q" },
	{ "\"a\\nb\"", "[a\\nb]q" },
	{ "'a\\b'", "[a\\b]q" },
	{ "\"$HOME `id` *\"", "[$HOME `id` *]q" },
	{ "$HOME * ~ `id` {a,b} a;b|c&d<e>f",
	    "[$HOME][*][~][`id`][{a,b}][a;b|c&d<e>f]" },
	{ "a\\\nb", "[ab]q" },
	{ "# no comment", "[#][no][comment]" },
	{ "gr\303\274n", "[gr\303\274n]" },
};

static void
words_are_split_as_a_shell_quotes(void **state)
{
	char got[400];
	struct split w;
	const char *why;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_ok(split_command(rows[i].text, &w, &why));
		got[0] = '\0';
		for (k = 0; k < w.count; k++) {
			size_t at = strlen(got);

			(void)snprintf(got + at, sizeof got - at, "[%s]%s",
			    w.w[k].text, w.w[k].quoted ? "q" : "");
		}
		assert_string_equal(got, rows[i].want);
		split_finish(&w);
	}
}

static void
what_is_no_command_is_refused(void **state)
{
	static const char *const bad[] = {
		"'open", "\"open", "a 'b", "a\\", "\"a\\\"", "\xff\xfe",
		"a \xc3",
	};
	struct split w;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_result(split_command(bad[i], &w, &why), LL_USAGE);
		assert_non_null(why);
		assert_int_equal(w.count, 0);
		split_finish(&w);
	}
}

static void
ceilings_hold(void **state)
{
	char *text = malloc(SPLIT_TEXT_MAX + 2);
	struct split w;
	const char *why;
	size_t i;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', SPLIT_TEXT_MAX + 1);
	text[SPLIT_TEXT_MAX + 1] = '\0';
	assert_result(split_command(text, &w, &why), LL_TOOBIG);
	text[SPLIT_TEXT_MAX] = '\0';
	assert_ok(split_command(text, &w, &why));
	assert_int_equal(w.count, 1);
	split_finish(&w);
	for (i = 0; i < 2 * SPLIT_MAX + 2; i += 2)
		memcpy(text + i, "a ", 2);
	text[2 * SPLIT_MAX] = '\0';
	assert_ok(split_command(text, &w, &why));
	assert_int_equal(w.count, SPLIT_MAX);
	split_finish(&w);
	text[2 * SPLIT_MAX] = 'a';
	text[2 * SPLIT_MAX + 1] = '\0';
	assert_result(split_command(text, &w, &why), LL_TOOBIG);
	free(text);
}

static void
joined_by_one_blank(void **state)
{
	struct split w;
	const char *why;
	char *text;

	(void)state;
	assert_ok(split_command("--subject  Two   'big  words' end", &w,
	    &why));
	assert_ok(split_join(&w, 1, 3, &text));
	assert_string_equal(text, "Two big  words end");
	free(text);
	assert_ok(split_join(&w, 0, 0, &text));
	assert_string_equal(text, "");
	free(text);
	split_finish(&w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_as_a_shell_quotes),
		cmocka_unit_test(what_is_no_command_is_refused),
		cmocka_unit_test(ceilings_hold),
		cmocka_unit_test(joined_by_one_blank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
