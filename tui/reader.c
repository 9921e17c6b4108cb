/*
 * reader.c - one message: who says it and whether that holds above, what is
 * said behind a fence, what is attached below.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/wrap.h"

#define SMALL_ROWS 16           /* windows with a shorter head */
#define BAND_ROWS 8             /* at most, of what we say about a mail */

struct reader {
	struct center_message m;
	struct { size_t at, end; const char *title; } *rows;
	size_t row_count;           /* rows of the body */
	size_t top;
	int width;                  /* cells the rows are made for, 0: none */
	bool told_read;
};

static const struct view_ops reader_ops;

static bool
is_own(const struct reader *d)
{
	return strcmp(d->m.row.from,
	    center_self(view_center())->email) == 0;
}

static void
drop_rows(struct reader *d)
{
	free(d->rows);
	d->rows = NULL;
	d->row_count = 0;
	d->width = 0;
}

/* One pass over the body; rows are counted when there is no place for them.
 * A section's title is a row of its own. */
static size_t
lay_rows(struct reader *d, int width)
{
	const struct center_opened *o = &d->m.mail;
	size_t at, end, next, n = 0, s = 0, stop;

	for (at = 0; at < d->m.body_len || s < o->section_count; at = next) {
		while (s < o->section_count && o->sections[s].at <= at) {
			if (d->rows)
				d->rows[n].title = o->sections[s].title;
			s++;
			n++;
		}
		if (at >= d->m.body_len)
			break;
		stop = s < o->section_count ? o->sections[s].at :
		    d->m.body_len;
		end = wrap_row(d->m.body, stop, at, width, &next);
		if (d->rows) {
			d->rows[n].at = at;
			d->rows[n].end = end;
		}
		n++;
	}
	return n;
}

/* Where each row of the body begins and ends, in two passes. */
static void
make_rows(struct reader *d, int width)
{
	size_t n = 0, pass;

	if (d->width == width)
		return;
	drop_rows(d);
	for (pass = 0; pass < 2; pass++) {
		n = lay_rows(d, width);
		if (pass == 0)
			d->rows = calloc(n ? n : 1, sizeof(*d->rows));
		if (!d->rows)
			return;
	}
	d->row_count = n;
	d->width = width;
}

static enum ll_result
load(struct reader *d, const struct id *id)
{
	struct center_message m;
	enum ll_result r = center_message(view_center(), id, &m);

	if (r)
		return r;
	center_message_finish(&d->m);
	d->m = m;
	drop_rows(d);
	d->top = 0;
	d->told_read = !m.row.unread;
	view_dirty();
	return LL_OK;
}

static enum ll_result
reader_init(struct view *v, const void *arg)
{
	return load(v->state, arg);
}

static void
reader_finish(struct view *v)
{
	struct reader *d = v->state;

	drop_rows(d);
	center_message_finish(&d->m);
}

static void
reader_title(const struct view *v, char *text, size_t room)
{
	const struct reader *d = v->state;

	(void)snprintf(text, room, "%s: %s", words_folder(d->m.row.folder),
	    *d->m.row.subject ? d->m.row.subject : "(no subject)");
}

/* --- drawing --- */

static void
join(char *const *list, size_t count, char *text, size_t room)
{
	size_t i, n = 0, len;

	text[0] = '\0';
	for (i = 0; i < count; i++) {
		len = strlen(list[i]) + 2;
		if (n + len + 16 > room) {
			(void)snprintf(text + n, room - n, " +%zu more",
			    count - i);
			return;
		}
		n += (size_t)snprintf(text + n, room - n, "%s%s",
		    i ? ", " : "", list[i]);
	}
}

static void
field(int *y, const char *name, enum paint_style style, const char *text)
{
	(void)paint_format(*y, 0, 9, PAINT_BOLD, "%8s ", name);
	(void)paint_text(*y, 9, paint_cols() - 9, style, text);
	++*y;
}

/* What we say about a mail: its words go over as many rows as they need. */
struct band {
	int rows;                   /* drawn, or only counted */
	bool draw;
	int y;
	int below;                  /* most rows */
};

static void
band_line(struct band *b, const char *name, enum paint_style style,
    const char *text)
{
	const size_t len = strlen(text);
	const int width = paint_cols() - 9;
	size_t at = 0, end, next;

	do {
		if (b->rows == b->below)
			return;
		end = wrap_row(text, len, at, width > 2 ? width : 2, &next);
		if (b->draw) {
			(void)paint_format(b->y + b->rows, 0, 9, PAINT_BOLD,
			    "%8s ", at == 0 ? name : "");
			(void)paint_bytes(b->y + b->rows, 9, width, style,
			    text + at, end - at);
		}
		b->rows++;
		at = next;
	} while (at < len);
}

