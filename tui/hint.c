/*
 * hint.c - what the verb tables look like: hint bar, help, palette, names of
 * keys, cursors in lists.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tui/editor.h"
#include "tui/hint.h"
#include "tui/paint.h"
#include "tui/wrap.h"

#define MATCHES_MAX 64
#define QUERY_MAX 80

static const struct {
	uint32_t key;
	const char *name;
} key_names[] = {
	{ K_TAB, "Tab" }, { K_ENTER, "Enter" }, { K_ESC, "Esc" },
	{ ' ', "Space" }, { K_BACKSPACE, "Backspace" }, { K_UP, "Up" },
	{ K_DOWN, "Down" }, { K_LEFT, "Left" }, { K_RIGHT, "Right" },
	{ K_HOME, "Home" }, { K_END, "End" }, { K_PAGE_UP, "PgUp" },
	{ K_PAGE_DOWN, "PgDn" }, { K_DELETE, "Del" },
	{ K_BACKTAB, "Shift-Tab" }, { K_WORD_LEFT, "Ctrl-Left" },
	{ K_WORD_RIGHT, "Ctrl-Right" }, { K_F1, "F1" },
};

static void
key_name(uint32_t key, char *text, size_t room)
{
	char c[4];
	size_t i;

	for (i = 0; i < sizeof(key_names) / sizeof(*key_names); i++) {
		if (key_names[i].key == key) {
			(void)snprintf(text, room, "%s", key_names[i].name);
			return;
		}
	}
	if (key > 0 && key < ' ')
		(void)snprintf(text, room, "Ctrl-%c", (char)(key + '@'));
	else if (key > ' ' && key < K_UP)
		(void)snprintf(text, room, "%.*s", (int)wrap_encode(key, c),
		    c);
	else
		text[0] = '\0';
}

/* --- hint bar --- */

static int
draw_hint(int y, int x, const char *key, const char *word)
{
	int w = (int)(strlen(key) + strlen(word) + 1);

	if (x + w > paint_cols())
		return x;
	x += paint_text(y, x, w, PAINT_SELECT, key) + 1;
	x += paint_text(y, x, w, PAINT_PLAIN, word) + 2;
	return x;
}

void
hint_draw(const struct view *v, int y)
{
	const struct view_verb *verb;
	char key[16];
	size_t i;
	int x = 0;

	/* the two that lead everywhere else come first: a narrow window must
	 * not lose them */
	x = draw_hint(y, x, v->ops->typing ? "Esc" : "q", "Back");
	if (!v->ops->alone)
		x = draw_hint(y, x, v->ops->typing ? "F1" : "?", "Help");
	for (i = 0; (verb = view_verb_at(v, i)) != NULL; i++) {
		if (!verb->hint || !view_verb_valid(v, verb))
			continue;
		if (v->ops->typing && verb->key >= ' ' &&
		    verb->key < K_BACKSPACE)
			continue;
		key_name(verb->key, key, sizeof(key));
		x = draw_hint(y, x, key, verb->hint);
	}
}

/* --- lists --- */

bool
view_list_key(struct view_list *l, const struct key *k, int rows)
{
	size_t page = rows > 1 ? (size_t)rows : 1;
	size_t last = l->count ? l->count - 1 : 0;

	switch (k->code) {
	case K_UP: case 'k': case 'p':
		l->at -= l->at > 0;
		return true;
	case K_DOWN: case 'j': case 'n':
		l->at += l->at < last;
		return true;
	case K_PAGE_UP: case '-':
		l->at = l->at > page ? l->at - page : 0;
		return true;
	case K_PAGE_DOWN: case '+':
		l->at = l->at + page < last ? l->at + page : last;
		return true;
	case K_HOME:
		l->at = 0;
		return true;
	case K_END:
		l->at = last;
		return true;
	default:
		return false;
	}
}

void
view_list_fit(struct view_list *l, int rows)
{
	size_t page = rows > 1 ? (size_t)rows : 1;

	if (l->at >= l->count)
		l->at = l->count ? l->count - 1 : 0;
	if (l->at < l->top)
		l->top = l->at;
	if (l->at >= l->top + page)
		l->top = l->at - page + 1;
	if (l->count <= page)
		l->top = 0;
}

/* --- help --- */

struct help {
	struct view_list list;
};

static void
help_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "Help: every key of this screen");
}

static enum ll_result
help_init(struct view *v, const void *arg)
{
	struct help *h = v->state;

	(void)arg;
	while (view_verb_at(view_below(), h->list.count))
		h->list.count++;
	return LL_OK;
}

static void
help_draw(struct view *v)
{
	struct help *h = v->state;
	const struct view *under = view_below();
	const struct view_verb *verb;
	char key[16], twin[16];
	int y, top, below;
	size_t i;

	view_area(&top, &below);
	view_list_fit(&h->list, below - top);
	for (y = top, i = h->list.top; y < below; i++, y++) {
		verb = view_verb_at(under, i);
		if (!verb)
			break;
		key_name(verb->key, key, sizeof(key));
		key_name(verb->twin, twin, sizeof(twin));
		(void)paint_format(y, 2, 15, PAINT_BOLD, "%s%s%s", key,
		    *twin ? ", " : "", twin);
		(void)paint_format(y, 18, paint_cols() - 18,
		    view_verb_valid(under, verb) ? PAINT_PLAIN : PAINT_FRAME,
		    "%s: %s", verb->name, verb->text);
		if (i == h->list.at)
			paint_mark(y);
	}
}

