/*
 * letterlock-relay - hands mail to other mail servers, and looks up what is
 * known outside: keys, policies.
 *
 * Holds the queue key and nothing else of worth; the only program with
 * libcurl.  One loop in which nothing is waited for; what can only be waited
 * for (names, web servers) runs in a few threads, which see no mail.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/clean.h"
#include "keys/sandbox.h"
#include "server/child.h"
#include "server/exitcode.h"
#include "server/relay_find.h"
#include "server/relay_run.h"
#include "server/relay_tls.h"
#include "store/loop.h"

#define THREADS 4

/* The resolver, libcurl and OpenSSL read the files; nothing is written, unless
 * the relay is a directory. */
static const struct sandbox relay_sandbox = {
	.program = "letterlock-relay",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_READ | SANDBOX_NET |
	    SANDBOX_SOCKOPT | SANDBOX_SOCKPAIR,
	.open_files = 512,
};

/* A directory, and nothing is looked up. */
static const struct sandbox relay_dir_sandbox = {
	.program = "letterlock-relay",
	.calls = SANDBOX_BASE | SANDBOX_FILES,
	.open_files = 64,
};

/* A directory, and lookups. */
static const struct sandbox relay_both_sandbox = {
	.program = "letterlock-relay",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_READ | SANDBOX_NET |
	    SANDBOX_SOCKOPT | SANDBOX_SOCKPAIR | SANDBOX_FILES,
	.open_files = 512,
};

struct relay {
	struct child child;
	struct loop *loop;
	struct relay_store *store;
	struct secret root;
	struct relay_smart *smart;
	struct relay_run *run;
	/* lookups */
	bool looks;
	struct relay_dns *dns;
	struct relay_tls *tls;
	struct wire_trust *trust;
	struct relay_find *find;
};

static void
store_event(void *arg, enum op op)
{
	struct relay *x = arg;

	if (op == OP_EVENT_QUEUE)
		run_due(x->run);
	else if (op == OP_EVENT_FIND && x->find != NULL)
		relay_find_due(x->find);
}

static void
store_attached(void *arg)
{
	struct relay *x = arg;

	run_attached(x->run);
	if (x->find != NULL)
		relay_find_due(x->find);
}

static void
take_store(struct relay *x, struct msg *m)
{
	int fd = msg_take_fd(m, 0);

	if (fd >= 0 && store_attach(x->store, fd) != LL_OK)
		fprintf(stderr, "letterlock-relay: the store's channel is no "
		    "good\n");
}

/* letterlockd's messages; its end is ours. */
static void
from_daemon(void *arg, int fd, short revents)
{
	struct relay *x = arg;
	struct msg *m = NULL;
	enum ll_result r;

	(void)fd;
	(void)revents;
	while ((r = chan_recv(x->child.daemon, &m)) == LL_OK) {
		if (msg_op(m) == OP_NEW_STORE)
			take_store(x, m);
		/* A new configuration is taken up by a new process: this one
		 * can no longer read a password file. */
		else if (msg_op(m) == OP_STOP || msg_op(m) == OP_RELOAD)
			run_stop(x->run);
		msg_destroy(m);
	}
	if (r == LL_AGAIN)
		return;
	loop_fd_remove(x->loop, chan_fd(x->child.daemon));
	loop_stop(x->loop);
}

/* --- lookups --- */

static void
find_ready(void *arg, int fd, short revents)
{
	struct relay *x = arg;

	(void)fd;
	(void)revents;
	relay_find_ready(x->find);
}

struct find_ask {
	find_done_fn *done;
	void *arg;
};

static void
find_answered(void *arg, enum ll_result r, struct msg **reply)
{
	struct find_ask *a = arg;

	a->done(a->arg, reply != NULL ? *reply : NULL);
	if (reply != NULL)
		*reply = NULL;
	free(a);
	(void)r;
}

static enum ll_result
find_ask(void *ctx, struct msg *request, find_done_fn *done, void *arg)
{
	struct relay *x = ctx;
	struct find_ask *a = malloc(sizeof(*a));
	enum ll_result r;

	if (a == NULL) {
		msg_destroy(request);
		return LL_NOMEM;
	}
	a->done = done;
	a->arg = arg;
	r = store_ask(x->store, request, find_answered, a);
	if (r != LL_OK)
		free(a);
	return r;
}

static void
find_servers(void *arg, const char *domain, struct relay_route *route_r)
{
	tls_route(arg, domain, route_r);
}

static enum ll_result
set_up_tls(struct relay *x, const char **why_r)
{
	struct tls_settings s;
	enum ll_result r;

	s.dns = x->dns;
	s.ca = child_config(&x->child, "find_ca");
	s.networks = child_config(&x->child, "find_networks");
	s.domains = child_config(&x->child, "tls_domains");
	s.port = (unsigned)strtoul(child_config(&x->child, "mx_port"), NULL,
	    10);
	*why_r = "find_ca cannot be read";
	r = wire_trust_create(s.ca, &x->trust);
	return r == LL_OK ? tls_open(&s, &x->tls) : r;
}

