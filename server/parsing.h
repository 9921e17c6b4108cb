/*
 * parsing.h - letterlock-parse started for intake, which must not fork: its
 * threads read mail of strangers, and so it may execute nothing.  All that
 * passes through here is a descriptor.
 */
#ifndef LL_PARSING_H
#define LL_PARSING_H

#include "server/house.h"

/* Answers intake's request m with the wire to a fresh one. */
void parsing_start(struct child *intake, const struct msg *m);
/* That process has ended; it may have been another. */
void parsing_ended(struct house *h, pid_t pid);

#endif
