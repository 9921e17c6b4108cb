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

#define SUGGESTIONS 5
#define REMAINING_SHOWN 20000    /* bytes left, from which they are told */
#define LOST_TICKS 3             /* seconds between tries without a store */

enum part { PART_TO, PART_CC, PART_SUBJECT, PART_BODY, PARTS };

static const char *const part_names[PARTS] = { "To", "Cc", "Subject", "" };

struct compose {
	struct draft d;
	struct editor *parts[PARTS];
	enum part focus;
	uint64_t saved[PARTS];       /* versions that are journalled */
	bool stored, failed, sent, leave_anyway;
	unsigned wait;               /* ticks until the next try */
	size_t no_room;              /* bytes of a paste that found none */
	struct center_people people; /* suggestions for the word typed */
	size_t pick;
	uint64_t people_for;         /* version they were asked for */
};

static const struct view_ops compose_ops;

static bool
is_address_part(enum part p)
{
	return p == PART_TO || p == PART_CC;
}

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
				view_say("%s: %s: %s", part_names[i], bad,
				    why);
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

/* The draft was sent or deleted on another terminal: what is on this one goes
 * on as a new draft. */
static enum ll_result
begin_anew(struct compose *c)
{
	struct draft fresh;
	enum ll_result r = draft_init(&fresh);

	if (r)
		return r;
	fresh.thread = c->d.thread;
	fresh.reply_to = c->d.reply_to;
	draft_finish(&c->d);
	c->d = fresh;
	(void)apply(c, false);
	view_say("Sent or deleted elsewhere; this text is a new draft now");
	return draft_save(center_desk(view_center()), &c->d);
}

static enum ll_result
save(struct compose *c)
{
	size_t had = c->d.attachment_count;
	enum ll_result r;

	(void)apply(c, false);
	r = draft_save(center_desk(view_center()), &c->d);
	if (r == LL_NOTFOUND)
		r = begin_anew(c);
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

	(void)snprintf(text, room, "Write (%s)", c->failed ?
	    "not journalled" : is_dirty(c) ? "..." : "journalled");
}

/* --- suggestions --- */

static void
suggest(struct compose *c)
{
	struct editor *e = c->parts[c->focus];
	char word[100];
	size_t from, at = editor_at(e);

	center_people_finish(&c->people);
	memset(&c->people, 0, sizeof(c->people));
	c->pick = 0;
	if (!is_address_part(c->focus))
		return;
	from = recipients_word(editor_text(e), at);
	if (at == from || at - from >= sizeof(word))
		return;
	(void)snprintf(word, sizeof(word), "%.*s", (int)(at - from),
	    editor_text(e) + from);
	if (center_people(view_center(), word, &c->people))
		memset(&c->people, 0, sizeof(c->people));
	/* the one that is typed out already is no suggestion */
	if (c->people.count == 1 &&
	    strcasecmp(c->people.rows[0].address, word) == 0) {
		center_people_finish(&c->people);
		memset(&c->people, 0, sizeof(c->people));
	}
}

static void
accept_suggestion(struct compose *c)
{
	struct editor *e = c->parts[c->focus];
	size_t from = recipients_word(editor_text(e), editor_at(e));
	const char *address = c->people.rows[c->pick].address;

	while (editor_at(e) > from)
		editor_backspace(e);
	(void)editor_insert(e, address, strlen(address));
	(void)editor_insert(e, ", ", 2);
	suggest(c);
}

static void
draw_suggestions(const struct compose *c, int y, int below)
{
	const struct center_person *p;
	size_t i, first = c->pick < SUGGESTIONS ? 0 :
	    c->pick - SUGGESTIONS + 1;

	for (i = first; i < c->people.count && i < first + SUGGESTIONS &&
	    y < below; i++, y++) {
		p = &c->people.rows[i];
		paint_fill(y, 0, paint_cols(), PAINT_PLAIN);
		(void)paint_format(y, 9, paint_cols() - 9,
		    i == c->pick ? PAINT_SELECT : PAINT_PLAIN,
		    "%c %s  %s%s", i == c->pick ? '>' : ' ', p->address,
		    p->name, i == c->pick ? "  (Tab takes it)" : "");
	}
}

