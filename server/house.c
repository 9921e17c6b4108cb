#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/house.h"
#include "server/pair.h"
#include "server/parsing.h"
#include "server/service.h"

void
house_say(const char *format, ...)
{
	char line[1400] = "letterlockd: ";
	size_t head = strlen(line), len;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line + head, sizeof(line) - head - 1, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = strlen(line);
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len);
}

/* --- channels to the store --- */

static void
ask_send(struct house *h, struct store_ask *a)
{
	struct msg *m;

	if (msg_create(MSG_REQUEST, OP_CHANNEL_NEW, &m) != LL_OK)
		return;
	if (++h->sequence == 0)
		h->sequence = 1;
	a->sequence = h->sequence;
	msg_set_sequence(m, a->sequence);
	msg_put_u64(m, F_ROLE, a->role);
	if (chan_send(h->store, m) != LL_OK)
		a->sequence = 0;
}

enum ll_result
house_ask_store(struct house *h, enum peer_role role, house_store_fn *fn,
    void *arg)
{
	struct store_ask *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return LL_NOMEM;
	a->role = role;
	a->fn = fn;
	a->arg = arg;
	a->next = h->asks;
	h->asks = a;
	if (h->store_up)
		ask_send(h, a);
	return LL_OK;
}

void
house_ask_cancel(struct house *h, const void *arg)
{
	struct store_ask **at = &h->asks, *a;

	while ((a = *at) != NULL) {
		if (a->arg == arg) {
			*at = a->next;
			free(a);
		} else {
			at = &a->next;
		}
	}
}

