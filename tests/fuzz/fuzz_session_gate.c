/*
 * Any requests of a gate, in any order, to the session's state machine; the
 * store's answers and the user's signatures are decided by the input as well.
 * Nothing may crash, and nobody may be let in without a first and a second
 * factor that the store agreed to.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "server/session.h"

static const uint8_t *input;
static size_t input_len;
static struct {
	bool first, second, ticket, done;
} granted;
static int sink[2], news[2];

static uint8_t
next(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

/* --- what the rest of the session would do --- */

static enum ll_result
decide(void)
{
	static const enum ll_result results[] = { LL_OK, LL_OK, LL_AUTH,
		LL_USED, LL_RATE, LL_BUSY, LL_EOF, LL_NOTFOUND };

	return results[next() % 8];
}

enum ll_result
session_ask(struct session *s, struct msg *request, int timeout_ms,
    struct msg **reply_r)
{
	const enum op op = msg_op(request);
	enum ll_result r = decide();
	struct id id = { { 1 } };

	(void)s;
	(void)timeout_ms;
	if (reply_r) {
		*reply_r = NULL;
		if (msg_reply(request, r, reply_r) == LL_OK) {
			msg_put_id(*reply_r, F_SLOT_ID, &id);
			msg_put_bytes(*reply_r, F_SALT, "0123456789abcdef",
			    16);
			msg_put_u64(*reply_r, F_DELAY_SECS, next() % 40);
		}
	}
	msg_destroy(request);
	if (r == LL_OK && (op == OP_AUTH_KEY || op == OP_AUTH_PASSWORD))
		granted.first = true;
	if (r == LL_OK && (op == OP_AUTH_TOTP || op == OP_AUTH_BACKUP))
		granted.second = true;
	if (r == LL_OK && op == OP_AUTH_TICKET)
		granted.ticket = true;
	return r;
}

enum ll_result
session_ask_plain(struct session *s, enum op op, int timeout_ms,
    struct msg **reply_r)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	if (r)
		return r;
	r = session_ask(s, m, timeout_ms, reply_r);
	if (r == LL_OK && op == OP_AUTH_DONE)
		granted.done = true;
	return r;
}

enum ll_result
session_store_identity(struct session *s, const struct msg *reply)
{
	(void)reply;
	s->has_slot = next() & 1;
	return next() % 8 ? LL_OK : LL_PROTO;
}

enum ll_result
session_key_verify(const uint8_t id[32], const char *user,
    struct tlv_view key, struct tlv_view data, struct tlv_view sig)
{
	(void)id; (void)user; (void)key; (void)data; (void)sig;
	return next() & 1 ? LL_OK : LL_AUTH;
}

enum ll_result
session_vault_stretch(struct session *s, const void *passphrase, size_t len,
    struct secret *a_r)
{
	(void)s; (void)passphrase; (void)len;
	secret_finish(a_r);
	return next() % 8 ? secret_random(a_r, KDF_OUT_BYTES) : LL_BUSY;
}

enum ll_result
session_vault_open(struct session *s, const struct secret *a)
{
	(void)s; (void)a;
	return next() & 1 ? LL_OK : LL_AUTH;
}

enum ll_result
session_worker_open(struct session_channel *c, int fds_r[2])
{
	(void)c;
	fds_r[0] = dup(sink[1]);
	fds_r[1] = next() & 1 ? dup(sink[1]) : -1;
	return LL_OK;
}

enum ll_result
session_worker_start(struct session_channel *c)
{
	(void)c;
	if (!granted.ticket && !granted.done)
		abort();
	return next() % 4 ? LL_OK : LL_IO;
}

void
session_worker_hangup(struct session_channel *c)
{
	session_worker_release(c);
}

void
session_worker_drain(struct session_channel *c)
{
	session_worker_release(c);
}

void
session_worker_release(struct session_channel *c)
{
	for (size_t i = 0; i < c->env_count; i++) {
		free(c->env[i].name);
		free(c->env[i].value);
	}
	free(c->command);
	memset(c, 0, sizeof(*c));
}

enum ll_result
enrol_create(struct chan *store, const char *local_user, struct enrol **e_r)
{
	(void)store; (void)local_user;
	*e_r = NULL;
	return next() % 4 ? LL_OK : LL_EOF;
}

enum ll_result
enrol_offer_key(struct enrol *e, const uint8_t *blob, size_t len)
{
	(void)e; (void)blob; (void)len;
	return LL_OK;
}

enum ll_result
enrol_backup_proof(const char *typed, const uint8_t salt[KDF_SALT_BYTES],
    uint8_t proof[HASH_BYTES])
{
	(void)salt;
	memset(proof, 0, HASH_BYTES);
	return strlen(typed) == 10 ? LL_OK : LL_USAGE;
}

const char *
session_config(const struct session *s, const char *key)
{
	(void)s; (void)key;
	return NULL;
}

void
session_end(struct session *s, enum child_exit why, const char *words)
{
	(void)words;
	s->state = STATE_ENDING;
	s->why = why;
}

