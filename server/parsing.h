/*
 * parsing.h - letterlock-parse started for intake and the portal, which must
 * not fork: their threads read what strangers send, and so they may execute
 * nothing.  All that passes through here is a descriptor.
 */
#ifndef LL_PARSING_H
#define LL_PARSING_H

#include "server/house.h"

/* Answers the request m of intake or the portal with the wire to a fresh one.
 * The portal has half of the places at most. */
void parsing_start(struct child *c, const struct msg *m);
/* That process has ended; it may have been another. */
void parsing_ended(struct house *h, pid_t pid);

#endif
