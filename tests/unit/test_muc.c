/*
 * test_muc.c - the check symbol's promises, what people type, the phonetic
 * line, the site words, and the two-channel key.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "keys/muc.h"

#define CODES 400

static void
values_of(const char *text, uint8_t *values)
{
	size_t n = 0;

	for (; *text != 0; text++)
		if (*text != '-')
			values[n++] = (uint8_t)crockford_value(*text);
}

/* Straight from CONTRACT's definition: sum of a^i * d_i, a^5 = a^2 + 1, with
 * the powers of a written out. */
static unsigned
sum_by_definition(const uint8_t *d, size_t count)
{
	static const uint8_t powers[31] = {
		1, 2, 4, 8, 16, 5, 10, 20, 13, 26, 17, 7, 14, 28, 29, 31, 27,
		19, 3, 6, 12, 24, 21, 15, 30, 25, 23, 11, 22, 9, 18
	};
	unsigned sum = 0, k, i;

	for (i = 0; i < count; i++)
		for (k = 0; k < 31; k++)
			if (powers[k] == d[i])
				sum ^= powers[(k + i + 1) % 31];
	return sum;
}

/* By hand: 1 at d0 is a = 2; 1 at d4 is a^5 = 5; 31 at d0 is a * a^15 = a^16
 * = 27; 1 at d10 is a^11 = 7. */
static void
check_symbol_by_hand(void **state)
{
	uint8_t d[11] = { 1 };
	uint8_t five[11] = { 0, 0, 0, 0, 1 };
	uint8_t all[11] = { 31 };
	uint8_t last[11] = { [10] = 1 };
	uint8_t both[11] = { 1, 0, 0, 0, 1, [10] = 1 };
	char code[MUC_SYMBOLS + 1];

	(void)state;
	assert_int_equal(muc_check_symbol(d, 11), 2);
	assert_int_equal(muc_check_symbol(five, 11), 5);
	assert_int_equal(muc_check_symbol(all, 11), 27);
	assert_int_equal(muc_check_symbol(last, 11), 7);
	assert_int_equal(muc_check_symbol(both, 11), 2 ^ 5 ^ 7);
	assert_int_equal(muc_check_symbol(d, 0), 0);
	/* 2 ^ 5 ^ 7 = 0 */
	assert_ok(muc_parse("1000-1000-0010", code));
	assert_string_equal(code, "100010000010");
	assert_result(muc_parse("1000-1000-0011", code), LL_AUTH);
	assert_ok(muc_parse("1000-0000-0002", code));
}

static void
check_symbol_by_definition(void **state)
{
	uint8_t d[30];
	size_t count;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		for (count = 0; count <= sizeof d; count++) {
			randombytes_buf(d, sizeof d);
			for (size_t k = 0; k < sizeof d; k++)
				d[k] &= 31;
			assert_int_equal(muc_check_symbol(d, count),
			    sum_by_definition(d, count));
		}
	}
}

static enum ll_result
parse_values(const uint8_t *values)
{
	char text[MUC_SYMBOLS + 1], code[MUC_SYMBOLS + 1];
	size_t i;

	for (i = 0; i < MUC_SYMBOLS; i++)
		text[i] = crockford_symbols[values[i]];
	text[MUC_SYMBOLS] = 0;
	return muc_parse(text, code);
}

/* All 12 x 31 wrong symbols and all 66 swaps of each code. */
static void
every_slip_is_caught(void **state)
{
	char text[MUC_TEXT + 1];
	uint8_t v[MUC_SYMBOLS], w[MUC_SYMBOLS];
	size_t i, k, at;

	(void)state;
	for (i = 0; i < CODES; i++) {
		muc_create(text);
		values_of(text, v);
		assert_ok(parse_values(v));
		for (at = 0; at < MUC_SYMBOLS; at++) {
			for (k = 1; k < 32; k++) {
				memcpy(w, v, sizeof w);
				w[at] ^= (uint8_t)k;
				assert_result(parse_values(w), LL_AUTH);
			}
			for (k = 0; k < at; k++) {
				memcpy(w, v, sizeof w);
				w[at] = v[k];
				w[k] = v[at];
				assert_result(parse_values(w), v[at] == v[k] ?
				    LL_OK : LL_AUTH);
			}
		}
	}
}

