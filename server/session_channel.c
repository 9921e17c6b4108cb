#include "server/session.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHANNEL_COLS_MIN 20
#define CHANNEL_COLS_MAX 500
#define CHANNEL_ROWS_MIN 5
#define CHANNEL_ROWS_MAX 300
#define CHANNEL_TERM_MAX 40

static struct session_channel *
channel_find(struct session *s, const struct msg *m)
{
	const uint64_t number = view_u64(msg_view(m), F_CHANNEL);

	for (int i = 0; i < SESSION_CHANNELS; i++) {
		struct session_channel *c = &s->channels[i];

		if (c->used && !c->closed && c->number == number)
			return c;
	}
	return NULL;
}

/* A channel that may still be prepared or started. */
static struct session_channel *
channel_fresh(struct session *s, const struct msg *m)
{
	struct session_channel *c = channel_find(s, m);

	return c && c->mode == 0 ? c : NULL;
}

void
session_channel_open(struct session *s, struct msg *m)
{
	struct session_channel *c = NULL;

	for (int i = 0; i < SESSION_CHANNELS && !c; i++)
		if (!s->channels[i].used)
			c = &s->channels[i];
	if (!c || channel_find(s, m)) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->session = s;
	c->used = true;
	c->number = (unsigned)view_u64(msg_view(m), F_CHANNEL);
	c->master = c->slave = c->io = c->err = -1;
	s->active_ms = loop_now_ms();
	session_answer(s, m, LL_OK);
}

static unsigned
channel_clamp(uint64_t v, unsigned low, unsigned high, unsigned none)
{
	if (v == 0)
		return none;
	if (v < low)
		return low;
	return v > high ? high : (unsigned)v;
}

static void
channel_size(struct session_channel *c, const struct msg *m)
{
	const struct tlv_view v = msg_view(m);

	c->cols = channel_clamp(view_u64(v, F_COLS), CHANNEL_COLS_MIN,
	    CHANNEL_COLS_MAX, 80);
	c->rows = channel_clamp(view_u64(v, F_ROWS), CHANNEL_ROWS_MIN,
	    CHANNEL_ROWS_MAX, 24);
}

static bool
channel_term_ok(const char *term)
{
	const size_t n = strlen(term);

	if (n == 0 || n > CHANNEL_TERM_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)term[i]) &&
		    !strchr("._+-", term[i]))
			return false;
	return true;
}

void
session_channel_pty(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_fresh(s, m);
	const char *term = view_text(msg_view(m), F_TERM);

	if (!c || c->pty) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	c->pty = true;
	channel_size(c, m);
	if (channel_term_ok(term))
		memcpy(c->term, term, strlen(term) + 1);
	session_answer(s, m, LL_OK);
}

void
session_channel_resize(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_find(s, m);
	struct winsize size = { .ws_row = 0 };

	if (!c || !c->pty)
		return;
	channel_size(c, m);
	size.ws_row = (unsigned short)c->rows;
	size.ws_col = (unsigned short)c->cols;
	if (c->master >= 0)
		(void)ioctl(c->master, TIOCSWINSZ, &size);
}

/* Names that a client may set; a trailing * stands for more letters. */
static const char *const env_names[] = {
	"LANG", "LC_*", "NO_COLOR", "COLORTERM", "LETTERLOCK_ACCESSIBLE",
	"LETTERLOCK_ASCII", "LETTERLOCK_COLOR", "LETTERLOCK_MOUSE",
};

static bool
channel_env_name_ok(const char *name)
{
	for (size_t i = 0; i < sizeof(env_names) / sizeof(env_names[0]); i++) {
		const size_t n = strlen(env_names[i]);

		if (strcmp(name, env_names[i]) == 0)
			return true;
		if (env_names[i][n - 1] == '*' &&
		    strncmp(name, env_names[i], n - 1) == 0 &&
		    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") ==
		    strlen(name) && strlen(name) > n - 1)
			return true;
	}
	return false;
}

