/* Who may connect: MaxStartups, per source, rate, penalties. */
#include "server/limits.h"
#include "tests/unit/unit.h"

static char why[CONFIG_WHY];

static struct net_addr
addr(const char *text)
{
	struct sockaddr_storage sa;
	struct net_addr a;
	socklen_t len;

	assert_ok(net_listen_parse(text, strlen(text), &sa, &len));
	assert_true(net_addr_of(&sa, &a));
	return a;
}

/* Settings as KEY, VALUE, ..., NULL. */
static struct limits *
limits_with(const char *const *settings)
{
	struct limits *l;
	struct config c;

	assert_ok(config_init(&c));
	for (; *settings != NULL; settings += 2)
		assert_ok(config_set(&c, "test", settings[0], settings[1],
		    why));
	assert_ok(limits_create(&c, &l));
	config_finish(&c);
	return l;
}

static void
test_source(void **state)
{
	static const char *const settings[] = { "source_startups", "2", NULL };
	struct limits *l = limits_with(settings);
	struct net_addr a = addr("192.0.2.1:1"), b = addr("192.0.2.2:1");
	struct net_addr v6 = addr("[2001:db8::1]:1");
	struct net_addr v6_near = addr("[2001:db8::ffff:2]:1");

	(void)state;
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_SOURCE);
	assert_int_equal(limits_accept(l, &b, 1), LIMITS_TAKE);
	limits_authenticated(l, &a);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_SOURCE);
	limits_gone(l, &a, false);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	/* a logged-in one that ends frees nothing twice */
	limits_gone(l, &a, true);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_SOURCE);
	/* a /64 is one source */
	assert_int_equal(limits_accept(l, &v6, 1), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &v6_near, 1), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &v6, 1), LIMITS_SOURCE);
	limits_destroy(l);
}

static void
test_startups(void **state)
{
	static const char *const settings[] = { "max_startups", "10:30:20",
		"source_exempt", "192.0.2.0/24", NULL };
	struct limits *l = limits_with(settings);
	struct net_addr a = addr("192.0.2.1:1");
	unsigned sessions, startups, penalties, dropped = 0;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	/* at START, RATE percent of them: of 2000 about 600 */
	for (i = 0; i < 2000; i++) {
		if (limits_accept(l, &a, 1) == LIMITS_TAKE)
			limits_gone(l, &a, false);
		else
			dropped++;
	}
	assert_in_range(dropped, 450, 750);
	for (i = 0; i < 2000; i++)
		(void)limits_accept(l, &a, 1);
	limits_counts(l, 1, &sessions, &startups, &penalties);
	assert_int_equal(startups, 20);
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_STARTUPS);
	limits_authenticated(l, &a);
	limits_counts(l, 1, &sessions, &startups, &penalties);
	assert_int_equal(startups, 19);
	assert_int_equal(sessions, 20);
	limits_destroy(l);
}

static void
test_sessions(void **state)
{
	static const char *const settings[] = { "max_sessions", "1", NULL };
	struct limits *l = limits_with(settings);
	struct net_addr a = addr("192.0.2.1:1"), b = addr("192.0.2.2:1");

	(void)state;
	assert_int_equal(limits_accept(l, &a, 1), LIMITS_TAKE);
	limits_authenticated(l, &a);
	assert_int_equal(limits_accept(l, &b, 1), LIMITS_SESSIONS);
	limits_gone(l, &a, true);
	assert_int_equal(limits_accept(l, &b, 1), LIMITS_TAKE);
	limits_destroy(l);
}

static void
test_penalties(void **state)
{
	static const char *const settings[] = { "source_exempt",
		"198.51.100.0/24", NULL };
	struct limits *l = limits_with(settings);
	struct net_addr a = addr("192.0.2.1:1"), b = addr("192.0.2.2:1");
	struct net_addr exempt = addr("198.51.100.7:1");
	int i;

	(void)state;
	/* 5 s each: enforced from 15 s on */
	assert_false(limits_fault(l, &a, FAULT_AUTH, 1000));
	assert_false(limits_fault(l, &a, FAULT_AUTH, 1000));
	assert_int_equal(limits_accept(l, &a, 1000), LIMITS_TAKE);
	limits_gone(l, &a, false);
	assert_true(limits_fault(l, &a, FAULT_AUTH, 1000));
	assert_int_equal(limits_accept(l, &a, 1000), LIMITS_PENALTY);
	/* until it is over, though less than 15 s are left */
	assert_int_equal(limits_accept(l, &a, 15999), LIMITS_PENALTY);
	assert_int_equal(limits_accept(l, &a, 16000), LIMITS_TAKE);
	assert_int_equal(limits_accept(l, &b, 1000), LIMITS_TAKE);
	/* a crash counts at once; 10 minutes are the most */
	for (i = 0; i < 100; i++)
		(void)limits_fault(l, &b, FAULT_CRASH, 1000);
	assert_int_equal(limits_accept(l, &b, 600999), LIMITS_PENALTY);
	assert_int_equal(limits_accept(l, &b, 601000), LIMITS_TAKE);
	for (i = 0; i < 100; i++)
		assert_false(limits_fault(l, &exempt, FAULT_CRASH, 1000));
	assert_int_equal(limits_accept(l, &exempt, 1000), LIMITS_TAKE);
	limits_destroy(l);
}

static void
test_rate(void **state)
{
	static const char *const settings[] = { "accept_rate", "10", NULL };
	struct limits *l = limits_with(settings);
	uint64_t wait;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(limits_wait(l, 5000), 0);
	wait = limits_wait(l, 5000);
	assert_in_range(wait, 90, 110);
	assert_int_equal(limits_wait(l, 5000 + wait), 0);
	assert_true(limits_wait(l, 5000 + wait) > 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(limits_wait(l, 60000), 0);
	assert_true(limits_wait(l, 60000) > 0);
	limits_destroy(l);
}

/* More sources than are remembered: the table holds, penalties stay. */
static void
test_many(void **state)
{
	static const char *const settings[] = { NULL };
	struct limits *l = limits_with(settings);
	struct net_addr a = addr("[2001:db8::1]:1"), bad = addr("[2::2]:1");
	unsigned sessions, startups, penalties;
	uint32_t i;

	(void)state;
	assert_true(limits_fault(l, &bad, FAULT_CRASH, 1000));
	for (i = 0; i < LIMITS_SOURCES + 1000; i++) {
		memcpy(a.b + 4, &i, sizeof(i));
		assert_int_equal(limits_accept(l, &a, 1000), LIMITS_TAKE);
		limits_gone(l, &a, false);
	}
	assert_int_equal(limits_accept(l, &bad, 1000), LIMITS_PENALTY);
	limits_counts(l, 1000, &sessions, &startups, &penalties);
	assert_int_equal(sessions, 0);
	assert_int_equal(startups, 0);
	assert_int_equal(penalties, 1);
	limits_destroy(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_startups),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_penalties),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_many),
	};

	return sodium_init() < 0 ? 1 :
	    cmocka_run_group_tests(tests, NULL, NULL);
}
