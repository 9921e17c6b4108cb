#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/secret.h"
#include "store/chan.h"
#include "store/kind.h"
#include "store/loop.h"

static struct msg *
make(enum msg_kind kind, enum op op)
{
	struct msg *m;

	assert_int_equal(msg_create(kind, op, &m), LL_OK);
	return m;
}

static void
pair(struct chan *c[2])
{
	int fds[2];

	assert_int_equal(chan_pair(fds), LL_OK);
	assert_int_equal(chan_create(fds[0], &c[0]), LL_OK);
	assert_int_equal(chan_create(fds[1], &c[1]), LL_OK);
}

static void
pair_end(struct chan *c[2])
{
	chan_destroy(c[0]);
	chan_destroy(c[1]);
}

static void
fields_come_back(void **state)
{
	struct msg *m = make(MSG_REQUEST, OP_USER_ADD), *got;
	struct tlv_view inner;
	struct chan *c[2];
	uint8_t bytes[40] = { 1, 2, 3 };
	struct id id, back;
	size_t at = 0, len;

	(void)state;
	id_random(&id);
	msg_put_text(m, F_USER, "ada");
	msg_put_u64(m, F_ROLE, ROLE_STAFF);
	msg_put_id(m, F_USER_ID, &id);
	msg_put_bytes(m, F_KEY, bytes, sizeof(bytes));
	msg_begin(m, F_ROW);
	msg_put_text(m, F_NAME, "x");
	msg_begin(m, F_EVENT);
	msg_put_u64(m, F_TIME, 7);
	msg_end(m);
	msg_end(m);
	pair(c);
	assert_int_equal(chan_send(c[0], m), LL_OK);
	assert_int_equal(chan_recv(c[1], &got), LL_OK);
	assert_string_equal(view_text(msg_view(got), F_USER), "ada");
	assert_string_equal(view_text(msg_view(got), F_EMAIL), "");
	assert_int_equal(view_u64(msg_view(got), F_ROLE), ROLE_STAFF);
	assert_true(view_id(msg_view(got), F_USER_ID, &back));
	assert_true(id_equal(&id, &back));
	assert_memory_equal(view_bytes(msg_view(got), F_KEY, &len), bytes, 40);
	assert_int_equal(len, 40);
	assert_true(view_nest(msg_view(got), F_ROW, &at, &inner));
	at = 0;
	assert_true(view_nest(inner, F_EVENT, &at, &inner));
	assert_int_equal(view_u64(inner, F_TIME), 7);
	msg_destroy(got);
	assert_int_equal(chan_recv(c[1], &got), LL_AGAIN);
	pair_end(c);
}

static void
ceilings_hold_when_writing(void **state)
{
	static uint8_t big[MSG_MAX];
	struct msg *m;
	struct id id;

	(void)state;
	m = make(MSG_REQUEST, OP_WHOAMI);
	msg_put_bytes(m, F_KEY, big, 4097);
	assert_int_equal(msg_error(m), LL_TOOBIG);
	msg_destroy(m);
	m = make(MSG_REQUEST, OP_WHOAMI);
	msg_put_bytes(m, F_TOKEN, big, 31);
	assert_int_not_equal(msg_error(m), LL_OK);
	msg_destroy(m);
	m = make(MSG_REQUEST, OP_WHOAMI);
	id_random(&id);
	msg_put_id(m, F_TIME, &id);
	assert_int_equal(msg_error(m), LL_USAGE);
	msg_destroy(m);
	m = make(MSG_REQUEST, OP_WHOAMI);
	msg_put_text(m, F_NAME, "\xff");
	assert_int_equal(msg_error(m), LL_PROTO);
	msg_destroy(m);
	m = make(MSG_REQUEST, OP_WHOAMI);
	msg_begin(m, F_ROW);
	assert_int_equal(msg_error(m), LL_USAGE);
	msg_destroy(m);
	/* a guarded one ends at its own, smaller ceiling */
	m = make(MSG_REQUEST, OP_AUTH_DONE);
	while (msg_error(m) == LL_OK && msg_view(m).len < MSG_MAX / 2)
		msg_put_bytes(m, F_KEY, big, 4000);
	assert_true(msg_view(m).len <= MSG_GUARDED_MAX);
	assert_int_not_equal(msg_error(m), LL_OK);
	msg_destroy(m);
}

