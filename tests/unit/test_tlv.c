#include "tests/unit/unit.h"

#include "keys/secret.h"
#include "keys/tlv.h"

static void
encoding_is_tag_length_bytes(void **state)
{
	static const uint8_t want[] = {
		1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2,
		2, 0, 0, 0, 3, 'h', 'i', 0,
		3, 0, 0, 0, 0,
	};
	struct tlv_out o;

	(void)state;
	tlv_out_init(&o, 100);
	tlv_put_u64(&o, 1, 258);
	tlv_put_text(&o, 2, "hi");
	tlv_put_bytes(&o, 3, NULL, 0);
	assert_ok(o.err);
	assert_int_equal(o.len, sizeof want);
	assert_memory_equal(o.data, want, sizeof want);
	tlv_out_finish(&o);
}

static void
ceiling_holds_and_error_sticks(void **state)
{
	struct tlv_out o;

	(void)state;
	tlv_out_init(&o, 12);
	tlv_put_u64(&o, 1, 7);
	assert_result(o.err, LL_TOOBIG);
	tlv_put_bytes(&o, 1, "", 0);
	assert_int_equal(o.len, 0);
	tlv_out_finish(&o);
	tlv_out_finish(&o);

	tlv_out_init(&o, 13);
	tlv_put_u64(&o, 1, 7);
	assert_ok(o.err);
	tlv_out_finish(&o);

	tlv_out_init(&o, 0);
	assert_result(o.err, LL_USAGE);
	tlv_out_finish(&o);
	tlv_out_init(&o, ((size_t)1 << 30) + 1);
	assert_result(o.err, LL_USAGE);
	tlv_out_finish(&o);
}

static void
grows_and_keeps_what_it_has(void **state)
{
	uint8_t block[1000];
	struct tlv_out o;
	size_t i, at = 0;
	struct tlv_field f;
	struct tlv_view v;

	(void)state;
	tlv_out_init(&o, 1 << 20);
	for (i = 0; i < 500; i++) {
		memset(block, (int)i, sizeof block);
		tlv_put_bytes(&o, (uint8_t)i, block, sizeof block);
	}
	assert_ok(o.err);
	v = (struct tlv_view){ o.data, o.len };
	for (i = 0; i < 500; i++) {
		assert_ok(tlv_next(v, &at, &f));
		assert_int_equal(f.tag, i & 255);
		assert_int_equal(f.len, sizeof block);
		assert_int_equal(f.data[999], i & 255);
	}
	assert_result(tlv_next(v, &at, &f), LL_EOF);
	tlv_out_finish(&o);
}

static void
guarded_buffer_never_grows(void **state)
{
	struct tlv_out o;

	(void)state;
	tlv_out_init_secret(&o, 26);
	tlv_put_u64(&o, 1, 1);
	tlv_put_u64(&o, 1, 2);
	assert_ok(o.err);
	tlv_put_raw(&o, "x", 1);
	assert_result(o.err, LL_TOOBIG);
	tlv_out_finish(&o);
	tlv_out_init_secret(&o, 65537);
	assert_result(o.err, LL_TOOBIG);
	tlv_out_finish(&o);
}

static void
nested_errors_surface(void **state)
{
	struct tlv_out outer, inner;

	(void)state;
	tlv_out_init(&outer, 100);
	tlv_out_init(&inner, 5);
	tlv_put_u64(&inner, 1, 1);
	tlv_put_tlv(&outer, 2, &inner);
	assert_result(outer.err, LL_TOOBIG);
	tlv_out_finish(&inner);
	tlv_out_finish(&outer);
}

static void
truncated_fields_are_refused(void **state)
{
	static const uint8_t good[] = {
		1, 0, 0, 0, 2, 'a', 'b', 2, 0, 0, 0, 1, 'c'
	};
	static const uint8_t huge[] = { 1, 255, 255, 255, 255, 'a' };
	struct tlv_field f;
	struct tlv_view v;
	enum ll_result r;
	size_t len, at;

	(void)state;
	for (len = 0; len <= sizeof good; len++) {
		v = (struct tlv_view){ good, len };
		at = 0;
		do
			r = tlv_next(v, &at, &f);
		while (r == LL_OK);
		assert_result(r, len == 0 || len == 7 || len == 13 ? LL_EOF :
		    LL_PROTO);
	}
	at = 0;
	v = (struct tlv_view){ huge, sizeof huge };
	assert_result(tlv_next(v, &at, &f), LL_PROTO);
	at = 99;
	assert_result(tlv_next(v, &at, &f), LL_PROTO);
}

