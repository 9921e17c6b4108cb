/*
 * The desk against a session that is played by a child process: it hands out
 * channels to a store that dies now and then.
 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/secret.h"
#include "store/desk.h"

/* What the played house does; each row is one test's. */
struct play {
	int die_after;           /* answers of a store before it dies; 0: never */
	int busy;                /* AGENT_STORE answers BUSY so often */
	int event;               /* an event before each answer of the store;
	                            2: and one about found keys */
};

struct house {
	struct play play;
	struct chan *agent, *store;
	int answers, busy;
	uint64_t seen;           /* requests that reached a store */
};

static void
answer(struct chan *c, const struct msg *q, enum ll_result r,
    void (*fill)(struct house *h, struct msg *m), struct house *h)
{
	struct msg *m;

	if (msg_reply(q, r, &m))
		_exit(1);
	if (fill)
		fill(h, m);
	if (chan_send(c, m))
		_exit(0);
}

static void
new_store(struct house *h, struct msg *m)
{
	int fds[2];

	if (chan_pair(fds) || chan_create(fds[0], &h->store))
		_exit(1);
	h->answers = 0;
	msg_put_fd(m, fds[1]);
}

static void
fill_hello(struct house *h, struct msg *m)
{
	msg_put_u64(m, F_STATE, WORKER_EXEC);
	msg_put_text(m, F_COMMAND, "whoami --json");
	msg_put_text(m, F_USER, "ada");
	msg_put_text(m, F_EMAIL, "ada@house.example");
	msg_put_u64(m, F_ROLE, ROLE_STAFF);
	msg_put_u64(m, F_LOCKED, 1);
	msg_put_text(m, F_FACTOR, "key");
	msg_put_text(m, F_FACTOR, "totp");
	msg_begin(m, F_CONFIG);
	msg_put_text(m, F_CONFIG_KEY, "undo_seconds");
	msg_put_text(m, F_CONFIG_VALUE, "7");
	msg_end(m);
	new_store(h, m);
}

static void
fill_whoami(struct house *h, struct msg *m)
{
	static const struct id id = { "user of 16 byte" };

	(void)h;
	msg_put_id(m, F_USER_ID, &id);
	msg_put_u64(m, F_GENERATION, 2);
	msg_put_text(m, F_NAME, "Ada");
	msg_put_u64(m, F_LIMIT, 1000);
}

/* Counts what came in all, over all stores. */
static void
fill_counts(struct house *h, struct msg *m)
{
	msg_begin(m, F_ROW);
	msg_put_u64(m, F_FOLDER, FOLDER_INBOX);
	msg_put_u64(m, F_COUNT, h->seen);
	msg_end(m);
}

static void
serve_agent(struct house *h, const struct msg *q)
{
	if (msg_op(q) == OP_AGENT_HELLO) {
		answer(h->agent, q, LL_OK, fill_hello, h);
	} else if (msg_op(q) == OP_AGENT_STORE && h->busy < h->play.busy) {
		h->busy++;
		answer(h->agent, q, LL_BUSY, NULL, h);
	} else if (msg_op(q) == OP_AGENT_STORE) {
		h->busy = 0;
		answer(h->agent, q, LL_OK, new_store, h);
	} else {
		answer(h->agent, q, LL_LOCKED, NULL, h);
	}
}

static void
send_event(struct house *h)
{
	static const struct id id = { "message 16 bytes" };
	struct msg *m;

	if (msg_create(MSG_EVENT, OP_EVENT_BOX, &m))
		_exit(1);
	msg_put_id(m, F_MESSAGE_ID, &id);
	msg_put_u64(m, F_FOLDER, FOLDER_INBOX);
	if (chan_send(h->store, m))
		_exit(0);
}

static void
send_found(struct house *h)
{
	struct msg *m;

	if (msg_create(MSG_EVENT, OP_EVENT_FOUND, &m))
		_exit(1);
	msg_put_text(m, F_ADDRESS, "dora@out.example");
	msg_put_u64(m, F_COUNT, 3);
	if (chan_send(h->store, m))
		_exit(0);
}

