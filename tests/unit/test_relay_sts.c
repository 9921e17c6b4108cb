/* MTA-STS records and policies, TLSA records, and the administration's list:
 * what counts, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/relay_sts.h"
#include "server/relay_tls.h"

static void
test_record(void **state)
{
	static const struct {
		const char *texts[3];
		enum ll_result r;
		const char *id;
	} rows[] = {
		{ { "v=STSv1; id=20160831085700Z;" }, LL_OK,
		    "20160831085700Z" },
		{ { "v=STSv1;id=1" }, LL_OK, "1" },
		{ { "v=STSv1 ; id = 7 ; more=x;" }, LL_OK, "7" },
		{ { "v=STSv1; more=x; id=7; id=8" }, LL_OK, "7" },
		{ { "hello", "v=STSv1; id=1;", "v=spf1 -all" }, LL_OK, "1" },
		{ { "v=STSv1; id=1;", "v=STSv1; id=1;" }, LL_NOTFOUND, "" },
		{ { "v=STSv10; id=1;" }, LL_NOTFOUND, "" },
		{ { "v=STSv1" }, LL_NOTFOUND, "" },
		{ { " v=STSv1; id=1;" }, LL_NOTFOUND, "" },
		{ { "V=STSV1; id=1;" }, LL_NOTFOUND, "" },
		{ { NULL }, LL_NOTFOUND, "" },
		{ { "v=STSv1;" }, LL_PROTO, "" },
		{ { "v=STSv1; id=;" }, LL_PROTO, "" },
		{ { "v=STSv1; id=a-b;" }, LL_PROTO, "" },
		{ { "v=STSv1; id=123456789012345678901234567890123;" },
		    LL_PROTO, "" },
	};
	uint8_t wire[3][300];
	struct dns_row list[3];
	char id[STS_ID_MAX + 1];
	size_t i, n, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (n = 0; n < 3 && rows[i].texts[n] != NULL; n++) {
			len = strlen(rows[i].texts[n]);
			wire[n][0] = (uint8_t)len;
			memcpy(wire[n] + 1, rows[i].texts[n], len);
			list[n].data = wire[n];
			list[n].len = len + 1;
		}
		if (sts_record(list, n, id) != rows[i].r)
			fail_msg("row %zu", i);
		assert_string_equal(id, rows[i].id);
	}
}

/* One text in several strings is joined; one that ends early is none. */
static void
test_record_in_pieces(void **state)
{
	static const uint8_t pieces[] = "\x05v=STS\x00\x0av1; id=123";
	struct dns_row row = { pieces, sizeof(pieces) - 1 };
	char id[STS_ID_MAX + 1];

	(void)state;
	assert_int_equal(sts_record(&row, 1, id), LL_OK);
	assert_string_equal(id, "123");
	row.len--;
	assert_int_equal(sts_record(&row, 1, id), LL_NOTFOUND);
}

#define HEAD "version: STSv1\n"
#define ONE "mx: mx.a.example\n"

static void
test_policy(void **state)
{
	static const struct {
		const char *text;
		enum ll_result r;
		enum sts_mode mode;
		uint64_t age;
		size_t mx;
	} rows[] = {
		{ "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
		    "mx: *.example.net\r\nmx: backupmx.example.com\r\n"
		    "max_age: 604800\r\n", LL_OK, STS_MODE_ENFORCE, 604800, 3 },
		{ "mode:testing\nmax_age:1\nmx:MX.A.example\nversion:STSv1",
		    LL_OK, STS_MODE_TESTING, 1, 1 },
		{ HEAD "mode: none\nmax_age: 86400\n", LL_OK, STS_MODE_NONE,
		    86400, 0 },
		{ HEAD "mode: enforce\n" ONE "max_age: 9999999999\n", LL_OK,
		    STS_MODE_ENFORCE, STS_AGE_MAX_SECS, 1 },
		{ HEAD "mode: enforce\nmode: none\n" ONE "max_age: 7\n"
		    "max_age: 8\nnews: x\n\n", LL_OK, STS_MODE_ENFORCE, 7, 1 },
		{ "version: STSv2\nmode: enforce\n" ONE "max_age: 7\n",
		    LL_PROTO, 0, 0, 0 },
		{ "mode: enforce\n" ONE "max_age: 7\n", LL_PROTO, 0, 0, 0 },
		{ HEAD ONE "max_age: 7\n", LL_PROTO, 0, 0, 0 },
		{ HEAD "mode: enforce\n" ONE, LL_PROTO, 0, 0, 0 },
		{ HEAD "mode: enforce\nmax_age: 7\n", LL_PROTO, 0, 0, 0 },
		{ HEAD "mode: Enforce\n" ONE "max_age: 7\n", LL_PROTO, 0, 0,
		    0 },
		{ HEAD "mode: enforce\n" ONE "max_age: -7\n", LL_PROTO, 0, 0,
		    0 },
		{ HEAD "mode: enforce\n" ONE "max_age: 7 days\n", LL_PROTO, 0,
		    0, 0 },
		{ HEAD "mode: enforce\n" ONE "max_age: 12345678901\n",
		    LL_PROTO, 0, 0, 0 },
		{ HEAD "mode: enforce\nmx: a b\nmax_age: 7\n", LL_PROTO, 0, 0,
		    0 },
		{ HEAD "mode: enforce\nmx: *\nmax_age: 7\n", LL_PROTO, 0, 0,
		    0 },
		{ HEAD "mode: enforce\nmx: *.\nmax_age: 7\n", LL_PROTO, 0, 0,
		    0 },
		{ HEAD "mode: enforce\nmx: a.*.example\nmax_age: 7\n",
		    LL_PROTO, 0, 0, 0 },
		{ HEAD "mode: enforce\n" ONE "max_age: 7\n<html>\n", LL_PROTO,
		    0, 0, 0 },
		{ "", LL_PROTO, 0, 0, 0 },
	};
	struct sts_policy p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sts_parse(rows[i].text, strlen(rows[i].text), &p) !=
		    rows[i].r)
			fail_msg("row %zu", i);
		if (rows[i].r != LL_OK)
			continue;
		assert_int_equal(p.mode, rows[i].mode);
		assert_int_equal(p.max_age_secs, rows[i].age);
		assert_int_equal(p.mx_count, rows[i].mx);
	}
}

