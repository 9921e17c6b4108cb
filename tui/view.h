/*
 * view.h - the stack of screens and the loop that feeds them.
 *
 * A screen ("view") is a vtable and a state.  Its verbs stand in one table,
 * from which keys, hint bar, help and palette are made.  Row 0 is the title,
 * the last but one says what happened, the last shows the keys; between them
 * lies the view's area.
 */
#ifndef LL_VIEW_H
#define LL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "store/desk.h"
#include "tui/input.h"

#define VIEW_DEPTH 12
#define VIEW_QUIT_GUARD_MS 400   /* a second q within this time is none */

struct center;
struct view;

struct view_verb {
	uint32_t key;            /* 0: in the palette only */
	uint32_t twin;           /* another key for the same, 0: none */
	const char *hint;        /* word on the hint bar; NULL: not there */
	const char *name;        /* "reply" */
	const char *text;        /* what it does, a sentence */
	void (*run)(struct view *v);
	bool (*valid)(const struct view *v);     /* NULL: always */
};

struct view_ops {
	size_t state_bytes;      /* zeroed for init, wiped after finish */
	/* Title text into a buffer. */
	void (*title)(const struct view *v, char *text, size_t room);
	/* arg: what view_push got.  A failure closes the view again. */
	enum ll_result (*init)(struct view *v, const void *arg);
	void (*draw)(struct view *v);
	/* Before the verbs; true when it was used up. */
	bool (*key)(struct view *v, const struct key *k);
	/* Esc, q; NULL: view_pop. */
	void (*leave)(struct view *v);
	/* It is the top again after the one above went. */
	void (*again)(struct view *v);
	void (*event)(struct view *v, const struct desk_event *e);
	/* About once a second, at any depth; true: to be drawn anew. */
	bool (*tick)(struct view *v);
	void (*finish)(struct view *v);
	const struct view_verb *verbs;
	size_t verb_count;
	bool typing;             /* letters are text: q, ?, : are no verbs */
	bool bare;               /* no title, no bars: the view has it all */
	bool alone;              /* the global verbs do not hold here */
};

struct view {
	const struct view_ops *ops;
	void *state;
};

#define VIEW_VERBS(table) (table), sizeof(table) / sizeof(*(table))

/* Sets the house up: center may be NULL (enrolment); globals are verbs that
 * hold in every view. */
void view_setup(struct center *c, const struct view_verb *globals,
    size_t count);
/* Runs until view_quit, or the last view went.  fd (-1: none) is polled, and
 * drain called before each wait and when it is readable.  Returns the exit
 * status.  All views are finished then. */
int view_loop(int fd, void (*drain)(void));
void view_quit(int status);

/* What view_setup got; NULL while enrolling. */
struct center *view_center(void);
/* The view that is drawn and gets the keys; NULL when none is left. */
struct view *view_top(void);
/* The view below the top, or NULL. */
struct view *view_below(void);

/* LL_FULL: too deep.  A failure of init has been told (view_fail). */
enum ll_result view_push(const struct view_ops *ops, const void *arg);
void view_pop(void);
/* Pops down to (not including) the lowest view of these ops; false when there
 * is none. */
bool view_pop_to(const struct view_ops *ops);
/* The view of these ops at any depth, or NULL. */
struct view *view_find(const struct view_ops *ops);

/* The line that says what happened; it stays until the next key. */
void view_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* "WHAT: the sentence for r".  what may be NULL. */
void view_fail(const char *what, enum ll_result r);
void view_dirty(void);
/* Hands an event to every view, bottom first. */
void view_event(const struct desk_event *e);
/* The store is away (a lasting line says so) or back. */
void view_set_lost(bool lost);

/* Area of a view: rows [*top_r, *below_r). */
void view_area(int *top_r, int *below_r);

/* --- verbs, for hint bar, help and palette --- */

/* Verb n of view v, its own first, then the global ones; NULL at the end. */
const struct view_verb *view_verb_at(const struct view *v, size_t n);
bool view_verb_valid(const struct view *v, const struct view_verb *verb);

/* --- a cursor in a list --- */

struct view_list {
	size_t at, top, count;
};

/* Up, down, pages, Home, End, j, k, n, p; true when used up. */
bool view_list_key(struct view_list *l, const struct key *k, int rows);
/* Scrolls so that `at` is seen; call before drawing. */
void view_list_fit(struct view_list *l, int rows);

#endif
