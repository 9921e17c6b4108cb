/*
 * recipients.h - lists of addresses as one types them.
 */
#ifndef LL_RECIPIENTS_H
#define LL_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/result.h"
#include "store/draft.h"

#define RECIPIENTS_TEXT_MAX 20000        /* bytes of one field */

/* Adds what text names (split at commas, semicolons, blanks) to d's to or cc
 * list.  What is no address is left out; the first such word goes into bad_r
 * (bad_room bytes, "" for none) with *why_r a sentence. */
LL_MUST enum ll_result recipients_parse(struct draft *d, bool cc,
    const char *text, char *bad_r, size_t bad_room, const char **why_r);

/* "a@x.test, b@y.test" into text; false when it did not fit. */
bool recipients_text(char *const *list, size_t count, char *text,
    size_t room);

/* The word that ends at offset `at`: where it begins. */
size_t recipients_word(const char *text, size_t at);

#endif