static bool
help_key(struct view *v, const struct key *k)
{
	struct help *h = v->state;
	int top, below;

	view_area(&top, &below);
	return view_list_key(&h->list, k, below - top);
}

static void
help_run(struct view *v)
{
	struct help *h = v->state;
	const struct view_verb *verb = view_verb_at(view_below(), h->list.at);

	view_pop();
	if (verb && view_verb_valid(view_top(), verb))
		verb->run(view_top());
}

static const struct view_verb help_verbs[] = {
	{ K_ENTER, 0, "Do it", "do", "Runs the verb under the cursor",
	    help_run, NULL },
};

static const struct view_ops help_ops = {
	.state_bytes = sizeof(struct help),
	.title = help_title,
	.init = help_init,
	.draw = help_draw,
	.key = help_key,
	.verbs = VIEW_VERBS(help_verbs),
	.alone = true,
};

void
hint_help(struct view *v)
{
	(void)v;
	(void)view_push(&help_ops, NULL);
}

/* --- palette --- */

struct palette {
	struct editor *query;
	const struct view_verb *matches[MATCHES_MAX];
	struct view_list list;
};

/* Every word of the query has to occur in name or text. */
static bool
matches(const struct view_verb *verb, const char *query)
{
	char word[QUERY_MAX + 1];
	size_t n;

	while (*query) {
		while (*query == ' ')
			query++;
		n = strcspn(query, " ");
		if (n == 0)
			break;
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, query);
		if (!strcasestr(verb->name, word) &&
		    !strcasestr(verb->text, word))
			return false;
		query += n;
	}
	return true;
}

static void
palette_find(struct palette *p)
{
	const struct view *under = view_below();
	const struct view_verb *verb;
	const char *query = editor_text(p->query);
	size_t i, pass, len = strlen(query);
	bool begins;

	p->list.count = 0;
	p->list.at = 0;
	/* names that begin with the query come first */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; (verb = view_verb_at(under, i)) != NULL; i++) {
			begins = strncasecmp(verb->name, query, len) == 0;
			if (begins == (pass == 0) && matches(verb, query) &&
			    view_verb_valid(under, verb) &&
			    p->list.count < MATCHES_MAX)
				p->matches[p->list.count++] = verb;
		}
	}
}

static enum ll_result
palette_init(struct view *v, const void *arg)
{
	struct palette *p = v->state;
	enum ll_result r;

	(void)arg;
	r = editor_create(QUERY_MAX, true, &p->query);
	if (!r)
		palette_find(p);
	return r;
}

static void
palette_finish(struct view *v)
{
	struct palette *p = v->state;

	editor_destroy(p->query);
}

static void
palette_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "Find a verb by name or description");
}

static void
palette_draw(struct view *v)
{
	struct palette *p = v->state;
	const struct view_verb *verb;
	char key[16];
	int y, top, below, row, col;
	size_t i;

	view_area(&top, &below);
	editor_view(p->query, paint_cols() - 3, 1);
	(void)paint_text(top, 0, 2, PAINT_BOLD, ":");
	(void)paint_text(top, 2, paint_cols() - 2, PAINT_PLAIN,
	    editor_text(p->query));
	editor_cursor(p->query, &row, &col);
	view_list_fit(&p->list, below - top - 2);
	for (y = top + 2, i = p->list.top; y < below && i < p->list.count;
	    i++, y++) {
		verb = p->matches[i];
		key_name(verb->key, key, sizeof(key));
		(void)paint_format(y, 2, paint_cols() - 2, PAINT_PLAIN,
		    "%-18s %-9s %s", verb->name, key, verb->text);
		if (i == p->list.at)
			paint_mark(y);
	}
	if (p->list.count == 0)
		(void)paint_text(top + 2, 2, paint_cols() - 2, PAINT_PLAIN,
		    "No verb has these words.");
	paint_cursor(top, 2 + col, true);
}

static bool
palette_key(struct view *v, const struct key *k)
{
	struct palette *p = v->state;
	const struct view_verb *verb;

	if (k->code == K_ENTER) {
		verb = p->list.at < p->list.count ?
		    p->matches[p->list.at] : NULL;
		view_pop();
		if (verb)
			verb->run(view_top());
		return true;
	}
	if (k->code == K_BACKSPACE)
		editor_backspace(p->query);
	else if (k->code >= ' ' && k->code < K_UP)
		(void)editor_type(p->query, k->code);
	else if (k->code == K_TAB || k->code == K_UP || k->code == K_DOWN) {
		struct key go = { .code = k->code == K_UP ? K_UP : K_DOWN };

		return view_list_key(&p->list, &go, 1);
	} else
		return false;
	palette_find(p);
	return true;
}

static const struct view_ops palette_ops = {
	.state_bytes = sizeof(struct palette),
	.title = palette_title,
	.init = palette_init,
	.draw = palette_draw,
	.key = palette_key,
	.finish = palette_finish,
	.typing = true,
	.alone = true,
};

void
hint_palette(struct view *v)
{
	(void)v;
	(void)view_push(&palette_ops, NULL);
}
