#include "server/relay_hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

static void
become_ready(struct relay_smtp *c)
{
	c->step = READY;
	c->user.ready(c->user.arg, c);
}

void
hello_begin(struct relay_smtp *c)
{
	c->step = HELLO;
	c->pipelining = c->starttls = c->requiretls = false;
	c->auth_plain = c->auth_login = false;
	c->size_max = UINT64_MAX;
	conn_say_line(c, "EHLO ", c->server.helo);
}

static void
log_in(struct relay_smtp *c)
{
	c->step = LOGIN;
	if (c->auth_plain)
		conn_say(c, "AUTH PLAIN\r\n");
	else if (c->auth_login)
		conn_say(c, "AUTH LOGIN\r\n");
	else
		conn_close(c, "the server offers neither AUTH PLAIN nor LOGIN");
}

/* After EHLO: TLS first, then the login, then mails. */
static void
prepare(struct relay_smtp *c)
{
	bool want = c->server.tls != SMTP_TLS_OFF && !c->tls;

	if (want && c->starttls) {
		c->step = BEGIN_TLS;
		conn_say(c, "STARTTLS\r\n");
	} else if (want && c->server.tls == SMTP_TLS_REQUIRED) {
		conn_close(c, "the server does not offer STARTTLS");
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
		conn_close(c, "user name or password are too long");
		return;
	}
	sodium_bin2base64(text, sizeof(text), p, len,
	    sodium_base64_VARIANT_ORIGINAL);
	conn_say_line(c, text, "");
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
		conn_close(c, "user name or password are too long");
	sodium_memzero(text, sizeof(text));
}

void
hello_login_reply(struct relay_smtp *c, const char *reply)
{
	if (c->step == LOGIN_PASSWORD && reply[0] == '2') {
		become_ready(c);
	} else if (reply[0] != '3') {
		conn_close(c, reply);
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
		conn_close(c, reply);
	}
}

void
hello_reply(struct relay_smtp *c, const char *reply)
{
	if (reply[0] == '2') {
		prepare(c);
	} else if (reply[0] == '5' && c->step == HELLO &&
	    c->server.tls != SMTP_TLS_REQUIRED) {
		c->step = OLD_HELLO;
		conn_say_line(c, "HELO ", c->server.helo);
	} else {
		conn_close(c, reply);
	}
}

void
hello_note_offer(struct relay_smtp *c, const char *word)
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
