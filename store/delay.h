/*
 * delay.h - wrong tries are counted by name and factor, and cost time.
 *
 * Names nobody has are counted alike, so that a delay tells nothing.  A factor
 * that is stopped leaves the others usable.
 */
#ifndef LL_DELAY_H
#define LL_DELAY_H

#include "store/serve.h"

enum factor {
	FACTOR_PASSWORD = 1,     /* after 5: 1, 2, 4 ... 900 seconds */
	FACTOR_TICKET = 2,       /* as the passphrase */
	FACTOR_TOTP = 3,         /* after 5: 15 minutes, doubling to a day */
	FACTOR_BACKUP = 4        /* as TOTP */
};

/* After this many failures in a row the factor is closed until an admin opens
 * it (enable or reset). */
#define DELAY_STOP 50

/* The key of a name in the table. */
LL_MUST enum ll_result delay_name(const struct store *s, const char *name,
    uint8_t hash_r[HASH_BYTES]);
/* LL_RATE with the seconds left in q->delay_secs, or LL_OK: may be tried. */
LL_MUST enum ll_result delay_check(struct store *s, struct request *q,
    const uint8_t name[HASH_BYTES], enum factor factor);
/* One more failure; q->delay_secs: what the next one has to wait.  Sets
 * q->keep. */
LL_MUST enum ll_result delay_fail(struct store *s, struct request *q,
    const uint8_t name[HASH_BYTES], enum factor factor);
/* It was right: the count begins anew. */
LL_MUST enum ll_result delay_clear(struct store *s,
    const uint8_t name[HASH_BYTES], enum factor factor);
/* All factors of a user. */
LL_MUST enum ll_result delay_clear_all(struct store *s, const char *name);

#endif
