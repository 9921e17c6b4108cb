/*
 * term.h - the terminal: set-up, restoring, sizes, keys.
 *
 * The one place besides paint.c that knows curses.  TERM, LANG and the like
 * come from the client and are treated as foreign.
 */
#ifndef LL_TERM_H
#define LL_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/result.h"
#include "tui/input.h"

#define TERM_ROWS_MIN 10
#define TERM_COLS_MIN 40
#define TERM_ROWS_MAX 400
#define TERM_COLS_MAX 1000
#define TERM_PROBE_MS 400

enum term_wake {
	TERM_KEY,               /* *k_r is set */
	TERM_OTHER,             /* the other descriptor is readable */
	TERM_RESIZED,           /* size changed, everything to be drawn anew */
	TERM_TIMEOUT,
	TERM_HANGUP             /* line gone, SIGHUP or SIGTERM */
};

/* Finds a terminal description for TERM (with fallbacks), goes into screen
 * mode, installs signal flags.  False: not possible; nothing was written. */
bool term_start(void);
/* Back to the terminal's own state.  Safe to repeat. */
void term_stop(void);

/* Whether non-ASCII characters can be shown, colours used. */
bool term_utf8(void);
bool term_colour(void);

/* Waits for a key, other_fd (-1: none), a signal, or timeout_ms (-1: ever). */
enum term_wake term_wait(int other_fd, int timeout_ms, struct key *k_r);
/* True when a key has been read already: drawing may be put off. */
bool term_more(void);

/* The candidates for a TERM value, best first, ended by NULL; for tests.
 * room: entries of out, at least 5. */
void term_candidates(const char *term, const char **out, unsigned room);
/* What LANG and LC_* say: 1 UTF-8, 0 not, -1 nothing said. */
int term_locale_says(const char *lc_all, const char *lc_ctype,
    const char *lang);

#endif
