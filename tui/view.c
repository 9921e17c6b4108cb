/*
 * view.c - the stack of screens and the loop that feeds them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "store/loop.h"
#include "tui/center.h"
#include "tui/hint.h"
#include "tui/paint.h"
#include "tui/term.h"
#include "tui/view.h"

#define TICK_MS 1000
#define LOST_MS 500

static struct {
	struct center *center;
	const struct view_verb *globals;
	size_t global_count;
	struct view stack[VIEW_DEPTH];
	size_t depth;
	char words[512];
	bool dirty, lost, quit;
	int status;
	uint64_t last_quit_key;  /* when the last q came */
	uint64_t last_tick;
} house;

void
view_setup(struct center *c, const struct view_verb *globals, size_t count)
{
	memset(&house, 0, sizeof(house));
	house.center = c;
	house.globals = globals;
	house.global_count = count;
}

struct center *
view_center(void)
{
	return house.center;
}

struct view *
view_top(void)
{
	return house.depth > 0 ? &house.stack[house.depth - 1] : NULL;
}

struct view *
view_below(void)
{
	return house.depth > 1 ? &house.stack[house.depth - 2] : NULL;
}

struct view *
view_find(const struct view_ops *ops)
{
	size_t i;

	for (i = 0; i < house.depth; i++)
		if (house.stack[i].ops == ops)
			return &house.stack[i];
	return NULL;
}

void
view_dirty(void)
{
	house.dirty = true;
}

void
view_quit(int status)
{
	house.quit = true;
	house.status = status;
}

void
view_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(house.words, sizeof(house.words), format, ap);
	va_end(ap);
	house.dirty = true;
}

void
view_fail(const char *what, enum ll_result r)
{
	const char *words = house.center ? center_words(house.center, r) :
	    ll_result_text(r);

	if (what)
		view_say("%s: %s", what, words);
	else
		view_say("%s", words);
}

void
view_set_lost(bool lost)
{
	house.lost = lost;
	house.dirty = true;
}

void
view_area(int *top_r, int *below_r)
{
	*top_r = 1;
	*below_r = paint_rows() - 2;
}

/* --- the stack --- */

static void
close_top(void)
{
	struct view *v = view_top();

	if (v->ops->finish)
		v->ops->finish(v);
	sodium_memzero(v->state, v->ops->state_bytes);
	free(v->state);
	v->state = NULL;
	house.depth--;
	house.dirty = true;
}

enum ll_result
view_push(const struct view_ops *ops, const void *arg)
{
	struct view *v = &house.stack[house.depth];
	enum ll_result r;

	if (house.depth == VIEW_DEPTH) {
		view_say("Too many screens are open; go back first");
		return LL_FULL;
	}
	v->ops = ops;
	v->state = calloc(1, ops->state_bytes ? ops->state_bytes : 1);
	if (!v->state) {
		view_fail(NULL, LL_NOMEM);
		return LL_NOMEM;
	}
	house.depth++;
	house.dirty = true;
	if (!ops->init)
		return LL_OK;
	r = ops->init(v, arg);
	if (r) {
		view_fail(NULL, r);
		close_top();
	}
	return r;
}

void
view_pop(void)
{
	struct view *v;

	if (house.depth == 0)
		return;
	close_top();
	v = view_top();
	if (v && v->ops->again)
		v->ops->again(v);
}

bool
view_pop_to(const struct view_ops *ops)
{
	struct view *v = view_find(ops);

	if (!v)
		return false;
	if (view_top() == v)
		return true;
	while (view_top() != v)
		close_top();
	if (v->ops->again)
		v->ops->again(v);
	return true;
}

void
view_event(const struct desk_event *e)
{
	size_t i;

	for (i = 0; i < house.depth; i++)
		if (house.stack[i].ops->event)
			house.stack[i].ops->event(&house.stack[i], e);
}

/* --- verbs --- */

const struct view_verb *
view_verb_at(const struct view *v, size_t n)
{
	if (n < v->ops->verb_count)
		return &v->ops->verbs[n];
	n -= v->ops->verb_count;
	if (v->ops->alone)
		return NULL;
	return n < house.global_count ? &house.globals[n] : NULL;
}

bool
view_verb_valid(const struct view *v, const struct view_verb *verb)
{
	return !verb->valid || verb->valid(v);
}

static bool
run_verb(struct view *v, uint32_t key)
{
	const struct view_verb *verb;
	size_t i;

	for (i = 0; (verb = view_verb_at(v, i)) != NULL; i++) {
		if (verb->key != key && (verb->twin != key || !key))
			continue;
		if (!view_verb_valid(v, verb))
			continue;
		/* a letter is text where one types */
		if (v->ops->typing && key >= ' ' && key < K_BACKSPACE)
			continue;
		verb->run(v);
		return true;
	}
	return false;
}

