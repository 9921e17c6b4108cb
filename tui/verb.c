#include "tui/verb.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/exec.h"
#include "tui/line.h"

#define X VERB_EXEC
#define L VERB_LINE
#define S VERB_SCREEN
#define U VERB_UNLOCKED
#define R VERB_RAW

static const struct verb table[] = {
	{ "help", "?", "keys verbs commands", "[VERB]", "", "lists the verbs, "
	    "or explains one", VERB_ALL, X | L | S, exec_help, NULL },
	{ "whoami", "", "account role locked", "", "", "says who you are and "
	    "whether the mailbox is locked", VERB_ALL, X | L | S,
	    exec_whoami, NULL },
	{ "list", "f", "folder inbox index messages", "[--folder FOLDER] "
	    "[--limit N]", "folder limit", "lists a folder: inbox, sent, "
	    "drafts, archive or trash", VERB_STAFF, X | L | S | U, exec_list,
	    line_list },
	{ "show", "Enter", "read open message", "ID", "", "shows a message "
	    "and marks it read", VERB_STAFF, X | L | S | U, exec_show, NULL },
	{ "read", "", "", "N", "", "the same as show", VERB_STAFF, L | U,
	    exec_show, NULL },
	{ "thread", "t", "conversation", "ID", "", "lists a message's whole "
	    "thread", VERB_STAFF, X | L | S | U, exec_thread,
	    line_thread },
	{ "more", "", "next page", "", "", "goes on with the last list",
	    VERB_STAFF, L | U, NULL, line_more },
	{ "next", "Space", "unread", "", "", "shows the next unread message",
	    VERB_STAFF, L | S | U, NULL, line_next },
	{ "send", "", "", "--to ADDRESS... [--cc ADDRESS...] --subject WORDS "
	    "[--reply ID] [--draft ID] [--expires DAYS] [--class CLASS] "
	    "[--via ADDRESS=ROUTE...]",
	    "to+ cc+ subject reply draft expires class via+",
	    "sends what comes on standard input", VERB_STAFF, X | U,
	    exec_send, NULL },
	{ "plan", "", "route recipients", "--to ADDRESS... [--cc ADDRESS...] "
	    "[--draft ID] [--class CLASS] [--via ADDRESS=ROUTE...]",
	    "to+ cc+ draft class via+", "says how each recipient would be "
	    "reached; sends nothing", VERB_STAFF, X | L | U, exec_plan, NULL },
	{ "key", "K", "keys certificate openpgp smime trust confirm",
	    "add --for ADDRESS|@DOMAIN | list [--for ADDRESS] | "
	    "confirm FINGERPRINT [--for ADDRESS] | remove FINGERPRINT "
	    "[--for ADDRESS] | export [--smime | --openpgp] | import",
	    "for smime! openpgp!", "keeps other people's keys, and gives out "
	    "yours", VERB_STAFF | VERB_ADMIN, X | L | S, exec_key, line_key },
	{ "compose", "c", "write new message mail", "[--to ADDRESS...]",
	    "to+ subject", "writes a new message", VERB_STAFF, L | S | U,
	    NULL, line_compose },
	{ "reply", "r", "answer", "ID", "all!", "answers a message (--all: "
	    "everybody)", VERB_STAFF, L | S | U, NULL, line_reply },
	{ "drafts", "B", "resume continue unfinished", "", "", "lists what you "
	    "began to write", VERB_STAFF, L | S | U, exec_drafts, line_drafts },
	{ "edit", "Enter", "resume continue draft", "ID", "", "goes on with a "
	    "draft", VERB_STAFF, L | S | U, NULL, line_edit },
	{ "discard", "P", "delete draft", "ID", "", "deletes a draft",
	    VERB_STAFF, X | L | S | U, exec_discard, NULL },
	{ "attach", "", "file upload attachment", "DRAFT --name FILE "
	    "[--type MEDIA/TYPE]", "name type", "adds what comes on standard "
	    "input to a draft", VERB_STAFF, X | U, exec_attach, NULL },
	{ "undo", "u", "take back unsend", "ID", "", "takes a message back "
	    "while its countdown runs", VERB_STAFF, X | L | S | U, exec_undo,
	    NULL },
	{ "status", "s", "outcome delivery events code muc", "ID", "", "says "
	    "what became of a sent message, recipient by recipient",
	    VERB_STAFF, X | L | S | U, exec_status, NULL },
	{ "withdraw", "w", "revoke destroy", "ID [--to ADDRESS] "
	    "[--reason WORDS]", "to reason", "withdraws a message from those "
	    "who have not opened it", VERB_STAFF, X | L | S | U,
	    exec_withdraw, NULL },
	{ "reissue", "i", "new link code muc frozen", "ID --to ADDRESS", "to",
	    "makes a new link and code for one recipient", VERB_STAFF,
	    X | L | S | U, exec_reissue, NULL },
	{ "archive", "a", "move file away", "ID", "", "moves a message to the "
	    "archive", VERB_STAFF, X | L | S, exec_archive, NULL },
	{ "trash", "d", "delete remove", "ID", "", "moves a message to the "
	    "trash", VERB_STAFF, X | L | S, exec_trash, NULL },
	{ "restore", "", "inbox move back", "ID", "", "moves a message back "
	    "to the inbox", VERB_STAFF, X | L | S, exec_restore, NULL },
	{ "purge", "P", "destroy for good", "ID", "", "removes a message from "
	    "the trash for good", VERB_STAFF, X | L | S, exec_purge, NULL },
	{ "unread", "N", "mark new", "ID", "", "marks a message unread",
	    VERB_STAFF, X | L | S, exec_unread, NULL },
	{ "people", "", "addresses completion contacts", "[WORD]", "",
	    "lists staff and those you have written to", VERB_STAFF,
	    X | L | U, exec_people, NULL },
	{ "unlock", "o", "passphrase open", "", "", "opens the mailbox with "
	    "your passphrase", VERB_STAFF, L | S, NULL, line_unlock },
	{ "lock", "", "close vault", "", "", "locks the mailbox and leaves",
	    VERB_STAFF, L | S, NULL, line_lock },
	{ "user", "", "staff account ticket", "add NAME --email E [--name N] "
	    "[--role R] | list | disable NAME | enable NAME | reset NAME",
	    "", "manages accounts", VERB_ADMIN, X | L | R, exec_admin,
	    NULL },
	{ "server-status", "", "health processes", "", "", "says how the "
	    "server does", VERB_ADMIN, X | L | R, exec_admin, NULL },
	{ "queue", "", "outbound mail notifications", "", "", "lists what "
	    "waits to be mailed", VERB_ADMIN, X | L | R, exec_admin,
	    NULL },
	{ "log", "", "evidence events", "", "", "lists the log's last "
	    "entries", VERB_ADMIN | VERB_AUDITOR, X | L | R, exec_admin,
	    NULL },
	{ "quit", "q", "exit logout leave", "", "", "leaves", VERB_ALL, L | S,
	    NULL, line_quit },
};

