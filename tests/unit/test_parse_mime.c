/*
 * test_parse_mime.c - headers, parameters, parts and texts of foreign mail,
 * and the addresses in it.
 */
#include "tests/unit/unit.h"

#include "keys/mime.h"
#include "keys/pgp.h"

static struct tlv_view
view(const char *text)
{
	struct tlv_view v = { (const uint8_t *)text, strlen(text) };

	return v;
}

static void
assert_text(struct tlv_out *o, const char *want)
{
	tlv_put_raw(o, "", 1);
	assert_ok(o->err);
	assert_string_equal((const char *)o->data, want);
	tlv_out_finish(o);
}

static void
fields_unfold(void **state)
{
	static const char head[] = "A: one\r\n two\r\nB: x\nA: three\n";
	char value[40], small[4];

	(void)state;
	assert_true(mime_field(view(head), "a", 0, value, sizeof value));
	assert_string_equal(value, "one two");
	assert_true(mime_field(view(head), "A", 1, value, sizeof value));
	assert_string_equal(value, "three");
	assert_false(mime_field(view(head), "A", 2, value, sizeof value));
	assert_true(mime_field(view(head), "A", 0, small, sizeof small));
	assert_string_equal(small, "one");
}

static void
parameters(void **state)
{
	static const struct { const char *value, *name, *want; } rows[] = {
		{ "a/b; boundary=x", "boundary", "x" },
		{ "a/b; Boundary=\"x y\\\"z\"", "boundary", "x y\"z" },
		{ "a; x=1;y = 2", "y", "2" },
		{ "a; n*=utf-8''%C3%A4%2", "n", "ä%2" },
		{ "a; n*0*=utf-8''a%20; n*1=b", "n", "a b" },
		{ "a; x", "y", NULL }, { "a", "y", NULL }, { "a;", "y", NULL },
		{ "a; y", "y", "" },
	};
	char out[20];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(mime_param(rows[i].value, rows[i].name, out,
		    sizeof out), rows[i].want != NULL);
		if (rows[i].want != NULL)
			assert_string_equal(out, rows[i].want);
	}
}

static void
parts_end_where_they_should(void **state)
{
	static const char *const want[] = { "one\n", "", "three" };
	const struct tlv_view body = view("before\r\n--b\r\none\n\r\n--b\n\r\n"
	    "--b  \r\nthree\r\n--b--\r\nafter\r\n--b\r\nnever");
	struct tlv_view part;
	size_t at = 0, n = 0;

	(void)state;
	for (; mime_part(body, "b", &at, &part); n++) {
		assert_true(n < 3);
		assert_int_equal(part.len, strlen(want[n]));
		assert_memory_equal(part.data, want[n], part.len);
	}
	assert_int_equal(n, 3);
	at = 0;
	assert_false(mime_part(body, "c", &at, &part));
	at = 0;
	assert_true(mime_part(view("--b\r\nuntil the end"), "b", &at, &part));
	assert_int_equal(part.len, 13);
}

static void
texts(void **state)
{
	struct tlv_out o;

	(void)state;
	tlv_out_init(&o, 1000);
	mime_words("a =?utf-8?B?w6Q=?= =?iso-8859-1?q?_=FC?= b =?x", &o);
	assert_text(&o, "a ä ü b =?x");
	tlv_out_init(&o, 1000);
	mime_utf8("windows-1252", view("\x80\r\n\x93"), &o);
	assert_text(&o, "€\n“");
	tlv_out_init(&o, 1000);
	mime_utf8("utf-8", view("a\xff" "b"), &o);
	assert_text(&o, "a\xef\xbf\xbd" "b");
	tlv_out_init(&o, 1000);
	mime_utf8("x-unknown", view("\xc3\xa4"), &o);
	assert_text(&o, "ä");
	tlv_out_init(&o, 1000);
	mime_html(view("<p>a <b>b</b>&lt;&#65;<style>x</style><!-- c --><br>"
	    "<a href=http://x.example>y</a> &nosuch; <"), &o);
	assert_text(&o, "a b<A\ny [http://x.example] &nosuch;\n");
	tlv_out_init(&o, 1000);
	mime_html(view("<table><tr><td>c</td><th>d</th></tr></table>&#8217;"
	    "&#x1F600;&rsquo;&#160;&#228; &#27; &#xd800; &#x110000;"), &o);
	assert_text(&o, "c d\n’😀’ ä &#27; &#xd800; &#x110000;\n");
}

