/*
 * Mail that comes in from mail programs: whose it is, taking it over once, and
 * what other servers say of mail of ours.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/seal.h"
#include "keys/secret.h"
#include "tests/unit/storekit.h"

#define QUOTA (300 * 1024)

static struct kit kit;
static struct kit_user ada, bob;
static struct chan *intake;
static struct id answered, noted, bounced;

/* What was sent by mail: the store has no such route without keys, so its rows
 * are made of ones with links. */
static const char by_mail[] = "UPDATE deliveries SET mail_id = CASE WHEN"
    " address = 'note@out.test' THEN 'note@example.test' WHEN address IN"
    " ('dan@out.test', 'fay@out.test') THEN 'gone@example.test' ELSE"
    " 'ours@example.test' END, route = iif(address = 'note@out.test', route,"
    " 5), state = iif(address = 'note@out.test', state, 6)";

static int
set_up(void **state)
{
	static const char *const first[] = { "zoe@out.test", "carol@out.test",
	    NULL };
	static const char *const second[] = { "note@out.test", NULL };
	static const char *const third[] = { "dan@out.test", "fay@out.test",
	    NULL };

	(void)state;
	kit.quota = QUOTA;
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	kit_queue_keys(&kit);
	assert_int_equal(kit_send(&ada, first, 0, &answered), LL_OK);
	assert_int_equal(kit_send(&ada, second, 0, &noted), LL_OK);
	assert_int_equal(kit_send(&ada, third, 0, &bounced), LL_OK);
	kit_logout(&ada);
	assert_int_equal(kit_stop(&kit), 0);
	(void)kit_sql(&kit, by_mail);
	kit_start(&kit);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	intake = kit_channel(&kit, PEER_INTAKE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(intake);
	kit_logout(&ada);
	kit_logout(&bob);
	kit_end(&kit);
	return 0;
}

struct mail {
	struct id id;
	const char *mail_id, *from;
	uint8_t key[32];         /* idempotency */
	size_t bytes;            /* of its raw object */
};

static struct mail
mail(const char *mail_id)
{
	struct mail m = { .mail_id = mail_id, .from = "zoe@out.test",
	    .bytes = 500 };

	id_random(&m.id);
	randombytes_buf(m.key, sizeof(m.key));
	return m;
}

static void
put_object(struct msg *m, enum object_kind kind, size_t len)
{
	static uint8_t data[65536];
	struct id object;

	id_random(&object);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &object);
	msg_put_u64(m, F_OBJECT_KIND, kind);
	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_bytes(m, F_HASH, data, 32);
	msg_put_bytes(m, F_DATA, data, len);
	msg_end(m);
}

static struct msg *
take_request(const struct mail *c)
{
	struct msg *m = kit_request(OP_INTAKE_TAKE);
	uint8_t bytes[200] = { 1 };

	msg_put_bytes(m, F_IDEMPOTENCY, c->key, 32);
	msg_put_id(m, F_MESSAGE_ID, &c->id);
	msg_put_bytes(m, F_HEADER, bytes, sizeof(bytes));
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_text(m, F_ADDRESS, c->from);
	msg_put_text(m, F_MAIL_ID, c->mail_id);
	put_object(m, OBJECT_BODY, 100);
	put_object(m, OBJECT_RAW, c->bytes);
	return m;
}

static void
put_reader(struct msg *m, const struct kit_user *u, uint64_t generation,
    const struct id *thread, const struct id *reply_to)
{
	uint8_t wrap[100] = { 2 };

	msg_begin(m, F_RECIPIENT);
	msg_put_id(m, F_USER_ID, &u->id);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_u64(m, F_GENERATION, generation);
	msg_put_id(m, F_THREAD_ID, thread);
	if (reply_to != NULL)
		msg_put_id(m, F_REPLY_TO, reply_to);
	msg_end(m);
}

