#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sodium.h>

#include "keys/clean.h"
#include "store/opened.h"
#include "tui/center_part.h"

/* --- rows --- */

static void
row_finish(struct center_row *row)
{
	center_free_list(&row->to, &row->to_count);
	free(row->from);
	free(row->from_name);
	if (row->subject)
		sodium_memzero(row->subject, strlen(row->subject));
	free(row->subject);
	memset(row, 0, sizeof *row);
}

/* Appends cleaned copies of texts to a list. */
static enum ll_result
add_cleaned(char ***list, size_t *count, char *const *texts, size_t more)
{
	char **grown;
	enum ll_result r;
	size_t i;

	if (more == 0)
		return LL_OK;
	grown = realloc(*list, (*count + more) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	*list = grown;
	for (i = 0; i < more; i++) {
		r = center_clean(texts[i], CLEAN_LINE, &grown[*count]);
		if (r)
			return r;
		(*count)++;
	}
	return LL_OK;
}

/* An envelope that was not opened has no strings. */
static enum ll_result
clean_or_none(const char *text, char **out_r)
{
	return center_clean(text ? text : "", CLEAN_LINE, out_r);
}

/* A name that looks like an address, and is not the address, is there to be
 * taken for it. */
static const char *
honest_name(const struct envelope *e)
{
	if (!e->from_name || (strchr(e->from_name, '@') &&
	    strcasecmp(e->from_name, e->from ? e->from : "") != 0))
		return "";
	return e->from_name;
}

static enum ll_result
row_fill(const struct mail_row *m, struct center_row *row_r)
{
	const struct envelope *e = &m->envelope;
	enum ll_result r;

	memset(row_r, 0, sizeof *row_r);
	row_r->id = m->id;
	row_r->thread = m->result == LL_OK ? e->thread : m->id;
	row_r->sequence = m->sequence;
	row_r->folder = m->folder;
	row_r->unread = m->unread;
	row_r->time = m->time;
	row_r->result = m->result;
	r = clean_or_none(e->from, &row_r->from);
	if (r == LL_OK)
		r = clean_or_none(honest_name(e), &row_r->from_name);
	if (r == LL_OK)
		r = clean_or_none(e->subject, &row_r->subject);
	if (r == LL_OK)
		r = add_cleaned(&row_r->to, &row_r->to_count, e->to,
		    e->to_count);
	if (r == LL_OK)
		r = add_cleaned(&row_r->to, &row_r->to_count, e->cc,
		    e->cc_count);
	row_r->is_mail = m->result == LL_OK && opened_object(e) > 0;
	if (e->object_count > 0 && !row_r->is_mail)
		row_r->attachments = e->object_count - 1;
	if (r)
		row_finish(row_r);
	return r;
}

static enum ll_result
draft_row(const struct center *c, const struct draft *d,
    struct center_row *row_r)
{
	const struct desk_self *self = center_self(c);
	enum ll_result r;

	memset(row_r, 0, sizeof *row_r);
	row_r->id = d->id;
	row_r->thread = d->thread;
	row_r->folder = FOLDER_DRAFTS;
	row_r->time = d->time;
	row_r->attachments = d->attachment_count;
	r = center_clean(self->email, CLEAN_LINE, &row_r->from);
	if (r == LL_OK)
		r = center_clean(self->name, CLEAN_LINE, &row_r->from_name);
	if (r == LL_OK)
		r = center_clean(d->subject, CLEAN_LINE, &row_r->subject);
	if (r == LL_OK)
		r = add_cleaned(&row_r->to, &row_r->to_count, d->to,
		    d->to_count);
	if (r == LL_OK)
		r = add_cleaned(&row_r->to, &row_r->to_count, d->cc,
		    d->cc_count);
	if (r)
		row_finish(row_r);
	return r;
}

/* --- lists --- */

void
center_list_finish(struct center_list *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		row_finish(&l->rows[i]);
	free(l->rows);
	memset(l, 0, sizeof *l);
}

static enum ll_result
fill_list(const struct mail_page *p, struct center_list *l_r)
{
	enum ll_result r = LL_OK;
	size_t i;

	l_r->total = p->total;
	l_r->unread = p->unread;
	if (p->count == 0)
		return LL_OK;
	l_r->rows = calloc(p->count, sizeof *l_r->rows);
	if (!l_r->rows)
		return LL_NOMEM;
	for (i = 0; i < p->count && r == LL_OK; i++) {
		r = row_fill(&p->rows[i], &l_r->rows[i]);
		if (r == LL_OK)
			l_r->count++;
	}
	return r;
}

static enum ll_result
list_drafts(struct center *c, struct center_list *l_r)
{
	struct draft *drafts;
	size_t count, i;
	enum ll_result r;

	if (center_self(c)->locked)
		return LL_OK;
	r = draft_list(c->desk, &drafts, &count);
	if (r)
		return r;
	l_r->total = count;
	l_r->rows = calloc(count ? count : 1, sizeof *l_r->rows);
	if (!l_r->rows)
		r = LL_NOMEM;
	for (i = 0; i < count && r == LL_OK; i++) {
		r = draft_row(c, &drafts[i], &l_r->rows[i]);
		if (r == LL_OK)
			l_r->count++;
	}
	draft_list_finish(drafts, count);
	return r;
}

enum ll_result
center_list(struct center *c, enum folder folder, uint64_t before,
    size_t limit, struct center_list *l_r)
{
	struct mail_page p;
	enum ll_result r;

	center_begin(c);
	memset(l_r, 0, sizeof *l_r);
	if (folder == FOLDER_DRAFTS) {
		r = list_drafts(c, l_r);
	} else {
		r = mail_list(c->desk, folder, before, limit, &p);
		if (r)
			return r;
		r = fill_list(&p, l_r);
		mail_page_finish(&p);
	}
	if (r)
		center_list_finish(l_r);
	return r;
}

enum ll_result
center_thread(struct center *c, const struct id *thread,
    struct center_list *l_r)
{
	struct mail_page p;
	enum ll_result r;

	center_begin(c);
	memset(l_r, 0, sizeof *l_r);
	r = mail_thread(c->desk, thread, &p);
	if (r)
		return r;
	r = fill_list(&p, l_r);
	mail_page_finish(&p);
	if (r)
		center_list_finish(l_r);
	return r;
}

enum ll_result
center_thread_of(struct center *c, const struct id *message,
    struct id *thread_r)
{
	struct mail mail;
	enum ll_result r;

	center_begin(c);
	r = mail_fetch(c->desk, message, &mail);
	if (r)
		return r;
	*thread_r = mail.row.envelope.thread;
	mail_finish(&mail);
	return LL_OK;
}

enum ll_result
center_find(struct center *c, const char *prefix, struct id *id_r)
{
	enum ll_result r;

	center_begin(c);
	r = mail_find(c->desk, prefix, id_r);
	if (r == LL_NOTFOUND)
		return center_fail(c, r, "no message of yours has this id");
	if (r == LL_USAGE && strlen(prefix) < 4)
		return center_fail(c, r, "an id needs at least 4 symbols");
	if (r == LL_USAGE && id_prefix(prefix, id_r, id_r))
		return center_fail(c, r, "that is no message id");
	if (r == LL_USAGE)
		return center_fail(c, r,
		    "several messages begin so: give more of the id");
	return r;
}

/* --- one message --- */

void
center_message_finish(struct center_message *m)
{
	size_t i;

	row_finish(&m->row);
	center_free_list(&m->tos, &m->tos_count);
	center_free_list(&m->cc, &m->cc_count);
	if (m->body)
		sodium_memzero(m->body, m->body_len);
	free(m->body);
	free(m->signer);
	for (i = 0; i < m->attachment_count; i++) {
		free(m->attachments[i].name);
		free(m->attachments[i].type);
		free(m->attachments[i].path);
	}
	free(m->attachments);
	center_opened_finish(&m->mail);
	memset(m, 0, sizeof *m);
}

static bool
is_taken(const struct center_message *m, unsigned n, const char *name)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strcmp(m->attachments[i].name, name) == 0)
			return true;
	return false;
}