static void
serve_store(struct house *h, const struct msg *q)
{
	h->seen++;
	if (h->play.die_after && h->answers == h->play.die_after) {
		/* It took the request and dies before it answers. */
		chan_destroy(h->store);
		h->store = NULL;
		return;
	}
	h->answers++;
	if (h->play.event)
		send_event(h);
	if (h->play.event == 2)
		send_found(h);
	if (msg_op(q) == OP_WHOAMI)
		answer(h->store, q, LL_OK, fill_whoami, h);
	else if (msg_op(q) == OP_COUNTS)
		answer(h->store, q, LL_OK, fill_counts, h);
	else
		answer(h->store, q, LL_NOTFOUND, NULL, h);
}

static void
house_run(int fd, const struct play *play)
{
	struct house h = { .play = *play };
	struct pollfd p[2];
	struct msg *m;
	enum ll_result r;

	(void)alarm(30);
	if (chan_create(fd, &h.agent))
		_exit(1);
	for (;;) {
		p[0].fd = chan_fd(h.agent);
		p[1].fd = h.store ? chan_fd(h.store) : -1;
		p[0].events = p[1].events = POLLIN;
		(void)poll(p, 2, -1);
		while ((r = chan_recv(h.agent, &m)) == LL_OK) {
			serve_agent(&h, m);
			msg_destroy(m);
		}
		if (r != LL_AGAIN)
			_exit(0);
		while (h.store && chan_recv(h.store, &m) == LL_OK) {
			serve_store(&h, m);
			msg_destroy(m);
		}
	}
}

static struct desk *
open_desk(const struct play *play, pid_t *pid_r)
{
	struct desk *d;
	int fds[2];

	assert_ok(chan_pair(fds));
	*pid_r = fork();
	assert_true(*pid_r >= 0);
	if (*pid_r == 0) {
		(void)close(fds[1]);
		house_run(fds[0], play);
		_exit(0);
	}
	(void)close(fds[0]);
	assert_ok(desk_open(fds[1], &d));
	return d;
}

