/* Names on the wire, names that may be asked for, and addresses that no server
 * of the public Internet has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "server/relay_dns.h"

static void
test_name_off_the_wire(void **state)
{
	static const struct {
		const char *wire;
		size_t len;
		const char *name;      /* NULL: refused */
	} rows[] = {
		{ "\x03mx1\x07" "Partner\x07" "example\0", 21,
		    "mx1.partner.example" },
		{ "\0", 1, "" },
		{ "\x03mx1", 4, NULL },
		{ "\x03mx1\0\0", 6, NULL },
		{ "\x04mx1\0", 5, NULL },
		{ "\x03m.1\0", 5, NULL },
		{ "\x03m 1\0", 5, NULL },
		{ "\x03m\0" "1\0", 5, NULL },
		{ "\xc0\x0c", 2, NULL },
		{ "", 0, NULL },
	};
	char name[DNS_NAME_MAX + 1];
	uint8_t lengthy[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum ll_result r = dns_name((const uint8_t *)rows[i].wire,
		    rows[i].len, name);

		if (rows[i].name == NULL) {
			assert_int_equal(r, LL_PROTO);
			continue;
		}
		assert_int_equal(r, LL_OK);
		assert_string_equal(name, rows[i].name);
	}
	for (i = 0; i < sizeof(lengthy); i += 2) {
		lengthy[i] = 1;
		lengthy[i + 1] = 'a';
	}
	lengthy[sizeof(lengthy) - 2] = 0;
	assert_int_equal(dns_name(lengthy, sizeof(lengthy) - 1, name),
	    LL_PROTO);
}

static void
test_plain_names(void **state)
{
	static const struct {
		const char *name;
		bool plain;
	} rows[] = {
		{ "partner.example", true },
		{ "_25._tcp.mx-1.partner.example", true },
		{ "xn--bcher-kva.example", true },
		{ "", false }, { ".", false }, { "a..b", false },
		{ "a.", false }, { ".a", false }, { "a b", false },
		{ "a/b", false }, { "b\xc3\xbc" "cher.example", false },
		{ "a\r\nb", false },
	};
	char label[65];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(dns_name_is_plain(rows[i].name),
		    rows[i].plain);
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_false(dns_name_is_plain(label));
	label[63] = '\0';
	assert_true(dns_name_is_plain(label));
}

static struct net_addr
address(const char *text)
{
	struct net_addr a = { { 0 } };

	if (inet_pton(AF_INET, text, a.b + 12) == 1)
		a.b[10] = a.b[11] = 0xff;
	else
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static void
test_private_addresses(void **state)
{
	static const char *const inside[] = {
		"127.0.0.1", "10.9.8.7", "172.16.0.1", "172.31.255.255",
		"192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
		"224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
		"::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
		"2001:db8::1", "2001::1", "fec0::1", "100::1"
	};
	static const char *const outside[] = {
		"8.8.8.8", "172.15.0.1", "172.32.0.1", "192.167.1.1",
		"100.128.0.1", "223.255.255.255", "2a00:1450::1",
		"2001:4860:4860::8888", "2606:4700::1111"
	};
	struct net_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		a = address(inside[i]);
		if (!dns_is_private(&a))
			fail_msg("%s", inside[i]);
	}
	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		a = address(outside[i]);
		if (dns_is_private(&a))
			fail_msg("%s", outside[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_off_the_wire),
		cmocka_unit_test(test_plain_names),
		cmocka_unit_test(test_private_addresses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
