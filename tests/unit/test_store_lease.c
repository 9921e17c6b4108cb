/*
 * Who may run Argon2id, and who waits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys/secret.h"
#include "store/loop.h"
#include "tests/unit/storekit.h"

static struct kit kit;

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kit_end(&kit);
	return 0;
}

static void
request(struct chan *c)
{
	assert_int_equal(chan_send(c, kit_request(OP_KDF_LEASE)), LL_OK);
}

/* The answer to a lease, waiting at most ms; LL_AGAIN: none yet. */
static enum ll_result
answer(struct chan *c, int ms)
{
	struct msg *m;
	enum ll_result r;

	r = chan_wait(c, ms, &m);
	if (r != LL_OK)
		return r;
	r = msg_result(m);
	msg_destroy(m);
	return r;
}

static void
neither_door_starves_the_other(void **state)
{
	struct chan *ssh[3], *portal = kit_channel(&kit, PEER_PORTAL);
	unsigned n;

	(void)state;
	for (n = 0; n < 3; n++) {
		ssh[n] = kit_channel(&kit, PEER_SESSION);
		request(ssh[n]);
	}
	assert_int_equal(answer(ssh[0], 2000), LL_OK);
	assert_int_equal(answer(ssh[1], 100), LL_AGAIN);
	request(portal);
	assert_int_equal(answer(portal, 2000), LL_OK);
	/* a lease dies with its channel, and the line moves on in order */
	chan_destroy(ssh[0]);
	assert_int_equal(answer(ssh[1], 2000), LL_OK);
	assert_int_equal(answer(ssh[2], 100), LL_AGAIN);
	assert_int_equal(kit_ask(ssh[1], kit_request(OP_KDF_RELEASE), NULL),
	    LL_OK);
	assert_int_equal(answer(ssh[2], 2000), LL_OK);
	chan_destroy(ssh[1]);
	chan_destroy(ssh[2]);
	chan_destroy(portal);
}

static void
the_line_has_sixteen_places(void **state)
{
	struct chan *first = kit_channel(&kit, PEER_SESSION);
	struct chan *crowd = kit_channel(&kit, PEER_SESSION);
	uint64_t begun;
	unsigned n;

	(void)state;
	request(first);
	assert_int_equal(answer(first, 2000), LL_OK);
	begun = loop_now_ms();
	for (n = 0; n < 17; n++)
		request(crowd);
	/* the seventeenth is told at once, the others after ten seconds */
	assert_int_equal(answer(crowd, 1000), LL_BUSY);
	assert_true(loop_now_ms() - begun < 1000);
	for (n = 0; n < 16; n++)
		assert_int_equal(answer(crowd, 15000), LL_BUSY);
	assert_in_range(loop_now_ms() - begun, 9500, 14000);
	chan_destroy(first);
	chan_destroy(crowd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neither_door_starves_the_other),
		cmocka_unit_test(the_line_has_sixteen_places),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
