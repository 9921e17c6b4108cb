#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keys/secret.h"
#include "keys/totp.h"
#include "tests/unit/storekit.h"

#define RACERS 100

static struct kit kit;
static struct kit_user ada;

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kit_end(&kit);
	return 0;
}

static struct chan *
begin(const char *name)
{
	struct chan *c = kit_channel(&kit, PEER_SESSION);
	struct msg *m = kit_request(OP_AUTH_BEGIN);

	msg_put_text(m, F_USER, name);
	msg_put_text(m, F_SOURCE, "192.0.2.1");
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	return c;
}

static enum ll_result
password(struct chan *c, const uint8_t proof[32], uint64_t *delay_r)
{
	struct msg *m = kit_request(OP_AUTH_PASSWORD), *reply;
	enum ll_result r;

	msg_put_id(m, F_SLOT_ID, &ada.slot);
	msg_put_bytes(m, F_PROOF, proof, 32);
	r = kit_ask(c, m, &reply);
	if (delay_r != NULL)
		*delay_r = view_u64(msg_view(reply), F_DELAY_SECS);
	msg_destroy(reply);
	return r;
}

static struct msg *
totp_request(const char *code)
{
	struct msg *m = kit_request(OP_AUTH_TOTP);

	msg_put_text(m, F_CODE, code);
	return m;
}

static void
one_of_a_hundred_wins(void **state)
{
	struct chan *c[RACERS];
	struct msg *m;
	char code[7];
	unsigned n, ok = 0, used = 0;

	(void)state;
	kit_code(&ada, code);
	for (n = 0; n < RACERS; n++) {
		c[n] = begin("ada");
		assert_int_equal(password(c[n], ada.proof, NULL), LL_OK);
	}
	for (n = 0; n < RACERS; n++)
		assert_int_equal(chan_send(c[n], totp_request(code)), LL_OK);
	for (n = 0; n < RACERS; n++) {
		assert_int_equal(chan_wait(c[n], 5000, &m), LL_OK);
		ok += msg_result(m) == LL_OK;
		used += msg_result(m) == LL_USED;
		msg_destroy(m);
	}
	assert_int_equal(ok, 1);
	assert_int_equal(used, RACERS - 1);
	/* only the winner's record is complete */
	for (n = 0, ok = 0; n < RACERS; n++) {
		ok += kit_ask(c[n], kit_request(OP_AUTH_DONE), NULL) == LL_OK;
		chan_destroy(c[n]);
	}
	assert_int_equal(ok, 1);
}

static void
order_is_kept(void **state)
{
	struct chan *c = kit_channel(&kit, PEER_SESSION);
	struct msg *m;

	(void)state;
	assert_int_equal(password(c, ada.proof, NULL), LL_DENIED);
	assert_int_equal(kit_ask(c, totp_request("123456"), NULL), LL_DENIED);
	assert_int_equal(kit_ask(c, kit_request(OP_AUTH_DONE), NULL),
	    LL_DENIED);
	assert_int_equal(kit_ask(c, kit_request(OP_WORKER_NEW), NULL),
	    LL_DENIED);
	assert_int_equal(kit_ask(c, kit_request(OP_ENROL_BEGIN), NULL),
	    LL_DENIED);
	chan_destroy(c);
	/* TOTP alone, or a changed name, gets nowhere */
	c = begin("ada");
	assert_int_equal(kit_ask(c, totp_request("123456"), NULL), LL_DENIED);
	m = kit_request(OP_AUTH_BEGIN);
	msg_put_text(m, F_USER, "bob");
	assert_int_equal(kit_ask(c, m, NULL), LL_DENIED);
	chan_destroy(c);
}

static struct msg *
begin_reply(const char *name)
{
	struct chan *c = kit_channel(&kit, PEER_SESSION);
	struct msg *m = kit_request(OP_AUTH_BEGIN), *reply;

	msg_put_text(m, F_USER, name);
	assert_int_equal(kit_ask(c, m, &reply), LL_OK);
	chan_destroy(c);
	return reply;
}

