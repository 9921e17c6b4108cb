/*
 * group.h - the group commit: what arrives in one round of the loop shares one
 * transaction, each request in a savepoint of its own; nothing leaves before
 * the commit.  Only for letterlock-store.
 */
#ifndef LL_GROUP_H
#define LL_GROUP_H

#include "store/serve.h"

/* Makes s->group; LL_NOMEM. */
LL_MUST enum ll_result group_create(struct store *s);
/* Drops what is still held; NULL is fine. */
void group_destroy(struct store *s);

/* Opens the transaction, if none is open, and a savepoint. */
LL_MUST enum ll_result group_save(struct store *s);
/* Ends the savepoint: keeps what was done in it, or undoes it together with
 * the events it queued.  Returns r, or what went wrong here. */
LL_MUST enum ll_result group_settle(struct store *s, enum ll_result r,
    bool keep);

/* Queues m for the peer until the commit; without an open transaction it goes
 * at once.  m is taken over. */
void group_hold(struct store *s, struct peer *p, struct msg *m);
/* The same, and the peer's requests are refused from the commit on. */
void group_end(struct store *s, struct peer *p, struct msg *m);
/* The blob file of that object goes after the commit. */
void group_unlink(struct store *s, const struct id *object);

/* In serve.c, for the group: sends now; a peer's callback; frees the dead. */
void serve_send(struct peer *p, struct msg *m);
void serve_ready(void *arg, int fd, short revents);
void serve_reap(struct store *s);

#endif
