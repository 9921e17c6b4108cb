#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/tlv.h"
#include "keys/whole.h"
#include "tui/exec.h"

#define EXPIRES_MAX 3650        /* days */

/* --- recipients --- */

static enum ll_result
bad_address(struct verb_call *call, enum ll_result r, const char *address,
    const char *why)
{
	char *shown = why ? verb_quote(address, 100) : NULL;

	if (shown)
		r = verb_fail(call, r, "%s: %s", shown, why);
	free(shown);
	return r;
}

static enum ll_result
add_addresses(struct verb_call *call, struct draft *d, const char *text,
    enum ll_result (*add)(struct draft *d, const char *address,
    const char **why_r))
{
	const char *why, *p = text;
	char *one;
	size_t len;
	enum ll_result r;

	for (;;) {
		p += strspn(p, " ,\t\n");
		len = strcspn(p, " ,\t\n");
		if (len == 0)
			return LL_OK;
		one = strndup(p, len);
		if (!one)
			return LL_NOMEM;
		r = add(d, one, &why);
		if (r)
			r = bad_address(call, r, one, why);
		free(one);
		if (r)
			return r;
		p += len;
	}
}

enum ll_result
exec_add_to(struct verb_call *call, struct draft *d, const char *text)
{
	return add_addresses(call, d, text, draft_add_to);
}

static bool
is_named(const struct verb_option *o, const char *name)
{
	return strcspn(o->name, " +!") == strlen(name)
	    && strncmp(o->name, name, strlen(name)) == 0;
}

static enum ll_result
add_recipients(struct verb_call *call, struct draft *d)
{
	const struct verb_option *o;
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < call->option_count; i++) {
		o = &call->options[i];
		if (is_named(o, "to"))
			r = add_addresses(call, d, o->value, draft_add_to);
		else if (is_named(o, "cc"))
			r = add_addresses(call, d, o->value, draft_add_cc);
	}
	return r;
}

/* --- class and wanted routes --- */

static enum ll_result
set_class(struct verb_call *call, struct draft *d)
{
	const char *text = verb_option(call, "class");

	if (!text)
		return LL_OK;
	if (class_parse(text, &d->class))
		return verb_fail(call, LL_USAGE, "the classes are normal, "
		    "confidential and registered");
	return LL_OK;
}

static bool
is_recipient(const struct draft *d, const char *address)
{
	size_t i;

	for (i = 0; i < d->to_count; i++)
		if (strcasecmp(d->to[i], address) == 0)
			return true;
	for (i = 0; i < d->cc_count; i++)
		if (strcasecmp(d->cc[i], address) == 0)
			return true;
	return false;
}

/* One "ADDRESS=ROUTE". */
static enum ll_result
want_route(struct verb_call *call, struct draft *d, const char *text)
{
	const char *why = NULL, *equals = strrchr(text, '=');
	char *address, clean[321];
	enum route route;
	enum ll_result r;

	if (!equals || route_parse(equals + 1, &route) || route == ROUTE_NONE)
		return verb_fail(call, LL_USAGE, "--via wants ADDRESS=ROUTE; "
		    "the routes are internal, portal-enrolled, portal-muc, "
		    "smime, openpgp, domain and tls");
	address = strndup(text, (size_t)(equals - text));
	if (!address)
		return LL_NOMEM;
	r = clean_address(address, clean, &why);
	if (r)
		r = bad_address(call, r, address, why);
	else if (!is_recipient(d, clean))
		r = verb_fail(call, LL_USAGE, "--via names %s, who is no "
		    "recipient", clean);
	free(address);
	return r ? r : draft_want(d, clean, route);
}

static enum ll_result
set_routes(struct verb_call *call, struct draft *d)
{
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < call->option_count; i++)
		if (is_named(&call->options[i], "via"))
			r = want_route(call, d, call->options[i].value);
	return r;
}

/* --- the body --- */

/*
 * Whether the client itself is gone.  Its end of input shuts one direction of
 * our socket; a cut line or a killed client closes both, and then what came
 * may be half of what was meant.
 */
