/* Where keys are looked for, which addresses are connected to, and how lookups
 * pass between the store and the threads. */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/relay_find.h"
#include "server/relay_wkd.h"
#include "tests/unit/unit.h"

static void
test_hashes(void **state)
{
	static const struct {
		const char *local, *hash;
	} rows[] = {
		/* the draft's own example */
		{ "Joe.Doe", "iy9q119eutrkn8s1mk4r39qejnbu3n5q" },
		{ "joe.doe", "iy9q119eutrkn8s1mk4r39qejnbu3n5q" },
		/* gpg-wks-client --print-wkd-hash */
		{ "bernhard.reiter", "it5sewh54rxz33fwmr8u6dy4bbz8itz4" },
		{ "wk", "nq6t9teux7edsnwdksswydu4o9i5es3f" },
		{ "a+b", "i6wwpbayndmjsnjzbzdj15jgc77g8a4f" },
	};
	char hash[WKD_HASH];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		wkd_hash(rows[i].local, strlen(rows[i].local), hash);
		assert_string_equal(hash, rows[i].hash);
	}
}

static void
test_urls(void **state)
{
	static const char hash[] = "iy9q119eutrkn8s1mk4r39qejnbu3n5q";
	char url[WKD_URL], want[WKD_URL];

	(void)state;
	assert_ok(wkd_advanced("joe.doe@example.org", url));
	snprintf(want, sizeof(want), "https://openpgpkey.example.org/"
	    ".well-known/openpgpkey/example.org/hu/%s?l=joe.doe", hash);
	assert_string_equal(url, want);
	assert_ok(wkd_direct("joe.doe@example.org", url));
	snprintf(want, sizeof(want), "https://example.org/.well-known/"
	    "openpgpkey/hu/%s?l=joe.doe", hash);
	assert_string_equal(url, want);
	assert_ok(wkd_direct("a+b/c?d&e#f%@example.org", url));
	assert_non_null(strstr(url, "?l=a%2Bb%2Fc%3Fd%26e%23f%25"));
	assert_result(wkd_direct("nobody", url), LL_USAGE);
	assert_result(wkd_advanced("@example.org", url), LL_USAGE);
	assert_ok(wkd_keyserver("hkps://keys.example:8443",
	    "joe.doe@example.org", url));
	assert_string_equal(url, "https://keys.example:8443/pks/lookup?op=get"
	    "&options=mr&search=joe.doe%40example.org");
	assert_ok(wkd_keyserver("https://keys.example", "joe@example.org",
	    url));
	assert_string_equal(url,
	    "https://keys.example/vks/v1/by-email/joe%40example.org");
	assert_result(wkd_keyserver("", "joe@example.org", url), LL_USAGE);
}

/* --- what is connected to --- */

struct names {
	const char *address;       /* NULL: no such host */
	unsigned asked;
};

static enum ll_result
resolve(void *ctx, const char *host, struct net_addr *list, size_t room,
    size_t *n_r)
{
	struct names *names = ctx;
	struct sockaddr_storage sa;
	socklen_t len;

	(void)host;
	assert_true(room > 0);
	names->asked++;
	if (names->address == NULL)
		return LL_NOTFOUND;
	assert_ok(net_listen_parse(names->address, strlen(names->address),
	    &sa, &len));
	assert_true(net_addr_of(&sa, list));
	*n_r = 1;
	return LL_OK;
}

