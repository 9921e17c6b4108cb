/* Lookups: who begins them, who carries them out, who is told, how long they
 * hold, and how many one user may begin. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

static struct kit kit;
static struct kit_user ada, bob;
static struct chan *relay;

static int
set_up(void **state)
{
	(void)state;
	kit = (struct kit){ .search = "wkd tls" };
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	relay = kit_channel(&kit, PEER_RELAY);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(relay);
	kit_logout(&ada);
	kit_logout(&bob);
	kit_end(&kit);
	return 0;
}

/* The rows of FINDINGS for one address; *count_r of lookups under way. */
static struct msg *
findings(struct kit_user *u, const char *address, uint64_t *count_r)
{
	struct msg *m = kit_request(OP_FINDINGS), *reply;

	msg_put_text(m, F_ADDRESS, address);
	assert_int_equal(kit_ask(u->worker, m, &reply), LL_OK);
	*count_r = view_u64(msg_view(reply), F_COUNT);
	return reply;
}

static uint64_t
count_of(struct kit_user *u, const char *address)
{
	uint64_t n;

	msg_destroy(findings(u, address, &n));
	return n;
}

/* Rows of one lease as "lookup:subject " each. */
static void
lease(char text[2000])
{
	struct msg *m = kit_request(OP_FIND_LEASE), *reply;
	struct tlv_view row;
	size_t at = 0, len = 0;

	text[0] = '\0';
	assert_int_equal(kit_ask(relay, m, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		len += (size_t)snprintf(text + len, 2000 - len, "%u:%s ",
		    (unsigned)view_u64(row, F_LOOKUP),
		    view_text(row, F_ADDRESS));
	msg_destroy(reply);
}

static enum ll_result
result(enum lookup lookup, const char *subject, enum find_state state,
    const char *data, uint64_t good_secs)
{
	struct msg *m = kit_request(OP_FIND_RESULT);

	msg_put_u64(m, F_LOOKUP, lookup);
	msg_put_text(m, F_ADDRESS, subject);
	msg_put_u64(m, F_STATE, state);
	if (data != NULL)
		msg_put_bytes(m, F_DATA, data, strlen(data));
	if (good_secs > 0)
		msg_put_u64(m, F_DELAY_SECS, good_secs);
	return kit_ask(relay, m, NULL);
}

/* The next event of that kind on the channel within a second. */
static bool
event(struct chan *c, enum op op, char address[321], uint64_t *count_r)
{
	struct msg *m;
	bool is;

	while (chan_wait(c, 1000, &m) == LL_OK) {
		is = msg_op(m) == op;
		if (is && address != NULL)
			(void)snprintf(address, 321, "%s",
			    view_text(msg_view(m), F_ADDRESS));
		if (is && count_r != NULL)
			*count_r = view_u64(msg_view(m), F_COUNT);
		msg_destroy(m);
		if (is)
			return true;
	}
	return false;
}

static void
drain(struct chan *c)
{
	struct msg *m;

	while (chan_wait(c, 0, &m) == LL_OK)
		msg_destroy(m);
}

static enum ll_result
seen(struct kit_user *u, const char *address, const char *data)
{
	struct msg *m = kit_request(OP_FINDING_SEEN);
	uint8_t hash[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(hash, (const uint8_t *)data, strlen(data));
	msg_put_text(m, F_ADDRESS, address);
	msg_put_u64(m, F_LOOKUP, LOOKUP_WKD);
	msg_put_bytes(m, F_HASH, hash, sizeof(hash));
	return kit_ask(u->worker, m, NULL);
}

static void
an_outsider_is_looked_up_once(void **state)
{
	char text[2000], address[321] = "";
	struct tlv_view row;
	struct msg *reply;
	uint64_t n = 9;
	size_t at = 0, len;

	(void)state;
	drain(relay);
	assert_int_equal(count_of(&ada, "Carol@Out.Example"), 2);
	assert_true(event(relay, OP_EVENT_FIND, NULL, NULL));
	/* one of our own is not */
	assert_int_equal(count_of(&ada, "bob@example.test"), 0);
	lease(text);
	assert_string_equal(text, "1:carol@out.example 3:out.example ");
	/* who asks meanwhile waits for the same */
	assert_int_equal(count_of(&bob, "carol@out.example"), 2);
	lease(text);
	assert_string_equal(text, "");
	assert_int_equal(result(LOOKUP_WKD, "carol@out.example", FIND_FOUND,
	    "a key", 0), LL_OK);
	assert_true(event(ada.worker, OP_EVENT_FOUND, address, &n));
	assert_string_equal(address, "carol@out.example");
	assert_int_equal(n, 1);
	assert_true(event(bob.worker, OP_EVENT_FOUND, NULL, &n));
	assert_int_equal(result(LOOKUP_TLS, "out.example", FIND_NOTHING, NULL,
	    0), LL_OK);
	assert_true(event(ada.worker, OP_EVENT_FOUND, NULL, &n));
	assert_int_equal(n, 0);
	reply = findings(&ada, "carol@out.example", &n);
	assert_int_equal(n, 0);
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_int_equal(view_u64(row, F_LOOKUP), LOOKUP_WKD);
	assert_int_equal(view_u64(row, F_KEY_SOURCE), KEY_WKD);
	assert_memory_equal(view_bytes(row, F_DATA, &len), "a key", 5);
	assert_int_equal(len, 5);
	assert_false(view_nest(msg_view(reply), F_ROW, &at, &row));
	msg_destroy(reply);
	lease(text);
	assert_string_equal(text, "");
}

static bool
has_row(struct kit_user *u, const char *address)
{
	struct tlv_view row;
	struct msg *reply;
	size_t at = 0;
	uint64_t n;
	bool has;

	reply = findings(u, address, &n);
	has = view_nest(msg_view(reply), F_ROW, &at, &row);
	msg_destroy(reply);
	return has;
}

static char *
reason_of(struct kit_user *u, const char *address, char text[400])
{
	struct msg *m = kit_request(OP_PLAN), *reply;
	struct tlv_view row;
	size_t at = 0;

	msg_put_text(m, F_ADDRESS, address);
	assert_int_equal(kit_ask(u->worker, m, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &row));
	(void)snprintf(text, 400, "%s", view_text(row, F_REASON));
	msg_destroy(reply);
	return text;
}

static void
a_plan_says_what_failed(void **state)
{
	char text[2000], reason[400];
	struct msg *m;

	(void)state;
	kit_queue_keys(&kit);
	assert_int_equal(count_of(&ada, "Otto@why.example"), 2);
	assert_null(strchr(reason_of(&ada, "otto@why.example", reason), ';'));
	lease(text);
	m = kit_request(OP_FIND_RESULT);
	msg_put_u64(m, F_LOOKUP, LOOKUP_WKD);
	msg_put_text(m, F_ADDRESS, "otto@why.example");
	msg_put_u64(m, F_STATE, FIND_FAILED);
	msg_put_text(m, F_DETAIL, "the certificate is not its own");
	assert_int_equal(kit_ask(relay, m, NULL), LL_OK);
	assert_int_equal(result(LOOKUP_TLS, "why.example", FIND_NOTHING, NULL,
	    0), LL_OK);
	assert_non_null(strstr(reason_of(&ada, "Otto@why.example", reason),
	    "; its key directory could not be asked: the certificate is not "
	    "its own"));
}

static void
what_was_seen_is_shown_no_more(void **state)
{
	char text[2000];

	(void)state;
	assert_int_equal(count_of(&ada, "dora@out.example"), 1);
	lease(text);
	assert_string_equal(text, "1:dora@out.example ");
	assert_int_equal(result(LOOKUP_WKD, "dora@out.example", FIND_FOUND,
	    "first", 0), LL_OK);
	assert_true(has_row(&ada, "dora@out.example"));
	assert_int_equal(seen(&ada, "DORA@out.example", "first"), LL_OK);
	assert_false(has_row(&ada, "dora@out.example"));
	assert_true(has_row(&bob, "dora@out.example"));
	/* another key than the one that was looked at */
	assert_int_equal(seen(&ada, "dora@out.example", "second"), LL_OK);
	assert_true(has_row(&ada, "dora@out.example"));
	assert_int_equal(seen(&ada, "nobody@out.example", "x"), LL_NOTFOUND);
}

static void
only_what_was_asked_for_is_taken(void **state)
{
	(void)state;
	assert_int_equal(result(LOOKUP_WKD, "eve@out.example", FIND_FOUND,
	    "unasked", 0), LL_NOTFOUND);
	assert_int_equal(result(LOOKUP_WKD, "dora@out.example", FIND_FOUND,
	    "too late", 0), LL_NOTFOUND);
	assert_int_equal(result(LOOKUP_WKD, "dora@out.example", FIND_FOUND,
	    NULL, 0), LL_USAGE);
	assert_int_equal(result(LOOKUP_WKD, "dora@out.example", FIND_ASKED,
	    NULL, 0), LL_USAGE);
}

/* The store was started anew: the login is still good, a code is not. */
static void
attach(struct kit_user *u)
{
	struct msg *m = kit_request(OP_AUTH_ATTACH), *reply;

	u->session = kit_channel(&kit, PEER_SESSION);
	msg_put_bytes(m, F_TOKEN, u->token, sizeof(u->token));
	assert_int_equal(kit_ask(u->session, m, NULL), LL_OK);
	assert_int_equal(kit_ask(u->session, kit_request(OP_WORKER_NEW),
	    &reply), LL_OK);
	assert_int_equal(chan_create(msg_take_fd(reply, 0), &u->worker),
	    LL_OK);
	msg_destroy(reply);
}

static void
stop(void)
{
	chan_destroy(relay);
	kit_logout(&ada);
	kit_logout(&bob);
	assert_int_equal(kit_stop(&kit), 0);
}

static void
start(void)
{
	kit_start(&kit);
	attach(&ada);
	attach(&bob);
	relay = kit_channel(&kit, PEER_RELAY);
}

/* Sets back the clock of every row by so many seconds. */
static void
age(unsigned secs)
{
	char sql[200];

	stop();
	(void)snprintf(sql, sizeof(sql), "UPDATE findings SET asked = asked -"
	    " %u, until = until - %u, again = again - %u", secs, secs, secs);
	(void)kit_sql(&kit, sql);
	start();
}

static void
answers_hold_for_a_while(void **state)
{
	char text[2000];

	(void)state;
	assert_int_equal(count_of(&ada, "fritz@one.example"), 2);
	lease(text);
	assert_int_equal(result(LOOKUP_WKD, "fritz@one.example", FIND_NOTHING,
	    NULL, 0), LL_OK);
	assert_int_equal(result(LOOKUP_TLS, "one.example", FIND_FOUND, "sts",
	    7 * 86400), LL_OK);
	assert_int_equal(count_of(&ada, "fritz@one.example"), 0);
	age(6 * 3600 + 10);
	/* nothing was found: asked for again after six hours */
	assert_int_equal(count_of(&ada, "fritz@one.example"), 1);
	lease(text);
	assert_string_equal(text, "1:fritz@one.example ");
	assert_int_equal(result(LOOKUP_WKD, "fritz@one.example", FIND_FAILED,
	    NULL, 0), LL_OK);
	age(901);
	assert_int_equal(count_of(&ada, "fritz@one.example"), 1);
	lease(text);
	assert_string_equal(text, "1:fritz@one.example ");
	assert_int_equal(result(LOOKUP_WKD, "fritz@one.example", FIND_FOUND,
	    "key", 0), LL_OK);
	/* a policy is asked for anew each day, and holds meanwhile: nobody
	 * waits for that */
	age(86400);
	lease(text);
	assert_int_equal(count_of(&ada, "fritz@one.example"), 1);
	lease(text);
	assert_non_null(strstr(text, "3:one.example "));
	assert_int_equal(result(LOOKUP_TLS, "one.example", FIND_FAILED, NULL,
	    0), LL_OK);
	stop();
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM findings WHERE"
	    " lookup = 3 AND subject = 'one.example' AND state = 2 AND data ="
	    " x'737473' AND wanted = 0 AND until > strftime('%s') + 86400"),
	    1);
	start();
}

static void
a_lost_relay_gives_them_back(void **state)
{
	char text[2000];

	(void)state;
	assert_int_equal(count_of(&ada, "gerd@two.example"), 2);
	lease(text);
	assert_non_null(strstr(text, "1:gerd@two.example 3:two.example "));
	lease(text);
	assert_string_equal(text, "");
	chan_destroy(relay);
	relay = kit_channel(&kit, PEER_RELAY);
	assert_true(event(relay, OP_EVENT_FIND, NULL, NULL));
	lease(text);
	assert_non_null(strstr(text, "1:gerd@two.example 3:two.example "));
}

static void
old_answers_are_forgotten(void **state)
{
	(void)state;
	assert_int_equal(count_of(&ada, "hans@old.example"), 2);
	age(9 * 86400);
	/* clearing up is the first thing that a store does */
	assert_int_equal(count_of(&ada, "ida@new.example"), 2);
	stop();
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM findings WHERE"
	    " subject NOT LIKE '%new.example'"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM findings_seen"),
	    0);
	start();
}

