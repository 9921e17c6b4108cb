/*
 * delivery.h - one recipient of one message: its state, its events.
 */
#ifndef LL_DELIVERY_H
#define LL_DELIVERY_H

#include "store/serve.h"

struct delivery {
	struct id id, message, author;
	struct id user;          /* internal: the reader; else zero */
	enum route route;
	enum delivery_state state;
	uint64_t expires;
	bool was_read;
	char address[321];
};

/* LL_NOTFOUND when there is none. */
LL_MUST enum ll_result delivery_load(struct store *s, const struct id *id,
    struct delivery *d_r);
/* The delivery of a message to an internal reader, or to an address. */
LL_MUST enum ll_result delivery_of_reader(struct store *s,
    const struct id *message, const struct id *user, struct delivery *d_r);
LL_MUST enum ll_result delivery_of_address(struct store *s,
    const struct id *message, const char *address, struct delivery *d_r);

/* Records the event with its leaf, puts the delivery into state (0: stays as
 * it is) and tells the author. */
LL_MUST enum ll_result delivery_record(struct store *s, uint64_t now,
    struct delivery *d, enum event event, enum delivery_state state,
    const char *detail);
/* The reader got the key (STATE_OPENED) or the whole body (STATE_READ):
 * recorded once each, in this order. */
LL_MUST enum ll_result delivery_seen(struct store *s, uint64_t now,
    struct delivery *d, enum delivery_state state);
/* The message went out: what it answers is recorded as replied to, where its
 * author was an internal reader of that. */
LL_MUST enum ll_result delivery_replied(struct store *s, uint64_t now,
    const struct id *message);
/* Destroys what opens this delivery: the wrap waiting, the reader's row, the
 * link's wrap and codes (the link says `says`), the queue row. */
LL_MUST enum ll_result delivery_shred(struct store *s, struct delivery *d,
    enum link_state says);

/* Releases what was pending and whose time has come; *next_r: when to look
 * again, 0: nothing is pending. */
LL_MUST enum ll_result delivery_release(struct store *s, uint64_t now,
    uint64_t *next_r);
/* Puts one internal delivery into its reader's inbox. */
LL_MUST enum ll_result delivery_hand_over(struct store *s, uint64_t now,
    struct delivery *d, const void *wrap, size_t len, uint64_t generation);

/* No more keys: drops the message's objects when no reader, link or pending
 * delivery is left. */
LL_MUST enum ll_result delivery_collect(struct store *s,
    const struct id *message);
/* Messages whose time is over: every wrap goes, the outcome stays.  A hundred
 * at once; *more_r: there may be more. */
LL_MUST enum ll_result delivery_expire(struct store *s, uint64_t now,
    bool *more_r);

#endif
