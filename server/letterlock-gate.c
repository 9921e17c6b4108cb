/*
 * letterlock-gate - speaks SSH with one client.
 *
 * Started by letterlockd; descriptor 3 is the channel to it.  CONFIGURE brings
 * the client's connection and a socket to this connection's
 * letterlock-session, which decides everything: this process holds no key, no
 * database and no file, and can start nothing.
 */
#include "server/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys/sandbox.h"
#include "keys/secret.h"
#include "store/loop.h"

#define GATE_DAEMON_FD 3
#define GATE_START_MS 10000
#define GATE_SECRET_BYTES 16384

static const struct sandbox gate_sandbox = {
	.program = "letterlock-gate",
	.calls = SANDBOX_BASE | SANDBOX_SOCKOPT,
	.address_space_mib = 256,
	.open_files = 40,
	.no_children = true,
};

void
gate_lost(struct gate *g, enum child_exit why)
{
	struct msg *m = NULL;

	if (g->over)
		return;
	g->over = true;
	g->why = why;
	if (!g->session || msg_create(MSG_EVENT, OP_GATE_LOST, &m) != LL_OK)
		return;
	msg_put_u64(m, F_STATE, why);
	/* A session that is gone has nothing to be told. */
	(void)!chan_send(g->session, m);
}

enum ll_result
gate_ask(struct gate *g, struct msg *request, struct msg **reply_r)
{
	enum ll_result r;

	*reply_r = NULL;
	if (g->over) {
		msg_destroy(request);
		return LL_EOF;
	}
	r = chan_call(g->session, request, GATE_ASK_MS, reply_r);
	if (r)
		g->bye = true;
	return r;
}

static void
gate_bye(struct gate *g, const struct msg *m)
{
	const char *words = view_text(msg_view(m), F_WORDS);

	g->bye = true;
	if (words[0])
		(void)ssh_session_set_disconnect_message(g->ssh, words);
}

/* What the session says unasked. */
static void
gate_session_messages(struct gate *g)
{
	struct msg *m = NULL;
	enum ll_result r;

	for (;;) {
		r = chan_recv(g->session, &m);
		if (r == LL_AGAIN)
			return;
		if (r) {
			g->bye = true;
			return;
		}
		if (msg_op(m) == OP_GATE_EXIT)
			gate_channel_exit(g,
			    (unsigned)view_u64(msg_view(m), F_CHANNEL),
			    (uint32_t)view_u64(msg_view(m), F_EXIT));
		else if (msg_op(m) == OP_GATE_BYE)
			gate_bye(g, m);
		msg_destroy(m);
	}
}

static void
gate_daemon_messages(struct gate *g)
{
	struct msg *m = NULL;
	enum ll_result r = chan_recv(g->daemon, &m);

	if (r == LL_OK)
		msg_destroy(m);
	else if (r != LL_AGAIN)
		g->over = true;
}

/* --- the loop --- */

#define GATE_POLLS (3 + 2 * GATE_CHANNELS)

static void
poll_add(struct pollfd *p, nfds_t *n, int fd, short events)
{
	/* A descriptor nobody waits for would still report a hang-up. */
	if (fd < 0 || events == 0)
		return;
	p[*n].fd = fd;
	p[*n].events = events;
	p[*n].revents = 0;
	(*n)++;
}

static void
poll_channel(const struct gate_channel *c, struct pollfd *p, nfds_t *n)
{
	const bool room = gate_pump_room(c);
	short io = 0;

	if (room && !c->out.data && !c->out_done)
		io |= POLLIN;
	if (c->in.data)
		io |= POLLOUT;
	poll_add(p, n, c->io, io);
	poll_add(p, n, c->err, room && !c->errors.data ? POLLIN : 0);
}

static nfds_t
gate_poll_set(const struct gate *g, struct pollfd *p)
{
	nfds_t n = 0;
	short tcp = POLLIN;

	if (ssh_get_poll_flags(g->ssh) & SSH_WRITE_PENDING)
		tcp |= POLLOUT;
	poll_add(p, &n, g->tcp, tcp);
	poll_add(p, &n, chan_fd(g->session), (short)(POLLIN |
	    (chan_pending(g->session) ? POLLOUT : 0)));
	poll_add(p, &n, chan_fd(g->daemon), POLLIN);
	for (int i = 0; i < GATE_CHANNELS; i++)
		if (g->channels[i].used)
			poll_channel(&g->channels[i], p, &n);
	return n;
}

/* Each delayed acknowledgement would cost the login 40 ms; the kernel forgets
 * the setting, so it is made again at each step. */