/* Nobody makes this house scan the world. */
static void
one_user_has_two_hundred_an_hour(void **state)
{
	struct msg *m, *reply;
	struct kit_user eve;
	char address[40];
	unsigned n;

	(void)state;
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	kit_login(&kit, &eve);
	m = kit_request(OP_FINDINGS);
	for (n = 0; n < 300; n++) {
		(void)snprintf(address, sizeof(address), "u%u@many.example",
		    n);
		msg_put_text(m, F_ADDRESS, address);
	}
	assert_int_equal(kit_ask(eve.worker, m, &reply), LL_OK);
	assert_string_not_equal(view_text(msg_view(reply), F_WORDS), "");
	msg_destroy(reply);
	kit_logout(&eve);
	stop();
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM findings WHERE"
	    " lookup = 1 AND subject LIKE '%@many.example'"), 200);
	start();
	/* another one has as many */
	assert_int_equal(count_of(&ada, "x@three.example"), 2);
}

/* Whoever asks for much waits longer, not the others. */
static void
users_take_turns(void **state)
{
	struct msg *m = kit_request(OP_FINDINGS), *reply;
	char address[40], text[2000];
	unsigned n, rows = 0, bobs = 0;
	struct tlv_view row;
	size_t at = 0;

	(void)state;
	lease(text);
	for (n = 0; n < 20; n++) {
		(void)snprintf(address, sizeof(address), "v%u@turn.example",
		    n);
		msg_put_text(m, F_ADDRESS, address);
	}
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	(void)count_of(&bob, "only@bobs.example");
	m = kit_request(OP_FIND_LEASE);
	msg_put_u64(m, F_LIMIT, 6);
	assert_int_equal(kit_ask(relay, m, &reply), LL_OK);
	for (; view_nest(msg_view(reply), F_ROW, &at, &row); rows++)
		if (strstr(view_text(row, F_ADDRESS), "bobs.example") != NULL)
			bobs++;
	assert_int_equal(rows, 6);
	assert_int_equal(bobs, 2);
	assert_true(view_has(msg_view(reply), F_DELAY_SECS));
	msg_destroy(reply);
}

static void
bad_requests(void **state)
{
	struct msg *m = kit_request(OP_FINDINGS);
	unsigned n;

	(void)state;
	msg_put_text(m, F_ADDRESS, "no address");
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_USAGE);
	m = kit_request(OP_FINDINGS);
	for (n = 0; n <= 500; n++)
		msg_put_text(m, F_ADDRESS, "a@four.example");
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_TOOBIG);
	m = kit_request(OP_FINDING_SEEN);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_outsider_is_looked_up_once),
		cmocka_unit_test(what_was_seen_is_shown_no_more),
		cmocka_unit_test(a_plan_says_what_failed),
		cmocka_unit_test(only_what_was_asked_for_is_taken),
		cmocka_unit_test(answers_hold_for_a_while),
		cmocka_unit_test(a_lost_relay_gives_them_back),
		cmocka_unit_test(users_take_turns),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(old_answers_are_forgotten),
		cmocka_unit_test(one_user_has_two_hundred_an_hour),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
