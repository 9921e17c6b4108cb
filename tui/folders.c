/*
 * folders.c - the five folders with their counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tui/pages.h"
#include "tui/paint.h"

struct folders {
	struct center_count counts[CENTER_FOLDERS];
	struct view_list list;
	bool stale;
};

static void
load(struct view *v)
{
	struct folders *f = v->state;
	enum ll_result r = center_counts(view_center(), f->counts);

	f->stale = false;
	if (r)
		view_fail("Folders", r);
	view_dirty();
}

static enum ll_result
folders_init(struct view *v, const void *arg)
{
	struct folders *f = v->state;

	(void)arg;
	f->list.count = CENTER_FOLDERS;
	f->stale = true;
	return LL_OK;
}

static void
folders_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "letterlock");
}

static void
folders_draw(struct view *v)
{
	struct folders *f = v->state;
	const struct center_count *n;
	char unread[32];
	int y, top, below;
	size_t i;

	if (f->stale)
		load(v);
	view_area(&top, &below);
	view_list_fit(&f->list, below - top - 1);
	for (i = f->list.top, y = top + 1; i < CENTER_FOLDERS && y < below;
	    i++, y++) {
		n = &f->counts[i];
		unread[0] = '\0';
		if (n->unread)
			(void)snprintf(unread, sizeof(unread),
			    "%" PRIu64 " unread", n->unread);
		(void)paint_format(y, 2, paint_cols() - 2,
		    n->unread ? PAINT_BOLD : PAINT_PLAIN,
		    "%-10s %8" PRIu64 "  %s",
		    words_folder((enum folder)(i + 1)), n->messages, unread);
		if (i == f->list.at)
			paint_mark(y);
	}
}

static bool
folders_key(struct view *v, const struct key *k)
{
	struct folders *f = v->state;

	return view_list_key(&f->list, k, CENTER_FOLDERS);
}

static void
open_folder(struct view *v)
{
	struct folders *f = v->state;
	enum folder folder = (enum folder)(f->list.at + 1);

	if (folder == FOLDER_DRAFTS)
		drafts_open();
	else
		mailbox_open(folder);
}

static void
folders_event(struct view *v, const struct desk_event *e)
{
	struct folders *f = v->state;

	if (e->kind != DESK_BOX && e->kind != DESK_RESTORED)
		return;
	f->stale = true;
	view_dirty();
}

static void
folders_leave(struct view *v)
{
	(void)v;
	view_quit(0);
}

static const struct view_verb verbs[] = {
	{ K_ENTER, K_RIGHT, "Open", "open", "Opens the folder",
	    open_folder, NULL },
};

static const struct view_ops folders_ops = {
	.state_bytes = sizeof(struct folders),
	.title = folders_title,
	.init = folders_init,
	.draw = folders_draw,
	.key = folders_key,
	.leave = folders_leave,
	.again = load,
	.event = folders_event,
	.verbs = VIEW_VERBS(verbs),
};

void
folders_open(void)
{
	if (!view_pop_to(&folders_ops))
		(void)view_push(&folders_ops, NULL);
}
