/*
 * test_result.c - every result has words and an exit code of the contract.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "keys/result.h"

static void
each_has_words_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < LL_RESULT_COUNT; a++) {
		assert_true(strlen(ll_result_text(a)) > 3);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(ll_result_text(a),
			    ll_result_text(b));
	}
	assert_string_equal(ll_result_text(LL_RESULT_COUNT),
	    "unknown result");
}

static void
exit_codes_are_the_contract_s(void **state)
{
	static const struct {
		enum ll_result result;
		int code;
	} rows[] = {
		{ LL_OK, 0 }, { LL_DENIED, 1 }, { LL_LOCKED, 1 },
		{ LL_USAGE, 2 }, { LL_NOTFOUND, 3 }, { LL_BUSY, 75 },
		{ LL_RATE, 75 }, { LL_FULL, 75 }, { LL_RESULT_COUNT, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ll_result_exit(rows[i].result),
		    rows[i].code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_words_of_its_own),
		cmocka_unit_test(exit_codes_are_the_contract_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
