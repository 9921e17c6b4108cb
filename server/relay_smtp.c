#include "server/relay_smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "keys/clean.h"

#define EXPECT_MAX 16
#define CONNECT_MS 20000
#define TALK_MS 60000              /* a reply, or progress with the data */
#define END_MS 300000              /* the reply to the final dot */
#define PIECE_ROOM (2 * SEAL_CHUNK + 16)   /* less than half of the wire's */

enum step {
	GREETING, HELLO, OLD_HELLO, BEGIN_TLS, IN_TLS, LOGIN, LOGIN_USER,
	LOGIN_PASSWORD, READY, CLOSED
};

/* A reply that is to come, and to what. */
enum asked { ASKED_MAIL, ASKED_RCPT, ASKED_DATA, ASKED_END, ASKED_RSET };

struct expect {
	enum asked what;
	struct smtp_mail *mail;
};

struct relay_smtp {
	struct smtp_server server;
	struct smtp_user user;
	struct relay_wire *wire;
	enum step step;
	bool tls;
	bool pipelining, starttls, requiretls, auth_plain, auth_login;
	uint64_t size_max;
	struct expect expect[EXPECT_MAX];
	size_t expect_count;
	struct smtp_mail *mails[SMTP_AT_ONCE];   /* [0] is the first */
	size_t mail_count;
	bool begun;                /* mails[0]'s envelope was sent */
	bool begun_next;           /* and mails[1]'s */
	bool sending;              /* mails[0]'s data are */
	bool at_line;              /* the next byte begins a line */
	bool reset;                /* a transaction was left open */
	bool served;               /* took a mail before */
	bool answered;             /* since the last mail was given */
	char reply[SMTP_WORDS];
	bool reply_open;
	uint64_t moved_ms, written;
};

static void
say(struct relay_smtp *c, const char *text)
{
	wire_put(c->wire, text, strlen(text));
}

static void
say_line(struct relay_smtp *c, const char *verb, const char *rest)
{
	say(c, verb);
	say(c, rest);
	say(c, "\r\n");
}

/* --- the end --- */

static void
settle(struct relay_smtp *c, struct smtp_mail *m, enum queue_outcome outcome,
    const char *words)
{
	char *clean = NULL;

	m->outcome = outcome;
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) == LL_OK)
		snprintf(m->words, sizeof(m->words), "%s", clean);
	free(clean);
	c->user.done(c->user.arg, c, m);
}

/* A mail whose data were under way may have arrived: it is repeated later,
 * with the same Message-ID.  One that the server said nothing about on a
 * connection that had worked before can go to another at once. */
static void
drop_mails(struct relay_smtp *c, const char *words)
{
	struct smtp_mail *mails[SMTP_AT_ONCE];
	size_t n = c->mail_count, i;
	bool ended = c->begun && c->mails[0]->asked;

	memcpy(mails, c->mails, sizeof(mails));
	c->mail_count = 0;
	for (i = 0; i < n; i++) {
		if (i == 0 && mails[i]->refused)
			c->user.done(c->user.arg, c, mails[i]);
		else if ((i == 0 && (ended || !c->served || c->answered)))
			settle(c, mails[i], QUEUE_RETRY, words);
		else
			c->user.back(c->user.arg, c, mails[i]);
	}
}

static void
close_with(struct relay_smtp *c, const char *words)
{
	if (c->step == CLOSED)
		return;
	c->step = CLOSED;
	wire_close(c->wire);
	drop_mails(c, words);
	c->user.closed(c->user.arg, c, words);
}

static void
wire_failed(void *arg, const char *words)
{
	struct relay_smtp *c = arg;

	/* a 421 that came before says more */
	close_with(c, c->reply[0] == '4' || c->reply[0] == '5' ? c->reply :
	    words);
}

void
smtp_leave(struct relay_smtp *c, const char *words)
{
	if (c->step == READY && c->mail_count == 0 && wire_is_open(c->wire)) {
		say(c, "QUIT\r\n");
		wire_flush(c->wire);
	}
	close_with(c, words);
}

/* --- mails --- */

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
	say(c, line);
	expect(c, ASKED_MAIL, m);
}

