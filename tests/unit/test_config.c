/* letterlock.conf: every type's good and bad values, the error line, the
 * checks between keys; addresses and networks. */
#include <stdio.h>
#include <unistd.h>

#include "server/config.h"
#include "server/net.h"
#include "tests/unit/unit.h"

static char why[CONFIG_WHY];

/* A file with that text; its path, which the caller unlinks. */
static const char *
file_with(const char *text)
{
	static char path[40];
	FILE *f;
	int fd;

	memcpy(path, "/tmp/ll-config.XXXXXX", 22);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static enum ll_result
load(const char *text, struct config *c)
{
	const char *path = file_with(text);
	enum ll_result r = config_load(c, path, why);

	assert_int_equal(unlink(path), 0);
	return r;
}

static void
test_defaults(void **state)
{
	unsigned start, rate, full;
	struct config c;

	(void)state;
	assert_ok(load("", &c));
	/* the directory that the file is in */
	assert_string_equal(config_text(&c, CONFIG_data), "/tmp");
	assert_string_equal(config_text(&c, CONFIG_ssh_listen),
	    "127.0.0.1:2222");
	assert_int_equal(config_number(&c, CONFIG_attachment_max), 512 << 20);
	assert_int_equal(config_number(&c, CONFIG_kdf_passes), 3);
	config_startups(&c, &start, &rate, &full);
	assert_int_equal(start, 10);
	assert_int_equal(rate, 30);
	assert_int_equal(full, 100);
	config_finish(&c);
}

static void
test_lines(void **state)
{
	struct config c;

	(void)state;
	assert_ok(load("# words\n\n  org_name =  The Office \t\r\n"
	    "undo_seconds=5\nundo_seconds = 7\n", &c));
	assert_string_equal(config_text(&c, CONFIG_org_name), "The Office");
	assert_int_equal(config_number(&c, CONFIG_undo_seconds), 7);
	assert_int_equal(c.lines[CONFIG_undo_seconds], 5);
	config_finish(&c);
}

static void
test_values(void **state)
{
	static const struct {
		const char *name, *value;
		enum ll_result want;
	} rows[] = {
		{ "data", "/srv/ll", LL_OK }, { "data", "ll", LL_USAGE },
		{ "data", "", LL_OK },
		{ "undo_seconds", "0", LL_OK },
		{ "undo_seconds", "-1", LL_USAGE },
		{ "undo_seconds", "3601", LL_USAGE },
		{ "undo_seconds", "7x", LL_USAGE },
		{ "undo_seconds", "99999999999999999999999", LL_USAGE },
		{ "attachment_max", "1G", LL_OK },
		{ "attachment_max", "1023", LL_USAGE },
		{ "attachment_max", "1Q", LL_USAGE },
		{ "attachment_max", "9999999999999T", LL_USAGE },
		{ "ssh_listen", "*:22 [::]:22", LL_OK },
		{ "ssh_listen", "127.0.0.1:0", LL_OK },
		{ "ssh_listen", "127.0.0.1", LL_USAGE },
		{ "ssh_listen", "127.0.0.1:65536", LL_USAGE },
		{ "ssh_listen", "host.example:22", LL_USAGE },
		{ "ssh_listen", "*:1 *:2 *:3 *:4", LL_USAGE },
		{ "intake_listen", "unix:/run/ll/milter", LL_OK },
		{ "intake_listen", "inet:8891@127.0.0.1", LL_OK },
		{ "intake_listen", "inet:8891@10.0.0.1", LL_USAGE },
		{ "intake_listen", "inet:0@127.0.0.1", LL_USAGE },
		{ "intake_listen", "inet:8891", LL_USAGE },
		{ "intake_listen", "unix:milter", LL_USAGE },
		{ "secure_rules", "iban  ssn", LL_OK },
		{ "secure_rules", "iban dna", LL_USAGE },
		{ "portal_url", "https://mail.test", LL_OK },
		{ "portal_url", "https://mail.test/", LL_USAGE },
		{ "portal_url", "ftp://mail.test", LL_USAGE },
		{ "trusted_proxy", "10.0.0.0/8 fd00::/8 192.0.2.1", LL_OK },
		{ "trusted_proxy", "10.0.0.0/33", LL_USAGE },
		{ "relay", "smtp://mx.test:25", LL_OK },
		{ "relay", "dir:/var/out", LL_OK },
		{ "relay", "dir:out", LL_USAGE },
		{ "relay", "mx.test", LL_USAGE },
		{ "relay_tls", "off", LL_OK }, { "relay_tls", "on", LL_USAGE },
		{ "key_search", "wkd", LL_OK }, { "key_search", "off", LL_OK },
		{ "key_search", "tls  wkd", LL_OK },
		{ "key_search", "", LL_USAGE },
		{ "key_search", "wkd,tls", LL_USAGE },
		{ "key_search", "wkd off", LL_USAGE },
		{ "keyserver", "hkps://keys.example", LL_OK },
		{ "keyserver", "https://keys.example:8443", LL_OK },
		{ "keyserver", "hkp://keys.example", LL_USAGE },
		{ "keyserver", "hkps://keys.example/pks", LL_USAGE },
		{ "find_networks", "127.0.0.0/8 ::1", LL_OK },
		{ "find_networks", "inside", LL_USAGE },
		{ "dns_server", "127.0.0.1:53", LL_OK },
		{ "dns_server", "[::1]:53", LL_OK },
		{ "dns_server", "*:53", LL_USAGE },
		{ "dns_server", "192.0.2.1", LL_USAGE },
		{ "mail_from", "post@house.test", LL_OK },
		{ "mail_from", "post house.test", LL_USAGE },
		{ "portal_plain", "yes", LL_OK },
		{ "portal_plain", "1", LL_USAGE },
		{ "max_startups", "10:30:100", LL_OK },
		{ "max_startups", "10:30:5", LL_USAGE },
		{ "max_startups", "10:101:100", LL_USAGE },
		{ "max_startups", "10:30", LL_USAGE },
		{ "no_such_key", "1", LL_USAGE },
	};
	struct config c;
	enum ll_result r;
	size_t i;

	(void)state;
	assert_ok(config_init(&c));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = config_set(&c, "row", rows[i].name, rows[i].value, why);
		if (r != rows[i].want)
			fail_msg("row %zu: %s = %s gave %s", i, rows[i].name,
			    rows[i].value, ll_result_text(r));
	}
	config_finish(&c);
}