/* Above the message area, where no message can write. */
static int
mail_band(const struct reader *d, int y, bool draw)
{
	const struct center_opened *o = &d->m.mail;
	struct band b = { 0, draw, y, BAND_ROWS };
	char text[1400];
	size_t i;

	if (paint_rows() < SMALL_ROWS)
		b.below = 1;
	(void)snprintf(text, sizeof(text), d->m.valid ? "by %s, and it holds."
	    " %s%s%s" : *d->m.signer ? "NOT PROVEN (key of %s). %s%s%s" :
	    "NOT PROVEN%s. %s%s%s", d->m.signer, o->reason,
	    *o->fingerprint ? " Key " : "", o->fingerprint);
	if (o->opened)
		band_line(&b, "Signed", d->m.valid ? PAINT_GOOD : PAINT_WARN,
		    text);
	else
		band_line(&b, "Sealed", PAINT_BAD, o->reason);
	if (*o->encrypted)
		(void)snprintf(text, sizeof(text), "encrypted, %s",
		    o->encrypted);
	band_line(&b, "Came", PAINT_PLAIN, *o->encrypted ? text : o->opened ?
	    "as mail, not encrypted" : "as mail");
	for (i = 0; i < o->note_count; i++)
		band_line(&b, "Note", PAINT_WARN, o->notes[i]);
	return b.rows;
}

/* Who signed, above the message area, where no message can write. */
static void
draw_signature(const struct reader *d, int *y)
{
	char text[420];

	if (d->m.row.is_mail) {
		*y += mail_band(d, *y, true);
		return;
	}
	if (d->m.valid)
		(void)snprintf(text, sizeof(text), "by %s, and it holds",
		    d->m.signer);
	else if (*d->m.signer)
		(void)snprintf(text, sizeof(text),
		    "WRONG: not what %s signed", d->m.signer);
	else
		(void)snprintf(text, sizeof(text),
		    "none: it came by a web link");
	field(y, "Signed", d->m.valid ? PAINT_GOOD :
	    *d->m.signer ? PAINT_BAD : PAINT_WARN, text);
}

static int
draw_head(const struct reader *d, int y)
{
	const struct center_row *r = &d->m.row;
	bool small = paint_rows() < SMALL_ROWS;
	char text[900], date[12];

	(void)snprintf(text, sizeof(text), *r->from_name ? "%s <%s>" : "%s%s",
	    *r->from_name ? r->from_name : "", r->from);
	field(&y, "From", PAINT_PLAIN, text);
	if (!small) {
		join(d->m.tos, d->m.tos_count, text, sizeof(text));
		field(&y, "To", PAINT_PLAIN, text);
		if (d->m.cc_count > 0) {
			join(d->m.cc, d->m.cc_count, text, sizeof(text));
			field(&y, "Cc", PAINT_PLAIN, text);
		}
		words_date(r->time, date);
		(void)snprintf(text, sizeof(text), "%s UTC", date);
		field(&y, "Date", PAINT_PLAIN, text);
	}
	(void)snprintf(text, sizeof(text), "%s%s", r->is_mail &&
	    d->m.mail.subject_outside ? "(not protected) " : "", r->subject);
	field(&y, "Subject", PAINT_BOLD, text);
	draw_signature(d, &y);
	paint_rule(y++, 0, paint_cols(), is_own(d) ? "what you wrote" :
	    r->is_mail && !d->m.mail.opened ? "not opened" :
	    "what the sender wrote");
	return y;
}

/* Rows below the body: a rule, a line of words, two for each file. */
static size_t
tail_rows(const struct reader *d)
{
	return d->m.attachment_count ? 2 + 2 * d->m.attachment_count : 0;
}

static void
draw_tail(const struct reader *d, int y, size_t n)
{
	const struct center_attachment *a;
	char size[32];

	if (n == 0) {
		paint_rule(y, 0, paint_cols(), "attachments");
		return;
	}
	if (n == 1) {
		(void)paint_text(y, 0, paint_cols(), PAINT_PLAIN,
		    "Fetch them with scp or sftp from this same server:");
		return;
	}
	a = &d->m.attachments[(n - 2) / 2];
	if (n % 2 == 0) {
		words_bytes(a->bytes, size, sizeof(size));
		(void)paint_format(y, 0, paint_cols(), PAINT_BOLD,
		    "%2u. %s (%s, %s)", a->n, a->name, size, a->type);
	} else {
		(void)paint_format(y, 4, paint_cols() - 4, PAINT_PLAIN,
		    "scp HOST:%s .", a->path);
	}
}

static int
body_top(const struct reader *d)
{
	/* from, to, date, subject and the rule below */
	int head = 5 + (d->m.cc_count > 0);

	if (paint_rows() < SMALL_ROWS)
		head = 3;
	head += d->m.row.is_mail ? mail_band(d, 0, false) : 1;
	return 1 + head;
}

static int
body_height(const struct reader *d)
{
	int top, below;

	view_area(&top, &below);
	return below - body_top(d) > 1 ? below - body_top(d) : 1;
}

static size_t
last_top(const struct reader *d)
{
	size_t all = d->row_count + tail_rows(d);
	size_t height = (size_t)body_height(d);

	return all > height ? all - height : 0;
}