static void
leave(struct view *v)
{
	if (v->ops->leave)
		v->ops->leave(v);
	else
		view_pop();
}

/* A q that comes right behind another one over a slow line was meant once. */
static bool
guarded(void)
{
	uint64_t now = loop_now_ms();
	bool again = house.last_quit_key &&
	    now - house.last_quit_key < VIEW_QUIT_GUARD_MS;

	house.last_quit_key = now;
	return again;
}

static void
dispatch(const struct key *k)
{
	struct view *v = view_top();

	if (k->code != K_PASTE && k->code != K_PASTE_END)
		house.words[0] = '\0';
	house.dirty = true;
	if (house.center)
		center_active(house.center);
	if (k->code == 'q' && !v->ops->typing && guarded())
		return;
	if (v->ops->key && v->ops->key(v, k))
		return;
	if (k->code == K_PASTE_BEGIN)
		view_say("A paste is text: nothing takes it here");
	if (k->code == K_PASTE_BEGIN || k->code == K_PASTE ||
	    k->code == K_PASTE_END)
		return;
	if (run_verb(v, k->code))
		return;
	if (k->code == K_ESC || k->code == K_CTRL('C') ||
	    (k->code == 'q' && !v->ops->typing))
		leave(v);
}

/* --- drawing --- */

static void
draw_title(const struct view *v)
{
	const struct desk_self *self;
	char left[512] = " ", right[512] = "";

	if (v->ops->title)
		v->ops->title(v, left + 1, sizeof(left) - 1);
	if (house.center) {
		self = center_self(house.center);
		(void)snprintf(right, sizeof(right), "%s%s%s%s ", self->org,
		    *self->org ? " - " : "", self->user,
		    self->locked ? " [locked]" : "");
	}
	paint_bar(0, left, right);
}

static void
draw(void)
{
	struct view *v = view_top();
	int rows = paint_rows();

	paint_begin();
	if (rows < TERM_ROWS_MIN || paint_cols() < TERM_COLS_MIN) {
		(void)paint_text(0, 0, paint_cols(), PAINT_PLAIN,
		    "Window too small:");
		(void)paint_format(1, 0, paint_cols(), PAINT_PLAIN,
		    "%dx%d, needs %dx%d", paint_cols(), rows, TERM_COLS_MIN,
		    TERM_ROWS_MIN);
		paint_cursor(1, 0, true);
		paint_show();
		return;
	}
	paint_cursor(rows - 2, 0, true);
	v->ops->draw(v);
	if (!v->ops->bare) {
		draw_title(v);
		if (house.lost)
			(void)paint_text(rows - 2, 0, paint_cols(), PAINT_WARN,
			    "reconnecting to the store; nothing is lost");
		else
			(void)paint_text(rows - 2, 0, paint_cols(), PAINT_BOLD,
			    house.words);
		hint_draw(v, rows - 1);
	}
	paint_show();
	house.dirty = false;
}

/* --- the loop --- */

static void
tick(void)
{
	uint64_t now = loop_now_ms();
	size_t i;

	if (now - house.last_tick < TICK_MS)
		return;
	house.last_tick = now;
	for (i = 0; i < house.depth; i++)
		if (house.stack[i].ops->tick &&
		    house.stack[i].ops->tick(&house.stack[i]))
			house.dirty = true;
}

static int
timeout(void)
{
	uint64_t now = loop_now_ms();
	size_t i;

	/* the store is looked for by asking for events */
	if (house.lost)
		return LOST_MS;
	for (i = 0; i < house.depth; i++)
		if (house.stack[i].ops->tick)
			return now - house.last_tick >= TICK_MS ? 0 :
			    (int)(TICK_MS - (now - house.last_tick));
	return -1;
}

int
view_loop(int fd, void (*drain)(void))
{
	struct key k;

	while (!house.quit && house.depth > 0) {
		if (drain)
			drain();
		if (house.quit || house.depth == 0)
			break;
		tick();
		if (house.dirty && !term_more())
			draw();
		switch (term_wait(fd, timeout(), &k)) {
		case TERM_KEY:
			dispatch(&k);
			break;
		case TERM_RESIZED:
			house.dirty = true;
			break;
		case TERM_HANGUP:
			view_quit(0);
			break;
		case TERM_OTHER:
		case TERM_TIMEOUT:
			break;
		}
		sodium_memzero(&k, sizeof(k));
	}
	while (house.depth > 0)
		close_top();
	return house.status;
}