static enum ll_result
take(const struct mail *c, const struct kit_user *u)
{
	struct msg *m = take_request(c);

	put_reader(m, u, 1, &c->id, NULL);
	return kit_ask(intake, m, NULL);
}

/* The row of that user in WHO's answer to these. */
static bool
who(const char *address, const char *reference, struct id *user_r,
    struct id *thread_r, struct id *reply_to_r)
{
	struct msg *m = kit_request(OP_INTAKE_WHO), *reply;
	struct tlv_view row;
	bool found;
	size_t at = 0;

	memset(thread_r, 0, sizeof(*thread_r));
	memset(reply_to_r, 0, sizeof(*reply_to_r));
	msg_put_text(m, F_ADDRESS, address);
	msg_put_text(m, F_REFERENCE, "nothing@known.test");
	msg_put_text(m, F_REFERENCE, reference);
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	found = view_nest(msg_view(reply), F_ROW, &at, &row);
	if (found) {
		assert_string_equal(view_text(row, F_ADDRESS), address);
		assert_non_null(view_hash(row, F_SEAL_PK));
		assert_true(view_id(row, F_USER_ID, user_r));
		(void)view_id(row, F_THREAD_ID, thread_r);
		(void)view_id(row, F_REPLY_TO, reply_to_r);
		assert_false(view_nest(msg_view(reply), F_ROW, &at, &row));
	}
	msg_destroy(reply);
	return found;
}

static uint64_t
inbox_of(const struct kit_user *u)
{
	struct msg *m = kit_request(OP_LIST), *reply;
	uint64_t n;

	msg_put_u64(m, F_FOLDER, FOLDER_INBOX);
	assert_int_equal(kit_ask(u->worker, m, &reply), LL_OK);
	n = view_u64(msg_view(reply), F_COUNT);
	msg_destroy(reply);
	return n;
}

static void
only_staff_have_a_mailbox(void **state)
{
	struct id user, thread, reply_to;

	(void)state;
	assert_true(who("ADA@example.test", "x@y", &user, &thread, &reply_to));
	assert_true(id_equal(&user, &ada.id));
	assert_false(who("zoe@out.test", "x@y", &user, &thread, &reply_to));
	assert_false(who("", "x@y", &user, &thread, &reply_to));
}

static void
the_sender_is_told_when_one_of_us(void **state)
{
	struct msg *m = kit_request(OP_INTAKE_WHO), *reply;
	struct tlv_view row;
	struct id user;
	size_t at = 0;

	(void)state;
	msg_put_text(m, F_EMAIL, "Bob@example.test");
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_SENDER, &at, &row));
	assert_true(view_id(row, F_USER_ID, &user));
	assert_true(id_equal(&user, &bob.id));
	assert_string_equal(view_text(row, F_EMAIL), "Bob@example.test");
	msg_destroy(reply);
	m = kit_request(OP_INTAKE_WHO);
	msg_put_text(m, F_EMAIL, "zoe@out.test");
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	assert_false(view_has(msg_view(reply), F_SENDER));
	msg_destroy(reply);
}

/* A mail server that heard no answer sends the mail again, under another id of
 * ours but with the same key. */
static void
a_mail_is_taken_once(void **state)
{
	struct mail c = mail("once@out.test");
	uint64_t before = inbox_of(&ada);

	(void)state;
	assert_int_equal(take(&c, &ada), LL_OK);
	assert_int_equal(inbox_of(&ada), before + 1);
	id_random(&c.id);
	assert_int_equal(take(&c, &ada), LL_OK);
	assert_int_equal(inbox_of(&ada), before + 1);
	/* the same Message-ID on something else is another mail */
	c = mail("once@out.test");
	assert_int_equal(take(&c, &ada), LL_OK);
	assert_int_equal(inbox_of(&ada), before + 2);
}

