/*
 * editor.c - the text editor of composer and fields, without curses.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/editor.h"
#include "tui/undo.h"
#include "tui/wrap.h"

enum last { LAST_OTHER, LAST_TYPE, LAST_ERASE, LAST_CUT, LAST_PASTE };

struct editor {
	char *text;             /* room + 1 bytes, NUL behind len */
	size_t len, room, ceiling;
	size_t at;              /* cursor */
	size_t top;             /* where the view's first row starts */
	int width, height;
	int goal;               /* column that up and down aim for, or -1 */
	bool one_line;
	bool pasting;
	bool was_cr;            /* a piece of paste ended with CR */
	char part[4];           /* its last character, cut in two */
	size_t part_len;
	enum last last;
	uint64_t version;
	char *cut;
	size_t cut_len;
	struct undo undo;
};

enum ll_result
editor_create(size_t ceiling, bool one_line, struct editor **e_r)
{
	struct editor *e;

	*e_r = NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return LL_NOMEM;
	e->ceiling = ceiling;
	e->one_line = one_line;
	e->room = 256;
	e->text = calloc(1, e->room + 1);
	if (!e->text) {
		free(e);
		return LL_NOMEM;
	}
	e->width = 80;
	e->height = 1;
	e->goal = -1;
	undo_init(&e->undo, EDITOR_UNDO_MAX, EDITOR_UNDO_BYTES);
	*e_r = e;
	return LL_OK;
}

static void
wipe(char *p, size_t len)
{
	if (p)
		sodium_memzero(p, len);
	free(p);
}

void
editor_destroy(struct editor *e)
{
	if (!e)
		return;
	wipe(e->text, e->room + 1);
	wipe(e->cut, e->cut_len);
	undo_finish(&e->undo);
	free(e);
}

const char *
editor_text(const struct editor *e)
{
	return e->text;
}

size_t
editor_len(const struct editor *e)
{
	return e->len;
}

size_t
editor_remaining(const struct editor *e)
{
	return e->ceiling - e->len;
}

uint64_t
editor_version(const struct editor *e)
{
	return e->version;
}

size_t
editor_at(const struct editor *e)
{
	return e->at;
}

