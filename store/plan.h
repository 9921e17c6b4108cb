/*
 * plan.h - by which way each recipient is reached.
 *
 * One function decides, for PLAN and again inside SEND's transaction; the hash
 * over all lines tells whether anything changed in between.
 */
#ifndef LL_PLAN_H
#define LL_PLAN_H

#include "store/serve.h"

/* A key that a line's mail is encrypted to. */
struct plan_key {
	uint64_t format;         /* enum parse_format */
	char fingerprint[129];
	uint64_t expires;        /* 0: never */
	bool domain;             /* the whole domain's */
};

struct plan_line {
	char address[321];
	enum route route;        /* ROUTE_NONE: held */
	unsigned usable;         /* bits 1 << enum route: what would do too */
	char reason[400];
	char known[400];         /* portal-muc: the reason when the code that
	                            worked before is used again; "" for none */
	char trust[400];         /* mail routes: what vouches for the keys */
	char words[1024];        /* a warning; "" for none */
	size_t first_key, key_count; /* of the plan's keys */
	struct id user;          /* internal */
	uint64_t generation;
	uint8_t seal_pk[32];
};

struct plan {
	struct plan_line *lines;
	size_t count;
	struct plan_key *keys;
	size_t key_count;
	enum msg_class class;
	int certificate;         /* the author's own: 1 there is a good one,
	                            0 none, -1 not asked yet */
};

/* Plans for every ADDRESS (PLAN), or the ADDRESS of every RECIPIENT (PLAN with
 * a wish, SEND), in their order, for CLASS.  LL_USAGE: none, malformed, or one
 * twice; LL_DENIED with words: a ROUTE that is wished for cannot be had;
 * LL_TOOBIG; LL_BUSY: something must go out and the relay has not brought
 * today's key yet.  plan_finish when done, also on failure. */
LL_MUST enum ll_result plan_build(struct store *s, struct request *q,
    struct plan *p_r);
void plan_finish(struct plan *p);
/* The same for any order of the lines. */
LL_MUST enum ll_result plan_hash(const struct plan *p, const struct id *author,
    uint8_t out[HASH_BYTES]);

/* What is known of someone outside before the keys are looked at. */
struct plan_hints {
	bool keys;               /* there are keys of the address or domain */
	char tls[32];            /* why its way there is safe: "sts", "dane",
	                            "policy"; "" for none */
};

/* plan_outside.c: decides the line of an address that is not one of our own;
 * wish: the route the sender wants, 0 for none. */
LL_MUST enum ll_result plan_outside(struct store *s, struct request *q,
    struct plan *p, struct plan_line *l, const struct plan_hints *h,
    enum route wish);

#endif
