/*
 * portal_upload.h - one object sealed straight into a blob file of the store,
 * for the portal and intake: a chunk is in memory at a time, and no plaintext
 * touches a disk.
 */
#ifndef LL_PORTAL_UPLOAD_H
#define LL_PORTAL_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "keys/envelope.h"
#include "server/portal_session.h"
#include "server/portal_store.h"

/* Where the objects of one message go to. */
struct upload_target {
	struct portal_store *store;
	const struct opened *opened;   /* portal: whose token pays for it */
	const struct id *owner;        /* intake: whose quota; else NULL */
	const struct id *message;      /* the new message's id */
	const uint8_t *key;            /* and key */
};

struct upload;

/* The store gives a file; at_most: plain bytes it will not exceed (quota).
 * name and type (media type) are copied, the name cleaned and, when another
 * object of e has it, numbered ("a (2).pdf"). */
LL_MUST enum ll_result upload_begin(const struct upload_target *t,
    enum object_kind kind, const char *name, const char *type,
    uint64_t at_most, const struct envelope *e, struct upload **u_r);
LL_MUST enum ll_result upload_add(struct upload *u, const void *data,
    size_t len);
/* Seals the last chunk, syncs, commits, and appends the object to e.  Frees u
 * in any case. */
LL_MUST enum ll_result upload_end(struct upload *u, struct envelope *e);
/* Frees u; the store sweeps what was not committed.  NULL is fine. */
void upload_abort(struct upload *u);

#endif
