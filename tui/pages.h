/*
 * pages.h - the screens of the message center, each by its way in.
 *
 * An opener pushes its view; a failure has been told on the status line.
 */
#ifndef LL_PAGES_H
#define LL_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/id.h"
#include "store/draft.h"
#include "store/kind.h"
#include "tui/center.h"
#include "tui/view.h"

/* --- dialog.c --- */

/* A question over the view on top; done gets that view and the answer, after
 * the dialog has gone.  Text and title are copied. */
/* Enter with a line of text (at most max bytes); Esc: not called. */
void dialog_line(const char *title, const char *text, const char *prompt,
    size_t max, void (*done)(struct view *v, const char *answer));
/* The same, not echoed; the answer is in guarded memory. */
void dialog_secret(const char *title, const char *text, const char *prompt,
    void (*done)(struct view *v, const char *answer));
/* y or n; only y calls done. */
void dialog_confirm(const char *title, const char *text,
    void (*done)(struct view *v));
/* For what nothing can undo: word has to be typed. */
void dialog_typed(const char *title, const char *text, const char *word,
    void (*done)(struct view *v));

/* --- unlock.c --- */

/* Asks for the passphrase of a locked vault. */
void unlock_open(void);

/* --- folders.c --- */

/* The folders; pops down to them when they are open. */
void folders_open(void);

/* --- mailbox.c --- */

/* The messages of a folder, newest first. */
void mailbox_open(enum folder folder);
/* The messages of a thread, oldest first. */
void mailbox_open_thread(const struct id *thread);
/* The message after (before) the one with this id in the mailbox that is
 * open; false when there is none. */
bool mailbox_step(const struct id *id, bool forward, struct id *id_r);
/* Opens the next unread message of the inbox, after the one that is open. */
void mailbox_next_unread(void);
/* Notes that a message was moved, so that u can take it back. */
void mailbox_moved(const struct id *id, enum folder from, enum folder to);

/* --- reader.c --- */

/* One message; in the place of the one that is read now, if any is. */
void reader_open(const struct id *id);

/* --- compose.c --- */

/* A new message. */
void compose_new(void);
/* Goes on with d, which is taken over (also on failure). */
void compose_open(struct draft *d);
/* Loads the draft and goes on with it. */
void compose_resume(const struct id *id);
/* True while a composer is open, also below other views. */
bool compose_is_open(void);
/* Journals what is being written, if anything is.  False when the store did
 * not take it. */
bool compose_journal(void);

/* --- plan.c --- */

/* Plans for d and shows it; d is the composer's and stays there. */
void plan_open(struct draft *d);

/* --- status.c --- */

/* What became of a sent message. */
void status_open(const struct id *id);
/* The same right after sending: with countdown.  s is taken over. */
void status_open_sent(struct center_sent *s);

/* --- drafts.c --- */

/* The list of drafts. */
void drafts_open(void);
/* At login: the newest draft, when it is one somebody was just writing. */
void drafts_offer(void);

/* --- account.c --- */

/* Who is logged in, and that person's SSH keys. */
void account_open(void);

/* --- keys.c --- */

/* Other people's keys, of address or (NULL) of all, and one's own. */
void keys_open(const char *address);

/* --- admin.c --- */

/* The pages of role admin. */
void admin_open(void);

/* --- words.c --- */

/* "11-23 15:04", or "2025-11-23" for another year; 12 bytes. */
void words_date(uint64_t time, char text[12]);
/* "3 min ago" */
void words_ago(uint64_t time, char *text, size_t room);
/* "12 KiB" */
void words_bytes(uint64_t bytes, char *text, size_t room);
/* Shown name of a folder ("Inbox"). */
const char *words_folder(enum folder f);

#endif
