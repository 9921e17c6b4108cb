/*
 * relay_store.h - the relay's channel to the store, never waited for.
 */
#ifndef LL_RELAY_STORE_H
#define LL_RELAY_STORE_H

#include <stdbool.h>

#include "keys/result.h"
#include "store/chan.h"
#include "store/loop.h"

/* The answer to a request: its result and the reply, which is destroyed
 * afterwards unless the callee takes it (and sets *reply NULL).  LL_EOF, with
 * reply NULL: the channel broke before an answer; the store may or may not
 * have done it. */
typedef void store_reply_fn(void *arg, enum ll_result r, struct msg **reply);

struct store_user {
	void (*event)(void *arg, enum op op);  /* an event came */
	void (*attached)(void *arg);           /* a fresh channel is there */
	void *arg;
};

struct relay_store;

/* A place for a channel, none attached yet. */
LL_MUST enum ll_result store_create(struct loop *loop,
    const struct store_user *user, struct relay_store **s_r);
/* Forgets what is under way without a call.  NULL is fine. */
void store_destroy(struct relay_store *s);

/* Takes the channel with descriptor fd (owned, also on failure) instead of
 * the old one, whose requests are answered LL_EOF. */
LL_MUST enum ll_result store_attach(struct relay_store *s, int fd);
bool store_is_there(const struct relay_store *s);

/* Sends the request (owned, also on failure).  LL_OK: done will be called,
 * later; any other result: it will not.  done may be NULL. */
LL_MUST enum ll_result store_ask(struct relay_store *s, struct msg *request,
    store_reply_fn *done, void *arg);

#endif
