/*
 * letterlock-relay - hands notifications to the mail server next door.
 *
 * Holds the queue key and nothing else of worth; the only program with
 * libcurl.  One lease at a time: rows are opened, handed over and their
 * outcome recorded, one by one.  Killed between the two it repeats a row, with
 * the same Message-ID.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sodium.h>

#include "keys/sandbox.h"
#include "server/child.h"
#include "server/exitcode.h"
#include "server/relay_queue.h"
#include "server/relay_send.h"
#include "store/loop.h"

#define LEASE_ROWS 8
#define LEASE_SAFE_MS 25000        /* a hand-over may still take 90 of 120 s */
#define STORE_MS 20000
#define IDLE_MAX_MS 60000
#define AGAIN_MS 1000

/* The resolver and libcurl read these; nothing is written, unless the relay is
 * a directory. */
static const struct sandbox relay_sandbox = {
	.program = "letterlock-relay",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_READ | SANDBOX_NET |
	    SANDBOX_SOCKOPT | SANDBOX_SOCKPAIR,
	.open_files = 64,
};

static const struct sandbox relay_dir_sandbox = {
	.program = "letterlock-relay",
	.calls = SANDBOX_BASE | SANDBOX_FILES,
	.open_files = 32,
};

struct relay {
	struct child child;
	struct chan *store;
	struct secret root;
	struct relay_way *way;
	struct mail_settings mail;
	bool stop, due, more;
	uint64_t next_ms;          /* when to look again */
	uint64_t key_day;          /* pairs exist for this day and the next */
};

static void
take_store(struct relay *x, struct msg *m)
{
	int fd = msg_take_fd(m, 0);

	chan_destroy(x->store);
	x->store = NULL;
	if (fd >= 0 && chan_create(fd, &x->store) == LL_OK) {
		x->due = true;
		x->key_day = 0;
	}
}

/* letterlockd's messages; false when it is gone. */
static bool
from_daemon(struct relay *x)
{
	struct msg *m = NULL;
	enum ll_result r;

	while ((r = chan_recv(x->child.daemon, &m)) == LL_OK) {
		if (msg_op(m) == OP_NEW_STORE)
			take_store(x, m);
		/* A new configuration is taken up by a new process: this one
		 * can no longer read a password file. */
		else if (msg_op(m) == OP_STOP || msg_op(m) == OP_RELOAD)
			x->stop = true;
		msg_destroy(m);
	}
	return r == LL_AGAIN;
}

/* Looks at the control channel without waiting, between two hand-overs. */
static bool
may_go_on(struct relay *x)
{
	if (!from_daemon(x))
		x->stop = true;
	return !x->stop && x->store != NULL;
}

static void
lost_store(struct relay *x)
{
	chan_destroy(x->store);
	x->store = NULL;
}

/* Asks the store; a channel that broke is dropped until a new one comes. */
static enum ll_result
ask(struct relay *x, struct msg *request, struct msg **reply_r)
{
	struct msg *reply = NULL;
	enum ll_result r;

	if (x->store == NULL) {
		msg_destroy(request);
		return LL_EOF;
	}
	r = chan_call(x->store, request, STORE_MS, &reply);
	if (r != LL_OK) {
		lost_store(x);
		return LL_EOF;
	}
	r = msg_result(reply);
	if (r == LL_OK && reply_r != NULL)
		*reply_r = reply;
	else
		msg_destroy(reply);
	return r;
}

/* Today's and tomorrow's key pairs; the store keeps the first of a day. */
static enum ll_result
provide_keys(struct relay *x)
{
	uint64_t today = (uint64_t)time(NULL) / QUEUE_DAY_SECS, day;
	struct msg *m = NULL;
	enum ll_result r;

	if (x->key_day == today)
		return LL_OK;
	for (day = today; day <= today + 1; day++) {
		r = queue_key_request(&x->root, day, &m);
		if (r != LL_OK)
			return r;
		r = ask(x, m, NULL);
		if (r != LL_OK && r != LL_CONFLICT && r != LL_USED)
			return r;
	}
	x->key_day = today;
	return LL_OK;
}

static enum ll_result
record(struct relay *x, struct tlv_view row, const struct relay_outcome *o)
{
	struct msg *m = NULL;
	struct id id;
	enum ll_result r;

	if (!view_id(row, F_QUEUE_ID, &id))
		return LL_PROTO;
	r = msg_create(MSG_REQUEST, OP_QUEUE_RESULT, &m);
	if (r != LL_OK)
		return r;
	msg_put_id(m, F_QUEUE_ID, &id);
	msg_put_u64(m, F_STATE, o->outcome);
	msg_put_text(m, F_DETAIL, o->words);
	return ask(x, m, NULL);
}

