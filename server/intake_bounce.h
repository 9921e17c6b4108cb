/*
 * intake_bounce.h - what other mail servers say of mail of ours (RFC 3464).
 */
#ifndef LL_INTAKE_BOUNCE_H
#define LL_INTAKE_BOUNCE_H

#include "server/intake_mail.h"

/* The report is taken apart by letterlock-parse and told to the store.  When
 * it was about a message of ours its recipient counts as taken; else it passes
 * and has changed nothing. */
LL_MUST enum ll_result intake_bounce(struct intake_mail *m);

#endif