static void
test_private_addresses(void **state)
{
	static const char *const private[] = { "127.0.0.1:1", "10.9.8.7:1",
	    "169.254.169.254:1", "[::1]:1", "[::ffff:127.0.0.1]:1",
	    "[fd00::1]:1" };
	struct names names = { NULL, 0 };
	struct web web = { .ca = "", .resolve = resolve,
	    .resolve_ctx = &names };
	struct find_settings s = { "", "", "", NULL, NULL, NULL };
	struct find_answer a;
	struct web_page p;
	size_t i;

	(void)state;
	assert_ok(web_start());
	for (i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		names.address = private[i];
		names.asked = 0;
		assert_result(web_get(&web, "https://keys.example/x", 100,
		    &p), LL_DENIED);
		web_page_finish(&p);
		/* refused is refused: nothing is tried on the other host */
		relay_look(&s, &web, LOOKUP_WKD, "joe@example.org", &a);
		assert_int_equal(a.state, FIND_FAILED);
		assert_non_null(strstr(a.words, "not a public one"));
		assert_int_equal(names.asked, 2);
	}
	/* without our resolver, the socket's address is what counts */
	web.resolve = NULL;
	assert_result(web_get(&web, "https://127.0.0.1:1/x", 100, &p),
	    LL_DENIED);
	web_page_finish(&p);
	assert_result(web_get(&web, "https://[::1]:1/x", 100, &p), LL_DENIED);
	web_page_finish(&p);
	/* allowed, it is tried, and nobody is there */
	assert_ok(net_list_parse("127.0.0.0/8", &web.networks));
	assert_result(web_get(&web, "https://127.0.0.1:1/x", 100, &p), LL_IO);
	web_page_finish(&p);
	assert_result(web_get(&web, "http://127.0.0.1:1/x", 100, &p),
	    LL_DENIED);
	web_page_finish(&p);
	assert_result(web_get(&web, "file:///etc/passwd", 100, &p),
	    LL_DENIED);
	web_page_finish(&p);
}

static void
test_no_directory(void **state)
{
	struct names names = { NULL, 0 };
	struct web web = { .ca = "", .resolve = resolve,
	    .resolve_ctx = &names };
	struct find_settings s = { "", "", "", NULL, NULL, NULL };
	struct find_answer a;

	(void)state;
	relay_look(&s, &web, LOOKUP_WKD, "joe@example.org", &a);
	assert_int_equal(a.state, FIND_NOTHING);
	assert_int_equal(names.asked, 2);
	relay_look(&s, &web, LOOKUP_SERVER, "joe@example.org", &a);
	assert_int_equal(a.state, FIND_FAILED);
	relay_look(&s, &web, LOOKUP_TLS, "example.org", &a);
	assert_int_equal(a.state, FIND_NOTHING);
}

/* A server that takes connections and says nothing. */
static int
mute_server(char url[60])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	snprintf(url, 60, "https://127.0.0.1:%u/x", ntohs(a.sin_port));
	return fd;
}

static void
test_silent_servers(void **state)
{
	struct web web = { .ca = "", .whole_ms = 200 };
	struct web_page p;
	char url[60];
	int fd = mute_server(url);

	(void)state;
	assert_ok(net_list_parse("127.0.0.0/8", &web.networks));
	assert_ok(silent_create(&web.silent));
	assert_result(web_get(&web, url, 100, &p), LL_IO);
	web_page_finish(&p);
	/* nobody waits for it again */
	web.whole_ms = 0;
	assert_result(web_get(&web, url, 100, &p), LL_BUSY);
	assert_string_not_equal(p.words, "");
	web_page_finish(&p);
	silent_destroy(web.silent);
	(void)close(fd);
}

/* The resolver's IPv6 address is the one that is connected to. */
static void
test_ipv6_address(void **state)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct names names = { "[::1]:1", 0 };
	struct web web = { .ca = "", .resolve = resolve,
	    .resolve_ctx = &names, .whole_ms = 300 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), peer;
	socklen_t len = sizeof(a);
	struct web_page p;
	char url[60];

	(void)state;
	if (fd < 0 || bind(fd, (const void *)&a, sizeof(a)) != 0)
		skip();
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	snprintf(url, sizeof(url), "https://keys.example:%u/x",
	    ntohs(a.sin6_port));
	assert_result(web_get(&web, url, 100, &p), LL_DENIED);
	web_page_finish(&p);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_ok(net_list_parse("::1", &web.networks));
	assert_result(web_get(&web, url, 100, &p), LL_IO);
	web_page_finish(&p);
	peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	(void)close(peer);
	(void)close(fd);
}

static void
test_silence_ends(void **state)
{
	char host[20];
	struct silent *s;
	unsigned n;

	(void)state;
	assert_ok(silent_create(&s));
	assert_false(silent_is(s, "a.example", 1000));
	silent_add(s, "a.example", 1000);
	assert_true(silent_is(s, "a.example", 1000));
	assert_true(silent_is(s, "a.example", 1000 + SILENT_SECS * 1000 - 1));
	assert_false(silent_is(s, "a.example", 1000 + SILENT_SECS * 1000));
	assert_false(silent_is(s, "b.example", 1000));
	/* many push out the oldest */
	for (n = 0; n < 64; n++) {
		snprintf(host, sizeof(host), "h%u.example", n);
		silent_add(s, host, 2000 + n);
	}
	assert_false(silent_is(s, "a.example", 3000));
	assert_true(silent_is(s, "h0.example", 3000));
	silent_destroy(s);
}

