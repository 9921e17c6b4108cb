/*
 * sweep.h - what time does: undo windows close, messages expire, old rows go.
 */
#ifndef LL_SWEEP_H
#define LL_SWEEP_H

#include "store/serve.h"

/* Starts the timers (and does what fell due while nobody ran). */
LL_MUST enum ll_result sweep_start(struct store *s);
/* Something is pending that is to be released in secs seconds. */
void sweep_at(struct store *s, uint64_t secs);
/* The relay's channel closed. */
void sweep_relay_gone(struct store *s);

#endif