static void
a_taken_mail_is_read_like_any(void **state)
{
	struct mail c = mail("read@out.test");
	struct msg *m = kit_request(OP_FETCH), *reply;
	struct tlv_view object;
	size_t at = 0;

	(void)state;
	assert_int_equal(take(&c, &ada), LL_OK);
	msg_put_id(m, F_MESSAGE_ID, &c.id);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	assert_false(view_has(msg_view(reply), F_AUTHOR_ID));
	assert_true(view_nest(msg_view(reply), F_OBJECT, &at, &object));
	assert_true(view_nest(msg_view(reply), F_OBJECT, &at, &object));
	assert_int_equal(view_u64(object, F_OBJECT_KIND), OBJECT_RAW);
	msg_destroy(reply);
	m = kit_request(OP_FETCH);
	msg_put_id(m, F_MESSAGE_ID, &c.id);
	assert_int_equal(kit_ask(bob.worker, m, NULL), LL_NOTFOUND);
}

static void
what_no_longer_holds_is_refused(void **state)
{
	struct mail c = mail("stale@out.test");
	struct msg *m = take_request(&c);
	struct id other;

	(void)state;
	id_random(&other);
	put_reader(m, &ada, 2, &c.id, NULL);   /* older or newer keys */
	assert_int_equal(kit_ask(intake, m, NULL), LL_CONFLICT);
	m = take_request(&c);
	put_reader(m, &ada, 1, &other, &other); /* a thread that is not hers */
	assert_int_equal(kit_ask(intake, m, NULL), LL_CONFLICT);
	m = take_request(&c);
	put_reader(m, &ada, 1, &other, NULL);
	assert_int_equal(kit_ask(intake, m, NULL), LL_USAGE);
	assert_int_equal(kit_ask(intake, take_request(&c), NULL), LL_USAGE);
	c.mail_id = "";
	assert_int_equal(take(&c, &ada), LL_USAGE);
	/* one reader of two is wrong: nobody gets it */
	c.mail_id = "stale@out.test";
	m = take_request(&c);
	put_reader(m, &bob, 1, &c.id, NULL);
	put_reader(m, &ada, 2, &c.id, NULL);
	assert_int_equal(kit_ask(intake, m, NULL), LL_CONFLICT);
	assert_int_equal(inbox_of(&bob), 0);
}

static void
an_answer_joins_its_thread(void **state)
{
	struct mail c = mail("answer@out.test"), again = mail("more@out.test");
	struct id user, thread, reply_to;
	struct msg *m;

	(void)state;
	assert_true(who("bob@example.test", "ours@example.test", &user,
	    &thread, &reply_to));
	assert_false(id_equal(&reply_to, &answered)); /* not his business */
	assert_true(who("ada@example.test", "ours@example.test", &user,
	    &thread, &reply_to));
	assert_true(id_equal(&reply_to, &answered));
	m = take_request(&c);
	put_reader(m, &ada, 1, &thread, &reply_to);
	assert_int_equal(kit_ask(intake, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &answered, 0), STATE_REPLIED);
	assert_int_equal(kit_state(&ada, &answered, 1), STATE_RELAYED);
	/* the answer is itself something that can be answered */
	assert_true(who("ada@example.test", "answer@out.test", &user, &thread,
	    &reply_to));
	assert_true(id_equal(&reply_to, &c.id));
	again.from = "eve@out.test";
	m = take_request(&again);
	put_reader(m, &ada, 1, &thread, &reply_to);
	assert_int_equal(kit_ask(intake, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &answered, 1), STATE_RELAYED);
}

/* A link that was not opened stays to be opened, whatever a mail says. */
static void
an_answer_to_a_notification_opens_nothing(void **state)
{
	struct mail c = mail("clear@out.test");
	struct id user, thread, reply_to;
	enum delivery_state before;
	struct msg *m;

	(void)state;
	c.from = "note@out.test";
	before = kit_state(&ada, &noted, 0);
	assert_true(who("ada@example.test", "note@example.test", &user,
	    &thread, &reply_to));
	m = take_request(&c);
	put_reader(m, &ada, 1, &thread, &reply_to);
	assert_int_equal(kit_ask(intake, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &noted, 0), before);
}

