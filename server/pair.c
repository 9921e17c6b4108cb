#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/exitcode.h"
#include "server/pair.h"

#define SPARE_PAIRS 1
#define SPARE_DELAY_MS 20        /* lets the login that took it go first */
#define SPARE_AGAIN_MS 500       /* after a spare one that ended by itself */
#define REFUSED_LOG_MS 10000
#define SWEEP_MS 5000
#define GRACE_EXTRA_MS 15000     /* after the gate should have ended it */
#define NO_ROOM_MS 200           /* out of descriptors: try again then */

static void spare_later(struct house *h, uint64_t ms);

/* --- making pairs --- */

static void
close_link(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
kill_child(const struct child *c)
{
	if (c != NULL && c->pid > 0)
		(void)kill(c->pid, SIGKILL);
}

static void
pair_free(struct pair *p)
{
	struct pair **at = &p->house->pairs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (!p->taken)
		p->house->spare_count--;
	close_link(&p->gate_link);
	close_link(&p->session_link);
	free(p);
}

static void session_store(void *arg, int fd);

static enum ll_result
ask_session_store(struct pair *p)
{
	return house_ask_store(p->house, PEER_SESSION, session_store,
	    p->session);
}

/* A pair that waits for its connection.  When the second program can't be
 * started the first ends by itself: its link and descriptor 3 close. */
static enum ll_result
pair_create(struct house *h, struct pair **p_r)
{
	struct pair *p = calloc(1, sizeof(*p));
	enum ll_result r;
	int fds[2];

	*p_r = NULL;
	if (p == NULL)
		return LL_NOMEM;
	p->house = h;
	p->fault = -1;
	p->gate_link = p->session_link = -1;
	p->next = h->pairs;
	h->pairs = p;
	h->spare_count++;
	r = chan_pair(fds);
	if (r == LL_OK) {
		p->gate_link = fds[0];
		p->session_link = fds[1];
		r = house_child(h, PROC_SESSION, &p->session);
	}
	if (r == LL_OK) {
		p->session->pair = p;
		r = house_child(h, PROC_GATE, &p->gate);
	}
	if (r == LL_OK) {
		p->gate->pair = p;
		r = ask_session_store(p);
	}
	if (r == LL_OK) {
		*p_r = p;
		return LL_OK;
	}
	if (p->session == NULL)
		pair_free(p);
	else
		kill_child(p->session);
	kill_child(p->gate);
	return r;
}

/* --- handing over a connection --- */

static void
configure_session(struct pair *p)
{
	struct house *h = p->house;
	char source[NET_TEXT];
	struct msg *m;

	if (proc_configure(PROC_SESSION, OP_CONFIGURE, &h->config, &h->root,
	    &h->host_seed, &m) != LL_OK) {
		kill_child(p->session);
		return;
	}
	net_addr_text(&p->addr, source);
	proc_add_config(m, "source", source);
	msg_put_fd(m, p->session->store_fd);
	msg_put_fd(m, p->session_link);
	p->session->store_fd = p->session_link = -1;
	p->session->configured = true;
	house_send(p->session, m);
}

/* The store's channel came: for a spare session it waits, for one at work it
 * goes out at once. */
static void
session_store(void *arg, int fd)
{
	struct child *c = arg;
	struct msg *m;

	if (c->store_fd >= 0)
		(void)close(c->store_fd);
	c->store_fd = fd;
	if (fd < 0 || !c->pair->taken)
		return;
	if (!c->configured) {
		configure_session(c->pair);
		return;
	}
	if (msg_create(MSG_EVENT, OP_NEW_STORE, &m) != LL_OK)
		return;
	msg_put_fd(m, fd);
	c->store_fd = -1;
	house_send(c, m);
}

static void
configure_gate(struct pair *p, int tcp)
{
	struct house *h = p->house;
	char source[NET_TEXT];
	struct msg *m;

	if (proc_configure(PROC_GATE, OP_CONFIGURE, &h->config, &h->root,
	    &h->host_seed, &m) != LL_OK) {
		(void)close(tcp);
		kill_child(p->gate);
		return;
	}
	net_addr_text(&p->addr, source);
	proc_add_config(m, "source", source);
	msg_put_fd(m, tcp);
	msg_put_fd(m, p->gate_link);
	p->gate_link = -1;
	p->gate->configured = true;
	house_send(p->gate, m);
}

static struct pair *
find_spare(struct house *h)
{
	struct pair *p;

	for (p = h->pairs; p != NULL; p = p->next)
		if (!p->taken && !p->dismissed &&
		    p->gate != NULL && p->session != NULL &&
		    p->gate->chan != NULL && p->session->chan != NULL)
			return p;
	return NULL;
}

/* Takes (and owns) tcp. */
static void
hand_over(struct house *h, int tcp, const struct net_addr *addr)
{
	struct pair *p = find_spare(h);

	if (p == NULL && pair_create(h, &p) != LL_OK) {
		house_say("cannot start a connection's programs: %s",
		    strerror(errno));
		limits_gone(h->limits, addr, false);
		(void)close(tcp);
		return;
	}
	h->spare_count--;
	p->taken = true;
	p->addr = *addr;
	p->since_ms = loop_now_ms();
	configure_gate(p, tcp);
	if (p->session->store_fd >= 0)
		configure_session(p);
	spare_later(h, SPARE_DELAY_MS);
}

/* --- spare pairs --- */

static void
spare_now(void *arg)
{
	struct house *h = arg;
	struct pair *p;

	h->spare_timer = 0;
	if (!h->stopping && h->spare_count < SPARE_PAIRS)
		(void)!pair_create(h, &p);
}

static void
spare_later(struct house *h, uint64_t ms)
{
	if (h->spare_timer != 0 || h->stopping)
		return;
	if (loop_timer(h->loop, ms, spare_now, h,
	    &h->spare_timer) != LL_OK)
		h->spare_timer = 0;
}

/* --- accepting --- */

static void watch_sockets(struct house *h, bool on);

static void
accept_again(void *arg)
{
	struct house *h = arg;

	h->accept_timer = 0;
	watch_sockets(h, true);
}

static void
pause_accept(struct house *h, uint64_t ms)
{
	watch_sockets(h, false);
	if (h->accept_timer == 0 && loop_timer(h->loop, ms, accept_again, h,
	    &h->accept_timer) != LL_OK)
		watch_sockets(h, true);
}

/* One line in ten seconds: a flood must not fill the log. */
static void
log_refusal(struct house *h, const struct net_addr *a, enum limits_verdict v)
{
	uint64_t now = loop_now_ms();
	char source[NET_TEXT], more[60] = "";

	if (h->refused_ms != 0 && now - h->refused_ms < REFUSED_LOG_MS) {
		h->refused++;
		return;
	}
	if (h->refused > 0)
		snprintf(more, sizeof(more), " (and %u before)", h->refused);
	net_addr_text(a, source);
	house_say("connection from %s refused: %s%s", source,
	    limits_verdict_text(v), more);
	h->refused_ms = now;
	h->refused = 0;
}

/* RFC 4253 4.2 lets a server send lines before its version. */
static void
turn_away(int tcp)
{
	static const char words[] = "letterlock: too many connections, "
	    "try again later\r\n";

	(void)send(tcp, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(tcp);
}

/* One connection.  LL_AGAIN when there is none, or none may be taken. */
static enum ll_result
accept_one(struct house *h, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	enum limits_verdict v;
	struct net_addr addr;
	void *p = &sa;
	int tcp;

	memset(&sa, 0, sizeof(sa));
	tcp = accept4(fd, p, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (tcp < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accept(h, NO_ROOM_MS);
		return errno == ECONNABORTED || errno == EINTR ? LL_OK :
		    LL_AGAIN;
	}
	if (!net_addr_of(&sa, &addr)) {
		(void)close(tcp);
		return LL_OK;
	}
	v = limits_accept(h->limits, &addr, loop_now_ms());
	if (v == LIMITS_TAKE) {
		hand_over(h, tcp, &addr);
	} else {
		log_refusal(h, &addr, v);
		turn_away(tcp);
	}
	return LL_OK;
}

static void
accept_ready(void *arg, int fd, short revents)
{
	struct house *h = arg;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t wait_ms;

	(void)revents;
	while (poll(&p, 1, 0) == 1) {
		wait_ms = limits_wait(h->limits, loop_now_ms());
		if (wait_ms > 0) {
			pause_accept(h, wait_ms);
			return;
		}
		if (accept_one(h, fd) != LL_OK)
			return;
	}
}

static void
watch_sockets(struct house *h, bool on)
{
	size_t i;

	for (i = 0; i < h->ssh.count; i++)
		if (!on || h->stopping)
			loop_fd_remove(h->loop, h->ssh.fds[i]);
		else if (loop_fd(h->loop, h->ssh.fds[i], POLLIN, accept_ready,
		    h) != LL_OK)
			house_say("%s: no longer served: out of memory",
			    h->ssh.texts[i]);
}

/* Ends connections whose gate should have ended them itself. */
static void
sweep(void *arg)
{
	struct house *h = arg;
	uint64_t now = loop_now_ms(), id, most;
	struct pair *p;

	most = config_number(&h->config, CONFIG_login_grace_secs) * 1000u +
	    GRACE_EXTRA_MS;
	for (p = h->pairs; p != NULL; p = p->next)
		if (p->taken && !p->authenticated && now - p->since_ms > most) {
			p->fault = FAULT_GRACE;
			kill_child(p->gate);
			kill_child(p->session);
		}
	if (!h->stopping && loop_timer(h->loop, SWEEP_MS, sweep, h, &id) !=
	    LL_OK)
		house_say("login grace is left to the gates: out of memory");
}

enum ll_result
pair_listen(struct house *h)
{
	uint64_t id;

	watch_sockets(h, true);
	spare_later(h, SPARE_DELAY_MS);
	return loop_timer(h->loop, SWEEP_MS, sweep, h, &id);
}

void
pair_unlisten(struct house *h)
{
	watch_sockets(h, false);
	listen_close(&h->ssh);
}

/* --- what they say, and their ends --- */

/* Exit statuses of exitcode.h as faults; those not named are none. */
static int
fault_of(int status)
{
	static const struct {
		int code, fault;
	} faults[] = {
		{ CHILD_NO_LOGIN, FAULT_NO_AUTH }, { CHILD_KEX, FAULT_NO_AUTH },
		{ CHILD_AUTH_FAILED, FAULT_AUTH }, { CHILD_GRACE, FAULT_GRACE },
		{ CHILD_VIOLATION, FAULT_VIOLATION }
	};
	size_t i;

	if (WIFSIGNALED(status))
		return FAULT_CRASH;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].code == WEXITSTATUS(status))
			return faults[i].fault;
	return -1;
}

static void
punish(struct pair *p, int fault)
{
	char source[NET_TEXT];

	if (fault < 0 || !limits_fault(p->house->limits, &p->addr,
	    (enum limits_fault)fault, loop_now_ms()))
		return;
	net_addr_text(&p->addr, source);
	house_say("%s is under penalty", source);
}

void
pair_message(struct child *c, struct msg *m)
{
	struct pair *p = c->pair;

	if (c->proc != PROC_SESSION || p == NULL || !p->taken)
		return;
	if (msg_op(m) == OP_AUTHENTICATED && !p->authenticated) {
		p->authenticated = true;
		limits_authenticated(p->house->limits, &p->addr);
	}
}

void
pair_ended(struct child *c, int status)
{
	struct pair *p = c->pair;
	struct child *other;

	if (p == NULL)
		return;
	if (p->taken && !p->house->stopping) {
		if (WIFSIGNALED(status) && p->fault < 0)
			house_say("%s killed by signal %d",
			    proc_table[c->proc].name, WTERMSIG(status));
		/* the graver fault of the two counts, once */
		if (fault_of(status) > p->fault)
			p->fault = fault_of(status);
	} else if (!p->taken && !p->dismissed && !p->house->stopping) {
		house_say("%s ended before a connection came (status %d)",
		    proc_table[c->proc].name, status);
	}
	if (c->proc == PROC_GATE)
		p->gate = NULL;
	else
		p->session = NULL;
	/* a link still here would keep the other from seeing the end */
	close_link(&p->gate_link);
	close_link(&p->session_link);
	spare_later(p->house, p->taken ? SPARE_DELAY_MS : SPARE_AGAIN_MS);
	other = p->gate != NULL ? p->gate : p->session;
	if (other != NULL) {
		if (!other->configured)
			kill_child(other);
		return;
	}
	if (p->taken) {
		limits_gone(p->house->limits, &p->addr, p->authenticated);
		if (!p->house->stopping)
			punish(p, p->fault);
	}
	pair_free(p);
}

void
pair_store_back(struct house *h)
{
	struct pair *p;

	for (p = h->pairs; p != NULL; p = p->next) {
		if (p->session == NULL)
			continue;
		house_ask_cancel(h, p->session);
		if (ask_session_store(p) != LL_OK)
			kill_child(p->session);
	}
}

void
pair_stop(struct house *h, bool taken_too)
{
	struct pair *p;
	struct msg *m;

	for (p = h->pairs; p != NULL; p = p->next) {
		if (!p->taken) {
			p->dismissed = true;
			kill_child(p->gate);
			kill_child(p->session);
		} else if (taken_too && p->session != NULL &&
		    msg_create(MSG_EVENT, OP_STOP, &m) == LL_OK) {
			house_send(p->session, m);
		}
		if (p->taken && taken_too && p->gate != NULL &&
		    msg_create(MSG_EVENT, OP_STOP, &m) == LL_OK)
			house_send(p->gate, m);
	}
}
