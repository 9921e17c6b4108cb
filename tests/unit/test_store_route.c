/*
 * A mail's life, from SEND to the other server's word.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/parse.h"
#include "keys/seal.h"
#include "keys/secret.h"
#include "store/send.h"
#include "tests/unit/storekit.h"

static struct kit kit;
static struct kit_user ada, bob;
static struct chan *local, *relay;

#define F(c) "1111222233334444555566667777888899990" c

static void
openpgp(const char *address, const char *fingerprint, enum key_source source)
{
	kit_add_key(ada.worker, &(struct kit_key){ address, fingerprint,
	    PARSE_OPENPGP, source, 0, 0 });
}

static int
set_up(void **state)
{
	(void)state;
	kit.undo_secs = 3600;
	kit.tls_domains = "safe.example";
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	local = kit_channel(&kit, PEER_LOCAL);
	relay = kit_channel(&kit, PEER_RELAY);
	openpgp("hand@a.example", F("A01"), KEY_HAND);
	openpgp("dane@a.example", F("A03"), KEY_DANE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(local);
	chan_destroy(relay);
	kit_logout(&ada);
	kit_logout(&bob);
	kit_end(&kit);
	return 0;
}

static const struct kit_to mixed[] = {
	{ "bob@example.test", 0 }, { "hand@a.example", 0 },
	{ "dane@a.example", 0 }, { "x@safe.example", 0 },
	{ "muc@nowhere.example", 0 }, { NULL, 0 },
};

static void
send_mixed(uint64_t delay_secs, struct id *message_r)
{
	struct msg *m = kit_send_to(&ada, mixed, CLASS_NORMAL, delay_secs,
	    message_r);

	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
}

static bool
object_is_there(struct kit_user *u, const struct id *message, unsigned format)
{
	struct msg *m = kit_request(OP_OBJECT_OPEN);
	struct id object;

	kit_mail_of(message, format, &object);
	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_id(m, F_OBJECT_ID, &object);
	return kit_ask(u->worker, m, NULL) != LL_NOTFOUND;
}

/* What the relay got of one recipient. */
struct leased {
	struct id queue;
	uint64_t route;
	char address[321];
};

/* Leases everything; puts off what is not asked for. */
static unsigned
lease(struct leased *l, unsigned max)
{
	struct msg *m = kit_request(OP_QUEUE_LEASE), *reply;
	struct tlv_view row;
	unsigned n = 0;
	size_t at = 0;

	assert_int_equal(kit_ask(relay, m, &reply), LL_OK);
	while (n < max && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		assert_true(view_id(row, F_QUEUE_ID, &l[n].queue));
		l[n].route = view_u64(row, F_ROUTE);
		(void)snprintf(l[n++].address, sizeof(l->address), "%s",
		    view_text(row, F_ADDRESS));
	}
	msg_destroy(reply);
	return n;
}

static const struct leased *
row_of(const struct leased *l, unsigned n, const char *address)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strcmp(l[i].address, address) == 0)
			return &l[i];
	fail_msg("%s was not leased", address);
	return NULL;
}

static enum ll_result
result(const struct leased *l, enum queue_outcome outcome, const char *detail)
{
	struct msg *m = kit_request(OP_QUEUE_RESULT);

	msg_put_id(m, F_QUEUE_ID, &l->queue);
	msg_put_u64(m, F_STATE, outcome);
	msg_put_text(m, F_DETAIL, detail);
	return kit_ask(relay, m, NULL);
}