static enum ll_result
upload(const struct mail *c, size_t len, uint8_t hash[32], struct id *object_r)
{
	struct msg *m = kit_request(OP_INTAKE_BLOB), *reply;
	static const char zeros[100000];
	enum ll_result r;
	int fd;

	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_id(m, F_USER_ID, &ada.id);
	msg_put_id(m, F_MESSAGE_ID, &c->id);
	r = kit_ask(intake, m, &reply);
	fd = r == LL_OK ? msg_take_fd(reply, 0) : -1;
	if (r == LL_OK)
		assert_true(view_id(msg_view(reply), F_OBJECT_ID, object_r));
	msg_destroy(reply);
	if (r != LL_OK)
		return r;
	assert_true(len <= sizeof(zeros));
	assert_int_equal(write(fd, zeros, len), (ssize_t)len);
	(void)close(fd);
	memset(hash, 3, 32);
	m = kit_request(OP_INTAKE_COMMIT);
	msg_put_id(m, F_OBJECT_ID, object_r);
	msg_put_id(m, F_MESSAGE_ID, &c->id);
	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_bytes(m, F_HASH, hash, 32);
	return kit_ask(intake, m, NULL);
}

static struct msg *
take_uploaded(const struct mail *c, size_t len, const uint8_t hash[32],
    const struct id *object)
{
	struct msg *m = kit_request(OP_INTAKE_TAKE);
	uint8_t bytes[200] = { 1 };

	msg_put_bytes(m, F_IDEMPOTENCY, c->key, 32);
	msg_put_id(m, F_MESSAGE_ID, &c->id);
	msg_put_bytes(m, F_HEADER, bytes, sizeof(bytes));
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_text(m, F_MAIL_ID, c->mail_id);
	put_object(m, OBJECT_BODY, 100);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, object);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_RAW);
	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_bytes(m, F_HASH, hash, 32);
	msg_end(m);
	put_reader(m, &ada, 1, &c->id, NULL);
	return m;
}

static void
large_mail_comes_as_a_file(void **state)
{
	struct mail c = mail("large@out.test"), other = mail("drop@out.test");
	struct msg *m, *reply;
	uint8_t hash[32];
	struct id object;

	(void)state;
	assert_int_equal(upload(&c, 100000, hash, &object), LL_OK);
	m = take_uploaded(&c, 99999, hash, &object);
	assert_int_equal(kit_ask(intake, m, NULL), LL_CONFLICT);
	m = take_uploaded(&c, 100000, hash, &object);
	assert_int_equal(kit_ask(intake, m, NULL), LL_OK);
	m = kit_request(OP_OBJECT_OPEN);
	msg_put_id(m, F_MESSAGE_ID, &c.id);
	msg_put_id(m, F_OBJECT_ID, &object);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	assert_int_equal(view_u64(msg_view(reply), F_SEALED_BYTES), 100000);
	msg_destroy(reply);
	/* given up before it was committed */
	m = kit_request(OP_INTAKE_BLOB);
	msg_put_u64(m, F_SEALED_BYTES, 1000);
	msg_put_id(m, F_USER_ID, &ada.id);
	msg_put_id(m, F_MESSAGE_ID, &other.id);
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	assert_true(view_id(msg_view(reply), F_OBJECT_ID, &object));
	msg_destroy(reply);
	m = kit_request(OP_INTAKE_DROP);
	msg_put_id(m, F_OBJECT_ID, &object);
	assert_int_equal(kit_ask(intake, m, NULL), LL_OK);
	m = kit_request(OP_INTAKE_DROP);
	msg_put_id(m, F_OBJECT_ID, &object);
	assert_int_equal(kit_ask(intake, m, NULL), LL_NOTFOUND);
}

