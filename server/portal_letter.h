/*
 * portal_letter.h - one opened message: what the store gave, unsealed and
 * checked against what the author signed.
 */
#ifndef LL_PORTAL_LETTER_H
#define LL_PORTAL_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/envelope.h"
#include "server/portal_session.h"
#include "server/portal_store.h"

#define LETTER_BODY_MAX 1048576    /* bytes shown on a page */

struct letter {
	struct msg *fetched;       /* PORTAL_FETCH's answer; views point here */
	struct envelope e;
	bool submitted;            /* from a mail program: the house signed */
	bool signed_well;          /* and by the author the store names */
	const char *author_email, *author_name, *address;
	const uint8_t *author_pk;  /* SEAL_PK, 32 bytes */
	struct id author;
	uint64_t author_generation;
	struct id thread;
	uint64_t limit;            /* attachment_max in bytes */
	uint64_t expires;          /* 0: never */
	bool replied;
};

/* Asks the store and opens the header.  letter_finish in any case. */
LL_MUST enum ll_result letter_open(struct portal_store *store,
    const struct opened *o, struct letter *l_r);
void letter_finish(struct letter *l);

/* The body, decrypted to its end and checked (malloc'd; wipe and free).
 * LL_TOOBIG above LETTER_BODY_MAX. */
LL_MUST enum ll_result letter_body(struct portal_store *store,
    const struct opened *o, const struct letter *l, char **text_r,
    size_t *len_r);

/* The n-th attachment (1-based), or NULL. */
const struct envelope_object *letter_file(const struct letter *l, unsigned n);

/* The sealed bytes of an object: *data_r (malloc'd, *len_r) or, when it is a
 * file, *fd_r (else -1), which the caller closes. */
LL_MUST enum ll_result letter_object(struct portal_store *store,
    const struct opened *o, const struct id *object, uint8_t **data_r,
    size_t *len_r, int *fd_r);

#endif
