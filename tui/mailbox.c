/*
 * mailbox.c - the list of a folder's or a thread's messages.
 *
 * Only a screenful is ever fetched: pages are found by the sequence number
 * they begin below, and the way back is a stack of those.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/pages.h"
#include "tui/paint.h"

#define SCAN_PAGES 20           /* of CENTER_PAGE rows, for the next unread */

struct mailbox {
	enum folder folder;
	bool is_thread;
	struct id thread;
	struct center_list rows;
	struct view_list list;
	uint64_t *starts;           /* sequence each page begins below */
	size_t page, starts_room;
	int height;                 /* rows fetched for */
	bool stale;                 /* something happened since */
};

/* The last move, to be taken back by u. */
static struct {
	struct id id;
	enum folder from, to;
	bool any;
} moved;

static const struct view_ops mailbox_ops;

static int
area_rows(void)
{
	int top, below;

	view_area(&top, &below);
	return below - top > 1 ? below - top : 1;
}

/* Fetches the page and puts the cursor on the message it stood on. */
static enum ll_result
load(struct mailbox *m)
{
	struct center_list old = m->rows;
	struct id at;
	bool keep = m->list.at < old.count;
	enum ll_result r;
	size_t i;

	if (keep)
		at = old.rows[m->list.at].id;
	memset(&m->rows, 0, sizeof(m->rows));
	m->height = area_rows();
	m->stale = false;
	if (m->is_thread)
		r = center_thread(view_center(), &m->thread, &m->rows);
	else
		r = center_list(view_center(), m->folder, m->starts[m->page],
		    (size_t)m->height, &m->rows);
	if (r) {
		m->rows = old;
		return r;
	}
	m->list.count = m->rows.count;
	for (i = 0; keep && i < m->rows.count; i++)
		if (id_equal(&m->rows.rows[i].id, &at))
			m->list.at = i;
	center_list_finish(&old);
	view_list_fit(&m->list, m->height);
	view_dirty();
	return LL_OK;
}

static void
reload(struct mailbox *m)
{
	enum ll_result r = load(m);

	if (r)
		view_fail(words_folder(m->folder), r);
}

struct opening {
	enum folder folder;
	const struct id *thread;
};

static enum ll_result
mailbox_init(struct view *v, const void *arg)
{
	const struct opening *o = arg;
	struct mailbox *m = v->state;

	m->folder = o->folder;
	if (o->thread) {
		m->is_thread = true;
		m->thread = *o->thread;
	}
	m->starts_room = 16;
	m->starts = calloc(m->starts_room, sizeof(*m->starts));
	if (!m->starts)
		return LL_NOMEM;
	reload(m);
	return LL_OK;
}

static void
mailbox_finish(struct view *v)
{
	struct mailbox *m = v->state;

	center_list_finish(&m->rows);
	free(m->starts);
}

static void
mailbox_title(const struct view *v, char *text, size_t room)
{
	const struct mailbox *m = v->state;
	size_t first = m->page * (size_t)m->height + 1;

	if (m->is_thread)
		(void)snprintf(text, room, "Thread: %zu message%s",
		    m->rows.count, m->rows.count == 1 ? "" : "s");
	else if (m->rows.count == 0)
		(void)snprintf(text, room, "%s: empty",
		    words_folder(m->folder));
	else
		(void)snprintf(text, room, "%s: %zu-%zu of %" PRIu64
		    ", %" PRIu64 " unread", words_folder(m->folder), first,
		    first + m->rows.count - 1, m->rows.total, m->rows.unread);
}

/* --- drawing --- */

static const char *
subject(const struct center_row *r)
{
	if (r->result == LL_LOCKED)
		return "(sealed: press o for the passphrase)";
	if (r->result == LL_GONE)
		return "(expired or withdrawn: its keys are destroyed)";
	if (r->result == LL_AUTH)
		return "(sealed for an older key of yours)";
	if (r->result)
		return "(not readable)";
	return *r->subject ? r->subject : "(no subject)";
}

static void
who(const struct mailbox *m, const struct center_row *r, char *text,
    size_t room)
{
	bool own = strcmp(r->from, center_self(view_center())->email) == 0;

	if (r->result)
		(void)snprintf(text, room, "?");
	else if ((own || m->folder == FOLDER_SENT) && r->to_count > 0)
		(void)snprintf(text, room, r->to_count > 1 ? "To %s +%zu" :
		    "To %s", r->to[0], r->to_count - 1);
	else
		(void)snprintf(text, room, "%s",
		    *r->from_name ? r->from_name : r->from);
}

