#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/mail.h"
#include "tui/exec.h"

/* --- lists --- */

static json_t *
row_json(const struct center_row *row)
{
	return json_pack("{s:o,s:o,s:s,s:s,s:o,s:s,s:o,s:b,s:I,s:b}",
	    "id", exec_json_id(&row->id),
	    "thread", exec_json_id(&row->thread),
	    "folder", folder_name(row->folder),
	    "from", row->from,
	    "to", exec_json_list(row->to, row->to_count),
	    "subject", row->subject,
	    "date", exec_json_time(row->time),
	    "unread", (int)row->unread,
	    "attachments", (json_int_t)row->attachments,
	    "mail", (int)row->is_mail);
}

void
exec_print_row(FILE *out, const struct center_row *row, size_t n)
{
	char when[CENTER_TIME_TEXT], id[ID_TEXT + 1];
	const char *who = row->from;

	center_time_text(row->time, when);
	id_text(&row->id, id);
	if ((row->folder == FOLDER_SENT || row->folder == FOLDER_DRAFTS)
	    && row->to_count > 0)
		who = row->to[0];
	if (n)
		(void)fprintf(out, "%3zu ", n);
	(void)fprintf(out, "%.8s %c%c %.10s %.5s  %s%s  %s\n", id,
	    row->unread ? 'N' : ' ', row->is_mail ? '*' :
	    row->attachments ? '@' : ' ', when,
	    when + 11, who, who != row->from && row->to_count > 1 ? ", ..." :
	    "", row->result ? center_row_sentence(row->result) :
	    row->subject);
}

/* Rows go out one by one: a mailbox of 100,000 must not become one JSON
 * object in memory. */
static enum ll_result
put_row(struct verb_call *call, const struct center_row *row, size_t n)
{
	json_t *j;
	int failed;

	if (!call->json) {
		exec_print_row(call->out, row, 0);
		return LL_OK;
	}
	if (n > 0)
		(void)fputc(',', call->out);
	j = row_json(row);
	if (!j)
		return LL_NOMEM;
	failed = json_dumpf(j, call->out, JSON_COMPACT);
	json_decref(j);
	return failed ? LL_NOMEM : LL_OK;
}

static enum ll_result
put_rows(struct verb_call *call, const struct center_list *l, size_t most,
    size_t *n)
{
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < l->count && *n < most; i++)
		r = put_row(call, &l->rows[i], (*n)++);
	return r;
}

static void
put_frame(struct verb_call *call, const char *text)
{
	if (call->json)
		(void)fputs(text, call->out);
}

static enum ll_result
read_number(struct verb_call *call, const char *option, size_t max,
    size_t otherwise, size_t *n_r)
{
	const char *text = verb_option(call, option);
	char *end;
	unsigned long n;

	*n_r = otherwise;
	if (!text)
		return LL_OK;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n < 1 || n > max)
		return verb_fail(call, LL_USAGE,
		    "--%s must be a number from 1 to %zu", option, max);
	*n_r = n;
	return LL_OK;
}

static enum ll_result
list_folder(struct verb_call *call, enum folder folder, size_t most)
{
	struct center_list l;
	uint64_t before = 0;
	size_t n = 0;
	enum ll_result r;
	bool more;

	put_frame(call, "{\"messages\":[");
	do {
		r = center_list(call->c, folder, before, MAIL_PAGE_MAX, &l);
		if (r)
			return r;
		r = put_rows(call, &l, most, &n);
		/* A page may be short of what was asked for. */
		more = r == LL_OK && l.count > 0 && n < most && n < l.total;
		if (more)
			before = l.rows[l.count - 1].sequence;
		center_list_finish(&l);
	} while (more);
	put_frame(call, "]}\n");
	if (!call->json && n == 0)
		(void)fprintf(call->out, "nothing in %s\n",
		    folder_name(folder));
	return r;
}

enum ll_result
exec_list(struct verb_call *call)
{
	const char *name = verb_option(call, "folder");
	enum folder folder = FOLDER_INBOX;
	size_t most;
	enum ll_result r;

	if (!name && call->word_count == 1)
		name = call->words[0];
	if (call->word_count > (verb_option(call, "folder") ? 0 : 1))
		return verb_fail(call, LL_USAGE, "list needs no more words");
	if (name && folder_parse(name, &folder))
		return verb_fail(call, LL_USAGE, "the folders are inbox, "
		    "sent, drafts, archive and trash");
	r = read_number(call, "limit", 10000000, SIZE_MAX, &most);
	return r ? r : list_folder(call, folder, most);
}

enum ll_result
exec_drafts(struct verb_call *call)
{
	return list_folder(call, FOLDER_DRAFTS, SIZE_MAX);
}

enum ll_result
exec_thread(struct verb_call *call)
{
	struct center_list l;
	struct id id;
	size_t n = 0;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_thread_of(call->c, &id, &id);
	if (r)
		return r;
	r = center_thread(call->c, &id, &l);
	if (r)
		return r;
	put_frame(call, "{\"messages\":[");
	r = put_rows(call, &l, SIZE_MAX, &n);
	put_frame(call, "]}\n");
	center_list_finish(&l);
	return r;
}

/* --- moves --- */

static enum ll_result
done(struct verb_call *call, const struct id *id, const char *what)
{
	char text[ID_TEXT + 1], sentence[64];

	id_text(id, text);
	(void)snprintf(sentence, sizeof(sentence), "%.8s %s", text, what);
	return exec_became(call, id, what, sentence);
}

static enum ll_result
move(struct verb_call *call, enum folder folder)
{
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_move(call->c, &id, folder);
	return r ? r : done(call, &id, folder_name(folder));
}

enum ll_result
exec_archive(struct verb_call *call)
{
	return move(call, FOLDER_ARCHIVE);
}

enum ll_result
exec_trash(struct verb_call *call)
{
	return move(call, FOLDER_TRASH);
}

enum ll_result
exec_restore(struct verb_call *call)
{
	return move(call, FOLDER_INBOX);
}

enum ll_result
exec_purge(struct verb_call *call)
{
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_purge(call->c, &id);
	return r ? r : done(call, &id, "purged");
}

enum ll_result
exec_unread(struct verb_call *call)
{
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_mark_unread(call->c, &id);
	return r ? r : done(call, &id, "unread");
}

/* --- people --- */

enum ll_result
exec_people(struct verb_call *call)
{
	const char *prefix = call->word_count ? call->words[0] : "";
	struct center_people p;
	json_t *list;
	size_t i;
	enum ll_result r;

	r = center_people(call->c, prefix, &p);
	if (r)
		return r;
	list = call->json ? json_array() : NULL;
	for (i = 0; i < p.count; i++)
		if (call->json)
			(void)json_array_append_new(list, json_pack(
			    "{s:s,s:s}", "address", p.rows[i].address,
			    "name", p.rows[i].name));
		else
			(void)fprintf(call->out, "%s%s%s\n",
			    p.rows[i].address, *p.rows[i].name ? "  " : "",
			    p.rows[i].name);
	center_people_finish(&p);
	return call->json ? exec_json(call, json_pack("{s:o}", "people",
	    list)) : LL_OK;
}
