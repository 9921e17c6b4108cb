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
/* The same of a MAIL, whose OBJECT_ID must be a mail of that message
 * (LL_CONFLICT). */
LL_MUST enum ll_result queue_add_mail(struct store *s, uint64_t now,
    const struct delivery *d, struct tlv_view v, uint64_t not_before);
/* The rows of a delivery are not wanted any more; a mail that no other row
 * sends goes with them. */
LL_MUST enum ll_result queue_drop(struct store *s, const struct delivery *d);
enum queue_place { QUEUE_WAITS, QUEUE_LEASED, QUEUE_OUT };
/* Where a delivery by mail stands: in the queue, with the relay (which is
 * about to send it, or just has), or out of the house. */
LL_MUST enum ll_result queue_place(struct store *s, uint64_t now,
    const struct delivery *d, enum queue_place *place_r);
/* The relay that leased rows is gone: they are due at once. */
LL_MUST enum ll_result queue_return(struct store *s, uint64_t now);
/* Destroys the private keys of past days that no row needs. */
LL_MUST enum ll_result queue_sweep(struct store *s, uint64_t now);

#endif
