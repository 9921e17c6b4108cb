/*
 * paste.h - a page that takes a block of text: a key, a certificate.
 */
#ifndef LL_PASTE_H
#define LL_PASTE_H

#include <stddef.h>

#include "tui/view.h"

/* Opens the page.  What is pasted or typed ends with a line "-----END ...", or
 * with Ctrl-X; then the page has gone and done gets the view on top and the
 * bytes (at most max, NUL-terminated).  Esc: not called.  title, text: copied.
 */
void paste_open(const char *title, const char *text, size_t max,
    void (*done)(struct view *v, const char *pasted, size_t len));

#endif
