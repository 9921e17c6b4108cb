/*
 * intake_submit.h - sends a draft for its author: letterlock-tui, as any
 * command of theirs would be run, with this program as its agent.
 *
 * What the agent can do is little: it opens the one draft that it has just
 * sealed, signs with the organisation's key, boxes the author's copy to their
 * public key, and has letterlock-parse sign mail with the organisation's key.
 */
#ifndef LL_INTAKE_SUBMIT_H
#define LL_INTAKE_SUBMIT_H

#include "server/intake_mail.h"
#include "store/draft.h"

/* Looks whether each recipient can be reached safely.  LL_DENIED with
 * m->words: one cannot. */
LL_MUST enum ll_result intake_submit_plan(struct intake_mail *m,
    const struct draft *d);
/* Sends. */
LL_MUST enum ll_result intake_submit_send(struct intake_mail *m,
    const struct draft *d);
/* Takes the draft back, as far as that goes. */
void intake_submit_discard(struct intake_mail *m, const struct draft *d);

#endif
