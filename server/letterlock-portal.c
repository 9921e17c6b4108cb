/*
 * letterlock-portal - web pages for recipients outside.
 *
 * A thread for each connection, so that an Argon2id run or an upload stalls
 * nobody else.  Holds no database, no long-term key, and of messages only what
 * a recipient has open, wrapped under the browser's cookie.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <sodium.h>

#include "keys/sandbox.h"
#include "server/exitcode.h"
#include "server/portal.h"
#include "store/loop.h"

#define PEM_MAX 65536
#define STACK_BYTES (256 * 1024)
#define CONNECTION_MEMORY 32768
#define PER_ADDRESS 64
#define IDLE_SECS 30
#define RENEW_LOOK_MS 5000

/* Files are never opened: blobs come as descriptors. */
static const struct sandbox portal_sandbox = {
	.program = "letterlock-portal",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_ACCEPT |
	    SANDBOX_SOCKOPT | SANDBOX_SOCKPAIR,
	.open_files = 1024,
};

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:"
    "+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"
    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:%SERVER_PRECEDENCE";

static bool
take_channel(struct portal *x, struct msg *m)
{
	int fd = msg_take_fd(m, 0);

	if (fd >= 0)
		portal_store_attach(x->store, fd);
	return fd >= 0;
}

static void
from_daemon(void *arg, struct msg *m)
{
	struct portal *x = arg;

	if (msg_op(m) == OP_NEW_STORE)
		(void)take_channel(x, m);
	else if (msg_op(m) == OP_STOP)
		x->stop = true;
	else if (msg_op(m) == OP_RELOAD && x->renew_ms == 0)
		x->renew_ms = loop_now_ms() + SESSION_TOTAL_MS;
}

/* A new configuration, and a renewed certificate, which the sandbox keeps from
 * being read, are taken up by a new process: as soon as nobody has a message
 * open here, or in an hour. */
static bool
may_renew(struct portal *x)
{
	return x->renew_ms != 0 && (session_none(x->sessions,
	    loop_now_ms()) || loop_now_ms() > x->renew_ms);
}

