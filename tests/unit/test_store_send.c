#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "keys/secret.h"
#include "keys/seal.h"
#include "tests/unit/storekit.h"

static const char *const to_bob[] = { "bob@example.test", NULL };
static const char *const to_both[] = { "bob@example.test",
    "carol@outside.test", NULL };

static struct kit kit;
static struct kit_user ada, bob, root;

static int
set_up(void **state)
{
	(void)state;
	kit.undo_secs = 2;
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_user(&kit, "root", ROLE_ADMIN, &root);
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

static enum ll_result
ask_message(struct kit_user *u, enum op op, const struct id *message,
    struct msg **reply_r)
{
	struct msg *m = kit_request(op);

	msg_put_id(m, F_MESSAGE_ID, message);
	return kit_ask(u->worker, m, reply_r);
}

static enum ll_result
mark_read(struct kit_user *u, const struct id *message)
{
	struct msg *m = kit_request(OP_MARK);

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_u64(m, F_UNREAD, 0);
	return kit_ask(u->worker, m, NULL);
}

static unsigned
count_of(struct kit_user *u, enum folder folder)
{
	struct msg *m = kit_request(OP_LIST), *reply;
	struct tlv_view row;
	unsigned rows = 0;
	uint64_t count;
	size_t at = 0;

	msg_put_u64(m, F_FOLDER, folder);
	msg_put_u64(m, F_LIMIT, 500);
	assert_int_equal(kit_ask(u->worker, m, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		rows++;
	count = view_u64(msg_view(reply), F_COUNT);
	msg_destroy(reply);
	assert_int_equal(rows, count);
	return rows;
}

static void
arrives_opened_read(void **state)
{
	struct id message;

	(void)state;
	assert_int_equal(kit_send(&ada, to_both, 0, &message), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_QUEUED);
	assert_int_equal(ask_message(&bob, OP_FETCH, &message, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_OPENED);
	assert_int_equal(mark_read(&bob, &message), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_READ);
	/* the author's reading is no reading */
	assert_int_equal(kit_send(&ada, to_bob, 0, &message), LL_OK);
	assert_int_equal(ask_message(&ada, OP_FETCH, &message, NULL), LL_OK);
	assert_int_equal(mark_read(&ada, &message), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
}

static void
repeated_is_one(void **state)
{
	struct msg *first, *again, *reply;
	unsigned before = count_of(&bob, FOLDER_INBOX);
	struct id message, answered;
	uint8_t head[MSG_HEAD];

	(void)state;
	first = kit_send_request(&ada, to_bob, 0, &message);
	msg_encode_head(first, head);
	assert_int_equal(msg_decode(head, msg_view(first).data,
	    msg_view(first).len, &again), LL_OK);
	assert_int_equal(kit_ask(ada.worker, first, NULL), LL_OK);
	assert_int_equal(kit_ask(ada.worker, again, &reply), LL_OK);
	assert_true(view_id(msg_view(reply), F_MESSAGE_ID, &answered));
	assert_true(id_equal(&answered, &message));
	msg_destroy(reply);
	assert_int_equal(count_of(&bob, FOLDER_INBOX), before + 1);
}

/* The same key of another user, or for another operation, is another's. */
static void
key_belongs_to_its_request(void **state)
{
	uint8_t key[32] = { 77 };
	struct msg *m;
	struct id none;

	(void)state;
	id_random(&none);
	m = kit_send_request(&bob, to_bob, 0, &none);
	msg_destroy(m);
	m = kit_request(OP_UNDO);
	msg_put_bytes(m, F_IDEMPOTENCY, key, 32);
	msg_put_id(m, F_MESSAGE_ID, &none);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_NOTFOUND);
	m = kit_request(OP_UNDO);
	msg_put_bytes(m, F_IDEMPOTENCY, key, 32);
	msg_put_id(m, F_MESSAGE_ID, &none);
	assert_int_equal(kit_ask(bob.worker, m, NULL), LL_NOTFOUND);
}

static void
put_draft(const struct id *message, uint64_t replaces, enum ll_result want)
{
	struct msg *m = kit_request(OP_DRAFT_PUT);
	uint8_t wrap[80] = { 1 };

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_bytes(m, F_DRAFT, wrap, sizeof(wrap));
	msg_put_u64(m, F_GENERATION, 1);
	msg_put_u64(m, F_SEQUENCE, replaces);
	assert_int_equal(kit_ask(ada.worker, m, NULL), want);
}

static void
undo_brings_the_draft_back(void **state)
{
	unsigned inbox = count_of(&bob, FOLDER_INBOX);
	unsigned sent = count_of(&ada, FOLDER_SENT);
	uint8_t head[MSG_HEAD];
	struct msg *m, *again;
	struct id message;

	(void)state;
	m = kit_send_request(&ada, to_both, 2, &message);
	msg_encode_head(m, head);
	assert_int_equal(msg_decode(head, msg_view(m).data, msg_view(m).len,
	    &again), LL_OK);
	put_draft(&message, 0, LL_OK);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(ask_message(&ada, OP_DRAFT_GET, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_PENDING);
	assert_int_equal(count_of(&bob, FOLDER_INBOX), inbox);
	assert_int_equal(ask_message(&bob, OP_UNDO, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_UNDO, &message, NULL), LL_OK);
	/* a late repetition of what was undone sends nothing */
	assert_int_equal(kit_ask(ada.worker, again, NULL), LL_OK);
	assert_int_equal(ask_message(&ada, OP_STATUS, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_DRAFT_GET, &message, NULL),
	    LL_OK);
	assert_int_equal(count_of(&ada, FOLDER_SENT), sent);
	sleep(3);
	assert_int_equal(count_of(&bob, FOLDER_INBOX), inbox);
}

static void
pending_is_released(void **state)
{
	unsigned inbox = count_of(&bob, FOLDER_INBOX);
	struct id message;
	unsigned n;

	(void)state;
	assert_int_equal(kit_send(&ada, to_both, 1, &message), LL_OK);
	for (n = 0; n < 50 && count_of(&bob, FOLDER_INBOX) == inbox; n++)
		usleep(100000);
	assert_int_equal(count_of(&bob, FOLDER_INBOX), inbox + 1);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_QUEUED);
	assert_int_equal(ask_message(&ada, OP_UNDO, &message, NULL),
	    LL_CONFLICT);
}

static void
drafts_do_not_overwrite_each_other(void **state)
{
	struct id message;

	(void)state;
	id_random(&message);
	put_draft(&message, 4, LL_NOTFOUND);
	put_draft(&message, 0, LL_OK);
	put_draft(&message, 0, LL_CONFLICT);
	put_draft(&message, 1, LL_OK);
	assert_int_equal(ask_message(&bob, OP_DRAFT_GET, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&bob, OP_DRAFT_DELETE, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_DRAFT_DELETE, &message, NULL),
	    LL_OK);
}

static void
withdraw_is_honest(void **state)
{
	struct id message;
	struct msg *reply;
	struct tlv_view row;
	size_t at = 0;

	(void)state;
	assert_int_equal(kit_send(&ada, to_both, 0, &message), LL_OK);
	assert_int_equal(ask_message(&bob, OP_FETCH, &message, NULL), LL_OK);
	assert_int_equal(ask_message(&bob, OP_WITHDRAW, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_WITHDRAW, &message, &reply),
	    LL_OK);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_int_equal(view_u64(row, F_WAS_READ), 1);
	assert_int_equal(view_u64(row, F_STATE), STATE_WITHDRAWN);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_int_equal(view_u64(row, F_WAS_READ), 0);
	assert_int_equal(view_u64(row, F_STATE), STATE_WITHDRAWN);
	msg_destroy(reply);
	assert_int_equal(ask_message(&bob, OP_FETCH, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_FETCH, &message, NULL), LL_OK);
}

static void
changed_plan_stops_the_send(void **state)
{
	static const char *const to[] = { "dave@example.test", NULL };
	struct kit_user dave;
	struct id message;
	struct msg *m;

	(void)state;
	m = kit_send_request(&ada, to, 0, &message);
	kit_user(&kit, "dave", ROLE_STAFF, &dave);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_CONFLICT);
	assert_int_equal(ask_message(&ada, OP_STATUS, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(kit_send(&ada, to, 0, &message), LL_OK);
}

static void
admins_are_held(void **state)
{
	static const char *const to[] = { "root@example.test",
	    "bob@example.test", NULL };
	struct id message;

	(void)state;
	assert_int_equal(kit_send(&ada, to, 0, &message), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_HELD);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_DELIVERED);
}

static void
a_bad_request_of_a_group_fails_alone(void **state)
{
	struct id one, two;
	struct msg *m[3], *reply;
	unsigned n, ok = 0, refused = 0;

	(void)state;
	m[0] = kit_send_request(&ada, to_bob, 0, &one);
	m[1] = kit_request(OP_SEND);
	msg_put_id(m[1], F_MESSAGE_ID, &one);
	m[2] = kit_send_request(&ada, to_bob, 0, &two);
	for (n = 0; n < 3; n++) {
		msg_set_sequence(m[n], 5000 + n);
		assert_int_equal(chan_send(ada.worker, m[n]), LL_OK);
	}
	while (ok + refused < 3) {
		assert_int_equal(chan_wait(ada.worker, 5000, &reply), LL_OK);
		if (msg_kind(reply) == MSG_REPLY) {
			n = msg_sequence(reply) - 5000;
			ok += msg_result(reply) == LL_OK;
			refused += msg_result(reply) == LL_USAGE;
			assert_int_equal(msg_result(reply) == LL_OK, n != 1);
		}
		msg_destroy(reply);
	}
	assert_int_equal(ok, 2);
	assert_int_equal(kit_state(&ada, &one, 0), STATE_DELIVERED);
	assert_int_equal(kit_state(&ada, &two, 0), STATE_DELIVERED);
}

static void
colleague_hears_of_it(void **state)
{
	struct id message, told;
	struct msg *m;
	enum ll_result r;

	(void)state;
	while ((r = chan_wait(bob.worker, 0, &m)) == LL_OK)
		msg_destroy(m);
	assert_int_equal(r, LL_AGAIN);
	assert_int_equal(kit_send(&ada, to_bob, 0, &message), LL_OK);
	assert_int_equal(chan_wait(bob.worker, 2000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_EVENT_BOX);
	assert_true(view_id(msg_view(m), F_MESSAGE_ID, &told));
	assert_true(id_equal(&told, &message));
	msg_destroy(m);
}

/* Last: it stops the store and moves time. */
static void
expiry_destroys_every_key(void **state)
{
	struct id message;
	struct msg *reply;
	struct tlv_view row;
	unsigned n;
	size_t at = 0;

	(void)state;
	assert_int_equal(kit_send(&ada, to_both, 0, &message), LL_OK);
	kit_logout(&ada);
	kit_logout(&bob);
	assert_int_equal(kit_stop(&kit), 0);
	(void)kit_sql(&kit, "UPDATE messages SET expires = 1 WHERE message ="
	    " (SELECT message FROM messages ORDER BY rowid DESC LIMIT 1)");
	kit_start(&kit);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	for (n = 0; n < 30 && kit_state(&ada, &message, 0) ==
	    STATE_DELIVERED; n++)
		usleep(100000);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_EXPIRED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_EXPIRED);
	assert_int_equal(ask_message(&bob, OP_FETCH, &message, NULL),
	    LL_NOTFOUND);
	assert_int_equal(ask_message(&ada, OP_FETCH, &message, NULL),
	    LL_GONE);
	reply = kit_request(OP_LIST);
	msg_put_u64(reply, F_FOLDER, FOLDER_SENT);
	assert_int_equal(kit_ask(ada.worker, reply, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_int_equal(view_u64(row, F_STATE), STATE_EXPIRED);
	assert_false(view_has(row, F_SELF_WRAP));
	assert_false(view_has(row, F_HEADER));
	msg_destroy(reply);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrives_opened_read),
		cmocka_unit_test(repeated_is_one),
		cmocka_unit_test(key_belongs_to_its_request),
		cmocka_unit_test(undo_brings_the_draft_back),
		cmocka_unit_test(pending_is_released),
		cmocka_unit_test(drafts_do_not_overwrite_each_other),
		cmocka_unit_test(withdraw_is_honest),
		cmocka_unit_test(changed_plan_stops_the_send),
		cmocka_unit_test(admins_are_held),
		cmocka_unit_test(a_bad_request_of_a_group_fails_alone),
		cmocka_unit_test(colleague_hears_of_it),
		cmocka_unit_test(expiry_destroys_every_key),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