/* head: a WHOAMI request of body_len bytes. */
static void
head_of(uint8_t head[MSG_HEAD], size_t body_len)
{
	memset(head, 0, MSG_HEAD);
	head[2] = (uint8_t)((body_len + 12) >> 8);
	head[3] = (uint8_t)(body_len + 12);
	head[4] = MSG_VERSION;
	head[5] = MSG_REQUEST;
	head[7] = OP_WHOAMI;
}

static void
malformed_frames_are_refused(void **state)
{
	static const struct {
		uint8_t body[16];
		size_t len;
		enum ll_result want;
	} rows[] = {
		{ { 0 }, 0, LL_OK },
		{ { F_ROLE, 0, 0, 0, 8, 1 }, 13, LL_OK },
		{ { F_ROLE, 0, 0, 0, 7, 1 }, 12, LL_PROTO },
		{ { F_ROLE, 0, 0, 0, 9, 1 }, 13, LL_PROTO },
		{ { F_ROLE, 0xff, 0xff, 0xff, 0xff }, 16, LL_PROTO },
		{ { 255, 0, 0, 0, 1, 1 }, 6, LL_PROTO },
		{ { F_NAME, 0, 0, 0, 2, 'a', 0 }, 7, LL_OK },
		{ { F_NAME, 0, 0, 0, 2, 'a', 'b' }, 7, LL_PROTO },
		{ { F_NAME, 0, 0, 0, 2, 0, 0 }, 7, LL_PROTO },
		{ { F_NAME, 0, 0, 0, 2, 0xc0, 0 }, 7, LL_PROTO },
		{ { F_USER_ID, 0, 0, 0, 1, 1 }, 6, LL_PROTO },
		{ { F_ROW, 0, 0, 0, 5, F_ROW, 0, 0, 0, 0 }, 10, LL_OK },
		{ { F_ROW, 0, 0, 0, 5, F_ROW, 0, 0, 0, 1 }, 10, LL_PROTO },
	};
	uint8_t head[MSG_HEAD];
	struct msg *m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		head_of(head, rows[i].len);
		if (msg_decode(head, rows[i].body, rows[i].len, &m) !=
		    rows[i].want)
			fail_msg("row %zu", i);
		msg_destroy(m);
	}
	for (i = 4; i < MSG_HEAD; i++) {
		if (i >= 8 && i < 12)
			continue;
		head_of(head, 0);
		head[i] = 0xee;
		if (msg_decode(head, rows[0].body, 0, &m) == LL_OK)
			fail_msg("head byte %zu", i);
	}
}

static void
too_deep_is_refused(void **state)
{
	uint8_t body[5 * 8] = { 0 }, head[MSG_HEAD];
	struct msg *m;
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		body[5 * i] = F_ROW;
		body[5 * i + 4] = (uint8_t)(5 * (7 - i));
	}
	head_of(head, sizeof(body));
	assert_int_equal(msg_decode(head, body, sizeof(body), &m), LL_PROTO);
}

