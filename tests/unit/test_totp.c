/*
 * test_totp.c - RFC 6238 (the SHA-1 rows of appendix B), RFC 4226 appendix D,
 * RFC 4648 base32, and what a verifier must refuse.
 */
#include "tests/unit/unit.h"

#include "keys/totp.h"

static const char seed[] = "12345678901234567890";
#define SEED_LEN (sizeof seed - 1)

/* RFC 6238 has eight digits; ours are their last six. */
static void
rfc6238_appendix_b(void **state)
{
	static const struct {
		uint64_t time;
		const char *code;
	} rows[] = {
		{ 59, "94287082" },
		{ 1111111109, "07081804" },
		{ 1111111111, "14050471" },
		{ 1234567890, "89005924" },
		{ 2000000000, "69279037" },
		{ 20000000000, "65353130" },
	};
	char code[TOTP_DIGITS + 1];
	uint64_t step;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		totp_code(seed, SEED_LEN, rows[i].time / 30, code);
		assert_string_equal(code, rows[i].code + 2);
		assert_ok(totp_verify(seed, SEED_LEN, code, rows[i].time, 0,
		    &step));
		assert_int_equal(step, rows[i].time / 30);
	}
}

static void
rfc4226_appendix_d(void **state)
{
	static const char *const codes[] = {
		"755224", "287082", "359152", "969429", "338314", "254676",
		"287922", "162583", "399871", "520489"
	};
	char code[TOTP_DIGITS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof codes / sizeof *codes; i++) {
		totp_code(seed, SEED_LEN, i, code);
		assert_string_equal(code, codes[i]);
	}
}

static void
one_step_either_side_and_no_further(void **state)
{
	const uint64_t now = 1111111111, step = now / 30;
	char code[TOTP_DIGITS + 1];
	uint64_t got;
	int i;

	(void)state;
	for (i = -3; i <= 3; i++) {
		totp_code(seed, SEED_LEN, step + (uint64_t)(int64_t)i, code);
		assert_result(totp_verify(seed, SEED_LEN, code, now, 0, &got),
		    i >= -1 && i <= 1 ? LL_OK : LL_AUTH);
		assert_int_equal(got, i >= -1 && i <= 1 ?
		    step + (uint64_t)(int64_t)i : 0);
	}
}

static void
a_step_serves_once(void **state)
{
	const uint64_t now = 1111111111, step = now / 30;
	char code[TOTP_DIGITS + 1];
	uint64_t got;

	(void)state;
	totp_code(seed, SEED_LEN, step, code);
	assert_ok(totp_verify(seed, SEED_LEN, code, now, step - 1, &got));
	assert_result(totp_verify(seed, SEED_LEN, code, now, step, &got),
	    LL_USED);
	assert_result(totp_verify(seed, SEED_LEN, code, now, step + 1, &got),
	    LL_USED);
	totp_code(seed, SEED_LEN, step - 1, code);
	assert_result(totp_verify(seed, SEED_LEN, code, now, step, &got),
	    LL_USED);
	totp_code(seed, SEED_LEN, step + 1, code);
	assert_ok(totp_verify(seed, SEED_LEN, code, now, step, &got));
	assert_int_equal(got, step + 1);
}

static void
typing_is_read_as_people_type(void **state)
{
	static const struct {
		const char *typed;
		enum ll_result want;
	} rows[] = {
		{ "287082", LL_OK }, { " 287 082 ", LL_OK },
		{ "28 70 82", LL_OK }, { "28708", LL_AUTH },
		{ "2870822", LL_AUTH }, { "287083", LL_AUTH },
		{ "", LL_AUTH }, { "28708a", LL_AUTH }, { "-287082", LL_AUTH },
		{ "0287082", LL_AUTH }, { "287082\n", LL_AUTH },
	};
	uint64_t step;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_result(totp_verify(seed, SEED_LEN, rows[i].typed, 59, 0,
		    &step), rows[i].want);
	/* no step before the first */
	totp_code(seed, SEED_LEN, UINT64_MAX, (char[7]){ 0 });
	assert_result(totp_verify(seed, SEED_LEN, "755224", 1, 0, &step),
	    LL_USED);
}

