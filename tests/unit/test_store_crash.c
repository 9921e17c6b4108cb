/*
 * kill -9 at random moments under load.  What was acknowledged is written down
 * by another process, outside the killed one; afterwards nothing of it is
 * missing and nothing is there twice.
 * limit: 240
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/secret.h"
#include "tests/unit/storekit.h"

#define ROUNDS 12
#define CLIENTS 3
#define BURST_MAX 4000

static struct kit kit;
static struct kit_user ada, bob;

/* One line per acknowledged message, durable as far as this process goes. */
static void
client(int fd, int record, int go)
{
	static const char *const to[] = { "bob@example.test", NULL };
	struct kit_user u = ada;
	struct msg *m, *again, *reply;
	uint8_t head[MSG_HEAD];
	struct id message;
	unsigned n;
	char c;

	if (chan_create(fd, &u.worker) != LL_OK || read(go, &c, 1) != 1)
		_exit(1);
	for (n = 0; n < BURST_MAX; n++) {
		m = kit_request(OP_PLAN);
		msg_put_text(m, F_ADDRESS, to[0]);
		if (chan_call(u.worker, m, 5000, &reply) != LL_OK)
			_exit(0);
		msg_destroy(reply);
		m = kit_send_request(&u, to, 0, &message);
		msg_encode_head(m, head);
		if (msg_decode(head, msg_view(m).data, msg_view(m).len,
		    &again) != LL_OK)
			_exit(1);
		/* a repeated request makes one message all the same */
		if (chan_call(u.worker, m, 5000, &reply) != LL_OK ||
		    msg_result(reply) != LL_OK)
			_exit(0);
		msg_destroy(reply);
		if (write(record, message.b, 16) != 16)
			_exit(1);
		if (n % 4 == 0 && chan_call(u.worker, again, 5000, &reply) ==
		    LL_OK)
			msg_destroy(reply);
	}
	_exit(0);
}

static void
round_of(int record, unsigned n)
{
	pid_t pids[CLIENTS];
	struct msg *reply;
	int go[2], fd;
	size_t i;

	assert_int_equal(pipe(go), 0);
	for (i = 0; i < CLIENTS; i++) {
		assert_int_equal(kit_ask(ada.session,
		    kit_request(OP_WORKER_NEW), &reply), LL_OK);
		fd = msg_take_fd(reply, 0);
		msg_destroy(reply);
		pids[i] = fork();
		if (pids[i] == 0) {
			/* a failing assertion of the kit in here means that
			 * the store is gone */
			(void)close(1);
			(void)close(2);
			client(fd, record, go[0]);
		}
		(void)close(fd);
	}
	assert_int_equal(write(go[1], "xxx", CLIENTS), CLIENTS);
	usleep(20000 + randombytes_uniform(150000) + n * 1000);
	kit_logout(&ada);
	kit_kill(&kit);
	for (i = 0; i < CLIENTS; i++)
		(void)waitpid(pids[i], NULL, 0);
	(void)close(go[0]);
	(void)close(go[1]);
}

static void
reattach(struct kit_user *u)
{
	struct msg *m = kit_request(OP_AUTH_ATTACH), *reply;

	u->session = kit_channel(&kit, PEER_SESSION);
	msg_put_bytes(m, F_TOKEN, u->token, 32);
	assert_int_equal(kit_ask(u->session, m, NULL), LL_OK);
	assert_int_equal(kit_ask(u->session, kit_request(OP_WORKER_NEW),
	    &reply), LL_OK);
	assert_int_equal(chan_create(msg_take_fd(reply, 0), &u->worker),
	    LL_OK);
	msg_destroy(reply);
}

static enum ll_result
fetch(struct kit_user *u, const struct id *message)
{
	struct msg *m = kit_request(OP_FETCH);

	msg_put_id(m, F_MESSAGE_ID, message);
	return kit_ask(u->worker, m, NULL);
}

static void
acknowledged_is_there_once(void **state)
{
	char path[] = "/tmp/ll-acks-XXXXXX";
	struct id message;
	int record = mkstemp(path);
	unsigned n, acked = 0;

	(void)state;
	assert_true(record >= 0);
	(void)unlink(path);
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	for (n = 0; n < ROUNDS; n++) {
		round_of(record, n);
		kit_start(&kit);
		reattach(&ada);
	}
	kit_login(&kit, &bob);
	assert_int_equal(lseek(record, 0, SEEK_SET), 0);
	while (read(record, message.b, 16) == 16) {
		assert_int_equal(fetch(&bob, &message), LL_OK);
		assert_int_equal(fetch(&ada, &message), LL_OK);
		acked++;
	}
	assert_true(acked > ROUNDS);
	kit_logout(&ada);
	kit_logout(&bob);
	assert_int_equal(kit_stop(&kit), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM"
	    " pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	/* whole or not at all, and no message twice in a mailbox */
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM messages m WHERE"
	    " (SELECT count(*) FROM boxes b WHERE b.message = m.message) <>"
	    " 2"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM messages m WHERE"
	    " (SELECT count(*) FROM deliveries d WHERE d.message = m.message)"
	    " <> 1"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM deliveries d"
	    " WHERE (SELECT count(*) FROM log l WHERE l.delivery = d.delivery"
	    " AND l.event = 1) <> 1"), 0);
	assert_int_equal(kit_sql(&kit, "SELECT sum(total) - (SELECT count(*)"
	    " FROM boxes) FROM counts"), 0);
	(void)close(record);
	kit_end(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledged_is_there_once),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
