/*
 * status.c - what became of a sent message, recipient by recipient, and what
 * the sender can still do about it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sodium.h>

#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"

struct status {
	struct lines lines;          /* first: see lines_view_draw */
	struct center_sent s;
	bool just_sent;
	char address[321];           /* recipient a dialog is about */
	struct center_send_options reissue;
};

static const struct view_ops status_ops;

/* --- what is shown --- */

static enum paint_style
state_style(enum delivery_state s)
{
	switch (s) {
	case STATE_HELD: case STATE_FROZEN: case STATE_REFUSED:
	case STATE_FAILED:
		return PAINT_BAD;
	case STATE_OPENED: case STATE_READ: case STATE_REPLIED:
		return PAINT_GOOD;
	case STATE_DEFERRED: case STATE_WITHDRAWN: case STATE_EXPIRED:
		return PAINT_WARN;
	default:
		return PAINT_BOLD;
	}
}

static void
add_code(struct lines *l, size_t n, const struct center_recipient *r)
{
	if (!r->has_code)
		return;
	lines_add(l, n, 4, PAINT_BOLD, "Tell by phone:  code  %s", r->code);
	lines_add(l, n, 20, PAINT_PLAIN, "say   %s", r->phonetic);
	lines_add(l, n, 20, PAINT_PLAIN, "words %s %s (the page shows them "
	    "first)", r->words[0], r->words[1]);
}

static void
add_recipient(struct lines *l, size_t n, const struct center_recipient *r)
{
	char date[12];
	size_t i;

	lines_add(l, n, 0, state_style(r->state), "%s  %s", r->address,
	    delivery_state_name(r->state));
	lines_add(l, n, 4, PAINT_PLAIN, "%s, by route %s",
	    center_state_sentence(r->state), route_name(r->route));
	if (*r->reason)
		lines_add(l, n, 4, PAINT_PLAIN, "%s", r->reason);
	add_code(l, n, r);
	if (r->state == STATE_FROZEN)
		lines_add(l, n, 4, PAINT_WARN, "Too many wrong codes. i makes "
		    "a new link and code, w takes the message away.");
	for (i = 0; i < r->event_count; i++) {
		words_date(r->events[i].time, date);
		lines_add(l, n, 6, PAINT_PLAIN, "%s  %s%s%s", date,
		    event_name(r->events[i].event),
		    *r->events[i].detail ? ": " : "", r->events[i].detail);
	}
	if (r->expires) {
		words_date(r->expires, date);
		lines_add(l, n, 6, PAINT_PLAIN, "%s  %s", date,
		    r->state == STATE_EXPIRED ? "expired" : "will expire");
	}
}

static void
fill(struct status *s)
{
	size_t i;

	lines_clear(&s->lines);
	for (i = 0; i < s->s.count; i++)
		add_recipient(&s->lines, i, &s->s.rows[i]);
	view_dirty();
}

/* Codes of links can be re-read; undo_until only the sending knows. */
static enum ll_result
load(struct status *s, const struct id *id)
{
	struct center_sent fresh;
	uint64_t undo = s->s.undo_until;
	enum ll_result r = center_status(view_center(), id, &fresh);

	if (r)
		return r;
	if (fresh.undo_until == 0)
		fresh.undo_until = undo;
	center_sent_finish(&s->s);
	s->s = fresh;
	fill(s);
	return LL_OK;
}

struct opening {
	const struct id *id;
	struct center_sent *sent;
};

static enum ll_result
status_init(struct view *v, const void *arg)
{
	struct status *s = v->state;
	const struct opening *o = arg;

	if (o->id)
		return load(s, o->id);
	s->s = *o->sent;
	s->just_sent = true;
	fill(s);
	return LL_OK;
}

static void
status_finish(struct view *v)
{
	struct status *s = v->state;

	lines_clear(&s->lines);
	center_sent_finish(&s->s);
}

static uint64_t
seconds_left(const struct status *s)
{
	uint64_t now = (uint64_t)time(NULL);

	return s->s.undo_until > now ? s->s.undo_until - now : 0;
}

static void
status_title(const struct view *v, char *text, size_t room)
{
	const struct status *s = v->state;
	uint64_t left = seconds_left(s);

	if (left)
		(void)snprintf(text, room, "Sent: u takes it back for %"
		    PRIu64 " s", left);
	else
		(void)snprintf(text, room, s->just_sent ? "Sent" : "Status");
}

static void
status_event(struct view *v, const struct desk_event *e)
{
	struct status *s = v->state;
	struct id id = s->s.id;
	enum ll_result r;

	if (e->kind != DESK_RESTORED && (e->kind != DESK_STATUS ||
	    !id_equal(&e->message, &id)))
		return;
	r = load(s, &id);
	if (r)
		view_fail("Status", r);
}

static bool
status_tick(struct view *v)
{
	struct status *s = v->state;

	return s->s.undo_until != 0 &&
	    (uint64_t)time(NULL) <= s->s.undo_until + 1;
}

