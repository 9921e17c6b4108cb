/*
 * confine.h - what letterlockd gives up before it starts the first program.
 *
 * Limits are inherited, so its own must leave room for everything that it
 * starts: those declare tighter ones beside their main.
 */
#ifndef LL_CONFINE_H
#define LL_CONFINE_H

#include "keys/result.h"
#include "server/house.h"

/* With the key `user` and no further users for single programs, becomes that
 * user; then enters the sandbox.  To be called when everything is open.  why:
 * CONFIG_WHY bytes. */
LL_MUST enum ll_result confine_enter(struct house *h, char *why);

#endif