static bool
channel_env_value_ok(const char *value)
{
	for (const char *p = value; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._@:=+-", *p))
			return false;
	return strlen(value) <= 64;
}

void
session_channel_env(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_fresh(s, m);
	const char *name = view_text(msg_view(m), F_ENV_NAME);
	const char *value = view_text(msg_view(m), F_ENV_VALUE);
	struct session_pair *p;

	if (!c || c->env_count >= SESSION_ENV || !channel_env_name_ok(name) ||
	    !channel_env_value_ok(value)) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	p = &c->env[c->env_count];
	p->name = strdup(name);
	p->value = strdup(value);
	if (!p->name || !p->value) {
		free(p->name);
		free(p->value);
		session_answer(s, m, LL_NOMEM);
		return;
	}
	c->env_count++;
	session_answer(s, m, LL_OK);
}

/* Opens the channel's descriptors, starts its worker and tells the gate. */
static void
channel_start(struct session *s, struct session_channel *c, struct msg *m,
    enum worker_mode mode)
{
	struct msg *reply = NULL;
	int fds[2];
	enum ll_result r = session_worker_open(c, fds);

	if (!r) {
		c->mode = mode;
		r = session_worker_start(c);
	}
	if (!r)
		r = msg_reply(m, LL_OK, &reply);
	if (r) {
		if (fds[0] >= 0)
			(void)close(fds[0]);
		if (fds[1] >= 0)
			(void)close(fds[1]);
		session_answer(s, m, r);
		return;
	}
	msg_put_fd(reply, fds[0]);
	if (fds[1] >= 0)
		msg_put_fd(reply, fds[1]);
	session_send(s, reply);
}

/* No worker: words for standard error and an exit status. */
static void
channel_refuse(struct session *s, const struct msg *m, unsigned code,
    const char *words)
{
	struct msg *reply = NULL;

	if (msg_reply(m, LL_OK, &reply) == LL_OK) {
		msg_put_u64(reply, F_EXIT, code);
		msg_put_text(reply, F_WORDS, words);
	}
	session_send(s, reply);
}

static bool
channel_plain(const struct session_channel *c)
{
	if (!c->pty || c->term[0] == '\0' || strcmp(c->term, "dumb") == 0)
		return true;
	for (size_t i = 0; i < c->env_count; i++)
		if (strcmp(c->env[i].name, "LETTERLOCK_ACCESSIBLE") == 0 &&
		    strcmp(c->env[i].value, "1") == 0)
			return true;
	return false;
}

void
session_channel_shell(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_fresh(s, m);
	const bool enrol = s->state == STATE_ENROL;

	if (!c) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	if (channel_plain(c))
		channel_start(s, c, m, enrol ? WORKER_ENROL_LINE :
		    WORKER_LINE);
	else
		channel_start(s, c, m, enrol ? WORKER_ENROL : WORKER_SCREEN);
}

/* "scp ... -t ..." or "-f": the old protocol, which we do not speak. */
static bool
channel_is_scp(const char *command)
{
	const char *p = command;

	if (strncmp(command, "scp ", 4) != 0)
		return false;
	while ((p = strstr(p, " -")) != NULL) {
		for (p += 2; *p && *p != ' '; p++)
			if (*p == 't' || *p == 'f')
				return true;
	}
	return false;
}

void
session_channel_exec(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_fresh(s, m);
	const char *command = view_text(msg_view(m), F_COMMAND);

	if (!c) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	if (!view_has(msg_view(m), F_COMMAND)) {
		channel_refuse(s, m, 2, "a command is UTF-8 text of at most "
		    "65536 bytes\n");
		return;
	}
	if (channel_is_scp(command)) {
		channel_refuse(s, m, 1, "use scp without -O or sftp\n");
		return;
	}
	if (s->state == STATE_ENROL) {
		channel_refuse(s, m, 1, "a ticket opens enrolment only: log in "
		    "without a command\n");
		return;
	}
	c->command = strdup(command);
	if (!c->command) {
		session_answer(s, m, LL_NOMEM);
		return;
	}
	channel_start(s, c, m, WORKER_EXEC);
}

void
session_channel_subsystem(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_fresh(s, m);

	if (!c || c->pty || s->state != STATE_OK ||
	    strcmp(view_text(msg_view(m), F_NAME), "sftp") != 0) {
		session_answer(s, m, LL_DENIED);
		return;
	}
	channel_start(s, c, m, WORKER_SFTP);
}

void
session_channel_closed(struct session *s, struct msg *m)
{
	struct session_channel *c = channel_find(s, m);

	if (!c)
		return;
	if (c->pid <= 0)
		session_worker_release(c);
	else if (c->pty)
		session_worker_hangup(c);
	else
		session_worker_drain(c);
}