/* The name under which sftp shows it: the second "a.pdf" is "a (2).pdf". */
static enum ll_result
attachment_name(const struct center_message *m, unsigned n,
    const char *foreign, char **name_r)
{
	char *clean = NULL;
	const char *dot;
	unsigned k;
	int stem;
	enum ll_result r;

	r = clean_file_name(foreign, strlen(foreign), &clean);
	if (r)
		return r;
	dot = strrchr(clean, '.');
	stem = dot && dot > clean ? (int)(dot - clean) : (int)strlen(clean);
	*name_r = strdup(clean);
	for (k = 2; *name_r && is_taken(m, n, *name_r); k++) {
		free(*name_r);
		if (asprintf(name_r, "%.*s (%u)%s", stem, clean, k,
		    clean + stem) < 0)
			*name_r = NULL;
	}
	free(clean);
	return *name_r ? LL_OK : LL_NOMEM;
}

static enum ll_result
fill_attachment(const struct id *message, const struct envelope_object *o,
    unsigned n, struct center_message *m)
{
	struct center_attachment *a = &m->attachments[n];
	char id[ID_TEXT + 1];
	enum ll_result r;

	a->n = n + 1;
	a->bytes = o->plain_bytes;
	r = attachment_name(m, n, o->name, &a->name);
	if (r == LL_OK)
		r = center_clean(o->type, CLEAN_LINE, &a->type);
	if (r)
		return r;
	id_text(message, id);
	if (asprintf(&a->path, "/m/%s/%s", id, a->name) < 0) {
		a->path = NULL;
		return LL_NOMEM;
	}
	return LL_OK;
}

