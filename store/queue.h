/*
 * queue.h - what the relay has to carry out, and the keys of the day.
 */
#ifndef LL_QUEUE_H
#define LL_QUEUE_H

#include "store/delivery.h"
#include "store/serve.h"

/* Today's day and public key; LL_BUSY while the relay has not brought them.
 * Both targets may be NULL. */
LL_MUST enum ll_result queue_today(struct store *s, uint64_t now,
    uint64_t *day_r, uint8_t pk_r[32]);
/* One row, of the LINK in v, due at not_before. */
LL_MUST enum ll_result queue_add(struct store *s, uint64_t now,
    const struct delivery *d, struct tlv_view v, uint64_t not_before);
/* The rows of a delivery are not wanted any more. */
LL_MUST enum ll_result queue_drop(struct store *s, const struct id *delivery);
/* The relay that leased rows is gone: they are due at once. */
LL_MUST enum ll_result queue_return(struct store *s, uint64_t now);
/* Destroys the private keys of past days that no row needs. */
LL_MUST enum ll_result queue_sweep(struct store *s, uint64_t now);

#endif
