/*
 * test_clean.c - foreign text, file names and addresses.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "keys/clean.h"
#include "keys/secret.h"
#include "keys/tlv.h"

static size_t
encode(uint32_t c, char out[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (i = n; i-- > 0; c >>= 6)
		out[i] = (char)(i == 0 ? lead[n] | c : 0x80 | (c & 0x3f));
	out[n] = 0;
	return n;
}

static void
assert_cleans(const char *text, size_t len, int mode, const char *want)
{
	char *got;

	assert_ok(clean_text(text, len, mode, &got));
	assert_string_equal(got, want);
	assert_int_equal(clean_is(text, len, mode), strlen(want) == len &&
	    memcmp(text, want, len) == 0);
	free(got);
}

static void
assert_marked(uint32_t c, int mode)
{
	char text[16], want[40], utf8[5];
	size_t n;

	n = encode(c, utf8);
	memcpy(text, "a", 1);
	memcpy(text + 1, utf8, n);
	memcpy(text + 1 + n, "b", 1);
	snprintf(want, sizeof want, "a<U+%04X>b", (unsigned)c);
	assert_cleans(text, n + 2, mode, want);
	assert_true(clean_marks(c, mode));
}

static void
each_hidden_character_is_marked(void **state)
{
	static const struct { uint32_t first, last; const char *what; } rows[] =
	{
		{ 0x00, 0x08, "C0" }, { 0x0b, 0x0c, "C0" },
		{ 0x0d, 0x1f, "C0" }, { 0x7f, 0x9f, "DEL and C1" },
		{ 0xad, 0xad, "soft hyphen" },
		{ 0x34f, 0x34f, "grapheme joiner" },
		{ 0x61c, 0x61c, "Arabic letter mark" },
		{ 0x115f, 0x1160, "Hangul fillers" },
		{ 0x17b4, 0x17b5, "Khmer" },
		{ 0x180b, 0x180f, "Mongolian" },
		{ 0x200b, 0x200f, "zero-width and marks" },
		{ 0x2028, 0x202e, "separators and bidi embedding" },
		{ 0x2060, 0x206f, "joiner, isolates, deprecated" },
		{ 0x2800, 0x2800, "blank Braille" },
		{ 0x3164, 0x3164, "Hangul filler" },
		{ 0xfdd0, 0xfdef, "noncharacters" },
		{ 0xfe00, 0xfe0f, "variation selectors" },
		{ 0xfeff, 0xfeff, "byte order mark" },
		{ 0xffa0, 0xffa0, "half-width filler" },
		{ 0xfff0, 0xfffb, "interlinear" },
		{ 0xfffe, 0xffff, "noncharacters" },
		{ 0x1bca0, 0x1bca3, "shorthand" },
		{ 0x1d173, 0x1d17a, "music" },
		{ 0x1fffe, 0x1ffff, "noncharacters" },
		{ 0xe0000, 0xe0fff, "tags and selectors" },
		{ 0x10fffe, 0x10ffff, "noncharacters" },
	};
	uint32_t c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		for (c = rows[i].first; c <= rows[i].last; c++) {
			assert_marked(c, CLEAN_LINE);
			assert_marked(c, CLEAN_BLOCK);
		}
	assert_marked('\n', CLEAN_LINE);
	assert_marked('\t', CLEAN_LINE);
}

static void
visible_text_is_left_alone(void **state)
{
	static const char *const rows[] = {
		"", " ", "plain", "~!@#$%^&*()_+`-={}[]|\\:\";'<>?,./",
		"Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln",
		"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
		"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x80\xe4\xb8\x96",
		"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
		"\xf0\x9f\x98\x80 \xf0\x9f\x91\x8d",
		"caf" "e\xcc\x81", "no\xc2\xa0" "break",
		"<U+202E> written out",
	};
	static const uint32_t around[] = {
		0x20, 0x7e, 0xa0, 0xac, 0xae, 0x34e, 0x350, 0x61b, 0x61d,
		0x200a, 0x2010, 0x2027, 0x202f, 0x205f, 0x2070, 0x27ff, 0x2801,
		0x3000, 0x3163, 0xfdcf, 0xfdf0, 0xfdff, 0xfe10, 0xfefe, 0xff00,
		0xff9f, 0xfffc, 0xfffd, 0x10000, 0x1f600, 0xdfffd, 0xe1000
	};
	char text[8];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_cleans(rows[i], strlen(rows[i]), CLEAN_LINE, rows[i]);
		assert_cleans(rows[i], strlen(rows[i]), CLEAN_BLOCK, rows[i]);
		assert_true(clean_is(rows[i], strlen(rows[i]), CLEAN_LINE));
	}
	for (i = 0; i < sizeof around / sizeof *around; i++) {
		n = encode(around[i], text);
		assert_cleans(text, n, CLEAN_LINE, text);
		assert_false(clean_marks(around[i], CLEAN_LINE));
	}
}

static void
lines_and_blocks(void **state)
{
	(void)state;
	assert_cleans("a\nb\tc\n", 6, CLEAN_BLOCK, "a\nb\tc\n");
	assert_true(clean_is("a\nb\tc\n", 6, CLEAN_BLOCK));
	assert_cleans("a\r\nb\r\n", 6, CLEAN_BLOCK, "a\nb\n");
	assert_false(clean_is("a\r\nb\r\n", 6, CLEAN_BLOCK));
	assert_cleans("a\rb", 3, CLEAN_BLOCK, "a<U+000D>b");
	assert_cleans("a\r", 2, CLEAN_BLOCK, "a<U+000D>");
	assert_cleans("\r\r\n", 3, CLEAN_BLOCK, "<U+000D>\n");
	assert_cleans("a\r\nb", 4, CLEAN_LINE, "a<U+000D><U+000A>b");
	assert_cleans("a\0b", 3, CLEAN_BLOCK, "a<U+0000>b");
}

static void
broken_utf8_is_shown_byte_by_byte(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "\x80", "<0x80>" }, { "\x9b", "<0x9B>" },
		{ "\xff\xfe", "<0xFF><0xFE>" },
		{ "\xc0\x80", "<0xC0><0x80>" },
		{ "\xc1\xbf", "<0xC1><0xBF>" },
		{ "\xe0\x80\x80", "<0xE0><0x80><0x80>" },
		{ "\xed\xa0\x80", "<0xED><0xA0><0x80>" },
		{ "\xed\xbf\xbf", "<0xED><0xBF><0xBF>" },
		{ "\xf0\x80\x80\x80", "<0xF0><0x80><0x80><0x80>" },
		{ "\xf4\x90\x80\x80", "<0xF4><0x90><0x80><0x80>" },
		{ "\xf8\x88\x80\x80\x80", "<0xF8><0x88><0x80><0x80><0x80>" },
		{ "\xe2\x82", "<0xE2><0x82>" }, { "\xe2\x82x", "<0xE2><0x82>x" },
		{ "a\xc3", "a<0xC3>" },
		{ "\xc3(\xc3\xbc", "<0xC3>(\xc3\xbc" },
		{ "\xc0\x9b[31m", "<0xC0><0x9B>[31m" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_cleans(rows[i].text, strlen(rows[i].text), CLEAN_BLOCK,
		    rows[i].want);
}

static void
terminal_sequences_lose_their_power(void **state)
{
	static const char attack[] = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\xc2\x9b"
	    "5n\x1bP$q\x1b\\\xe2\x80\xaetxt.exe";
	char *got;
	size_t i;

	(void)state;
	assert_ok(clean_text(attack, sizeof attack - 1, CLEAN_BLOCK, &got));
	for (i = 0; got[i] != 0; i++)
		assert_in_range((uint8_t)got[i], 0x20, 0x7e);
	free(got);
}

/* Whatever goes in: what comes out is valid, shows nothing hidden, and is not
 * changed by a second pass. */
