/* What the portal parses and makes: paths, origins, pages, file names, and the
 * table of opened messages. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "server/portal_file.h"
#include "server/portal_page.h"
#include "server/portal_path.h"
#include "server/portal_session.h"

#define ID1 "0123456789ABCDEFGHJKMNPQRS"
#define ID2 "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"

static void
paths(void **state)
{
	static const struct {
		const char *url;
		enum path_kind kind;
	} rows[] = {
		{ "/", PATH_HOME },
		{ "/style.css", PATH_STYLE },
		{ "/robots.txt", PATH_ROBOTS },
		{ "/m/" ID1 "/" ID2, PATH_LINK },
		{ "/m/0123456789abcdefghjkmnpqrs/" ID2, PATH_LINK },
		{ "/m/" ID1 "/" ID2 "/", PATH_NONE },
		{ "/m/" ID1 "/" ID2 "X", PATH_NONE },
		{ "/m/" ID1, PATH_NONE },
		{ "/m/" ID1 "/", PATH_NONE },
		{ "/m/" ID1 "/" ID1 "/../x", PATH_NONE },
		{ "/m/U123456789ABCDEFGHJKMNPQRS/" ID2, PATH_NONE },
		{ "/o/" ID1, PATH_MESSAGE },
		{ "/o/" ID1 "/", PATH_NONE },
		{ "/o/" ID1 "/reply", PATH_REPLY },
		{ "/o/" ID1 "/replyx", PATH_NONE },
		{ "/o/" ID1 "/close", PATH_CLOSE },
		{ "/o/" ID1 "/key", PATH_KEY },
		{ "/o/" ID1 "/keys", PATH_NONE },
		{ "/o/" ID1 "/f/1", PATH_FILE },
		{ "/o/" ID1 "/f/100", PATH_FILE },
		{ "/o/" ID1 "/f/101", PATH_NONE },
		{ "/o/" ID1 "/f/0", PATH_NONE },
		{ "/o/" ID1 "/f/01", PATH_NONE },
		{ "/o/" ID1 "/f/-1", PATH_NONE },
		{ "/o/" ID1 "/f/../../etc/passwd", PATH_NONE },
		{ "/o/" ID1 "/f/99999999999999999999", PATH_NONE },
		{ "/../etc/passwd", PATH_NONE },
		{ "", PATH_NONE },
		{ "/m", PATH_NONE },
		{ "/o/", PATH_NONE },
		{ "*", PATH_NONE },
	};
	struct portal_path p;
	char text[ID_TEXT + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		path_parse(rows[i].url, &p);
		if (p.kind != rows[i].kind)
			fail_msg("row %zu: %s", i, rows[i].url);
	}
	path_parse("/m/" ID1 "/" ID2, &p);
	id_text(&p.locator, text);
	assert_string_equal(text, ID1);
	id_text(&p.secret, text);
	assert_string_equal(text, ID2);
	path_parse("/o/" ID1 "/f/42", &p);
	assert_int_equal(p.file, 42);
}

static void
origin_of(const char *peer, const char *forwarded, const char *trusted,
    const char *expect)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const struct sockaddr *sa = (const void *)&v4;
	struct proxy_list l;
	char origin[ORIGIN_MAX];

	if (inet_pton(AF_INET, peer, &v4.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, peer, &v6.sin6_addr), 1);
		sa = (const void *)&v6;
	}
	assert_true(path_proxies(trusted, &l));
	path_origin(sa, forwarded, &l, origin);
	assert_string_equal(origin, expect);
}

static void
origins(void **state)
{
	struct proxy_list l;

	(void)state;
	origin_of("192.0.2.1", NULL, "", "192.0.2.1");
	/* Anybody can claim a hop; only the proxy's word counts. */
	origin_of("192.0.2.1", "198.51.100.9", "", "192.0.2.1");
	origin_of("192.0.2.1", "198.51.100.9", "10.0.0.0/8", "192.0.2.1");
	origin_of("10.1.2.3", "198.51.100.9", "10.0.0.0/8", "198.51.100.9");
	origin_of("10.1.2.3", "203.0.113.5, 198.51.100.9", "10.0.0.0/8",
	    "198.51.100.9");
	origin_of("10.1.2.3", "nonsense", "10.0.0.0/8", "10.1.2.3");
	origin_of("10.1.2.3", "198.51.100.9,", "10.0.0.0/8", "10.1.2.3");
	origin_of("::1", "2001:db8:1:2:3:4:5:6", "::1, 127.0.0.1",
	    "2001:db8:1:2::/64");
	origin_of("2001:db8:1:2:ffff::1", NULL, "", "2001:db8:1:2::/64");
	origin_of("::ffff:192.0.2.1", NULL, "", "192.0.2.1");
	origin_of("::ffff:10.0.0.1", "[2001:db8::5]", "10.0.0.1",
	    "2001:db8::/64");
	assert_true(path_proxies("127.0.0.1 ::1,10.0.0.0/8", &l));
	assert_int_equal(l.count, 3);
	assert_false(path_proxies("10.0.0.0/33", &l));
	assert_false(path_proxies("10.0.0.0/", &l));
	assert_false(path_proxies("localhost", &l));
	assert_false(path_proxies("::1/129", &l));
}