static void
say_rcpt(struct relay_smtp *c, struct smtp_mail *m)
{
	char line[800];

	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", m->to);
	say(c, line);
	expect(c, ASKED_RCPT, m);
}

static void
say_data(struct relay_smtp *c, struct smtp_mail *m)
{
	say(c, "DATA\r\n");
	expect(c, ASKED_DATA, m);
}

static void
begin(struct relay_smtp *c, struct smtp_mail *m)
{
	if (c->reset) {
		say(c, "RSET\r\n");
		expect(c, ASKED_RSET, NULL);
		c->reset = false;
	}
	say_mail(c, m);
	if (!c->pipelining)
		return;
	say_rcpt(c, m);
	say_data(c, m);
}

/* Begins what may be begun: the first mail, and the second one once all of
 * the first one's data went (RFC 2920 3.1: DATA ends a group, the data's end
 * does not). */
static void
go_on(struct relay_smtp *c)
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
		settle(c, m, outcome, words);
	go_on(c);
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
	settle(c, m, r == LL_PROTO ? QUEUE_REFUSED : QUEUE_RETRY, words);
	close_with(c, words);
}

static void
send_data(struct relay_smtp *c)
{
	struct smtp_mail *m = c->mails[0];
	const uint8_t *p;
	size_t len;
	enum ll_result r;

	while (c->step == READY && c->sending &&
	    wire_room(c->wire) >= PIECE_ROOM) {
		r = body_next(m->body, &p, &len);
		if (r == LL_EOF) {
			say(c, ".\r\n");
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
	go_on(c);
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
		say(c, ".\r\n");
		expect(c, ASKED_END, m);
		return;
	}
	m->asked = true;
	c->sending = true;
	c->at_line = true;
	send_data(c);
}

static void
on_end(struct relay_smtp *c, const char *reply)
{
	finish(c, reply[0] == '2' ? QUEUE_SENT : final_or_not(reply), reply);
}

static void
on_mail_reply(struct relay_smtp *c, const char *reply)
{
	struct expect e;

	if (c->expect_count == 0) {
		close_with(c, reply[0] == '4' ? reply :
		    "the server said something unasked");
		return;
	}
	e = c->expect[0];
	c->expect_count--;
	memmove(c->expect, c->expect + 1,
	    c->expect_count * sizeof(c->expect[0]));
	c->answered = true;
	if (strncmp(reply, "421", 3) == 0) {
		close_with(c, reply);
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

/* --- until it is ready --- */

static void
become_ready(struct relay_smtp *c)
{
	c->step = READY;
	c->user.ready(c->user.arg, c);
}

static void
hello(struct relay_smtp *c)
{
	c->step = HELLO;
	c->pipelining = c->starttls = c->requiretls = false;
	c->auth_plain = c->auth_login = false;
	c->size_max = UINT64_MAX;
	say_line(c, "EHLO ", c->server.helo);
}

static void
log_in(struct relay_smtp *c)
{
	c->step = LOGIN;
	if (c->auth_plain)
		say(c, "AUTH PLAIN\r\n");
	else if (c->auth_login)
		say(c, "AUTH LOGIN\r\n");
	else
		close_with(c, "the server offers neither AUTH PLAIN nor LOGIN");
}

/* After EHLO: TLS first, then the login, then mails. */
static void
prepare(struct relay_smtp *c)
{
	bool want = c->server.tls != SMTP_TLS_OFF && !c->tls;

	if (want && c->starttls) {
		c->step = BEGIN_TLS;
		say(c, "STARTTLS\r\n");
	} else if (want && c->server.tls == SMTP_TLS_REQUIRED) {
		close_with(c, "the server does not offer STARTTLS");
	} else if (c->server.user[0] != '\0') {
		log_in(c);
	} else {
		become_ready(c);
	}
}

static void
say_base64(struct relay_smtp *c, const void *p, size_t len)
{
	char text[2048];

	if (sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL) >
	    sizeof(text) - 2) {
		close_with(c, "user name or password are too long");
		return;
	}
	sodium_bin2base64(text, sizeof(text), p, len,
	    sodium_base64_VARIANT_ORIGINAL);
	say_line(c, text, "");
	sodium_memzero(text, sizeof(text));
}

static void
say_plain(struct relay_smtp *c)
{
	const char *password = (const char *)c->server.password->data;
	char text[1400];
	int n;

	n = snprintf(text, sizeof(text), "%c%s%c%s", 0, c->server.user, 0,
	    password);
	if (n > 0 && (size_t)n < sizeof(text))
		say_base64(c, text, (size_t)n);
	else
		close_with(c, "user name or password are too long");
	sodium_memzero(text, sizeof(text));
}

static void
on_login(struct relay_smtp *c, const char *reply)
{
	if (c->step == LOGIN_PASSWORD && reply[0] == '2') {
		become_ready(c);
	} else if (reply[0] != '3') {
		close_with(c, reply);
	} else if (c->step == LOGIN && c->auth_plain) {
		c->step = LOGIN_PASSWORD;
		say_plain(c);
	} else if (c->step == LOGIN) {
		c->step = LOGIN_USER;
		say_base64(c, c->server.user, strlen(c->server.user));
	} else if (c->step == LOGIN_USER) {
		c->step = LOGIN_PASSWORD;
		say_base64(c, c->server.password->data,
		    strlen((const char *)c->server.password->data));
	} else {
		close_with(c, reply);
	}
}

static void
on_hello(struct relay_smtp *c, const char *reply)
{
	if (reply[0] == '2') {
		prepare(c);
	} else if (reply[0] == '5' && c->step == HELLO &&
	    c->server.tls != SMTP_TLS_REQUIRED) {
		c->step = OLD_HELLO;
		say_line(c, "HELO ", c->server.helo);
	} else {
		close_with(c, reply);
	}
}

static void
on_reply(struct relay_smtp *c, const char *reply)
{
	switch (c->step) {
	case GREETING:
		if (reply[0] == '2')
			hello(c);
		else
			close_with(c, reply);
		break;
	case HELLO:
	case OLD_HELLO:
		on_hello(c, reply);
		break;
	case BEGIN_TLS:
		c->step = IN_TLS;
		if (reply[0] == '2')
			wire_start_tls(c->wire, c->server.trust,
			    &c->server.peer);
		else
			close_with(c, reply);
		break;
	case LOGIN:
	case LOGIN_USER:
	case LOGIN_PASSWORD:
		on_login(c, reply);
		break;
	case READY:
		on_mail_reply(c, reply);
		break;
	default:
		close_with(c, "the server said something unasked");
	}
	if (c->step != CLOSED && c->step != IN_TLS)
		wire_flush(c->wire);
}

/* A line of EHLO's answer, behind "250-". */
static void
note_offer(struct relay_smtp *c, const char *word)
{
	static const struct {
		const char *word;
		size_t at;
	} flags[] = {
		{ "PIPELINING", offsetof(struct relay_smtp, pipelining) },
		{ "STARTTLS", offsetof(struct relay_smtp, starttls) },
		{ "REQUIRETLS", offsetof(struct relay_smtp, requiretls) },
	};
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcasecmp(word, flags[i].word) == 0)
			*(bool *)((char *)c + flags[i].at) = true;
	if (strncasecmp(word, "SIZE", 4) == 0 &&
	    (word[4] == ' ' || word[4] == '\0'))
		c->size_max = strtoull(word + 4, NULL, 10);
	if (strncasecmp(word, "AUTH", 4) == 0 &&
	    (word[4] == ' ' || word[4] == '=')) {
		c->auth_plain = c->auth_plain ||
		    strcasestr(word + 4, "PLAIN") != NULL;
		c->auth_login = c->auth_login ||
		    strcasestr(word + 4, "LOGIN") != NULL;
	}
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
		close_with(c, "the server does not speak SMTP");
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
		note_offer(c, line + 4);
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
			hello(c);
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
		send_data(c);
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
	go_on(c);
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
		close_with(c, "the server does not answer");
	}
}

void
smtp_proof(const struct relay_smtp *c, struct wire_proof *p_r)
{
	wire_proof(c->wire, p_r);
}