static void
codes_look_as_promised(void **state)
{
	char text[MUC_TEXT + 1], before[MUC_TEXT + 1] = "";
	unsigned seen[MUC_SYMBOLS][32] = { 0 };
	uint8_t v[MUC_SYMBOLS];
	size_t i, at;

	(void)state;
	for (i = 0; i < 3200; i++) {
		muc_create(text);
		assert_int_equal(strlen(text), MUC_TEXT);
		assert_true(text[4] == '-' && text[9] == '-');
		assert_string_not_equal(text, before);
		memcpy(before, text, sizeof before);
		values_of(text, v);
		for (at = 0; at < MUC_SYMBOLS; at++)
			seen[at][v[at]]++;
	}
	/* 100 of each symbol at each place, standard deviation 10 */
	for (at = 0; at < MUC_SYMBOLS; at++)
		for (i = 0; i < 32; i++)
			assert_in_range(seen[at][i], 30, 180);
}

static void
typing_is_read_as_people_type(void **state)
{
	static const struct {
		const char *typed;
		enum ll_result want;
	} rows[] = {
		{ "1000-1000-0010", LL_OK },
		{ "100010000010", LL_OK },
		{ "  1000 1000 0010 ", LL_OK },
		{ "1-0-0-0-1-0-0-0-0-0-1-0", LL_OK },
		{ "looo-iooo-oolo", LL_OK },
		{ "LOOO-IOOO-OO1O", LL_OK },
		{ "1000\t1000\r\n0010\n", LL_OK },
		/* en dash, no-break space, no-break hyphen */
		{ "1000\xe2\x80\x93" "1000\xc2\xa0" "00\xe2\x80\x91" "10",
		    LL_OK },
		{ "", LL_USAGE },
		{ "----", LL_USAGE },
		{ "1000-1000-001", LL_USAGE },
		{ "1000-1000-00100", LL_USAGE },
		{ "1000-1000-001U", LL_USAGE },
		{ "1000-1000-001\xe2\x80", LL_USAGE },
		{ "1000_1000_0010", LL_USAGE },
		{ "1000-1000-0012", LL_AUTH },
		{ "0100-1000-0010", LL_AUTH },
	};
	char code[MUC_SYMBOLS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum ll_result r = muc_parse(rows[i].typed, code);

		if (r != rows[i].want)
			fail_msg("row %zu: %s", i, ll_result_text(r));
		assert_string_equal(code, r == LL_OK ? "100010000010" : "");
	}
}

static void
every_code_survives_lower_case_and_look_alikes(void **state)
{
	char text[MUC_TEXT + 1], typed[MUC_TEXT + 1];
	char code[2][MUC_SYMBOLS + 1];
	size_t i, k;

	(void)state;
	for (i = 0; i < 1000; i++) {
		muc_create(text);
		for (k = 0; k <= MUC_TEXT; k++) {
			typed[k] = text[k];
			if (typed[k] >= 'A')
				typed[k] = (char)(typed[k] + 32);
			if (typed[k] == '0')
				typed[k] = i % 2 ? 'o' : 'O';
			if (typed[k] == '1')
				typed[k] = "iIlL"[i % 4];
			if (typed[k] == '-')
				typed[k] = ' ';
		}
		assert_ok(muc_parse(text, code[0]));
		assert_ok(muc_parse(typed, code[1]));
		assert_string_equal(code[0], code[1]);
	}
}

static void
phonetic_line(void **state)
{
	char text[MUC_PHONETIC_MAX], tight[20];

	(void)state;
	muc_phonetic("7KQ4-M9XH-TB2C", text, sizeof text);
	assert_string_equal(text, "Seven Kilo Quebec Four, Mike Nine X-ray "
	    "Hotel, Tango Bravo Two Charlie");
	muc_phonetic("7KQ4M9XHTB2C", text, sizeof text);
	assert_string_equal(text, "Seven Kilo Quebec Four, Mike Nine X-ray "
	    "Hotel, Tango Bravo Two Charlie");
	/* the longest there can be */
	muc_phonetic("NNNN-NNNN-NNNN", text, sizeof text);
	assert_int_equal(strlen(text), 12 * 8 + 11 + 2);
	muc_phonetic("7KQ4-M9XH-TB2C", tight, sizeof tight);
	assert_true(strlen(tight) < sizeof tight);
	muc_phonetic("7KQ4", tight, 0);
}

static void
phonetic_words_differ(void **state)
{
	char a[MUC_PHONETIC_MAX], b[MUC_PHONETIC_MAX];
	char one[2] = "", other[2] = "";
	int i, k;

	(void)state;
	for (i = 0; i < 32; i++) {
		for (k = 0; k < i; k++) {
			one[0] = crockford_symbols[i];
			other[0] = crockford_symbols[k];
			muc_phonetic(one, a, sizeof a);
			muc_phonetic(other, b, sizeof b);
			assert_string_not_equal(a, b);
		}
		/* letters by their own initial, but X-ray all the same */
		if (i >= 10)
			assert_int_equal(a[0], crockford_symbols[i]);
	}
}