static void
unknown_looks_known(void **state)
{
	struct msg *known = begin_reply("ada");
	struct msg *one = begin_reply("nobody"), *two = begin_reply("nobody");
	size_t len = msg_view(one).len;

	(void)state;
	assert_int_equal(len, msg_view(known).len);
	assert_int_equal(len, msg_view(two).len);
	assert_memory_equal(msg_view(one).data, msg_view(two).data, len);
	assert_int_equal(view_u64(msg_view(one), F_MEMORY_MIB),
	    view_u64(msg_view(known), F_MEMORY_MIB));
	msg_destroy(known);
	msg_destroy(one);
	msg_destroy(two);
}

/* Five are free, then 1, 2, 4 ...; for names that nobody has as well. */
static void
failures_cost_time(void **state)
{
	static const uint64_t want[] = { 0, 0, 0, 0, 1 };
	static const char *const names[] = { "nobody", "eve" };
	uint8_t wrong[32] = { 9 };
	struct kit_user eve;
	uint64_t delay;
	size_t i, n;

	(void)state;
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	for (i = 0; i < 2; i++) {
		struct chan *c = begin(names[i]);

		for (n = 0; n < 5; n++) {
			assert_int_equal(password(c, wrong, &delay), LL_AUTH);
			assert_int_equal(delay, want[n]);
		}
		assert_int_equal(password(c, wrong, &delay), LL_RATE);
		assert_true(delay >= 1);
		chan_destroy(c);
	}
}

static void
wrong_codes_close_only_that_factor(void **state)
{
	struct kit_user fay;
	struct chan *c;
	struct msg *m;
	unsigned n;

	(void)state;
	kit_user(&kit, "fay", ROLE_STAFF, &fay);
	ada.slot = fay.slot;
	c = begin("fay");
	assert_int_equal(password(c, fay.proof, NULL), LL_OK);
	for (n = 0; n < 5; n++)
		assert_int_equal(kit_ask(c, totp_request("12345x"), NULL),
		    LL_AUTH);
	assert_int_equal(kit_ask(c, totp_request("12345x"), &m), LL_RATE);
	assert_true(view_u64(msg_view(m), F_DELAY_SECS) > 800);
	msg_destroy(m);
	/* a backup code opens, once */
	m = kit_request(OP_AUTH_BACKUP);
	msg_put_bytes(m, F_PROOF, fay.backup, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_AUTH_DONE), NULL), LL_OK);
	chan_destroy(c);
	c = begin("fay");
	assert_int_equal(password(c, fay.proof, NULL), LL_OK);
	m = kit_request(OP_AUTH_BACKUP);
	msg_put_bytes(m, F_PROOF, fay.backup, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_AUTH);
	chan_destroy(c);
}

static enum ll_result
attach(const uint8_t token[32], struct chan **c_r)
{
	struct msg *m = kit_request(OP_AUTH_ATTACH);

	*c_r = kit_channel(&kit, PEER_SESSION);
	msg_put_bytes(m, F_TOKEN, token, 32);
	return kit_ask(*c_r, m, NULL);
}

static void
token_outlives_the_store_but_not_the_logout(void **state)
{
	uint8_t wrong[32] = { 3 };
	struct kit_user gus;
	struct chan *c, *other;
	struct msg *m;

	(void)state;
	kit_user(&kit, "gus", ROLE_STAFF, &gus);
	kit_login(&kit, &gus);
	kit_kill(&kit);
	kit_start(&kit);
	assert_int_equal(attach(wrong, &other), LL_AUTH);
	chan_destroy(other);
	assert_int_equal(attach(gus.token, &c), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_WHOAMI), NULL), LL_OK);
	assert_int_equal(attach(gus.token, &other), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_LOGOUT), NULL), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_WHOAMI), NULL), LL_DENIED);
	assert_int_equal(chan_wait(other, 2000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_EVENT_ACCOUNT);
	msg_destroy(m);
	assert_int_equal(kit_ask(other, kit_request(OP_WHOAMI), NULL),
	    LL_DENIED);
	chan_destroy(c);
	chan_destroy(other);
	assert_int_equal(attach(gus.token, &c), LL_AUTH);
	chan_destroy(c);
	kit_logout(&gus);
}