static void
random_bytes_come_out_clean(void **state)
{
	uint8_t text[40];
	char *once, *twice;
	size_t i, k, len;
	int mode;

	(void)state;
	for (i = 0; i < 100000; i++) {
		len = randombytes_uniform(sizeof text + 1);
		randombytes_buf(text, sizeof text);
		for (k = 0; k < len; k++)
			if (text[k] % 3 == 0)
				text[k] = "\xe2\x80\xae\xc2\x9b\x1b\r\n\t "
				    "a\xf3\xa0"[text[k] % 13];
		mode = i % 2 ? CLEAN_LINE : CLEAN_BLOCK;
		assert_ok(clean_text((char *)text, len, mode, &once));
		assert_true(utf8_valid(once, strlen(once)));
		assert_true(clean_is(once, strlen(once), mode));
		assert_ok(clean_text(once, strlen(once), mode, &twice));
		assert_string_equal(once, twice);
		free(once);
		free(twice);
	}
}

static void
file_names(void **state)
{
	static const struct { const char *name, *want; } rows[] = {
		{ "report.pdf", "report.pdf" },
		{ "My report 2024.pdf", "My report 2024.pdf" },
		{ "Gr\xc3\xbc\xc3\x9f" "e.txt", "Gr\xc3\xbc\xc3\x9f" "e.txt" },
		{ "../../etc/passwd", "passwd" },
		{ "..\\..\\boot.ini", "boot.ini" },
		{ "C:\\Temp\\a.doc", "a.doc" }, { "/a/b/", "unnamed" },
		{ "", "unnamed" }, { ".", "unnamed" }, { "..", "unnamed" },
		{ "...", "unnamed" }, { " . . ", "unnamed" },
		{ ".bashrc", "bashrc" }, { "..hidden", "hidden" },
		{ "-rf", "_rf" }, { "a\nb", "a_b" },
		{ "a\"b;c$(d)`e`", "a_b_c_(d)_e_" },
		{ "a (2).pdf", "a (2).pdf" },
		{ "a\r\nX-Header: y", "a__X-Header_ y" },
		{ "evil\xe2\x80\xaegpj.exe", "evil_gpj.exe" },
		{ "zero\xe2\x80\x8bwidth", "zero_width" },
		{ "bad\xff.txt", "bad_.txt" }, { "name.", "name" },
		{ "name. ", "name" }, { "a*b?c<d>e|f", "a_b_c_d_e_f" },
		{ "~root", "_root" }, { "100%.txt", "100%.txt" },
	};
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_ok(clean_file_name(rows[i].name, strlen(rows[i].name),
		    &got));
		assert_string_equal(got, rows[i].want);
		free(got);
	}
	assert_ok(clean_file_name("a\0b", 3, &got));
	assert_string_equal(got, "a_b");
	free(got);
}

