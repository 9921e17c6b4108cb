/*
 * letterlock-session - decides about one SSH connection.
 *
 * Started by letterlockd; descriptor 3 is the channel to it.  CONFIGURE brings
 * a channel to the store, a socket to this connection's letterlock-gate, the
 * SSH host key and the configuration.  The session signs for the host, checks
 * keys and codes with the store, holds the open vault, and starts a worker for
 * each channel, for which it is the key agent.
 */
#include "server/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "keys/sandbox.h"

#define MAIN_DAEMON_FD 3
#define MAIN_SECRET_BYTES 65536
#define MAIN_TICK_MS 5000
#define MAIN_END_MS 6000          /* workers get five seconds of these */
#define MAIN_GRACE_SECS 90
#define MAIN_IDLE_SECS 600
#define MAIN_LONGEST_SECS 43200

/* Calls are for the workers too, who inherit this filter and then narrow it:
 * a screen needs a terminal, letterlock-sftp files that it is handed. */
static const struct sandbox session_sandbox = {
	.program = "letterlock-session",
	.calls = SANDBOX_BASE | SANDBOX_THREADS | SANDBOX_FILES |
	    SANDBOX_READ | SANDBOX_FORK | SANDBOX_PTY | SANDBOX_SOCKPAIR |
	    SANDBOX_TTY,
	.open_files = 256,
};

/* --- configuration --- */

const char *
session_config(const struct session *s, const char *key)
{
	for (size_t i = 0; i < s->config_count; i++)
		if (strcmp(s->config[i].name, key) == 0)
			return s->config[i].value;
	return NULL;
}

/* The fallback when it is absent or no number. */
static uint64_t
main_number(const struct session *s, const char *key, uint64_t fallback)
{
	const char *text = session_config(s, key);
	char *end = NULL;
	unsigned long long v;

	if (!text || *text < '0' || *text > '9')
		return fallback;
	errno = 0;
	v = strtoull(text, &end, 10);
	return errno || *end ? fallback : v;
}

/* --- the end --- */

static void
main_gone(void *arg)
{
	struct session *s = arg;

	loop_stop(s->loop);
}

static void
main_bye(struct session *s, const char *words)
{
	struct msg *m = NULL;

	if (!s->gate || msg_create(MSG_EVENT, OP_GATE_BYE, &m) != LL_OK)
		return;
	if (words)
		msg_put_text(m, F_WORDS, words);
	/* A gate that is gone needs no goodbye. */
	(void)!chan_send(s->gate, m);
}

void
session_end(struct session *s, enum child_exit why, const char *words)
{
	if (s->state == STATE_ENDING)
		return;
	s->state = STATE_ENDING;
	s->why = why;
	main_bye(s, words);
	for (int i = 0; i < SESSION_CHANNELS; i++)
		if (s->channels[i].used)
			session_worker_hangup(&s->channels[i]);
	if (!session_worker_any(s) ||
	    loop_timer(s->loop, MAIN_END_MS, main_gone, s, NULL) != LL_OK)
		loop_stop(s->loop);
}

/* --- the gate's messages --- */

static void
main_gate_lost(struct session *s)
{
	enum child_exit why = CHILD_DONE;

	loop_fd_remove(s->loop, chan_fd(s->gate));
	chan_destroy(s->gate);
	s->gate = NULL;
	if (!(s->state & STATE_IN))
		why = s->tries + s->code_tries > 0 ? CHILD_AUTH_FAILED :
		    CHILD_NO_LOGIN;
	session_end(s, why, NULL);
}

static void
main_gate(void *arg, int fd, short revents)
{
	struct session *s = arg;
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	(void)fd;
	if (revents & POLLOUT)
		r = chan_flush(s->gate);
	while (!r) {
		r = chan_recv(s->gate, &m);
		if (r)
			break;
		/* Read to the end even then, or poll would not rest. */
		if (s->state != STATE_ENDING)
			session_gate_request(s, m);
		msg_destroy(m);
	}
	if (r != LL_AGAIN)
		main_gate_lost(s);
}

/* --- the daemon --- */

