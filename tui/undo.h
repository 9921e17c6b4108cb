/*
 * undo.h - the editor's steps back and forth.
 */
#ifndef LL_UNDO_H
#define LL_UNDO_H

#include <stdbool.h>
#include <stddef.h>

/* At offset `at`, `gone` was replaced by `come`. */
struct undo_step {
	size_t at;
	char *gone, *come;
	size_t gone_len, come_len;
};

struct undo {
	struct undo_step *steps;
	size_t count, room;
	size_t now;             /* steps[0..now) are done, the rest undone */
	size_t bytes;           /* held by all steps */
	size_t steps_max, bytes_max;
};

/* Keeps at most so many steps and bytes; the oldest go first. */
void undo_init(struct undo *u, size_t steps_max, size_t bytes_max);
/* Wipes and frees all steps; *u is as after undo_init. */
void undo_clear(struct undo *u);
void undo_finish(struct undo *u);

/* Notes a change; steps that were undone are dropped.  merge: let it grow the
 * last step when it goes on where that ended.  Without memory the history is
 * cleared: an undo must never restore the wrong text. */
void undo_note(struct undo *u, size_t at, const char *gone, size_t gone_len,
    const char *come, size_t come_len, bool merge);

/* The step to be reverted or done again; NULL when there is none.  Valid
 * until the next undo_note. */
const struct undo_step *undo_back(struct undo *u);
const struct undo_step *undo_forward(struct undo *u);

#endif