static void
the_readers_quota_holds(void **state)
{
	struct mail c;
	unsigned n;
	enum ll_result r = LL_OK;

	(void)state;
	for (n = 0; n < 10 && r == LL_OK; n++) {
		c = mail("quota@out.test");
		c.bytes = 60000;
		r = take(&c, &bob);
	}
	assert_int_equal(r, LL_FULL);
	assert_int_equal(n, 6);
}

static uint64_t
bounce(const char *mail_id, const char *address, enum delivery_state state)
{
	struct msg *m = kit_request(OP_INTAKE_BOUNCE), *reply;
	uint64_t n;

	msg_put_text(m, F_MAIL_ID, mail_id);
	if (address != NULL)
		msg_put_text(m, F_ADDRESS, address);
	msg_put_u64(m, F_STATE, state);
	msg_put_text(m, F_DETAIL, "550 5.1.1 no such user");
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	n = view_u64(msg_view(reply), F_COUNT);
	msg_destroy(reply);
	return n;
}

/* The last event of recipient n and its words. */
static void
last_event(const struct id *message, unsigned n, enum event *event_r,
    char words_r[200])
{
	struct msg *m = kit_request(OP_STATUS), *reply;
	struct tlv_view row, event;
	size_t at = 0, in = 0;
	unsigned i;

	msg_put_id(m, F_MESSAGE_ID, message);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	for (i = 0; i <= n; i++)
		assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at,
		    &row));
	while (view_nest(row, F_EVENT, &in, &event)) {
		*event_r = (enum event)view_u64(event, F_EVENT_KIND);
		(void)snprintf(words_r, 200, "%s", view_text(event, F_DETAIL));
	}
	msg_destroy(reply);
}

static void
bounces_reach_the_status(void **state)
{
	enum event event = 0;
	char words[200] = "";

	(void)state;
	assert_int_equal(bounce("other@example.test", "dan@out.test",
	    STATE_FAILED), 0);
	/* of two readers: not to be told which */
	assert_int_equal(bounce("gone@example.test", NULL, STATE_FAILED), 0);
	assert_int_equal(bounce("gone@example.test", "eve@out.test",
	    STATE_FAILED), 0);
	assert_int_equal(bounce("gone@example.test", "DAN@out.test",
	    STATE_DEFERRED), 1);
	assert_int_equal(kit_state(&ada, &bounced, 0), STATE_DEFERRED);
	assert_int_equal(bounce("gone@example.test", "dan@out.test",
	    STATE_RELAYED), 1);
	assert_int_equal(kit_state(&ada, &bounced, 0), STATE_RELAYED);
	assert_int_equal(bounce("gone@example.test", "dan@out.test",
	    STATE_FAILED), 1);
	assert_int_equal(kit_state(&ada, &bounced, 0), STATE_FAILED);
	assert_int_equal(kit_state(&ada, &bounced, 1), STATE_RELAYED);
	last_event(&bounced, 0, &event, words);
	assert_int_equal(event, EVENT_FAILED);
	assert_string_equal(words, "550 5.1.1 no such user");
	/* what failed is not in transit any more */
	assert_int_equal(bounce("gone@example.test", "dan@out.test",
	    STATE_FAILED), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_staff_have_a_mailbox),
		cmocka_unit_test(the_sender_is_told_when_one_of_us),
		cmocka_unit_test(a_mail_is_taken_once),
		cmocka_unit_test(a_taken_mail_is_read_like_any),
		cmocka_unit_test(what_no_longer_holds_is_refused),
		cmocka_unit_test(an_answer_joins_its_thread),
		cmocka_unit_test(an_answer_to_a_notification_opens_nothing),
		cmocka_unit_test(large_mail_comes_as_a_file),
		cmocka_unit_test(bounces_reach_the_status),
		cmocka_unit_test(the_readers_quota_holds),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
