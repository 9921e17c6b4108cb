/*
 * compose.h - what the plan needs of the composer below it.
 */
#ifndef LL_COMPOSE_H
#define LL_COMPOSE_H

#include "store/draft.h"

/* The draft was sent: closes the composer (and what is above it) without
 * another word to the store. */
void compose_close_sent(void);

#endif
