/* The user's mail keys, and the letterlock-parse processes that use them. */
#include "server/session.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/mailkey.h"

#define MAIL_START_MS 100         /* the login's answer goes out first */
#define MAIL_RETRY_MS 2000
#define MAIL_JOB_MS 120000        /* a worker's job */
#define MAIL_MAKE_MS 20000        /* making a key of one's own */
#define MAIL_READ_MS 2000         /* an answer that has begun to come */
#define MAIL_WORDS 400
/* Places of session's parsers: the workers' jobs, own keys, an import. */
#define MAIL_IMPORT (SESSION_PARSERS + MAILKEY_FORMATS)

/* --- processes --- */

static struct session_parser *
mail_place(struct session *s, bool making)
{
	const int first = making ? SESSION_PARSERS : 0;
	const int end = making ? SESSION_PARSERS + MAILKEY_FORMATS :
	    SESSION_PARSERS;

	for (int i = first; i < end; i++)
		if (s->parsers[i].pid == 0 && !s->parsers[i].making)
			return &s->parsers[i];
	return NULL;
}

static void
mail_untimed(struct session_parser *p)
{
	if (p->timer)
		loop_timer_remove(p->session->loop, p->timer);
	p->timer = 0;
}

static void
mail_kill(struct session_parser *p)
{
	mail_untimed(p);
	if (p->pid > 0)
		(void)kill(p->pid, SIGKILL);
}

static void
mail_expire(void *arg)
{
	struct session_parser *p = arg;

	p->timer = 0;
	mail_kill(p);
}

void
session_mail_reap(struct session *s)
{
	for (int i = 0; i < SESSION_PLACES; i++) {
		struct session_parser *p = &s->parsers[i];

		if (p->pid <= 0 || waitpid(p->pid, NULL, WNOHANG) != p->pid)
			continue;
		p->pid = 0;
		mail_untimed(p);
	}
}

void
session_mail_hangup(struct session *s, const struct session_channel *c)
{
	for (int i = 0; i < SESSION_PLACES; i++) {
		struct session_parser *p = &s->parsers[i];

		if (!p->channel || (c && p->channel != c))
			continue;
		p->channel = NULL;
		mail_kill(p);
	}
}

/* --- keys that are lacking --- */

static enum ll_result
mail_list(struct session *s, struct msg **list_r)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_MAILKEY_LIST, &m);

	*list_r = NULL;
	if (!r)
		r = session_ask(s, m, SESSION_ASK_MS, list_r);
	if (r) {
		msg_destroy(*list_r);
		*list_r = NULL;
	}
	return r;
}

/* Reads the answer, which is there or must come within timeout_ms. */
static void
mail_made(struct session_parser *p, int timeout_ms)
{
	const struct parser from = { p->pid, p->making ? p->fd : -1 };
	struct session *s = p->session;
	struct msg *m = NULL;
	enum ll_result r = LL_LOCKED;

	loop_fd_remove(s->loop, p->fd);
	if (s->vault)
		r = mailkey_sealed(&from, timeout_ms, p->format, s->vault,
		    NULL, &m, NULL, 0);
	if (!r)
		r = session_ask(s, m, SESSION_ASK_MS, NULL);
	/* What fails is made at the next unlock, or by the next job. */
	if (r && r != LL_CONFLICT)
		s->mail_state = MAIL_UNKNOWN;
	(void)close(p->fd);
	p->fd = -1;
	p->making = false;
}

static void
mail_ready(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	mail_made(arg, MAIL_READ_MS);
}

static enum ll_result
mail_make(struct session *s, enum parse_format format)
{
	struct session_parser *p = mail_place(s, true);
	struct parser made;
	enum ll_result r;

	if (!p)
		return LL_BUSY;
	r = mailkey_begin(s->bin, format, s->smime_rsa_bits, s->email, s->name,
	    &made);
	if (r)
		return r;
	*p = (struct session_parser){ .session = s, .pid = made.pid,
		.fd = made.fd, .format = format, .making = true };
	r = loop_fd(s->loop, p->fd, POLLIN, mail_ready, p);
	if (!r)
		r = loop_timer(s->loop, MAIL_MAKE_MS, mail_expire, p,
		    &p->timer);
	if (r)
		mail_made(p, MAIL_READ_MS);
	return LL_OK;
}

