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
start(struct house *h, size_t places, int *fd_r)
{
	struct parsing *p = find(h, 0);
	enum ll_result r;
	int fds[2];

	if (p == NULL || h->stopping || count(h) >= places)
		return LL_BUSY;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return LL_IO;
	r = proc_spawn_wire(h->paths[PROC_PARSE], &h->owners[PROC_PARSE],
	    fds[1], &p->pid);
	(void)close(fds[1]);
	if (r != LL_OK) {
		p->pid = 0;
		(void)close(fds[0]);
		return r;
	}
	p->house = h;
	if (loop_timer(h->loop, PARSING_MS, on_late, p, &p->timer) != LL_OK)
		(void)kill(p->pid, SIGKILL);
	*fd_r = fds[0];
	return LL_OK;
}

void
parsing_start(struct child *c, const struct msg *m)
{
	struct msg *reply;
	enum ll_result r;
	int fd = -1;

	r = start(c->house, c->proc == PROC_PORTAL ? PARSING_MAX / 2 :
	    PARSING_MAX, &fd);
	if (msg_reply(m, r, &reply) != LL_OK) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (fd >= 0)
		msg_put_fd(reply, fd);
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
