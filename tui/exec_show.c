/*
 * show: one message, as text for people and as JSON for programs.
 */
#include <stdlib.h>
#include <string.h>

#include "tui/exec.h"

static json_t *
attachments_json(const struct center_message *m)
{
	json_t *list = json_array();
	const struct center_attachment *a;
	size_t i;

	for (i = 0; list && i < m->attachment_count; i++) {
		a = &m->attachments[i];
		if (json_array_append_new(list, json_pack(
		    "{s:i,s:s,s:I,s:s,s:s}", "n", (int)a->n, "name", a->name,
		    "size", (json_int_t)a->bytes, "type", a->type, "path",
		    a->path)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* What only mail has, beside the fields that every message has. */
static int
add_mail(json_t *j, const struct center_opened *m)
{
	json_t *signature = json_object_get(j, "signature");
	json_t *parts = json_array();
	size_t i;

	for (i = 0; i < m->section_count; i++)
		(void)json_array_append_new(parts, json_pack("{s:I,s:s}",
		    "at", (json_int_t)m->sections[i].at, "title",
		    m->sections[i].title));
	return json_object_set_new(signature, "parts",
	    json_string(m->parts)) ||
	    json_object_set_new(signature, "fingerprint",
	    json_string(m->fingerprint)) ||
	    json_object_set_new(signature, "reason",
	    json_string(m->reason)) ||
	    json_object_set_new(signature, "encrypted",
	    json_string(m->encrypted)) ||
	    json_object_set_new(j, "opened", json_boolean(m->opened)) ||
	    json_object_set_new(j, "subject_protected",
	    json_boolean(!m->subject_outside)) ||
	    json_object_set_new(j, "sections", parts) ||
	    json_object_set_new(j, "notes",
	    exec_json_list(m->notes, m->note_count));
}

static json_t *
message_json(const struct center_message *m)
{
	json_t *j;

	j = json_pack("{s:o,s:o,s:s,s:o,s:o,s:s,s:o,s:s,s:{s:s,s:b},s:o}",
	    "id", exec_json_id(&m->row.id),
	    "thread", exec_json_id(&m->row.thread),
	    "from", m->row.from,
	    "to", exec_json_list(m->tos, m->tos_count),
	    "cc", exec_json_list(m->cc, m->cc_count),
	    "subject", m->row.subject,
	    "date", exec_json_time(m->row.time),
	    "body", m->body,
	    "signature", "by", m->signer, "valid", (int)m->valid,
	    "attachments", attachments_json(m));
	if (j && m->row.is_mail && add_mail(j, &m->mail)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static void
print_list(FILE *out, const char *what, char *const *list, size_t count)
{
	size_t i;

	if (count == 0)
		return;
	(void)fprintf(out, "%s: ", what);
	for (i = 0; i < count; i++)
		(void)fprintf(out, "%s%s", i ? ", " : "", list[i]);
	(void)fputc('\n', out);
}

/* --- text --- */

static void
print_head(FILE *out, const struct center_message *m)
{
	char when[CENTER_TIME_TEXT];

	center_time_text(m->row.time, when);
	(void)fprintf(out, "Subject%s: %s\n", m->row.is_mail &&
	    m->mail.subject_outside ? " (not protected)" : "",
	    m->row.subject);
	if (*m->row.from_name)
		(void)fprintf(out, "From: %s <%s>\n", m->row.from_name,
		    m->row.from);
	else
		(void)fprintf(out, "From: %s\n", m->row.from);
	print_list(out, "To", m->tos, m->tos_count);
	print_list(out, "Cc", m->cc, m->cc_count);
	(void)fprintf(out, "Date: %s\n", when);
}

static void
print_files(FILE *out, const struct center_message *m)
{
	const struct center_attachment *a;
	size_t i;

	for (i = 0; i < m->attachment_count; i++) {
		a = &m->attachments[i];
		(void)fprintf(out, "Attachment %u: %s, %llu bytes, %s "
		    "(sftp: %s)\n", a->n, a->name,
		    (unsigned long long)a->bytes, a->type, a->path);
	}
}

/* What is ours stands above the text, and the text between lines whose mark
 * it could not know: whatever it says, it says as the sender's words. */
static void
print_mail(FILE *out, const struct center_message *m)
{
	const struct center_opened *o = &m->mail;
	char mark[ID_TEXT + 1];
	struct id random;
	size_t i, at = 0, end;

	id_random(&random);
	id_text(&random, mark);
	if (m->valid)
		(void)fprintf(out, "Signature: good, by %s. %s\n", m->signer,
		    o->reason);
	else if (o->opened)
		(void)fprintf(out, "Signature: NOT PROVEN%s%s. %s\n",
		    *m->signer ? ", by the key of " : "", m->signer,
		    o->reason);
	else
		(void)fprintf(out, "Sealed: %s\n", o->reason);
	if (*o->fingerprint)
		(void)fprintf(out, "Signed parts: %s, key %s\n", o->parts,
		    o->fingerprint);
	(void)fprintf(out, "Encrypted: %s\n", *o->encrypted ? o->encrypted :
	    o->opened ? "no" : "not known");
	for (i = 0; i < o->note_count; i++)
		(void)fprintf(out, "Note: %s\n", o->notes[i]);
	if (!o->opened) {
		print_files(out, m);
		return;
	}
	(void)fprintf(out, "--- %.10s: the sender's words, down to the line "
	    "with this mark and \"end\" ---\n", mark);
	for (i = 0; i <= o->section_count; i++) {
		end = i < o->section_count ? o->sections[i].at : m->body_len;
		(void)fwrite(m->body + at, 1, end - at, out);
		if (i < o->section_count)
			(void)fprintf(out, "--- %.10s: %s ---\n", mark,
			    o->sections[i].title);
		at = end;
	}
	(void)fprintf(out, "--- %.10s: end ---\n", mark);
	print_files(out, m);
}

/* Message first, the rest last: who listens to it wants the words. */
static void
print_own(FILE *out, const struct center_message *m)
{
	(void)fprintf(out, "\n%s", m->body);
	if (m->body_len > 0 && m->body[m->body_len - 1] != '\n')
		(void)fputc('\n', out);
	(void)fputc('\n', out);
	print_files(out, m);
	(void)fprintf(out, "Signature: %s%s\n", m->valid ? "good, by " :
	    *m->signer ? "WRONG: not what was signed by " :
	    "none: it came by a web link", m->signer);
}

static void
print_message(FILE *out, const struct center_message *m)
{
	char id[ID_TEXT + 1];

	id_text(&m->row.id, id);
	print_head(out, m);
	if (m->row.is_mail)
		print_mail(out, m);
	else
		print_own(out, m);
	(void)fprintf(out, "Id: %s\n", id);
}

enum ll_result
exec_show(struct verb_call *call)
{
	struct center_message m;
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_message(call->c, &id, &m);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, message_json(&m));
	else
		print_message(call->out, &m);
	center_message_finish(&m);
	call->shown = id;
	call->was_shown = r == LL_OK;
	return r;
}