static enum ll_result
blob(const struct leased *l, uint8_t *first_r)
{
	struct msg *m = kit_request(OP_QUEUE_BLOB), *reply;
	const uint8_t *p;
	enum ll_result r;
	size_t len;

	*first_r = 0;
	msg_put_id(m, F_QUEUE_ID, &l->queue);
	r = kit_ask(relay, m, &reply);
	p = view_bytes(msg_view(reply), F_DATA, &len);
	if (p != NULL) {
		assert_int_equal(len, KIT_MAIL_BYTES);
		assert_non_null(view_hash(msg_view(reply), F_HASH));
		*first_r = p[0];
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
simple(enum op op, const struct id *message, const char *address,
    struct msg **reply_r)
{
	struct msg *m = kit_request(op);

	msg_put_id(m, F_MESSAGE_ID, message);
	if (address != NULL)
		msg_put_text(m, F_ADDRESS, address);
	return kit_ask(ada.worker, m, reply_r);
}

static unsigned
objects_in(enum op op, const struct id *message)
{
	struct tlv_view object;
	struct msg *reply;
	unsigned n = 0;
	size_t at = 0;

	assert_int_equal(simple(op, message, NULL, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_OBJECT, &at, &object)) {
		assert_int_not_equal(view_u64(object, F_OBJECT_KIND),
		    OBJECT_MAIL);
		n++;
	}
	msg_destroy(reply);
	return n;
}

/* Whether a detail was told of recipient n. */
static bool
told(const struct id *message, unsigned n, enum event event, const char *words)
{
	struct tlv_view row, e;
	struct msg *reply;
	size_t at = 0, in = 0;
	bool found = false;

	assert_int_equal(simple(OP_STATUS, message, NULL, &reply), LL_OK);
	do
		assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at,
		    &row));
	while (n-- > 0);
	while (view_nest(row, F_EVENT, &in, &e))
		found = found || (view_u64(e, F_EVENT_KIND) == event &&
		    strcmp(view_text(e, F_DETAIL), words) == 0);
	msg_destroy(reply);
	return found;
}

/* When recipient n's delivery ends; 0: never. */
static uint64_t
end_of(const struct id *message, unsigned n)
{
	struct tlv_view row;
	struct msg *reply;
	uint64_t expires;
	size_t at = 0;

	assert_int_equal(simple(OP_STATUS, message, NULL, &reply), LL_OK);
	do
		assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at,
		    &row));
	while (n-- > 0);
	expires = view_u64(row, F_EXPIRES);
	msg_destroy(reply);
	return expires;
}

static void
a_mail_from_send_to_the_last_word(void **state)
{
	struct leased l[20];
	const struct leased *hand, *dane, *tls;
	struct id message;
	unsigned n;
	uint8_t format;

	(void)state;
	send_mixed(0, &message);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_QUEUED);
	n = lease(l, 20);
	hand = row_of(l, n, "hand@a.example");
	dane = row_of(l, n, "dane@a.example");
	tls = row_of(l, n, "x@safe.example");
	assert_int_equal(hand->route, ROUTE_OPENPGP);
	assert_int_equal(tls->route, ROUTE_TLS);
	assert_int_equal(row_of(l, n, "muc@nowhere.example")->route,
	    ROUTE_PORTAL_MUC);
	assert_int_equal(blob(row_of(l, n, "muc@nowhere.example"), &format),
	    LL_NOTFOUND);
	assert_int_equal(blob(hand, &format), LL_OK);
	assert_int_equal(format, PARSE_OPENPGP);
	assert_int_equal(blob(tls, &format), LL_OK);
	assert_int_equal(format, PARSE_PLAIN);
	/* no reader gets it, nor its author */
	assert_int_equal(objects_in(OP_FETCH, &message), 1);
	assert_false(object_is_there(&ada, &message, PARSE_PLAIN));
	assert_false(object_is_there(&bob, &message, PARSE_OPENPGP));
	/* one of two is done: the other still needs the mail */
	assert_int_equal(result(hand, QUEUE_SENT, "250 ok sha256:aa"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_RELAYED);
	assert_int_equal(end_of(&message, 1), 0);
	assert_true(end_of(&message, 2) > 0);
	assert_true(told(&message, 1, EVENT_RELAYED, "250 ok sha256:aa"));
	assert_int_equal(blob(hand, &format), LL_NOTFOUND);
	assert_int_equal(blob(dane, &format), LL_OK);
	assert_int_equal(result(dane, QUEUE_RETRY, "450 later"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 2), STATE_DEFERRED);
	assert_true(told(&message, 2, EVENT_DEFERRED, "450 later"));
	assert_int_equal(result(tls, QUEUE_REFUSED, "550 no"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 3), STATE_FAILED);
	assert_true(told(&message, 3, EVENT_FAILED, "550 no"));
	/* the message itself is as it was */
	assert_int_equal(objects_in(OP_FETCH, &message), 1);
	assert_int_equal(result(row_of(l, n, "muc@nowhere.example"),
	    QUEUE_SENT, "250"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 4), STATE_NOTIFIED);
	assert_int_equal(result(dane, QUEUE_SENT, "250 at last"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 2), STATE_RELAYED);
}

