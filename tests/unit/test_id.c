/*
 * test_id.c - identifiers and Crockford's base32.
 */
#include "tests/unit/unit.h"

#include "keys/id.h"

static void
symbols_and_look_alikes(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 32; i++) {
		assert_int_equal(crockford_value(crockford_symbols[i]), i);
		assert_int_equal(crockford_symbol((unsigned)i),
		    crockford_symbols[i]);
	}
	for (i = -128; i < 128; i++)
		if (strchr("0123456789ABCDEFGHIJKLMNOPQRSTVWXYZ"
		    "abcdefghijklmnopqrstvwxyz", i) == NULL || i == 0)
			assert_int_equal(crockford_value((char)i), -1);
	assert_int_equal(crockford_value('o'), 0);
	assert_int_equal(crockford_value('O'), 0);
	assert_int_equal(crockford_value('i'), 1);
	assert_int_equal(crockford_value('L'), 1);
	assert_int_equal(crockford_value('z'), 31);
	assert_int_equal(crockford_value('u'), -1);
	assert_int_equal(crockford_value('U'), -1);
	assert_int_equal(crockford_value('-'), -1);
	assert_int_equal(crockford_value(0), -1);
	assert_int_equal(crockford_value((char)0xe9), -1);
}

static void
ids_in_text(void **state)
{
	static const struct { const char *text; uint8_t bytes[ID_BYTES]; } rows[]
	= {
		{ "00000000000000000000000000", { 0 } },
		{ "00000000000000000000000001", { [15] = 1 } },
		{ "0000000000000000000000000Z", { [15] = 31 } },
		{ "00000000000000000000000010", { [15] = 32 } },
		{ "40000000000000000000000000", { 0x80 } },
		{ "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", {
		  255, 255, 255, 255, 255, 255, 255, 255,
		  255, 255, 255, 255, 255, 255, 255, 255 } },
	};
	char text[ID_TEXT + 1];
	struct id id, back;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		memcpy(id.b, rows[i].bytes, ID_BYTES);
		id_text(&id, text);
		assert_string_equal(text, rows[i].text);
		assert_ok(id_parse(rows[i].text, &back));
		assert_true(id_equal(&id, &back));
	}
	for (i = 0; i < 10000; i++) {
		id_random(&id);
		id_text(&id, text);
		assert_int_equal(strlen(text), ID_TEXT);
		assert_ok(id_parse(text, &back));
		assert_true(id_equal(&id, &back));
		back.b[i % 16] ^= 1;
		assert_false(id_equal(&id, &back));
	}
}

static void
other_text_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "0000000000000000000000000", "000000000000000000000000000",
		"80000000000000000000000000", "Z0000000000000000000000000",
		"0000000000000000000000000U", "0000-00000000000000000000",
		" 0000000000000000000000000",
	};
	struct id id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_result(id_parse(rows[i], &id), LL_USAGE);
	assert_ok(id_parse("oooooooooooooooooooooooool", &id));
	assert_int_equal(id.b[15], 1);
}

static void
prefixes_are_ranges(void **state)
{
	struct id id, low, high;
	char text[ID_TEXT + 1], cut[ID_TEXT + 1];
	size_t len, i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		id_random(&id);
		id_text(&id, text);
		for (len = 4; len <= ID_TEXT; len++) {
			memcpy(cut, text, len);
			cut[len] = 0;
			assert_ok(id_prefix(cut, &low, &high));
			assert_true(memcmp(low.b, id.b, ID_BYTES) <= 0);
			assert_true(memcmp(high.b, id.b, ID_BYTES) >= 0);
		}
		assert_true(id_equal(&low, &high));
	}
	assert_ok(id_prefix("0001", &low, &high));
	id_text(&low, text);
	assert_string_equal(text, "00010000000000000000000000");
	id_text(&high, text);
	assert_string_equal(text, "0001ZZZZZZZZZZZZZZZZZZZZZZ");
	assert_result(id_prefix("000", &low, &high), LL_USAGE);
	assert_result(id_prefix("8000", &low, &high), LL_USAGE);
	assert_result(id_prefix("00U0", &low, &high), LL_USAGE);
	assert_result(id_prefix("000000000000000000000000000", &low, &high),
	    LL_USAGE);
}

static void
every_length_survives(void **state)
{
	uint8_t b[40], back[40];
	char text[65];
	size_t len, i;

	(void)state;
	for (i = 0; i < 200; i++) {
		randombytes_buf(b, sizeof b);
		for (len = 0; len <= sizeof b; len++) {
			crockford_encode(b, len, text);
			assert_int_equal(strlen(text), (8 * len + 4) / 5);
			assert_ok(crockford_decode(text, back, len));
			assert_memory_equal(b, back, len);
		}
	}
	assert_result(crockford_decode("00", back, 2), LL_USAGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbols_and_look_alikes),
		cmocka_unit_test(ids_in_text),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(prefixes_are_ranges),
		cmocka_unit_test(every_length_survives),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
