/*
 * compose.h - the composer's parts among themselves, and what the plan needs
 * of the composer below it.
 */
#ifndef LL_COMPOSE_H
#define LL_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/draft.h"
#include "tui/center.h"
#include "tui/editor.h"
#include "tui/view.h"

enum compose_part { PART_TO, PART_CC, PART_SUBJECT, PART_BODY, PARTS };

struct compose {
	struct draft d;
	struct editor *parts[PARTS];
	enum compose_part focus;
	uint64_t saved[PARTS];       /* versions that are journalled */
	bool stored, failed, sent, leave_anyway;
	unsigned wait;               /* ticks until the next try */
	size_t no_room;              /* bytes of a paste that found none */
	struct center_people people; /* suggestions for the word typed */
	size_t pick;
};

/* The draft was sent: closes the composer (and what is above it) without
 * another word to the store. */
void compose_close_sent(void);

/* The plan changed something of the draft (class, routes): to be journalled
 * at the next tick. */
void compose_changed(void);

/* --- compose_draw.c --- */

/* Name of a field ("To"), "" for the body. */
const char *compose_part_name(enum compose_part p);
/* The view's draw. */
void compose_draw(struct view *v);

/* --- compose_key.c --- */

/* True for To and Cc. */
bool compose_is_address(enum compose_part p);
/* Looks for people whose address begins with the word at the cursor. */
void compose_suggest(struct compose *c);
/* Moves to a field; out of range: stays. */
void compose_focus(struct compose *c, int to);
/* The view's key. */
bool compose_key(struct view *v, const struct key *k);

#endif