static void
draw_row(const struct mailbox *m, int y, size_t i)
{
	const struct center_row *r = &m->rows.rows[i];
	enum paint_style style = r->unread ? PAINT_BOLD : PAINT_PLAIN;
	int cols = paint_cols(), name = cols >= 100 ? 30 : cols >= 60 ? 22 : 12;
	char date[12], from[420];
	int x = 4;

	(void)paint_format(y, 1, 3, style, "%c%c", r->unread ? 'N' : ' ',
	    r->is_mail ? '*' : r->attachments ? '@' : ' ');
	words_date(r->time, date);
	if (cols < 60) /* "11-23", or the year alone */
		date[date[4] == '-' ? 4 : 5] = '\0';
	(void)paint_text(y, x, 11, style, date);
	x += cols < 60 ? 6 : 12;
	who(m, r, from, sizeof(from));
	(void)paint_text(y, x, name, style, from);
	x += name + 1;
	(void)paint_text(y, x, cols - x, style, subject(r));
	if (i == m->list.at)
		paint_mark(y);
}

static void
mailbox_draw(struct view *v)
{
	struct mailbox *m = v->state;
	int y, top, below;
	size_t i;

	view_area(&top, &below);
	if (m->stale || m->height != below - top)
		reload(m);
	view_list_fit(&m->list, below - top);
	if (m->rows.count == 0)
		(void)paint_text(top + 1, 2, paint_cols() - 2, PAINT_PLAIN,
		    m->folder == FOLDER_INBOX ?
		    "No messages.  New ones appear here by themselves." :
		    "No messages.");
	for (i = m->list.top, y = top; i < m->rows.count && y < below;
	    i++, y++)
		draw_row(m, y, i);
}

/* --- pages --- */

static bool
has_next_page(const struct mailbox *m)
{
	return !m->is_thread && m->rows.count > 0 &&
	    (m->page * (size_t)m->height) + m->rows.count < m->rows.total;
}

static void
next_page(struct mailbox *m)
{
	uint64_t *n;

	if (!has_next_page(m))
		return;
	if (m->page + 1 == m->starts_room) {
		n = realloc(m->starts, m->starts_room * 2 * sizeof(*n));
		if (!n) {
			view_fail(NULL, LL_NOMEM);
			return;
		}
		m->starts = n;
		m->starts_room *= 2;
	}
	m->starts[m->page + 1] = m->rows.rows[m->rows.count - 1].sequence;
	m->page++;
	m->list.at = 0;
	reload(m);
	m->list.at = 0;
}

static void
previous_page(struct mailbox *m)
{
	if (m->page == 0)
		return;
	m->page--;
	reload(m);
	m->list.at = m->rows.count ? m->rows.count - 1 : 0;
}

static bool
mailbox_key(struct view *v, const struct key *k)
{
	struct mailbox *m = v->state;
	bool at_end = m->list.at + 1 >= m->rows.count;

	if (m->is_thread)
		return view_list_key(&m->list, k, area_rows());
	switch (k->code) {
	case K_DOWN: case 'j': case 'n':
		if (at_end)
			next_page(m);
		else
			m->list.at++;
		return true;
	case K_UP: case 'k': case 'p':
		if (m->list.at == 0)
			previous_page(m);
		else
			m->list.at--;
		return true;
	case K_PAGE_DOWN: case '+':
		if (has_next_page(m))
			next_page(m);
		else if (!at_end)
			m->list.at = m->rows.count - 1;
		return true;
	case K_PAGE_UP: case '-':
		if (m->page > 0)
			previous_page(m);
		m->list.at = 0;
		return true;
	case K_HOME:
		m->page = 0;
		m->list.at = 0;
		reload(m);
		m->list.at = 0;
		return true;
	case K_END:
		m->list.at = m->rows.count ? m->rows.count - 1 : 0;
		return true;
	default:
		return false;
	}
}

/* --- verbs --- */

static struct center_row *
current(const struct view *v)
{
	const struct mailbox *m = v->state;

	return m->list.at < m->rows.count ? &m->rows.rows[m->list.at] : NULL;
}

static bool
any(const struct view *v)
{
	return current(v) != NULL;
}

static bool
is_own(const struct view *v)
{
	const struct center_row *r = current(v);

	return r && r->result == LL_OK &&
	    strcmp(r->from, center_self(view_center())->email) == 0;
}

static bool
in_trash(const struct view *v)
{
	return any(v) && current(v)->folder == FOLDER_TRASH;
}

static bool
not_in_trash(const struct view *v)
{
	return any(v) && !in_trash(v);
}

static bool
can_archive(const struct view *v)
{
	return any(v) && current(v)->folder != FOLDER_ARCHIVE;
}

static void
open_message(struct view *v)
{
	struct center_row *r = current(v);

	if (r)
		reader_open(&r->id);
}