static unsigned
distance(const char *a, const char *b)
{
	unsigned row[SITE_WORD_MAX + 1], up, left, i, k;

	for (k = 0; k <= strlen(b); k++)
		row[k] = k;
	for (i = 0; i < strlen(a); i++) {
		left = row[0]++;
		for (k = 0; k < strlen(b); k++) {
			up = row[k + 1];
			row[k + 1] = left + (a[i] != b[k]);
			if (up + 1 < row[k + 1])
				row[k + 1] = up + 1;
			if (row[k] + 1 < row[k + 1])
				row[k + 1] = row[k] + 1;
			left = up;
		}
	}
	return row[strlen(b)];
}

static void
site_words_are_256_and_unlike(void **state)
{
	static char words[512][SITE_WORD_MAX];
	char first[SITE_WORD_MAX], second[SITE_WORD_MAX];
	size_t i, k, count = 0;
	struct id secret;

	(void)state;
	assert_int_equal(distance("kitten", "sitting"), 3);
	for (i = 0; i < 20000; i++) {
		id_random(&secret);
		site_words(&secret, first, second);
		assert_string_not_equal(first, second);
		for (k = 0; k < count; k++)
			if (strcmp(words[k], first) == 0)
				break;
		if (k < count)
			continue;
		assert_true(count < 512);
		memcpy(words[count++], first, SITE_WORD_MAX);
	}
	assert_int_equal(count, 256);
	for (i = 0; i < count; i++) {
		assert_in_range(strlen(words[i]), 4, SITE_WORD_MAX - 1);
		assert_int_equal(strspn(words[i],
		    "abcdefghijklmnopqrstuvwxyz"), strlen(words[i]));
		for (k = 0; k < i; k++)
			if (distance(words[i], words[k]) < 2)
				fail_msg("%s, %s", words[i], words[k]);
	}
}

static void
link_key_needs_both_channels(void **state)
{
	char code[] = "100010000010", wrong[] = "100000000002";
	uint8_t pepper[KEY_BYTES], hash[HASH_BYTES], proof[2][HASH_BYTES];
	struct secret x, y, key[2];
	struct id locator, secret;

	(void)state;
	randombytes_buf(pepper, sizeof pepper);
	id_random(&locator);
	id_random(&secret);
	link_locator_hash(&locator, hash);
	assert_ok(link_stretch(code, hash, 1, 1, &x));
	assert_ok(link_stretch(wrong, hash, 1, 1, &y));
	assert_ok(link_key(pepper, &secret, &x, &key[0]));
	assert_ok(link_proof(&secret, &x, proof[0]));
	assert_memory_not_equal(key[0].data, proof[0], 32);
#define DIFFERS(make) do { \
		assert_ok(make); \
		assert_memory_not_equal(key[0].data, key[1].data, 32); \
		secret_finish(&key[1]); \
	} while (0)
	DIFFERS(link_key(pepper, &secret, &y, &key[1]));
	assert_ok(link_proof(&secret, &y, proof[1]));
	assert_memory_not_equal(proof[0], proof[1], 32);
	secret.b[0] ^= 1;
	DIFFERS(link_key(pepper, &secret, &x, &key[1]));
	assert_ok(link_proof(&secret, &x, proof[1]));
	assert_memory_not_equal(proof[0], proof[1], 32);
	secret.b[0] ^= 1;
	pepper[31] ^= 1;
	DIFFERS(link_key(pepper, &secret, &x, &key[1]));
	pepper[31] ^= 1;
	secret_finish(&y);
	hash[0] ^= 1;
	assert_ok(link_stretch(code, hash, 1, 1, &y));
	assert_memory_not_equal(x.data, y.data, 32);
#undef DIFFERS
	secret_finish(&key[0]);
	secret_finish(&x);
	secret_finish(&y);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_symbol_by_hand),
		cmocka_unit_test(check_symbol_by_definition),
		cmocka_unit_test(every_slip_is_caught),
		cmocka_unit_test(codes_look_as_promised),
		cmocka_unit_test(typing_is_read_as_people_type),
		cmocka_unit_test(
		    every_code_survives_lower_case_and_look_alikes),
		cmocka_unit_test(phonetic_line),
		cmocka_unit_test(phonetic_words_differ),
		cmocka_unit_test(site_words_are_256_and_unlike),
		cmocka_unit_test(link_key_needs_both_channels),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
