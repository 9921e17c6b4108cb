#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

static struct kit kit;
static struct kit_user ada, bob;

static int
set_up(void **state)
{
	(void)state;
	kit.undo_secs = 2;
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kit_logout(&ada);
	kit_logout(&bob);
	kit_end(&kit);
	return 0;
}

static void
arrives_opened_read(void **state)
{
	static const char *const to[] = { "bob@example.test",
	    "carol@outside.test", NULL };
	struct id message;
	struct msg *m;

	(void)state;
	assert_int_equal(kit_send(&ada, to, 0, &message), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_QUEUED);
	m = kit_request(OP_FETCH);
	msg_put_id(m, F_MESSAGE_ID, &message);
	assert_int_equal(kit_ask(bob.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_OPENED);
	m = kit_request(OP_MARK);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_u64(m, F_UNREAD, 0);
	assert_int_equal(kit_ask(bob.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_READ);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrives_opened_read),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
