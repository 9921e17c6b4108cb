/*
 * relay_silent.h - web servers that kept us waiting, remembered for a while,
 * so that forty addresses of one domain do not each wait for its dead host.
 */
#ifndef LL_RELAY_SILENT_H
#define LL_RELAY_SILENT_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/result.h"

#define SILENT_SECS 180

struct silent;

/* Used by many threads.  LL_NOMEM. */
LL_MUST enum ll_result silent_create(struct silent **s_r);
/* NULL is fine. */
void silent_destroy(struct silent *s);

/* That host did not answer in time; when there are too many, the oldest is
 * forgotten. */
void silent_add(struct silent *s, const char *host, uint64_t now_ms);
/* True for SILENT_SECS after that. */
bool silent_is(struct silent *s, const char *host, uint64_t now_ms);

#endif
