#include "tui/exec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/whole.h"

/* --- helpers of all parts --- */

const char *
exec_words(const struct verb_call *call, enum ll_result r)
{
	return *call->why ? call->why : center_words(call->c, r);
}

json_t *
exec_json_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

json_t *
exec_json_time(uint64_t when)
{
	char text[CENTER_TIME_TEXT];

	if (!when)
		return json_null();
	center_time_text(when, text);
	return json_string(text);
}

json_t *
exec_json_id(const struct id *id)
{
	static const struct id none;
	char text[ID_TEXT + 1];

	if (id_equal(id, &none))
		return json_null();
	id_text(id, text);
	return json_string(text);
}

json_t *
exec_json_list(char *const *list, size_t count)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; j && i < count; i++)
		if (json_array_append_new(j, json_string(list[i])) != 0) {
			json_decref(j);
			return NULL;
		}
	return j;
}

enum ll_result
exec_json(struct verb_call *call, json_t *j)
{
	int failed;

	if (!j)
		return LL_NOMEM;
	failed = json_dumpf(j, call->out, JSON_COMPACT);
	json_decref(j);
	(void)fputc('\n', call->out);
	return failed ? LL_NOMEM : LL_OK;
}

enum ll_result
exec_became(struct verb_call *call, const struct id *id, const char *state,
    const char *sentence)
{
	if (call->json)
		return exec_json(call, json_pack("{s:o,s:s}", "id",
		    exec_json_id(id), "state", state));
	(void)fprintf(call->out, "%s\n", sentence);
	return LL_OK;
}

enum ll_result
exec_id(struct verb_call *call, struct id *id_r)
{
	if (call->word_count != 1)
		return verb_fail(call, LL_USAGE, "%s needs one id",
		    call->verb->name);
	return center_find(call->c, call->words[0], id_r);
}

/* --- help, whoami --- */

static json_t *
help_json(enum user_role role)
{
	json_t *list = json_array();
	const struct verb *v;
	size_t i, count;

	v = verb_table(&count);
	for (i = 0; i < count; i++)
		if ((v[i].flags & VERB_EXEC) && verb_allowed(&v[i], role)
		    && json_array_append_new(list, json_pack(
		    "{s:s,s:s,s:s,s:s}", "verb", v[i].name, "arguments",
		    v[i].arguments, "help", v[i].help, "key",
		    v[i].key)) != 0) {
			json_decref(list);
			return NULL;
		}
	return json_pack("{s:o}", "verbs", list);
}

enum ll_result
exec_help(struct verb_call *call)
{
	enum user_role role = center_self(call->c)->role;
	unsigned face = call->in < 0 ? VERB_LINE : VERB_EXEC;
	const struct verb *v;
	enum ll_result r;

	if (call->json)
		return exec_json(call, help_json(role));
	if (call->word_count == 0) {
		verb_print_help(call->out, role, face);
		return LL_OK;
	}
	r = verb_find(call->words[0], role, face, &v);
	if (r)
		return verb_fail(call, r, "there is no such verb for you; "
		    "`help` lists them");
	verb_print_usage(call->out, v);
	return LL_OK;
}

enum ll_result
exec_whoami(struct verb_call *call)
{
	const struct desk_self *s = center_self(call->c);
	json_t *factors;
	size_t i;

	if (call->json) {
		factors = json_array();
		for (i = 0; i < s->factor_count; i++)
			(void)json_array_append_new(factors,
			    json_string(s->factors[i]));
		return exec_json(call, json_pack("{s:s,s:s,s:s,s:b,s:o}",
		    "user", s->user, "email", s->email, "role",
		    role_name(s->role), "locked", (int)s->locked, "factors",
		    factors));
	}
	(void)fprintf(call->out, "%s <%s>, %s\n", s->user, s->email,
	    role_name(s->role));
	(void)fprintf(call->out, "mailbox: %s\n",
	    s->locked ? "locked" : "open");
	(void)fprintf(call->out, "logged in with:");
	for (i = 0; i < s->factor_count; i++)
		(void)fprintf(call->out, " %s", s->factors[i]);
	(void)fputc('\n', call->out);
	return LL_OK;
}

/* --- running --- */

/* Writes the verb's text, then does what was to follow. */
static enum ll_result
deliver(struct verb_call *call, const char *text, size_t len, int fd)
{
	enum ll_result r;

	r = whole_write(fd, text, len);
	/* "read" only once every byte of the body has gone out; that it could
	 * not be recorded is no failure of who has read it. */
	if (r == LL_OK && call->was_shown
	    && center_mark_read(call->c, &call->shown))
		return LL_OK;
	return r;
}

static enum ll_result
run(struct verb_call *call, const struct split *w)
{
	enum ll_result r;

	r = verb_parse(call, w, 1);
	if (r)
		return r;
	if ((call->verb->flags & VERB_UNLOCKED)
	    && center_self(call->c)->locked)
		return LL_LOCKED;
	return call->verb->run(call);
}

/* The verb's output into memory; to fd when it succeeded. */
static enum ll_result
run_buffered(struct verb_call *call, const struct split *w, int fd)
{
	char *text = NULL;
	size_t len = 0;
	enum ll_result r;
	bool whole;

	call->out = open_memstream(&text, &len);
	if (!call->out)
		return LL_NOMEM;
	r = run(call, w);
	whole = !ferror(call->out);
	if (fclose(call->out) != 0 || !whole)
		r = r ? r : LL_NOMEM;
	if (r == LL_OK)
		r = deliver(call, text, len, fd);
	if (text)
		sodium_memzero(text, len);
	free(text);
	return r;
}

/* One line on standard error: foreign words in it are cleaned. */
static void
complain(const char *verb, const char *words)
{
	char *clean = NULL, *line = NULL;
	int len;

	if (clean_text(words, strlen(words), CLEAN_LINE, &clean))
		return;
	len = *verb ? asprintf(&line, "%s: %s\n", verb, clean) :
	    asprintf(&line, "%s\n", clean);
	if (len >= 0 && whole_write(STDERR_FILENO, line, (size_t)len)) {
		/* nobody is left to be told */
	}
	if (len >= 0)
		free(line);
	free(clean);
}

int
exec_main(struct center *c)
{
	struct verb_call call = { .c = c, .in = STDIN_FILENO };
	struct split w;
	const char *why = NULL;
	enum ll_result r;

	r = split_command(desk_command(center_desk(c)), &w, &why);
	if (r) {
		complain("", why ? why : ll_result_text(r));
		return ll_result_exit(r);
	}
	r = verb_find(w.count ? w.w[0].text : "", center_self(c)->role,
	    VERB_EXEC, &call.verb);
	if (r) {
		complain("", r == LL_DENIED ? "that is another role's verb" :
		    "no such verb; `help` lists what there is");
		split_finish(&w);
		return ll_result_exit(r);
	}
	r = run_buffered(&call, &w, STDOUT_FILENO);
	if (r)
		complain(r == LL_LOCKED ? "" : call.verb->name,
		    exec_words(&call, r));
	verb_call_finish(&call);
	split_finish(&w);
	return ll_result_exit(r);
}