static void
withdrawn_before_and_after(void **state)
{
	struct leased l[20];
	struct id message, late;
	struct tlv_view row;
	struct msg *reply;
	size_t at = 0;
	unsigned n;

	(void)state;
	send_mixed(0, &message);
	assert_int_equal(simple(OP_WITHDRAW, &message, NULL, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_WITHDRAWN);
	assert_int_equal(lease(l, 20), 0);
	send_mixed(0, &late);
	n = lease(l, 20);
	/* the relay has it in its hands */
	assert_int_equal(simple(OP_WITHDRAW, &late, "hand@a.example", &reply),
	    LL_OK);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_non_null(strstr(view_text(row, F_REASON), "this moment"));
	msg_destroy(reply);
	assert_int_equal(result(row_of(l, n, "hand@a.example"), QUEUE_SENT,
	    "250"), LL_OK);
	assert_int_equal(result(row_of(l, n, "dane@a.example"), QUEUE_RETRY,
	    "450"), LL_OK);
	assert_int_equal(simple(OP_WITHDRAW, &late, NULL, &reply), LL_OK);
	at = 0;
	(void)view_nest(msg_view(reply), F_RECIPIENT, &at, &row);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_int_equal(view_u64(row, F_STATE), STATE_RELAYED);
	assert_non_null(strstr(view_text(row, F_REASON), "out already"));
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	assert_int_equal(view_u64(row, F_STATE), STATE_WITHDRAWN);
	msg_destroy(reply);
	assert_int_equal(result(row_of(l, n, "x@safe.example"), QUEUE_SENT,
	    "250"), LL_OK);
}

static void
undone_leaves_no_mail(void **state)
{
	struct leased l[20];
	struct id message;
	struct msg *m;
	uint8_t wrap[80] = { 1 };

	(void)state;
	id_random(&message);
	m = kit_send_to(&ada, mixed, CLASS_NORMAL, 600, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_PENDING);
	assert_int_equal(lease(l, 20), 0);
	assert_int_equal(simple(OP_UNDO, &message, NULL, NULL), LL_OK);
	/* the draft that comes after it has none of its objects */
	m = kit_request(OP_DRAFT_PUT);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_bytes(m, F_DRAFT, wrap, sizeof(wrap));
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(objects_in(OP_DRAFT_GET, &message), 0);
	assert_false(object_is_there(&ada, &message, PARSE_OPENPGP));
	assert_int_equal(simple(OP_DRAFT_DELETE, &message, NULL, NULL),
	    LL_OK);
}

static void
in_time(const struct id *message, unsigned n, enum delivery_state state)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (kit_state(&ada, message, n) == state)
			return;
		(void)usleep(50000);
	}
	assert_int_equal(kit_state(&ada, message, n), state);
}

/* Nobody undid it. */
static void
goes_when_its_time_has_come(void **state)
{
	struct leased l[20];
	struct id message;
	struct msg *m;
	unsigned n;

	(void)state;
	m = kit_send_to(&ada, mixed, CLASS_NORMAL, 1, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 3), STATE_PENDING);
	in_time(&message, 3, STATE_QUEUED);
	in_time(&message, 0, STATE_DELIVERED);
	n = lease(l, 20);
	assert_int_equal(n, 4);
	while (n-- > 0)
		assert_int_equal(result(&l[n], QUEUE_SENT, "250"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_RELAYED);
}

/* --- what a SEND must not get away with --- */

/* The request with the last occurrence of these bytes made others. */
static struct msg *
tampered(struct msg *m, const void *needle, size_t len)
{
	struct tlv_view v = msg_view(m);
	uint8_t head[MSG_HEAD], *copy = malloc(v.len), *at, *last = NULL;
	struct msg *out;

	assert_non_null(copy);
	memcpy(copy, v.data, v.len);
	for (at = copy; (at = memmem(at, v.len - (size_t)(at - copy), needle,
	    len)) != NULL; at++)
		last = at;
	assert_non_null(last);
	last[len - 1] ^= 1;
	msg_encode_head(m, head);
	assert_int_equal(msg_decode(head, copy, v.len, &out), LL_OK);
	free(copy);
	msg_destroy(m);
	return out;
}

