/*
 * compose.c - writing a message: recipients, subject, text, attachments.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/compose.h"
#include "tui/editor.h"
#include "tui/hint.h"
#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/recipients.h"
#include "tui/wrap.h"

#define LOST_TICKS 3             /* seconds between tries without a store */

static const struct view_ops compose_ops;

static bool
is_dirty(const struct compose *c)
{
	size_t i;

	for (i = 0; i < PARTS; i++)
		if (editor_version(c->parts[i]) != c->saved[i])
			return true;
	return !c->stored;
}

static bool
is_empty(const struct compose *c)
{
	size_t i;

	for (i = 0; i < PARTS; i++)
		if (editor_len(c->parts[i]) > 0)
			return false;
	return c->d.attachment_count == 0;
}

/* --- between fields and draft --- */

/* What the fields say goes into the draft.  False: a word of To or Cc is no
 * address (told). */
static bool
apply(struct compose *c, bool tell)
{
	char bad[100];
	const char *why;
	bool good = true;
	size_t i;

	draft_clear_recipients(&c->d);
	for (i = PART_TO; i <= PART_CC; i++) {
		if (recipients_parse(&c->d, i == PART_CC,
		    editor_text(c->parts[i]), bad, sizeof(bad), &why)) {
			if (tell)
				view_say("Too many recipients");
			good = false;
		} else if (*bad) {
			if (tell)
				view_say("%s: %s: %s", compose_part_name(
				    (enum compose_part)i), bad, why);
			good = false;
		}
	}
	if (draft_set_subject(&c->d, editor_text(c->parts[PART_SUBJECT])) ||
	    draft_set_body(&c->d, editor_text(c->parts[PART_BODY]))) {
		if (tell)
			view_say("The text is too long");
		good = false;
	}
	c->d.cursor = editor_at(c->parts[PART_BODY]);
	return good;
}

static void
note_saved(struct compose *c)
{
	size_t i;

	for (i = 0; i < PARTS; i++)
		c->saved[i] = editor_version(c->parts[i]);
	c->stored = true;
}

/* The draft was sent, deleted or written on at another terminal: what is on
 * this one goes on as a new draft. */
static enum ll_result
begin_anew(struct compose *c, const char *why)
{
	struct draft fresh;
	enum ll_result r = draft_init(&fresh);

	if (r)
		return r;
	fresh.thread = c->d.thread;
	fresh.reply_to = c->d.reply_to;
	draft_take_wishes(&fresh, &c->d);
	draft_finish(&c->d);
	c->d = fresh;
	(void)apply(c, false);
	view_say("%s elsewhere; this text is a new draft now", why);
	return draft_save(center_desk(view_center()), &c->d);
}

static enum ll_result
save(struct compose *c)
{
	size_t had = c->d.attachment_count;
	enum ll_result r;

	(void)apply(c, false);
	c->d.shown = true;
	r = draft_save(center_desk(view_center()), &c->d);
	if (r == LL_NOTFOUND)
		r = begin_anew(c, "Sent or deleted");
	else if (r == LL_CONFLICT)
		r = begin_anew(c, "Changed");
	c->failed = r != LL_OK;
	if (r)
		return r;
	note_saved(c);
	if (c->d.attachment_count > had)
		view_say("Attached: %s",
		    c->d.attachments[c->d.attachment_count - 1].name);
	return LL_OK;
}

static enum ll_result
fill(struct compose *c)
{
	static const size_t ceilings[PARTS] = { RECIPIENTS_TEXT_MAX,
	    RECIPIENTS_TEXT_MAX, DRAFT_SUBJECT_MAX, DRAFT_BODY_MAX };
	char *text;
	enum ll_result r;
	size_t i;

	text = calloc(1, RECIPIENTS_TEXT_MAX);
	if (!text)
		return LL_NOMEM;
	for (i = 0; i < PARTS; i++) {
		r = editor_create(ceilings[i], i != PART_BODY, &c->parts[i]);
		if (r) {
			free(text);
			return r;
		}
	}
	(void)recipients_text(c->d.to, c->d.to_count, text,
	    RECIPIENTS_TEXT_MAX);
	editor_set(c->parts[PART_TO], text, strlen(text));
	(void)recipients_text(c->d.cc, c->d.cc_count, text,
	    RECIPIENTS_TEXT_MAX);
	editor_set(c->parts[PART_CC], text, strlen(text));
	free(text);
	editor_set(c->parts[PART_SUBJECT], c->d.subject,
	    strlen(c->d.subject));
	editor_set(c->parts[PART_BODY], c->d.body, strlen(c->d.body));
	editor_set_at(c->parts[PART_BODY], (size_t)c->d.cursor);
	for (i = 0; i < PART_BODY; i++)
		editor_go(c->parts[i], EDITOR_BOTTOM);
	return LL_OK;
}

static enum ll_result
compose_init(struct view *v, const void *arg)
{
	struct compose *c = v->state;
	const struct draft *d = arg;
	enum ll_result r;

	c->d = *d;
	r = fill(c);
	if (r)
		return r;
	c->focus = c->d.to_count == 0 ? PART_TO :
	    *c->d.subject ? PART_BODY : PART_SUBJECT;
	if (c->d.version > 0)
		note_saved(c);
	else if (save(c))
		view_say("Not journalled yet: the store is away");
	return LL_OK;
}