static void
move_to(struct view *v, enum folder to)
{
	struct center_row *r = current(v);
	struct id id;
	enum folder from;
	enum ll_result res;

	if (!r)
		return;
	id = r->id;
	from = r->folder;
	res = center_move(view_center(), &id, to);
	if (res) {
		view_fail("Not moved", res);
		return;
	}
	mailbox_moved(&id, from, to);
	reload(v->state);
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
unread(struct view *v)
{
	struct center_row *r = current(v);
	enum ll_result res = center_mark_unread(view_center(), &r->id);

	if (res)
		view_fail("Not marked", res);
	reload(v->state);
}

static void
status(struct view *v)
{
	status_open(&current(v)->id);
}

static bool
can_take_back(const struct view *v)
{
	(void)v;
	return moved.any;
}

static void
take_back(struct view *v)
{
	enum ll_result r = center_move(view_center(), &moved.id, moved.from);

	if (r) {
		view_fail("Not taken back", r);
		return;
	}
	view_say("Back in %s", words_folder(moved.from));
	moved.any = false;
	reload(v->state);
}

static void
purge_agreed(struct view *v)
{
	struct center_row *r = current(v);
	enum ll_result res;

	if (!r)
		return;
	res = center_purge(view_center(), &r->id);
	if (res)
		view_fail("Not destroyed", res);
	else
		view_say("Your key to it is destroyed");
	moved.any = false;
	reload(v->state);
}

static void
purge(struct view *v)
{
	(void)v;
	dialog_typed("Destroy this message", "Your own key to this message "
	    "will be destroyed.  You will never read it again, and nothing "
	    "brings it back.  Other readers keep theirs.", "destroy",
	    purge_agreed);
}

static void
mailbox_again(struct view *v)
{
	reload(v->state);
}

static void
mailbox_event(struct view *v, const struct desk_event *e)
{
	struct mailbox *m = v->state;

	if (e->kind != DESK_BOX && e->kind != DESK_RESTORED)
		return;
	if (e->kind == DESK_BOX && !m->is_thread && e->folder != m->folder)
		return;
	/* a hundred events make one look, when it is drawn */
	m->stale = true;
	view_dirty();
}

static const struct view_verb verbs[] = {
	{ K_ENTER, K_RIGHT, "Open", "open", "Reads the message",
	    open_message, any },
	{ 's', 0, "Status", "status",
	    "What became of it, recipient by recipient", status, is_own },
	{ 'a', 0, "Archive", "archive", "Moves the message to the archive",
	    archive, can_archive },
	{ 'd', K_DELETE, "Trash", "trash", "Moves the message to the trash",
	    trash, not_in_trash },
	{ 'u', 0, "Undo", "undo move", "Takes the last move back",
	    take_back, can_take_back },
	{ 'N', 0, NULL, "mark unread", "Marks the message as not read",
	    unread, any },
	{ 'P', 0, "Destroy", "destroy", "Destroys your key to the message",
	    purge, in_trash },
};

static const struct view_ops mailbox_ops = {
	.state_bytes = sizeof(struct mailbox),
	.title = mailbox_title,
	.init = mailbox_init,
	.draw = mailbox_draw,
	.key = mailbox_key,
	.again = mailbox_again,
	.event = mailbox_event,
	.finish = mailbox_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
mailbox_open(enum folder folder)
{
	struct opening o = { folder, NULL };

	(void)view_push(&mailbox_ops, &o);
}

void
mailbox_open_thread(const struct id *thread)
{
	struct opening o = { FOLDER_INBOX, thread };

	(void)view_push(&mailbox_ops, &o);
}

void
mailbox_moved(const struct id *id, enum folder from, enum folder to)
{
	moved.id = *id;
	moved.from = from;
	moved.to = to;
	moved.any = true;
	view_say("Moved to %s; u takes it back", words_folder(to));
}

bool
mailbox_step(const struct id *id, bool forward, struct id *id_r)
{
	struct view *v = view_find(&mailbox_ops);
	struct mailbox *m = v ? v->state : NULL;
	size_t i;

	for (i = 0; m && i < m->rows.count; i++) {
		if (!id_equal(&m->rows.rows[i].id, id))
			continue;
		if (forward && i + 1 == m->rows.count) {
			if (!has_next_page(m))
				return false;
			next_page(m);
		} else if (!forward && i == 0) {
			if (m->page == 0)
				return false;
			previous_page(m);
		} else {
			m->list.at = forward ? i + 1 : i - 1;
		}
		if (m->list.at >= m->rows.count)
			return false;
		*id_r = m->rows.rows[m->list.at].id;
		return true;
	}
	return false;
}

void
mailbox_next_unread(void)
{
	struct center_list l = { 0 };
	uint64_t before = 0;
	enum ll_result r;
	struct id id;
	bool found = false;
	size_t i, page;

	for (page = 0; page < SCAN_PAGES && !found; page++) {
		r = center_list(view_center(), FOLDER_INBOX, before,
		    CENTER_PAGE, &l);
		if (r) {
			view_fail("Next unread", r);
			return;
		}
		for (i = 0; i < l.count && !found; i++) {
			found = l.rows[i].unread;
			id = l.rows[i].id;
			before = l.rows[i].sequence;
		}
		if (l.count == 0 || l.unread == 0)
			page = SCAN_PAGES;
		center_list_finish(&l);
	}
	if (found)
		reader_open(&id);
	else
		view_say("No unread messages");
}
