/*
 * wrap.h - text measured in terminal cells and broken into rows.
 *
 * Without curses.  Widths are wcwidth's, so LC_CTYPE has to be a UTF-8 locale.
 */
#ifndef LL_WRAP_H
#define LL_WRAP_H

#include <stddef.h>
#include <stdint.h>

#define WRAP_TAB 8

/* Decodes one UTF-8 character of len (at least 1) bytes at p; returns the
 * bytes it takes.  Anything invalid is one byte and U+FFFD. */
size_t wrap_decode(const char *p, size_t len, uint32_t *code_point_r);

/* Encodes into out (4 bytes of room); returns 1..4. */
size_t wrap_encode(uint32_t code_point, char out[4]);

/* Cells of a character that starts in column col: 0, 1, 2, or for a tab the
 * way to the next multiple of WRAP_TAB.  Unprintable ones take 1. */
int wrap_cells(uint32_t code_point, int col);

/* Cells of len bytes that start in column 0. */
int wrap_width(const char *text, size_t len);

/* One row of at most width cells (at least 2) from offset `at` on: returns the
 * offset behind what is shown, *next_r where the next row starts.  Breaks
 * after blanks (which may hang over the edge), inside a word only when it is
 * longer than a row.  A newline ends the row and is shown by neither. */
size_t wrap_row(const char *text, size_t len, size_t at, int width,
    size_t *next_r);

/* Offset of the character of the row [at, end) that covers column col, or
 * end. */
size_t wrap_at_column(const char *text, size_t at, size_t end, int col);

#endif
