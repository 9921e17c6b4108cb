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
	struct draft *d;             /* the composer's, below */
	struct center_plan p;
	struct center_send_options options;
	char changed[400];           /* why it was planned again, "": it was
	                                not */
	char fingerprint[129], address[321]; /* a key that is asked about */
	bool stale;                  /* lookups came to an end since */
};

static void
add_row(struct plan *s, size_t n)
{
	const struct center_planned *r = &s->p.rows[n];

	lines_add(&s->lines, n, 0, r->held ? PAINT_BAD : PAINT_BOLD,
	    "%s  %s%s", r->address, r->held ? "HELD, will not be sent" :
	    route_name(r->route), r->wanted != ROUTE_NONE ?
	    " (as you chose)" : "");
	lines_add(&s->lines, n, 4, PAINT_PLAIN, "%s: %s",
	    r->held ? "reason" : "route", r->reason);
	if (*r->warning)
		lines_add(&s->lines, n, 4, PAINT_WARN, "WARNING: %s",
		    r->warning);
	if (r->held)
		return;
	if (*r->trust)
		lines_add(&s->lines, n, 4, PAINT_PLAIN, "trust: %s",
		    r->trust);
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
	if (*s->changed)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN,
		    "This is the new plan; not sent: %s", s->changed);
	if (s->p.class > CLASS_NORMAL)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_BOLD, "%s",
		    center_class_sentence(s->p.class));
	if (s->p.warning)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_WARN, "%s",
		    s->p.warning);
	if (s->p.looking)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_PLAIN, "Looking for "
		    "keys ... the plan will show what comes.");
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

/* The cursor stays with its recipient; at first it is the first one. */
static void
stay(struct plan *s, size_t n)
{
	size_t i;

	for (i = 0; i < s->lines.count; i++)
		if (s->lines.rows[i].tag == (n == LINES_NONE ? 0 : n)) {
			s->lines.at = i;
			return;
		}
}

/* Plans anew and shows that; the old plan stays when it fails. */
static enum ll_result
plan_anew(struct plan *s)
{
	struct center_plan p;
	size_t n = lines_tag(&s->lines);
	enum ll_result r = center_plan_look(view_center(), s->d, 0, &p);

	if (r)
		return r;
	center_plan_finish(&s->p);
	s->p = p;
	fill(s);
	stay(s, n);
	return LL_OK;
}

