/*
 * What intake sends for a member of staff whose mail program handed it in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "keys/parse.h"
#include "keys/seal.h"
#include "keys/secret.h"
#include "tests/unit/storekit.h"

static struct kit kit;
static struct kit_user ada, bob, root;
static struct chan *intake, *submit;
static struct id handed;         /* the draft its channels are for */

/* A channel that sends for a user; the house signs with 0x99... */
static enum ll_result
channel_for(const struct id *user, struct chan **c_r)
{
	struct msg *m = kit_request(OP_INTAKE_SUBMIT), *reply;
	uint8_t pk[32];
	enum ll_result r;

	*c_r = NULL;
	memset(pk, 0x99, sizeof(pk));
	if (user != NULL)
		msg_put_id(m, F_USER_ID, user);
	msg_put_id(m, F_MESSAGE_ID, &handed);
	msg_put_bytes(m, F_SIGN_PK, pk, sizeof(pk));
	r = kit_ask(intake, m, &reply);
	if (r == LL_OK)
		assert_int_equal(chan_create(msg_take_fd(reply, 0), c_r),
		    LL_OK);
	msg_destroy(reply);
	return r;
}

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_user(&kit, "root", ROLE_ADMIN, &root);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	id_random(&handed);
	intake = kit_channel(&kit, PEER_INTAKE);
	assert_int_equal(channel_for(&ada.id, &submit), LL_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(submit);
	chan_destroy(intake);
	kit_logout(&ada);
	kit_logout(&bob);
	kit_end(&kit);
	return 0;
}

static enum route
route_to(const char *address, uint8_t hash[32])
{
	struct msg *m = kit_request(OP_PLAN), *reply;
	struct tlv_view line;
	enum route route;
	size_t at = 0;

	msg_put_text(m, F_ADDRESS, address);
	assert_int_equal(kit_ask(submit, m, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_RECIPIENT, &at, &line));
	route = (enum route)view_u64(line, F_ROUTE);
	memcpy(hash, view_hash(msg_view(reply), F_PLAN_HASH), 32);
	msg_destroy(reply);
	return route;
}

/* A SEND to bob, with a box or a wrap of the author's own. */
static struct msg *
request(size_t wrap_len, struct id *message_r)
{
	uint8_t bytes[700] = { 1 }, hash[32], key[32] = { 7 };
	struct msg *m = kit_request(OP_SEND);

	assert_int_equal(route_to(bob.email, hash), ROUTE_INTERNAL);
	id_random(message_r);
	memcpy(key, message_r->b, ID_BYTES);
	msg_put_bytes(m, F_IDEMPOTENCY, key, 32);
	msg_put_id(m, F_MESSAGE_ID, message_r);
	msg_put_id(m, F_THREAD_ID, message_r);
	msg_put_bytes(m, F_PLAN_HASH, hash, 32);
	msg_put_bytes(m, F_HEADER, bytes, 100);
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_u64(m, F_GENERATION, 1);
	msg_put_bytes(m, F_SELF_WRAP, bytes, wrap_len);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, message_r);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_BODY);
	msg_put_u64(m, F_SEALED_BYTES, sizeof(bytes));
	msg_put_bytes(m, F_HASH, bytes, 32);
	msg_put_bytes(m, F_DATA, bytes, sizeof(bytes));
	msg_end(m);
	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, bob.email);
	msg_put_u64(m, F_ROUTE, ROUTE_INTERNAL);
	msg_put_bytes(m, F_WRAP, bytes, 80);
	msg_put_u64(m, F_GENERATION, 1);
	msg_end(m);
	return m;
}

static enum ll_result
fetch(struct kit_user *u, const struct id *message, struct msg **reply_r)
{
	struct msg *m = kit_request(OP_FETCH);

	msg_put_id(m, F_MESSAGE_ID, message);
	return kit_ask(u->worker, m, reply_r);
}

