#include "server/parsing.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARSING_MS 120000        /* the longest job */

static void
on_late(void *arg)
{
	struct parsing *p = arg;

	p->timer = 0;
	if (p->pid > 0)
		(void)kill(p->pid, SIGKILL);
}

static struct parsing *
find(struct house *h, pid_t pid)
{
	size_t i;

	for (i = 0; i < PARSING_MAX; i++)
		if (h->parsing[i].pid == pid)
			return &h->parsing[i];
	return NULL;
}

static size_t
count(const struct house *h)
{
	size_t i, n = 0;

	for (i = 0; i < PARSING_MAX; i++)
		n += h->parsing[i].pid != 0 ? 1 : 0;
	return n;
}

static enum ll_result
watch(struct parsing *p, struct house *h)
{
	p->house = h;
	if (loop_timer(h->loop, PARSING_MS, on_late, p, &p->timer) != LL_OK)
		(void)kill(p->pid, SIGKILL);
	return LL_OK;
}

/* fds_r: the wire's end, and for a submitter before it its agent channel's. */
static enum ll_result
start(struct house *h, enum proc what, size_t places, int fds_r[2])
{
	struct parsing *p = find(h, 0);
	int wire[2], agent[2] = { -1, -1 };
	enum ll_result r = LL_OK;

	if (p == NULL || h->stopping || count(h) >= places)
		return LL_BUSY;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire) != 0)
		return LL_IO;
	if (what == PROC_SUBMIT)
		r = chan_pair(agent);
	if (r == LL_OK)
		r = proc_spawn_wire(h->paths[what], &h->owners[what],
		    what == PROC_SUBMIT ? "exec" : NULL, agent[1], wire[1],
		    what == PROC_SUBMIT, &p->pid);
	(void)close(wire[1]);
	if (agent[1] >= 0)
		(void)close(agent[1]);
	if (r == LL_OK) {
		fds_r[0] = what == PROC_SUBMIT ? agent[0] : wire[0];
		fds_r[1] = what == PROC_SUBMIT ? wire[0] : -1;
		return watch(p, h);
	}
	p->pid = 0;
	(void)close(wire[0]);
	if (agent[0] >= 0)
		(void)close(agent[0]);
	return r;
}

void
parsing_start(struct child *c, const struct msg *m)
{
	struct msg *reply;
	int fds[2] = { -1, -1 };
	enum ll_result r;
	size_t i;

	r = start(c->house, msg_op(m) == OP_SUBMITTER ? PROC_SUBMIT :
	    PROC_PARSE, c->proc == PROC_PORTAL ? PARSING_MAX / 2 :
	    PARSING_MAX, fds);
	if (msg_reply(m, r, &reply) != LL_OK)
		reply = NULL;
	for (i = 0; i < 2; i++)
		if (fds[i] >= 0 && reply != NULL)
			msg_put_fd(reply, fds[i]);
		else if (fds[i] >= 0)
			(void)close(fds[i]);
	if (reply != NULL)
		house_send(c, reply);
}

void
parsing_ended(struct house *h, pid_t pid)
{
	struct parsing *p = find(h, pid);

	if (p == NULL)
		return;
	p->pid = 0;
	if (p->timer != 0)
		loop_timer_remove(h->loop, p->timer);
	p->timer = 0;
}