/* Looks what there is and begins to make what is not. */
static enum ll_result
mail_begin(struct session *s)
{
	struct msg *list = NULL;
	unsigned missing;
	enum ll_result r = mail_list(s, &list);

	if (r)
		return r;
	missing = mailkey_missing(list, s->pub.generation);
	msg_destroy(list);
	s->mail_state = MAIL_THERE;
	for (unsigned f = PARSE_OPENPGP; !r && f <= PARSE_SMIME; f++)
		if (missing & MAILKEY_BIT(f))
			r = mail_make(s, (enum parse_format)f);
	if (r)
		s->mail_state = MAIL_UNKNOWN;
	return r;
}

static void
mail_start(void *arg)
{
	struct session *s = arg;

	s->mail_timer = 0;
	if (!s->vault || s->mail_state != MAIL_UNKNOWN ||
	    s->state == STATE_ENDING)
		return;
	/* Not before the login is through, nor while the store is away. */
	if (s->state != STATE_OK || !s->store) {
		session_mail_unlocked(s);
		return;
	}
	/* Without it the next job tries again, and says what is wrong. */
	(void)!mail_begin(s);
}

void
session_mail_unlocked(struct session *s)
{
	if (s->mail_timer || s->mail_state != MAIL_UNKNOWN)
		return;
	(void)!loop_timer(s->loop, s->state == STATE_OK && !s->store ?
	    MAIL_RETRY_MS : MAIL_START_MS, mail_start, s, &s->mail_timer);
}

/* Everything that is being made is waited for. */
static void
mail_await(struct session *s)
{
	if (s->mail_state == MAIL_UNKNOWN && mail_begin(s) != LL_OK)
		return;
	for (int i = SESSION_PARSERS; i < SESSION_PARSERS + MAILKEY_FORMATS;
	    i++)
		if (s->parsers[i].making)
			mail_made(&s->parsers[i], MAIL_MAKE_MS);
}

/* --- AGENT_PARSE --- */

/* What a worker may have done, and whether keys go with it. */
static const struct {
	uint64_t job;
	bool keys;
} jobs[] = {
	{ PARSE_INSPECT, false }, { PARSE_SEAL, true }, { PARSE_OPEN, true }
};

static unsigned
mail_formats(const struct msg *request)
{
	const struct tlv_view v = msg_view(request);
	struct tlv_field f;
	unsigned formats = 0;
	uint64_t n;
	size_t at = 0;

	while (view_each(v, F_FORMAT, &at, &f)) {
		if (tlv_u64(&f, &n) != LL_OK)
			continue;
		/* Sent in the clear, it is still S/MIME that signs. */
		if (n == PARSE_OPENPGP)
			formats |= MAILKEY_BIT(PARSE_OPENPGP);
		else if (n == PARSE_SMIME || n == PARSE_PLAIN)
			formats |= MAILKEY_BIT(PARSE_SMIME);
	}
	return formats;
}

/* The keys of a job.  A store that is away is busy; whatever else it says
 * means that there are none. */
static enum ll_result
mail_keys(struct session *s, unsigned formats, bool seals,
    struct tlv_out *keys, struct msg *reply)
{
	struct msg *list = NULL;
	enum ll_result r;

	if (!s->store)
		return LL_BUSY;
	mail_await(s);
	r = mail_list(s, &list);
	if (r)
		return r == LL_EOF || r == LL_BUSY ? LL_BUSY : LL_OK;
	mailkey_open(s->vault, list, formats, seals ? (uint64_t)time(NULL) : 0,
	    keys, reply);
	msg_destroy(list);
	return keys->err;
}

static enum ll_result
mail_launch(struct session_channel *c, const struct tlv_out *keys,
    struct msg *reply)
{
	struct session *s = c->session;
	struct session_parser *p = mail_place(s, false);
	struct parser made;
	enum ll_result r;

	if (!p)
		return LL_BUSY;
	r = parser_start(s->bin, keys, &made);
	if (r)
		return r;
	*p = (struct session_parser){ .session = s, .channel = c,
		.pid = made.pid, .fd = -1 };
	msg_put_fd(reply, made.fd);
	if (loop_timer(s->loop, MAIL_JOB_MS, mail_expire, p, &p->timer) !=
	    LL_OK)
		mail_kill(p);
	return LL_OK;
}