/* Once the last row of the body was seen, it counts as read. */
static void
tell_read(struct reader *d)
{
	enum ll_result r;

	if (d->told_read ||
	    d->top + (size_t)body_height(d) < d->row_count)
		return;
	r = center_mark_read(view_center(), &d->m.row.id);
	d->told_read = r == LL_OK;
	if (r)
		view_fail("Not marked as read", r);
}

static void
reader_draw(struct view *v)
{
	struct reader *d = v->state;
	int y, top, below;
	size_t n;

	view_area(&top, &below);
	make_rows(d, paint_cols() - 2);
	if (d->top > last_top(d))
		d->top = last_top(d);
	y = draw_head(d, top);
	paint_cursor(y, 0, true);
	for (n = d->top; y < below; n++, y++) {
		if (n < d->row_count && d->rows[n].title) {
			paint_rule(y, 0, paint_cols(), d->rows[n].title);
		} else if (n < d->row_count) {
			paint_fence(y, 0);
			(void)paint_bytes(y, 2, paint_cols() - 2, PAINT_PLAIN,
			    d->m.body + d->rows[n].at,
			    d->rows[n].end - d->rows[n].at);
		} else if (n < d->row_count + tail_rows(d)) {
			draw_tail(d, y, n - d->row_count);
		} else {
			break;
		}
	}
	if (d->top < last_top(d))
		(void)paint_text(below, paint_cols() - 4, 4, PAINT_BOLD,
		    "more");
	tell_read(d);
}

/* --- keys and verbs --- */

static void
step(struct reader *d, bool forward)
{
	struct id id;
	enum ll_result r;

	if (!mailbox_step(&d->m.row.id, forward, &id)) {
		view_say("No further message");
		return;
	}
	r = load(d, &id);
	if (r)
		view_fail("Not opened", r);
}

static bool
reader_key(struct view *v, const struct key *k)
{
	struct reader *d = v->state;
	struct view_list l = { d->top, 0, last_top(d) + 1 };

	if (k->code == 'n' || k->code == 'p') {
		step(d, k->code == 'n');
		return true;
	}
	if (k->code == ' ' && d->top < last_top(d)) {
		d->top += (size_t)body_height(d);
		return true;
	}
	if (!view_list_key(&l, k, body_height(d)))
		return false;
	d->top = l.at;
	return true;
}

static void
answer(struct view *v, bool all)
{
	struct reader *d = v->state;
	struct draft draft;
	enum ll_result r = center_reply(view_center(), &d->m, all, &draft);

	if (r)
		view_fail("No reply begun", r);
	else
		compose_open(&draft);
}

static void
reply(struct view *v)
{
	answer(v, false);
}

static void
reply_all(struct view *v)
{
	answer(v, true);
}

static void
move_to(struct view *v, enum folder to)
{
	struct reader *d = v->state;
	struct id id = d->m.row.id;
	enum folder from = d->m.row.folder;
	enum ll_result r = center_move(view_center(), &id, to);

	if (r) {
		view_fail("Not moved", r);
		return;
	}
	view_pop();
	mailbox_moved(&id, from, to);
}

static void
archive(struct view *v)
{
	move_to(v, FOLDER_ARCHIVE);
}

static void
trash(struct view *v)
{
	move_to(v, FOLDER_TRASH);
}

static void
thread(struct view *v)
{
	const struct reader *d = v->state;

	mailbox_open_thread(&d->m.row.thread);
}

static void
status(struct view *v)
{
	const struct reader *d = v->state;

	status_open(&d->m.row.id);
}

static void
unread(struct view *v)
{
	struct reader *d = v->state;
	enum ll_result r = center_mark_unread(view_center(), &d->m.row.id);

	if (r)
		view_fail("Not marked", r);
	else
		view_say("Marked as not read");
}

static bool
is_own_here(const struct view *v)
{
	return is_own(v->state);
}

static const struct view_verb verbs[] = {
	{ 'r', 0, "Reply", "reply", "Answers the author", reply, NULL },
	{ 'R', 0, NULL, "reply all", "Answers everybody it was sent to",
	    reply_all, NULL },
	{ 's', 0, "Status", "status",
	    "What became of it, recipient by recipient", status, is_own_here },
	{ 't', 0, "Thread", "thread", "All messages of this conversation",
	    thread, NULL },
	{ 'a', 0, "Archive", "archive", "Moves the message to the archive",
	    archive, NULL },
	{ 'd', K_DELETE, "Trash", "trash", "Moves the message to the trash",
	    trash, NULL },
	{ 'N', 0, NULL, "mark unread", "Marks the message as not read",
	    unread, NULL },
};

static const struct view_ops reader_ops = {
	.state_bytes = sizeof(struct reader),
	.title = reader_title,
	.init = reader_init,
	.draw = reader_draw,
	.key = reader_key,
	.finish = reader_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
reader_open(const struct id *id)
{
	struct view *v = view_top();
	enum ll_result r;

	if (v->ops != &reader_ops) {
		(void)view_push(&reader_ops, id);
		return;
	}
	r = load(v->state, id);
	if (r)
		view_fail("Not opened", r);
}