static void
long_names_keep_their_suffix(void **state)
{
	char name[1000], *got;
	size_t len, i;

	(void)state;
	for (len = 190; len < 300; len++) {
		/* two-byte letters, at odd and even places */
		for (i = len % 2; i + 1 < len; i += 2)
			memcpy(name + i, "\xc3\xbc", 2);
		if (len % 2)
			name[0] = 'x';
		memcpy(name + len, ".tar.gz", 8);
		assert_ok(clean_file_name(name, len + 7, &got));
		assert_true(strlen(got) <= 200);
		assert_true(strlen(got) >= 198 || strlen(got) == len + 7);
		assert_true(utf8_valid(got, strlen(got)));
		assert_string_equal(got + strlen(got) - 7, ".tar.gz");
		free(got);
	}
	memset(name, 'a', sizeof name);
	assert_ok(clean_file_name(name, sizeof name, &got));
	assert_int_equal(strlen(got), 200);
	free(got);
}

static void
addresses(void **state)
{
	static const struct { const char *typed, *want; } rows[] = {
		{ "ada@house.example", "ada@house.example" },
		{ "  ada@house.example\t", "ada@house.example" },
		{ "Ada.Byron@House.EXAMPLE", "Ada.Byron@house.example" },
		{ "o'neil+tag=x@a-b.test", "o'neil+tag=x@a-b.test" },
		{ "x@xn--bcher-kva.example", "x@xn--bcher-kva.example" },
		{ "x@localhost", "x@localhost" }, { "1@2.c3", "1@2.c3" },
		{ "", NULL }, { "ada", NULL }, { "@house.example", NULL },
		{ "ada@", NULL }, { "a b@house.example", NULL },
		{ "ada@house .example", NULL }, { "ada@@house.example", NULL },
		{ "\"ada\"@house.example", NULL },
		{ "<ada@house.example>", NULL }, { "ada@house.example>", NULL },
		{ "Ada <ada@house.example>", NULL },
		{ "a,b@house.example", NULL }, { "a;b@house.example", NULL },
		{ "a:b@house.example", NULL }, { "a\\b@house.example", NULL },
		{ "a(b)@house.example", NULL }, { ".ada@house.example", NULL },
		{ "ada.@house.example", NULL }, { "a..b@house.example", NULL },
		{ "ada@-house.example", NULL }, { "ada@house-.example", NULL },
		{ "ada@house..example", NULL }, { "ada@.example", NULL },
		{ "ada@house.example.", NULL }, { "ada@house_x.example", NULL },
		{ "ada@127.0.0.1", NULL }, { "ada@[127.0.0.1]", NULL },
		{ "ada@h\xc3\xb6use.example", "ada@xn--huse-5qa.example" },
		{ "ada@B\xc3\x9c" "cher.Example", "ada@xn--bcher-kva.example" },
		{ "b@p\xd0\xb0rtner.example", "b@xn--prtner-3nf.example" },
		{ "b@\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.test",
		  "b@xn--e1afmkfd.test" },
		{ "b@\xe4\xbe\x8b\xe3\x81\x88.test", "b@xn--r8jz45g.test" },
		{ "b@bo\xcc\x88.test", NULL }, { "b@a\xe2\x80\x8b.test", NULL },
		{ "b@a\xe3\x80\x82test", NULL }, { "b@\xc3.test", NULL },
		{ "\xc3\xa4" "da@house.example", NULL },
		{ "ada@house.example\r\nBcc: x@y.test", NULL },
		{ "ada\n@house.example", NULL }, { "ada\x7f@house.test", NULL },
	};
	char out[321];
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum ll_result r = clean_address(rows[i].typed, out, &why);

		if ((r == LL_OK) != (rows[i].want != NULL))
			fail_msg("%s: %s", rows[i].typed, ll_result_text(r));
		assert_string_equal(out, rows[i].want ? rows[i].want : "");
		assert_true((why != NULL) == (r != LL_OK));
		assert_true(r == LL_OK || r == LL_USAGE);
	}
}