#undef X
#undef L
#undef S
#undef U
#undef R

const struct verb *
verb_table(size_t *count_r)
{
	*count_r = sizeof table / sizeof *table;
	return table;
}

bool
verb_allowed(const struct verb *v, enum user_role role)
{
	return role >= ROLE_STAFF && role <= ROLE_AUDITOR
	    && (v->roles & 1u << (role - 1));
}

enum ll_result
verb_find(const char *name, enum user_role role, unsigned face,
    const struct verb **v_r)
{
	const struct verb *v, *found = NULL;
	size_t i, matches = 0, len = strlen(name);
	bool denied = false;

	*v_r = NULL;
	for (i = 0; i < sizeof table / sizeof *table; i++) {
		v = &table[i];
		if (!(v->flags & face))
			continue;
		if (strcmp(v->name, name) == 0 && verb_allowed(v, role)) {
			*v_r = v;
			return LL_OK;
		}
		denied |= strcmp(v->name, name) == 0;
		if (face == VERB_LINE && len && verb_allowed(v, role)
		    && strncmp(v->name, name, len) == 0) {
			found = v;
			matches++;
		}
	}
	if (denied)
		return LL_DENIED;
	*v_r = matches == 1 ? found : NULL;
	return *v_r ? LL_OK : LL_USAGE;
}

enum ll_result
verb_fail(struct verb_call *call, enum ll_result r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(call->why, sizeof call->why, format, ap);
	va_end(ap);
	return r;
}

char *
verb_quote(const char *text, size_t max)
{
	char *clean;

	if (clean_text(text, strlen(text), CLEAN_LINE, &clean))
		return NULL;
	if (strlen(clean) > max) {
		while (max > 0 && ((unsigned char)clean[max] & 0xc0) == 0x80)
			max--;
		clean[max] = '\0';
	}
	return clean;
}

/* --- options --- */

/* Looks name up in "to+ subject all!": *repeats_r, *flag_r; false when it is
 * none of them. */
static bool
option_known(const char *spec, const char *name, size_t len,
    bool *repeats_r, bool *flag_r, const char **known_r)
{
	const char *p = spec;
	size_t n;

	*repeats_r = *flag_r = false;
	if (len == 4 && strncmp(name, "json", 4) == 0) {
		*flag_r = true;
		*known_r = "json";
		return true;
	}
	for (; *p; p += strspn(p, " ")) {
		n = strcspn(p, " +!");
		if (n == len && strncmp(p, name, len) == 0) {
			*repeats_r = p[n] == '+';
			*flag_r = p[n] == '!';
			*known_r = p;
			return true;
		}
		p += strcspn(p, " ");
	}
	return false;
}

