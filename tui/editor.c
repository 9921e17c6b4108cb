/*
 * editor.c - the text editor of composer and fields, without curses.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/editor_part.h"
#include "tui/wrap.h"

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
size_t
editor_step_back(const struct editor *e, size_t at)
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

size_t
editor_step_on(const struct editor *e, size_t at)
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
	erase(e, e->at, editor_step_on(e, e->at), LAST_ERASE);
}

size_t
editor_line_start(const struct editor *e, size_t at)
{
	while (at > 0 && e->text[at - 1] != '\n')
		at--;
	return at;
}

void
editor_cut(struct editor *e)
{
	size_t from = editor_line_start(e, e->at), to = e->at, len;
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
