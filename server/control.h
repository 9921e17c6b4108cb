/*
 * control.h - DIR/run/control.sock, the listening socket of the local command.
 *
 * Who connects must have our user id, the configured user's, or root's
 * (SO_PEERCRED).  Requests: CHANNEL_NEW (a PEER_LOCAL channel to the store),
 * SERVER_STATUS (the daemon's own rows), STOP_SERVER.
 */
#ifndef LL_CONTROL_H
#define LL_CONTROL_H

#include "server/house.h"

/* Makes DIR/run and the socket in it.  why: CONFIG_WHY bytes. */
LL_MUST enum ll_result control_open(struct house *h, char *why);
/* Removes the socket, ends its connections. */
void control_close(struct house *h);

#endif