static enum ll_result
fill_attachments(const struct mail *mail, struct center_message *m)
{
	const struct envelope *e = &mail->row.envelope;
	enum ll_result r = LL_OK;
	size_t i;

	if (e->object_count < 2)
		return LL_OK;
	m->attachments = calloc(e->object_count - 1, sizeof *m->attachments);
	if (!m->attachments)
		return LL_NOMEM;
	m->attachment_count = e->object_count - 1;
	for (i = 0; i < m->attachment_count && r == LL_OK; i++)
		r = fill_attachment(&e->message, &e->objects[i + 1],
		    (unsigned)i, m);
	return r;
}

static enum ll_result
fill_body(struct center *c, const struct mail *mail,
    struct center_message *m)
{
	char *raw = NULL;
	size_t len = 0;
	enum ll_result r;

	r = mail_read(c->desk, mail, 0, &raw, &len);
	if (r == LL_OK)
		r = clean_text(raw, len, CLEAN_BLOCK, &m->body);
	if (r == LL_OK)
		m->body_len = strlen(m->body);
	if (raw)
		sodium_memzero(raw, len);
	free(raw);
	return r;
}

/* What was written here, or by a web link. */
static enum ll_result
fill_own(struct center *c, const struct mail *mail, struct center_message *m)
{
	char signer[400];
	enum ll_result r;

	m->valid = mail->valid;
	(void)snprintf(signer, sizeof(signer), "%s%s", mail_signer(mail),
	    mail->submitted ? " (submitted by mail program)" : "");
	r = center_clean(signer, CLEAN_LINE, &m->signer);
	if (r == LL_OK)
		r = fill_attachments(mail, m);
	return r == LL_OK ? fill_body(c, mail, m) : r;
}

enum ll_result
center_message(struct center *c, const struct id *id,
    struct center_message *m_r)
{
	const struct envelope *e;
	struct mail mail;
	enum ll_result r;

	center_begin(c);
	memset(m_r, 0, sizeof *m_r);
	r = mail_fetch(c->desk, id, &mail);
	if (r == LL_AUTH)
		return center_fail(c, r, center_row_sentence(r));
	if (r)
		return r;
	e = &mail.row.envelope;
	r = row_fill(&mail.row, &m_r->row);
	if (r == LL_OK)
		r = add_cleaned(&m_r->tos, &m_r->tos_count, e->to,
		    e->to_count);
	if (r == LL_OK)
		r = add_cleaned(&m_r->cc, &m_r->cc_count, e->cc, e->cc_count);
	m_r->reply_to = e->reply_to;
	if (r == LL_OK && m_r->row.is_mail)
		r = center_opened_fill(c, &mail, m_r);
	else if (r == LL_OK)
		r = fill_own(c, &mail, m_r);
	mail_finish(&mail);
	if (r)
		center_message_finish(m_r);
	return r;
}

/* --- marks --- */

enum ll_result
center_message_of(struct center *c, const char *prefix,
    struct center_message *m_r)
{
	struct id id;
	enum ll_result r = center_find(c, prefix, &id);

	return r ? r : center_message(c, &id, m_r);
}

static enum ll_result
mark(struct center *c, const struct id *id, enum field field, uint64_t v)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	r = center_request(OP_MARK, id, &m);
	if (r)
		return r;
	msg_put_u64(m, field, v);
	return desk_ask(c->desk, m, NULL);
}

enum ll_result
center_mark_read(struct center *c, const struct id *id)
{
	return mark(c, id, F_UNREAD, 0);
}

enum ll_result
center_mark_unread(struct center *c, const struct id *id)
{
	return mark(c, id, F_UNREAD, 1);
}

enum ll_result
center_move(struct center *c, const struct id *id, enum folder folder)
{
	return mark(c, id, F_FOLDER, folder);
}

enum ll_result
center_purge(struct center *c, const struct id *id)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	r = center_request(OP_PURGE, id, &m);
	return r ? r : desk_ask(c->desk, m, NULL);
}
