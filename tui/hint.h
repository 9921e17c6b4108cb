/*
 * hint.h - what the verb tables look like: hint bar, help, names of keys,
 * cursors in lists.
 */
#ifndef LL_HINT_H
#define LL_HINT_H

#include "tui/view.h"

/* The bar with the keys that are valid now, in row y. */
void hint_draw(const struct view *v, int y);
/* Help over the view that is on top: all its keys.  (A verb's run.) */
void hint_help(struct view *v);
/* The palette over the view that is on top.  (A verb's run.) */
void hint_palette(struct view *v);

#endif
