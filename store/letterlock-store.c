/*
 * letterlock-store: the only process that has the database open.
 *
 * Descriptor 3 is the control channel of who started it (letterlockd, or the
 * local command): CONFIGURE comes over it with one descriptor, the first
 * channel, which is the daemon's own (CONFIG role=daemon) or the local
 * command's (role=local).  All other channels are made over those.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "keys/sandbox.h"
#include "store/serve.h"
#include "store/setup.h"
#include "store/sweep.h"

#define CONTROL_FD 3
#define CONFIGURE_MS 30000
#define SECRETS_BYTES (512 * 1024)
#define FILES_MAX 65536

static const struct sandbox box = {
	.program = "letterlock-store",
	.calls = SANDBOX_BASE | SANDBOX_FILES | SANDBOX_SOCKPAIR,
	.no_children = true,
};

static void
on_parent(void *arg, int fd, short revents)
{
	struct store *s = arg;
	enum ll_result r;
	struct msg *m;

	(void)revents;
	while ((r = chan_recv(s->parent, &m)) == LL_OK) {
		if (msg_op(m) == OP_STOP)
			loop_stop(s->loop);
		msg_destroy(m);
	}
	if (r == LL_AGAIN)
		return;
	loop_fd_remove(s->loop, fd);
	loop_stop(s->loop);
}

static enum ll_result
tell_ready(struct store *s)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_EVENT, OP_READY, &m);
	return r == LL_OK ? chan_send(s->parent, m) : r;
}

/* The first leaf of this run, and the timers. */
static enum ll_result
begin(struct store *s)
{
	struct leaf leaf = { .event = EVENT_STORE_STARTED };
	enum ll_result r;

	r = serve_job(s);
	if (r == LL_OK) {
		r = log_append(s, store_now(), &leaf);
		serve_job_end(s, r);
	}
	serve_after(s);
	if (r == LL_OK)
		r = sweep_start(s);
	if (r == LL_OK)
		r = loop_fd(s->loop, chan_fd(s->parent), POLLIN, on_parent,
		    s);
	return r;
}

static enum ll_result
serve(struct store *s, int first, enum peer_role role, const char **why_r)
{
	struct sandbox_path paths[] = {
		{ .path = s->path, .write = true }, { .path = NULL }
	};
	struct peer *p;
	enum ll_result r;

	r = sandbox_enter(&box, paths, why_r);
	if (r != LL_OK) {
		(void)close(first);
		return r;
	}
	*why_r = "it could not begin to serve";
	loop_after(s->loop, serve_after, s);
	r = serve_add(s, first, role, &p);
	if (r == LL_OK)
		r = begin(s);
	if (r == LL_OK)
		r = tell_ready(s);
	if (r == LL_OK)
		r = loop_run(s->loop);
	return r;
}

static enum ll_result
configure(struct store *s, int *first_r, enum peer_role *role_r,
    const char **why_r)
{
	struct msg *m;
	enum ll_result r;

	*why_r = "no CONFIGURE came on descriptor 3";
	r = chan_create(CONTROL_FD, &s->parent);
	if (r == LL_OK)
		r = chan_wait(s->parent, CONFIGURE_MS, &m);
	if (r != LL_OK)
		return r;
	r = LL_PROTO;
	if (msg_op(m) == OP_CONFIGURE) {
		*first_r = msg_take_fd(m, 0);
		r = setup_configure(s, m, role_r, why_r);
	}
	if (r == LL_OK && *first_r < 0)
		r = LL_PROTO;
	msg_destroy(m);
	return r;
}

/* A terminal's Ctrl-C is for letterlockd, which then says STOP: commits are
 * finished first.  Each login takes a few descriptors. */
static void
prepare(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct rlimit files;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max :
	    FILES_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int
main(void)
{
	static struct store s = { .data = -1, .blobs = -1, .lock = -1 };
	const char *why = "not enough lockable memory (RLIMIT_MEMLOCK)";
	enum peer_role role = PEER_DAEMON;
	enum ll_result r;
	int first = -1;

	prepare();
	r = secret_setup(SECRETS_BYTES);
	if (r == LL_OK)
		r = configure(&s, &first, &role, &why);
	if (r == LL_OK)
		r = setup_open(&s, &why);
	if (r == LL_OK)
		r = serve(&s, first, role, &why);
	else if (first >= 0)
		(void)close(first);
	if (r != LL_OK)
		(void)fprintf(stderr, "letterlock-store: %s (%s)\n", why,
		    ll_result_text(r));
	setup_close(&s);
	return r == LL_OK ? 0 : 1;
}