static void
address_lengths(void **state)
{
	char typed[400], out[321];
	const char *why;

	(void)state;
	memset(typed, 'a', 64);
	memcpy(typed + 64, "@b.test", 8);
	assert_ok(clean_address(typed, out, &why));
	memset(typed, 'a', 65);
	memcpy(typed + 65, "@b.test", 8);
	assert_result(clean_address(typed, out, &why), LL_USAGE);
	memcpy(typed, "a@", 2);
	memset(typed + 2, 'b', 63);
	memcpy(typed + 65, ".test", 6);
	assert_ok(clean_address(typed, out, &why));
	memset(typed + 2, 'b', 64);
	memcpy(typed + 66, ".test", 6);
	assert_result(clean_address(typed, out, &why), LL_USAGE);
	/* 254 bytes in all, 255 are too many */
	for (size_t i = 2; i < 260; i += 2)
		memcpy(typed + i, "c.", 2);
	memcpy(typed + 254 - 4, "test", 5);
	assert_int_equal(strlen(typed), 254);
	assert_ok(clean_address(typed, out, &why));
	memcpy(typed + 250, "testx", 6);
	assert_result(clean_address(typed, out, &why), LL_USAGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hidden_character_is_marked),
		cmocka_unit_test(visible_text_is_left_alone),
		cmocka_unit_test(lines_and_blocks),
		cmocka_unit_test(broken_utf8_is_shown_byte_by_byte),
		cmocka_unit_test(terminal_sequences_lose_their_power),
		cmocka_unit_test(random_bytes_come_out_clean),
		cmocka_unit_test(file_names),
		cmocka_unit_test(long_names_keep_their_suffix),
		cmocka_unit_test(addresses),
		cmocka_unit_test(address_lengths),
	};

	if (secret_setup(0) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
