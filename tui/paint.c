/*
 * paint.c - text drawn by cells.
 */
#include <curses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "keys/clean.h"
#include "tui/paint.h"
#include "tui/term.h"
#include "tui/wrap.h"

#define CELLS_MAX 1100

static struct {
	int y, x;
	bool visible;
} cursor;

static const struct {
	attr_t attrs;
	short pair;
} styles[PAINT_STYLES] = {
	[PAINT_PLAIN] = { A_NORMAL, 0 },
	[PAINT_BOLD] = { A_BOLD, 0 },
	[PAINT_BAR] = { A_REVERSE, 0 },
	[PAINT_SELECT] = { A_REVERSE, 0 },
	[PAINT_BAD] = { A_BOLD, 1 },
	[PAINT_GOOD] = { A_NORMAL, 2 },
	[PAINT_WARN] = { A_BOLD, 3 },
	[PAINT_FRAME] = { A_NORMAL, 4 },
	[PAINT_QR] = { A_NORMAL, 5 },
};

int
paint_rows(void)
{
	return LINES;
}

int
paint_cols(void)
{
	return COLS;
}

void
paint_begin(void)
{
	(void)erase();
	cursor.visible = false;
}

void
paint_show(void)
{
	(void)curs_set(cursor.visible ? 1 : 0);
	(void)move(cursor.y, cursor.x);
	(void)refresh();
}

void
paint_redraw(void)
{
	(void)clearok(curscr, TRUE);
}

void
paint_cursor(int y, int x, bool visible)
{
	cursor.y = y < LINES ? y : LINES - 1;
	cursor.x = x < COLS ? x : COLS - 1;
	cursor.visible = visible;
}

static void
set_style(enum paint_style style)
{
	(void)attr_set(styles[style].attrs,
	    term_colour() ? styles[style].pair : 0, NULL);
}

void
paint_mark(int y)
{
	(void)paint_text(y, 0, 1, PAINT_SELECT, ">");
	paint_cursor(y, 0, true);
}

/* A row being put together. */
struct row {
	wchar_t text[CELLS_MAX];
	size_t n;
	int cells, width;
};

static bool
row_put(struct row *r, uint32_t cp, int w)
{
	if (r->cells + w > r->width || r->n + 2 >= CELLS_MAX)
		return false;
	if (cp >= 0x80 && !term_utf8()) {
		for (; w > 0; w--, r->cells++)
			r->text[r->n++] = L'?';
		return true;
	}
	r->text[r->n++] = (wchar_t)cp;
	r->cells += w;
	return true;
}

/* One character: itself, blanks for a tab, or the mark of one that is not
 * to be shown. */
static bool
row_char(struct row *r, uint32_t cp)
{
	char mark[16];
	size_t i;
	int w;

	if (cp == '\t' || cp == '\n') {
		for (w = wrap_cells('\t', r->cells); w > 0; w--)
			if (!row_put(r, ' ', 1))
				return false;
		return true;
	}
	if (!clean_marks(cp, CLEAN_LINE))
		return row_put(r, cp, wrap_cells(cp, r->cells));
	(void)snprintf(mark, sizeof(mark), "<U+%04X>", (unsigned)cp);
	for (i = 0; mark[i]; i++)
		if (!row_put(r, (unsigned char)mark[i], 1))
			return false;
	return true;
}

static void
row_show(const struct row *r, int y, int x, enum paint_style style)
{
	if (r->n == 0)
		return;
	set_style(style);
	(void)mvaddnwstr(y, x, r->text, (int)r->n);
	set_style(PAINT_PLAIN);
}

static int
clip(int y, int x, int width)
{
	if (y < 0 || y >= LINES || x < 0 || x >= COLS)
		return 0;
	return width < COLS - x ? width : COLS - x;
}

int
paint_bytes(int y, int x, int width, enum paint_style style, const char *text,
    size_t len)
{
	struct row r = { .width = clip(y, x, width) };
	size_t at = 0;
	uint32_t cp;

	if (r.width <= 0)
		return 0;
	while (at < len) {
		at += wrap_decode(text + at, len - at, &cp);
		if (!row_char(&r, cp))
			break;
	}
	row_show(&r, y, x, style);
	return r.cells;
}

int
paint_text(int y, int x, int width, enum paint_style style, const char *text)
{
	struct row r = { .width = clip(y, x, width) };
	size_t at = 0, len = strlen(text);
	uint32_t cp;

	if (r.width <= 0)
		return 0;
	while (at < len) {
		at += wrap_decode(text + at, len - at, &cp);
		if (row_char(&r, cp))
			continue;
		/* room for the ellipsis: take the last cell back */
		while (r.n > 0 && r.cells >= r.width) {
			r.n--;
			r.cells -= wrap_cells((uint32_t)r.text[r.n], 0);
		}
		(void)row_put(&r, term_utf8() ? 0x2026 : '~', 1);
		break;
	}
	row_show(&r, y, x, style);
	return r.cells;
}

int
paint_format(int y, int x, int width, enum paint_style style,
    const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return paint_text(y, x, width, style, text);
}

void
paint_fill(int y, int x, int width, enum paint_style style)
{
	width = clip(y, x, width);
	if (width <= 0)
		return;
	set_style(style);
	(void)mvhline(y, x, ' ' | styles[style].attrs, width);
	set_style(PAINT_PLAIN);
}

void
paint_bar(int y, const char *left, const char *right)
{
	int used, w = wrap_width(right, strlen(right));

	paint_fill(y, 0, COLS, PAINT_BAR);
	used = paint_text(y, 0, COLS, PAINT_BAR, left);
	if (w > 0 && used + w + 1 < COLS)
		(void)paint_text(y, COLS - w, w, PAINT_BAR, right);
}

void
paint_rule(int y, int x, int width, const char *word)
{
	char dash[4];
	size_t n = wrap_encode(term_utf8() ? 0x2500 : '-', dash);
	int i;

	width = clip(y, x, width);
	for (i = 0; i < width; i++)
		(void)paint_bytes(y, x + i, 1, PAINT_FRAME, dash, n);
	if (*word && width > 6)
		(void)paint_format(y, x + 2, width - 4, PAINT_FRAME, " %s ",
		    word);
}

void
paint_fence(int y, int x)
{
	char bar[4];
	size_t n = wrap_encode(term_utf8() ? 0x2502 : '|', bar);

	(void)paint_bytes(y, x, 1, PAINT_FRAME, bar, n);
}

int
paint_paragraph(int y, int x, int width, int below, enum paint_style style,
    const char *text)
{
	size_t at = 0, end, next, len = strlen(text);

	while (y < below && at < len && width >= 2) {
		end = wrap_row(text, len, at, width, &next);
		(void)paint_bytes(y++, x, width, style, text + at, end - at);
		at = next;
	}
	return y;
}
