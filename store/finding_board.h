/*
 * finding_board.h - who waits for what the relay looks up, and how much each
 * user asked for.  In memory: a store that starts anew has nobody waiting.
 */
#ifndef LL_FINDING_BOARD_H
#define LL_FINDING_BOARD_H

#include "store/serve.h"

/* Makes s->board; LL_NOMEM. */
LL_MUST enum ll_result board_create(struct store *s);
/* Forgets everybody; NULL is fine. */
void board_destroy(struct store *s);
/* That user's workers are told (board_tell) what comes of the address, which
 * is below FINDING_ROOM bytes.  Without memory or room nobody is. */
void board_wait(struct store *s, const struct id *user, const char *address,
    uint64_t now);
/* False when that user has asked about as many new addresses as one may in an
 * hour (200), or in a day (1,000); else one more is counted. */
bool board_may_ask(struct store *s, const struct id *user, uint64_t now);
/* One that was counted was not new after all. */
void board_give_back(struct store *s, const struct id *user);
/* EVENT_FOUND to who waits for that lookup's subject, with the group; who
 * waits for nothing more is forgotten. */
void board_tell(struct store *s, enum lookup lookup, const char *subject,
    uint64_t now);
/* Drops who waited in vain and hours that are over. */
void board_sweep(struct store *s, uint64_t now);

#endif