static void
cookies(void **state)
{
	uint8_t in[COOKIE_BYTES], out[COOKIE_BYTES];
	char text[COOKIE_TEXT + 2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	crockford_encode(in, sizeof(in), text);
	assert_int_equal(strlen(text), COOKIE_TEXT);
	assert_true(path_cookie(text, out));
	assert_memory_equal(in, out, sizeof(in));
	assert_false(path_cookie(NULL, out));
	assert_false(path_cookie("", out));
	assert_false(path_cookie(text + 1, out));
	memcpy(text + COOKIE_TEXT, "0", 2);
	assert_false(path_cookie(text, out));
	text[COOKIE_TEXT] = '\0';
	text[5] = '"';
	assert_false(path_cookie(text, out));
}

static void
escaping(void **state)
{
	static const char hostile[] = "</title><script>\"'&\xe2\x80\xae\x1b[2J";
	struct page p;

	(void)state;
	page_init(&p);
	page_text(&p, "a<b>&\"'c");
	page_raw(&p, "");
	assert_int_equal(p.len, strlen("a&lt;b&gt;&amp;&quot;&#39;c"));
	assert_memory_equal(p.data, "a&lt;b&gt;&amp;&quot;&#39;c", p.len);
	page_finish(&p);
	page_foreign(&p, hostile, sizeof(hostile) - 1, CLEAN_LINE);
	assert_false(p.failed);
	assert_null(memchr(p.data, '<', p.len));
	assert_null(memchr(p.data, '"', p.len));
	assert_null(memchr(p.data, 0x1b, p.len));
	assert_null(memmem(p.data, p.len, "\xe2\x80\xae", 3));
	assert_non_null(memmem(p.data, p.len, "U+202E", 6));
	page_finish(&p);
	assert_null(p.data);
}

static void
page_has_a_ceiling(void **state)
{
	static char block[65536];
	struct page p;
	size_t i;

	(void)state;
	memset(block, 'x', sizeof(block) - 1);
	page_init(&p);
	for (i = 0; i < 2 * PAGE_MAX / sizeof(block); i++)
		page_raw(&p, block);
	assert_true(p.failed);
	assert_true(p.room <= PAGE_MAX);
	page_finish(&p);
}

static void
numbers(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 bytes" }, { 999, "999 bytes" }, { 1000, "1.0 KB" },
		{ 999499, "999 KB" }, { 999600, "1.0 MB" },
		{ 536870912, "537 MB" }, { 4200000, "4.2 MB" },
	};
	struct page p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		page_init(&p);
		page_size(&p, rows[i].bytes);
		page_raw(&p, "|");
		assert_int_equal(p.len - 1, strlen(rows[i].text));
		assert_memory_equal(p.data, rows[i].text, p.len - 1);
		page_finish(&p);
	}
	page_init(&p);
	page_time(&p, 1789000000);
	assert_non_null(memmem(p.data, p.len, "2026-09-10T", 11));
	page_finish(&p);
}