static void
sent_for_its_author(void **state)
{
	struct id message, author;
	struct tlv_view row;
	struct msg *m;
	size_t at = 0, len;

	(void)state;
	assert_int_equal(kit_ask(submit, request(80, &message), NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	/* bob has it: ada's, but signed by the house */
	assert_int_equal(fetch(&bob, &message, &m), LL_OK);
	assert_true(view_id(msg_view(m), F_AUTHOR_ID, &author));
	assert_true(id_equal(&author, &ada.id));
	assert_string_equal(view_text(msg_view(m), F_EMAIL), ada.email);
	assert_int_equal(view_u64(msg_view(m), F_FLAGS), FETCH_SUBMITTED);
	assert_int_equal(view_hash(msg_view(m), F_SIGN_PK)[0], 0x99);
	msg_destroy(m);
	/* ada's own copy opens with ada's box */
	assert_int_equal(fetch(&ada, &message, &m), LL_OK);
	assert_true(view_nest(msg_view(m), F_ROW, &at, &row));
	assert_int_equal(view_u64(row, F_FOLDER), FOLDER_SENT);
	(void)view_bytes(row, F_WRAP, &len);
	assert_int_equal(len, 80);
	assert_false(view_has(row, F_SELF_WRAP));
	msg_destroy(m);
	m = kit_request(OP_WITHDRAW);
	msg_put_id(m, F_MESSAGE_ID, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_WITHDRAWN);
}

static void
for_staff_only(void **state)
{
	struct chan *local = kit_channel(&kit, PEER_LOCAL), *c;
	struct kit_user eve;
	struct id message, nobody;
	struct msg *m;

	(void)state;
	id_random(&nobody);
	assert_int_equal(channel_for(NULL, &c), LL_USAGE);
	assert_int_equal(channel_for(&nobody, &c), LL_NOTFOUND);
	assert_int_equal(channel_for(&root.id, &c), LL_NOTFOUND);
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	assert_int_equal(channel_for(&eve.id, &c), LL_OK);
	assert_int_equal(kit_ask(c, kit_request(OP_MAILKEY_LIST), NULL),
	    LL_OK);
	m = kit_request(OP_USER_STATE);
	msg_put_text(m, F_USER, "eve");
	msg_put_u64(m, F_STATE, USER_DISABLED);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	/* who is disabled sends nothing more, by whatever channel */
	assert_int_equal(kit_ask(c, kit_request(OP_MAILKEY_LIST), NULL),
	    LL_DENIED);
	chan_destroy(c);
	assert_int_equal(channel_for(&eve.id, &c), LL_NOTFOUND);
	/* ada's worker cannot leave its own wrap out, and a plan of ada's is
	 * none of bob's */
	assert_int_equal(kit_ask(ada.worker, request(80, &message), NULL),
	    LL_USAGE);
	assert_int_equal(channel_for(&bob.id, &c), LL_OK);
	assert_int_equal(kit_ask(c, request(80, &message), NULL),
	    LL_CONFLICT);
	/* it reads nothing */
	m = kit_request(OP_LIST);
	msg_put_u64(m, F_FOLDER, FOLDER_INBOX);
	assert_int_equal(kit_ask(c, m, NULL), LL_DENIED);
	chan_destroy(c);
	chan_destroy(local);
}

/* The user's keys of others count for what is sent in that user's name; the
 * house signs, and has no certificate in anybody's name. */
static void
keys_and_certificates(void **state)
{
	uint8_t hash[32];
	struct msg *m;

	(void)state;
	kit_add_key(ada.worker, &(struct kit_key){ "x@out.example",
	    "0011223344556677", PARSE_OPENPGP, KEY_HAND, 0, 0 });
	assert_int_equal(route_to("x@out.example", hash), ROUTE_OPENPGP);
	m = kit_request(OP_PEERKEY_GET);
	msg_put_text(m, F_FINGERPRINT, "0011223344556677");
	assert_int_equal(kit_ask(submit, m, NULL), LL_OK);
	kit_add_key(ada.worker, &(struct kit_key){ "y@out.example",
	    "8899aabbccddeeff", PARSE_SMIME, KEY_HAND, 0, 0 });
	m = kit_request(OP_MAILKEY_PUT);
	msg_put_u64(m, F_FORMAT, PARSE_SMIME);
	msg_put_bytes(m, F_SEALED_KEY, "sealed", 6);
	msg_put_bytes(m, F_PUBLIC, "request", 7);
	msg_put_bytes(m, F_CERTIFICATE, "certificate", 11);
	msg_put_text(m, F_FINGERPRINT, "abcd");
	msg_put_u64(m, F_GENERATION, 1);
	assert_int_equal(kit_ask(ada.session, m, NULL), LL_OK);
	assert_int_equal(route_to("y@out.example", hash), ROUTE_PORTAL_MUC);
}

static enum ll_result
give_key(const char *fingerprint, enum key_source source)
{
	struct msg *m = kit_request(OP_PEERKEY_ADD);

	msg_put_text(m, F_ADDRESS, "z@out.example");
	msg_put_u64(m, F_FORMAT, PARSE_OPENPGP);
	msg_put_bytes(m, F_PUBLIC, "key", 3);
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	msg_put_text(m, F_ALGORITHM, "Ed25519");
	msg_put_u64(m, F_KEY_SOURCE, source);
	return kit_ask(submit, m, NULL);
}

/* Keys that were found are pinned on the way out; the user's own word for one
 * is not to be had by this channel. */
static void
no_word_of_the_users(void **state)
{
	uint8_t hash[32];

	(void)state;
	assert_int_equal(give_key("aa00112233445566", KEY_WKD), LL_OK);
	assert_int_equal(route_to("z@out.example", hash), ROUTE_OPENPGP);
	assert_int_equal(give_key("bb00112233445566", KEY_HAND), LL_USAGE);
	assert_int_equal(give_key("bb00112233445566", KEY_SIGNED_MAIL),
	    LL_USAGE);
	/* a changed key stays one */
	assert_int_equal(give_key("cc00112233445566", KEY_SERVER), LL_OK);
	assert_int_equal(give_key("cc00112233445566", KEY_HAND), LL_USAGE);
}

/* What the user got is neither given out nor marked as opened. */
static void
nothing_received(void **state)
{
	struct id message;
	struct msg *m;
	struct chan *c;

	(void)state;
	assert_int_equal(kit_ask(submit, request(80, &message), NULL), LL_OK);
	assert_int_equal(channel_for(&bob.id, &c), LL_OK);
	m = kit_request(OP_OBJECT_OPEN);
	msg_put_id(m, F_MESSAGE_ID, &message);
	msg_put_id(m, F_OBJECT_ID, &message);
	assert_int_equal(kit_ask(c, m, NULL), LL_NOTFOUND);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_DELIVERED);
	chan_destroy(c);
}

static enum ll_result
ask_draft(struct chan *c, enum op op, const struct id *id)
{
	struct msg *m = kit_request(op);

	msg_put_id(m, F_MESSAGE_ID, id);
	if (op == OP_DRAFT_PUT) {
		msg_put_bytes(m, F_WRAP, "wrap", 4);
		msg_put_bytes(m, F_DRAFT, "text", 4);
		msg_put_u64(m, F_GENERATION, 1);
	}
	return kit_ask(c, m, NULL);
}

/* Of the user's drafts it sees and removes only the one it is there for. */
static void
one_draft_only(void **state)
{
	struct tlv_view row;
	struct id other;
	struct msg *m;
	size_t at = 0;

	(void)state;
	id_random(&other);
	assert_int_equal(ask_draft(ada.worker, OP_DRAFT_PUT, &other), LL_OK);
	assert_int_equal(ask_draft(submit, OP_DRAFT_GET, &other),
	    LL_NOTFOUND);
	assert_int_equal(ask_draft(submit, OP_DRAFT_DELETE, &other),
	    LL_NOTFOUND);
	assert_int_equal(kit_ask(submit, kit_request(OP_DRAFT_LIST), &m),
	    LL_OK);
	assert_false(view_nest(msg_view(m), F_ROW, &at, &row));
	msg_destroy(m);
	assert_int_equal(ask_draft(ada.worker, OP_DRAFT_GET, &other), LL_OK);
	assert_int_equal(ask_draft(ada.worker, OP_DRAFT_PUT, &handed), LL_OK);
	assert_int_equal(ask_draft(submit, OP_DRAFT_GET, &handed), LL_OK);
	assert_int_equal(ask_draft(submit, OP_DRAFT_DELETE, &handed), LL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent_for_its_author),
		cmocka_unit_test(for_staff_only),
		cmocka_unit_test(keys_and_certificates),
		cmocka_unit_test(no_word_of_the_users),
		cmocka_unit_test(nothing_received),
		cmocka_unit_test(one_draft_only),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
