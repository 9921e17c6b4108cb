#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/control.h"
#include "server/service.h"

#define CONTROL_CLIENTS 16

struct client {
	struct client *next;
	struct control *control;
	struct chan *chan;
	struct msg *waiting;         /* a CHANNEL_NEW that the store has */
};

struct control {
	struct house *house;
	int fd;
	char path[FILE_PATH_MAX];
	struct client *clients;
	unsigned count;
};

static void
client_free(struct client *c)
{
	struct control *k = c->control;
	struct client **at = &k->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	k->count--;
	house_ask_cancel(k->house, c);
	loop_fd_remove(k->house->loop, chan_fd(c->chan));
	chan_destroy(c->chan);
	msg_destroy(c->waiting);
	free(c);
}

static void
answer(struct client *c, const struct msg *request, enum ll_result r, int fd)
{
	struct msg *m;

	if (msg_reply(request, r, &m) != LL_OK) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (fd >= 0)
		msg_put_fd(m, fd);
	/* a reader that is gone shows at the next read */
	(void)!chan_send(c->chan, m);
}

static void
store_arrived(void *arg, int fd)
{
	struct client *c = arg;

	answer(c, c->waiting, fd >= 0 ? LL_OK : LL_BUSY, fd);
	msg_destroy(c->waiting);
	c->waiting = NULL;
}

static void
put_row(struct msg *m, const char *name, const char *detail)
{
	msg_begin(m, F_ROW);
	msg_put_text(m, F_NAME, name);
	msg_put_text(m, F_DETAIL, detail);
	msg_end(m);
}

static void
put_count(struct msg *m, const char *name, unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	put_row(m, name, text);
}

/* The daemon's part of `letterlock status`. */
static void
answer_status(struct client *c, const struct msg *request)
{
	struct house *h = c->control->house;
	unsigned sessions, startups, penalties;
	struct msg *m;
	size_t i;

	if (msg_reply(request, LL_OK, &m) != LL_OK)
		return;
	limits_counts(h->limits, loop_now_ms(), &sessions, &startups,
	    &penalties);
	for (i = 0; i < h->ssh.count; i++)
		put_row(m, "ssh", h->ssh.texts[i]);
	for (i = 0; i < h->portal.count; i++)
		put_row(m, "portal", h->portal.texts[i]);
	put_row(m, "portal_url", config_text(&h->config, CONFIG_portal_url));
	put_count(m, "connections", sessions);
	put_count(m, "logging_in", startups);
	put_count(m, "penalties", penalties);
	for (i = 0; i < PROC_GATE; i++)
		if (proc_wanted(i, &h->config))
			put_row(m, proc_table[i].name,
			    h->services[i].child == NULL ? "down" :
			    h->services[i].child->ready ? "up" : "starting");
	(void)!chan_send(c->chan, m);
}

/* True when the request was one of ours. */
static bool
client_request(struct client *c, struct msg **m)
{
	struct house *h = c->control->house;

	switch (msg_op(*m)) {
	case OP_CHANNEL_NEW:
		if (c->waiting != NULL)
			return false;
		c->waiting = *m;
		*m = NULL;
		if (h->stopping || house_ask_store(h, PEER_LOCAL,
		    store_arrived, c) != LL_OK)
			store_arrived(c, -1);
		return true;
	case OP_SERVER_STATUS:
		answer_status(c, *m);
		return true;
	case OP_STOP_SERVER:
		answer(c, *m, LL_OK, -1);
		house_say("stopping: asked by the local command");
		service_stop(h);
		return true;
	default:
		return false;
	}
}

static void
client_readable(void *arg, int fd, short revents)
{
	struct client *c = arg;
	enum ll_result r = chan_flush(c->chan);
	struct msg *m = NULL;

	(void)fd;
	(void)revents;
	while (r == LL_OK) {
		r = chan_recv(c->chan, &m);
		if (r == LL_OK && (msg_kind(m) != MSG_REQUEST ||
		    !client_request(c, &m)))
			r = LL_PROTO;
		msg_destroy(m);
		m = NULL;
	}
	if (r != LL_AGAIN)
		client_free(c);
}

/* Our own user's, the one the store runs as, or root. */
static bool
is_welcome(const struct control *k, int fd)
{
	const struct proc_owner *o = &k->house->owners[PROC_STORE];
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid() ||
	    (!o->keep && cred.uid == o->uid);
}

static void
control_accept(void *arg, int listen_fd, short revents)
{
	struct control *k = arg;
	struct client *c;
	int fd;

	(void)revents;
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (k->count >= CONTROL_CLIENTS || !is_welcome(k, fd)) {
		(void)close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL || chan_create(fd, &c->chan) != LL_OK) {
		if (c == NULL)
			(void)close(fd);
		free(c);
		return;
	}
	c->control = k;
	c->next = k->clients;
	k->clients = c;
	k->count++;
	if (loop_fd(k->house->loop, fd, POLLIN, client_readable, c) != LL_OK)
		client_free(c);
}

/* sun_path is short; a long data directory is reached through a descriptor of
 * DIR/run. */
static enum ll_result
bind_socket(struct control *k, const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const void *p = &sa;
	mode_t old;
	int n, bound;

	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/control.sock", dir);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return LL_IO;
	}
	(void)unlink(k->path);
	old = umask(0177);
	bound = bind(k->fd, p, sizeof(sa));
	(void)umask(old);
	if (bound != 0 || listen(k->fd, CONTROL_CLIENTS) != 0)
		return LL_IO;
	return LL_OK;
}

enum ll_result
control_open(struct house *h, char *why)
{
	const struct proc_owner *o = &h->owners[PROC_STORE];
	struct control *k = calloc(1, sizeof(*k));
	char dir[FILE_PATH_MAX];
	enum ll_result r;

	if (k == NULL)
		return LL_NOMEM;
	h->control = k;
	k->house = h;
	k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = k->fd < 0 ? LL_IO : LL_OK;
	if (r == LL_OK)
		r = file_path(config_text(&h->config, CONFIG_data), "run", dir);
	if (r == LL_OK)
		r = file_path(dir, "control.sock", k->path);
	if (r == LL_OK)
		r = file_mkdir(dir, 0700);
	if (r == LL_OK)
		r = bind_socket(k, dir);
	if (r == LL_OK && !o->keep && (chown(dir, o->uid, o->gid) != 0 ||
	    chown(k->path, o->uid, o->gid) != 0))
		r = LL_IO;
	if (r == LL_OK)
		r = loop_fd(h->loop, k->fd, POLLIN, control_accept, k);
	if (r)
		snprintf(why, CONFIG_WHY, "%.1000s: %s", k->path,
		    r == LL_IO ? strerror(errno) : ll_result_text(r));
	return r;
}

void
control_close(struct house *h)
{
	struct control *k = h->control;

	if (k == NULL)
		return;
	h->control = NULL;
	while (k->clients != NULL)
		client_free(k->clients);
	if (k->fd >= 0) {
		loop_fd_remove(h->loop, k->fd);
		(void)close(k->fd);
		(void)unlink(k->path);
	}
	free(k);
}
