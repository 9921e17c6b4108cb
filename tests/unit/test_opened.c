/*
 * What letterlock-parse says of a mail is not believed beyond what it can
 * know: whose key is checked, how much there is, what a file is called.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "keys/secret.h"
#include "store/opened.h"

#define FROM "dora@out.test"

static const struct opened_peer peers[] = {
	{ PARSE_OPENPGP, "AA11", true },
	{ PARSE_OPENPGP, "BB22", false },
	{ PARSE_SMIME, "CC33", true },
};

static void
begin(struct opened *o)
{
	memset(o, 0, sizeof(*o));
	tlv_out_init(&o->answer, PARSE_RESULT_MAX);
	tlv_put_u64(&o->answer, PARSE_F_RESULT, LL_OK);
}

static void
sign(struct opened *o, enum parse_format format, enum ll_result r,
    const char *print, const char *holder)
{
	struct tlv_out nest;

	tlv_out_init(&nest, 4096);
	tlv_put_u64(&nest, PARSE_F_FORMAT, format);
	tlv_put_u64(&nest, PARSE_F_RESULT, r);
	tlv_put_text(&nest, PARSE_F_WORDS, "words");
	tlv_put_text(&nest, PARSE_F_FINGERPRINT, print);
	tlv_put_text(&nest, PARSE_F_HOLDER, "first@out.test");
	tlv_put_text(&nest, PARSE_F_HOLDER, holder);
	tlv_put_tlv(&o->answer, PARSE_F_SIGNATURE, &nest);
	tlv_out_finish(&nest);
}

static void
part(struct opened *o, uint64_t what, const char *name, uint64_t number)
{
	struct tlv_out nest;

	tlv_out_init(&nest, 4096);
	tlv_put_u64(&nest, PARSE_F_WHAT, what);
	if (name != NULL)
		tlv_put_text(&nest, PARSE_F_NAME, name);
	tlv_put_text(&nest, PARSE_F_TYPE, "text/html");
	tlv_put_u64(&nest, PARSE_F_BYTES, 7);
	tlv_put_u64(&nest, PARSE_F_SIGNED, number);
	tlv_put_tlv(&o->answer, PARSE_F_PART, &nest);
	tlv_out_finish(&nest);
}

static enum ll_result
parse(struct opened *o)
{
	return opened_parse(o, FROM, peers, 3);
}

static void
only_checked_keys_are_trusted(void **state)
{
	static const struct {
		enum parse_format format;
		enum ll_result result;
		const char *print;
		bool trusted;
	} cases[] = {
		{ PARSE_OPENPGP, LL_OK, "aa11", true },
		{ PARSE_OPENPGP, LL_OK, "BB22", false },
		/* a key that nobody handed in, whatever is said of it */
		{ PARSE_OPENPGP, LL_OK, "DD44", false },
		{ PARSE_OPENPGP, LL_OK, "CC33", false },
		{ PARSE_OPENPGP, LL_CONFLICT, "AA11", false },
		{ PARSE_OPENPGP, LL_AUTH, "AA11", false },
		{ PARSE_SMIME, LL_OK, "CC33", true },
		/* its path ended at an authority */
		{ PARSE_SMIME, LL_OK, "EE55", true },
		{ PARSE_SMIME, LL_DENIED, "EE55", false },
		{ 0, LL_OK, "AA11", false },
	};
	struct opened o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&o);
		sign(&o, cases[i].format, cases[i].result, cases[i].print,
		    "DORA@out.test");
		assert_int_equal(parse(&o), LL_OK);
		assert_int_equal(o.signature_count, 1);
		assert_int_equal(o.signatures->trusted, cases[i].trusted);
		assert_string_equal(o.signatures->holder, "DORA@out.test");
		opened_finish(&o);
	}
}

static void
many_signatures_stay_many(void **state)
{
	struct opened o;
	unsigned n;

	(void)state;
	begin(&o);
	for (n = 0; n < 3 * OPENED_SIGNATURES_MAX; n++)
		sign(&o, PARSE_OPENPGP, LL_OK, "AA11", FROM);
	assert_int_equal(parse(&o), LL_OK);
	assert_int_equal(o.signature_count, 3 * OPENED_SIGNATURES_MAX);
	opened_finish(&o);
}

static void
what_makes_no_sense_is_refused(void **state)
{
	struct opened o;
	unsigned n;

	(void)state;
	begin(&o);
	part(&o, PARSE_W_TEXT, NULL, 1);       /* no such signature */
	assert_int_equal(parse(&o), LL_PROTO);
	opened_finish(&o);
	begin(&o);
	part(&o, 9, NULL, 0);
	assert_int_equal(parse(&o), LL_PROTO);
	opened_finish(&o);
	begin(&o);
	for (n = 0; n <= OPENED_PARTS_MAX; n++)
		part(&o, PARSE_W_FILE, NULL, 0);
	assert_int_equal(parse(&o), LL_PROTO);
	opened_finish(&o);
}

static void
files_have_names_of_their_own(void **state)
{
	static const char *const names[] = { "x", "x (2)", "etc_passwd",
	    "message.html", "text.txt", "original.eml" };
	struct opened o;
	size_t i;

	(void)state;
	begin(&o);
	tlv_put_text(&o.answer, PARSE_F_WARNING, "odd");
	part(&o, PARSE_W_FILE, "x", 0);
	part(&o, PARSE_W_FILE, "../x", 0);
	part(&o, PARSE_W_FILE, "../../.etc_passwd", 0);
	part(&o, PARSE_W_FILE, NULL, 0);
	part(&o, PARSE_W_TEXT, NULL, 0);       /* its text was too long */
	assert_int_equal(parse(&o), LL_OK);
	assert_int_equal(opened_list_files(&o, 100), LL_OK);
	assert_int_equal(o.file_count, 6);
	for (i = 0; i < 6; i++)
		assert_string_equal(o.files[i].name, names[i]);
	assert_int_equal(o.files[5].number, 0);
	assert_int_equal(o.files[5].bytes, 100);
	opened_finish(&o);
}

/* What could not be opened is one file, whatever else was said. */
static void
a_sealed_mail_is_one_file(void **state)
{
	struct opened o;

	(void)state;
	begin(&o);
	part(&o, PARSE_W_FILE, "evil", 0);
	assert_int_equal(parse(&o), LL_OK);
	o.result = LL_AUTH;
	assert_int_equal(opened_list_files(&o, 100), LL_OK);
	assert_int_equal(o.file_count, 1);
	assert_string_equal(o.files[0].name, "message.eml");
	assert_int_equal(o.files[0].number, 0);
	opened_finish(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_checked_keys_are_trusted),
		cmocka_unit_test(many_signatures_stay_many),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(files_have_names_of_their_own),
		cmocka_unit_test(a_sealed_mail_is_one_file),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
