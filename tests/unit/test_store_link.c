#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

#define MANY 1000

static struct kit kit;
static struct kit_user ada;
static struct chan *portal;

static int
set_up(void **state)
{
	(void)state;
	kit.quota = 500000;
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_login(&kit, &ada);
	portal = kit_channel(&kit, PEER_PORTAL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(portal);
	kit_logout(&ada);
	kit_end(&kit);
	return 0;
}

/* A message to one outsider, and what its link consists of. */
struct sent {
	struct id message;
	uint8_t locator[32], proof[32];
};

static void
send_out(struct sent *s_r)
{
	static const char *const to[] = { "carol@outside.test", NULL };

	assert_int_equal(kit_send(&ada, to, 0, &s_r->message), LL_OK);
	kit_link_of(&s_r->message, 0, s_r->locator, s_r->proof);
}

static struct msg *
try_request(const uint8_t locator[32], const char *origin)
{
	struct msg *m = kit_request(OP_LINK_TRY);

	msg_put_bytes(m, F_LOCATOR_HASH, locator, 32);
	msg_put_text(m, F_ORIGIN, origin);
	return m;
}

static enum ll_result
attempt(const uint8_t locator[32], const char *origin, struct id *id_r)
{
	struct msg *reply;
	enum ll_result r;

	r = kit_ask(portal, try_request(locator, origin), &reply);
	if (r == LL_OK)
		assert_true(view_id(msg_view(reply), F_TRY_ID, id_r));
	msg_destroy(reply);
	return r;
}

static enum ll_result
prove(const struct id *id, const uint8_t proof[32], struct msg **reply_r)
{
	struct msg *m = kit_request(OP_LINK_PROVE);

	msg_put_id(m, F_TRY_ID, id);
	msg_put_bytes(m, F_PROOF, proof, 32);
	return kit_ask(portal, m, reply_r);
}

static enum ll_result
guess(const uint8_t locator[32], const char *origin)
{
	uint8_t wrong[32] = { 1 };
	struct id id;
	enum ll_result r;

	r = attempt(locator, origin, &id);
	return r == LL_OK ? prove(&id, wrong, NULL) : r;
}

static uint64_t
look(const uint8_t locator[32])
{
	struct msg *m = kit_request(OP_LINK_LOOK), *reply;
	uint64_t state;

	msg_put_bytes(m, F_LOCATOR_HASH, locator, 32);
	assert_int_equal(kit_ask(portal, m, &reply), LL_OK);
	state = view_u64(msg_view(reply), F_STATE);
	msg_destroy(reply);
	return state;
}

/* Sends MANY tries at once and counts what was let through. */
static unsigned
flood(const uint8_t locator[32], bool one_origin, struct id *ids, unsigned room)
{
	char origin[32] = "192.0.2.7";
	unsigned n, let = 0;
	struct msg *m;

	for (n = 0; n < MANY; n++) {
		if (!one_origin)
			(void)snprintf(origin, sizeof(origin), "10.0.%u.%u",
			    n / 250, n % 250);
		assert_int_equal(chan_send(portal, try_request(locator,
		    origin)), LL_OK);
	}
	for (n = 0; n < MANY; n++) {
		assert_int_equal(chan_wait(portal, 10000, &m), LL_OK);
		if (msg_result(m) == LL_OK) {
			assert_true(let < room);
			assert_true(view_id(msg_view(m), F_TRY_ID,
			    &ids[let++]));
		}
		msg_destroy(m);
	}
	return let;
}

static void
one_origin_has_five(void **state)
{
	struct id ids[16];
	struct sent s;
	unsigned n;

	(void)state;
	send_out(&s);
	assert_int_equal(flood(s.locator, true, ids, 16), 5);
	for (n = 0; n < 5; n++)
		assert_int_equal(prove(&ids[n], s.locator, NULL), LL_AUTH);
	assert_int_equal(guess(s.locator, "192.0.2.7"), LL_RATE);
	assert_int_equal(look(s.locator), LINK_OPEN);
	/* another origin is another matter */
	assert_int_equal(guess(s.locator, "192.0.2.8"), LL_AUTH);
}

static void
all_origins_have_ten_then_it_freezes(void **state)
{
	struct id ids[16];
	struct sent s;
	struct msg *m;
	bool told = false;
	unsigned n;

	(void)state;
	send_out(&s);
	assert_int_equal(flood(s.locator, false, ids, 16), 10);
	while (chan_wait(ada.worker, 0, &m) == LL_OK)
		msg_destroy(m);
	for (n = 0; n < 10; n++)
		assert_int_equal(prove(&ids[n], s.locator, NULL), LL_AUTH);
	assert_int_equal(look(s.locator), LINK_FROZEN);
	assert_int_equal(guess(s.locator, "203.0.113.1"), LL_FROZEN);
	assert_int_equal(kit_state(&ada, &s.message, 0), STATE_FROZEN);
	while (chan_wait(ada.worker, 0, &m) == LL_OK) {
		told |= msg_op(m) == OP_EVENT_STATUS && view_u64(msg_view(m),
		    F_EVENT_KIND) == EVENT_FROZEN;
		msg_destroy(m);
	}
	assert_true(told);
}

static void
counts_survive_a_kill(void **state)
{
	struct id ids[16];
	struct sent s;

	(void)state;
	send_out(&s);
	assert_int_equal(flood(s.locator, true, ids, 16), 5);
	kit_logout(&ada);
	chan_destroy(portal);
	kit_kill(&kit);
	kit_start(&kit);
	kit_login(&kit, &ada);
	portal = kit_channel(&kit, PEER_PORTAL);
	assert_int_equal(flood(s.locator, true, ids, 16), 0);
	assert_int_equal(flood(s.locator, false, ids, 16), 5);
}

static void
unknown_behaves_the_same(void **state)
{
	uint8_t locator[32] = { 200 };
	struct id ids[16];
	unsigned n;

	(void)state;
	assert_int_equal(look(locator), LINK_OPEN);
	assert_int_equal(flood(locator, true, ids, 16), 5);
	for (n = 0; n < 5; n++)
		assert_int_equal(prove(&ids[n], locator, NULL), LL_AUTH);
	assert_int_equal(guess(locator, "192.0.2.7"), LL_RATE);
	/* and any other unknown one shares the count of that origin */
	locator[0] = 201;
	assert_int_equal(guess(locator, "192.0.2.7"), LL_RATE);
}

static void
right_code_opens_and_gives_the_try_back(void **state)
{
	struct msg *m, *reply;
	struct tlv_view row;
	struct sent s;
	struct id id;
	unsigned n;
	size_t at = 0;

	(void)state;
	send_out(&s);
	for (n = 0; n < 7; n++) {
		assert_int_equal(attempt(s.locator, "192.0.2.9", &id), LL_OK);
		assert_int_equal(prove(&id, s.proof, &reply), LL_OK);
		assert_true(view_has(msg_view(reply), F_WRAP));
		assert_true(view_has(msg_view(reply), F_PEPPER));
		msg_destroy(reply);
	}
	assert_int_equal(kit_state(&ada, &s.message, 0), STATE_OPENED);
	/* an answer that was lost can be had again; a wrong one still counts */
	assert_int_equal(prove(&id, s.proof, NULL), LL_OK);
	assert_int_equal(prove(&id, s.locator, NULL), LL_AUTH);
	assert_int_equal(prove(&id, s.proof, NULL), LL_AUTH);
	m = kit_request(OP_STATUS);
	msg_put_id(m, F_MESSAGE_ID, &s.message);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_false(view_has(row, F_CODE_BOX));
	msg_destroy(reply);
	/* the pair's code is confirmed from now on */
	m = kit_request(OP_PLAN);
	msg_put_text(m, F_ADDRESS, "Carol@outside.test");
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	at = 0;
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_int_equal(view_u64(row, F_FLAGS), 1);
	assert_true(view_has(row, F_PAIR_BOX));
	msg_destroy(reply);
}

static void
cancelled_costs_nothing(void **state)
{
	struct sent s;
	struct msg *m;
	struct id id;
	unsigned n;

	(void)state;
	send_out(&s);
	for (n = 0; n < 12; n++) {
		assert_int_equal(attempt(s.locator, "192.0.2.10", &id), LL_OK);
		m = kit_request(OP_LINK_CANCEL);
		msg_put_id(m, F_TRY_ID, &id);
		assert_int_equal(kit_ask(portal, m, NULL), LL_OK);
	}
	assert_int_equal(prove(&id, s.proof, NULL), LL_AUTH);
}

static struct msg *
reissue_request(const struct sent *s, struct sent *fresh_r)
{
	struct msg *m = kit_request(OP_REISSUE);
	uint8_t key[32];

	memset(key, s->locator[0], sizeof(key));
	*fresh_r = *s;
	kit_link_of(&s->message, 99, fresh_r->locator, fresh_r->proof);
	msg_put_bytes(m, F_IDEMPOTENCY, key, 32);
	msg_put_id(m, F_MESSAGE_ID, &s->message);
	msg_put_text(m, F_ADDRESS, "carol@outside.test");
	kit_put_link(m, fresh_r->locator, fresh_r->proof);
	return m;
}

static void
reissue_replaces_the_link(void **state)
{
	struct sent s, fresh;
	struct id id;
	unsigned n;
	char origin[16];

	(void)state;
	send_out(&s);
	for (n = 0; n < 10; n++) {
		(void)snprintf(origin, sizeof(origin), "10.1.1.%u", n);
		assert_int_equal(guess(s.locator, origin), LL_AUTH);
	}
	assert_int_equal(look(s.locator), LINK_FROZEN);
	assert_int_equal(kit_ask(ada.worker, reissue_request(&s, &fresh),
	    NULL), LL_OK);
	assert_int_equal(kit_ask(ada.worker, reissue_request(&s, &fresh),
	    NULL), LL_OK);
	assert_int_equal(look(s.locator), LINK_REPLACED);
	assert_int_equal(attempt(s.locator, "10.1.1.50", &id), LL_GONE);
	assert_int_equal(attempt(fresh.locator, "10.1.1.50", &id), LL_OK);
	assert_int_equal(prove(&id, fresh.proof, NULL), LL_OK);
}

static void
withdrawn_says_so(void **state)
{
	struct sent s;
	struct msg *m;
	struct id id;

	(void)state;
	send_out(&s);
	assert_int_equal(attempt(s.locator, "10.2.1.1", &id), LL_OK);
	m = kit_request(OP_WITHDRAW);
	msg_put_id(m, F_MESSAGE_ID, &s.message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(look(s.locator), LINK_WITHDRAWN);
	assert_int_equal(prove(&id, s.proof, NULL), LL_GONE);
	assert_int_equal(guess(s.locator, "10.2.1.2"), LL_GONE);
}

static void
portal_reads_and_answers(void **state)
{
	uint8_t bytes[300] = { 1 }, token[32];
	struct msg *m, *reply;
	struct sent s;
	struct id id, answer;

	(void)state;
	send_out(&s);
	assert_int_equal(attempt(s.locator, "10.3.1.1", &id), LL_OK);
	assert_int_equal(prove(&id, s.proof, &reply), LL_OK);
	memcpy(token, view_hash(msg_view(reply), F_TOKEN), 32);
	msg_destroy(reply);
	m = kit_request(OP_PORTAL_FETCH);
	msg_put_bytes(m, F_TOKEN, token, 32);
	assert_int_equal(kit_ask(portal, m, &reply), LL_OK);
	assert_memory_equal(view_hash(msg_view(reply), F_SEAL_PK),
	    ada.seal_pk, 32);
	msg_destroy(reply);
	m = kit_request(OP_PORTAL_READ);
	msg_put_bytes(m, F_TOKEN, token, 32);
	assert_int_equal(kit_ask(portal, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &s.message, 0), STATE_READ);
	id_random(&answer);
	m = kit_request(OP_PORTAL_REPLY);
	msg_put_bytes(m, F_TOKEN, token, 32);
	msg_put_bytes(m, F_IDEMPOTENCY, token, 32);
	msg_put_id(m, F_MESSAGE_ID, &answer);
	msg_put_bytes(m, F_HEADER, bytes, sizeof(bytes));
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_bytes(m, F_WRAP, bytes, 100);
	msg_put_u64(m, F_GENERATION, 1);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &answer);
	msg_put_u64(m, F_SEALED_BYTES, 200);
	msg_put_bytes(m, F_HASH, bytes, 32);
	msg_put_bytes(m, F_DATA, bytes, 200);
	msg_end(m);
	assert_int_equal(kit_ask(portal, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &s.message, 0), STATE_REPLIED);
	m = kit_request(OP_FETCH);
	msg_put_id(m, F_MESSAGE_ID, &answer);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	m = kit_request(OP_PORTAL_END);
	msg_put_bytes(m, F_TOKEN, token, 32);
	assert_int_equal(kit_ask(portal, m, NULL), LL_OK);
	m = kit_request(OP_PORTAL_FETCH);
	msg_put_bytes(m, F_TOKEN, token, 32);
	assert_int_equal(kit_ask(portal, m, NULL), LL_AUTH);
}

static void
open_for(const char *origin, uint8_t token[32])
{
	struct msg *reply;
	struct sent s;
	struct id id;

	send_out(&s);
	assert_int_equal(attempt(s.locator, origin, &id), LL_OK);
	assert_int_equal(prove(&id, s.proof, &reply), LL_OK);
	memcpy(token, view_hash(msg_view(reply), F_TOKEN), 32);
	msg_destroy(reply);
}

static enum ll_result
upload(const uint8_t token[32], struct id *object_r)
{
	struct msg *m = kit_request(OP_PORTAL_BLOB), *reply;
	struct id answer;
	enum ll_result r;

	id_random(&answer);
	msg_put_bytes(m, F_TOKEN, token, 32);
	msg_put_id(m, F_MESSAGE_ID, &answer);
	msg_put_u64(m, F_SEALED_BYTES, 1000);
	r = kit_ask(portal, m, &reply);
	if (r == LL_OK)
		assert_true(view_id(msg_view(reply), F_OBJECT_ID, object_r));
	msg_destroy(reply);
	return r;
}

/* The portal is one peer: who breaks off uploads, or has many going, may not
 * use up what is there for all. */
static void
uploads_of_one_link_are_bounded(void **state)
{
	uint8_t mine[32], yours[32];
	struct id object;
	struct msg *m;
	unsigned n;

	(void)state;
	open_for("10.5.1.1", mine);
	open_for("10.5.1.2", yours);
	for (n = 0; n < 4; n++)
		assert_int_equal(upload(mine, &object), LL_OK);
	assert_int_equal(upload(mine, &object), LL_BUSY);
	for (n = 0; n < 40; n++) {
		assert_int_equal(upload(yours, &object), LL_OK);
		m = kit_request(OP_PORTAL_DROP);
		msg_put_id(m, F_OBJECT_ID, &object);
		assert_int_equal(kit_ask(portal, m, NULL), LL_OK);
	}
	m = kit_request(OP_PORTAL_DROP);
	msg_put_id(m, F_OBJECT_ID, &object);
	assert_int_equal(kit_ask(portal, m, NULL), LL_NOTFOUND);
}

static enum ll_result
reply_of(const uint8_t token[32], size_t len)
{
	static const uint8_t bytes[65536] = { 1 };
	struct msg *m = kit_request(OP_PORTAL_REPLY);
	struct id answer;

	id_random(&answer);
	msg_put_bytes(m, F_TOKEN, token, 32);
	msg_put_id(m, F_MESSAGE_ID, &answer);
	msg_put_bytes(m, F_HEADER, bytes, 300);
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_bytes(m, F_WRAP, bytes, 100);
	msg_put_u64(m, F_GENERATION, 1);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &answer);
	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_bytes(m, F_HASH, bytes, 32);
	msg_put_bytes(m, F_DATA, bytes, len);
	msg_end(m);
	return kit_ask(portal, m, NULL);
}