/* The finished mail of a row, from the store. */
static enum ll_result
open_mail(struct relay *x, struct tlv_view row, const struct queue_mail *mail,
    struct relay_stream **s_r)
{
	struct msg *m = NULL, *reply = NULL;
	const uint8_t *data;
	struct id id;
	size_t len = 0;
	enum ll_result r;
	int fd;

	if (!view_id(row, F_QUEUE_ID, &id))
		return LL_PROTO;
	r = msg_create(MSG_REQUEST, OP_QUEUE_BLOB, &m);
	if (r != LL_OK)
		return r;
	msg_put_id(m, F_QUEUE_ID, &id);
	r = ask(x, m, &reply);
	if (r != LL_OK)
		return r;
	data = view_bytes(msg_view(reply), F_DATA, &len);
	fd = data == NULL ? msg_take_fd(reply, 0) : -1;
	if (data == NULL && fd < 0)
		r = LL_IO;
	else
		r = relay_stream_open(mail, data, len, fd, s_r);
	msg_destroy(reply);
	return r;
}

static void
send_mail(struct relay *x, struct tlv_view row, const struct queue_row *q,
    struct relay_outcome *o_r)
{
	struct relay_source mail = { NULL, 0, NULL, q->mail.hash };
	struct id id;
	enum ll_result r;

	r = open_mail(x, row, &q->mail, &mail.stream);
	if (r == LL_OK && view_id(row, F_QUEUE_ID, &id))
		relay_way_send(x->way, q->to, &id, &mail, o_r);
	else
		relay_stream_failed(r == LL_PROTO ? LL_AUTH : r, o_r);
	relay_stream_close(mail.stream);
}

static enum ll_result
send_notice(struct relay *x, struct tlv_view row, const struct queue_row *q,
    struct relay_outcome *o_r, const char **why_r)
{
	struct relay_source mail = { NULL, 0, NULL, NULL };
	char *text = NULL;
	struct id id;
	enum ll_result r;

	r = mail_build(&q->notice, &x->mail, &text, &mail.len, why_r);
	if (r != LL_OK || !view_id(row, F_QUEUE_ID, &id))
		return r;
	mail.mail = text;
	relay_way_send(x->way, q->to, &id, &mail, o_r);
	sodium_memzero(text, mail.len);
	free(text);
	return LL_OK;
}

/* One row: opened, built, handed over. */
static void
hand_over(struct relay *x, struct tlv_view row, struct relay_outcome *o_r)
{
	const char *why = "the queue row cannot be opened";
	struct queue_row q;
	enum ll_result r;

	memset(o_r, 0, sizeof(*o_r));
	r = queue_row_open(&x->root, row, &q);
	if (r == LL_OK && view_u64(row, F_ROUTE) == ROUTE_TLS) {
		o_r->outcome = QUEUE_RETRY;
		snprintf(o_r->words, sizeof(o_r->words), "%s",
		    "no way out of here proves TLS");
	} else if (r == LL_OK && q.is_mail) {
		send_mail(x, row, &q, o_r);
	} else if (r == LL_OK) {
		r = send_notice(x, row, &q, o_r, &why);
	}
	if (r != LL_OK) {
		o_r->outcome = r == LL_NOMEM || r == LL_IO ? QUEUE_RETRY :
		    QUEUE_REFUSED;
		snprintf(o_r->words, sizeof(o_r->words), "%s",
		    why != NULL ? why : ll_result_text(r));
	}
	queue_row_finish(&q);
}

static void
work_rows(struct relay *x, const struct msg *reply)
{
	struct tlv_view all = msg_view(reply), row;
	struct relay_outcome o;
	uint64_t begun = loop_now_ms();
	bool down = false;
	size_t at = 0;

	while (view_nest(all, F_ROW, &at, &row) && may_go_on(x)) {
		x->more = true;
		if (loop_now_ms() - begun > LEASE_SAFE_MS && !down)
			return;
		/* With the server away, the rest has the same fate at once. */
		if (!down)
			hand_over(x, row, &o);
		down = o.unreachable;
		if (record(x, row, &o) == LL_EOF)
			return;
	}
}

/* Leases and works until nothing is due. */
static void
run_queue(struct relay *x)
{
	struct msg *m = NULL, *reply = NULL;
	uint64_t delay = 0;
	enum ll_result r;

	x->due = false;
	do {
		x->more = false;
		delay = 0;
		r = provide_keys(x);
		if (r != LL_OK)
			break;
		r = msg_create(MSG_REQUEST, OP_QUEUE_LEASE, &m);
		if (r != LL_OK)
			break;
		msg_put_u64(m, F_LIMIT, LEASE_ROWS);
		r = ask(x, m, &reply);
		if (r != LL_OK)
			break;
		work_rows(x, reply);
		if (view_has(msg_view(reply), F_DELAY_SECS))
			delay = view_u64(msg_view(reply), F_DELAY_SECS) * 1000;
		msg_destroy(reply);
		reply = NULL;
	} while (x->more && may_go_on(x));
	if (r != LL_OK && x->store != NULL)
		delay = AGAIN_MS;
	if (delay == 0 || delay > IDLE_MAX_MS)
		delay = IDLE_MAX_MS;
	x->next_ms = loop_now_ms() + delay;
}

