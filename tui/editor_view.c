/*
 * editor_view.c - the editor's rows, moves and view.
 */
#include "tui/editor_part.h"
#include "tui/wrap.h"

/* The row that holds offset `at`. */
static void
find_row(const struct editor *e, size_t at, size_t *start_r, size_t *end_r,
    size_t *next_r)
{
	size_t start = editor_line_start(e, at), end, next;

	for (;;) {
		end = wrap_row(e->text, e->len, start, e->width, &next);
		if (at < next || next >= e->len)
			break;
		start = next;
	}
	/* an empty last row follows a newline at the very end */
	if (at >= next && next > start && e->len > 0 &&
	    e->text[next - 1] == '\n') {
		start = end = next;
	}
	*start_r = start;
	*end_r = end;
	*next_r = next;
}

/* The row after [.., next); false when there is none. */
static bool
row_after(const struct editor *e, size_t end, size_t next)
{
	return next < e->len || (end < next && e->text[next - 1] == '\n');
}

static bool
row_before(const struct editor *e, size_t start, size_t *prev_r)
{
	size_t end, next;

	if (start == 0)
		return false;
	find_row(e, start - 1, prev_r, &end, &next);
	return true;
}

static int
column(const struct editor *e, size_t start)
{
	int col = wrap_width(e->text + start, e->at - start);

	return col < e->width ? col : e->width;
}

static void
go_rows(struct editor *e, int rows)
{
	size_t start, end, next, other;
	int goal;

	find_row(e, e->at, &start, &end, &next);
	goal = e->goal < 0 ? column(e, start) : e->goal;
	for (; rows < 0 && row_before(e, start, &other); rows++)
		start = other;
	for (; rows > 0 && row_after(e, end, next); rows--) {
		start = next;
		end = wrap_row(e->text, e->len, start, e->width, &next);
	}
	end = wrap_row(e->text, e->len, start, e->width, &next);
	e->at = wrap_at_column(e->text, start, end, goal);
	/* the end of a softly wrapped row belongs to the next one */
	if (e->at == end && end == next && end < e->len && end > start)
		e->at = editor_step_back(e, end);
	e->goal = goal;
}

static bool
is_blank(const struct editor *e, size_t at)
{
	return e->text[at] == ' ' || e->text[at] == '\n' ||
	    e->text[at] == '\t';
}

static size_t
word(const struct editor *e, bool back)
{
	size_t at = e->at;

	if (back) {
		while (at > 0 && is_blank(e, at - 1))
			at--;
		while (at > 0 && !is_blank(e, at - 1))
			at--;
		return at;
	}
	while (at < e->len && !is_blank(e, at))
		at++;
	while (at < e->len && is_blank(e, at))
		at++;
	return at;
}

/* The last place of the cursor's row. */
static size_t
row_last(const struct editor *e, size_t start, size_t end, size_t next)
{
	return end == next && end < e->len && end > start ?
	    editor_step_back(e, end) : end;
}

void
editor_go(struct editor *e, enum editor_move how)
{
	size_t start, end, next;

	e->last = LAST_OTHER;
	if (how == EDITOR_UP || how == EDITOR_DOWN) {
		go_rows(e, how == EDITOR_UP ? -1 : 1);
		return;
	}
	if (how == EDITOR_PAGE_UP || how == EDITOR_PAGE_DOWN) {
		int rows = e->height > 2 ? e->height - 2 : 1;

		go_rows(e, how == EDITOR_PAGE_UP ? -rows : rows);
		return;
	}
	e->goal = -1;
	find_row(e, e->at, &start, &end, &next);
	if (how == EDITOR_LEFT)
		e->at = editor_step_back(e, e->at);
	else if (how == EDITOR_RIGHT)
		e->at = editor_step_on(e, e->at);
	else if (how == EDITOR_WORD_LEFT || how == EDITOR_WORD_RIGHT)
		e->at = word(e, how == EDITOR_WORD_LEFT);
	else if (how == EDITOR_ROW_START)
		e->at = start;
	else if (how == EDITOR_ROW_END)
		e->at = row_last(e, start, end, next);
	else
		e->at = how == EDITOR_TOP ? 0 : e->len;
}

/* --- the view --- */

void
editor_view(struct editor *e, int width, int height)
{
	size_t start, end, next, top;
	int row = 0;

	e->width = width < 2 ? 2 : width;
	e->height = height < 1 ? 1 : height;
	find_row(e, e->top, &top, &end, &next);
	e->top = top;
	/* mostly the cursor is in sight */
	for (; row < e->height && e->at >= top; row++) {
		end = wrap_row(e->text, e->len, top, e->width, &next);
		if (e->at < next || !row_after(e, end, next))
			return;
		top = next;
	}
	row = 0;
	find_row(e, e->at, &start, &end, &next);
	if (start < e->top) {
		e->top = start;
		return;
	}
	/* count back from the cursor; it is at most a screen away, or the
	 * view follows it */
	for (top = start; row < e->height - 1 && top > e->top; row++)
		if (!row_before(e, top, &top))
			break;
	if (top > e->top)
		e->top = top;
}

bool
editor_row(const struct editor *e, int row, size_t *at_r, size_t *end_r)
{
	size_t at, end, next;

	/* top is a row's start since the last editor_view */
	at = e->top;
	end = wrap_row(e->text, e->len, at, e->width, &next);
	for (; row > 0; row--) {
		if (!row_after(e, end, next))
			return false;
		at = next;
		end = wrap_row(e->text, e->len, at, e->width, &next);
	}
	*at_r = at;
	*end_r = end;
	return true;
}

void
editor_cursor(const struct editor *e, int *row_r, int *col_r)
{
	size_t start, end, next, s = e->top;
	int row = 0;

	find_row(e, e->at, &start, &end, &next);
	while (s < start && row < e->height - 1) {
		(void)wrap_row(e->text, e->len, s, e->width, &next);
		s = next;
		row++;
	}
	*row_r = row;
	*col_r = column(e, start);
}

bool
editor_at_first_row(const struct editor *e)
{
	size_t start, end, next;

	find_row(e, e->at, &start, &end, &next);
	return start == 0;
}

bool
editor_at_last_row(const struct editor *e)
{
	size_t start, end, next;

	find_row(e, e->at, &start, &end, &next);
	return !row_after(e, end, next);
}
