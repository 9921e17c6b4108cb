#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sodium.h>

#include "store/loop.h"
#include "tui/exec.h"
#include "tui/line_part.h"

#define JOURNAL_MS 1000

/* --- the journal --- */

void
line_journal(struct line *l, bool now)
{
	enum ll_result r;

	if (!l->writing || !l->dirty
	    || (!now && loop_now_ms() - l->saved_ms < JOURNAL_MS))
		return;
	l->writing->shown = true;
	r = draft_save(center_desk(l->c), l->writing);
	if (r == LL_CONFLICT || r == LL_NOTFOUND) {
		r = draft_fork(center_desk(l->c), l->writing);
		teletype_say(l->t, "\n* Changed or sent elsewhere; this text "
		    "is a new draft now.\n");
	}
	l->saved_ms = loop_now_ms();
	l->dirty = r != LL_OK;
	if (r && r != LL_BUSY)
		line_fail(l, "keeping the draft", r);
}

/* --- its parts --- */

static void
swap_lists(char ***list, size_t *count, struct draft *other)
{
	char **old = *list;
	size_t n = *count;

	*list = other->to;
	*count = other->to_count;
	other->to = old;
	other->to_count = n;
}

/* Who is in To needs no copy. */
static void
drop_doubles(struct draft *d)
{
	size_t i, k;

	for (i = 0; i < d->to_count; i++)
		for (k = 0; k < d->cc_count; k++) {
			if (strcasecmp(d->to[i], d->cc[k]) != 0)
				continue;
			free(d->cc[k]);
			memmove(&d->cc[k], &d->cc[k + 1],
			    (--d->cc_count - k) * sizeof *d->cc);
			k--;
		}
}

static void
ask_addresses(struct line *l, struct draft *d, const char *prompt, bool cc)
{
	struct verb_call call = { .c = l->c };
	struct draft all;
	char *text;
	enum ll_result r;

	for (;;) {
		if (teletype_line(l->t, prompt, &text))
			return;
		/* Everything typed, or nothing of it. */
		memset(&all, 0, sizeof all);
		call.why[0] = '\0';
		r = exec_add_to(&call, &all, text);
		free(text);
		if (r)
			teletype_say(l->t, "%s\n", exec_words(&call, r));
		else if (all.to_count > 0 || cc || d->to_count > 0)
			break;
		else
			teletype_say(l->t, "At least one address.\n");
		draft_finish(&all);
	}
	if (cc)
		swap_lists(&d->cc, &d->cc_count, &all);
	else if (all.to_count > 0)
		swap_lists(&d->to, &d->to_count, &all);
	drop_doubles(d);
	draft_finish(&all);
	l->dirty = true;
}

static void
ask_subject(struct line *l, struct draft *d)
{
	char *text;
	enum ll_result r;

	for (;;) {
		if (teletype_line(l->t, "Subject: ", &text))
			return;
		r = draft_set_subject(d, text);
		sodium_memzero(text, strlen(text));
		free(text);
		l->dirty = true;
		if (r == LL_OK)
			return;
		teletype_say(l->t, "A subject has at most %d bytes.\n",
		    DRAFT_SUBJECT_MAX);
	}
}

/* Appends one line to the body, so that each is journalled as it comes. */
static enum ll_result
add_line(struct draft *d, size_t at, const char *text)
{
	size_t len = strlen(d->body);
	char *body;
	enum ll_result r;

	if (asprintf(&body, "%.*s%s\n%s", (int)at, d->body, text,
	    d->body + at) < 0)
		return LL_NOMEM;
	r = draft_set_body(d, body);
	sodium_memzero(body, strlen(body));
	free(body);
	d->cursor = r ? len : at + strlen(text) + 1;
	return r;
}

