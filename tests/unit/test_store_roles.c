/*
 * Every operation against every kind of channel.  The list below is written
 * out by hand, so that a slip in the store's own table shows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

/* d daemon, n session that has shown nothing, s session of staff, w worker of
 * staff, a worker of an admin, u worker of an auditor, r relay, p portal,
 * i intake, l local command */
static const char kinds[] = "dnswaurpilb";

static const struct {
	enum op op;
	const char *who;
} allowed[] = {
	{ OP_CHANNEL_NEW, "d" },
	{ OP_AUTH_BEGIN, "ns" }, { OP_AUTH_ATTACH, "ns" },
	{ OP_WORKER_NEW, "s" },
	{ OP_KDF_LEASE, "nswauplb" }, { OP_KDF_RELEASE, "nswauplb" },
	{ OP_LOGOUT, "s" },
	{ OP_KEY_ADD, "swau" }, { OP_KEY_LIST, "swau" },
	{ OP_KEY_REMOVE, "swau" }, { OP_WHOAMI, "swaub" },
	{ OP_LIST, "w" }, { OP_FIND, "w" }, { OP_THREAD, "w" },
	{ OP_FETCH, "w" }, { OP_OBJECT_OPEN, "wb" }, { OP_MARK, "w" },
	{ OP_BLOB_NEW, "wb" }, { OP_BLOB_COMMIT, "wb" }, { OP_PLAN, "wb" },
	{ OP_LINK_PEPPER, "wb" }, { OP_SEND, "wb" }, { OP_UNDO, "w" },
	{ OP_STATUS, "wb" }, { OP_WITHDRAW, "w" }, { OP_REISSUE, "w" },
	{ OP_DRAFT_PUT, "w" }, { OP_DRAFT_LIST, "wb" }, { OP_DRAFT_GET, "wb" },
	{ OP_DRAFT_DELETE, "wb" }, { OP_OBJECT_DELETE, "wb" },
	{ OP_PEOPLE, "w" }, { OP_PURGE, "w" }, { OP_COUNTS, "w" },
	{ OP_MAILKEY_PUT, "sli" }, { OP_MAILKEY_LIST, "swlbi" },
	{ OP_MAILKEY_CERT, "l" },
	{ OP_PEERKEY_ADD, "walb" }, { OP_PEERKEY_LIST, "walb" },
	{ OP_PEERKEY_GET, "walb" }, { OP_PEERKEY_CONFIRM, "wal" },
	{ OP_PEERKEY_REMOVE, "wal" },
	{ OP_CA_LIST, "swalb" }, { OP_CA_TRUST, "l" }, { OP_CA_CRL, "l" },
	{ OP_CA_REMOVE, "l" },
	{ OP_USER_ADD, "al" }, { OP_USER_LIST, "al" },
	{ OP_USER_STATE, "al" }, { OP_USER_RESET, "al" },
	{ OP_SERVER_STATUS, "aul" }, { OP_QUEUE_LIST, "al" },
	{ OP_LOG_LIST, "aul" }, { OP_BACKUP, "l" },
	{ OP_LOCAL_ENROL, "l" }, { OP_LOCAL_COMMIT, "l" },
	{ OP_QUEUE_LEASE, "r" }, { OP_QUEUE_RESULT, "r" },
	{ OP_FINDINGS, "wb" }, { OP_FINDING_SEEN, "wb" },
	{ OP_FIND_LEASE, "r" }, { OP_FIND_RESULT, "r" },
	{ OP_QUEUE_KEY, "r" }, { OP_QUEUE_BLOB, "r" },
	{ OP_LINK_LOOK, "p" }, { OP_LINK_TRY, "p" }, { OP_LINK_PROVE, "p" },
	{ OP_LINK_CANCEL, "p" }, { OP_PORTAL_FETCH, "p" },
	{ OP_PORTAL_OBJECT, "p" }, { OP_PORTAL_READ, "p" },
	{ OP_PORTAL_BLOB, "p" }, { OP_PORTAL_COMMIT, "p" },
	{ OP_PORTAL_REPLY, "p" }, { OP_PORTAL_END, "p" },
	{ OP_PORTAL_DROP, "p" }, { OP_PORTAL_KEY, "p" },
	{ OP_PORTAL_CAS, "p" },
	{ OP_INTAKE_WHO, "i" }, { OP_INTAKE_BLOB, "i" },
	{ OP_INTAKE_COMMIT, "i" }, { OP_INTAKE_DROP, "i" },
	{ OP_INTAKE_TAKE, "i" }, { OP_INTAKE_BOUNCE, "i" },
	{ OP_INTAKE_DRAFT, "i" }, { OP_INTAKE_SUBMIT, "i" },
};

static bool
is_allowed(enum op op, char kind)
{
	size_t i;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (allowed[i].op == op)
			return strchr(allowed[i].who, kind) != NULL;
	return false;
}

