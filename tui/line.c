#include "tui/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

#include "store/mail.h"
#include "tui/exec.h"
#include "tui/line_part.h"

void
line_fail(struct line *l, const char *what, enum ll_result r)
{
	teletype_say(l->t, "%s: %s\n", what, center_words(l->c, r));
}

/* --- what happens meanwhile --- */

static void
tell_arrival(struct line *l, const struct desk_event *e)
{
	struct center_list list;
	const struct center_row *row;

	if (e->folder != FOLDER_INBOX
	    || center_list(l->c, FOLDER_INBOX, 0, 1, &list))
		return;
	row = list.count ? &list.rows[0] : NULL;
	if (row && row->unread && id_equal(&row->id, &e->message))
		teletype_say(l->t, "\n* New message from %s: %s\n",
		    row->from, row->subject);
	center_list_finish(&list);
}

static void
tell_status(struct line *l, const struct desk_event *e)
{
	if (e->state < STATE_OPENED && e->state != STATE_HELD)
		return;
	teletype_say(l->t, "\n* %s: %s (%s)\n", e->address,
	    delivery_state_name(e->state), center_state_sentence(e->state));
}

static void
leave(struct line *l, const char *words)
{
	line_journal(l, true);
	teletype_say(l->t, "\n* %s\n", words);
	l->quit = true;
	teletype_stop(l->t);
}

static void
tell(struct line *l, const struct desk_event *e)
{
	switch (e->kind) {
	case DESK_BOX:
		tell_arrival(l, e);
		break;
	case DESK_STATUS:
		tell_status(l, e);
		break;
	case DESK_LOCKING:
		leave(l, "The mailbox is locked; what you wrote is kept.");
		break;
	case DESK_END:
		leave(l, "The session ended.");
		break;
	case DESK_ACCOUNT:
		leave(l, "This account was disabled or reset.");
		break;
	case DESK_LOST:
		teletype_say(l->t, "\n* The store is restarting; wait.\n");
		break;
	case DESK_RESTORED:
		teletype_say(l->t, "\n* The store is back.\n");
		break;
	case DESK_FOUND:
		break;
	}
}

static void
tick(void *arg)
{
	struct line *l = arg;
	struct desk_event e;

	while (!l->quit && center_event(l->c, &e) == LL_OK)
		tell(l, &e);
	if (!l->quit)
		line_journal(l, false);
}

/* --- numbers --- */

/* Puts rows' ids under numbers and prints them. */
static enum ll_result
number_rows(struct line *l, const struct center_list *list)
{
	struct id *ids;
	char *text = NULL;
	size_t i, len = 0;
	FILE *out;

	ids = calloc(list->count ? list->count : 1, sizeof *ids);
	out = ids ? open_memstream(&text, &len) : NULL;
	if (!out) {
		free(ids);
		return LL_NOMEM;
	}
	free(l->numbers);
	l->numbers = ids;
	l->number_count = list->count;
	for (i = 0; i < list->count; i++) {
		ids[i] = list->rows[i].id;
		exec_print_row(out, &list->rows[i], i + 1);
	}
	if (fclose(out) == 0)
		teletype_put(l->t, text, len);
	free(text);
	return LL_OK;
}

/* 1 to 3 digits are a number of the last list; more may begin an id. */
static bool
is_number(const char *word)
{
	size_t len = strspn(word, "0123456789");

	return len > 0 && len < 4 && !word[len];
}

/* The id under a number of the last list. */
static enum ll_result
numbered(struct line *l, const char *word, struct id *id_r)
{
	unsigned long n;

	if (!is_number(word))
		return LL_USAGE;
	n = strtoul(word, NULL, 10);
	if (n < 1 || n > l->number_count)
		return LL_NOTFOUND;
	*id_r = l->numbers[n - 1];
	return LL_OK;
}

/* Replaces a number by the id it stands for, so that every verb of the table
 * takes both; `undo` alone means what was just sent. */
static enum ll_result
resolve(struct line *l, struct verb_call *call)
{
	char text[ID_TEXT + 1];
	struct id id;
	enum ll_result r;

	if (call->word_count == 0 && strcmp(call->verb->name, "undo") == 0
	    && l->undo_until) {
		id_text(&l->sent, text);
		call->words[0] = strdup(text);
		call->word_count = call->words[0] ? 1 : 0;
	}
	if (call->word_count == 0 || !is_number(call->words[0])
	    || strcmp(call->verb->name, "people") == 0)
		return LL_OK;
	r = numbered(l, call->words[0], &id);
	if (r)
		return verb_fail(call, r, "the last list has no number %s",
		    call->words[0]);
	id_text(&id, text);
	free(call->words[0]);
	call->words[0] = strdup(text);
	return call->words[0] ? LL_OK : LL_NOMEM;
}