/* An empty draft was only there so that files could be sent to it. */
static void
forget(const struct compose *c)
{
	if (c->d.version > 0 &&
	    draft_delete(center_desk(view_center()), &c->d.id))
		return; /* an empty draft that stays does no harm */
}

static void
compose_finish(struct view *v)
{
	struct compose *c = v->state;
	size_t i;

	if (!c->sent && c->parts[PART_BODY]) {
		if (is_empty(c))
			forget(c);
		else if (is_dirty(c))
			(void)save(c);
	}
	center_people_finish(&c->people);
	for (i = 0; i < PARTS; i++)
		editor_destroy(c->parts[i]);
	draft_finish(&c->d);
}

static void
compose_title(const struct view *v, char *text, size_t room)
{
	const struct compose *c = v->state;

	(void)snprintf(text, room, "Write%s%s (%s)",
	    c->d.class > CLASS_NORMAL ? ": " : "",
	    c->d.class > CLASS_NORMAL ? class_name(c->d.class) : "",
	    c->failed ? "not journalled" : is_dirty(c) ? "..." :
	    "journalled");
}

static void
compose_leave(struct view *v)
{
	struct compose *c = v->state;
	bool empty = is_empty(c);
	enum ll_result r;

	if (!apply(c, !c->leave_anyway) && !c->leave_anyway) {
		c->leave_anyway = true;
		return;
	}
	if (!empty) {
		r = save(c);
		if (r && !c->leave_anyway) {
			view_fail("Not journalled; Esc again leaves", r);
			c->leave_anyway = true;
			return;
		}
	}
	view_pop();
	view_say(empty ? "Nothing was written" : "Kept in Drafts");
}

/* --- verbs --- */

static void
send(struct view *v)
{
	struct compose *c = v->state;
	enum ll_result r;

	if (!apply(c, true))
		return;
	if (c->d.to_count + c->d.cc_count == 0) {
		view_say("To whom? Give at least one address");
		compose_focus(c, PART_TO);
		return;
	}
	r = save(c);
	if (r) {
		view_fail("Not journalled", r);
		return;
	}
	plan_open(&c->d);
}

static void
next_field(struct view *v)
{
	struct compose *c = v->state;

	compose_focus(c, (int)c->focus + 1);
}

static void
journal(struct view *v)
{
	enum ll_result r = save(v->state);

	if (r)
		view_fail("Not journalled", r);
	else
		view_say("Journalled");
}

static void
cut(struct view *v)
{
	struct compose *c = v->state;

	editor_cut(c->parts[c->focus]);
	compose_suggest(c);
}

static void
uncut(struct view *v)
{
	struct compose *c = v->state;

	if (editor_uncut(c->parts[c->focus]))
		view_say("The text is full");
}

static void
undo(struct view *v)
{
	struct compose *c = v->state;

	if (!editor_undo(c->parts[c->focus]))
		view_say("Nothing to undo here");
}

static void
redo(struct view *v)
{
	struct compose *c = v->state;

	if (!editor_redo(c->parts[c->focus]))
		view_say("Nothing to do again here");
}

static void
expires_typed(struct view *v, const char *answer)
{
	struct compose *c = v->state;
	char *end;
	unsigned long days = strtoul(answer, &end, 10);

	if (end == answer || *end || days < 1 || days > 3650) {
		view_say("Days: a number from 1 to 3650");
		return;
	}
	c->d.expires_days = days;
	c->stored = false;
	view_say("Expires %lu days after sending", days);
}

static void
expires(struct view *v)
{
	(void)v;
	dialog_line("Expiry", "After how many days shall the keys to this "
	    "message be destroyed?", "Days:", 4, expires_typed);
}

static void
next_class(struct view *v)
{
	struct compose *c = v->state;

	c->d.class = c->d.class >= CLASS_REGISTERED ? CLASS_NORMAL :
	    c->d.class < CLASS_CONFIDENTIAL ? CLASS_CONFIDENTIAL :
	    CLASS_REGISTERED;
	c->stored = false;
	view_say("%s", center_class_sentence(c->d.class));
}