/* --- a gate that says anything --- */

static void
random_text(struct msg *m, enum field f)
{
	static const char *const texts[] = { "ada", "bob", "", "123456",
		"scp -t x", "xterm", "dumb", "LANG", "C", "sftp", "a\x1b[2J" };

	msg_put_text(m, f, texts[next() % 11]);
}

/* What an honest gate would ask next; it is mixed with anything else. */
static enum op
likely(enum session_state state)
{
	const bool odd = next() & 1;

	if (state & (STATE_START | STATE_FACTOR1))
		return odd ? OP_GATE_KEY : OP_GATE_PASSWORD;
	if (state & (STATE_FACTOR2 | STATE_UNLOCK))
		return odd ? OP_GATE_PROMPT : OP_GATE_ANSWER;
	return odd ? OP_GATE_CHANNEL : OP_GATE_START_SHELL;
}

static struct msg *
random_request(enum session_state state)
{
	static const enum op ops[] = { OP_GATE_SIGN, OP_GATE_PROBE,
		OP_GATE_KEY, OP_GATE_PASSWORD, OP_GATE_PROMPT, OP_GATE_ANSWER,
		OP_GATE_CHANNEL, OP_GATE_PTY, OP_GATE_ENV,
		OP_GATE_START_SHELL, OP_GATE_EXEC, OP_GATE_SUBSYSTEM,
		OP_GATE_RESIZE, OP_GATE_CLOSED, OP_GATE_LOST, OP_AUTH_DONE };
	static const char tickets[] = "0000-0000-0000-0000-0000";
	const uint8_t shape = next();
	const enum op op = next() % 4 ? likely(state) : ops[next() % 16];
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, op, &m) != LL_OK)
		abort();
	if (next() % 16)
		msg_put_text(m, F_USER, "ada");
	else
		random_text(m, F_USER);
	msg_put_u64(m, F_CHANNEL, next() % 12);
	msg_put_u64(m, F_COLS, (uint64_t)next() << (next() % 56));
	random_text(m, F_TERM);
	random_text(m, F_ENV_NAME);
	random_text(m, F_ENV_VALUE);
	random_text(m, F_COMMAND);
	random_text(m, F_NAME);
	if (shape & 1)
		msg_put_bytes(m, F_KEY, "0123456789", next() % 11);
	if (shape & 2)
		msg_put_bytes(m, F_DATA, "0123456789abcdef0123456789abcdef",
		    shape & 4 ? 32 : next() % 32);
	if (shape & 8)
		msg_put_bytes(m, F_SIGNATURE, "0123456789", next() % 11);
	if (shape & 16)
		msg_put_bytes(m, F_PASSPHRASE, tickets,
		    shape & 32 ? sizeof(tickets) - 1 : next() % 24);
	return m;
}

static void
drain(int fd)
{
	uint8_t bytes[65536];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void
check(const struct session *s)
{
	if (s->state == STATE_OK && !(granted.first && granted.second &&
	    granted.done))
		abort();
	if (s->state == STATE_ENROL && !granted.ticket)
		abort();
	if ((s->state & (STATE_FACTOR2 | STATE_UNLOCK)) && !granted.first)
		abort();
}

static void
run(struct session *s)
{
	struct chan *peer[2] = { NULL, NULL };

	if (chan_pair(sink) != LL_OK || chan_pair(news) != LL_OK ||
	    chan_create(sink[0], &s->gate) != LL_OK ||
	    chan_create(news[0], &s->daemon) != LL_OK ||
	    chan_create(sink[1], &peer[0]) != LL_OK ||
	    chan_create(news[1], &peer[1]) != LL_OK ||
	    loop_create(&s->loop) != LL_OK ||
	    secret_random(&s->host_sk, 64) != LL_OK)
		abort();
	for (int i = 0; i < 64 && input_len > 0 && s->state != STATE_ENDING;
	    i++) {
		struct msg *m = random_request(s->state);

		session_gate_request(s, m);
		check(s);
		msg_destroy(m);
		drain(sink[1]);
		drain(news[1]);
		/* the refusal's delay is over */
		msg_destroy(s->late);
		s->late = NULL;
		if (next() % 4 == 0) {
			msg_destroy(s->waiting);
			s->waiting = NULL;
		}
	}
	for (int i = 0; i < SESSION_CHANNELS; i++)
		if (s->channels[i].used)
			session_worker_release(&s->channels[i]);
	msg_destroy(s->late);
	msg_destroy(s->waiting);
	secret_finish(&s->a);
	secret_finish(&s->host_sk);
	chan_destroy(s->gate);
	chan_destroy(s->daemon);
	chan_destroy(peer[0]);
	chan_destroy(peer[1]);
	loop_destroy(s->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct session s;

	if (sodium_init() < 0)
		return 0;
	input = data;
	input_len = len;
	memset(&granted, 0, sizeof(granted));
	memset(&s, 0, sizeof(s));
	s.state = STATE_START;
	s.has_id = true;
	run(&s);
	return 0;
}
