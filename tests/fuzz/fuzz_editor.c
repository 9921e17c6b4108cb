/*
 * fuzz_editor.c - any run of editing steps leaves valid UTF-8 below the
 * ceiling, a cursor within it, and every step can be undone.
 */
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/tlv.h"
#include "tui/editor.h"

#define CEILING 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t
step(struct editor *e, const uint8_t *p, size_t left)
{
	size_t n = p[0] >> 4 < left ? p[0] >> 4 : left - 1;

	switch (p[0] & 15) {
	case 0: editor_backspace(e); return 1;
	case 1: editor_delete(e); return 1;
	case 2: editor_cut(e); return 1;
	case 3: (void)editor_uncut(e); return 1;
	case 4: (void)editor_undo(e); return 1;
	case 5: (void)editor_redo(e); return 1;
	case 6: editor_paste_begin(e); return 1;
	case 7: editor_paste_end(e); return 1;
	case 8: editor_view(e, n * 3, p[0] >> 5); return 1;
	case 9: editor_set_at(e, n * 37); return 1;
	case 10: (void)editor_type(e, p[0] >> 4); return 1;
	case 11: editor_go(e, (enum editor_move)(n % 12)); return 1;
	default:
		(void)editor_insert(e, (const char *)p + 1, n);
		return n + 1;
	}
}

static void
check(struct editor *e)
{
	const char *text = editor_text(e);
	size_t len = editor_len(e), at, end;
	int row, col, i;

	if (strlen(text) != len || len > CEILING || editor_at(e) > len ||
	    !clean_is(text, len, CLEAN_BLOCK))
		abort();
	if ((text[editor_at(e)] & 0xC0) == 0x80)
		abort();
	editor_view(e, 7, 4);
	editor_cursor(e, &row, &col);
	if (row < 0 || row > 3 || col < 0 || col > 7)
		abort();
	for (i = 0; i < 4 && editor_row(e, i, &at, &end); i++)
		if (at > end || end > len)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct editor *e;
	size_t at;

	if (sodium_init() < 0 || !setlocale(LC_CTYPE, "C.UTF-8") ||
	    editor_create(CEILING, len > 0 && data[0] & 1, &e))
		abort();
	for (at = 0; at < len;) {
		at += step(e, data + at, len - at);
		check(e);
	}
	while (editor_undo(e))
		check(e);
	editor_destroy(e);
	return 0;
}