/* --- verbs --- */

static struct center_recipient *
current(const struct view *v)
{
	const struct status *s = v->state;
	size_t n = lines_tag(&s->lines);

	return n < s->s.count ? &s->s.rows[n] : NULL;
}

static bool
can_undo(const struct view *v)
{
	return seconds_left(v->state) > 0;
}

static void
undo(struct view *v)
{
	struct status *s = v->state;
	struct id id = s->s.id;
	enum ll_result r = center_undo(view_center(), &id);

	if (r) {
		view_fail("Too late", r);
		return;
	}
	view_pop();
	compose_resume(&id);
	view_say("Taken back: nobody got it");
}

static bool
can_withdraw(const struct view *v)
{
	const struct center_recipient *r = current(v);

	return r && r->state != STATE_WITHDRAWN && r->state != STATE_HELD &&
	    r->state != STATE_EXPIRED && r->state != STATE_FAILED &&
	    r->state != STATE_REFUSED;
}

static void
withdraw_typed(struct view *v, const char *reason)
{
	struct status *s = v->state;
	struct center_sent done;
	struct id id = s->s.id;
	size_t i;
	bool was_read = false, gone = false;
	enum ll_result r;

	r = center_withdraw(view_center(), &id, s->address, reason, &done);
	if (r) {
		view_fail("Not withdrawn", r);
		return;
	}
	for (i = 0; i < done.count; i++) {
		was_read = was_read || done.rows[i].was_read;
		gone = gone || done.rows[i].state == STATE_WITHDRAWN;
	}
	center_sent_finish(&done);
	if (load(s, &id))
		view_dirty();
	view_say(was_read ? "It had been read already" : gone ?
	    "Withdrawn: no key for it exists any more" :
	    "It could not be withdrawn any more");
}

static void
withdraw_agreed(struct view *v)
{
	(void)v;
	dialog_line("Withdraw", "Why? The recipient's page shows these "
	    "words. They may be left empty.", "Reason:", 300, withdraw_typed);
}

static void
withdraw(struct view *v)
{
	struct status *s = v->state;
	char text[600];

	(void)snprintf(s->address, sizeof(s->address), "%s",
	    current(v)->address);
	(void)snprintf(text, sizeof(text), "Withdraw the message from %s? "
	    "The keys are destroyed; what was read before stays read. "
	    "Nothing brings them back.", s->address);
	dialog_confirm("Withdraw", text, withdraw_agreed);
}

static bool
can_reissue(const struct view *v)
{
	const struct center_recipient *r = current(v);

	return r && r->route == ROUTE_PORTAL_MUC &&
	    (r->state == STATE_FROZEN || r->state == STATE_NOTIFIED ||
	    r->state == STATE_QUEUED || r->state == STATE_DEFERRED ||
	    r->state == STATE_FAILED);
}

static void
reissue(struct view *v)
{
	struct status *s = v->state;
	const struct center_recipient *c = current(v);
	struct center_sent done;
	struct id id = s->s.id;
	enum ll_result r;

	/* the idempotency key of a try that failed holds for one address */
	if (strcmp(s->address, c->address) != 0) {
		memset(&s->reissue, 0, sizeof(s->reissue));
		(void)snprintf(s->address, sizeof(s->address), "%s",
		    c->address);
	}
	r = center_reissue(view_center(), &id, s->address, &s->reissue,
	    &done);
	if (r) {
		view_fail("No new link", r);
		return;
	}
	center_sent_finish(&done);
	memset(&s->reissue, 0, sizeof(s->reissue));
	if (load(s, &id))
		view_dirty();
	view_say("A new link is on its way; the code and words are new too");
}

static void
read_message(struct view *v)
{
	const struct status *s = v->state;

	reader_open(&s->s.id);
}

static const struct view_verb verbs[] = {
	{ 'u', 0, "Take back", "undo send",
	    "Takes the message back before anybody got it", undo, can_undo },
	{ 'i', 0, "New link", "reissue",
	    "Sends this recipient a new link with a new code", reissue,
	    can_reissue },
	{ 'w', 0, "Withdraw", "withdraw",
	    "Destroys the keys for this recipient", withdraw, can_withdraw },
	{ K_ENTER, 0, "Read", "read", "Shows the message itself",
	    read_message, NULL },
};

static const struct view_ops status_ops = {
	.state_bytes = sizeof(struct status),
	.title = status_title,
	.init = status_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.event = status_event,
	.tick = status_tick,
	.finish = status_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
status_open(const struct id *id)
{
	struct opening o = { id, NULL };

	(void)view_push(&status_ops, &o);
}

void
status_open_sent(struct center_sent *sent)
{
	struct opening o = { NULL, sent };

	if (view_push(&status_ops, &o) == LL_FULL)
		center_sent_finish(sent);
}
