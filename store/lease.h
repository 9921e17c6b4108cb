/*
 * lease.h - Argon2id runs are leased, because each takes a quarter of a GiB.
 *
 * kdf_runs at once (2), of which one place is kept for SSH and one for the
 * portal, so that a flood at one door never stands in the other's way.  Who
 * has to wait stands in a line of 16 for at most 10 seconds and is told
 * LL_BUSY then.  A lease dies with its channel, and after a minute.
 */
#ifndef LL_LEASE_H
#define LL_LEASE_H

#include "store/serve.h"

/* Makes s->leases; LL_NOMEM. */
LL_MUST enum ll_result lease_create(struct store *s);
/* Drops every lease and place; NULL is fine. */
void lease_destroy(struct store *s);
/* Handlers of KDF_LEASE and KDF_RELEASE. */
enum ll_result lease_take(struct store *s, struct request *q);
enum ll_result lease_release(struct store *s, struct request *q);
/* The peer is gone: its leases and its places in the line are free. */
void lease_forget(struct store *s, struct peer *p);

#endif