static void
one_address_only(void **state)
{
	static const struct { const char *value, *want; } rows[] = {
		{ "a@b.example", "a@b.example" },
		{ "\"x, <y@z>\" <a@b.example>", "a@b.example" },
		{ "a@b.example, c@d.example", NULL },
		{ "<a@b.example> <c@d.example>", NULL },
		{ "Anna", NULL }, { "", NULL }, { "<a@b.example", NULL },
		{ "g: a@b.example;", NULL },
	};
	char out[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(mime_address(rows[i].value, out, sizeof out),
		    rows[i].want != NULL);
		if (rows[i].want != NULL)
			assert_string_equal(out, rows[i].want);
	}
}

static void
user_ids_that_say_one_address(void **state)
{
	static const struct { const char *uid, *want; } rows[] = {
		{ "Dora <d@x.example>", "d@x.example" },
		{ "d@x.example", "d@x.example" },
		{ "<d@x.example> <m@y.example>", NULL },
		{ "d@x.example <m@y.example>", "m@y.example" },
		{ "Dora <d@x.example> (old)", NULL }, { "Dora", NULL },
		{ "a d@x.example", NULL }, { "<>", NULL }, { ">a@b<", NULL },
	};
	char out[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(pgp_uid_address(rows[i].uid, out,
		    sizeof out), rows[i].want != NULL);
		if (rows[i].want != NULL)
			assert_string_equal(out, rows[i].want);
	}
}

static void
charsets_have_many_names(void **state)
{
	struct tlv_out o;

	(void)state;
	assert_true(mime_charset_known("cp1251"));
	assert_true(mime_charset_known("koi8-r"));
	assert_false(mime_charset_known("gb2312"));
	mime_charset_setup();
	assert_true(mime_charset_known("gb2312"));
	assert_false(mime_charset_known("x-unknown"));
	tlv_out_init(&o, 1000);
	mime_utf8("cp1251", view("\xcf\xf0\r\n"), &o);
	assert_text(&o, "Пр\n");
	tlv_out_init(&o, 1000);
	mime_utf8("iso-8859-10", view("\xa1\xa4"), &o);
	assert_text(&o, "ĄĪ");
	tlv_out_init(&o, 1000);
	mime_utf8("shift_jis", view("\x93\xfa\xff" "A"), &o);
	assert_text(&o, "日\xef\xbf\xbd" "A");
}

struct told {
	unsigned texts, files;
	char name[40];
};

static enum ll_result
hear(void *ctx, enum mime_tnef what, const char *name, const char *charset,
    struct tlv_view content)
{
	struct told *t = ctx;

	(void)charset;
	assert_true(content.len < 100);
	if (what == MIME_TNEF_FILE)
		t->files++;
	else
		t->texts++;
	snprintf(t->name, sizeof t->name, "%s", name);
	return t->files > 2 ? LL_FULL : LL_OK;
}

#define ATTRIBUTE(id, len) "\2" id len "\0\0\0"
#define NEW_FILE ATTRIBUTE("\2\x90\6\0", "\0") "\0\0"

/* Every prefix of it is read without harm, whatever its lengths claim. */
static void
tnef_is_taken_apart(void **state)
{
	static const char file[] = "\x78\x9f\x3e\x22\1\0" NEW_FILE
	    ATTRIBUTE("\x10\x80\1\0", "\6") "a.txt\0\0\0"
	    ATTRIBUTE("\x0f\x80\6\0", "\3") "abc\0\0" NEW_FILE
	    ATTRIBUTE("\x0f\x80\6\0", "\1") "x\0\0" NEW_FILE
	    ATTRIBUTE("\x0f\x80\6\0", "\1") "y\0";
	struct tlv_view v = { (const uint8_t *)file, sizeof file };
	struct told t = { 0, 0, "" };

	(void)state;
	assert_result(mime_tnef(v, hear, &t), LL_FULL);
	assert_int_equal(t.files, 3);
	while (v.len-- > 0) {
		memset(&t, 0, sizeof t);
		(void)!mime_tnef(v, hear, &t);
	}
	v.len = 60;
	memset(&t, 0, sizeof t);
	assert_ok(mime_tnef(v, hear, &t));
	assert_int_equal(t.files, 1);
	assert_string_equal(t.name, "a.txt");
	assert_result(mime_tnef(view("no such thing"), hear, &t), LL_PROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_unfold), cmocka_unit_test(parameters),
		cmocka_unit_test(parts_end_where_they_should),
		cmocka_unit_test(texts), cmocka_unit_test(one_address_only),
		cmocka_unit_test(user_ids_that_say_one_address),
		cmocka_unit_test(charsets_have_many_names),
		cmocka_unit_test(tnef_is_taken_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
