/*
 * plan.c - before sending: who gets it by which way, why, and what will be
 * provable.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tui/compose.h"
#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"

struct plan {
	struct lines lines;          /* first: see lines_view_draw */
	const struct draft *d;       /* the composer's, below */
	struct center_plan p;
	struct center_send_options options;
	bool changed;                /* planned again after a conflict */
};

static void
add_row(struct plan *s, size_t n)
{
	const struct center_planned *r = &s->p.rows[n];

	lines_add(&s->lines, n, 0, r->held ? PAINT_BAD : PAINT_BOLD, "%s  %s",
	    r->address, r->held ? "HELD, will not be sent" :
	    route_name(r->route));
	lines_add(&s->lines, n, 4, PAINT_PLAIN, "%s: %s",
	    r->held ? "reason" : "route", r->reason);
	if (r->held)
		return;
	if (*r->trust)
		lines_add(&s->lines, n, 4, PAINT_PLAIN, "key: %s", r->trust);
	lines_add(&s->lines, n, 4, PAINT_PLAIN, "recipient: %s",
	    center_route_sentence(r->route));
	if (r->route == ROUTE_PORTAL_MUC)
		lines_add(&s->lines, n, 4, PAINT_PLAIN, "code: %s",
		    r->code_known && !s->options.new_codes ?
		    "the one this person has used before" :
		    "a new one, to be told by phone");
	if (*r->evidence)
		lines_add(&s->lines, n, 4, PAINT_PLAIN, "provable: %s",
		    r->evidence);
}

static void
add_warnings(struct plan *s)
{
	if (s->changed)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN, "An address "
		    "or key changed since the plan was shown. This is the "
		    "new plan.");
	if (!*s->d->subject)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN,
		    "It has no subject.");
	if (!*s->d->body)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN,
		    "It has no text.");
	if (s->d->attachment_count == 0 && strcasestr(s->d->body, "attach"))
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN, "The text "
		    "speaks of an attachment, but there is none.");
}

static void
fill(struct plan *s)
{
	uint64_t days = s->d->expires_days ? s->d->expires_days :
	    s->p.expires_days;
	size_t i;

	lines_clear(&s->lines);
	add_warnings(s);
	for (i = 0; i < s->p.count; i++)
		add_row(s, i);
	if (s->d->attachment_count)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_PLAIN,
		    "%zu attachment%s with it.", s->d->attachment_count,
		    s->d->attachment_count == 1 ? " goes" : "s go");
	lines_add(&s->lines, LINES_NONE, 0, PAINT_PLAIN, "After %u days the "
	    "keys to it are destroyed.", (unsigned)days);
	view_dirty();
}

static enum ll_result
plan_init(struct view *v, const void *arg)
{
	struct plan *s = v->state;
	enum ll_result r;

	s->d = *(struct draft *const *)arg;
	s->options.delay_secs = center_self(view_center())->undo_secs;
	r = center_plan(view_center(), s->d, &s->p);
	if (!r)
		fill(s);
	return r;
}

static void
plan_finish(struct view *v)
{
	struct plan *s = v->state;

	lines_clear(&s->lines);
	center_plan_finish(&s->p);
}

static void
plan_title(const struct view *v, char *text, size_t room)
{
	const struct plan *s = v->state;

	(void)snprintf(text, room, "Plan for %zu recipient%s: not sent yet",
	    s->p.count, s->p.count == 1 ? "" : "s");
}

/* --- verbs --- */

static bool
progress(void *arg, const char *what, size_t step, size_t steps)
{
	(void)arg;
	if (steps > 1) {
		(void)paint_format(paint_rows() - 2, 0, paint_cols(),
		    PAINT_BOLD, "%s, %zu of %zu ...", what, step, steps);
		paint_show();
	}
	return true;
}

/* The world changed since the plan was shown: it has to be seen again. */
static void
plan_again(struct plan *s)
{
	struct center_plan p;
	enum ll_result r = center_plan(view_center(), s->d, &p);

	if (r) {
		view_fail("No new plan", r);
		return;
	}
	center_plan_finish(&s->p);
	s->p = p;
	s->changed = true;
	s->lines.at = 0;
	fill(s);
	view_say("Something changed: look again before you send");
}

static void
send(struct view *v)
{
	struct plan *s = v->state;
	struct center_sent sent;
	enum ll_result r;

	s->options.progress = progress;
	(void)paint_text(paint_rows() - 2, 0, paint_cols(), PAINT_BOLD,
	    "Sealing and sending ...");
	paint_show();
	r = center_send(view_center(), s->d, &s->p, &s->options, &sent);
	if (r == LL_CONFLICT) {
		plan_again(s);
		return;
	}
	if (r == LL_BUSY) {
		view_say("Not sent: the store is away or busy. Enter tries "
		    "again; it will not go out twice");
		return;
	}
	if (r == LL_LOCKED) {
		unlock_open();
		return;
	}
	if (r) {
		view_fail("Not sent", r);
		return;
	}
	compose_close_sent();
	status_open_sent(&sent);
}

static void
new_codes(struct view *v)
{
	struct plan *s = v->state;

	s->options.new_codes = !s->options.new_codes;
	fill(s);
}

static bool
knows_codes(const struct view *v)
{
	const struct plan *s = v->state;
	size_t i;

	for (i = 0; i < s->p.count; i++)
		if (s->p.rows[i].code_known)
			return true;
	return false;
}

static const struct view_verb verbs[] = {
	{ K_ENTER, 0, "Send", "send now", "Seals and sends by this plan",
	    send, NULL },
	{ 'm', 0, "New codes", "new codes",
	    "Makes new unlock codes instead of using known ones again",
	    new_codes, knows_codes },
};

static const struct view_ops plan_ops = {
	.state_bytes = sizeof(struct plan),
	.title = plan_title,
	.init = plan_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.finish = plan_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
plan_open(struct draft *d)
{
	(void)view_push(&plan_ops, &d);
}
