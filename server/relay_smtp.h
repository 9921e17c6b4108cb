/*
 * relay_smtp.h - one SMTP connection (RFC 5321) that mails are handed over
 * on, one after the other, the next one's envelope right behind the last
 * one's end where the server allows that (RFC 2920).
 */
#ifndef LL_RELAY_SMTP_H
#define LL_RELAY_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/secret.h"
#include "server/relay_body.h"
#include "server/relay_wire.h"
#include "store/kind.h"

#define SMTP_WORDS 700             /* of the other server, kept */
#define SMTP_AT_ONCE 2             /* mails that one connection may have */

enum smtp_tls { SMTP_TLS_OFF, SMTP_TLS_IF_OFFERED, SMTP_TLS_REQUIRED };

/* A server and how it is to be spoken to; the strings stay the caller's as
 * long as the connection lives. */
struct smtp_server {
	struct sockaddr_storage at;
	struct wire_peer peer;
	struct wire_trust *trust;
	enum smtp_tls tls;
	bool tls_first;            /* smtps: TLS before the first word */
	const char *helo;
	const char *user;          /* "" for none */
	const struct secret *password;   /* text with its NUL */
};

/* One mail to one recipient; the caller keeps it until it was done or came
 * back.  from and to were checked: no blank, control, angle bracket. */
struct smtp_mail {
	const char *from, *to;
	struct relay_body *body;
	bool require_tls;          /* RFC 8689 */
	/* used inside */
	bool refused;              /* envelope: words are there */
	bool asked;                /* DATA was answered 354 */
	enum queue_outcome outcome;
	char words[SMTP_WORDS];
};

struct relay_smtp;

struct smtp_user {
	/* Logged in: mails may be given. */
	void (*ready)(void *arg, struct relay_smtp *c);
	/* m->outcome and m->words say what became of it. */
	void (*done)(void *arg, struct relay_smtp *c, struct smtp_mail *m);
	/* Not one byte of it was sent: to be given to another connection. */
	void (*back)(void *arg, struct relay_smtp *c, struct smtp_mail *m);
	/* Closed, after all its mails were done or came back.  The connection
	 * may be destroyed later, but not in here. */
	void (*closed)(void *arg, struct relay_smtp *c, const char *words);
	void *arg;
};

/* Connects; ready or closed follows. */
LL_MUST enum ll_result smtp_create(struct loop *loop,
    const struct smtp_server *server, const struct smtp_user *user,
    struct relay_smtp **c_r);
/* Closes and frees, telling nobody.  NULL is fine. */
void smtp_destroy(struct relay_smtp *c);

/* True when it is ready and has fewer than SMTP_AT_ONCE mails. */
bool smtp_has_room(const struct relay_smtp *c);
size_t smtp_load(const struct relay_smtp *c);
bool smtp_is_ready(const struct relay_smtp *c);
bool smtp_is_closed(const struct relay_smtp *c);
/* The server offers that extension. */
bool smtp_offers_requiretls(const struct relay_smtp *c);

/* Hands over; done or back follows. */
void smtp_send(struct relay_smtp *c, struct smtp_mail *m);
/* Says QUIT and closes without waiting for the answer; with mails under way
 * it only closes.  closed follows. */
void smtp_leave(struct relay_smtp *c, const char *words);
/* To be called every second or so: closes what has made no progress for too
 * long, or had nothing to do for idle_ms. */
void smtp_tick(struct relay_smtp *c, uint64_t now_ms, uint64_t idle_ms);

/* As wire_proof. */
void smtp_proof(const struct relay_smtp *c, struct wire_proof *p_r);

#endif
