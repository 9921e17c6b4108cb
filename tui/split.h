/*
 * split.h - the words of a command, as ssh sent them.
 *
 * ssh joins its words with blanks; they are split as POSIX sh quotes (single
 * quotes, double quotes, backslash), without any expansion.  An option's value
 * runs to the next word that begins with "--", so `--subject Two words` works;
 * a word of which any part was quoted never counts as an option.
 */
#ifndef LL_SPLIT_H
#define LL_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/result.h"

#define SPLIT_TEXT_MAX 65536     /* bytes of a command */
#define SPLIT_MAX 2000

struct split_word {
	char *text;
	bool quoted;
};

struct split {
	struct split_word *w;
	size_t count;
};

/* Splits text.  LL_USAGE with *why_r a sentence (a quote not closed, a
 * control character, not UTF-8), LL_TOOBIG above the ceilings. */
LL_MUST enum ll_result split_command(const char *text, struct split *w_r,
    const char **why_r);
/* Wipes and frees. */
void split_finish(struct split *w);

/* Words first to first + count - 1 joined by one blank; malloc'd. */
LL_MUST enum ll_result split_join(const struct split *w, size_t first,
    size_t count, char **text_r);

#endif
