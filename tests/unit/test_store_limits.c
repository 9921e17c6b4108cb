/*
 * A full disk, a failing one, a second store, a newer database.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

enum mood { FINE, FULL, FAILING, SLOW }; /* as in shim_disk.c */

static const char *const to_bob[] = { "bob@example.test", NULL };
static struct kit kit;
static struct kit_user ada, bob;
static char *mood;
static char mood_path[] = "/tmp/ll-shim-XXXXXX";

static int
set_up(void **state)
{
	static char shim[256];
	const char *b = getenv("B");
	int fd = mkstemp(mood_path);

	(void)state;
	if (fd < 0 || ftruncate(fd, 1) != 0)
		return -1;
	mood = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	(void)setenv("LL_SHIM_DISK", mood_path, 1);
	(void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	(void)snprintf(shim, sizeof(shim), "%s/tests/unit/shim_disk.so",
	    b != NULL ? b : "build");
	kit.preload = realpath(shim, NULL);
	kit_begin(&kit);
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
	*mood = FINE;
	kit_end(&kit);
	(void)unlink(mood_path);
	return 0;
}

static enum ll_result
status(const struct id *message)
{
	struct msg *m = kit_request(OP_STATUS);

	msg_put_id(m, F_MESSAGE_ID, message);
	return kit_ask(ada.worker, m, NULL);
}

static void
full_disk_refuses_and_goes_on(void **state)
{
	struct id message, later;
	struct msg *m;

	(void)state;
	m = kit_send_request(&ada, to_bob, 0, &message);
	*mood = FULL;
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_FULL);
	assert_int_equal(status(&message), LL_NOTFOUND);
	*mood = FINE;
	assert_int_equal(status(&message), LL_NOTFOUND);
	assert_int_equal(kit_send(&ada, to_bob, 0, &later), LL_OK);
	assert_int_equal(status(&later), LL_OK);
}

/* A second factor shown in a group that was lost does not count. */
static void
lost_group_logs_nobody_in(void **state)
{
	struct chan *c = kit_channel(&kit, PEER_SESSION);
	struct msg *m = kit_request(OP_AUTH_BEGIN);
	char code[7];

	(void)state;
	msg_put_text(m, F_USER, "bob");
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	m = kit_request(OP_AUTH_PASSWORD);
	msg_put_id(m, F_SLOT_ID, &bob.slot);
	msg_put_bytes(m, F_PROOF, bob.proof, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	*mood = FULL;
	m = kit_request(OP_AUTH_TOTP);
	kit_code(&bob, code);
	msg_put_text(m, F_CODE, code);
	assert_int_equal(kit_ask(c, m, NULL), LL_FULL);
	*mood = FINE;
	assert_int_equal(kit_ask(c, kit_request(OP_AUTH_DONE), NULL),
	    LL_DENIED);
	chan_destroy(c);
}

static void
second_store_stays_out(void **state)
{
	struct kit second = kit;
	int ended;

	(void)state;
	second.pid = 0;
	ended = kit_try(&second);
	assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 1);
	assert_int_equal(kit_ask(ada.worker, kit_request(OP_WHOAMI), NULL),
	    LL_OK);
}

static void
failed_sync_ends_the_process(void **state)
{
	struct msg *m, *reply = NULL;
	struct id message;
	int ended;

	(void)state;
	m = kit_send_request(&ada, to_bob, 0, &message);
	*mood = FAILING;
	assert_int_equal(chan_call(ada.worker, m, 10000, &reply), LL_EOF);
	assert_null(reply);
	kit_logout(&ada);
	kit_logout(&bob);
	ended = kit_stop(&kit);
	assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 1);
	*mood = FINE;
	kit_start(&kit);
	kit_login(&kit, &ada);
	assert_int_equal(kit_send(&ada, to_bob, 0, &message), LL_OK);
	kit_logout(&ada);
}

/* Events of what went before. */
static void
drain(struct chan *c)
{
	struct msg *m;

	while (chan_wait(c, 0, &m) == LL_OK)
		msg_destroy(m);
}

/* While the sync runs, nobody hears of what it is to make durable: not the
 * sender, not who reads after that write, not the colleague. */
static void
nothing_leaves_before_the_sync(void **state)
{
	struct id message;
	struct msg *m;

	(void)state;
	m = kit_send_request(&ada, to_bob, 0, &message);
	drain(ada.worker);
	drain(bob.worker);
	*mood = SLOW;
	assert_int_equal(chan_send(ada.worker, m), LL_OK);
	m = kit_request(OP_STATUS);
	msg_put_id(m, F_MESSAGE_ID, &message);
	assert_int_equal(chan_send(ada.worker, m), LL_OK);
	assert_int_equal(chan_wait(ada.worker, 200, &m), LL_AGAIN);
	assert_int_equal(chan_wait(bob.worker, 0, &m), LL_AGAIN);
	assert_int_equal(chan_wait(ada.worker, 2000, &m), LL_OK);
	*mood = FINE;
	msg_destroy(m);
	assert_int_equal(chan_wait(bob.worker, 2000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_EVENT_BOX);
	msg_destroy(m);
}

/* Last: the database becomes one from the future. */
static void
newer_schema_is_left_alone(void **state)
{
	int ended;

	(void)state;
	assert_int_equal(kit_stop(&kit), 0);
	(void)kit_sql(&kit, "PRAGMA user_version = 99");
	ended = kit_try(&kit);
	assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 1);
	assert_int_equal(kit_sql(&kit, "PRAGMA user_version"), 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_disk_refuses_and_goes_on),
		cmocka_unit_test(lost_group_logs_nobody_in),
		cmocka_unit_test(nothing_leaves_before_the_sync),
		cmocka_unit_test(second_store_stays_out),
		cmocka_unit_test(failed_sync_ends_the_process),
		cmocka_unit_test(newer_schema_is_left_alone),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
