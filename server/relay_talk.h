/*
 * relay_talk.h - mails on an SMTP connection that is ready: envelopes, data,
 * and what the server says of them.
 */
#ifndef LL_RELAY_TALK_H
#define LL_RELAY_TALK_H

#include "server/relay_conn.h"

/* Begins what may be begun: the first mail, and the second one once all of
 * the first one's data went (RFC 2920 3.1: DATA ends a group, the data's end
 * does not). */
void talk_go_on(struct relay_smtp *c);
/* Puts the first mail's data, as much as there is room for. */
void talk_send_data(struct relay_smtp *c);
/* Takes the next whole reply, of all its lines. */
void talk_reply(struct relay_smtp *c, const char *reply);

#endif