/* Lines from here on go in at byte `at` of the body. */
static void
ask_lines(struct line *l, struct draft *d, size_t at)
{
	char *text;
	const char *line;
	enum ll_result r;
	bool end;

	teletype_say(l->t, "Text; a line with a single dot ends it. (A line "
	    "that begins with a dot: type that dot twice.)\n");
	for (;;) {
		if (teletype_line(l->t, "", &text))
			return;
		end = strcmp(text, ".") == 0;
		line = strncmp(text, "..", 2) == 0 ? text + 1 : text;
		r = end ? LL_OK : add_line(d, at, line);
		if (!end && r == LL_OK) {
			at = d->cursor;
			l->dirty = true;
		}
		sodium_memzero(text, strlen(text));
		free(text);
		line_journal(l, false);
		if (r)
			teletype_say(l->t, "That line does not fit: a text "
			    "has at most %d bytes.\n", DRAFT_BODY_MAX);
		if (end)
			return;
	}
}

static void
say_list(struct line *l, const char *what, char *const *list, size_t count)
{
	size_t i;

	if (count == 0)
		return;
	teletype_say(l->t, "%s:", what);
	for (i = 0; i < count; i++)
		teletype_say(l->t, " %s", list[i]);
	teletype_say(l->t, "\n");
}

static void
say_attachments(struct line *l, const struct draft *d)
{
	size_t i;

	for (i = 0; i < d->attachment_count; i++)
		teletype_say(l->t, "Attachment %zu: %s, %llu bytes\n", i + 1,
		    d->attachments[i].name,
		    (unsigned long long)d->attachments[i].plain_bytes);
}

/* --- sending --- */

static bool
progress(void *arg, const char *what, size_t step, size_t steps)
{
	struct line *l = arg;

	teletype_say(l->t, "%s, %zu of %zu ...\n", what, step, steps);
	return !l->quit;
}

static void
print_text(struct line *l, void (*print)(FILE *out, const void *what),
    const void *what)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	print(out, what);
	if (fclose(out) == 0)
		teletype_put(l->t, text, len);
	if (text)
		sodium_memzero(text, len);
	free(text);
}

static void
print_plan(FILE *out, const void *what)
{
	exec_print_plan(out, what);
}

static void
print_sent(FILE *out, const void *what)
{
	exec_print_recipients(out, what, false);
}

static void
say_sent(struct line *l, const struct center_sent *s)
{
	char id[ID_TEXT + 1];

	id_text(&s->id, id);
	teletype_say(l->t, "Sent: %s\n", id);
	print_text(l, print_sent, s);
	l->sent = s->id;
	l->undo_until = s->undo_until;
	if (s->undo_until)
		teletype_say(l->t, "Type undo within %llu seconds to take it "
		    "back.\n", (unsigned long long)
		    (s->undo_until - (uint64_t)time(NULL)));
}

/* True when it was sent. */
static bool
send_now(struct line *l, struct draft *d, bool new_codes)
{
	struct center_send_options o = {
		.delay_secs = center_self(l->c)->undo_secs,
		.new_codes = new_codes, .progress = progress, .arg = l };
	struct center_plan p;
	struct center_sent s;
	enum ll_result r;
	bool yes;

	line_journal(l, true);
	r = center_plan_look(l->c, d, EXEC_LOOK_MS, &p);
	if (r) {
		line_fail(l, "plan", r);
		return false;
	}
	print_text(l, print_plan, &p);
	yes = teletype_yes(l->t, "Send it so?");
	if (yes) {
		r = center_send(l->c, d, &p, &o, &s);
		if (r) {
			line_fail(l, "send", r);
		} else {
			say_sent(l, &s);
			center_sent_finish(&s);
		}
	}
	center_plan_finish(&p);
	return yes && r == LL_OK;
}

/* --- the dialogue about a draft --- */

struct step {
	const char *name, *help;
	/* True: the draft's dialogue is over. */
	bool (*run)(struct line *l, struct draft *d, const char *rest);
};

static bool
step_send(struct line *l, struct draft *d, const char *rest)
{
	return send_now(l, d, strcmp(rest, "newcode") == 0);
}

static bool
step_show(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	say_list(l, "To", d->to, d->to_count);
	say_list(l, "Cc", d->cc, d->cc_count);
	teletype_say(l->t, "Subject: %s\n\n%s\n", d->subject, d->body);
	say_attachments(l, d);
	return false;
}

static bool
step_to(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	ask_addresses(l, d, "To (blanks between): ", false);
	return false;
}

static bool
step_cc(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	ask_addresses(l, d, "Cc (Enter for none): ", true);
	return false;
}

static bool
step_subject(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	ask_subject(l, d);
	return false;
}