static void
close_desk(struct desk *d, pid_t pid)
{
	int status;

	desk_close(d);
	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static enum ll_result
counts(struct desk *d, uint64_t *seen_r)
{
	struct msg *m, *reply;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	assert_ok(msg_create(MSG_REQUEST, OP_COUNTS, &m));
	r = desk_ask(d, m, &reply);
	if (r)
		return r;
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	*seen_r = view_u64(row, F_COUNT);
	msg_destroy(reply);
	return LL_OK;
}

static void
the_greeting_is_kept(void **state)
{
	static const struct play play = { 0, 0, 0 };
	const struct desk_self *s;
	struct desk *d;
	pid_t pid;

	(void)state;
	d = open_desk(&play, &pid);
	s = desk_self(d);
	assert_string_equal(s->user, "ada");
	assert_string_equal(s->email, "ada@house.example");
	assert_string_equal(s->name, "Ada");
	assert_int_equal(s->role, ROLE_STAFF);
	assert_int_equal(s->mode, WORKER_EXEC);
	assert_int_equal(s->generation, 2);
	assert_int_equal(s->attachment_max, 1000);
	assert_int_equal(s->undo_secs, 7);
	assert_int_equal(s->expiry_days, 30);
	assert_int_equal(s->factor_count, 2);
	assert_string_equal(s->factors[1], "totp");
	assert_true(s->locked);
	assert_string_equal(desk_command(d), "whoami --json");
	assert_string_equal(desk_config(d, "undo_seconds"), "7");
	assert_null(desk_config(d, "nothing"));
	assert_result(desk_unlock(d, "x", 1), LL_LOCKED);
	close_desk(d, pid);
}

static void
a_store_that_dies_is_asked_again(void **state)
{
	static const struct play play = { 2, 3, 0 };
	struct desk_event e;
	struct desk *d;
	uint64_t seen = 0;
	pid_t pid;
	int i, lost = 0, back = 0;

	(void)state;
	d = open_desk(&play, &pid);
	for (i = 0; i < 5; i++)
		assert_ok(counts(d, &seen));
	/* who am I, five answered, and each death swallowed one */
	assert_true(seen > 6);
	while (desk_event(d, &e) == LL_OK) {
		lost += e.kind == DESK_LOST;
		back += e.kind == DESK_RESTORED;
	}
	assert_int_equal(lost, seen - 6);
	assert_int_equal(back, lost);
	close_desk(d, pid);
}

static void
patience_ends(void **state)
{
	static const struct play play = { 1, 1000000, 0 };
	struct desk_event e;
	struct desk *d;
	uint64_t seen;
	pid_t pid;

	(void)state;
	d = open_desk(&play, &pid);
	desk_patience(d, 250);
	assert_result(counts(d, &seen), LL_BUSY);
	assert_result(counts(d, &seen), LL_BUSY);
	assert_ok(desk_event(d, &e));
	assert_int_equal(e.kind, DESK_LOST);
	assert_result(desk_event(d, &e), LL_AGAIN);
	close_desk(d, pid);
}

static void
events_that_came_with_answers_are_kept(void **state)
{
	static const struct play play = { 0, 0, 1 };
	struct desk_event e;
	struct desk *d;
	uint64_t seen;
	pid_t pid;
	int i;

	(void)state;
	d = open_desk(&play, &pid);
	assert_ok(counts(d, &seen));
	for (i = 0; i < 2; i++) {
		assert_ok(desk_event(d, &e));
		assert_int_equal(e.kind, DESK_BOX);
		assert_int_equal(e.folder, FOLDER_INBOX);
		assert_memory_equal(e.message.b, "message 16 bytes", 16);
	}
	assert_result(desk_event(d, &e), LL_AGAIN);
	close_desk(d, pid);
}

static void
one_kind_of_event_is_awaited_and_others_stay(void **state)
{
	static const struct play play = { 0, 0, 2 };
	struct desk_event e;
	struct desk *d;
	uint64_t seen;
	pid_t pid;
	int boxes = 0;

	(void)state;
	d = open_desk(&play, &pid);
	assert_ok(counts(d, &seen));
	assert_ok(desk_await(d, DESK_FOUND, 1000, &e));
	assert_int_equal(e.kind, DESK_FOUND);
	assert_string_equal(e.address, "dora@out.example");
	assert_int_equal(e.count, 3);
	/* one for each answer: who am I, and the counts */
	assert_ok(desk_await(d, DESK_FOUND, 1000, &e));
	assert_result(desk_await(d, DESK_FOUND, 50, &e), LL_AGAIN);
	while (desk_event(d, &e) == LL_OK) {
		assert_int_equal(e.kind, DESK_BOX);
		boxes++;
	}
	assert_int_equal(boxes, 2);
	close_desk(d, pid);
}

static void
the_end_of_the_session_is_told_once(void **state)
{
	static const struct play play = { 0, 0, 0 };
	struct pollfd p = { .events = POLLIN };
	struct desk_event e;
	struct desk *d;
	uint64_t seen;
	pid_t pid;
	int status;

	(void)state;
	d = open_desk(&play, &pid);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	p.fd = desk_fd(d);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_ok(desk_event(d, &e));
	assert_int_equal(e.kind, DESK_END);
	assert_result(desk_event(d, &e), LL_AGAIN);
	assert_result(counts(d, &seen), LL_EOF);
	desk_close(d);
}

static int
setup(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return secret_setup(65536) != LL_OK;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_is_kept),
		cmocka_unit_test(a_store_that_dies_is_asked_again),
		cmocka_unit_test(patience_ends),
		cmocka_unit_test(events_that_came_with_answers_are_kept),
		cmocka_unit_test(one_kind_of_event_is_awaited_and_others_stay),
		cmocka_unit_test(the_end_of_the_session_is_told_once),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
