/*
 * relay_hello.h - an SMTP connection until mails may be given: EHLO and what
 * it offers, STARTTLS, the login.
 */
#ifndef LL_RELAY_HELLO_H
#define LL_RELAY_HELLO_H

#include "server/relay_conn.h"

/* Says EHLO; what was offered before is forgotten. */
void hello_begin(struct relay_smtp *c);
/* Takes the reply to EHLO or HELO. */
void hello_reply(struct relay_smtp *c, const char *reply);
/* Takes a reply while logging in. */
void hello_login_reply(struct relay_smtp *c, const char *reply);
/* Takes a line of EHLO's answer, what stands behind "250-". */
void hello_note_offer(struct relay_smtp *c, const char *word);

#endif