/* Who has one message open cannot fill the disk with answers, neither by their
 * number nor by their length. */
static void
answers_are_bounded(void **state)
{
	uint8_t token[32], other[32];
	unsigned n;

	(void)state;
	open_for("10.6.1.1", token);
	for (n = 0; n < 30; n++)
		assert_int_equal(reply_of(token, 200), LL_OK);
	assert_int_equal(reply_of(token, 200), LL_RATE);
	open_for("10.6.1.2", other);
	for (n = 0; n < 7; n++)
		assert_int_equal(reply_of(other, 65000), LL_OK);
	assert_int_equal(reply_of(other, 65000), LL_FULL);
	assert_int_equal(reply_of(other, 200), LL_OK);
}

static void
relay_leases_and_reports(void **state)
{
	struct chan *relay = kit_channel(&kit, PEER_RELAY);
	struct msg *m, *reply;
	struct tlv_view row;
	struct id queue;
	struct sent s;
	unsigned rows = 0;
	size_t at = 0;

	(void)state;
	send_out(&s);
	assert_int_equal(kit_ask(relay, kit_request(OP_QUEUE_LEASE), &reply),
	    LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		assert_true(view_id(row, F_QUEUE_ID, &queue));
		assert_true(view_has(row, F_WRAP));
		m = kit_request(OP_QUEUE_RESULT);
		msg_put_id(m, F_QUEUE_ID, &queue);
		msg_put_u64(m, F_STATE, rows++ ? QUEUE_SENT : QUEUE_RETRY);
		msg_put_text(m, F_DETAIL, "450 later");
		assert_int_equal(kit_ask(relay, m, NULL), LL_OK);
	}
	msg_destroy(reply);
	assert_true(rows > 1);
	assert_int_equal(kit_state(&ada, &s.message, 0), STATE_NOTIFIED);
	at = 0;
	assert_int_equal(kit_ask(relay, kit_request(OP_QUEUE_LEASE), &reply),
	    LL_OK);
	assert_false(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_true(view_u64(msg_view(reply), F_DELAY_SECS) > 50);
	msg_destroy(reply);
	chan_destroy(relay);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_origin_has_five),
		cmocka_unit_test(all_origins_have_ten_then_it_freezes),
		cmocka_unit_test(counts_survive_a_kill),
		cmocka_unit_test(unknown_behaves_the_same),
		cmocka_unit_test(right_code_opens_and_gives_the_try_back),
		cmocka_unit_test(cancelled_costs_nothing),
		cmocka_unit_test(reissue_replaces_the_link),
		cmocka_unit_test(withdrawn_says_so),
		cmocka_unit_test(portal_reads_and_answers),
		cmocka_unit_test(uploads_of_one_link_are_bounded),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(relay_leases_and_reports),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