static void
from_store(struct relay *x)
{
	struct msg *m = NULL;
	enum ll_result r;

	while ((r = chan_recv(x->store, &m)) == LL_OK) {
		if (msg_op(m) == OP_EVENT_QUEUE)
			x->due = true;
		msg_destroy(m);
	}
	if (r != LL_AGAIN)
		lost_store(x);
}

static void
serve(struct relay *x)
{
	struct pollfd p[2];
	uint64_t now;
	int wait;

	while (!x->stop) {
		now = loop_now_ms();
		if (x->store != NULL && (x->due || now >= x->next_ms)) {
			run_queue(x);
			continue;
		}
		wait = x->store == NULL ? -1 : (int)(x->next_ms - now);
		p[0].fd = chan_fd(x->child.daemon);
		p[0].events = POLLIN;
		p[1].fd = x->store != NULL ? chan_fd(x->store) : -1;
		p[1].events = POLLIN;
		if (poll(p, 2, wait) < 0 && errno != EINTR)
			return;
		if (!from_daemon(x))
			return;
		if (x->store != NULL)
			from_store(x);
	}
}

static enum ll_result
set_up(struct relay *x, const char **why_r)
{
	struct relay_settings s;
	enum ll_result r;

	s.relay = child_config(&x->child, "relay");
	s.user = child_config(&x->child, "relay_user");
	s.password_file = child_config(&x->child, "relay_password_file");
	s.ca = child_config(&x->child, "relay_ca");
	s.tls = child_config(&x->child, "relay_tls");
	s.mail_from = child_config(&x->child, "mail_from");
	x->mail.org_name = child_config(&x->child, "org_name");
	x->mail.mail_from = s.mail_from;
	x->mail.portal_url = child_config(&x->child, "portal_url");
	*why_r = "the queue's key is missing";
	r = child_key(&x->child, LABEL_ROOT_QUEUE, &x->root);
	if (r != LL_OK)
		return r;
	take_store(x, x->child.configure);
	return relay_way_open(&s, &x->way, why_r);
}

static enum ll_result
lock_in(struct relay *x, const char **why_r)
{
	const char *relay = child_config(&x->child, "relay");
	const char *ca = child_config(&x->child, "relay_ca");
	struct sandbox_path net[] = {
		{ "/etc/resolv.conf", false, false },
		{ "/etc/hosts", false, false },
		{ "/etc/nsswitch.conf", false, false },
		{ "/etc/host.conf", false, false },
		{ "/etc/gai.conf", false, false },
		{ "/etc/services", false, false },
		{ "/etc/ssl", false, false },
		{ "/usr/share/ca-certificates", false, false },
		{ "/usr/lib", false, false },
		{ "/lib", false, false },
		{ ca[0] != '\0' ? ca : NULL, false, false },
		{ NULL, false, false },
	};
	struct sandbox_path dir[] = {
		{ relay_way_is_dir(x->way) ? relay + 4 : NULL, true, false },
		{ NULL, false, false },
	};

	if (relay_way_is_dir(x->way))
		return sandbox_enter(&relay_dir_sandbox, dir, why_r);
	return sandbox_enter(&relay_sandbox, net, why_r);
}

int
main(void)
{
	struct relay x;
	const char *why = "no configuration came on descriptor 3";
	enum ll_result r;

	memset(&x, 0, sizeof(x));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	r = secret_setup(65536);
	if (r != LL_OK) {
		fprintf(stderr, "letterlock-relay: no locked memory\n");
		return CHILD_USAGE;
	}
	r = child_open(&x.child, CHILD_FD, 30000);
	if (r == LL_OK)
		r = set_up(&x, &why);
	if (r == LL_OK)
		r = lock_in(&x, &why);
	if (r == LL_OK)
		r = child_ready(&x.child);
	if (r == LL_OK)
		serve(&x);
	else
		fprintf(stderr, "letterlock-relay: %s\n",
		    why != NULL ? why : ll_result_text(r));
	relay_way_close(x.way);
	chan_destroy(x.store);
	secret_finish(&x.root);
	child_close(&x.child);
	return r == LL_OK ? 0 : CHILD_USAGE;
}
