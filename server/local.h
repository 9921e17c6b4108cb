/*
 * local.h - the local command's way to the store: through a running
 * letterlockd's control socket, or a letterlock-store of its own.
 */
#ifndef LL_LOCAL_H
#define LL_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "keys/result.h"
#include "server/config.h"
#include "store/chan.h"

struct local {
	char data[1000];             /* absolute */
	struct chan *store;          /* role PEER_LOCAL */
	struct chan *control;        /* to letterlockd; NULL: none runs */
	/* our own store, when no server runs */
	pid_t pid;
	struct chan *child, *daemon;
};

/* Makes dir absolute into l->data and empties the rest.  LL_TOOBIG, LL_IO. */
LL_MUST enum ll_result local_init(struct local *l, const char *dir);

/* Connects to the running letterlockd.  LL_NOTFOUND when there is none. */
LL_MUST enum ll_result local_control(struct local *l);

/* local_control and a store channel from there, or an own store; waits a few
 * seconds while somebody else has the directory.  why (CONFIG_WHY bytes) has a
 * line for the person on failure; it is empty when the store has said it. */
LL_MUST enum ll_result local_open(struct local *l, char *why);

/* Ends an own store (it finishes its commits first) and closes. */
void local_close(struct local *l);

/* True when nobody holds DIR/lock (a missing directory or file: nobody). */
bool local_is_free(const struct local *l);

#endif