static void
test_error_line(void **state)
{
	static const struct {
		const char *text, *tail;
	} rows[] = {
		{ "data = /x\nkdf_passes = 0\n",
		    ":2: kdf_passes: expected a number from 1 to 16" },
		{ "words\n", ":1: expected key = value" },
		{ "\n= 3\n", ":2: expected key = value" },
		{ "colour = red\n", ":1: colour: expected a known key "
		    "(letterlockd --print-config lists them)" },
		{ "data = /x\nrelay = dir:/x/out\n",
		    ":2: relay: expected a directory outside the data "
		    "directory" },
		{ "portal_url = http://mail.test\n", ":1: portal_url: "
		    "expected https:// for an address that is not loopback" },
		{ "portal_cert = /a\n", ":1: portal_cert: expected both "
		    "portal_cert and portal_key, or neither" },
		{ "portal_listen = *:80\n", ":1: portal_listen: expected a "
		    "loopback address for a portal without TLS" },
		{ "org_name = a\x1b[2Jb\n", ":1: org_name: expected UTF-8 "
		    "without control characters" },
	};
	struct config c;
	size_t i, len, tail;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_result(load(rows[i].text, &c), LL_USAGE);
		len = strlen(why);
		tail = strlen(rows[i].tail);
		if (len < tail ||
		    strcmp(why + len - tail, rows[i].tail) != 0)
			fail_msg("row %zu: %s", i, why);
		assert_null(strchr(why, '\n'));
		assert_null(c.file);
	}
}

static void
test_long_line(void **state)
{
	struct config c;
	char *text = malloc(CONFIG_LINE_MAX + 100);

	(void)state;
	assert_non_null(text);
	memset(text, '#', CONFIG_LINE_MAX + 99);
	text[CONFIG_LINE_MAX + 99] = '\0';
	assert_result(load(text, &c), LL_TOOBIG);
	free(text);
}

/* What is printed loads again and gives the same. */
static void
test_print(void **state)
{
	struct config c, again;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int i;

	(void)state;
	assert_non_null(out);
	assert_ok(config_init(&c));
	assert_ok(config_set(&c, "t", "org_name", "Long Office Ltd", why));
	assert_ok(config_set(&c, "t", "quota", "2G", why));
	config_print(&c, out);
	assert_int_equal(fclose(out), 0);
	assert_ok(load(text, &again));
	for (i = 0; i < CONFIG_COUNT; i++) {
		assert_non_null(strstr(text, config_name(i)));
		if (i == CONFIG_data)
			continue;
		assert_string_equal(c.values[i], again.values[i]);
	}
	assert_int_equal(again.numbers[CONFIG_quota], UINT64_C(2) << 30);
	free(text);
	config_finish(&c);
	config_finish(&again);
}

