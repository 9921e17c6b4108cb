/*
 * paste.c - a page that takes a block of text: a key, a certificate.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/paint.h"
#include "tui/paste.h"
#include "tui/wrap.h"

struct paste {
	char title[120];
	char text[600];
	char *bytes;
	size_t len, max;
	bool in_block;               /* a bracketed paste goes on */
	void (*done)(struct view *v, const char *pasted, size_t len);
};

struct opening {
	const char *title, *text;
	size_t max;
	void (*done)(struct view *v, const char *pasted, size_t len);
};

static enum ll_result
paste_init(struct view *v, const void *arg)
{
	const struct opening *o = arg;
	struct paste *p = v->state;

	(void)snprintf(p->title, sizeof(p->title), "%s", o->title);
	(void)snprintf(p->text, sizeof(p->text), "%s", o->text);
	p->max = o->max;
	p->done = o->done;
	p->bytes = calloc(1, o->max + 1);
	return p->bytes ? LL_OK : LL_NOMEM;
}

static void
paste_finish(struct view *v)
{
	struct paste *p = v->state;

	if (p->bytes)
		sodium_memzero(p->bytes, p->max + 1);
	free(p->bytes);
}

static void
paste_title(const struct view *v, char *text, size_t room)
{
	const struct paste *p = v->state;

	(void)snprintf(text, room, "%s", p->title);
}

/* Start of the last so many lines. */
static size_t
tail(const struct paste *p, int most)
{
	size_t at = p->len;
	int lines = 0;

	while (at > 0 && lines < most)
		if (p->bytes[--at] == '\n' && at + 1 < p->len)
			lines++;
	return lines == most && at < p->len ? at + 1 : at;
}

static void
paste_draw(struct view *v)
{
	struct paste *p = v->state;
	int top, below, y, width = paint_cols();
	size_t at, end;

	view_area(&top, &below);
	y = paint_paragraph(top + 1, 2, width - 4, below - 2, PAINT_PLAIN,
	    p->text) + 1;
	(void)paint_format(y++, 2, width - 4, PAINT_BOLD, "%zu bytes so far "
	    "(Ctrl-X: that is all, Esc: none of it)", p->len);
	for (at = tail(p, below - y); at < p->len && y < below; at = end + 1) {
		end = at + strcspn(p->bytes + at, "\n");
		(void)paint_bytes(y++, 4, width - 5, PAINT_PLAIN,
		    p->bytes + at, end - at);
	}
	paint_cursor(y < below ? y : below - 1, 4, true);
}

/* The answer outlives the page, as `done` may open something else. */
static void
finish(struct paste *p)
{
	void (*done)(struct view *v, const char *pasted, size_t len) = p->done;
	char *bytes = p->bytes;
	size_t len = p->len, max = p->max;

	p->bytes = NULL;
	view_pop();
	done(view_top(), bytes, len);
	sodium_memzero(bytes, max + 1);
	free(bytes);
}

static bool
has_end(const struct paste *p)
{
	const char *mark = strstr(p->bytes, "-----END ");

	return mark && strstr(mark + 9, "-----");
}

static void
take(struct paste *p, const char *text, size_t len)
{
	size_t i;

	if (len > p->max - p->len) {
		view_say("That is more than such a thing can have");
		len = p->max - p->len;
	}
	/* A terminal sends its Enter for each line's end. */
	for (i = 0; i < len; i++)
		p->bytes[p->len++] = text[i] == '\r' ? '\n' : text[i];
	p->bytes[p->len] = '\0';
	view_dirty();
}

static bool
paste_key(struct view *v, const struct key *k)
{
	struct paste *p = v->state;
	char one[4];

	if (k->code == K_PASTE_BEGIN) {
		p->in_block = true;
		return true;
	}
	if (k->code == K_PASTE_END) {
		p->in_block = false;
		if (has_end(p))
			finish(p);
		return true;
	}
	if (k->code == K_PASTE) {
		take(p, k->text, k->len);
		return true;
	}
	if (k->code == K_ENTER) {
		take(p, "\n", 1);
		if (!p->in_block && has_end(p))
			finish(p);
		return true;
	}
	if (k->code == K_BACKSPACE && p->len > 0) {
		p->bytes[--p->len] = '\0';
		view_dirty();
		return true;
	}
	if (k->code >= ' ' && k->code < K_UP && k->code != K_BACKSPACE) {
		take(p, one, wrap_encode(k->code, one));
		return true;
	}
	return false;
}

static void
end(struct view *v)
{
	struct paste *p = v->state;

	if (p->len == 0)
		view_say("Nothing was pasted yet");
	else
		finish(p);
}

static const struct view_verb verbs[] = {
	{ K_CTRL('X'), 0, "Take it", "take it", "That was all of it", end,
	    NULL },
};

static const struct view_ops paste_ops = {
	.state_bytes = sizeof(struct paste),
	.title = paste_title,
	.init = paste_init,
	.draw = paste_draw,
	.key = paste_key,
	.finish = paste_finish,
	.verbs = VIEW_VERBS(verbs),
	.typing = true,
	.alone = true,
};

void
paste_open(const char *title, const char *text, size_t max,
    void (*done)(struct view *v, const char *pasted, size_t len))
{
	struct opening o = { title, text, max, done };

	(void)view_push(&paste_ops, &o);
}