static void
main_daemon(void *arg, int fd, short revents)
{
	struct session *s = arg;
	struct msg *m = NULL;
	enum ll_result r;

	(void)fd;
	(void)revents;
	for (;;) {
		r = chan_recv(s->daemon, &m);
		if (r)
			break;
		if (msg_op(m) == OP_NEW_STORE)
			session_store_new(s, msg_take_fd(m, 0));
		else if (msg_op(m) == OP_STOP)
			session_end(s, CHILD_DONE, "The service is stopping.");
		msg_destroy(m);
	}
	if (r == LL_AGAIN)
		return;
	loop_fd_remove(s->loop, fd);
	session_end(s, CHILD_DONE, "The service has stopped.");
}

/* --- clocks --- */

static void
main_grace(void *arg)
{
	struct session *s = arg;

	if (!(s->state & (STATE_IN | STATE_ENDING)))
		session_end(s, CHILD_GRACE, "The time for logging in is over.");
}

static bool
main_channels(const struct session *s)
{
	for (int i = 0; i < SESSION_CHANNELS; i++)
		if (s->channels[i].used)
			return true;
	return false;
}

static void
main_tick(void *arg)
{
	struct session *s = arg;
	const uint64_t now = loop_now_ms();
	const uint64_t idle = 1000 *
	    main_number(s, "idle_lock_secs", MAIN_IDLE_SECS);
	const uint64_t longest = 1000 *
	    main_number(s, "session_max_secs", MAIN_LONGEST_SECS);

	if (s->state == STATE_ENDING)
		return;
	if (s->state == STATE_OK && now - s->login_ms >= longest)
		session_end(s, CHILD_DONE, "This login is over; please log "
		    "in again.");
	else if ((s->state & STATE_IN) && now - s->active_ms >= idle) {
		session_vault_lock(s);
		if (!main_channels(s) || s->state == STATE_ENROL)
			session_end(s, CHILD_DONE, "Idle for too long.");
	}
	if (s->state != STATE_ENDING && loop_timer(s->loop, idle < 10000 ?
	    500 : MAIN_TICK_MS, main_tick, s, NULL) != LL_OK)
		session_end(s, CHILD_FAULT, NULL);
}

static void
main_child(void *arg, int signo)
{
	struct session *s = arg;

	(void)signo;
	session_worker_reap(s);
	if (s->state == STATE_ENDING && !session_worker_any(s))
		loop_stop(s->loop);
}

/* --- start --- */

static enum ll_result
main_pair(struct session *s, struct tlv_view v)
{
	struct session_pair *p = &s->config[s->config_count];

	if (s->config_count >= SESSION_CONFIG)
		return LL_FULL;
	p->name = strdup(view_text(v, F_CONFIG_KEY));
	p->value = strdup(view_text(v, F_CONFIG_VALUE));
	if (!p->name || !p->value) {
		free(p->name);
		free(p->value);
		return LL_NOMEM;
	}
	s->config_count++;
	return LL_OK;
}

static enum ll_result
main_host_key(struct session *s, struct tlv_view row)
{
	const uint8_t *seed;
	size_t n = 0;
	enum ll_result r;

	if (view_u64(row, F_LABEL) != LABEL_ROOT_HOST)
		return LL_OK;
	seed = view_bytes(row, F_SECRET, &n);
	if (!seed || n != crypto_sign_SEEDBYTES)
		return LL_PROTO;
	r = secret_init(&s->host_sk, crypto_sign_SECRETKEYBYTES);
	if (!r && crypto_sign_seed_keypair(s->host_pk, s->host_sk.data,
	    seed) != 0)
		r = LL_PROTO;
	return r;
}

static enum ll_result
main_configured(struct session *s, struct msg *m)
{
	const struct tlv_view v = msg_view(m);
	struct tlv_view inner;
	size_t at = 0;
	int store, gate;
	enum ll_result r = LL_OK;

	if (msg_op(m) != OP_CONFIGURE)
		return LL_PROTO;
	while (!r && view_nest(v, F_CONFIG, &at, &inner))
		r = main_pair(s, inner);
	at = 0;
	while (!r && view_nest(v, F_ROW, &at, &inner))
		r = main_host_key(s, inner);
	if (!r && !s->host_sk.data)
		r = LL_PROTO;
	if (r)
		return r;
	store = msg_take_fd(m, 0);
	gate = msg_take_fd(m, 1);
	if (store < 0 || gate < 0)
		return LL_PROTO;
	r = chan_create(store, &s->store);
	if (!r)
		r = chan_create(gate, &s->gate);
	return r;
}