static void
serve(struct portal *x)
{
	struct pollfd p[4];

	portal_store_serve(x->master, x->child.daemon, from_daemon, x);
	x->child.daemon = NULL;
	while (!x->stop && !may_renew(x) && portal_store_alive(x->master)) {
		portal_store_poll(x->store, p);
		portal_store_poll(x->master, p + 2);
		if (poll(p, 4, x->renew_ms != 0 ? RENEW_LOOK_MS : -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		portal_store_pump(x->store, p);
		portal_store_pump(x->master, p + 2);
	}
}

/* Messages whose time is over are forgotten here and in the store. */
static void
sweep(void *arg)
{
	struct portal *x = arg;
	uint8_t token[HASH_BYTES];
	struct msg *m = NULL;

	while (session_sweep(x->sessions, loop_now_ms(), token)) {
		if (msg_create(MSG_REQUEST, OP_PORTAL_END, &m) != LL_OK)
			return;
		msg_put_bytes(m, F_TOKEN, token, sizeof(token));
		if (portal_store_ask(x->store, m, NULL) == LL_BUSY)
			return;
	}
}

static enum ll_result
read_pem(const char *path, char **text_r)
{
	char *text;
	ssize_t n;
	int fd;

	*text_r = NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return LL_IO;
	text = sodium_malloc(PEM_MAX + 1);
	if (text == NULL) {
		close(fd);
		return LL_NOMEM;
	}
	n = read(fd, text, PEM_MAX + 1);
	close(fd);
	if (n < 0 || n > PEM_MAX) {
		sodium_free(text);
		return LL_IO;
	}
	text[n] = '\0';
	*text_r = text;
	return LL_OK;
}

static bool
is_loopback(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	const struct sockaddr_in *v4 = (const void *)&ss;
	const struct sockaddr_in6 *v6 = (const void *)&ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return false;
	if (ss.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return ss.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static enum ll_result
start_http(struct portal *x, size_t i, const char *cert, const char *key)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;

	if (x->tls) {
		flags |= MHD_USE_TLS;
		memcpy(&tls[0].ptr_value, &cert, sizeof(cert));
		memcpy(&tls[1].ptr_value, &key, sizeof(key));
		tls[2].ptr_value = (char[]){ 0 };
		memcpy(&tls[2].ptr_value, &(const char *){ priorities },
		    sizeof(char *));
	}
	x->daemon[i] = MHD_start_daemon(flags, 0, NULL, NULL, http_access, x,
	    MHD_OPTION_LISTEN_SOCKET, x->listen[i],
	    MHD_OPTION_NOTIFY_COMPLETED, http_completed, x,
	    MHD_OPTION_NOTIFY_CONNECTION, http_connection, x,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	    MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_ARRAY, x->tls ? tls : none,
	    MHD_OPTION_END);
	return x->daemon[i] != NULL ? LL_OK : LL_IO;
}

/* What the configuration says, checked; *why_r names the line at fault. */
static enum ll_result
configure(struct portal *x, const char **why_r)
{
	int fd;

	x->org = child_config(&x->child, "org_name");
	x->https = strncmp(child_config(&x->child, "portal_url"), "https://",
	    8) == 0;
	x->tls = child_config(&x->child, "portal_cert")[0] != '\0';
	*why_r = "trusted_proxy: addresses or networks, parted by blanks";
	if (!path_proxies(child_config(&x->child, "trusted_proxy"),
	    &x->trusted))
		return LL_USAGE;
	*why_r = "the key for cookies is missing";
	if (child_key(&x->child, LABEL_ROOT_PORTAL, &x->key) != LL_OK)
		return LL_USAGE;
	*why_r = "no store and no listening socket came on descriptor 3";
	if (!take_channel(x, x->child.configure))
		return LL_USAGE;
	while (x->listen_count < LISTEN_MAX && (fd = msg_take_fd(
	    x->child.configure, 1 + (unsigned)x->listen_count)) >= 0) {
		*why_r = "without portal_cert only loopback is served";
		if (!x->tls && !is_loopback(fd)) {
			close(fd);
			return LL_USAGE;
		}
		x->listen[x->listen_count++] = fd;
	}
	return x->listen_count > 0 ? LL_OK : LL_USAGE;
}

static enum ll_result
start(struct portal *x, const char **why_r)
{
	char *cert = NULL, *key = NULL;
	enum ll_result r = LL_OK;
	size_t i;

	if (x->tls) {
		*why_r = "portal_cert or portal_key cannot be read";
		r = read_pem(child_config(&x->child, "portal_cert"), &cert);
		if (r == LL_OK)
			r = read_pem(child_config(&x->child, "portal_key"),
			    &key);
	}
	if (r == LL_OK)
		r = sandbox_enter(&portal_sandbox, NULL, why_r);
	if (r == LL_OK) {
		*why_r = "out of memory";
		r = conns_create(sweep, x, x->trusted.count > 0 ? CONNS_CROWD :
		    PER_ADDRESS, &x->conns);
	}
	*why_r = r == LL_OK ? "the web server does not start: portal_cert and "
	    "portal_key are PEM and belong together?" : *why_r;
	for (i = 0; i < x->listen_count && r == LL_OK; i++)
		r = start_http(x, i, cert, key);
	sodium_free(cert);
	sodium_free(key);
	if (r == LL_OK)
		r = child_ready(&x->child);
	return r;
}

static void
finish(struct portal *x)
{
	size_t i;

	if (x->store != NULL)
		portal_store_stop(x->store);
	if (x->master != NULL)
		portal_store_stop(x->master);
	for (i = 0; i < LISTEN_MAX; i++)
		if (x->daemon[i] != NULL)
			MHD_stop_daemon(x->daemon[i]);
	conns_destroy(x->conns);
	sessions_destroy(x->sessions);
	portal_store_destroy(x->store);
	portal_store_destroy(x->master);
	secret_finish(&x->key);
	child_close(&x->child);
}

int
main(void)
{
	static struct portal x;
	const char *why = "no configuration came on descriptor 3";
	enum ll_result r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	r = secret_setup(65536);
	if (r != LL_OK) {
		fprintf(stderr, "letterlock-portal: no locked memory\n");
		return CHILD_USAGE;
	}
	r = portal_store_create(&x.store);
	if (r == LL_OK)
		r = portal_store_create(&x.master);
	if (r == LL_OK)
		r = sessions_create(&x.sessions);
	if (r == LL_OK)
		r = child_open(&x.child, CHILD_FD, 30000);
	if (r == LL_OK)
		r = configure(&x, &why);
	if (r == LL_OK)
		r = start(&x, &why);
	if (r == LL_OK)
		serve(&x);
	else
		fprintf(stderr, "letterlock-portal: %s\n",
		    why != NULL ? why : ll_result_text(r));
	finish(&x);
	return r == LL_OK ? CHILD_DONE : CHILD_USAGE;
}