enum ll_result
session_mail_parse(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	struct session *s = c->session;
	const uint64_t job = view_u64(msg_view(request), F_STATE);
	unsigned formats = mail_formats(request);
	struct tlv_out keys;
	enum ll_result r;
	size_t i;

	for (i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (jobs[i].job == job)
			break;
	if (s->state != STATE_OK || i == sizeof(jobs) / sizeof(jobs[0]))
		return LL_DENIED;
	if (!jobs[i].keys)
		formats = 0;
	if (formats && !s->vault)
		return LL_LOCKED;
	r = msg_reply(request, LL_OK, reply_r);
	if (r)
		return r;
	tlv_out_init_secret(&keys, PARSE_CHUNK);
	if (formats)
		r = mail_keys(s, formats, job == PARSE_SEAL, &keys, *reply_r);
	if (!r)
		r = mail_launch(c, &keys, *reply_r);
	tlv_out_finish(&keys);
	if (r) {
		msg_destroy(*reply_r);
		*reply_r = NULL;
	}
	return r;
}

/* --- AGENT_IMPORT --- */

/* The worker waits for this; what else it asks meanwhile is answered. */
static void
mail_imported(void *arg, int fd, short revents)
{
	struct session_parser *p = arg;
	struct session *s = p->session;
	struct parser from = { p->pid, p->fd };
	char words[MAIL_WORDS] = "";
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r = LL_LOCKED;

	(void)revents;
	loop_fd_remove(s->loop, fd);
	if (s->vault)
		r = mailkey_sealed(&from, MAIL_READ_MS, 0, s->vault, NULL,
		    &m, words, sizeof(words));
	/* Ended before the worker hears: it may ask for the next at once. */
	parser_finish(&from);
	mail_untimed(p);
	p->pid = 0;
	p->fd = -1;
	p->making = false;
	if (!r)
		r = session_ask(s, m, SESSION_ASK_MS, NULL);
	if (r == LL_CONFLICT && words[0] == '\0')
		(void)snprintf(words, sizeof(words),
		    "That key is here already.");
	if (p->channel && msg_create(MSG_REPLY, OP_AGENT_IMPORT, &reply) ==
	    LL_OK) {
		msg_set_sequence(reply, p->sequence);
		msg_put_u64(reply, F_RESULT, r);
		if (r && words[0] != '\0')
			msg_put_text(reply, F_WORDS, words);
		session_agent_send(p->channel, reply);
	}
}

static enum ll_result
mail_import(struct session *s, const struct msg *request, struct parser *p_r)
{
	const struct tlv_view v = msg_view(request);
	struct tlv_out fields;
	const uint8_t *data, *passphrase;
	size_t len = 0, n = 0;
	enum ll_result r;

	data = view_bytes(v, F_DATA, &len);
	passphrase = view_bytes(v, F_PASSPHRASE, &n);
	if (!data)
		return LL_PROTO;
	tlv_out_init_secret(&fields, 4096);
	tlv_put_u64(&fields, PARSE_F_JOB, PARSE_IMPORT);
	tlv_put_text(&fields, PARSE_F_ADDRESS, s->email);
	if (passphrase)
		tlv_put_bytes(&fields, PARSE_F_PASSWORD, passphrase, n);
	r = parser_start(s->bin, NULL, p_r);
	if (!r)
		r = parser_ask(p_r, &fields, data, len, MAIL_READ_MS);
	if (r)
		parser_finish(p_r);
	tlv_out_finish(&fields);
	return r;
}

enum ll_result
session_mail_import(struct session_channel *c, const struct msg *request)
{
	struct session *s = c->session;
	struct session_parser *p = &s->parsers[MAIL_IMPORT];
	struct parser made = PARSER_NONE;
	enum ll_result r;

	if (s->state != STATE_OK)
		return LL_DENIED;
	if (!s->vault)
		return LL_LOCKED;
	if (!s->store || p->pid > 0 || p->making)
		return LL_BUSY;
	r = mail_import(s, request, &made);
	if (r)
		return r;
	*p = (struct session_parser){ .session = s, .channel = c,
		.pid = made.pid, .fd = made.fd, .making = true,
		.sequence = msg_sequence(request) };
	if (loop_timer(s->loop, MAIL_MAKE_MS, mail_expire, p, &p->timer) !=
	    LL_OK)
		mail_kill(p);
	r = loop_fd(s->loop, p->fd, POLLIN, mail_imported, p);
	if (!r)
		return LL_AGAIN;
	mail_kill(p);
	(void)close(p->fd);
	p->fd = -1;
	p->making = false;
	return r;
}

void
session_mail_finish(struct session *s)
{
	for (int i = 0; i < SESSION_PLACES; i++) {
		struct session_parser *p = &s->parsers[i];
		struct parser end = { p->pid, p->making ? p->fd : -1 };

		parser_finish(&end);
		p->pid = 0;
		p->making = false;
	}
}
