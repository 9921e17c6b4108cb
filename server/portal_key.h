/*
 * portal_key.h - a reader's own key or certificate, given to who wrote to
 * them.
 *
 * The portal looks into none: a letterlock-parse that letterlockd starts does,
 * one for each that is sent.
 */
#ifndef LL_PORTAL_KEY_H
#define LL_PORTAL_KEY_H

#include "server/portal.h"
#include "server/portal_letter.h"

/* Puts the form, folded up unless open.  alarm: markup, NULL when nothing went
 * wrong; words: a sentence of the parser's behind it, or "". */
void key_form_put(struct page *p, const struct letter *l,
    const uint8_t cookie[COOKIE_BYTES], const struct id *delivery,
    const char *alarm, const char *words);

#endif
