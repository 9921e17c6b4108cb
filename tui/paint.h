/*
 * paint.h - text drawn by cells.
 *
 * Everything is clipped at its width, and every character that clean.h marks
 * is drawn as its mark, whoever wrote it.  A terminal without UTF-8 gets '?'
 * for what is not ASCII.  Meaning is never in the colour alone.
 */
#ifndef LL_PAINT_H
#define LL_PAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum paint_style {
	PAINT_PLAIN, PAINT_BOLD, PAINT_BAR, PAINT_SELECT, PAINT_BAD,
	PAINT_GOOD, PAINT_WARN, PAINT_FRAME, PAINT_QR, PAINT_STYLES
};

/* Rows and columns of the screen. */
int paint_rows(void);
int paint_cols(void);

/* Empties the whole screen; show brings what was drawn to the terminal. */
void paint_begin(void);
void paint_show(void);
/* The next show sends everything. */
void paint_redraw(void);

/* Draws text in [x, x + width) of row y; what does not fit ends in an
 * ellipsis.  Returns the cells used. */
int paint_text(int y, int x, int width, enum paint_style style,
    const char *text);
/* The same for len bytes, without an ellipsis (a row of wrapped text). */
int paint_bytes(int y, int x, int width, enum paint_style style,
    const char *text, size_t len);
/* printf into a row; at most 1023 bytes. */
int paint_format(int y, int x, int width, enum paint_style style,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Blanks in the style. */
void paint_fill(int y, int x, int width, enum paint_style style);
/* A bar over the whole row: left, and right if it still fits. */
void paint_bar(int y, const char *left, const char *right);
/* A line of dashes with a word in it; "" for none. */
void paint_rule(int y, int x, int width, const char *word);
/* The mark of the fence before a row of foreign text. */
void paint_fence(int y, int x);
/* A paragraph of text wrapped into [x, x + width) from row y on, up to row
 * below; returns the first row that is free. */
int paint_paragraph(int y, int x, int width, int below,
    enum paint_style style, const char *text);
/* The mark of what is chosen, at the left edge of row y, with the cursor on
 * it: the one thing that changes when one moves through a list. */
void paint_mark(int y);
/* Where the hardware cursor is to stand (it follows the focus). */
void paint_cursor(int y, int x, bool visible);

#endif
