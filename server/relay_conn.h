/*
 * relay_conn.h - the state of one SMTP connection, for the files that make up
 * relay_smtp.h and nobody else.
 */
#ifndef LL_RELAY_CONN_H
#define LL_RELAY_CONN_H

#include "server/relay_smtp.h"

#define EXPECT_MAX 16              /* replies that may be to come */

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

/* Puts text into what is to be written; nothing is flushed. */
void conn_say(struct relay_smtp *c, const char *text);
/* The same for a line of two parts; its end is added. */
void conn_say_line(struct relay_smtp *c, const char *verb, const char *rest);
/* Gives a mail back with its outcome; words are cleaned. */
void conn_settle(struct relay_smtp *c, struct smtp_mail *m,
    enum queue_outcome outcome, const char *words);
/* Closes at once, its mails settled or given back; again is fine. */
void conn_close(struct relay_smtp *c, const char *words);

#endif