static const struct kit_to to_hand[] = { { "hand@a.example", 0 },
    { NULL, 0 } };

static void
only_what_was_planned(void **state)
{
	struct id message, object;
	struct msg *m;
	uint8_t bytes[100] = { 1 };

	(void)state;
	/* another key than the plan's */
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	m = tampered(m, F("A01"), strlen(F("A01")));
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_CONFLICT);
	/* a mail that is none of this message */
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	kit_mail_of(&message, PARSE_OPENPGP, &object);
	m = tampered(m, object.b, ID_BYTES);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_CONFLICT);
	/* another class than the plan's */
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	m = tampered(m, "\x79\0\0\0\x08\0\0\0\0\0\0\0\1", 13);
	assert_int_not_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	/* a mail for nobody */
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	id_random(&object);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &object);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_MAIL);
	msg_put_u64(m, F_SEALED_BYTES, sizeof(bytes));
	msg_put_bytes(m, F_HASH, bytes, 32);
	msg_put_bytes(m, F_DATA, bytes, sizeof(bytes));
	msg_end(m);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_USAGE);
	assert_int_equal(simple(OP_STATUS, &message, NULL, NULL),
	    LL_NOTFOUND);
}

static void
keys_that_change_in_between(void **state)
{
	struct msg *m, *reply;
	struct id message;

	(void)state;
	openpgp("late@f.example", F("F01"), KEY_WKD);
	m = kit_send_to(&ada, (struct kit_to[]){ { "late@f.example", 0 },
	    { NULL, 0 } }, CLASS_NORMAL, 0, &message);
	openpgp("late@f.example", F("F02"), KEY_HAND);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_CONFLICT);
	assert_non_null(strstr(view_text(msg_view(reply), F_WORDS),
	    "changed since the plan"));
	msg_destroy(reply);
	m = kit_send_to(&ada, (struct kit_to[]){ { "late@f.example", 0 },
	    { NULL, 0 } }, CLASS_NORMAL, 0, &message);
	openpgp("late@f.example", F("F03"), KEY_WKD);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_CONFLICT);
	kit_confirm_key(&ada, F("F03"));
	/* both: the one by hand, and the confirmed one */
	m = kit_send_to(&ada, (struct kit_to[]){ { "late@f.example", 0 },
	    { NULL, 0 } }, CLASS_NORMAL, 0, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(simple(OP_WITHDRAW, &message, NULL, NULL), LL_OK);
}

/* --- time, room, copies --- */

static void
thrown_away_while_it_waits(void **state)
{
	struct leased l[20];
	struct id message;
	struct msg *m;
	uint8_t format;
	unsigned n;

	(void)state;
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	m = kit_request(OP_MARK);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_u64(m, F_FOLDER, FOLDER_TRASH);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(simple(OP_PURGE, &message, NULL, NULL), LL_OK);
	n = lease(l, 20);
	assert_int_equal(blob(row_of(l, n, "hand@a.example"), &format),
	    LL_OK);
	assert_int_equal(result(row_of(l, n, "hand@a.example"), QUEUE_SENT,
	    "250"), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_RELAYED);
}

static void
stop(void)
{
	chan_destroy(local);
	chan_destroy(relay);
	local = relay = NULL;
	kit_logout(&ada);
	kit_logout(&bob);
	assert_int_equal(kit_stop(&kit), 0);
}

static void
expired(void **state)
{
	struct leased l[20];
	struct id message;
	unsigned n;

	(void)state;
	send_mixed(0, &message);
	n = lease(l, 20);
	assert_int_equal(result(row_of(l, n, "hand@a.example"), QUEUE_SENT,
	    "250"), LL_OK);
	stop();
	(void)kit_sql(&kit, "UPDATE messages SET expires = 1 WHERE rowid ="
	    " (SELECT max(rowid) FROM messages)");
	kit_start(&kit);
	kit_login(&kit, &ada);
	relay = kit_channel(&kit, PEER_RELAY);
	in_time(&message, 2, STATE_EXPIRED);
	/* what is out is out */
	assert_int_equal(kit_state(&ada, &message, 1), STATE_RELAYED);
	assert_int_equal(kit_state(&ada, &message, 3), STATE_EXPIRED);
	assert_int_equal(lease(l, 20), 0);
}

