#include "server/relay_smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/relay_conn.h"
#include "server/relay_hello.h"
#include "server/relay_talk.h"

#define CONNECT_MS 20000
#define TALK_MS 60000              /* a reply, or progress with the data */
#define END_MS 300000              /* the reply to the final dot */

static void
on_reply(struct relay_smtp *c, const char *reply)
{
	switch (c->step) {
	case GREETING:
		if (reply[0] == '2')
			hello_begin(c);
		else
			conn_close(c, reply);
		break;
	case HELLO:
	case OLD_HELLO:
		hello_reply(c, reply);
		break;
	case BEGIN_TLS:
		c->step = IN_TLS;
		if (reply[0] == '2')
			wire_start_tls(c->wire, c->server.trust,
			    &c->server.peer);
		else
			conn_close(c, reply);
		break;
	case LOGIN:
	case LOGIN_USER:
	case LOGIN_PASSWORD:
		hello_login_reply(c, reply);
		break;
	case READY:
		talk_reply(c, reply);
		break;
	default:
		conn_close(c, "the server said something unasked");
	}
	if (c->step != CLOSED && c->step != IN_TLS)
		wire_flush(c->wire);
}

static void
wire_failed(void *arg, const char *words)
{
	struct relay_smtp *c = arg;

	/* a 421 that came before says more */
	conn_close(c, c->reply[0] == '4' || c->reply[0] == '5' ? c->reply :
	    words);
}

static bool
is_reply_line(const char *line)
{
	return line[0] >= '2' && line[0] <= '5' && line[1] >= '0' &&
	    line[1] <= '9' && line[2] >= '0' && line[2] <= '9' &&
	    (line[3] == ' ' || line[3] == '-' || line[3] == '\0');
}

static void
wire_line(void *arg, const char *line)
{
	struct relay_smtp *c = arg;
	size_t have;

	if (!is_reply_line(line)) {
		conn_close(c, "the server does not speak SMTP");
		return;
	}
	if (!c->reply_open)
		c->reply[0] = '\0';
	have = strlen(c->reply);
	snprintf(c->reply + have, sizeof(c->reply) - have, "%s%s",
	    have > 0 ? " " : "", line);
	c->reply_open = line[3] == '-';
	c->moved_ms = loop_now_ms();
	if (c->step == HELLO && line[0] == '2' && line[3] != '\0')
		hello_note_offer(c, line + 4);
	if (!c->reply_open)
		on_reply(c, c->reply);
}

static void
wire_opened(void *arg)
{
	struct relay_smtp *c = arg;

	c->moved_ms = loop_now_ms();
	if (c->step == IN_TLS) {
		c->tls = true;
		if (c->server.tls_first)
			c->step = GREETING;
		else
			hello_begin(c);
		c->server.tls_first = false;
		if (c->step != CLOSED)
			wire_flush(c->wire);
	} else if (c->server.tls_first) {
		c->step = IN_TLS;
		wire_start_tls(c->wire, c->server.trust, &c->server.peer);
	}
}

static void
wire_has_room(void *arg)
{
	struct relay_smtp *c = arg;

	if (c->step == READY && c->sending)
		talk_send_data(c);
}

/* --- the outside --- */

enum ll_result
smtp_create(struct loop *loop, const struct smtp_server *server,
    const struct smtp_user *user, struct relay_smtp **c_r)
{
	struct wire_user wire = { wire_opened, wire_line, wire_has_room,
	    wire_failed, NULL };
	struct relay_smtp *c;
	enum ll_result r;

	*c_r = NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return LL_NOMEM;
	c->server = *server;
	c->user = *user;
	c->moved_ms = loop_now_ms();
	wire.arg = c;
	r = wire_create(loop, &wire, &c->wire);
	if (r != LL_OK) {
		free(c);
		return r;
	}
	*c_r = c;
	wire_connect(c->wire, &c->server.at);
	return LL_OK;
}

void
smtp_destroy(struct relay_smtp *c)
{
	if (c == NULL)
		return;
	wire_destroy(c->wire);
	free(c);
}

bool
smtp_has_room(const struct relay_smtp *c)
{
	return c->step == READY && c->mail_count < SMTP_AT_ONCE;
}

size_t
smtp_load(const struct relay_smtp *c)
{
	return c->mail_count;
}

bool
smtp_is_ready(const struct relay_smtp *c)
{
	return c->step == READY;
}

bool
smtp_is_closed(const struct relay_smtp *c)
{
	return c->step == CLOSED;
}

bool
smtp_offers_requiretls(const struct relay_smtp *c)
{
	return c->requiretls && c->tls;
}

void
smtp_send(struct relay_smtp *c, struct smtp_mail *m)
{
	m->refused = m->asked = false;
	m->words[0] = '\0';
	if (c->mail_count == 0) {
		c->answered = false;
		c->moved_ms = loop_now_ms();
	}
	c->mails[c->mail_count++] = m;
	talk_go_on(c);
}

void
smtp_leave(struct relay_smtp *c, const char *words)
{
	if (c->step == READY && c->mail_count == 0 && wire_is_open(c->wire)) {
		conn_say(c, "QUIT\r\n");
		wire_flush(c->wire);
	}
	conn_close(c, words);
}

/* How long it may be silent where it stands. */
static uint64_t
patience(const struct relay_smtp *c)
{
	if (c->step != READY)
		return CONNECT_MS;
	return c->mail_count > 0 && c->mails[0]->asked && !c->sending ?
	    END_MS : TALK_MS;
}

void
smtp_tick(struct relay_smtp *c, uint64_t now_ms, uint64_t idle_ms)
{
	if (c->step == CLOSED)
		return;
	if (wire_written(c->wire) != c->written) {
		c->written = wire_written(c->wire);
		c->moved_ms = now_ms;
	}
	if (c->step == READY && c->mail_count == 0) {
		if (now_ms - c->moved_ms >= idle_ms)
			smtp_leave(c, "nothing to do");
	} else if (now_ms - c->moved_ms >= patience(c)) {
		conn_close(c, "the server does not answer");
	}
}

void
smtp_proof(const struct relay_smtp *c, struct wire_proof *p_r)
{
	wire_proof(c->wire, p_r);
}