static bool
step_add(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	ask_lines(l, d, strlen(d->body));
	return false;
}

static bool
step_rewrite(struct line *l, struct draft *d, const char *rest)
{
	(void)rest;
	if (draft_set_body(d, "") == LL_OK)
		ask_lines(l, d, 0);
	return false;
}

static bool
step_attach(struct line *l, struct draft *d, const char *rest)
{
	char path[CENTER_UPLOAD_PATH];
	bool changed;
	enum ll_result r;

	(void)rest;
	l->dirty = true;
	line_journal(l, true);
	r = draft_refresh(center_desk(l->c), d, &changed);
	if (r) {
		line_fail(l, "attach", r);
		return false;
	}
	say_attachments(l, d);
	center_upload_path(d, path);
	teletype_say(l->t, "To attach a file, from your own machine: "
	    "scp FILE HOST:%s\nThen type attach again to see it.\n", path);
	return false;
}

static bool
step_detach(struct line *l, struct draft *d, const char *rest)
{
	unsigned long n = strtoul(rest, NULL, 10);
	enum ll_result r = LL_NOTFOUND;

	if (n >= 1)
		r = draft_detach(center_desk(l->c), d, n - 1);
	if (r)
		line_fail(l, "detach", r);
	else
		say_attachments(l, d);
	return false;
}

static bool
step_expires(struct line *l, struct draft *d, const char *rest)
{
	unsigned long n = strtoul(rest, NULL, 10);

	if (n < 1 || n > 3650) {
		teletype_say(l->t, "expires DAYS, from 1 to 3650\n");
	} else {
		d->expires_days = n;
		l->dirty = true;
	}
	return false;
}

static bool
step_class(struct line *l, struct draft *d, const char *rest)
{
	if (class_parse(rest, &d->class)) {
		teletype_say(l->t, "class normal, class confidential or class "
		    "registered\n");
		return false;
	}
	l->dirty = true;
	teletype_say(l->t, "%s\n", center_class_sentence(d->class));
	return false;
}

/* "via ADDRESS ROUTE"; "via ADDRESS" takes the wish back. */
static bool
step_via(struct line *l, struct draft *d, const char *rest)
{
	size_t len = strcspn(rest, " =");
	const char *name = rest + len + strspn(rest + len, " =");
	enum route route = ROUTE_NONE;
	char address[321];
	enum ll_result r;

	if (len == 0 || len >= sizeof address
	    || (*name && route_parse(name, &route))) {
		teletype_say(l->t, "via ADDRESS ROUTE, with a route that the "
		    "plan calls possible; via ADDRESS alone: the usual one\n");
		return false;
	}
	(void)snprintf(address, sizeof address, "%.*s", (int)len, rest);
	r = draft_want(d, address, route);
	if (r)
		line_fail(l, "via", r);
	l->dirty = true;
	return false;
}

static bool
step_keep(struct line *l, struct draft *d, const char *rest)
{
	(void)d;
	(void)rest;
	l->dirty = true;
	line_journal(l, true);
	if (l->dirty)
		return false;
	teletype_say(l->t, "Kept: type drafts to go on with it.\n");
	return true;
}

static bool
step_discard(struct line *l, struct draft *d, const char *rest)
{
	enum ll_result r;

	(void)rest;
	if (!teletype_yes(l->t, "Discard this text for good?"))
		return false;
	r = d->version ? draft_delete(center_desk(l->c), &d->id) : LL_OK;
	if (r && r != LL_NOTFOUND) {
		line_fail(l, "discard", r);
		return false;
	}
	l->dirty = false;
	return true;
}

static bool step_help(struct line *l, struct draft *d, const char *rest);

static const struct step steps[] = {
	{ "send", "shows the plan, asks, sends (send newcode: no code is used "
	    "again)", step_send },
	{ "show", "shows the draft", step_show },
	{ "to", "asks for the recipients again", step_to },
	{ "cc", "asks for copies", step_cc },
	{ "subject", "asks for the subject again", step_subject },
	{ "add", "more text at the end", step_add },
	{ "rewrite", "the text from the start", step_rewrite },
	{ "attach", "how to attach files, and what is attached",
	    step_attach },
	{ "detach", "detach N takes attachment N away", step_detach },
	{ "expires", "expires DAYS", step_expires },
	{ "class", "class normal, confidential or registered", step_class },
	{ "via", "via ADDRESS ROUTE: another route that would do", step_via },
	{ "keep", "leaves it as a draft", step_keep },
	{ "discard", "deletes it", step_discard },
	{ "help", "lists this", step_help },
};

