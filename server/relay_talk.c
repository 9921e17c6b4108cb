#include "server/relay_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"

#define PIECE_ROOM (2 * SEAL_CHUNK + 16)   /* less than half of the wire's */

static void
expect(struct relay_smtp *c, enum asked what, struct smtp_mail *m)
{
	if (c->expect_count < EXPECT_MAX) {
		c->expect[c->expect_count].what = what;
		c->expect[c->expect_count].mail = m;
		c->expect_count++;
	}
}

static void
say_mail(struct relay_smtp *c, struct smtp_mail *m)
{
	char size[40] = "", line[800];

	if (c->size_max != UINT64_MAX)
		snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)body_bytes(m->body));
	snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s\r\n", m->from, size,
	    m->require_tls ? " REQUIRETLS" : "");
	conn_say(c, line);
	expect(c, ASKED_MAIL, m);
}

static void
say_rcpt(struct relay_smtp *c, struct smtp_mail *m)
{
	char line[800];

	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", m->to);
	conn_say(c, line);
	expect(c, ASKED_RCPT, m);
}

static void
say_data(struct relay_smtp *c, struct smtp_mail *m)
{
	conn_say(c, "DATA\r\n");
	expect(c, ASKED_DATA, m);
}

static void
begin(struct relay_smtp *c, struct smtp_mail *m)
{
	if (c->reset) {
		conn_say(c, "RSET\r\n");
		expect(c, ASKED_RSET, NULL);
		c->reset = false;
	}
	say_mail(c, m);
	if (!c->pipelining)
		return;
	say_rcpt(c, m);
	say_data(c, m);
}

void
talk_go_on(struct relay_smtp *c)
{
	if (c->step != READY)
		return;
	if (c->mail_count > 0 && !c->begun) {
		c->begun = true;
		begin(c, c->mails[0]);
	}
	if (c->mail_count > 1 && c->begun && !c->begun_next &&
	    c->pipelining && c->mails[0]->asked && !c->sending) {
		c->begun_next = true;
		begin(c, c->mails[1]);
	}
	if (c->step == READY)
		wire_flush(c->wire);
}

/* The first mail is done with; its successor takes its place. */
static void
shift(struct relay_smtp *c)
{
	c->mails[0] = c->mails[1];
	c->mails[1] = NULL;
	c->mail_count--;
	c->begun = c->begun_next;
	c->begun_next = false;
	c->sending = false;
	c->served = true;
	c->answered = false;
}

static void
finish(struct relay_smtp *c, enum queue_outcome outcome, const char *words)
{
	struct smtp_mail *m = c->mails[0];

	shift(c);
	if (m->refused)
		c->user.done(c->user.arg, c, m);
	else
		conn_settle(c, m, outcome, words);
	talk_go_on(c);
}

/* Dots that begin a line are doubled; all else goes as it is. */
static void
put_stuffed(struct relay_smtp *c, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len, *dot;
	size_t n;

	if (len > 0 && c->at_line && *p == '.')
		wire_put(c->wire, ".", 1);
	while (p < end) {
		dot = memmem(p, (size_t)(end - p), "\n.", 2);
		n = dot != NULL ? (size_t)(dot - p) + 1 : (size_t)(end - p);
		wire_put(c->wire, p, n);
		p += n;
		if (dot != NULL)
			wire_put(c->wire, ".", 1);
	}
	c->at_line = len > 0 ? end[-1] == '\n' : c->at_line;
}

/* Without its final dot the server must not take it for a mail. */
static void
break_off(struct relay_smtp *c, enum ll_result r)
{
	struct smtp_mail *m = c->mails[0];
	char words[120];

	if (r == LL_PROTO)
		snprintf(words, sizeof(words),
		    "the mail has a bare line end and cannot be sent");
	else
		snprintf(words, sizeof(words),
		    "the stored mail cannot be read: %s", ll_result_text(r));
	wire_close(c->wire);
	shift(c);
	conn_settle(c, m, r == LL_PROTO ? QUEUE_REFUSED : QUEUE_RETRY, words);
	conn_close(c, words);
}

