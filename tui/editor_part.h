/*
 * editor_part.h - the editor's inside, for its two files.
 */
#ifndef LL_EDITOR_PART_H
#define LL_EDITOR_PART_H

#include "tui/editor.h"
#include "tui/undo.h"

/* What the last call was: only equal ones gather. */
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

/* Offset of the character before (after) the one at `at`, with what combines
 * with it; at an end that end. */
size_t editor_step_back(const struct editor *e, size_t at);
size_t editor_step_on(const struct editor *e, size_t at);
/* Where the line that holds `at` begins. */
size_t editor_line_start(const struct editor *e, size_t at);

#endif