static void
descriptors_keep_to_their_message(void **state)
{
	struct msg *m, *got;
	struct chan *c[2];
	struct stat a, b;
	int fds[3], n, fd;

	(void)state;
	pair(c);
	for (n = 0; n < 3; n++) {
		fds[n] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		assert_true(fds[n] >= 0);
		m = make(MSG_EVENT, OP_NEW_STORE);
		msg_put_u64(m, F_COUNT, (uint64_t)n);
		msg_put_fd(m, dup(fds[n]));
		assert_int_equal(chan_send(c[0], m), LL_OK);
		assert_int_equal(chan_send(c[0], make(MSG_EVENT, OP_STOP)),
		    LL_OK);
	}
	for (n = 0; n < 3; n++) {
		assert_int_equal(chan_recv(c[1], &got), LL_OK);
		fd = msg_take_fd(got, 0);
		assert_int_equal(fstat(fd, &a), 0);
		assert_int_equal(fstat(fds[n], &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(msg_take_fd(got, 0), -1);
		assert_int_equal(msg_take_fd(got, 1), -1);
		(void)close(fd);
		(void)close(fds[n]);
		msg_destroy(got);
		assert_int_equal(chan_recv(c[1], &got), LL_OK);
		assert_int_equal(msg_op(got), OP_STOP);
		assert_int_equal(msg_take_fd(got, 0), -1);
		msg_destroy(got);
	}
	pair_end(c);
}

/* Larger than the socket takes at once, in both memories. */
static void
large_frames_arrive_in_pieces(void **state)
{
	static uint8_t big[1000000], back[60000];
	struct msg *m, *got = NULL;
	struct chan *c[2];
	enum ll_result r;
	size_t len;

	(void)state;
	memset(big, 5, sizeof(big));
	pair(c);
	m = make(MSG_REQUEST, OP_DRAFT_PUT);
	msg_put_bytes(m, F_DRAFT, big, sizeof(big));
	assert_int_equal(chan_send(c[0], m), LL_OK);
	assert_true(chan_pending(c[0]));
	while ((r = chan_recv(c[1], &got)) == LL_AGAIN)
		assert_int_equal(chan_flush(c[0]), LL_OK);
	assert_int_equal(r, LL_OK);
	assert_memory_equal(view_bytes(msg_view(got), F_DRAFT, &len), big,
	    sizeof(big));
	msg_destroy(got);
	m = make(MSG_REPLY, OP_AGENT_BOX);
	msg_put_bytes(m, F_BOX, big, sizeof(back));
	assert_int_equal(chan_send(c[0], m), LL_OK);
	while ((r = chan_recv(c[1], &got)) == LL_AGAIN)
		assert_int_equal(chan_flush(c[0]), LL_OK);
	assert_int_equal(r, LL_OK);
	msg_destroy(got);
	pair_end(c);
}

static void
deaf_peer_breaks_the_channel_only(void **state)
{
	static uint8_t big[100000];
	enum ll_result r = LL_OK;
	struct chan *c[2];
	struct msg *m;
	unsigned n;

	(void)state;
	pair(c);
	for (n = 0; n < 200 && r == LL_OK; n++) {
		m = make(MSG_REQUEST, OP_DRAFT_PUT);
		msg_put_bytes(m, F_DRAFT, big, sizeof(big));
		r = chan_send(c[0], m);
	}
	assert_int_equal(r, LL_FULL);
	assert_int_equal(chan_send(c[0], make(MSG_EVENT, OP_STOP)), LL_EOF);
	pair_end(c);
}

static void
last_words_are_heard(void **state)
{
	struct chan *c[2];
	struct msg *m;

	(void)state;
	pair(c);
	assert_int_equal(chan_send(c[1], make(MSG_EVENT, OP_GATE_BYE)),
	    LL_OK);
	chan_destroy(c[1]);
	assert_int_equal(chan_send(c[0], make(MSG_EVENT, OP_STOP)), LL_EOF);
	assert_int_equal(chan_recv(c[0], &m), LL_OK);
	assert_int_equal(msg_op(m), OP_GATE_BYE);
	msg_destroy(m);
	assert_int_equal(chan_recv(c[0], &m), LL_EOF);
	chan_destroy(c[0]);
}

/* What arrives before the answer is kept for later, a late answer is not. */
static void
call_keeps_events(void **state)
{
	struct msg *request, *reply, *m;
	struct chan *c[2];

	(void)state;
	pair(c);
	assert_int_equal(chan_call(c[0], make(MSG_REQUEST, OP_WHOAMI), 30,
	    &reply), LL_BUSY);
	assert_int_equal(chan_recv(c[1], &request), LL_OK);
	assert_int_equal(msg_reply(request, LL_OK, &m), LL_OK);
	assert_int_equal(chan_send(c[1], m), LL_OK);
	assert_int_equal(chan_send(c[1], make(MSG_EVENT, OP_EVENT_BOX)),
	    LL_OK);
	assert_int_equal(msg_reply(request, LL_NOTFOUND, &m), LL_OK);
	msg_set_sequence(m, msg_sequence(request) + 1);
	assert_int_equal(chan_send(c[1], m), LL_OK);
	msg_destroy(request);
	assert_int_equal(chan_call(c[0], make(MSG_REQUEST, OP_WHOAMI), 1000,
	    &reply), LL_OK);
	assert_int_equal(msg_result(reply), LL_NOTFOUND);
	msg_destroy(reply);
	assert_int_equal(chan_recv(c[0], &m), LL_OK);
	assert_int_equal(msg_op(m), OP_EVENT_BOX);
	msg_destroy(m);
	pair_end(c);
}

static void
nonsense_ends_the_channel(void **state)
{
	static const char nonsense[] = "GET / HTTP/1.0\r\n\r\n padding";
	struct chan *c;
	struct msg *m;
	int fds[2];

	(void)state;
	assert_int_equal(chan_pair(fds), LL_OK);
	assert_int_equal(chan_create(fds[0], &c), LL_OK);
	assert_true(write(fds[1], nonsense, sizeof(nonsense)) > 0);
	assert_int_not_equal(chan_recv(c, &m), LL_OK);
	assert_int_equal(chan_recv(c, &m), LL_EOF);
	(void)close(fds[1]);
	chan_destroy(c);
}

/* --- loop.h --- */

struct seen {
	struct loop *l;
	unsigned timers, reads, signals, rounds;
	int fd;
};

static void
on_timer(void *arg)
{
	struct seen *s = arg;

	if (++s->timers == 2)
		loop_stop(s->l);
}

static void
on_read(void *arg, int fd, short revents)
{
	struct seen *s = arg;
	char c;

	assert_true(revents & POLLIN);
	assert_int_equal(read(fd, &c, 1), 1);
	s->reads++;
	loop_fd_remove(s->l, fd);
}

static void
on_signal(void *arg, int signo)
{
	struct seen *s = arg;

	assert_int_equal(signo, SIGUSR1);
	s->signals++;
}

static void
on_round(void *arg)
{
	struct seen *s = arg;

	s->rounds++;
}

static void
loop_runs_all_kinds(void **state)
{
	struct seen s = { 0 };
	uint64_t never, begun = loop_now_ms();
	int fds[2];

	(void)state;
	assert_int_equal(loop_create(&s.l), LL_OK);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "xx", 2), 2);
	assert_int_equal(loop_fd(s.l, fds[0], POLLIN, on_read, &s), LL_OK);
	assert_int_equal(loop_signal(s.l, SIGUSR1, on_signal, &s), LL_OK);
	assert_int_equal(loop_timer(s.l, 40, on_timer, &s, NULL), LL_OK);
	assert_int_equal(loop_timer(s.l, 10, on_timer, &s, NULL), LL_OK);
	assert_int_equal(loop_timer(s.l, 5, on_timer, &s, &never), LL_OK);
	loop_timer_remove(s.l, never);
	loop_after(s.l, on_round, &s);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(s.l), LL_OK);
	assert_int_equal(s.timers, 2);
	assert_int_equal(s.reads, 1);
	assert_int_equal(s.signals, 1);
	assert_true(s.rounds >= 2);
	assert_true(loop_now_ms() - begun >= 39);
	loop_destroy(s.l);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