static void
dispositions(void **state)
{
	char out[1200], longer[201];

	(void)state;
	file_disposition("report v2.pdf", out, sizeof(out));
	assert_string_equal(out, "attachment; filename=\"report v2.pdf\"; "
	    "filename*=UTF-8''report%20v2.pdf");
	file_disposition("\xc3\xbc\"\r\n;x", out, sizeof(out));
	assert_string_equal(out, "attachment; filename=\"______x\"; "
	    "filename*=UTF-8''%C3%BC%22%0D%0A%3Bx");
	memset(longer, '\xff', sizeof(longer) - 1);
	longer[200] = '\0';
	file_disposition(longer, out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
	assert_null(strchr(out, '\n'));
}

/* --- opened messages --- */

static struct opened
opened(void)
{
	struct opened o;

	id_random(&o.delivery);
	id_random(&o.message);
	memset(o.token, 7, sizeof(o.token));
	assert_ok(secret_random(&o.key, KEY_BYTES));
	return o;
}

static void
session_opens_with_its_cookie(void **state)
{
	uint8_t cookie[COOKIE_BYTES] = { 1 }, other[COOKIE_BYTES] = { 2 };
	struct opened o = opened(), got;
	struct sessions *s;
	struct id strange;

	(void)state;
	id_random(&strange);
	assert_ok(sessions_create(&s));
	assert_ok(session_put(s, cookie, &o, 1000));
	assert_ok(session_get(s, cookie, &o.delivery, 2000, &got));
	assert_memory_equal(got.key.data, o.key.data, KEY_BYTES);
	assert_memory_equal(got.token, o.token, HASH_BYTES);
	assert_true(id_equal(&got.message, &o.message));
	opened_finish(&got);
	assert_result(session_get(s, other, &o.delivery, 2000, &got),
	    LL_NOTFOUND);
	assert_result(session_get(s, cookie, &strange, 2000, &got),
	    LL_NOTFOUND);
	assert_true(session_known(s, cookie, 2000));
	assert_false(session_none(s, 2000));
	assert_true(session_none(s, 2000 + SESSION_IDLE_MS + 1));
	assert_false(session_known(s, other, 2000));
	assert_true(session_end(s, cookie, &o.delivery));
	assert_false(session_end(s, cookie, &o.delivery));
	assert_result(session_get(s, cookie, &o.delivery, 2000, &got),
	    LL_NOTFOUND);
	sessions_destroy(s);
	opened_finish(&o);
}

static void
session_ends_with_time(void **state)
{
	uint8_t cookie[COOKIE_BYTES] = { 1 }, token[HASH_BYTES];
	struct opened o = opened(), got;
	struct sessions *s;
	uint64_t at;

	(void)state;
	assert_ok(sessions_create(&s));
	assert_ok(session_put(s, cookie, &o, 0));
	/* idle */
	assert_result(session_get(s, cookie, &o.delivery,
	    SESSION_IDLE_MS + 1, &got), LL_NOTFOUND);
	/* in all, although used every ten minutes */
	assert_ok(session_put(s, cookie, &o, 0));
	for (at = 0; at <= SESSION_TOTAL_MS; at += 600000) {
		assert_ok(session_get(s, cookie, &o.delivery, at, &got));
		opened_finish(&got);
	}
	assert_false(session_sweep(s, SESSION_TOTAL_MS, token));
	assert_result(session_get(s, cookie, &o.delivery,
	    SESSION_TOTAL_MS + 1, &got), LL_NOTFOUND);
	assert_true(session_sweep(s, SESSION_TOTAL_MS + 1, token));
	assert_memory_equal(token, o.token, HASH_BYTES);
	assert_false(session_sweep(s, SESSION_TOTAL_MS + 1, token));
	sessions_destroy(s);
	opened_finish(&o);
}

static void
full_table_drops_the_oldest(void **state)
{
	uint8_t cookie[COOKIE_BYTES] = { 0 };
	struct opened o = opened(), got;
	struct sessions *s;
	unsigned i;

	(void)state;
	assert_ok(sessions_create(&s));
	for (i = 0; i <= SESSIONS_MAX; i++) {
		memcpy(cookie, &i, sizeof(i));
		memcpy(&o.delivery, &i, sizeof(i));
		assert_ok(session_put(s, cookie, &o, i));
	}
	i = 0;
	memcpy(cookie, &i, sizeof(i));
	memcpy(&o.delivery, &i, sizeof(i));
	assert_result(session_get(s, cookie, &o.delivery, i, &got),
	    LL_NOTFOUND);
	i = SESSIONS_MAX;
	memcpy(cookie, &i, sizeof(i));
	memcpy(&o.delivery, &i, sizeof(i));
	assert_ok(session_get(s, cookie, &o.delivery, i, &got));
	opened_finish(&got);
	sessions_destroy(s);
	opened_finish(&o);
}

/* Who opens one message again and again drops his own pages, not others'. */
static void
one_link_has_its_share(void **state)
{
	uint8_t first[COOKIE_BYTES] = { 1 }, cookie[COOKIE_BYTES] = { 2 };
	struct opened yours = { .token = { 7 } }, mine = { .token = { 8 } };
	struct sessions *s;
	struct opened got;
	uint64_t i;

	(void)state;
	id_random(&yours.delivery);
	id_random(&mine.delivery);
	assert_ok(secret_random(&yours.key, KEY_BYTES));
	assert_ok(secret_random(&mine.key, KEY_BYTES));
	assert_ok(sessions_create(&s));
	assert_ok(session_put(s, first, &yours, 1));
	for (i = 2; i < SESSIONS_MAX + 10; i++) {
		memcpy(cookie + 8, &i, sizeof(i));
		assert_ok(session_put(s, cookie, &mine, i));
	}
	assert_ok(session_get(s, cookie, &mine.delivery, i, &got));
	opened_finish(&got);
	assert_ok(session_get(s, first, &yours.delivery, i, &got));
	opened_finish(&got);
	sessions_destroy(s);
	opened_finish(&yours);
	opened_finish(&mine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(origins),
		cmocka_unit_test(cookies),
		cmocka_unit_test(escaping),
		cmocka_unit_test(page_has_a_ceiling),
		cmocka_unit_test(numbers),
		cmocka_unit_test(dispositions),
		cmocka_unit_test(session_opens_with_its_cookie),
		cmocka_unit_test(session_ends_with_time),
		cmocka_unit_test(full_table_drops_the_oldest),
		cmocka_unit_test(one_link_has_its_share),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