/* RFC 4648 section 10, without the padding. */
static void
rfc4648_base32(void **state)
{
	static const struct {
		const char *plain, *text;
	} rows[] = {
		{ "", "" }, { "f", "MY" }, { "fo", "MZXQ" },
		{ "foo", "MZXW6" }, { "foob", "MZXW6YQ" },
		{ "fooba", "MZXW6YTB" }, { "foobar", "MZXW6YTBOI" },
	};
	char text[TOTP_BASE32_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		totp_base32(rows[i].plain, strlen(rows[i].plain), text);
		assert_string_equal(text, rows[i].text);
	}
}

static void
seeds_of_every_length_survive(void **state)
{
	uint8_t b[TOTP_SEED_MAX + 1];
	char text[TOTP_BASE32_MAX + 8];
	struct secret s;
	size_t len;

	(void)state;
	randombytes_buf(b, sizeof b);
	for (len = 0; len <= TOTP_SEED_MAX; len++) {
		totp_base32(b, len, text);
		assert_true(strlen(text) < TOTP_BASE32_MAX);
		assert_result(totp_parse(text, &s),
		    len < TOTP_SEED_MIN ? LL_USAGE : LL_OK);
		if (len >= TOTP_SEED_MIN) {
			assert_int_equal(s.len, len);
			assert_memory_equal(s.data, b, len);
		}
		secret_finish(&s);
	}
	memset(text, 'A', 104);
	text[104] = 0;
	assert_result(totp_parse(text, &s), LL_USAGE);
}

static void
seeds_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *typed;
		enum ll_result want;
	} rows[] = {
		{ "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", LL_OK },
		{ "gezd gnbv gy3t qojq gezd gnbv gy3t qojq", LL_OK },
		{ "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ", LL_OK },
		{ "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======", LL_OK },
		{ "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ", LL_OK },
		{ "GEZDGNBVGY3TQOJQG", LL_USAGE },
		{ "GEZDGNBVGY3TQOJ1", LL_USAGE },
		{ "GEZDGNBVGY3TQOJ8", LL_USAGE },
		{ "GEZDGNBV=GY3TQOJQ", LL_USAGE },
		{ "GEZDGNBV", LL_USAGE },
		{ "", LL_USAGE },
	};
	struct secret s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_result(totp_parse(rows[i].typed, &s), rows[i].want);
		if (i < 4)
			assert_memory_equal(s.data, seed, SEED_LEN);
		secret_finish(&s);
	}
}

static void
uri_is_encoded(void **state)
{
	char text[TOTP_URI_MAX], issuer[TOTP_URI_MAX];

	(void)state;
	assert_ok(totp_uri(seed, SEED_LEN, "A&B Ltd", "ada", text));
	assert_string_equal(text, "otpauth://totp/A%26B%20Ltd:ada?secret="
	    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%26B%20Ltd");
	memset(issuer, 'x', sizeof issuer - 1);
	issuer[sizeof issuer - 1] = 0;
	assert_result(totp_uri(seed, SEED_LEN, issuer, "ada", text),
	    LL_TOOBIG);
	assert_string_equal(text, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc6238_appendix_b),
		cmocka_unit_test(rfc4226_appendix_d),
		cmocka_unit_test(one_step_either_side_and_no_further),
		cmocka_unit_test(a_step_serves_once),
		cmocka_unit_test(typing_is_read_as_people_type),
		cmocka_unit_test(rfc4648_base32),
		cmocka_unit_test(seeds_of_every_length_survive),
		cmocka_unit_test(seeds_are_read_as_people_write_them),
		cmocka_unit_test(uri_is_encoded),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
