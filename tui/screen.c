/*
 * screen.c - the full screen: what holds in every view, and the way in and
 * out.
 */
#include <stdio.h>
#include <unistd.h>

#include "tui/center.h"
#include "tui/hint.h"
#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/screen.h"
#include "tui/term.h"
#include "tui/view.h"

#define STORE_PATIENCE_MS 1000

static const char *parting;      /* words for after the screen, or NULL */
static bool known;               /* the number of unread messages */

bool
screen_prepare(void)
{
	return term_start();
}

void
screen_release(void)
{
	term_stop();
}

/* --- global verbs --- */

static void
write_new(struct view *v)
{
	(void)v;
	compose_new();
}

static void
next_unread(struct view *v)
{
	(void)v;
	mailbox_next_unread();
}

static void
go_folders(struct view *v)
{
	(void)v;
	folders_open();
}

static void
go_folder(enum folder f)
{
	folders_open();
	if (f == FOLDER_DRAFTS)
		drafts_open();
	else
		mailbox_open(f);
}

static void
go_inbox(struct view *v)
{
	(void)v;
	go_folder(FOLDER_INBOX);
}

static void
go_sent(struct view *v)
{
	(void)v;
	go_folder(FOLDER_SENT);
}

static void
go_drafts(struct view *v)
{
	(void)v;
	go_folder(FOLDER_DRAFTS);
}

static void
go_archive(struct view *v)
{
	(void)v;
	go_folder(FOLDER_ARCHIVE);
}

static void
go_trash(struct view *v)
{
	(void)v;
	go_folder(FOLDER_TRASH);
}

static void
go_account(struct view *v)
{
	(void)v;
	account_open();
}

static void
go_keys(struct view *v)
{
	(void)v;
	keys_open(NULL);
}

static void
unlock(struct view *v)
{
	(void)v;
	unlock_open();
}

static void
lock(struct view *v)
{
	enum ll_result r;

	(void)v;
	if (!compose_journal()) {
		view_say("Not locked: what you write could not be journalled");
		return;
	}
	r = center_lock(view_center());
	if (r)
		view_fail("Not locked", r);
}

static void
redraw(struct view *v)
{
	(void)v;
	paint_redraw();
	view_dirty();
}

static void
log_out(struct view *v)
{
	(void)v;
	view_quit(0);
}

static bool
is_staff(const struct view *v)
{
	(void)v;
	return center_self(view_center())->role != ROLE_ADMIN;
}

static bool
can_write(const struct view *v)
{
	return is_staff(v) && !compose_is_open();
}

static bool
is_locked(const struct view *v)
{
	return is_staff(v) && center_self(view_center())->locked;
}

static bool
is_open(const struct view *v)
{
	return is_staff(v) && !center_self(view_center())->locked;
}

static const struct view_verb globals[] = {
	{ 'o', 0, "Passphrase", "unlock", "Opens the sealed mailbox",
	    unlock, is_locked },
	{ 'c', 0, "Write", "write", "A new message", write_new, can_write },
	{ ' ', 0, "Next unread", "next unread",
	    "Pages on, then opens the next unread message", next_unread,
	    is_staff },
	{ ':', K_CTRL('K'), "Verbs", "find verb",
	    "Finds any verb by name or description", hint_palette, NULL },
	{ '?', K_F1, NULL, "help", "Every key of this screen", hint_help,
	    NULL },
	{ K_CTRL('G'), 0, NULL, "help (where one types)",
	    "Every key of this screen", hint_help, NULL },
	{ 'f', 0, NULL, "folders", "The list of folders", go_folders,
	    is_staff },
	{ 'I', 0, NULL, "inbox", "Goes to the inbox", go_inbox, is_staff },
	{ 'S', 0, NULL, "sent", "Goes to what you sent", go_sent, is_staff },
	{ 'B', 0, NULL, "drafts", "Goes to the drafts", go_drafts,
	    is_staff },
	{ 'A', 0, NULL, "go to archive", "Goes to the archive", go_archive,
	    is_staff },
	{ 'T', 0, NULL, "go to trash", "Goes to the trash", go_trash,
	    is_staff },
	{ 'M', 0, NULL, "account", "Your account, keys and session",
	    go_account, NULL },
	{ 'K', 0, NULL, "keys", "Keys and certificates of others, and yours",
	    go_keys, NULL },
	{ 0, 0, NULL, "lock", "Seals the mailbox; ends this screen", lock,
	    is_open },
	{ K_CTRL('L'), 0, NULL, "redraw", "Draws the screen anew", redraw,
	    NULL },
	{ 0, 0, NULL, "log out", "Ends the session", log_out, NULL },
};

/* --- events --- */

static void
part(const char *words)
{
	(void)compose_journal();
	parting = words;
	view_quit(0);
}

/* A frozen link waits for its sender's key, here now or at the next login. */
static void
tell_frozen(void)
{
	char address[321];
	uint64_t count;

	if (center_frozen(view_center(), &count, address) || count == 0)
		return;
	if (count == 1)
		view_say("Frozen by wrong codes: %s (S, then s)", address);
	else
		view_say("Frozen by wrong codes: %s and %llu more (S, then s)",
		    address, (unsigned long long)count - 1);
}

/* Says what came in, wherever the person is just now. */
static void
look_for_new(void)
{
	static uint64_t unread;
	struct center_count counts[CENTER_FOLDERS];
	uint64_t now;

	if (center_counts(view_center(), counts))
		return;
	now = counts[FOLDER_INBOX - 1].unread;
	if (now > unread && known)
		view_say(now == unread + 1 ? "New message" : "New messages");
	if (!known)
		tell_frozen();
	unread = now;
	known = true;
}

static void
drain(void)
{
	struct desk_event e;
	bool inbox = false;

	while (center_event(view_center(), &e) == LL_OK) {
		switch (e.kind) {
		case DESK_LOCKING:
			part("Locked.");
			break;
		case DESK_ACCOUNT:
			part("This account was disabled or reset.");
			break;
		case DESK_END:
			part(NULL);
			break;
		case DESK_LOST:
			view_set_lost(true);
			view_event(&e);
			break;
		case DESK_RESTORED:
			view_set_lost(false);
			view_event(&e);
			break;
		case DESK_BOX:
			inbox = inbox || e.folder == FOLDER_INBOX;
			view_event(&e);
			break;
		case DESK_STATUS:
			view_event(&e);
			if (e.event == EVENT_FROZEN)
				tell_frozen();
			break;
		case DESK_FOUND:
			view_event(&e);
			break;
		}
	}
	if (inbox || !known)
		look_for_new();
}

int
screen_main(struct center *c)
{
	const struct desk_self *self = center_self(c);
	int status;

	desk_patience(center_desk(c), STORE_PATIENCE_MS);
	parting = NULL;
	known = center_self(c)->role == ROLE_ADMIN;
	view_setup(c, globals, sizeof(globals) / sizeof(*globals));
	if (self->role == ROLE_ADMIN) {
		admin_open();
	} else {
		folders_open();
		mailbox_open(FOLDER_INBOX);
		if (self->locked)
			unlock_open();
		else
			drafts_offer();
	}
	status = view_loop(center_fd(c), drain);
	term_stop();
	if (parting)
		(void)dprintf(STDOUT_FILENO, "%s\r\n", parting);
	return status;
}
