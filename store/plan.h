/*
 * plan.h - by which way each recipient is reached.
 *
 * One function decides, for PLAN and again inside SEND's transaction; the hash
 * over all lines tells whether anything changed in between.
 */
#ifndef LL_PLAN_H
#define LL_PLAN_H

#include "store/serve.h"

struct plan_line {
	char address[321];
	enum route route;        /* ROUTE_NONE: held */
	const char *reason;      /* static text */
	char known[80];          /* portal-muc: the reason when the code that
	                            worked before is used again; "" for none */
	struct id user;          /* internal */
	uint64_t generation;
	uint8_t seal_pk[32];
};

struct plan {
	struct plan_line *lines;
	size_t count;
};

/* Plans for every ADDRESS (PLAN), or the ADDRESS of every RECIPIENT (SEND), in
 * their order.  LL_USAGE: none, malformed, or one twice; LL_TOOBIG; LL_BUSY:
 * a link is needed and the relay has not brought today's key yet.
 * plan_finish when done, also on failure. */
LL_MUST enum ll_result plan_build(struct store *s, struct request *q,
    struct plan *p_r);
void plan_finish(struct plan *p);
/* The same for any order of the lines. */
LL_MUST enum ll_result plan_hash(const struct plan *p, const struct id *author,
    uint8_t out[HASH_BYTES]);

#endif
