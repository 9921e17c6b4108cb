/* What intake sees in a mail. */
#include "unit.h"

#include <string.h>

#include "server/intake_look.h"

static struct tlv_view
view(const char *text)
{
	struct tlv_view v = { (const uint8_t *)text, strlen(text) };

	return v;
}

static void
test_encrypted(void **state)
{
	static const struct {
		const char *head, *body;
		bool want;
	} rows[] = {
		{ "", "", false },
		{ "", "Hello\r\n", false },
		{ "", "-----BEGIN PGP MESSAGE-----\r\n", true },
		{ "", "Hi\r\n  -----BEGIN PGP MESSAGE-----\r\n", true },
		{ "", "see -----BEGIN PGP MESSAGE-----\r\n", false },
		{ "", "-----BEGIN PGP SIGNED MESSAGE-----\r\n", false },
		{ "Content-Type: multipart/encrypted; boundary=b\r\n", "",
		    true },
		{ "CONTENT-TYPE:\r\n\tMultipart/Encrypted\r\n", "", true },
		{ "Content-Type: multipart/signed; boundary=b\r\n",
		    "--b\r\nContent-Type: multipart/encrypted; boundary=c\r\n",
		    true },
		{ "Content-Type: application/pkcs7-mime; "
		    "smime-type=enveloped-data\r\n", "", true },
		{ "Content-Type: application/pkcs7-mime; "
		    "smime-type=authEnveloped-data\r\n", "", true },
		{ "Content-Type: application/pkcs7-mime; "
		    "smime-type=signed-data\r\n", "", false },
		{ "Content-Type: application/x-pkcs7-mime\r\n"
		    "Content-Transfer-Encoding: base64\r\n",
		    "MIAGCSqGSIb3DQEHA6CA\r\n", true },
		{ "Content-Type: application/x-pkcs7-mime\r\n"
		    "Content-Transfer-Encoding: base64\r\n",
		    "MIAGCSqGSIb3DQEHAqCA\r\n", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (look_encrypted(view(rows[i].head), view(rows[i].body)) !=
		    rows[i].want)
			fail_msg("row %zu", i);
}

static void
test_report(void **state)
{
	(void)state;
	assert_true(look_report(view("Content-Type: multipart/report;\r\n"
	    " report-type=delivery-status; boundary=b\r\n")));
	assert_false(look_report(view("Content-Type: multipart/report; "
	    "report-type=disposition-notification; boundary=b\r\n")));
	assert_false(look_report(view("Content-Type: text/plain\r\n")));
}

static void
collect(void *arg, const char *id)
{
	char *all = arg;

	strncat(all, id, 200);
	strncat(all, " ", 2);
}

static void
test_references(void **state)
{
	char all[4000] = "", id[200], head[4000] = "References:";
	int i;

	(void)state;
	look_references(view("In-Reply-To: <a@b> (x)\r\nReferences: <c@d>\r\n"
	    " <e@f> < g@h> <i@j\r\n"), collect, all);
	assert_string_equal(all, "a@b c@d e@f ");
	for (i = 0; i < 40; i++)
		snprintf(head + strlen(head), 20, " <%d@x>", i);
	snprintf(head + strlen(head), 3, "\r\n");
	all[0] = '\0';
	look_references(view(head), collect, all);
	assert_true(strncmp(all, "16@x ", 5) == 0);
	look_message_id(view("Message-ID: <one@two>\r\n"), id);
	assert_string_equal(id, "one@two");
	look_message_id(view("Message-ID: one@two\r\n"), id);
	assert_string_equal(id, "");
}

static void
test_facts(void **state)
{
	struct envelope e;

	(void)state;
	envelope_init(&e);
	assert_int_equal(look_facts(view("From: =?utf-8?Q?D=C3=B6ra?= "
	    "<Dora@OUT.example>\r\nTo: \"a, b\" <ada@x.example>,\r\n"
	    " bob@y.example; , broken@@\r\nCc: Carol <c@z.example>\r\n"
	    "Subject: =?utf-8?B?4oCuZXZpbA==?=\x1b[2J\r\n"
	    "Date: Mon, 2 Feb 2026 10:00:00 +0100\r\n"), "x@y.example",
	    1800000000, &e), LL_OK);
	assert_string_equal(e.from, "Dora@out.example");
	assert_string_equal(e.from_name, "D\xc3\xb6ra");
	assert_int_equal(e.to_count, 2);
	assert_string_equal(e.to[0], "ada@x.example");
	assert_string_equal(e.to[1], "bob@y.example");
	assert_int_equal(e.cc_count, 1);
	assert_null(strchr(e.subject, '\x1b'));
	assert_null(strstr(e.subject, "\xe2\x80\xae"));
	assert_int_equal(e.date, 1770022800);
	envelope_finish(&e);
}

static void
test_facts_missing(void **state)
{
	struct envelope e;

	(void)state;
	envelope_init(&e);
	assert_int_equal(look_facts(view("From: a@b.example, c@d.example\r\n"
	    "Date: Fri, 1 Jan 2100 00:00:00 +0000\r\n"), "x@y.example",
	    1800000000, &e), LL_OK);
	assert_string_equal(e.from, "x@y.example");
	assert_int_equal(e.date, 1800000000);
	assert_string_equal(e.subject, "");
	envelope_finish(&e);
	envelope_init(&e);
	assert_int_equal(look_facts(view(""), "", 1800000000, &e), LL_OK);
	assert_string_equal(e.from, "unknown@invalid");
	envelope_finish(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