static void
discard_agreed(struct view *v)
{
	struct compose *c = v->state;
	enum ll_result r = draft_delete(center_desk(view_center()), &c->d.id);

	if (r && r != LL_NOTFOUND) {
		view_fail("Not discarded", r);
		return;
	}
	c->sent = true;
	view_pop();
	view_say("Discarded");
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
detach(struct view *v, const char *answer)
{
	struct compose *c = v->state;
	unsigned long n = strtoul(answer, NULL, 10);
	enum ll_result r;

	if (n < 1 || n > c->d.attachment_count) {
		view_say("No attachment has this number");
		return;
	}
	r = draft_detach(center_desk(view_center()), &c->d, n - 1);
	if (r)
		view_fail("Not detached", r);
	else
		view_say("Detached");
	c->stored = false;
}

static void
files(struct view *v)
{
	struct compose *c = v->state;
	char text[1400], path[CENTER_UPLOAD_PATH], size[24];
	size_t i, n = 0;

	center_upload_path(&c->d, path);
	n = (size_t)snprintf(text, sizeof(text), "To attach a file, type on "
	    "your own computer:\n\n    scp FILE HOST:%s\n\nIt shows up here "
	    "by itself.\n\n", path);
	for (i = 0; i < c->d.attachment_count && n < sizeof(text) - 300; i++) {
		words_bytes(c->d.attachments[i].plain_bytes, size,
		    sizeof(size));
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%zu. %s (%s)\n", i + 1, c->d.attachments[i].name, size);
	}
	dialog_line("Attachments", text, c->d.attachment_count ?
	    "Number to detach (Esc: none):" : "Esc goes back:", 3, detach);
}

static void
compose_event(struct view *v, const struct desk_event *e)
{
	struct compose *c = v->state;
	bool changed = false;

	if (e->kind == DESK_RESTORED) {
		c->wait = 0;
		return;
	}
	if (e->kind != DESK_BOX || e->folder != FOLDER_DRAFTS ||
	    !id_equal(&e->message, &c->d.id))
		return;
	c->d.shown = true;
	if (draft_refresh(center_desk(view_center()), &c->d, &changed) ||
	    !changed || c->d.attachment_count == 0)
		return;
	view_say("Attached: %s",
	    c->d.attachments[c->d.attachment_count - 1].name);
	view_dirty();
}

/* The journal: at each second of typing, and in the second after it. */
static bool
compose_tick(struct view *v)
{
	struct compose *c = v->state;

	if (c->sent || !is_dirty(c) || (is_empty(c) && c->stored))
		return false;
	if (c->wait > 0) {
		c->wait--;
		return false;
	}
	if (save(c))
		c->wait = LOST_TICKS;
	return true;
}

static const struct view_verb verbs[] = {
	{ K_CTRL('X'), 0, "Send", "send",
	    "Shows the plan, recipient by recipient, then sends", send, NULL },
	{ K_TAB, K_BACKTAB, "Next field", "next field",
	    "To, Cc, Subject, text (Shift-Tab: back)", next_field, NULL },
	{ K_CTRL('T'), 0, "Files", "attachments",
	    "How to attach files; takes them off again", files, NULL },
	{ K_CTRL('R'), 0, "Class", "class", "Normal, confidential or "
	    "registered: decides which routes will do", next_class, NULL },
	{ K_CTRL('K'), 0, "Cut", "cut line", "Cuts the line", cut, NULL },
	{ K_CTRL('U'), 0, "Paste", "paste line", "Puts cut lines back in",
	    uncut, NULL },
	{ K_CTRL('Z'), 0, "Undo", "undo", "Undoes the last change", undo,
	    NULL },
	{ K_CTRL('Y'), 0, NULL, "redo", "Does it again", redo, NULL },
	{ K_CTRL('S'), 0, NULL, "journal",
	    "Journals now (it also does so by itself)", journal, NULL },
	{ K_CTRL('O'), 0, "Verbs", "find verb",
	    "Finds any verb by name or description", hint_palette, NULL },
	{ 0, 0, NULL, "expires", "Sets after how many days keys are destroyed",
	    expires, NULL },
	{ 0, 0, NULL, "discard draft", "Destroys this draft", discard, NULL },
};

static const struct view_ops compose_ops = {
	.state_bytes = sizeof(struct compose),
	.title = compose_title,
	.init = compose_init,
	.draw = compose_draw,
	.key = compose_key,
	.leave = compose_leave,
	.event = compose_event,
	.tick = compose_tick,
	.finish = compose_finish,
	.verbs = VIEW_VERBS(verbs),
	.typing = true,
};

void
compose_open(struct draft *d)
{
	if (view_find(&compose_ops)) {
		view_say("You are writing already: finish that first");
		draft_finish(d);
		return;
	}
	if (view_push(&compose_ops, d) == LL_FULL)
		draft_finish(d);
}

void
compose_new(void)
{
	struct draft d;
	enum ll_result r = draft_init(&d);

	if (r)
		view_fail("No draft", r);
	else
		compose_open(&d);
}

void
compose_resume(const struct id *id)
{
	struct draft d;
	enum ll_result r = draft_load(center_desk(view_center()), id, &d);

	if (r)
		view_fail("Draft", r);
	else
		compose_open(&d);
}

bool
compose_is_open(void)
{
	return view_find(&compose_ops) != NULL;
}

bool
compose_journal(void)
{
	struct view *v = view_find(&compose_ops);
	struct compose *c = v ? v->state : NULL;

	return !c || c->sent || is_empty(c) || !is_dirty(c) || !save(c);
}

void
compose_changed(void)
{
	struct view *v = view_find(&compose_ops);

	if (v)
		((struct compose *)v->state)->stored = false;
}

void
compose_close_sent(void)
{
	struct view *v = view_find(&compose_ops);

	if (!v || !view_pop_to(&compose_ops))
		return;
	((struct compose *)v->state)->sent = true;
	view_pop();
}
