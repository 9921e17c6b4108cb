/*
 * intake_out.h - mail that staff hand in from a mail program and that is to go
 * by letterlock: it becomes a draft of its author, sealed to them, and is sent
 * at once in their name, or (intake_hold) by themselves at the next login.
 *
 * The mail server vouches for who it is ({auth_authen}); a mark without that,
 * or a mail that cannot be made a message, is refused with the reason: what is
 * marked never leaves in clear.  Blind recipients get a message of their own.
 */
#ifndef LL_INTAKE_OUT_H
#define LL_INTAKE_OUT_H

#include "server/intake_mail.h"

/* The header is complete and the store was asked: whether the mail is for
 * here (m->out is set) or, m->scan, its text decides.  LL_DENIED with
 * m->words. */
LL_MUST enum ll_result intake_out_judge(struct intake_mail *m);
/* The begin of the body is there: m->out is set when a rule says so. */
LL_MUST enum ll_result intake_out_scan(struct intake_mail *m);
/* More of the body. */
LL_MUST enum ll_result intake_out_add(struct intake_mail *m, const void *p,
    size_t len);
/* The mail is complete: LL_OK when it is sent, or the drafts are in the store;
 * all recipients count as taken.  LL_DENIED with m->words. */
LL_MUST enum ll_result intake_out_end(struct intake_mail *m);
/* Gives up.  NULL is fine. */
void intake_out_destroy(struct intake_out *o);

#endif