static enum ll_result
set_up_lookups(struct relay *x, const char **why_r)
{
	struct net_list networks;
	struct find_settings s;
	enum ll_result r;

	*why_r = "find_networks is a list of networks";
	r = net_list_parse(child_config(&x->child, "find_networks"),
	    &networks);
	if (r == LL_OK)
		r = dns_open(child_config(&x->child, "dns_server"),
		    child_config(&x->child, "dns_anchor"), &networks, &x->dns,
		    why_r);
	if (r != LL_OK)
		return r;
	memset(&s, 0, sizeof(s));
	s.keyserver = child_config(&x->child, "keyserver");
	s.ca = child_config(&x->child, "find_ca");
	s.networks = child_config(&x->child, "find_networks");
	s.dns = x->dns;
	r = set_up_tls(x, why_r);
	s.tls = relay_tls_find;
	s.tls_ctx = x->tls;
	if (r == LL_OK)
		r = relay_find_open(&s, find_ask, x, &x->find, why_r);
	if (r == LL_OK)
		r = loop_fd(x->loop, relay_find_fd(x->find), POLLIN,
		    find_ready, x);
	return r;
}

/* --- start --- */

static enum ll_result
set_up_run(struct relay *x, const char **why_r)
{
	const char *relay = child_config(&x->child, "relay");
	struct smart_settings smart = {
		relay, child_config(&x->child, "relay_user"),
		child_config(&x->child, "relay_password_file"),
		child_config(&x->child, "relay_ca"),
		child_config(&x->child, "relay_tls")
	};
	struct run_settings s;
	char address[321];
	enum ll_result r;

	memset(&s, 0, sizeof(s));
	s.loop = x->loop;
	s.store = x->store;
	s.root = &x->root;
	s.mail.org_name = child_config(&x->child, "org_name");
	s.mail.mail_from = child_config(&x->child, "mail_from");
	s.mail.portal_url = child_config(&x->child, "portal_url");
	r = clean_address(s.mail.mail_from, address, why_r);
	if (r == LL_OK && strncmp(relay, "dir:", 4) == 0)
		s.dir = relay + 4;
	else if (r == LL_OK)
		r = smart_open(&smart, &x->smart, why_r);
	s.smart = x->smart;
	s.find_servers = x->looks ? find_servers : NULL;
	s.find_arg = x->tls;
	s.trust = x->trust;
	/* names of strangers may take long: ours does not wait behind them */
	if (r == LL_OK && s.dir == NULL)
		r = pool_create(x->loop, 1, &s.smart_pool);
	if (r == LL_OK && x->looks)
		r = pool_create(x->loop, THREADS, &s.pool);
	return r == LL_OK ? run_open(&s, &x->run, why_r) : r;
}

static enum ll_result
set_up(struct relay *x, const char **why_r)
{
	const struct store_user user = { store_event, store_attached, x };
	enum ll_result r;

	x->looks = strcmp(child_config(&x->child, "key_search"), "off") != 0 ||
	    child_config(&x->child, "tls_domains")[0] != '\0';
	*why_r = "out of memory";
	r = loop_create(&x->loop);
	if (r == LL_OK)
		r = store_create(x->loop, &user, &x->store);
	if (r != LL_OK)
		return r;
	*why_r = "the queue's key is missing";
	r = child_key(&x->child, LABEL_ROOT_QUEUE, &x->root);
	if (r == LL_OK && x->looks)
		r = set_up_lookups(x, why_r);
	if (r == LL_OK)
		r = set_up_run(x, why_r);
	return r;
}

static enum ll_result
lock_in(struct relay *x, const char **why_r)
{
	const char *relay = child_config(&x->child, "relay");
	const char *relay_ca = child_config(&x->child, "relay_ca");
	const char *find_ca = child_config(&x->child, "find_ca");
	const bool dir = strncmp(relay, "dir:", 4) == 0;
	struct sandbox_path paths[] = {
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
		{ relay_ca[0] != '\0' ? relay_ca : "/etc/ssl", false, false },
		{ find_ca[0] != '\0' ? find_ca : "/etc/ssl", false, false },
		{ dir ? relay + 4 : NULL, true, false },
		{ NULL, false, false },
	};
	const size_t last = sizeof(paths) / sizeof(paths[0]) - 2;

	if (dir && !x->looks)
		return sandbox_enter(&relay_dir_sandbox, paths + last, why_r);
	return sandbox_enter(dir ? &relay_both_sandbox : &relay_sandbox, paths,
	    why_r);
}

static enum ll_result
serve(struct relay *x)
{
	enum ll_result r;

	r = loop_fd(x->loop, chan_fd(x->child.daemon), POLLIN, from_daemon, x);
	if (r != LL_OK)
		return r;
	take_store(x, x->child.configure);
	return loop_run(x->loop);
}

static void
clean_up(struct relay *x)
{
	relay_find_close(x->find);
	store_destroy(x->store);
	run_close(x->run);
	smart_close(x->smart);
	secret_finish(&x->root);
	child_close(&x->child);
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
		r = serve(&x);
	else
		fprintf(stderr, "letterlock-relay: %s\n",
		    why != NULL ? why : ll_result_text(r));
	clean_up(&x);
	/* threads may still wait for a name: no exit handler may pull what
	 * they use from under them */
	fflush(NULL);
	_exit(r == LL_OK ? 0 : CHILD_USAGE);
}
