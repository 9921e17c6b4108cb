/*
 * compose_draw.c - the composer on the screen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tui/compose.h"
#include "tui/pages.h"
#include "tui/paint.h"

#define SUGGESTIONS 5
#define REMAINING_SHOWN 20000    /* bytes left, from which they are told */

const char *
compose_part_name(enum compose_part p)
{
	static const char *const names[PARTS] = { "To", "Cc", "Subject", "" };

	return names[p];
}

static void
draw_suggestions(const struct compose *c, int y, int below)
{
	const struct center_person *p;
	size_t i, first = c->pick < SUGGESTIONS ? 0 :
	    c->pick - SUGGESTIONS + 1;

	for (i = first; i < c->people.count && i < first + SUGGESTIONS &&
	    y < below; i++, y++) {
		p = &c->people.rows[i];
		paint_fill(y, 0, paint_cols(), PAINT_PLAIN);
		(void)paint_format(y, 9, paint_cols() - 9,
		    i == c->pick ? PAINT_SELECT : PAINT_PLAIN,
		    "%c %s  %s%s", i == c->pick ? '>' : ' ', p->address,
		    p->name, i == c->pick ? "  (Tab takes it)" : "");
	}
}

static void
draw_part(struct compose *c, enum compose_part p, int y)
{
	struct editor *e = c->parts[p];
	int row, col, width = paint_cols() - 10;
	size_t at, end;

	(void)paint_format(y, 0, 9, c->focus == p ? PAINT_BOLD : PAINT_PLAIN,
	    "%c%7s:", c->focus == p ? '>' : ' ', compose_part_name(p));
	editor_view(e, width, 1);
	if (editor_row(e, 0, &at, &end))
		(void)paint_bytes(y, 9, width, PAINT_PLAIN,
		    editor_text(e) + at, end - at);
	if (c->focus != p)
		return;
	editor_cursor(e, &row, &col);
	paint_cursor(y, 9 + col, true);
}

static void
draw_files(const struct compose *c, int y)
{
	char path[CENTER_UPLOAD_PATH], size[24];
	uint64_t bytes = 0;
	size_t i;

	if (c->d.attachment_count == 0) {
		center_upload_path(&c->d, path);
		(void)paint_format(y, 0, paint_cols(), PAINT_PLAIN,
		    "   Files: none (scp FILE HOST:%s)", path);
		return;
	}
	for (i = 0; i < c->d.attachment_count; i++)
		bytes += c->d.attachments[i].plain_bytes;
	words_bytes(bytes, size, sizeof(size));
	(void)paint_format(y, 0, paint_cols(), PAINT_PLAIN,
	    "   Files: %zu, %s: %s%s (Ctrl-T)", c->d.attachment_count, size,
	    c->d.attachments[0].name,
	    c->d.attachment_count > 1 ? ", ..." : "");
}

static void
draw_body(struct compose *c, int top, int below)
{
	struct editor *e = c->parts[PART_BODY];
	int row, col, y;
	size_t at, end;

	editor_view(e, paint_cols() - 1, below - top);
	for (y = top; y < below && editor_row(e, y - top, &at, &end); y++)
		(void)paint_bytes(y, 0, paint_cols() - 1, PAINT_PLAIN,
		    editor_text(e) + at, end - at);
	if (c->focus != PART_BODY)
		return;
	editor_cursor(e, &row, &col);
	paint_cursor(top + row, col, true);
}

void
compose_draw(struct view *v)
{
	struct compose *c = v->state;
	char word[64] = "text";
	int y, top, below;

	view_area(&top, &below);
	for (y = top; y < top + PART_BODY; y++)
		draw_part(c, (enum compose_part)(y - top), y);
	draw_files(c, y++);
	if (editor_remaining(c->parts[PART_BODY]) < REMAINING_SHOWN)
		(void)snprintf(word, sizeof(word), "text, room for %zu bytes",
		    editor_remaining(c->parts[PART_BODY]));
	paint_rule(y++, 0, paint_cols(), word);
	draw_body(c, y, below);
	if (compose_is_address(c->focus))
		draw_suggestions(c, top + (int)c->focus + 1, below);
}