/* --- running a verb --- */

enum ll_result
line_run(struct line *l, struct verb_call *call)
{
	char *text = NULL;
	size_t len = 0;
	enum ll_result r;

	call->out = open_memstream(&text, &len);
	if (!call->out)
		return LL_NOMEM;
	r = call->verb->run(call);
	if (fclose(call->out) != 0 && r == LL_OK)
		r = LL_NOMEM;
	if (r == LL_OK) {
		teletype_put(l->t, text, len);
		if (call->was_shown && !teletype_is_over(l->t))
			r = center_mark_read(l->c, &call->shown);
	}
	if (text)
		sodium_memzero(text, len);
	free(text);
	return r;
}

static enum ll_result
run_call(struct line *l, struct verb_call *call, const struct split *w)
{
	enum ll_result r;

	r = verb_parse(call, w, 1);
	if (r == LL_OK)
		r = resolve(l, call);
	if (r)
		return r;
	if ((call->verb->flags & VERB_UNLOCKED) && center_self(l->c)->locked)
		return verb_fail(call, LL_LOCKED,
		    "locked: passphrase needed; type unlock");
	if (call->verb->line)
		return call->verb->line(l, call);
	return line_run(l, call);
}

static void
run_words(struct line *l, const struct split *w)
{
	struct verb_call call = { .c = l->c, .in = -1 };
	enum ll_result r;

	r = verb_find(w->w[0].text, center_self(l->c)->role, VERB_LINE,
	    &call.verb);
	if (r) {
		teletype_say(l->t, "No such verb. Type help.\n");
		return;
	}
	r = run_call(l, &call, w);
	if (r && !l->quit)
		teletype_say(l->t, "%s: %s\n", call.verb->name,
		    exec_words(&call, r));
	verb_call_finish(&call);
}

static void
run_line(struct line *l, const char *text)
{
	char show[32];
	struct split w;
	const char *why;

	/* A number alone shows that message. */
	if (is_number(text)) {
		(void)snprintf(show, sizeof show, "show %s", text);
		text = show;
	}
	if (split_command(text, &w, &why)) {
		teletype_say(l->t, "%s\n", why ? why : "not understood");
		return;
	}
	if (w.count > 0)
		run_words(l, &w);
	split_finish(&w);
}

/* --- beginning and end --- */

static void
greet(struct line *l)
{
	const struct desk_self *self = center_self(l->c);
	struct center_count counts[CENTER_FOLDERS];
	char address[321];
	uint64_t frozen;

	teletype_say(l->t, "%s: line mode. Type help for the verbs.\n",
	    *self->org ? self->org : "letterlock");
	if (self->role != ROLE_STAFF)
		return;
	if (self->locked)
		teletype_say(l->t, "The mailbox is locked. Type unlock.\n");
	if (center_counts(l->c, counts))
		return;
	teletype_say(l->t, "Inbox: %llu messages, %llu unread. Drafts: "
	    "%llu.\n",
	    (unsigned long long)counts[FOLDER_INBOX - 1].messages,
	    (unsigned long long)counts[FOLDER_INBOX - 1].unread,
	    (unsigned long long)counts[FOLDER_DRAFTS - 1].messages);
	if (center_frozen(l->c, &frozen, address) == LL_OK && frozen > 0)
		teletype_say(l->t, "Frozen by wrong codes: %llu, the newest "
		    "for %s. Type list --folder sent, then status N.\n",
		    (unsigned long long)frozen, address);
	if (counts[FOLDER_DRAFTS - 1].messages && !self->locked)
		teletype_say(l->t, "You can go on writing: drafts, then "
		    "edit N.\n");
}

int
line_main(struct center *c)
{
	struct line l = { .c = c };
	char *text;

	if (teletype_create(STDIN_FILENO, STDOUT_FILENO, &l.t))
		return 75;
	teletype_watch(l.t, center_fd(c), tick, &l);
	greet(&l);
	while (!l.quit) {
		if (teletype_line(l.t, "> ", &text)) {
			break;
		}
		center_active(c);
		run_line(&l, text);
		sodium_memzero(text, strlen(text));
		free(text);
	}
	teletype_destroy(l.t);
	free(l.numbers);
	return l.status;
}

