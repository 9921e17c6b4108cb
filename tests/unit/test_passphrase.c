/*
 * test_passphrase.c - what is refused, and that ordinary good ones are not.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "keys/vault.h"

static void
common_ones_are_refused(void **state)
{
	static const char *const rows[] = {
		"correct horse battery staple", "CorrectHorseBatteryStaple",
		"correct-horse-battery-staple-1", "passwordpassword",
		"Password12345678", "P@ssw0rdP@ssw0rd",
		"password password password", "p4ssw0rd!p4ssw0rd!",
		"letmeinletmein!", "Password123456789",
		"123456789012345", "1234567890123456", "0987654321098765",
		"qwertyuiopasdfgh", "QWERTYUIOPASDFGHJKL", "qwertzuiopasdfgh",
		"azertyuiopqsdfghj", "1qaz2wsx3edc4rfv", "1q2w3e4r5t6y7u8i",
		"qazwsxedcrfvtgbyhn", "abcdefghijklmnop", "zyxwvutsrqponmlk",
		"aaaaaaaaaaaaaaaaa", "ababababababababab", "abc123abc123abc123",
		"iloveyouiloveyou", "I love you my princess",
		"Welcome2024Welcome2024", "Summer2024!Summer2024!",
		"to be or not to be", "May the Force be with you!",
		"the quick brown fox", "this is my password",
		"monkeydragonmaster", "admin administrator root",
		"111111111111111", "               ", "...............",
		"Test test testing 123",
	};
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (passphrase_check(rows[i], strlen(rows[i]), &why) !=
		    LL_USAGE)
			fail_msg("\"%s\" is taken", rows[i]);
		assert_non_null(why);
	}
}

static void
ordinary_good_ones_are_taken(void **state)
{
	static const char *const rows[] = {
		"violet lantern nine harbours", "The password is swordfish 9!",
		"830174659201837", "kT9#vQ2$mX7&pL4", "x!9@#%^&*()_+=-{}", "a83017465920183",
		"Gr\xc3\xbc\xc3\x9f" "e aus dem Schwarzwald",
		"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 mir 7",
		"my dog eats seven shoes", "summer rain on tin roofs",
		"JackAndJillPaintedFences", "love is a burning thing",
	};
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (passphrase_check(rows[i], strlen(rows[i]), &why) != LL_OK)
			fail_msg("\"%s\": %s", rows[i], why);
		assert_null(why);
	}
}

static void
length_and_encoding(void **state)
{
	char text[KDF_INPUT_MAX + 1];
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof text; i++)
		text[i] = "kT9vQ2mX7pL4zR8wB5nC"[randombytes_uniform(20)];
	assert_result(passphrase_check(text, PASSPHRASE_MIN - 1, &why),
	    LL_USAGE);
	assert_ok(passphrase_check(text, PASSPHRASE_MIN, &why));
	assert_ok(passphrase_check(text, KDF_INPUT_MAX, &why));
	assert_result(passphrase_check(text, KDF_INPUT_MAX + 1, &why),
	    LL_USAGE);
	assert_result(passphrase_check("", 0, &why), LL_USAGE);
	text[7] = (char)0xff;
	assert_result(passphrase_check(text, 20, &why), LL_USAGE);
	text[7] = 0;
	assert_result(passphrase_check(text, 20, &why), LL_USAGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_ones_are_refused),
		cmocka_unit_test(ordinary_good_ones_are_taken),
		cmocka_unit_test(length_and_encoding),
	};

	if (secret_setup(0) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
