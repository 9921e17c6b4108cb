/*
 * service.h - the store, relay, portal and intake: started, told what they
 * need, started again with back-off, reloaded and stopped in order.
 */
#ifndef LL_SERVICE_H
#define LL_SERVICE_H

#include "server/house.h"

/* Starts the store; the others follow when it serves, and the ready line when
 * all do. */
LL_MUST enum ll_result service_begin(struct house *h);

/* A service said something. */
void service_message(struct child *c, struct msg *m);
/* One ended, with that wait(2) status; the child is freed by the caller.
 * Before the house was ready once that is the end of the start. */
void service_ended(struct child *c, int status);

/* Reads the configuration again and hands it on (SIGHUP). */
void service_reload(struct house *h);

/* Stops everything in order: no new connections, then pairs, relay,
 * portal and intake, and when those are gone the store; then the loop ends. */
void service_stop(struct house *h);
/* The next step of that; called whenever a child has gone. */
void service_stop_step(struct house *h);

#endif
