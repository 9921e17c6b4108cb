/*
 * portal_store.h - the one channel to the store of a program with many threads:
 * the portal, and intake; for the portal also that to letterlockd.
 *
 * Requests of many threads are on their way at once, told apart by their
 * sequence numbers, so that the store can commit them together.  When the
 * store is restarted the requests in flight are sent again over the new
 * channel.
 */
#ifndef LL_PORTAL_STORE_H
#define LL_PORTAL_STORE_H

#include <poll.h>
#include <stdbool.h>

#include "keys/result.h"
#include "store/chan.h"
#include "store/msg.h"

#define PORTAL_STORE_MS 20000      /* how long a page waits for an answer */

struct portal_store;

/* Without a channel yet: requests wait for portal_store_attach. */
LL_MUST enum ll_result portal_store_create(struct portal_store **s_r);
/* After portal_store_stop, and when no thread uses it any more. */
void portal_store_destroy(struct portal_store *s);

/* Takes fd as the (new) channel; unanswered requests are sent again. */
void portal_store_attach(struct portal_store *s, int fd);

/* The same for a channel on which requests come too, or events: fn gets each,
 * which it does not keep, in the thread that polls.  Not to be attached to. */
typedef void portal_event_fn(void *arg, struct msg *m);
void portal_store_serve(struct portal_store *s, struct chan *c,
    portal_event_fn *fn, void *arg);
/* False once that channel has ended. */
bool portal_store_alive(struct portal_store *s);

/* For the one thread that polls: descriptors and events to wait for (always
 * two entries; -1 while there is no channel), then portal_store_pump with
 * what poll found. */
void portal_store_poll(struct portal_store *s, struct pollfd p[2]);
/* Reads and writes what goes; never blocks. */
void portal_store_pump(struct portal_store *s, const struct pollfd p[2]);

/* Sends the request (owned by s from now on) and waits.  LL_OK with the reply
 * in *reply_r (the caller destroys it), or the answer's own result with NULL.
 * LL_BUSY when no answer came in time or the portal stops. */
LL_MUST enum ll_result portal_store_ask(struct portal_store *s,
    struct msg *request, struct msg **reply_r);

/* Ends every wait, now and from now on, with LL_BUSY. */
void portal_store_stop(struct portal_store *s);

#endif