/* --- drawing --- */

static void
draw_part(struct compose *c, enum part p, int y)
{
	struct editor *e = c->parts[p];
	int row, col, width = paint_cols() - 10;
	size_t at, end;

	(void)paint_format(y, 0, 9, c->focus == p ? PAINT_BOLD : PAINT_PLAIN,
	    "%c%7s:", c->focus == p ? '>' : ' ', part_names[p]);
	editor_view(e, width, 1);
	if (editor_row(e, 0, &at, &end))
		(void)paint_bytes(y, 9, width, PAINT_PLAIN,
		    editor_text(e) + at, end - at);
	if (c->focus != p)
		return;
	editor_cursor(e, &row, &col);
	paint_cursor(y, 9 + col, true);
}

static void
draw_files(const struct compose *c, int y)
{
	char path[CENTER_UPLOAD_PATH], size[24];
	uint64_t bytes = 0;
	size_t i;

	if (c->d.attachment_count == 0) {
		center_upload_path(&c->d, path);
		(void)paint_format(y, 0, paint_cols(), PAINT_PLAIN,
		    "   Files: none (scp FILE HOST:%s)", path);
		return;
	}
	for (i = 0; i < c->d.attachment_count; i++)
		bytes += c->d.attachments[i].plain_bytes;
	words_bytes(bytes, size, sizeof(size));
	(void)paint_format(y, 0, paint_cols(), PAINT_PLAIN,
	    "   Files: %zu, %s: %s%s (Ctrl-T)", c->d.attachment_count, size,
	    c->d.attachments[0].name,
	    c->d.attachment_count > 1 ? ", ..." : "");
}

static void
draw_body(struct compose *c, int top, int below)
{
	struct editor *e = c->parts[PART_BODY];
	int row, col, y;
	size_t at, end;

	editor_view(e, paint_cols() - 1, below - top);
	for (y = top; y < below && editor_row(e, y - top, &at, &end); y++)
		(void)paint_bytes(y, 0, paint_cols() - 1, PAINT_PLAIN,
		    editor_text(e) + at, end - at);
	if (c->focus != PART_BODY)
		return;
	editor_cursor(e, &row, &col);
	paint_cursor(top + row, col, true);
}

static void
compose_draw(struct view *v)
{
	struct compose *c = v->state;
	char word[64] = "text";
	int y, top, below;

	view_area(&top, &below);
	for (y = top; y < top + PART_BODY; y++)
		draw_part(c, (enum part)(y - top), y);
	draw_files(c, y++);
	if (editor_remaining(c->parts[PART_BODY]) < REMAINING_SHOWN)
		(void)snprintf(word, sizeof(word), "text, room for %zu bytes",
		    editor_remaining(c->parts[PART_BODY]));
	paint_rule(y++, 0, paint_cols(), word);
	draw_body(c, y, below);
	if (is_address_part(c->focus))
		draw_suggestions(c, top + (int)c->focus + 1, below);
}

/* --- keys --- */

static void
set_focus(struct compose *c, int to)
{
	if (to < 0 || to >= PARTS)
		return;
	c->focus = (enum part)to;
	suggest(c);
}