/* --- between the store and the threads --- */

#define LOOKUPS 40

struct fake_store {
	unsigned given, answered, most_out;
	bool away;
};

static enum ll_result
say_found(void *ctx, const char *domain, uint8_t *data, size_t room,
    size_t *len_r, char *words, uint64_t *good_secs_r)
{
	struct timespec brief = { 0, 2000000 };

	(void)ctx;
	(void)nanosleep(&brief, NULL);
	*good_secs_r = 77;
	if (strcmp(domain, "d3.example") == 0) {
		snprintf(words, WEB_WORDS, "broken");
		return LL_IO;
	}
	*len_r = (size_t)snprintf((char *)data, room, "sts %s", domain);
	return LL_OK;
}

static void
give_rows(struct fake_store *s, uint64_t limit, struct msg *reply)
{
	char domain[20];

	for (; limit > 0 && s->given < LOOKUPS; limit--, s->given++) {
		snprintf(domain, sizeof(domain), "d%u.example", s->given);
		msg_begin(reply, F_ROW);
		msg_put_u64(reply, F_LOOKUP, LOOKUP_TLS);
		msg_put_text(reply, F_ADDRESS, domain);
		msg_end(reply);
	}
	if (s->given < LOOKUPS)
		msg_put_u64(reply, F_DELAY_SECS, 0);
	if (s->given - s->answered > s->most_out)
		s->most_out = s->given - s->answered;
}

static void
take_answer(struct fake_store *s, struct tlv_view v)
{
	char want[40];
	size_t len;

	s->answered++;
	assert_int_equal(view_u64(v, F_DELAY_SECS), 77);
	if (strcmp(view_text(v, F_ADDRESS), "d3.example") == 0) {
		assert_int_equal(view_u64(v, F_STATE), FIND_FAILED);
		assert_string_equal(view_text(v, F_DETAIL), "broken");
		return;
	}
	assert_int_equal(view_u64(v, F_STATE), FIND_FOUND);
	snprintf(want, sizeof(want), "sts %s", view_text(v, F_ADDRESS));
	assert_memory_equal(view_bytes(v, F_DATA, &len), want, strlen(want));
	assert_int_equal(len, strlen(want));
}

static enum ll_result
ask(void *ctx, struct msg *request, find_done_fn *done, void *arg)
{
	struct fake_store *s = ctx;
	struct msg *reply;

	if (s->away) {
		msg_destroy(request);
		return LL_EOF;
	}
	assert_ok(msg_reply(request, LL_OK, &reply));
	if (msg_op(request) == OP_FIND_LEASE)
		give_rows(s, view_u64(msg_view(request), F_LIMIT), reply);
	else
		take_answer(s, msg_view(request));
	msg_destroy(request);
	done(arg, reply);
	return LL_OK;
}

static void
test_lookups_pass(void **state)
{
	struct find_settings s = { "", "", "", NULL, say_found, NULL };
	struct fake_store store = { 0, 0, 0, true };
	struct relay_find *f;
	const char *why;
	struct pollfd p;
	unsigned turns;

	(void)state;
	assert_ok(relay_find_open(&s, ask, &store, &f, &why));
	/* without a store nothing happens, and nothing is stuck */
	relay_find_due(f);
	store.away = false;
	relay_find_due(f);
	p.fd = relay_find_fd(f);
	p.events = POLLIN;
	for (turns = 0; store.answered < LOOKUPS && turns < 1000; turns++) {
		assert_true(poll(&p, 1, 5000) == 1);
		relay_find_ready(f);
	}
	assert_int_equal(store.answered, LOOKUPS);
	assert_true(store.most_out <= 8);
	assert_int_equal(poll(&p, 1, 0), 0);
	relay_find_close(f);
	s.networks = "inside";
	assert_result(relay_find_open(&s, ask, &store, &f, &why), LL_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_private_addresses),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_silent_servers),
		cmocka_unit_test(test_ipv6_address),
		cmocka_unit_test(test_silence_ends),
		cmocka_unit_test(test_lookups_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