static bool
client_gone(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static enum ll_result
cut_short(struct verb_call *call)
{
	return verb_fail(call, LL_DENIED, "the connection ended before the "
	    "input did");
}

enum ll_result
exec_read(struct verb_call *call, size_t max, char **text_r, size_t *len_r)
{
	char *text = malloc(max + 2);
	size_t len;
	enum ll_result r;

	*text_r = NULL;
	*len_r = 0;
	if (!text)
		return LL_NOMEM;
	r = whole_read(call->in, text, max + 1, &len);
	if (r == LL_OK && client_gone(call->in))
		r = cut_short(call);
	if (r) {
		sodium_memzero(text, max + 2);
		free(text);
		return r;
	}
	text[len] = '\0';
	*text_r = text;
	*len_r = len;
	return LL_OK;
}

/* CRLF becomes LF; the text stays where it is. */
static void
unix_lines(char *text, size_t *len)
{
	size_t i, out = 0;

	for (i = 0; i < *len; i++)
		if (text[i] != '\r' || text[i + 1] != '\n')
			text[out++] = text[i];
	text[out] = '\0';
	*len = out;
}

static enum ll_result
set_body(struct verb_call *call, struct draft *d)
{
	char *text;
	size_t len = 0;
	enum ll_result r;

	r = exec_read(call, DRAFT_BODY_MAX, &text, &len);
	if (r)
		return r;
	if (len > DRAFT_BODY_MAX)
		r = verb_fail(call, LL_TOOBIG, "the text is over %d bytes: "
		    "send it as an attachment", DRAFT_BODY_MAX);
	else if (!utf8_valid(text, len))
		r = verb_fail(call, LL_PROTO, "the text is not valid UTF-8 "
		    "(or holds a NUL)");
	if (r == LL_OK) {
		unix_lines(text, &len);
		if (len > 0)
			r = draft_set_body(d, text);
	}
	sodium_memzero(text, DRAFT_BODY_MAX + 2);
	free(text);
	if (r == LL_OK && !*d->body && d->attachment_count == 0)
		r = verb_fail(call, LL_USAGE, "the message is empty: its text "
		    "comes on standard input");
	return r;
}

/* --- what a command describes --- */

static enum ll_result
find_draft(struct verb_call *call, const char *prefix, struct id *id_r)
{
	enum ll_result r = draft_find(center_desk(call->c), prefix, id_r);

	if (r == LL_NOTFOUND)
		return verb_fail(call, r, "no draft of yours has this id");
	if (r == LL_USAGE)
		return verb_fail(call, r, "that is no draft's id, or more "
		    "than one's beginning");
	return r;
}

static enum ll_result
load_draft(struct verb_call *call, const char *prefix, struct draft *d)
{
	struct id id;
	enum ll_result r = find_draft(call, prefix, &id);

	return r ? r : draft_load(center_desk(call->c), &id, d);
}

/* Thread, subject and, unless --to says otherwise, the recipient. */
static enum ll_result
load_reply(struct verb_call *call, const char *prefix, struct draft *d)
{
	struct center_message m;
	enum ll_result r;

	r = center_message_of(call->c, prefix, &m);
	if (r)
		return r;
	r = center_reply(call->c, &m, false, d);
	center_message_finish(&m);
	if (r)
		return r;
	if (verb_option(call, "to"))
		draft_clear_recipients(d);
	return draft_set_body(d, "");
}

static enum ll_result
begin_draft(struct verb_call *call, struct draft *d)
{
	const char *draft = verb_option(call, "draft");
	const char *reply = verb_option(call, "reply");

	if (draft && reply)
		return verb_fail(call, LL_USAGE,
		    "--draft and --reply don't go together");
	if (draft)
		return load_draft(call, draft, d);
	if (reply)
		return load_reply(call, reply, d);
	return draft_init(d);
}

static enum ll_result
set_subject(struct verb_call *call, struct draft *d)
{
	const char *subject = verb_option(call, "subject");
	enum ll_result r;

	if (!subject)
		return LL_OK;
	r = draft_set_subject(d, subject);
	if (r == LL_TOOBIG)
		return verb_fail(call, r, "the subject is over %d bytes",
		    DRAFT_SUBJECT_MAX);
	return r;
}

static enum ll_result
set_expiry(struct verb_call *call, struct draft *d)
{
	const char *text = verb_option(call, "expires");
	char *end;
	unsigned long n;

	if (!text)
		return LL_OK;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n < 1
	    || n > EXPIRES_MAX)
		return verb_fail(call, LL_USAGE, "--expires must be a number "
		    "of days from 1 to %d", EXPIRES_MAX);
	d->expires_days = n;
	return LL_OK;
}

