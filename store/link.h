/*
 * link.h - a recipient's link: what is kept of it, and the count of tries.
 */
#ifndef LL_LINK_H
#define LL_LINK_H

#include "store/delivery.h"
#include "store/serve.h"

/* The LINK of a SEND or REISSUE into the table, with its queue row. */
LL_MUST enum ll_result link_add(struct store *s, struct request *q,
    const struct delivery *d, struct tlv_view link, uint64_t not_before);
/* Tries that are long over. */
LL_MUST enum ll_result link_sweep(struct store *s, uint64_t now);

#endif