static bool
step_help(struct line *l, struct draft *d, const char *rest)
{
	size_t i;

	(void)d;
	(void)rest;
	for (i = 0; i < sizeof steps / sizeof *steps; i++)
		teletype_say(l->t, "%-8s %s\n", steps[i].name,
		    steps[i].help);
	return false;
}

static bool
run_step(struct line *l, struct draft *d, char *text)
{
	char *rest = text + strcspn(text, " ");
	size_t i;

	if (*rest)
		*rest++ = '\0';
	for (i = 0; i < sizeof steps / sizeof *steps; i++)
		if (strcmp(steps[i].name, text) == 0)
			return steps[i].run(l, d, rest);
	teletype_say(l->t, "send, show, add, to, cc, subject, attach, keep, "
	    "discard, or help?\n");
	return false;
}

/* The draft dialogue, until it is sent, kept or discarded.  Takes d over. */
static enum ll_result
write_draft(struct line *l, struct draft *d, bool ask_all)
{
	char *text;
	bool over = false;

	l->writing = d;
	l->dirty = ask_all;
	if (ask_all) {
		if (d->to_count == 0) {
			ask_addresses(l, d, "To (blanks between): ", false);
			ask_addresses(l, d, "Cc (Enter for none): ", true);
		} else {
			say_list(l, "To", d->to, d->to_count);
		}
		if (!*d->subject)
			ask_subject(l, d);
		ask_lines(l, d, 0);
	}
	while (!over && !l->quit) {
		line_journal(l, true);
		if (teletype_line(l->t, "draft> ", &text)) {
			line_journal(l, true);
			break;
		}
		center_active(l->c);
		over = *text && run_step(l, d, text);
		sodium_memzero(text, strlen(text));
		free(text);
	}
	l->writing = NULL;
	l->dirty = false;
	draft_finish(d);
	return LL_OK;
}

/* --- verbs --- */

enum ll_result
line_compose(struct line *l, struct verb_call *call)
{
	struct verb_call own = { .c = l->c };
	struct draft d;
	const char *subject = verb_option(call, "subject");
	enum ll_result r;
	size_t i;

	r = draft_init(&d);
	for (i = 0; r == LL_OK && i < call->option_count; i++)
		if (strncmp(call->options[i].name, "to", 2) == 0)
			r = exec_add_to(&own, &d, call->options[i].value);
	if (r == LL_OK && subject)
		r = draft_set_subject(&d, subject);
	if (r) {
		if (*own.why)
			teletype_say(l->t, "%s\n", own.why);
		draft_finish(&d);
		return *own.why ? LL_OK : r;
	}
	return write_draft(l, &d, true);
}

enum ll_result
line_reply(struct line *l, struct verb_call *call)
{
	struct center_message m;
	struct draft d;
	enum ll_result r;

	if (call->word_count != 1)
		return LL_USAGE;
	r = center_message_of(l->c, call->words[0], &m);
	if (r)
		return r;
	r = center_reply(l->c, &m, verb_option(call, "all") != NULL, &d);
	center_message_finish(&m);
	if (r)
		return r;
	if (!teletype_yes(l->t, "Quote the message below your text?")) {
		r = draft_set_body(&d, "");
		if (r) {
			draft_finish(&d);
			return r;
		}
	}
	return write_draft(l, &d, true);
}

enum ll_result
line_edit(struct line *l, struct verb_call *call)
{
	struct desk *desk = center_desk(l->c);
	struct draft d;
	struct id id;
	enum ll_result r;

	if (call->word_count != 1)
		return LL_USAGE;
	r = draft_find(desk, call->words[0], &id);
	if (r == LL_OK)
		r = draft_load(desk, &id, &d);
	if (r)
		return r;
	(void)step_show(l, &d, "");
	return write_draft(l, &d, false);
}
