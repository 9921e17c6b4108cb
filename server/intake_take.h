/*
 * intake_take.h - a mail is sealed for its readers and taken over: the twin of
 * the portal's reply.
 *
 * The object OBJECT_RAW is the mail byte for byte as the mail server gave it.
 * A mail that comes again, because the answer to the first time was not heard,
 * is known by what it consists of and taken over once.
 */
#ifndef LL_INTAKE_TAKE_H
#define LL_INTAKE_TAKE_H

#include "server/intake_mail.h"

/* It will be taken: for all readers when it is encrypted, else for those whom
 * it answers.  Makes ids and keys. */
LL_MUST enum ll_result intake_take_begin(struct intake_mail *m,
    bool encrypted);
/* What is in memory goes into a file of the store; intake_take_add then takes
 * what follows of the body. */
LL_MUST enum ll_result intake_take_stream(struct intake_mail *m);
LL_MUST enum ll_result intake_take_add(struct intake_mail *m, const void *p,
    size_t len);
/* The mail is complete: LL_OK when the store has committed it.  Then `taken`
 * is set at the recipients whose it is. */
LL_MUST enum ll_result intake_take_end(struct intake_mail *m);

#endif