/* Last: the store stays stopped. */
static void
nothing_is_left_behind(void **state)
{
	(void)state;
	stop();
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM queue"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM objects WHERE"
	    " kind = 2"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT bytes FROM users WHERE login ="
	    " 'ada'"), 0);
}

static void
held_mail_is_in_the_backup(void **state)
{
	struct id message;
	struct kit copy = kit;
	struct msg *m;
	char from[160], to[160];

	(void)state;
	m = kit_send_to(&ada, to_hand, CLASS_NORMAL, 0, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_ask(local, kit_request(OP_BACKUP), NULL), LL_OK);
	(void)snprintf(to, sizeof(to), "%s/backup.tmp/db", kit.dir);
	assert_int_equal(mkdir(to, 0700), 0);
	(void)snprintf(from, sizeof(from), "%s/backup.tmp/letterlock.db",
	    kit.dir);
	(void)snprintf(to, sizeof(to), "%s/backup.tmp/db/letterlock.db",
	    kit.dir);
	assert_int_equal(rename(from, to), 0);
	(void)snprintf(copy.dir, sizeof(copy.dir), "%.40s/backup.tmp",
	    kit.dir);
	assert_int_equal(kit_sql(&copy, "SELECT count(*) FROM objects o JOIN"
	    " queue q ON q.blob = o.object WHERE kind = 2"), 1);
	assert_int_equal(kit_sql(&copy, "SELECT count(*) FROM mail_keys"), 0);
	assert_true(kit_sql(&copy, "SELECT count(*) FROM peer_keys") >= 2);
	assert_int_equal(simple(OP_WITHDRAW, &message, NULL, NULL), LL_OK);
}

/* A mail in a file goes with its last row, and its bytes leave the quota. */
static void
a_large_mail_is_a_file(void **state)
{
	struct msg *m = kit_request(OP_BLOB_NEW), *reply;
	struct id message, object;
	uint8_t hash[32] = { 6 };
	struct leased l[20];
	unsigned n;
	int fd;

	(void)state;
	id_random(&message);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_u64(m, F_SEALED_BYTES, 70000);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_MAIL);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	assert_true(view_id(msg_view(reply), F_OBJECT_ID, &object));
	fd = msg_take_fd(reply, 0);
	msg_destroy(reply);
	assert_int_equal(ftruncate(fd, 70000), 0);
	(void)close(fd);
	m = kit_request(OP_BLOB_COMMIT);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_id(m, F_OBJECT_ID, &object);
	msg_put_u64(m, F_SEALED_BYTES, 70000);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_MAIL);
	msg_put_bytes(m, F_HASH, hash, 32);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	m = kit_send_blob(&ada, to_hand, &message, &object, 70000);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	n = lease(l, 20);
	m = kit_request(OP_QUEUE_BLOB);
	msg_put_id(m, F_QUEUE_ID, &row_of(l, n, "hand@a.example")->queue);
	assert_int_equal(kit_ask(relay, m, &reply), LL_OK);
	fd = msg_take_fd(reply, 0);
	assert_true(fd >= 0);
	assert_int_equal(view_u64(msg_view(reply), F_SEALED_BYTES), 70000);
	assert_int_equal(lseek(fd, 0, SEEK_END), 70000);
	(void)close(fd);
	msg_destroy(reply);
	while (n-- > 0)
		assert_int_equal(result(&l[n], QUEUE_SENT, "250"), LL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_from_send_to_the_last_word),
		cmocka_unit_test(withdrawn_before_and_after),
		cmocka_unit_test(undone_leaves_no_mail),
		cmocka_unit_test(goes_when_its_time_has_come),
		cmocka_unit_test(only_what_was_planned),
		cmocka_unit_test(keys_that_change_in_between),
		cmocka_unit_test(thrown_away_while_it_waits),
		cmocka_unit_test(a_large_mail_is_a_file),
		cmocka_unit_test(held_mail_is_in_the_backup),
		cmocka_unit_test(expired),
		cmocka_unit_test(nothing_is_left_behind),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