static void
gate_quick(const struct gate *g)
{
	const int on = 1;

	(void)setsockopt(g->tcp, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void
gate_keepalive(struct gate *g)
{
	const uint64_t now = loop_now_ms();

	if (!g->authed ||
	    now - g->heard_ms < (g->unanswered + 1) * GATE_KEEPALIVE_MS)
		return;
	if (g->unanswered++ >= GATE_KEEPALIVE_TRIES)
		g->over = true;
	else
		(void)ssh_send_keepalive(g->ssh);
}

static void
gate_tcp(struct gate *g, short revents)
{
	if (revents & (POLLIN | POLLHUP | POLLERR)) {
		g->heard_ms = loop_now_ms();
		g->unanswered = 0;
	}
	if (!g->authed)
		gate_quick(g);
	if (ssh_event_dopoll(g->event, 0) != SSH_ERROR &&
	    ssh_is_connected(g->ssh) && !(ssh_get_status(g->ssh) &
	    (SSH_CLOSED | SSH_CLOSED_ERROR)))
		return;
	/* A packet out of turn leaves libssh in error, the client connected. */
	if (strstr(ssh_get_error(g->ssh), "rejected packet"))
		gate_lost(g, CHILD_VIOLATION);
	g->over = true;
}

static bool
gate_flushed(const struct gate *g)
{
	for (int i = 0; i < GATE_CHANNELS; i++)
		if (g->channels[i].used && (g->channels[i].out.data ||
		    g->channels[i].errors.data))
			return false;
	return !(ssh_get_poll_flags(g->ssh) & SSH_WRITE_PENDING);
}

/* One turn: wait, then let everybody move. */
static void
gate_turn(struct gate *g, int timeout_ms)
{
	struct pollfd p[GATE_POLLS];
	nfds_t n = gate_poll_set(g, p);

	if (poll(p, n, timeout_ms) < 0 && errno != EINTR)
		gate_lost(g, CHILD_FAULT);
	for (nfds_t i = 0; i < n && !g->over; i++) {
		if (p[i].revents == 0)
			continue;
		if (p[i].fd == g->tcp)
			gate_tcp(g, p[i].revents);
		else if (p[i].fd == chan_fd(g->daemon))
			gate_daemon_messages(g);
		else if (p[i].fd == chan_fd(g->session) &&
		    chan_flush(g->session) != LL_OK)
			g->bye = true;
	}
	/* Not only when poll says so: asking keeps what came meanwhile. */
	if (!g->over)
		gate_session_messages(g);
	if (!g->over)
		gate_pump(g);
	if (!g->over)
		gate_keepalive(g);
}

static void
gate_run(struct gate *g)
{
	uint64_t end = 0;

	g->heard_ms = loop_now_ms();
	gate_quick(g);
	while (!g->over) {
		gate_turn(g, g->bye ? 50 : GATE_KEEPALIVE_MS);
		if (!g->bye)
			continue;
		if (end == 0)
			end = loop_now_ms() + GATE_LINGER_MS;
		if (gate_flushed(g) || loop_now_ms() >= end)
			break;
	}
}

/* --- start and end --- */

static enum ll_result
gate_configure(struct gate *g)
{
	struct msg *m = NULL;
	enum ll_result r = chan_wait(g->daemon, -1, &m);
	int fd;

	if (r)
		return r;
	if (msg_op(m) != OP_CONFIGURE) {
		msg_destroy(m);
		return LL_PROTO;
	}
	g->tcp = msg_take_fd(m, 0);
	fd = msg_take_fd(m, 1);
	msg_destroy(m);
	if (g->tcp < 0 || fd < 0 || fcntl(g->tcp, F_SETFL, O_NONBLOCK) < 0)
		return LL_PROTO;
	return chan_create(fd, &g->session);
}

static enum ll_result
gate_start(struct gate *g)
{
	struct msg *m = NULL;
	size_t n = 0;
	const uint8_t *pk;
	enum ll_result r = chan_wait(g->session, GATE_START_MS, &m);

	if (r)
		return r;
	pk = view_bytes(msg_view(m), F_KEY, &n);
	if (msg_op(m) == OP_GATE_START && pk && n == 32) {
		gate_hook_setup(g->session);
		r = gate_transport_start(g, pk);
	} else {
		r = LL_PROTO;
	}
	msg_destroy(m);
	return r;
}

static void
gate_reason(struct gate *g)
{
	if (g->why == CHILD_DONE && !g->authed && gate_hook_signed() == 0)
		g->why = CHILD_KEX;
}

static int
gate_serve(struct gate *g)
{
	enum ll_result r = chan_create(GATE_DAEMON_FD, &g->daemon);

	if (!r)
		r = gate_configure(g);
	if (r == LL_EOF)
		return CHILD_DONE;
	if (!r)
		r = gate_start(g);
	if (r == LL_EOF)
		return CHILD_KEX;
	if (r)
		return CHILD_FAULT;
	gate_run(g);
	gate_reason(g);
	for (int i = 0; i < GATE_CHANNELS; i++)
		gate_channel_release(&g->channels[i]);
	return g->why;
}

static int
gate_fail(const char *why)
{
	(void)fprintf(stderr, "letterlock-gate: %s\n", why);
	return CHILD_USAGE;
}

int
main(int argc, char **argv)
{
	static struct gate g;
	const char *why = "";
	int status;

	if (secret_setup(GATE_SECRET_BYTES) != LL_OK)
		return gate_fail("no locked memory (RLIMIT_MEMLOCK)");
	if (!gate_hook_bound(&why))
		return gate_fail(why);
	if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
		return gate_hook_test(&why) == LL_OK ? 0 : gate_fail(why);
	if (argc != 1)
		return gate_fail("started by letterlockd only");
	if (gate_transport_init(&g) != LL_OK)
		return gate_fail("libssh cannot be set up");
	if (sandbox_enter(&gate_sandbox, NULL, &why) != LL_OK)
		return gate_fail(why);
	status = gate_serve(&g);
	gate_transport_finish(&g);
	chan_destroy(g.session);
	chan_destroy(g.daemon);
	return status;
}
