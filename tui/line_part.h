/*
 * line_part.h - what the parts of line mode share.
 */
#ifndef LL_LINE_PART_H
#define LL_LINE_PART_H

#include <stdint.h>

#include "tui/center.h"
#include "tui/line.h"
#include "tui/teletype.h"

struct line {
	struct center *c;
	struct teletype *t;
	struct id *numbers;          /* of the last list, 1 is [0] */
	size_t number_count;
	enum folder folder;          /* the list's, and where `more` goes on */
	uint64_t before;             /* 0: nothing more */
	struct id sent;              /* last message sent from here */
	uint64_t undo_until;         /* since 1970; 0: none */
	struct draft *writing;       /* journalled by the tick when dirty */
	bool dirty;
	uint64_t saved_ms;
	bool quit;
	int status;
};

/* Prints "WHAT: sentence" for a failure. */
void line_fail(struct line *l, const char *what, enum ll_result r);
/* Runs a verb's run and prints what it wrote. */
LL_MUST enum ll_result line_run(struct line *l, struct verb_call *call);
/* Journals l->writing if something changed and a second has passed, or at
 * once when now is set. */
void line_journal(struct line *l, bool now);

#endif