void
talk_send_data(struct relay_smtp *c)
{
	struct smtp_mail *m = c->mails[0];
	const uint8_t *p;
	size_t len;
	enum ll_result r;

	while (c->step == READY && c->sending &&
	    wire_room(c->wire) >= PIECE_ROOM) {
		r = body_next(m->body, &p, &len);
		if (r == LL_EOF) {
			conn_say(c, ".\r\n");
			expect(c, ASKED_END, m);
			c->sending = false;
		} else if (r != LL_OK) {
			break_off(c, r);
			return;
		} else {
			put_stuffed(c, p, len);
			if (wire_room(c->wire) < PIECE_ROOM)
				wire_flush(c->wire);
		}
	}
	talk_go_on(c);
}

/* --- replies --- */

static void
refuse(struct smtp_mail *m, enum queue_outcome outcome, const char *words)
{
	char *clean = NULL;

	if (m->refused)
		return;
	m->refused = true;
	m->outcome = outcome;
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) == LL_OK)
		snprintf(m->words, sizeof(m->words), "%s", clean);
	free(clean);
}

static enum queue_outcome
final_or_not(const char *reply)
{
	return reply[0] == '5' ? QUEUE_REFUSED : QUEUE_RETRY;
}

/* A refused sender or greeting is for the admin to mend, not the recipient's
 * fault; what does not fit is. */
static void
on_mail(struct relay_smtp *c, struct smtp_mail *m, const char *reply)
{
	bool too_big = strncmp(reply, "552", 3) == 0 ||
	    strstr(reply, "5.3.4") != NULL;

	if (reply[0] != '2')
		refuse(m, too_big ? QUEUE_REFUSED : QUEUE_RETRY, reply);
	if (c->pipelining)
		return;
	if (m->refused)
		finish(c, m->outcome, m->words);
	else
		say_rcpt(c, m);
}

static void
on_rcpt(struct relay_smtp *c, struct smtp_mail *m, const char *reply)
{
	if (reply[0] != '2')
		refuse(m, final_or_not(reply), reply);
	if (c->pipelining)
		return;
	c->reset = m->refused;
	if (m->refused)
		finish(c, m->outcome, m->words);
	else
		say_data(c, m);
}

static void
on_data(struct relay_smtp *c, struct smtp_mail *m, const char *reply)
{
	if (reply[0] != '3') {
		refuse(m, final_or_not(reply), reply);
		c->reset = true;
		finish(c, m->outcome, m->words);
		return;
	}
	if (m->refused) {
		/* it takes data for nobody: none are given */
		conn_say(c, ".\r\n");
		expect(c, ASKED_END, m);
		return;
	}
	m->asked = true;
	c->sending = true;
	c->at_line = true;
	talk_send_data(c);
}

static void
on_end(struct relay_smtp *c, const char *reply)
{
	finish(c, reply[0] == '2' ? QUEUE_SENT : final_or_not(reply), reply);
}

void
talk_reply(struct relay_smtp *c, const char *reply)
{
	struct expect e;

	if (c->expect_count == 0) {
		conn_close(c, reply[0] == '4' ? reply :
		    "the server said something unasked");
		return;
	}
	e = c->expect[0];
	c->expect_count--;
	memmove(c->expect, c->expect + 1,
	    c->expect_count * sizeof(c->expect[0]));
	c->answered = true;
	if (strncmp(reply, "421", 3) == 0) {
		conn_close(c, reply);
		return;
	}
	switch (e.what) {
	case ASKED_MAIL:
		on_mail(c, e.mail, reply);
		break;
	case ASKED_RCPT:
		on_rcpt(c, e.mail, reply);
		break;
	case ASKED_DATA:
		on_data(c, e.mail, reply);
		break;
	case ASKED_END:
		on_end(c, reply);
		break;
	case ASKED_RSET:
		break;
	}
	if (c->step == READY)
		wire_flush(c->wire);
}
