/*
 * lines.h - a page of text lines with a cursor: plans, states, lists.
 *
 * Lines are wrapped at the width they are drawn in, with their indent.
 */
#ifndef LL_LINES_H
#define LL_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "tui/input.h"
#include "tui/paint.h"

#define LINES_NONE ((size_t)-1)

struct view;

struct line {
	char *text;
	enum paint_style style;
	int indent;
	size_t tag;             /* what the line belongs to */
};

struct lines {
	struct line *rows;
	size_t count, room;
	size_t at, top;         /* cursor's line, first line drawn */
};

/* Wipes and frees; *l, which begins as zeroes, keeps cursor and top, so that
 * it can be filled again. */
void lines_clear(struct lines *l);

/* Appends a line; without memory it is left out. */
void lines_add(struct lines *l, size_t tag, int indent,
    enum paint_style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Draws into rows [top, below) over the whole width; the cursor's line has a
 * '>' and the hardware cursor. */
void lines_draw(struct lines *l, int top, int below);
/* Up, down, pages, Home, End; true when used up. */
bool lines_key(struct lines *l, const struct key *k, int rows);
/* Tag of the cursor's line, LINES_NONE without lines. */
size_t lines_tag(const struct lines *l);

/* draw and key of a view that is such a page and nothing else: its state
 * begins with the struct lines. */
void lines_view_draw(struct view *v);
bool lines_view_key(struct view *v, const struct key *k);

#endif