static void
disabled_is_out_at_once(void **state)
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL), *c;
	struct kit_user hal;
	struct msg *m;

	(void)state;
	kit_user(&kit, "hal", ROLE_STAFF, &hal);
	kit_login(&kit, &hal);
	m = kit_request(OP_USER_STATE);
	msg_put_text(m, F_USER, "hal");
	msg_put_u64(m, F_STATE, USER_DISABLED);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	assert_int_equal(chan_wait(hal.worker, 2000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_EVENT_ACCOUNT);
	assert_int_equal(view_u64(msg_view(m), F_STATE), USER_DISABLED);
	msg_destroy(m);
	assert_int_equal(kit_ask(hal.worker, kit_request(OP_WHOAMI), NULL),
	    LL_DENIED);
	assert_int_equal(attach(hal.token, &c), LL_AUTH);
	chan_destroy(c);
	ada.slot = hal.slot;
	c = begin("hal");
	assert_int_equal(password(c, hal.proof, NULL), LL_AUTH);
	chan_destroy(c);
	chan_destroy(local);
	kit_logout(&hal);
}

static void
reset_keeps_the_vault(void **state)
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL), *c;
	uint8_t ticket[32] = { 42 }, wrong[32] = { 43 };
	struct kit_user ida;
	struct msg *m, *reply;

	(void)state;
	kit_user(&kit, "ida", ROLE_STAFF, &ida);
	m = kit_request(OP_USER_RESET);
	msg_put_text(m, F_USER, "ida");
	msg_put_bytes(m, F_TICKET_HASH, ticket, 32);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	ada.slot = ida.slot;
	c = begin("ida");
	assert_int_equal(password(c, ida.proof, NULL), LL_AUTH);
	m = kit_request(OP_AUTH_TICKET);
	msg_put_bytes(m, F_TICKET_HASH, wrong, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_AUTH);
	m = kit_request(OP_AUTH_TICKET);
	msg_put_bytes(m, F_TICKET_HASH, ticket, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_ENROL_BEGIN), &reply),
	    LL_OK);
	assert_int_equal(view_u64(msg_view(reply), F_GENERATION), 2);
	assert_memory_equal(view_hash(msg_view(reply), F_SEAL_PK),
	    ida.seal_pk, 32);
	msg_destroy(reply);
	/* the ticket opens enrolment only */
	assert_int_equal(kit_ask(c, kit_request(OP_AUTH_DONE), NULL),
	    LL_DENIED);
	chan_destroy(c);
	chan_destroy(local);
}

static void
reset(struct chan *local, const char *name, const uint8_t ticket[32])
{
	struct msg *m = kit_request(OP_USER_RESET);

	msg_put_text(m, F_USER, name);
	msg_put_bytes(m, F_TICKET_HASH, ticket, 32);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
}

/* Who got hold of a ticket, and waits, has nothing when the admin gives out
 * another. */
static void
older_ticket_is_worth_nothing(void **state)
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL), *c;
	uint8_t first[32] = { 44 }, second[32] = { 45 };
	struct kit_user joe;
	struct msg *m;

	(void)state;
	kit_user(&kit, "joe", ROLE_STAFF, &joe);
	reset(local, "joe", first);
	c = begin("joe");
	m = kit_request(OP_AUTH_TICKET);
	msg_put_bytes(m, F_TICKET_HASH, first, 32);
	assert_int_equal(kit_ask(c, m, NULL), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_ENROL_BEGIN), NULL),
	    LL_OK);
	reset(local, "joe", second);
	assert_int_equal(kit_ask(c, kit_request(OP_ENROL_BEGIN), NULL),
	    LL_USED);
	assert_int_equal(kit_ask(c, kit_request(OP_ENROL_COMMIT), NULL),
	    LL_USED);
	chan_destroy(c);
	chan_destroy(local);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_a_hundred_wins),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(unknown_looks_known),
		cmocka_unit_test(failures_cost_time),
		cmocka_unit_test(wrong_codes_close_only_that_factor),
		cmocka_unit_test(token_outlives_the_store_but_not_the_logout),
		cmocka_unit_test(disabled_is_out_at_once),
		cmocka_unit_test(reset_keeps_the_vault),
		cmocka_unit_test(older_ticket_is_worth_nothing),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