/* Waits for CONFIGURE; LL_EOF when the daemon ended before. */
static enum ll_result
main_configure(struct session *s)
{
	struct msg *m = NULL;
	enum ll_result r = chan_create(MAIN_DAEMON_FD, &s->daemon);

	if (!r)
		r = chan_wait(s->daemon, -1, &m);
	if (!r && msg_op(m) == OP_STOP)
		r = LL_EOF;
	if (!r)
		r = main_configured(s, m);
	msg_destroy(m);
	return r;
}

static enum ll_result
main_greet(struct session *s)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_EVENT, OP_GATE_START, &m);

	if (r)
		return r;
	msg_put_bytes(m, F_KEY, s->host_pk, sizeof(s->host_pk));
	return chan_send(s->gate, m);
}

static enum ll_result
main_watch(struct session *s)
{
	const uint64_t grace = 1000 *
	    main_number(s, "login_grace_secs", MAIN_GRACE_SECS);
	enum ll_result r = loop_create(&s->loop);

	s->smime_rsa_bits = main_number(s, "smime_rsa_bits", 0);
	if (!r)
		r = loop_signal(s->loop, SIGCHLD, main_child, s);
	if (!r)
		r = loop_fd(s->loop, chan_fd(s->daemon), POLLIN, main_daemon,
		    s);
	if (!r)
		r = loop_fd(s->loop, chan_fd(s->gate), POLLIN, main_gate, s);
	if (!r)
		r = loop_timer(s->loop, grace, main_grace, s, NULL);
	if (!r)
		r = loop_timer(s->loop, 500, main_tick, s, NULL);
	if (!r)
		session_store_watch(s);
	return r;
}

static void
main_finish(struct session *s)
{
	enum ll_result r = LL_OK;

	/* So that the token dies with the connection, not with its age. */
	if (s->store && s->token.data)
		r = session_ask_plain(s, OP_LOGOUT, 1000, NULL);
	(void)r;
	for (int i = 0; i < SESSION_CHANNELS; i++)
		if (s->channels[i].used)
			session_worker_release(&s->channels[i]);
	session_mail_finish(s);
	vault_destroy(s->vault);
	enrol_destroy(s->enrol);
	secret_finish(&s->a);
	secret_finish(&s->token);
	secret_finish(&s->pepper);
	secret_finish(&s->host_sk);
	msg_destroy(s->waiting);
	msg_destroy(s->late);
	chan_destroy(s->store);
	chan_destroy(s->gate);
	chan_destroy(s->daemon);
	loop_destroy(s->loop);
	for (size_t i = 0; i < s->config_count; i++) {
		free(s->config[i].name);
		free(s->config[i].value);
	}
}

/* The directory this program was started from: the workers are there too. */
static const char *
main_bin(void)
{
	static char path[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return LL_LIBEXECDIR;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return LL_LIBEXECDIR;
	*slash = '\0';
	return path;
}

/* Nothing but the workers, and the loader they need, may be executed. */
static enum ll_result
main_sandbox(const char *bin, const char **why_r)
{
	const struct sandbox_path paths[] = {
		{ bin, false, true },
		{ "/lib64/ld-linux-x86-64.so.2", false, true },
		{ "/lib/ld-linux-aarch64.so.1", false, true },
		{ "/usr", false, false },
		{ "/lib", false, false },
		{ "/lib64", false, false },
		{ "/etc", false, false },
		{ "/dev/null", true, false },
		{ "/dev/urandom", false, false },  /* of letterlock-parse */
		{ "/dev/ptmx", true, false },
		{ "/dev/pts", true, false },
		{ NULL, false, false },
	};

	return sandbox_enter(&session_sandbox, paths, why_r);
}

int
main(int argc, char **argv)
{
	static struct session s = { .state = STATE_START };
	const char *why = "no locked memory (RLIMIT_MEMLOCK)";
	enum ll_result r;

	(void)argv;
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc != 1) {
		why = "started by letterlockd only";
		goto usage;
	}
	s.bin = main_bin();
	if (secret_setup(MAIN_SECRET_BYTES) != LL_OK ||
	    main_sandbox(s.bin, &why) != LL_OK)
		goto usage;
	r = main_configure(&s);
	if (!r)
		r = main_watch(&s);
	if (!r)
		r = main_greet(&s);
	if (!r)
		r = loop_run(s.loop);
	if (r && r != LL_EOF)
		s.why = CHILD_FAULT;
	main_finish(&s);
	return s.why;
usage:
	(void)fprintf(stderr, "letterlock-session: %s\n", why);
	return CHILD_USAGE;
}