static bool
continues(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

void
editor_set_at(struct editor *e, size_t at)
{
	e->at = at < e->len ? at : e->len;
	while (e->at > 0 && continues(e->text[e->at]))
		e->at--;
	e->goal = -1;
	e->last = LAST_OTHER;
}

/* --- changing the text --- */

static bool
make_room(struct editor *e, size_t more)
{
	size_t room = e->room;
	char *n;

	if (e->len + more <= e->room)
		return true;
	while (room < e->len + more)
		room *= 2;
	n = calloc(1, room + 1);
	if (!n)
		return false;
	memcpy(n, e->text, e->len);
	wipe(e->text, e->room + 1);
	e->text = n;
	e->room = room;
	return true;
}

/* Replaces gone_len bytes at `at`; the caller has made room. */
static void
splice(struct editor *e, size_t at, size_t gone_len, const char *come,
    size_t come_len)
{
	memmove(e->text + at + come_len, e->text + at + gone_len,
	    e->len - at - gone_len);
	if (come_len)
		memcpy(e->text + at, come, come_len);
	e->len = e->len - gone_len + come_len;
	e->text[e->len] = '\0';
	e->at = at + come_len;
	e->version++;
	e->goal = -1;
	if (e->top > e->len)
		e->top = e->len;
}

static void
erase(struct editor *e, size_t from, size_t to, enum last how)
{
	if (from == to)
		return;
	undo_note(&e->undo, from, e->text + from, to - from, NULL, 0,
	    how == e->last && how != LAST_OTHER);
	splice(e, from, to - from, NULL, 0);
	e->last = how;
}

/* What of a piece of input goes into the text; out has room for len + 4.
 * In a paste, the state between pieces is kept in e. */
static size_t
filter(struct editor *e, const char *in, size_t len, char *out)
{
	size_t i = 0, o = 0, n;
	uint32_t cp;

	while (i < len) {
		n = wrap_decode(in + i, len - i, &cp);
		if (cp == 0xFFFD && n == 1 && len - i < 4 && e->pasting &&
		    (unsigned char)in[i] >= 0xC2) {
			/* goes on in the next piece */
			memcpy(e->part, in + i, len - i);
			e->part_len = len - i;
			break;
		}
		i += n;
		if (cp == '\n' && e->was_cr) {
			e->was_cr = false;
			continue;
		}
		e->was_cr = cp == '\r';
		if (cp == '\r' || cp == '\n') {
			out[o++] = e->one_line ? ' ' : '\n';
			continue;
		}
		if (cp == '\t' && e->one_line)
			cp = ' ';
		if (cp == 0xFFFD && n == 1)
			continue;
		if (!clean_marks(cp, CLEAN_BLOCK))
			o += wrap_encode(cp, out + o);
	}
	return o;
}

/* Inserts filtered text, as much as fits on a character's border. */
static size_t
put(struct editor *e, const char *text, size_t len, bool merge)
{
	size_t take = len, room = editor_remaining(e);

	if (take > room) {
		take = room;
		while (take > 0 && continues(text[take]))
			take--;
	}
	if (take == 0 || !make_room(e, take))
		return len;
	undo_note(&e->undo, e->at, NULL, 0, text, take, merge);
	splice(e, e->at, 0, text, take);
	return len - take;
}

size_t
editor_insert(struct editor *e, const char *text, size_t len)
{
	size_t n, left, had = e->part_len;
	char *in, *out;

	in = malloc(had + len + 1);
	out = malloc(had + len + 8);
	if (!in || !out) {
		free(in);
		free(out);
		return len;
	}
	memcpy(in, e->part, had);
	memcpy(in + had, text, len);
	e->part_len = 0;
	n = filter(e, in, had + len, out);
	if (!e->pasting)
		e->was_cr = false;
	left = put(e, out, n, e->pasting && e->last == LAST_PASTE);
	e->last = e->pasting ? LAST_PASTE : LAST_OTHER;
	wipe(in, had + len);
	wipe(out, n);
	return left;
}

size_t
editor_type(struct editor *e, uint32_t cp)
{
	char b[4];
	size_t n, left;
	bool merge = e->last == LAST_TYPE;

	if (cp == '\r')
		cp = '\n';
	if ((cp == '\n' || cp == '\t') && e->one_line)
		return 0;
	if (clean_marks(cp, CLEAN_BLOCK))
		return 0;
	n = wrap_encode(cp, b);
	/* a word and the blanks behind it are one step */
	if (merge && e->at > 0 && cp != ' ' && cp != '\n' &&
	    (e->text[e->at - 1] == ' ' || e->text[e->at - 1] == '\n'))
		merge = false;
	left = put(e, b, n, merge);
	e->last = LAST_TYPE;
	return left;
}

void
editor_paste_begin(struct editor *e)
{
	e->pasting = true;
	e->was_cr = false;
	e->part_len = 0;
	e->last = LAST_OTHER;
}

void
editor_paste_end(struct editor *e)
{
	e->pasting = false;
	e->was_cr = false;
	e->part_len = 0;
	e->last = LAST_OTHER;
}

void
editor_set(struct editor *e, const char *text, size_t len)
{
	e->at = 0;
	e->top = 0;
	splice(e, 0, e->len, NULL, 0);
	e->last = LAST_OTHER;
	(void)editor_insert(e, text, len);
	undo_clear(&e->undo);
	e->at = 0;
}

/* The character before or after, with what combines with it. */
static size_t
step_back(const struct editor *e, size_t at)
{
	uint32_t cp = 0;

	while (at > 0) {
		do
			at--;
		while (at > 0 && continues(e->text[at]));
		(void)wrap_decode(e->text + at, e->len - at, &cp);
		if (wrap_cells(cp, 0) > 0 || cp == '\n')
			break;
	}
	return at;
}

static size_t
step_on(const struct editor *e, size_t at)
{
	uint32_t cp;
	size_t n;

	if (at >= e->len)
		return e->len;
	at += wrap_decode(e->text + at, e->len - at, &cp);
	while (at < e->len) {
		n = wrap_decode(e->text + at, e->len - at, &cp);
		if (cp == '\n' || wrap_cells(cp, 0) > 0)
			break;
		at += n;
	}
	return at;
}

void
editor_backspace(struct editor *e)
{
	/* only the last of a letter and its accents */
	size_t from = e->at;

	if (from == 0)
		return;
	do
		from--;
	while (from > 0 && continues(e->text[from]));
	erase(e, from, e->at, LAST_ERASE);
}

void
editor_delete(struct editor *e)
{
	erase(e, e->at, step_on(e, e->at), LAST_ERASE);
}

static size_t
line_start(const struct editor *e, size_t at)
{
	while (at > 0 && e->text[at - 1] != '\n')
		at--;
	return at;
}

void
editor_cut(struct editor *e)
{
	size_t from = line_start(e, e->at), to = e->at, len;
	char *n;

	while (to < e->len && e->text[to] != '\n')
		to++;
	if (to < e->len)
		to++;
	len = to - from;
	if (len == 0)
		return;
	if (e->last != LAST_CUT) {
		wipe(e->cut, e->cut_len);
		e->cut = NULL;
		e->cut_len = 0;
	}
	n = malloc(e->cut_len + len);
	if (!n)
		return;
	if (e->cut_len)
		memcpy(n, e->cut, e->cut_len);
	memcpy(n + e->cut_len, e->text + from, len);
	wipe(e->cut, e->cut_len);
	e->cut = n;
	e->cut_len += len;
	erase(e, from, to, LAST_CUT);
}

size_t
editor_uncut(struct editor *e)
{
	e->last = LAST_OTHER;
	return e->cut_len ? put(e, e->cut, e->cut_len, false) : 0;
}

bool
editor_undo(struct editor *e)
{
	const struct undo_step *s = undo_back(&e->undo);

	e->last = LAST_OTHER;
	if (!s || !make_room(e, s->gone_len))
		return false;
	splice(e, s->at, s->come_len, s->gone, s->gone_len);
	return true;
}

bool
editor_redo(struct editor *e)
{
	const struct undo_step *s = undo_forward(&e->undo);

	e->last = LAST_OTHER;
	if (!s || !make_room(e, s->come_len))
		return false;
	splice(e, s->at, s->gone_len, s->come, s->come_len);
	return true;
}

/* --- rows --- */

/* The row that holds offset `at`. */
static void
find_row(const struct editor *e, size_t at, size_t *start_r, size_t *end_r,
    size_t *next_r)
{
	size_t start = line_start(e, at), end, next;

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
		e->at = step_back(e, end);
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
	    step_back(e, end) : end;
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
		e->at = step_back(e, e->at);
	else if (how == EDITOR_RIGHT)
		e->at = step_on(e, e->at);
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