static bool
walk(struct compose *c, uint32_t code)
{
	static const struct {
		uint32_t code;
		enum editor_move how;
	} moves[] = {
		{ K_LEFT, EDITOR_LEFT }, { K_RIGHT, EDITOR_RIGHT },
		{ K_UP, EDITOR_UP }, { K_DOWN, EDITOR_DOWN },
		{ K_HOME, EDITOR_ROW_START }, { K_END, EDITOR_ROW_END },
		{ K_CTRL('A'), EDITOR_ROW_START },
		{ K_CTRL('E'), EDITOR_ROW_END },
		{ K_WORD_LEFT, EDITOR_WORD_LEFT },
		{ K_WORD_RIGHT, EDITOR_WORD_RIGHT },
		{ K_PAGE_UP, EDITOR_PAGE_UP },
		{ K_PAGE_DOWN, EDITOR_PAGE_DOWN },
	};
	struct editor *e = c->parts[c->focus];
	size_t i;

	if (code == K_UP && (c->focus != PART_BODY || editor_at_first_row(e)))
		set_focus(c, (int)c->focus - 1);
	else if (code == K_DOWN && c->focus != PART_BODY)
		set_focus(c, (int)c->focus + 1);
	else {
		for (i = 0; i < sizeof(moves) / sizeof(*moves); i++)
			if (moves[i].code == code)
				break;
		if (i == sizeof(moves) / sizeof(*moves))
			return false;
		editor_go(e, moves[i].how);
	}
	return true;
}

static bool
paste(struct compose *c, const struct key *k)
{
	struct editor *e = c->parts[c->focus];

	if (k->code == K_PASTE_BEGIN) {
		c->no_room = 0;
		editor_paste_begin(e);
	} else if (k->code == K_PASTE) {
		c->no_room += editor_insert(e, k->text, k->len);
	} else if (k->code == K_PASTE_END) {
		editor_paste_end(e);
		if (c->no_room)
			view_say("The text is full: %zu bytes of the paste "
			    "were left out", c->no_room);
		suggest(c);
	} else {
		return false;
	}
	return true;
}

static void
type(struct compose *c, uint32_t code)
{
	if (editor_type(c->parts[c->focus], code))
		view_say("The text is full");
	if (is_address_part(c->focus))
		suggest(c);
}

static bool
suggestion_key(struct compose *c, uint32_t code)
{
	if (!is_address_part(c->focus) || c->people.count == 0)
		return false;
	if (code == K_DOWN && c->pick + 1 < c->people.count)
		c->pick++;
	else if (code == K_UP && c->pick > 0)
		c->pick--;
	else if (code == K_TAB || (code == K_ENTER && c->pick > 0))
		accept_suggestion(c);
	else if (code == K_ENTER && !strchr(editor_text(c->parts[c->focus]) +
	    recipients_word(editor_text(c->parts[c->focus]),
	    editor_at(c->parts[c->focus])), '@'))
		accept_suggestion(c);
	else
		return false;
	return true;
}

static bool
compose_key(struct view *v, const struct key *k)
{
	struct compose *c = v->state;
	struct editor *e = c->parts[c->focus];

	if (k->code != K_ESC)
		c->leave_anyway = false;
	if (paste(c, k) || suggestion_key(c, k->code) || walk(c, k->code))
		return true;
	if (k->code == K_BACKSPACE || k->code == K_DELETE) {
		if (k->code == K_BACKSPACE)
			editor_backspace(e);
		else
			editor_delete(e);
		suggest(c);
	} else if (k->code == K_BACKTAB) {
		set_focus(c, (int)c->focus - 1);
	} else if (k->code == K_TAB && c->focus == PART_BODY) {
		type(c, '\t');
	} else if ((k->code == K_TAB || k->code == K_ENTER) &&
	    c->focus != PART_BODY) {
		set_focus(c, (int)c->focus + 1);
	} else if (k->code == K_ENTER) {
		type(c, '\n');
	} else if (k->code >= ' ' && k->code < K_UP) {
		type(c, k->code);
	} else {
		return false;
	}
	return true;
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
		set_focus(c, PART_TO);
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

	set_focus(c, (int)c->focus + 1);
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
	suggest(c);
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
compose_close_sent(void)
{
	struct view *v = view_find(&compose_ops);

	if (!v || !view_pop_to(&compose_ops))
		return;
	((struct compose *)v->state)->sent = true;
	view_pop();
}
