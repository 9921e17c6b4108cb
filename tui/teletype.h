/*
 * teletype.h - lines in, lines out, for line mode: no cursor, no redraw.
 *
 * Works on a pty and on a plain socket (`ssh -T`), where nobody can switch the
 * echo off.
 */
#ifndef LL_TELETYPE_H
#define LL_TELETYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/result.h"
#include "keys/secret.h"

#define TELETYPE_LINE_MAX 65536  /* bytes of one line typed */

struct teletype;

/* Called while a line is awaited: about once a second, and when watch_fd is
 * readable.  What it prints stands on lines of its own. */
typedef void teletype_tick_fn(void *arg);

/* Reads from descriptor in, writes to out (both stay the caller's). */
LL_MUST enum ll_result teletype_create(int in, int out,
    struct teletype **t_r);
/* Switches the echo on again.  NULL is fine. */
void teletype_destroy(struct teletype *t);
/* fd -1: none. */
void teletype_watch(struct teletype *t, int fd, teletype_tick_fn *tick,
    void *arg);
/* Ends a wait for a line: it gives LL_EOF from now on. */
void teletype_stop(struct teletype *t);
/* True after teletype_stop, and once something could not be written. */
bool teletype_is_over(const struct teletype *t);
/* True when the echo can be switched off. */
bool teletype_is_tty(const struct teletype *t);

/* Writes the prompt and waits for a line, without its end; malloc'd, valid
 * UTF-8, the caller wipes and frees.  LL_EOF: no more will come.  A line that
 * is too long or no UTF-8 is refused with a word and asked for again. */
LL_MUST enum ll_result teletype_line(struct teletype *t, const char *prompt,
    char **line_r);
/* The same with the echo off, into guarded memory (empty line: a secret of
 * one zero byte and len 0 as *len_r). */
LL_MUST enum ll_result teletype_secret(struct teletype *t,
    const char *prompt, struct secret *s_r, size_t *len_r);
/* A question to be answered with yes or no; true for y, yes. */
bool teletype_yes(struct teletype *t, const char *question);

/* Writes text; an output that can't be written ends the waiting too. */
void teletype_put(struct teletype *t, const char *text, size_t len);
void teletype_say(struct teletype *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
