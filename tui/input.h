/*
 * input.h - bytes from a terminal made keys, without curses.
 *
 * Only ESC [ and ESC O begin a sequence: ESC before anything else is the Esc
 * key, so a slow line can't turn Esc and a letter into a third thing.  What
 * comes between the marks of a bracketed paste is text and never a key.
 */
#ifndef LL_INPUT_H
#define LL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define INPUT_ROOM 16384
#define INPUT_ESC_MS 25          /* a lone ESC is the key after this time */

/* Keys that are no characters; Ctrl-A is 1 and so on. */
enum input_code {
	K_TAB = 9, K_ENTER = 13, K_ESC = 27, K_BACKSPACE = 127,
	K_UP = 0x200000, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PAGE_UP,
	K_PAGE_DOWN, K_INSERT, K_DELETE, K_BACKTAB, K_WORD_LEFT,
	K_WORD_RIGHT, K_F1, K_F2, K_F3, K_F4, K_F5, K_F6, K_F7, K_F8, K_F9,
	K_F10, K_PASTE_BEGIN, K_PASTE, K_PASTE_END
};
#define K_CTRL(letter) ((uint32_t)(letter) & 31)

struct key {
	uint32_t code;           /* a code point, or of enum input_code */
	const char *text;        /* K_PASTE: a piece of what was pasted */
	size_t len;
};

struct input {
	char data[INPUT_ROOM];
	size_t start, len;
	bool pasting;
	bool eof;
	int report_row, report_col; /* last cursor position report, or 0 */
};

/* Nothing read yet. */
void input_init(struct input *in);
/* Wipes what is left. */
void input_finish(struct input *in);

/* Reads once from fd.  LL_EOF when it was hung up, LL_FULL when there are
 * keys to be taken first, LL_AGAIN when nothing was there. */
LL_MUST enum ll_result input_read(struct input *in, int fd);
/* The same from memory: returns the bytes taken. */
size_t input_feed(struct input *in, const char *bytes, size_t len);

/* Next key, LL_OK or LL_AGAIN.  A K_PASTE text is valid until the next call.
 * flush: nothing more came for INPUT_ESC_MS, so ESC is the key. */
LL_MUST enum ll_result input_next(struct input *in, bool flush,
    struct key *k_r);
/* True while an undecided ESC waits: call again with flush in time. */
bool input_waits(const struct input *in);

#endif