static void
test_policy_too_large(void **state)
{
	char *text = malloc(STS_POLICY_MAX + 100);
	struct sts_policy p;
	size_t at, i;

	(void)state;
	assert_non_null(text);
	at = (size_t)snprintf(text, 100, HEAD "mode: enforce\nmax_age: 7\n");
	for (i = 0; i < STS_MX_MAX; i++)
		at += (size_t)snprintf(text + at, 100, "mx: mx%zu.a.example\n", i);
	assert_int_equal(sts_parse(text, at, &p), LL_OK);
	assert_int_equal(p.mx_count, STS_MX_MAX);
	at += (size_t)snprintf(text + at, 100, "mx: one.more.example\n");
	assert_int_equal(sts_parse(text, at, &p), LL_PROTO);
	memset(text + at, '\n', STS_POLICY_MAX + 1 - at);
	assert_int_equal(sts_parse(text, STS_POLICY_MAX + 1, &p), LL_PROTO);
	free(text);
}

static void
test_names(void **state)
{
	static const char text[] = HEAD "mode: enforce\nmax_age: 7\n"
	    "mx: mx1.a.example\nmx: *.b.example\n";
	static const struct {
		const char *host;
		bool named;
	} rows[] = {
		{ "mx1.a.example", true }, { "MX1.A.EXAMPLE", true },
		{ "mx2.a.example", false }, { "x.mx1.a.example", false },
		{ "mx.b.example", true }, { "MX.B.example", true },
		{ "b.example", false }, { "x.mx.b.example", false },
		{ ".b.example", false }, { "mx.b.example.evil", false },
		{ "xb.example", false }, { "", false },
	};
	struct sts_policy p;
	size_t i;

	(void)state;
	assert_int_equal(sts_parse(text, sizeof(text) - 1, &p), LL_OK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (sts_names(&p, rows[i].host) != rows[i].named)
			fail_msg("%s", rows[i].host);
}

static void
test_tlsa(void **state)
{
	static const struct {
		uint8_t head[3];
		size_t len;
		bool usable;
	} rows[] = {
		{ { 3, 1, 1 }, 32, true }, { { 3, 0, 1 }, 32, true },
		{ { 2, 0, 2 }, 64, true }, { { 2, 0, 0 }, 500, true },
		{ { 0, 0, 1 }, 32, false }, { { 1, 1, 1 }, 32, false },
		{ { 4, 1, 1 }, 32, false }, { { 3, 2, 1 }, 32, false },
		{ { 3, 1, 3 }, 32, false }, { { 3, 1, 1 }, 31, false },
		{ { 3, 1, 1 }, 64, false }, { { 3, 1, 2 }, 32, false },
		{ { 3, 1, 0 }, 0, false },
		{ { 3, 1, 0 }, WIRE_TLSA_BYTES + 1, false },
	};
	struct wire_tlsa list[WIRE_TLSA_MAX];
	uint8_t data[WIRE_TLSA_BYTES + 8];
	struct dns_row row = { data, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(data, rows[i].head, 3);
		memset(data + 3, 7, sizeof(data) - 3);
		row.len = rows[i].len + 3;
		if (tls_usable(&row, 1, list) != (rows[i].usable ? 1 : 0))
			fail_msg("row %zu", i);
		if (rows[i].usable) {
			assert_int_equal(list[0].usage, rows[i].head[0]);
			assert_int_equal(list[0].len, rows[i].len);
			assert_int_equal(list[0].data[rows[i].len - 1], 7);
		}
	}
	row.len = 2;
	assert_int_equal(tls_usable(&row, 1, list), 0);
}

static void
test_list(void **state)
{
	static const char list[] =
	    " a.example  b.example=mx.b.example\tC.example,d.example=";
	static const struct {
		const char *domain;
		bool listed;
		const char *name;
	} rows[] = {
		{ "a.example", true, "" }, { "A.Example", true, "" },
		{ "b.example", true, "mx.b.example" },
		{ "c.example", true, "" }, { "d.example", true, "" },
		{ "example", false, "" }, { "x.a.example", false, "" },
		{ "mx.b.example", false, "" }, { "", false, "" },
	};
	char name[DNS_NAME_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (tls_is_listed(list, rows[i].domain, name) !=
		    rows[i].listed)
			fail_msg("%s", rows[i].domain);
		if (rows[i].listed)
			assert_string_equal(name, rows[i].name);
	}
	assert_false(tls_is_listed("", "a.example", name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_in_pieces),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_too_large),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_list),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