static enum ll_result
stray_word(struct verb_call *call)
{
	char *shown = verb_quote(call->words[0], 60);
	enum ll_result r;

	r = verb_fail(call, LL_USAGE, "%s: not understood; recipients follow "
	    "--to", shown ? shown : "a word");
	free(shown);
	return r;
}

static enum ll_result
prepare(struct verb_call *call, struct draft *d)
{
	enum ll_result r;

	memset(d, 0, sizeof *d);
	if (call->word_count > 0)
		return stray_word(call);
	r = begin_draft(call, d);
	if (r == LL_OK)
		r = add_recipients(call, d);
	if (r == LL_OK)
		r = set_subject(call, d);
	if (r == LL_OK)
		r = set_expiry(call, d);
	if (r == LL_OK)
		r = set_class(call, d);
	if (r == LL_OK)
		r = set_routes(call, d);
	if (r == LL_OK && d->to_count + d->cc_count == 0)
		r = verb_fail(call, LL_USAGE,
		    "nobody to send it to: --to ADDRESS");
	return r;
}

/* --- send --- */

static enum ll_result
put_sent(struct verb_call *call, const struct center_sent *s)
{
	char id[ID_TEXT + 1];

	if (call->json)
		return exec_json(call, exec_sent_json(s));
	id_text(&s->id, id);
	(void)fprintf(call->out, "sent: %s\n", id);
	exec_print_recipients(call->out, s, false);
	return LL_OK;
}

static enum ll_result
send_draft(struct verb_call *call, const struct draft *d)
{
	struct center_send_options o = { 0 };
	struct center_plan p;
	struct center_sent s;
	enum ll_result r;

	r = center_plan_look(call->c, d, EXEC_LOOK_MS, &p);
	if (r)
		return r;
	r = center_send(call->c, d, &p, &o, &s);
	center_plan_finish(&p);
	if (r)
		return r;
	r = put_sent(call, &s);
	center_sent_finish(&s);
	return r;
}

enum ll_result
exec_plan(struct verb_call *call)
{
	struct center_plan p;
	struct draft d;
	enum ll_result r;

	r = prepare(call, &d);
	if (r == LL_OK)
		r = center_plan_look(call->c, &d, EXEC_LOOK_MS, &p);
	if (r == LL_OK) {
		r = exec_put_plan(call, &p);
		center_plan_finish(&p);
	}
	draft_finish(&d);
	return r;
}

enum ll_result
exec_send(struct verb_call *call)
{
	struct draft d;
	enum ll_result r;

	r = prepare(call, &d);
	if (r == LL_OK)
		r = set_body(call, &d);
	if (r == LL_OK)
		r = send_draft(call, &d);
	draft_finish(&d);
	return r;
}

/* --- drafts --- */

enum ll_result
exec_attach(struct verb_call *call)
{
	struct desk *desk = center_desk(call->c);
	const char *name = verb_option(call, "name");
	const char *type = verb_option(call, "type");
	const struct draft_attachment *a;
	struct draft d;
	enum ll_result r;

	if (call->word_count != 1 || !name)
		return verb_fail(call, LL_USAGE,
		    "attach needs a draft's id and --name FILE");
	r = load_draft(call, call->words[0], &d);
	if (r)
		return r;
	r = draft_attach(desk, &d, name, type ? type :
	    "application/octet-stream", call->in);
	if (r == LL_OK && client_gone(call->in))
		r = cut_short(call);
	if (r == LL_OK)
		r = draft_save(desk, &d);
	if (r == LL_OK) {
		a = &d.attachments[d.attachment_count - 1];
		if (call->json)
			r = exec_json(call, json_pack("{s:o,s:s,s:I}",
			    "draft", exec_json_id(&d.id), "name", a->name,
			    "size", (json_int_t)a->plain_bytes));
		else
			(void)fprintf(call->out, "attached: %s\n", a->name);
	}
	draft_finish(&d);
	return r;
}

enum ll_result
exec_discard(struct verb_call *call)
{
	struct id id;
	enum ll_result r;

	if (call->word_count != 1)
		return verb_fail(call, LL_USAGE, "discard needs one id");
	r = find_draft(call, call->words[0], &id);
	if (r == LL_OK)
		r = draft_delete(center_desk(call->c), &id);
	return r ? r : exec_became(call, &id, "discarded", "discarded");
}