static enum ll_result
plan_init(struct view *v, const void *arg)
{
	struct plan *s = v->state;

	s->d = *(struct draft *const *)arg;
	s->options.delay_secs = center_self(view_center())->undo_secs;
	return plan_anew(s);
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
	enum ll_result r;

	(void)snprintf(s->changed, sizeof(s->changed), "%s",
	    center_words(view_center(), LL_CONFLICT));
	r = plan_anew(s);
	if (r) {
		view_fail("No new plan", r);
		return;
	}
	s->lines.at = s->lines.top = 0;
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

/* --- routes, class and keys --- */

static const struct center_planned *
current(const struct view *v)
{
	const struct plan *s = v->state;
	size_t n = lines_tag(&s->lines);

	return n < s->p.count ? &s->p.rows[n] : NULL;
}

static bool
can_choose(const struct view *v)
{
	const struct center_planned *r = current(v);

	return r && (r->other_count > 0 || r->wanted != ROUTE_NONE);
}

/* The next of the routes that would do too; after the last one it is the
 * policy's choice again. */
static enum route
next_route(const struct center_planned *r)
{
	size_t i;

	for (i = 0; i < r->other_count; i++)
		if (r->wanted == ROUTE_NONE || r->others[i] > r->wanted)
			return r->others[i];
	return ROUTE_NONE;
}

static enum ll_result
plan_by(struct plan *s, const char *address, enum route route)
{
	enum ll_result r = draft_want(s->d, address, route);

	return r ? r : plan_anew(s);
}

/* The route that address has in the plan. */
static enum route
planned(const struct plan *s, const char *address)
{
	size_t i;

	for (i = 0; i < s->p.count; i++)
		if (strcmp(s->p.rows[i].address, address) == 0)
			return s->p.rows[i].route;
	return ROUTE_NONE;
}

/* A wish for what is the usual way is none. */
static void
choose(struct view *v)
{
	struct plan *s = v->state;
	const struct center_planned *row = current(v);
	enum route before = row->wanted, next = next_route(row);
	char address[321];
	enum ll_result r;

	memcpy(address, row->address, sizeof(address));
	r = plan_by(s, address, ROUTE_NONE);
	if (!r && next != ROUTE_NONE && planned(s, address) != next)
		r = plan_by(s, address, next);
	if (r) {
		view_fail("Not that way", r);
		if (draft_want(s->d, address, before))
			view_fail(NULL, LL_NOMEM);
		return;
	}
	compose_changed();
	view_say(draft_wanted(s->d, address) == ROUTE_NONE ?
	    "The usual way" : "As you chose; v goes on");
}

static void
next_class(struct view *v)
{
	struct plan *s = v->state;
	enum msg_class before = s->d->class;
	enum ll_result r;

	s->d->class = before >= CLASS_REGISTERED ? CLASS_NORMAL :
	    before < CLASS_CONFIDENTIAL ? CLASS_CONFIDENTIAL :
	    CLASS_REGISTERED;
	r = plan_anew(s);
	if (r) {
		view_fail("Not that class", r);
		s->d->class = before;
		return;
	}
	compose_changed();
	view_say("%s", center_class_sentence(s->d->class));
}

static bool
has_outsider(const struct view *v)
{
	const struct center_planned *r = current(v);

	return r && r->route != ROUTE_INTERNAL;
}

static void
show_keys(struct view *v)
{
	keys_open(current(v)->address);
}

static bool
has_warning(const struct view *v)
{
	const struct center_planned *r = current(v);

	return r && *r->warning;
}

static void
confirm_agreed(struct view *v)
{
	struct plan *s = v->state;
	struct center_keys done;
	enum ll_result r;

	r = center_key_confirm(view_center(), s->fingerprint, s->address,
	    &done);
	if (r) {
		view_fail("Not confirmed", r);
		return;
	}
	center_keys_finish(&done);
	r = plan_anew(s);
	if (r)
		view_fail("No new plan", r);
	else
		view_say("Confirmed: it counts as checked by you");
}

/* The changed key that the warning is about. */
static void
confirm(struct view *v)
{
	struct plan *s = v->state;
	char text[900], print[CENTER_FINGERPRINT];
	struct center_keys keys;
	enum ll_result r;
	bool found;
	size_t i;

	memcpy(s->address, current(v)->address, sizeof(s->address));
	r = center_keys(view_center(), s->address, &keys);
	if (r) {
		view_fail("Keys", r);
		return;
	}
	for (i = 0; i < keys.count && !keys.rows[i].changed; i++)
		continue;
	found = i < keys.count;
	if (found)
		memcpy(s->fingerprint, keys.rows[i].fingerprint,
		    sizeof(s->fingerprint));
	center_keys_finish(&keys);
	if (!found) {
		keys_open(s->address);
		return;
	}
	center_fingerprint_text(s->fingerprint, print);
	(void)snprintf(text, sizeof(text), "The key of %s is another one than "
	    "before. Have you compared the new fingerprint with its owner, by "
	    "phone or in person?\n\n    %s\n\nFrom then on it takes the "
	    "place of the old one.", s->address, print);
	dialog_confirm("Confirm a changed key", text, confirm_agreed);
}

static void
plan_back(struct view *v)
{
	enum ll_result r = plan_anew(v->state);

	if (r && r != LL_BUSY)
		view_fail("No new plan", r);
}

/* Lookups for many recipients end one by one: planned anew once a second. */
static void
plan_event(struct view *v, const struct desk_event *e)
{
	struct plan *s = v->state;

	if (e->kind == DESK_FOUND)
		s->stale = true;
}

static bool
plan_tick(struct view *v)
{
	struct plan *s = v->state;
	uint8_t before[HASH_BYTES];

	if (!s->stale)
		return false;
	s->stale = false;
	memcpy(before, s->p.hash, sizeof(before));
	if (plan_anew(s) == LL_OK &&
	    memcmp(before, s->p.hash, sizeof(before)) != 0)
		view_say("Keys were found: look again before you send");
	return true;
}

static const struct view_verb verbs[] = {
	{ K_ENTER, 0, "Send", "send now", "Seals and sends by this plan",
	    send, NULL },
	{ 'm', 0, "New codes", "new codes",
	    "Makes new unlock codes instead of using known ones again",
	    new_codes, knows_codes },
	{ 'v', 0, "Other way", "other route",
	    "The next route that would do for this recipient", choose,
	    can_choose },
	{ 'C', 0, "Confirm key", "confirm changed key",
	    "Says that you have compared the changed key's fingerprint",
	    confirm, has_warning },
	{ 'K', 0, "Keys", "keys of this recipient",
	    "This recipient's keys: to add, confirm or remove", show_keys,
	    has_outsider },
	{ 'L', 0, "Class", "class", "Normal, confidential or registered",
	    next_class, NULL },
};

static const struct view_ops plan_ops = {
	.state_bytes = sizeof(struct plan),
	.title = plan_title,
	.init = plan_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.again = plan_back,
	.event = plan_event,
	.tick = plan_tick,
	.finish = plan_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
plan_open(struct draft *d)
{
	(void)view_push(&plan_ops, &d);
}
