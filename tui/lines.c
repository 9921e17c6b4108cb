/*
 * lines.c - a page of text lines with a cursor: plans, states, lists.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/lines.h"
#include "tui/view.h"
#include "tui/wrap.h"

#define LINES_MAX 20000
#define LINE_BYTES 2048

void
lines_clear(struct lines *l)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		sodium_memzero(l->rows[i].text, strlen(l->rows[i].text));
		free(l->rows[i].text);
	}
	free(l->rows);
	l->rows = NULL;
	l->count = l->room = 0;
}

static void
append(struct lines *l, size_t tag, int indent, enum paint_style style,
    const char *text)
{
	struct line *rows;
	size_t room;
	char *copy;

	if (l->count == l->room) {
		room = l->room ? l->room * 2 : 32;
		rows = room > LINES_MAX ? NULL :
		    realloc(l->rows, room * sizeof(*rows));
		if (!rows)
			return;
		l->rows = rows;
		l->room = room;
	}
	copy = strdup(text);
	if (!copy)
		return;
	l->rows[l->count++] = (struct line){ copy, style, indent, tag };
}

void
lines_add(struct lines *l, size_t tag, int indent, enum paint_style style,
    const char *format, ...)
{
	char text[LINE_BYTES];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	append(l, tag, indent, style, text);
	sodium_memzero(text, sizeof(text));
}

/* Cells before the text: cursor mark, indent. */
static int
margin(const struct line *line)
{
	return 2 + line->indent;
}

static int
height(const struct line *line)
{
	size_t at = 0, next, len = strlen(line->text);
	int n = 0, width = paint_cols() - margin(line);

	do {
		(void)wrap_row(line->text, len, at, width < 2 ? 2 : width,
		    &next);
		at = next;
		n++;
	} while (at < len);
	return n;
}

/* Scrolls so that the cursor's line is wholly seen. */
static void
fit(struct lines *l, int rows)
{
	size_t i;
	int used = 0;

	if (l->at >= l->count)
		l->at = l->count ? l->count - 1 : 0;
	if (l->top > l->at)
		l->top = l->at;
	for (i = l->at + 1; i > l->top; i--) {
		used += height(&l->rows[i - 1]);
		if (used > rows) {
			l->top = i < l->at ? i : l->at;
			return;
		}
	}
}

static int
draw_line(const struct line *line, int y, int below)
{
	size_t at = 0, end, next, len = strlen(line->text);
	int x = margin(line), width = paint_cols() - x;

	if (width < 2)
		width = 2;
	do {
		end = wrap_row(line->text, len, at, width, &next);
		(void)paint_bytes(y++, x, width, line->style,
		    line->text + at, end - at);
		at = next;
	} while (at < len && y < below);
	return y;
}

void
lines_draw(struct lines *l, int top, int below)
{
	size_t i;
	int y = top;

	if (l->count == 0)
		return;
	fit(l, below - top);
	for (i = l->top; i < l->count && y < below; i++) {
		if (i == l->at)
			paint_mark(y);
		y = draw_line(&l->rows[i], y, below);
	}
	if (i < l->count)
		(void)paint_text(below, paint_cols() - 4, 4, PAINT_BOLD,
		    "more");
}

bool
lines_key(struct lines *l, const struct key *k, int rows)
{
	struct view_list list = { l->at, l->top, l->count };
	bool used = view_list_key(&list, k, rows > 2 ? rows - 1 : 1);

	l->at = list.at;
	return used;
}

size_t
lines_tag(const struct lines *l)
{
	return l->at < l->count ? l->rows[l->at].tag : LINES_NONE;
}

void
lines_view_draw(struct view *v)
{
	int top, below;

	view_area(&top, &below);
	lines_draw(v->state, top, below);
}

bool
lines_view_key(struct view *v, const struct key *k)
{
	int top, below;

	view_area(&top, &below);
	return lines_key(v->state, k, below - top);
}