names_of_things(void **state)
{
	enum user_role role;
	enum folder folder;
	int e;

	(void)state;
	assert_string_equal(route_name(ROUTE_PORTAL_MUC), "portal-muc");
	assert_string_equal(delivery_state_name(STATE_WITHDRAWN),
	    "withdrawn");
	assert_string_equal(event_log_name(EVENT_OPENED), "ContentHandover");
	assert_string_equal(role_name((enum user_role)99), "?");
	assert_int_equal(role_parse("admin", &role), LL_OK);
	assert_int_equal(role, ROLE_ADMIN);
	assert_int_equal(role_parse("king", &role), LL_USAGE);
	assert_int_equal(folder_parse("trash", &folder), LL_OK);
	assert_int_equal(folder, FOLDER_TRASH);
	for (e = EVENT_SUBMITTED; e <= EVENT_FAILED; e++)
		assert_string_not_equal(event_name((enum event)e), "?");
	for (e = EVENT_USER_ADDED; e <= EVENT_STORE_STARTED; e++)
		assert_string_not_equal(event_name((enum event)e), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(ceilings_hold_when_writing),
		cmocka_unit_test(malformed_frames_are_refused),
		cmocka_unit_test(too_deep_is_refused),
		cmocka_unit_test(descriptors_keep_to_their_message),
		cmocka_unit_test(large_frames_arrive_in_pieces),
		cmocka_unit_test(deaf_peer_breaks_the_channel_only),
		cmocka_unit_test(last_words_are_heard),
		cmocka_unit_test(call_keeps_events),
		cmocka_unit_test(nonsense_ends_the_channel),
		cmocka_unit_test(loop_runs_all_kinds),
		cmocka_unit_test(names_of_things),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
