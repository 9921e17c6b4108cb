/* Marks and patterns that send a mail by letterlock. */
#include "unit.h"

#include <string.h>

#include "server/intake_mark.h"

static struct intake_mark
mark(const char *head)
{
	struct tlv_view v = { (const uint8_t *)head, strlen(head) };
	struct intake_mark m;

	intake_mark_read(v, &m);
	return m;
}

static void
test_marks(void **state)
{
	static const struct {
		const char *head;
		bool secure;
		enum msg_class class;
		uint64_t expires;
		bool wrong;
	} rows[] = {
		{ "Subject: hello\r\n", false, CLASS_NORMAL, 0, false },
		{ "Subject: [SECURE] hello\r\n", true, CLASS_NORMAL, 0,
		    false },
		{ "Subject: a [secure+registered]\r\n", true,
		    CLASS_REGISTERED, 0, false },
		{ "Subject: [secure] [Secure+Confidential] b\r\n", true,
		    CLASS_CONFIDENTIAL, 0, false },
		{ "Subject: =?utf-8?B?W3NlY3VyZV0gaGk=?=\r\n", true,
		    CLASS_NORMAL, 0, false },
		{ "Subject: [secure+fast]\r\n", true, CLASS_NORMAL, 0,
		    true },
		{ "Subject: [secure+registered b\r\n", true, CLASS_NORMAL, 0,
		    true },
		{ "Subject: [ secure + registered ]\r\n", true,
		    CLASS_REGISTERED, 0, false },
		{ "Subject: [secure-list] [secured] [s\r\n", false,
		    CLASS_NORMAL, 0, false },
		{ "Subject: a\r\nSubject: [secure]\r\n", true, CLASS_NORMAL,
		    0, false },
		{ "X-Letterlock: secure\r\nX-Letterlock: class=registered"
		    "\r\n", true, CLASS_REGISTERED, 0, false },
		{ "X-Letterlock: secure; class=registered; expires=14\r\n",
		    true, CLASS_REGISTERED, 14, false },
		{ "X-Letterlock: secure;class=secret\r\n", true, CLASS_NORMAL,
		    0, true },
		{ "X-Letterlock: expires=soon\r\n", true, CLASS_NORMAL, 0,
		    true },
		{ "X-Letterlock: securely\r\n", true, CLASS_NORMAL, 0, true },
	};
	struct intake_mark m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = mark(rows[i].head);
		if (m.secure != rows[i].secure || m.class != rows[i].class ||
		    (m.wrong != NULL) != rows[i].wrong || (m.wrong == NULL &&
		    m.expires_days != rows[i].expires))
			fail_msg("%s", rows[i].head);
	}
}

static void
test_strip(void **state)
{
	static const char *const rows[][2] = {
		{ "[secure] hello", "hello" }, { "hello", "hello" },
		{ "Re: [Secure+Registered] a [secure]", "Re: a" },
		{ "[secure]", "" }, { "[sec[secure]ure]x", "x" },
		{ "[ secure +normal] y", "y" },
	};
	char text[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s", rows[i][0]);
		intake_mark_strip(text);
		assert_string_equal(text, rows[i][1]);
	}
}

static void
test_lists(void **state)
{
	(void)state;
	assert_true(intake_mark_listed("a.example b.example", "x@B.example"));
	assert_true(intake_mark_listed("@a.example", "x@a.example"));
	assert_true(intake_mark_listed("x@a.example", "X@a.example"));
	assert_false(intake_mark_listed("x@a.example", "y@a.example"));
	assert_false(intake_mark_listed("a.example", "x@s.a.example"));
	assert_true(intake_mark_listed(".a.example", "x@s.a.example"));
	assert_false(intake_mark_listed(".a.example", "x@sa.example"));
	assert_false(intake_mark_listed("", "x@a.example"));
	assert_false(intake_mark_listed("a.example", "a.example"));
}

static void
test_rules(void **state)
{
	static const struct {
		const char *rules, *text;
		bool want;
	} rows[] = {
		{ "iban", "to CH93 0076 2011 6238 5295 7 please", true },
		{ "iban", "CH9300762011623852957", true },
		{ "iban", "DE89370400440532013000.", true },
		{ "iban", "GB82 WEST 1234 5698 7654 32 by Friday", true },
		{ "iban", "CH94 0076 2011 6238 5295 7", false },
		{ "iban", "XCH9300762011623852957", false },
		{ "ahv", "AHV 756.9217.0769.85", true },
		{ "ahv", "7569217076985", true },
		{ "ahv", "756.9217.0769.84", false },
		{ "ahv", "75692170769851", false },
		{ "ssn", "SSN 219-09-9999", true },
		{ "ssn", "666-09-9999", false },
		{ "ssn", "219-00-9999", false },
		{ "ssn", "1219-09-9999", false },
		{ "mrn", "MRN: 0012345", true },
		{ "mrn", "mrn#12345", true },
		{ "mrn", "MRN 123", false },
		{ "ssn mrn", "MRN 123456", true },
		{ "ssn", "MRN 123456", false },
		{ "", "219-09-9999", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((intake_mark_rule(rows[i].rules, rows[i].text,
		    strlen(rows[i].text)) != NULL) != rows[i].want)
			fail_msg("%s", rows[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_strip),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
