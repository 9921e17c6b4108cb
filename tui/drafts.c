/*
 * drafts.c - what was begun and not sent.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"

#define OFFER_SECS (24 * 3600)   /* at login, drafts as fresh as this */

struct drafts {
	struct lines lines;          /* first: see lines_view_draw */
	struct draft *list;
	size_t count;
};

static void
describe(const struct draft *d, char *text, size_t room)
{
	char ago[32];

	words_ago(d->time, ago, sizeof(ago));
	(void)snprintf(text, room, "To %s%s  %s%s  %s",
	    d->to_count ? d->to[0] : "nobody yet",
	    d->to_count > 1 ? ", ..." : "",
	    *d->subject ? d->subject : "(no subject)",
	    d->attachment_count ? " @" : "", ago);
}

static enum ll_result
load(struct drafts *s)
{
	struct draft *list;
	size_t count, i;
	char text[800];
	enum ll_result r = draft_list(center_desk(view_center()), &list,
	    &count);

	if (r)
		return r;
	if (s->list)
		draft_list_finish(s->list, s->count);
	s->list = list;
	s->count = count;
	lines_clear(&s->lines);
	for (i = 0; i < count; i++) {
		describe(&list[i], text, sizeof(text));
		lines_add(&s->lines, i, 0, PAINT_PLAIN, "%s", text);
	}
	view_dirty();
	return LL_OK;
}

static void
reload(struct view *v)
{
	enum ll_result r = load(v->state);

	if (r)
		view_fail("Drafts", r);
}

static enum ll_result
drafts_init(struct view *v, const void *arg)
{
	(void)arg;
	return load(v->state);
}

static void
drafts_finish(struct view *v)
{
	struct drafts *s = v->state;

	lines_clear(&s->lines);
	if (s->list)
		draft_list_finish(s->list, s->count);
}

static void
drafts_title(const struct view *v, char *text, size_t room)
{
	const struct drafts *s = v->state;

	(void)snprintf(text, room, s->count ? "Drafts: %zu" : "Drafts: none",
	    s->count);
}

static bool
any(const struct view *v)
{
	const struct drafts *s = v->state;

	return lines_tag(&s->lines) < s->count;
}

static void
go_on(struct view *v)
{
	struct drafts *s = v->state;

	compose_resume(&s->list[lines_tag(&s->lines)].id);
}

static void
discard_agreed(struct view *v)
{
	struct drafts *s = v->state;
	size_t n = lines_tag(&s->lines);
	enum ll_result r;

	if (n >= s->count)
		return;
	r = draft_delete(center_desk(view_center()), &s->list[n].id);
	if (r)
		view_fail("Not discarded", r);
	else
		view_say("Discarded");
	reload(v);
}

static void
discard(struct view *v)
{
	(void)v;
	dialog_typed("Discard this draft", "Text, recipients and uploaded "
	    "attachments of this draft will be destroyed.", "discard",
	    discard_agreed);
}

static void
drafts_event(struct view *v, const struct desk_event *e)
{
	if (e->kind == DESK_RESTORED || (e->kind == DESK_BOX &&
	    e->folder == FOLDER_DRAFTS))
		reload(v);
}

static const struct view_verb verbs[] = {
	{ K_ENTER, K_RIGHT, "Go on", "go on", "Goes on with the draft",
	    go_on, any },
	{ 'P', 0, "Discard", "discard draft", "Destroys the draft", discard,
	    any },
};

static const struct view_ops drafts_ops = {
	.state_bytes = sizeof(struct drafts),
	.title = drafts_title,
	.init = drafts_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.again = reload,
	.event = drafts_event,
	.finish = drafts_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
drafts_open(void)
{
	(void)view_push(&drafts_ops, NULL);
}

/* --- the offer at login --- */

struct offer {
	struct id id;
	char text[500];
};

static enum ll_result
offer_init(struct view *v, const void *arg)
{
	memcpy(v->state, arg, sizeof(struct offer));
	return LL_OK;
}

static void
offer_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "Go on writing?");
}

static void
offer_draw(struct view *v)
{
	struct offer *o = v->state;
	int top, below, y;

	view_area(&top, &below);
	y = paint_paragraph(top + 1, 2, paint_cols() - 4, below, PAINT_BOLD,
	    o->text);
	(void)paint_text(y + 1, 2, paint_cols() - 4, PAINT_PLAIN,
	    "It stays in Drafts in any case.");
	paint_cursor(top + 1, 2, true);
}

static void
offer_take(struct view *v)
{
	struct offer *o = v->state;
	struct id id = o->id;

	view_pop();
	compose_resume(&id);
}

static bool
offer_key(struct view *v, const struct key *k)
{
	if (k->code == K_ENTER)
		offer_take(v);
	else if (k->code != K_PASTE && k->code != K_PASTE_END)
		view_pop();
	return true;
}

static const struct view_verb offer_verbs[] = {
	{ K_ENTER, 0, "Go on", "go on", "Goes on where you were", offer_take,
	    NULL },
};

static const struct view_ops offer_ops = {
	.state_bytes = sizeof(struct offer),
	.title = offer_title,
	.init = offer_init,
	.draw = offer_draw,
	.key = offer_key,
	.verbs = VIEW_VERBS(offer_verbs),
	.alone = true,
};

void
drafts_offer(void)
{
	struct draft *list;
	struct offer o;
	char ago[32];
	size_t count;
	const struct draft *d;

	if (draft_list(center_desk(view_center()), &list, &count))
		return;
	d = count ? &list[0] : NULL;
	if (d && (*d->body || *d->subject || d->to_count) &&
	    d->time + OFFER_SECS > (uint64_t)time(NULL)) {
		memset(&o, 0, sizeof(o));
		o.id = d->id;
		words_ago(d->time, ago, sizeof(ago));
		(void)snprintf(o.text, sizeof(o.text), "You were writing to "
		    "%s, %s (Enter to go on)", d->to_count ? d->to[0] :
		    *d->subject ? d->subject : "nobody yet", ago);
		(void)view_push(&offer_ops, &o);
	}
	draft_list_finish(list, count);
}