static bool
is_option(const struct split_word *w)
{
	return !w->quoted && strncmp(w->text, "--", 2) == 0;
}

static enum ll_result
add_option(struct verb_call *call, const char *known, char *value,
    bool repeats)
{
	struct verb_option *grown;
	size_t len = strcspn(known, " +!");

	if (!repeats && verb_option(call, known)) {
		free(value);
		return verb_fail(call, LL_USAGE, "--%.*s is given twice",
		    (int)len, known);
	}
	grown = realloc(call->options,
	    (call->option_count + 1) * sizeof *grown);
	if (!grown) {
		free(value);
		return LL_NOMEM;
	}
	call->options = grown;
	grown[call->option_count].name = known;
	grown[call->option_count++].value = value;
	return LL_OK;
}

/* The option at word i; *used_r words belong to it. */
static enum ll_result
parse_option(struct verb_call *call, const struct split *w, size_t i,
    size_t *used_r)
{
	const char *name = w->w[i].text + 2, *known, *equals;
	size_t len = strcspn(name, "="), n = 0;
	bool repeats, flag;
	char *value, *shown;
	enum ll_result r;

	*used_r = 1;
	if (!option_known(call->verb->options, name, len, &repeats, &flag,
	    &known)) {
		shown = verb_quote(w->w[i].text, 60);
		if (!shown)
			return LL_NOMEM;
		r = verb_fail(call, LL_USAGE, "%s has no option %s",
		    call->verb->name, shown);
		free(shown);
		return r;
	}
	equals = name[len] == '=' ? name + len + 1 : NULL;
	while (!flag && !equals && i + 1 + n < w->count
	    && !is_option(&w->w[i + 1 + n]))
		n++;
	if (!flag && !equals && n == 0)
		return verb_fail(call, LL_USAGE, "--%.*s needs a value",
		    (int)len, name);
	if (flag && equals)
		return verb_fail(call, LL_USAGE, "--%.*s takes no value",
		    (int)len, name);
	*used_r = 1 + n;
	if (flag || equals)
		value = strdup(equals ? equals : "");
	else if (split_join(w, i + 1, n, &value))
		value = NULL;
	if (!value)
		return LL_NOMEM;
	return add_option(call, known, value, repeats);
}

enum ll_result
verb_parse(struct verb_call *call, const struct split *w, size_t first)
{
	size_t i, used;
	enum ll_result r;

	call->raw = w;
	if (call->verb->flags & VERB_RAW)
		return LL_OK;
	for (i = first; i < w->count; i += used) {
		used = 1;
		if (is_option(&w->w[i])) {
			r = parse_option(call, w, i, &used);
			if (r)
				return r;
			continue;
		}
		if (call->word_count == VERB_POSITIONAL_MAX)
			return verb_fail(call, LL_USAGE, "too many words");
		call->words[call->word_count] = strdup(w->w[i].text);
		if (!call->words[call->word_count])
			return LL_NOMEM;
		call->word_count++;
	}
	call->json = verb_option(call, "json") != NULL;
	return LL_OK;
}

void
verb_call_finish(struct verb_call *call)
{
	size_t i;

	for (i = 0; i < call->word_count; i++)
		free(call->words[i]);
	call->word_count = 0;
	for (i = 0; i < call->option_count; i++) {
		sodium_memzero(call->options[i].value,
		    strlen(call->options[i].value));
		free(call->options[i].value);
	}
	free(call->options);
	call->options = NULL;
	call->option_count = 0;
}

const char *
verb_option(const struct verb_call *call, const char *name)
{
	size_t i, len = strcspn(name, " +!");

	for (i = 0; i < call->option_count; i++)
		if (strcspn(call->options[i].name, " +!") == len
		    && strncmp(call->options[i].name, name, len) == 0)
			return call->options[i].value;
	return NULL;
}

/* --- help --- */

void
verb_print_usage(FILE *out, const struct verb *v)
{
	(void)fprintf(out, "usage: %s%s%s%s\n%s: %s.\n", v->name,
	    *v->arguments ? " " : "", v->arguments,
	    v->flags & VERB_EXEC ? " [--json]" : "", v->name, v->help);
	if (*v->key)
		(void)fprintf(out, "On the screen: %s\n", v->key);
}

void
verb_print_help(FILE *out, enum user_role role, unsigned face)
{
	const struct verb *v;
	size_t i;

	for (i = 0; i < sizeof table / sizeof *table; i++) {
		v = &table[i];
		if ((v->flags & face) && verb_allowed(v, role))
			(void)fprintf(out, "%-14s %s\n", v->name, v->help);
	}
}