static void
find_walks_repeated_fields(void **state)
{
	struct tlv_field f;
	struct tlv_view v;
	struct tlv_out o;
	uint64_t n;
	size_t at = 0;

	(void)state;
	tlv_out_init(&o, 100);
	tlv_put_u64(&o, 9, 1);
	tlv_put_u64(&o, 7, 2);
	tlv_put_u64(&o, 9, 3);
	v = (struct tlv_view){ o.data, o.len };
	assert_ok(tlv_find(v, 9, &at, &f));
	assert_ok(tlv_u64(&f, &n));
	assert_int_equal(n, 1);
	assert_ok(tlv_find(v, 9, &at, &f));
	assert_ok(tlv_u64(&f, &n));
	assert_int_equal(n, 3);
	assert_result(tlv_find(v, 9, &at, &f), LL_NOTFOUND);
	tlv_out_finish(&o);
}

static void
typed_reads_hold_to_the_type(void **state)
{
	static const uint8_t b[17] = "0123456789abcdef";
	struct tlv_field f = { 1, b, 7 };
	const char *text;
	uint64_t n;
	struct id id;

	(void)state;
	assert_result(tlv_u64(&f, &n), LL_PROTO);
	f.len = 9;
	assert_result(tlv_u64(&f, &n), LL_PROTO);
	assert_result(tlv_text(&f, &text), LL_PROTO);
	f.len = 15;
	assert_result(tlv_id(&f, &id), LL_PROTO);
	f.len = 16;
	assert_ok(tlv_id(&f, &id));
	f.len = 17;
	assert_ok(tlv_text(&f, &text));
	assert_string_equal(text, "0123456789abcdef");
	f.data = (const uint8_t *)"a\0b";
	f.len = 4;
	assert_result(tlv_text(&f, &text), LL_PROTO);
	f.data = (const uint8_t *)"\xff";
	f.len = 2;
	assert_result(tlv_text(&f, &text), LL_PROTO);
	f.len = 0;
	assert_result(tlv_text(&f, &text), LL_PROTO);
}

/* Every byte string of up to four bytes that the table of RFC 3629 section 4
 * allows is valid, and no other. */
static int
rfc3629(const uint8_t *p, size_t n)
{
	static const uint8_t rows[][8] = {
		{ 0x01, 0x7f },
		{ 0xc2, 0xdf, 0x80, 0xbf },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf },
		{ 0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf },
		{ 0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf },
		{ 0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf },
		{ 0xf0, 0xf0, 0x90, 0xbf, 0x80, 0xbf, 0x80, 0xbf },
		{ 0xf1, 0xf3, 0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf },
		{ 0xf4, 0xf4, 0x80, 0x8f, 0x80, 0xbf, 0x80, 0xbf },
	};
	static const size_t lens[] = { 1, 2, 3, 3, 3, 3, 4, 4, 4 };
	size_t row, i;

	for (row = 0; row < sizeof lens / sizeof *lens; row++) {
		if (lens[row] != n)
			continue;
		for (i = 0; i < n; i++)
			if (p[i] < rows[row][2 * i] ||
			    p[i] > rows[row][2 * i + 1])
				break;
		if (i == n)
			return 1;
	}
	return 0;
}

static void
utf8_is_exactly_rfc3629(void **state)
{
	static const uint8_t edges[] = {
		0x00, 0x01, 0x41, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0,
		0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
		0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xfc, 0xfe, 0xff
	};
	const size_t n = sizeof edges;
	uint32_t c;
	uint8_t p[4];
	size_t i, len, k;

	(void)state;
	for (i = 0; i < n * n * n * n; i++) {
		k = i;
		for (len = 0; len < 4; len++) {
			p[len] = edges[k % n];
			k /= n;
		}
		for (len = 1; len <= 4; len++)
			assert_int_equal(utf8_decode(p, len, &c) == len &&
			    c != 0, rfc3629(p, len));
	}
	assert_true(utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
	assert_false(utf8_valid("gr\xc3\xbc\xc3", 5));
	assert_false(utf8_valid("a\0b", 3));
	assert_true(utf8_valid("", 0));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding_is_tag_length_bytes),
		cmocka_unit_test(ceiling_holds_and_error_sticks),
		cmocka_unit_test(grows_and_keeps_what_it_has),
		cmocka_unit_test(guarded_buffer_never_grows),
		cmocka_unit_test(nested_errors_surface),
		cmocka_unit_test(truncated_fields_are_refused),
		cmocka_unit_test(find_walks_repeated_fields),
		cmocka_unit_test(typed_reads_hold_to_the_type),
		cmocka_unit_test(utf8_is_exactly_rfc3629),
	};

	if (secret_setup(4096) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