static void
ask_answer(struct house *h, struct msg *m)
{
	struct store_ask **at = &h->asks, *a;
	int fd = msg_take_fd(m, 0);

	while ((a = *at) != NULL && (a->sequence == 0 ||
	    a->sequence != msg_sequence(m)))
		at = &a->next;
	if (a == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	*at = a->next;
	a->fn(a->arg, fd);
	free(a);
}

void
house_store_lost(struct house *h)
{
	struct store_ask *a;
	struct child *c;

	if (h->store == NULL)
		return;
	loop_fd_remove(h->loop, chan_fd(h->store));
	chan_destroy(h->store);
	h->store = NULL;
	h->store_up = false;
	for (a = h->asks; a != NULL; a = a->next)
		a->sequence = 0;
	for (c = h->children; c != NULL; c = c->next)
		if (c->store_fd >= 0) {
			(void)close(c->store_fd);
			c->store_fd = -1;
		}
}

static void
store_message(void *arg, int fd, short revents)
{
	struct house *h = arg;
	struct msg *m = NULL;
	enum ll_result r;

	(void)fd;
	(void)revents;
	r = chan_flush(h->store);
	while (r == LL_OK) {
		r = chan_recv(h->store, &m);
		if (r == LL_OK && msg_kind(m) == MSG_REPLY &&
		    msg_op(m) == OP_CHANNEL_NEW)
			ask_answer(h, m);
		msg_destroy(m);
		m = NULL;
	}
	if (r != LL_AGAIN)
		house_store_lost(h);
}

/* --- children --- */

static void
child_unlink(struct child *c)
{
	struct child **at = &c->house->children;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void
child_close(struct child *c)
{
	if (c->chan == NULL)
		return;
	loop_fd_remove(c->house->loop, chan_fd(c->chan));
	chan_destroy(c->chan);
	c->chan = NULL;
}

static void
child_free(struct child *c)
{
	house_ask_cancel(c->house, c);
	child_close(c);
	if (c->store_fd >= 0)
		(void)close(c->store_fd);
	child_unlink(c);
	free(c);
}

static void
child_readable(void *arg, int fd, short revents)
{
	struct child *c = arg;
	struct msg *m = NULL;
	enum ll_result r = chan_flush(c->chan);

	(void)fd;
	(void)revents;
	if (r == LL_OK && !chan_pending(c->chan))
		r = loop_fd(c->house->loop, chan_fd(c->chan), POLLIN,
		    child_readable, c);
	while (r == LL_OK) {
		r = chan_recv(c->chan, &m);
		if (r == LL_OK) {
			if (proc_table[c->proc].service)
				service_message(c, m);
			else
				pair_message(c, m);
		}
		msg_destroy(m);
		m = NULL;
		if (c->chan == NULL)
			return;
	}
	if (r == LL_AGAIN)
		return;
	if (r != LL_EOF && c->pid > 0)
		(void)kill(c->pid, SIGKILL);
	child_close(c);
}

void
house_send(struct child *c, struct msg *m)
{
	enum ll_result r;

	if (c->chan == NULL) {
		msg_destroy(m);
		return;
	}
	r = chan_send(c->chan, m);
	if (r == LL_OK && chan_pending(c->chan))
		r = loop_fd(c->house->loop, chan_fd(c->chan),
		    POLLIN | POLLOUT, child_readable, c);
	if (r != LL_OK && r != LL_EOF && c->pid > 0)
		(void)kill(c->pid, SIGKILL);
}

enum ll_result
house_child(struct house *h, enum proc p, struct child **child_r)
{
	struct child *c = calloc(1, sizeof(*c));
	int fds[2] = { -1, -1 };
	enum ll_result r;

	*child_r = NULL;
	if (c == NULL)
		return LL_NOMEM;
	c->house = h;
	c->proc = p;
	c->store_fd = -1;
	c->started_ms = loop_now_ms();
	r = chan_pair(fds);
	if (r)
		goto fail;
	r = proc_spawn(h->paths[p], &h->owners[p], fds[1], &c->pid);
	(void)close(fds[1]);
	if (r) {
		(void)close(fds[0]);
		goto fail;
	}
	/* from here on SIGCHLD will tell of its end */
	c->next = h->children;
	h->children = c;
	r = chan_create(fds[0], &c->chan);
	if (r == LL_OK)
		r = loop_fd(h->loop, chan_fd(c->chan), POLLIN, child_readable,
		    c);
	if (r) {
		(void)kill(c->pid, SIGKILL);
		return r;
	}
	*child_r = c;
	return LL_OK;
fail:
	free(c);
	return r;
}

/* Descriptors of the daemon's own channel to a store that is ready. */
enum ll_result
house_store_open(struct house *h, int fd)
{
	enum ll_result r;

	house_store_lost(h);
	r = chan_create(fd, &h->store);
	if (r)
		return r;
	r = loop_fd(h->loop, chan_fd(h->store), POLLIN, store_message, h);
	if (r)
		house_store_lost(h);
	return r;
}

void
house_store_ready(struct house *h)
{
	struct store_ask *a;

	h->store_up = h->store != NULL;
	for (a = h->asks; a != NULL && h->store_up; a = a->next)
		ask_send(h, a);
}

static struct child *
child_of(struct house *h, pid_t pid)
{
	struct child *c;

	for (c = h->children; c != NULL; c = c->next)
		if (c->pid == pid)
			return c;
	return NULL;
}

void
house_reap(struct house *h)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		c = child_of(h, pid);
		if (c == NULL) {
			parsing_ended(h, pid);
			continue;
		}
		c->pid = 0;
		/* what it still said: a session's last words count */
		if (c->chan != NULL)
			child_readable(c, chan_fd(c->chan), POLLIN);
		if (proc_table[c->proc].service)
			service_ended(c, status);
		else
			pair_ended(c, status);
		child_free(c);
	}
	if (h->stopping)
		service_stop_step(h);
}

void
house_kill_all(struct house *h, bool store_too)
{
	struct child *c;

	for (c = h->children; c != NULL; c = c->next)
		if (c->pid > 0 && (store_too || c->proc != PROC_STORE))
			(void)kill(c->pid, SIGKILL);
}

void
house_finish(struct house *h)
{
	struct store_ask *a;

	while (h->children != NULL)
		child_free(h->children);
	house_store_lost(h);
	while ((a = h->asks) != NULL) {
		h->asks = a->next;
		free(a);
	}
	listen_close(&h->ssh);
	listen_close(&h->portal);
	limits_destroy(h->limits);
	secret_finish(&h->root);
	secret_finish(&h->host_seed);
	config_finish(&h->config);
	loop_destroy(h->loop);
}
