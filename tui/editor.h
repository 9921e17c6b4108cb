/*
 * editor.h - the text editor of composer and fields, without curses.
 *
 * Text is UTF-8; a line ends with one newline and is wrapped softly at the
 * width of the view.  What goes in is plain: controls but newline and tab, and
 * the characters that clean.h marks, are left out.  All of it is wiped when it
 * is freed.
 */
#ifndef LL_EDITOR_H
#define LL_EDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define EDITOR_UNDO_MAX 500             /* steps kept */
#define EDITOR_UNDO_BYTES (8u << 20)    /* and the text they hold */

struct editor;

enum editor_move {
	EDITOR_LEFT, EDITOR_RIGHT, EDITOR_UP, EDITOR_DOWN,
	EDITOR_WORD_LEFT, EDITOR_WORD_RIGHT,
	EDITOR_ROW_START, EDITOR_ROW_END,
	EDITOR_PAGE_UP, EDITOR_PAGE_DOWN,
	EDITOR_TOP, EDITOR_BOTTOM
};

/* ceiling: most bytes of text.  one_line: a newline becomes a blank. */
LL_MUST enum ll_result editor_create(size_t ceiling, bool one_line,
    struct editor **e_r);
/* Wipes.  NULL is fine. */
void editor_destroy(struct editor *e);

/* Replaces everything and forgets the undo steps; the cursor stands at 0.
 * What is over the ceiling is left out. */
void editor_set(struct editor *e, const char *text, size_t len);

/* The text, NUL-terminated; valid until the next change. */
const char *editor_text(const struct editor *e);
size_t editor_len(const struct editor *e);
/* Bytes that still fit. */
size_t editor_remaining(const struct editor *e);
/* Another number after each change of the text. */
uint64_t editor_version(const struct editor *e);

/* Inserts at the cursor as one undo step; CRLF and CR become newlines.
 * Returns the bytes of input that found no room. */
size_t editor_insert(struct editor *e, const char *text, size_t len);
/* The same for one typed character; typing makes one undo step a word. */
size_t editor_type(struct editor *e, uint32_t code_point);
/* Between these two, inserts are one undo step (a paste in pieces, where a
 * character may be cut in two between them). */
void editor_paste_begin(struct editor *e);
void editor_paste_end(struct editor *e);

/* Takes the character before the cursor away. */
void editor_backspace(struct editor *e);
/* Takes the one under it away, with what combines with it. */
void editor_delete(struct editor *e);
/* Cuts the cursor's line; cuts that follow each other gather. */
void editor_cut(struct editor *e);
/* Inserts what was cut.  Returns as editor_insert. */
size_t editor_uncut(struct editor *e);
/* False when there is nothing to undo or redo. */
bool editor_undo(struct editor *e);
bool editor_redo(struct editor *e);

/* Moves the cursor; at an end it stays. */
void editor_go(struct editor *e, enum editor_move how);
/* The cursor's offset in bytes; set is held to a character's start. */
size_t editor_at(const struct editor *e);
void editor_set_at(struct editor *e, size_t at);

/* --- the view --- */

/* Size in cells (at least 2 by 1); scrolls so that the cursor is seen. */
void editor_view(struct editor *e, int width, int height);
/* Bytes [*at_r, *end_r) of row 0.. of the view; false below the end. */
bool editor_row(const struct editor *e, int row, size_t *at_r,
    size_t *end_r);
/* Where the cursor stands in the view. */
void editor_cursor(const struct editor *e, int *row_r, int *col_r);
/* True when the cursor is in the first (last) row of the whole text. */
bool editor_at_first_row(const struct editor *e);
bool editor_at_last_row(const struct editor *e);

#endif