static void
try_all(struct chan *c, char kind)
{
	struct msg *m;
	unsigned op;
	enum ll_result r;

	for (op = 1; op < 256; op++) {
		/* a logout would end what the next ones need */
		if (op_name(op) == NULL || op == OP_LOGOUT)
			continue;
		m = kit_request((enum op)op);
		if (op == OP_CHANNEL_NEW)
			msg_put_u64(m, F_ROLE, PEER_SESSION);
		r = kit_ask(c, m, NULL);
		if ((r != LL_DENIED) != is_allowed((enum op)op, kind))
			fail_msg("%s as '%c': %s", op_name(op), kind,
			    ll_result_text(r));
	}
}

/* For mail of hers that came from a mail program. */
static struct chan *
submitter(struct chan *intake, const struct kit_user *u)
{
	struct msg *m = kit_request(OP_INTAKE_SUBMIT), *reply;
	struct chan *c;

	msg_put_id(m, F_USER_ID, &u->id);
	msg_put_id(m, F_MESSAGE_ID, &u->id);
	msg_put_bytes(m, F_SIGN_PK, u->seal_pk, 32);
	assert_int_equal(kit_ask(intake, m, &reply), LL_OK);
	assert_int_equal(chan_create(msg_take_fd(reply, 0), &c), LL_OK);
	msg_destroy(reply);
	return c;
}

static void
nobody_does_what_is_not_his(void **state)
{
	struct kit kit = { 0 };
	struct kit_user staff, admin, auditor;
	struct chan *c[sizeof(kinds) - 1];
	size_t i;

	(void)state;
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &staff);
	kit_user(&kit, "root", ROLE_ADMIN, &admin);
	kit_user(&kit, "otto", ROLE_AUDITOR, &auditor);
	kit_login(&kit, &staff);
	kit_login(&kit, &admin);
	kit_login(&kit, &auditor);
	c[0] = kit.daemon;
	c[1] = kit_channel(&kit, PEER_SESSION);
	c[2] = staff.session;
	c[3] = staff.worker;
	c[4] = admin.worker;
	c[5] = auditor.worker;
	c[6] = kit_channel(&kit, PEER_RELAY);
	c[7] = kit_channel(&kit, PEER_PORTAL);
	c[8] = kit_channel(&kit, PEER_INTAKE);
	c[9] = kit_channel(&kit, PEER_LOCAL);
	c[10] = submitter(c[8], &staff);
	for (i = 0; i < sizeof(kinds) - 1; i++)
		try_all(c[i], kinds[i]);
	for (i = 6; i < 11; i++)
		chan_destroy(c[i]);
	chan_destroy(c[1]);
	kit_logout(&staff);
	kit_logout(&admin);
	kit_logout(&auditor);
	kit_end(&kit);
}

/* The daemon's channel makes no workers and no second daemon. */
static void
daemon_binds_no_user(void **state)
{
	struct kit kit = { 0 };
	struct msg *m;
	uint64_t role;

	(void)state;
	kit_begin(&kit);
	for (role = 0; role < 70; role++) {
		if (role == PEER_SESSION || role == PEER_RELAY ||
		    role == PEER_PORTAL || role == PEER_INTAKE ||
		    role == PEER_LOCAL)
			continue;
		m = kit_request(OP_CHANNEL_NEW);
		msg_put_u64(m, F_ROLE, role);
		assert_int_equal(kit_ask(kit.daemon, m, NULL), LL_DENIED);
	}
	kit_end(&kit);
}

/* Another user's message looks like none. */
static void
others_ids_are_unknown(void **state)
{
	static const enum op ops[] = { OP_FETCH, OP_MARK, OP_STATUS,
	    OP_WITHDRAW, OP_UNDO, OP_PURGE, OP_DRAFT_GET, OP_DRAFT_DELETE };
	static const char *const to[] = { "ada@example.test", NULL };
	struct kit kit = { 0 };
	struct kit_user ada, eve;
	struct id message, none;
	struct msg *m, *a, *b;
	size_t i;

	(void)state;
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	kit_login(&kit, &ada);
	kit_login(&kit, &eve);
	assert_int_equal(kit_send(&ada, to, 0, &message), LL_OK);
	id_random(&none);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		m = kit_request(ops[i]);
		msg_put_id(m, F_MESSAGE_ID, &message);
		assert_int_equal(kit_ask(eve.worker, m, &a), LL_NOTFOUND);
		m = kit_request(ops[i]);
		msg_put_id(m, F_MESSAGE_ID, &none);
		assert_int_equal(kit_ask(eve.worker, m, &b), LL_NOTFOUND);
		assert_int_equal(msg_view(a).len, msg_view(b).len);
		assert_memory_equal(msg_view(a).data, msg_view(b).data,
		    msg_view(a).len);
		msg_destroy(a);
		msg_destroy(b);
	}
	kit_logout(&ada);
	kit_logout(&eve);
	kit_end(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_does_what_is_not_his),
		cmocka_unit_test(daemon_binds_no_user),
		cmocka_unit_test(others_ids_are_unknown),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