static void
test_networks(void **state)
{
	static const struct {
		const char *list, *address;
		bool in;
	} rows[] = {
		{ "10.0.0.0/8", "10.9.8.7:1", true },
		{ "10.0.0.0/8", "11.0.0.1:1", false },
		{ "192.0.2.128/25", "192.0.2.127:1", false },
		{ "192.0.2.128/25", "192.0.2.129:1", true },
		{ "192.0.2.1", "192.0.2.1:1", true },
		{ "192.0.2.1", "192.0.2.2:1", false },
		{ "0.0.0.0/0", "[2001:db8::1]:1", false },
		{ "2001:db8::/33", "[2001:db8:7fff::1]:1", true },
		{ "2001:db8::/33", "[2001:db8:8000::1]:1", false },
		{ "::/0", "[2001:db8::1]:1", true },
		{ "", "127.0.0.1:1", false },
	};
	struct sockaddr_storage sa;
	struct net_list list;
	struct net_addr a;
	socklen_t len;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ok(net_list_parse(rows[i].list, &list));
		assert_ok(net_listen_parse(rows[i].address,
		    strlen(rows[i].address), &sa, &len));
		assert_true(net_addr_of(&sa, &a));
		if (net_list_has(&list, &a) != rows[i].in)
			fail_msg("row %zu", i);
	}
}

static void
test_public_addresses(void **state)
{
	static const struct {
		const char *address;
		bool is_public;
	} rows[] = {
		{ "1.1.1.1", true }, { "9.9.9.9", true },
		{ "11.0.0.1", true }, { "100.63.255.255", true },
		{ "100.128.0.1", true }, { "172.15.0.1", true },
		{ "172.32.0.1", true }, { "192.169.0.1", true },
		{ "223.255.255.255", true },
		{ "[2a00:1450::1]", true }, { "[2001:4860::1]", true },
		{ "[64:ff9b::101:101]", true },
		{ "0.0.0.0", false }, { "10.1.2.3", false },
		{ "100.64.0.1", false }, { "100.127.255.255", false },
		{ "127.0.0.1", false }, { "127.77.1.1", false },
		{ "169.254.169.254", false }, { "172.16.0.1", false },
		{ "172.31.255.255", false }, { "192.0.2.1", false },
		{ "192.168.1.1", false }, { "198.19.0.1", false },
		{ "203.0.113.9", false }, { "224.0.0.1", false },
		{ "255.255.255.255", false },
		{ "[::]", false }, { "[::1]", false }, { "[fe80::1]", false },
		{ "[fd00::1]", false }, { "[ff02::1]", false },
		{ "[2001:db8::1]", false }, { "[2001::1]", false },
		{ "[2002:7f00:1::]", false }, { "[::127.0.0.1]", false },
		{ "[::ffff:127.0.0.1]", false },
		{ "[::ffff:10.0.0.1]", false },
		{ "[64:ff9b::a00:1]", false }, { "[64:ff9b:1::1]", false },
		{ "[100::1]", false }, { "[3fff::1]", false },
	};
	struct sockaddr_storage sa;
	char text[NET_TEXT];
	struct net_addr a;
	socklen_t len;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s:443", rows[i].address);
		assert_ok(net_listen_parse(text, strlen(text), &sa, &len));
		assert_true(net_addr_of(&sa, &a));
		if (net_is_public(&a) != rows[i].is_public)
			fail_msg("%s", rows[i].address);
	}
}

static void
test_urls(void **state)
{
	static const struct {
		const char *url, *host;
		unsigned port;
		bool has_port;
		enum ll_result want;
	} rows[] = {
		{ "http://a.test", "a.test", 0, false, LL_OK },
		{ "https://a.test:8443/x", "a.test", 8443, true, LL_OK },
		{ "http://[::1]:0", "::1", 0, true, LL_OK },
		{ "http://127.0.0.1:0", "127.0.0.1", 0, true, LL_OK },
		{ "http://", "", 0, false, LL_USAGE },
		{ "http://a:b", "", 0, false, LL_USAGE },
		{ "http://u@h", "", 0, false, LL_USAGE },
		{ "a.test", "", 0, false, LL_USAGE },
	};
	char scheme[8], host[64];
	unsigned port;
	bool has;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_result(net_url_parse(rows[i].url, scheme,
		    sizeof(scheme), host, sizeof(host), &port, &has),
		    rows[i].want);
		if (rows[i].want != LL_OK)
			continue;
		assert_string_equal(host, rows[i].host);
		assert_int_equal(port, rows[i].port);
		assert_int_equal(has, rows[i].has_port);
	}
	assert_true(net_host_is_loopback("localhost"));
	assert_true(net_host_is_loopback("127.1.2.3"));
	assert_true(net_host_is_loopback("::1"));
	assert_false(net_host_is_loopback("10.0.0.1"));
	assert_false(net_host_is_loopback("localhost.evil.test"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_error_line),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_public_addresses),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