/* --- verbs --- */

static enum ll_result
list_from(struct line *l, uint64_t before)
{
	struct center_list list;
	enum ll_result r;

	r = center_list(l->c, l->folder, before, LINE_ROWS, &list);
	if (r)
		return r;
	r = number_rows(l, &list);
	l->before = list.count == LINE_ROWS && l->folder != FOLDER_DRAFTS ?
	    list.rows[list.count - 1].sequence : 0;
	if (r == LL_OK && list.count == 0)
		teletype_say(l->t, "Nothing in %s.\n",
		    folder_name(l->folder));
	else if (r == LL_OK)
		teletype_say(l->t, "%zu of %llu in %s, %llu unread%s.\n",
		    list.count, (unsigned long long)list.total,
		    folder_name(l->folder), (unsigned long long)list.unread,
		    l->before ? "; type more" : "");
	center_list_finish(&list);
	return r;
}

enum ll_result
line_list(struct line *l, struct verb_call *call)
{
	const char *name = verb_option(call, "folder");

	if (!name && call->word_count == 1)
		name = call->words[0];
	l->folder = FOLDER_INBOX;
	if (name && folder_parse(name, &l->folder)) {
		teletype_say(l->t, "The folders are inbox, sent, drafts, "
		    "archive and trash.\n");
		return LL_OK;
	}
	return list_from(l, 0);
}

enum ll_result
line_drafts(struct line *l, struct verb_call *call)
{
	(void)call;
	l->folder = FOLDER_DRAFTS;
	return list_from(l, 0);
}

enum ll_result
line_more(struct line *l, struct verb_call *call)
{
	(void)call;
	if (l->before)
		return list_from(l, l->before);
	teletype_say(l->t, "There is no more.\n");
	return LL_OK;
}

enum ll_result
line_thread(struct line *l, struct verb_call *call)
{
	struct center_list list;
	struct id id;
	enum ll_result r;

	if (call->word_count != 1)
		return LL_USAGE;
	r = center_find(l->c, call->words[0], &id);
	if (r == LL_OK)
		r = center_thread_of(l->c, &id, &id);
	if (r)
		return r;
	r = center_thread(l->c, &id, &list);
	if (r)
		return r;
	r = number_rows(l, &list);
	center_list_finish(&list);
	return r;
}

enum ll_result
line_next(struct line *l, struct verb_call *call)
{
	struct center_list list;
	char show[ID_TEXT + 8], id[ID_TEXT + 1];
	uint64_t before = 0;
	size_t i, got;
	enum ll_result r;

	(void)call;
	do {
		r = center_list(l->c, FOLDER_INBOX, before, MAIL_PAGE_MAX,
		    &list);
		if (r)
			return r;
		got = list.count;
		for (i = 0; i < got && !list.rows[i].unread; i++)
			;
		if (i < got)
			id_text(&list.rows[i].id, id);
		before = got ? list.rows[got - 1].sequence : 0;
		center_list_finish(&list);
		if (i < got) {
			(void)snprintf(show, sizeof show, "show %s", id);
			run_line(l, show);
			return LL_OK;
		}
	} while (got > 0);
	teletype_say(l->t, "Nothing unread.\n");
	return LL_OK;
}

enum ll_result
line_unlock(struct line *l, struct verb_call *call)
{
	struct secret pass = SECRET_NONE;
	size_t len;
	enum ll_result r;

	(void)call;
	if (!center_self(l->c)->locked) {
		teletype_say(l->t, "It is open.\n");
		return LL_OK;
	}
	if (!teletype_is_tty(l->t))
		teletype_say(l->t, "(Your terminal may show what you "
		    "type.)\n");
	r = teletype_secret(l->t, "Passphrase: ", &pass, &len);
	if (r)
		return r;
	r = center_unlock(l->c, pass.data, len);
	secret_finish(&pass);
	if (r == LL_OK)
		teletype_say(l->t, "The mailbox is open.\n");
	return r;
}

enum ll_result
line_lock(struct line *l, struct verb_call *call)
{
	enum ll_result r;

	(void)call;
	r = center_lock(l->c);
	if (r == LL_OK)
		leave(l, "Locked.");
	return r;
}

enum ll_result
line_quit(struct line *l, struct verb_call *call)
{
	(void)call;
	teletype_say(l->t, "Goodbye.\n");
	l->quit = true;
	return LL_OK;
}
