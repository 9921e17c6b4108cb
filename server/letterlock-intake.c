/*
 * letterlock-intake - a milter beside the mail server next door: mail to staff
 * that is encrypted, or answers a message of ours, is sealed and taken over;
 * mail that staff mark goes out as a message of theirs.
 *
 * A thread for each connection, as libmilter does it.  Holds no key of any
 * reader, only the organisation's own.  The mail server waits until the store
 * has committed: what the store cannot take now stays in the mail server's
 * hands.  Mail is taken apart by letterlock-parse only; letterlockd starts it
 * on request, because a program that reads mail of strangers shall be able to
 * execute nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/clean.h"
#include "keys/parse.h"
#include "keys/sandbox.h"
#include "server/exitcode.h"
#include "server/intake_house.h"
#include "server/intake_milter.h"
#include "server/intake_wire.h"
#include "store/loop.h"

#define LOOK_MS 50
#define RELOAD_MS 10000          /* for the mails under way, at most */
#define STOP_MS 4000

/* Files are never opened: blobs come as descriptors.  The milter's socket is
 * open before. */
static const struct sandbox intake_sandbox = {
	.program = "letterlock-intake",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_ACCEPT |
	    SANDBOX_SOCKOPT | SANDBOX_SOCKPAIR,
	.open_files = 1024,
};

static bool
take_channel(struct intake *x, struct msg *m)
{
	int fd = msg_take_fd(m, 0);

	if (fd >= 0)
		portal_store_attach(x->store, fd);
	return fd >= 0;
}

/* No new mails; those under way may end. */
static void
begin_end(struct intake *x, uint64_t *end_ms, uint64_t within_ms)
{
	uint64_t end = loop_now_ms() + within_ms;

	pthread_mutex_lock(&x->lock);
	x->closing = true;
	pthread_mutex_unlock(&x->lock);
	if (*end_ms == 0 || end < *end_ms)
		*end_ms = end;
}

static enum ll_result
next_message(struct intake *x, struct msg **m_r)
{
	enum ll_result r = LL_OK;

	pthread_mutex_lock(&x->lock);
	if (chan_pending(x->child.daemon))
		r = chan_flush(x->child.daemon);
	if (r == LL_OK || r == LL_AGAIN)
		r = chan_recv(x->child.daemon, m_r);
	pthread_mutex_unlock(&x->lock);
	return r;
}

static void
from_daemon(struct intake *x, uint64_t *end_ms)
{
	struct msg *m = NULL;
	enum ll_result r;

	while ((r = next_message(x, &m)) == LL_OK) {
		if (msg_op(m) == OP_NEW_STORE)
			(void)take_channel(x, m);
		else if (msg_op(m) == OP_PARSER || msg_op(m) == OP_SUBMITTER)
			intake_wire_came(x, m);
		else if (msg_op(m) == OP_STOP)
			begin_end(x, end_ms, STOP_MS);
		else if (msg_op(m) == OP_RELOAD)
			begin_end(x, end_ms, RELOAD_MS);
		msg_destroy(m);
	}
	if (r != LL_AGAIN)
		*end_ms = loop_now_ms();
}

static bool
is_over(struct intake *x, uint64_t end_ms)
{
	bool idle;

	if (end_ms == 0)
		return false;
	pthread_mutex_lock(&x->lock);
	idle = x->mails == 0;
	pthread_mutex_unlock(&x->lock);
	return idle || loop_now_ms() >= end_ms;
}

static void
serve(struct intake *x)
{
	struct pollfd p[3];
	uint64_t end_ms = 0;

	while (!is_over(x, end_ms)) {
		portal_store_poll(x->store, p);
		p[2].fd = chan_fd(x->child.daemon);
		p[2].events = POLLIN;
		if (poll(p, 3, end_ms != 0 ? LOOK_MS : -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		portal_store_pump(x->store, p);
		if (p[2].revents != 0)
			from_daemon(x, &end_ms);
	}
}

/* What the configuration says, checked; *why_r names the line at fault. */
static enum ll_result
configure(struct intake *x, const char **why_r)
{
	const char *why;
	uint64_t most;

	*why_r = "mail_from: an e-mail address";
	if (clean_address(child_config(&x->child, "mail_from"), x->bounces,
	    &why) != LL_OK)
		return LL_USAGE;
	most = strtoull(child_config(&x->child, "attachment_max"), NULL, 10);
	/* what letterlock-parse could not open is not taken either */
	x->most = most < PARSE_DATA_MAX ? most : PARSE_DATA_MAX;
	x->submits = strcmp(child_config(&x->child, "intake_marked"), "yes")
	    == 0;
	x->hold = strcmp(child_config(&x->child, "intake_hold"), "yes") == 0;
	x->secure_to = child_config(&x->child, "secure_to");
	x->secure_from = child_config(&x->child, "secure_from");
	x->secure_rules = child_config(&x->child, "secure_rules");
	*why_r = "the house's key is missing";
	if (child_key(&x->child, LABEL_ROOT_INTAKE, &x->key) != LL_OK ||
	    intake_house_begin(x) != LL_OK)
		return LL_USAGE;
	*why_r = "no store came on descriptor 3";
	return take_channel(x, x->child.configure) ? LL_OK : LL_USAGE;
}

static enum ll_result
start(struct intake *x, const char **why_r)
{
	pthread_t thread;
	enum ll_result r;

	r = intake_milter_open(x, child_config(&x->child, "intake_listen"),
	    why_r);
	if (r == LL_OK)
		r = sandbox_enter(&intake_sandbox, NULL, why_r);
	if (r == LL_OK) {
		*why_r = "no thread can be started";
		r = pthread_create(&thread, NULL, intake_milter_serve, x) == 0 ?
		    LL_OK : LL_NOMEM;
	}
	return r == LL_OK ? child_ready(&x->child) : r;
}

int
main(void)
{
	static struct intake x = {
		.parsing = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.submitting = PTHREAD_MUTEX_INITIALIZER,
		.wire_came = PTHREAD_COND_INITIALIZER,
	};
	const char *why = "no configuration came on descriptor 3";
	enum ll_result r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	r = secret_setup(65536);
	if (r != LL_OK) {
		fprintf(stderr, "letterlock-intake: no locked memory\n");
		return CHILD_USAGE;
	}
	r = portal_store_create(&x.store);
	if (r == LL_OK)
		r = child_open(&x.child, CHILD_FD, 30000);
	if (r == LL_OK)
		r = configure(&x, &why);
	if (r == LL_OK)
		r = start(&x, &why);
	if (r == LL_OK)
		serve(&x);
	else
		fprintf(stderr, "letterlock-intake: %s\n",
		    why != NULL ? why : ll_result_text(r));
	/* libmilter's threads end with the process: they wait for mail
	 * servers, which find out that way and come again */
	_exit(r == LL_OK ? CHILD_DONE : CHILD_USAGE);
}
