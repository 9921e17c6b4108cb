#include "server/portal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/portal_reply.h"
#include "server/portal_upload.h"

#define FORM_SLACK 1048576         /* text and form around the files */

void
reply_form_put(struct page *p, const struct reply_form *f,
    const uint8_t cookie[COOKIE_BYTES], const struct id *delivery)
{
	char csrf[CSRF_TEXT + 1];
	struct id once;

	http_csrf(cookie, delivery, csrf);
	id_random(&once);
	page_raw(p, "<h2>Reply</h2>\n");
	if (f->alarm != NULL) {
		page_raw(p, "<p class=\"alarm\" id=\"alarm\" role=\"alert\">");
		page_raw(p, f->alarm);
		page_raw(p, "</p>\n");
	}
	page_raw(p, "<form method=\"post\" enctype=\"multipart/form-data\" "
	    "action=\"/o/");
	page_id(p, delivery);
	page_raw(p, "/reply\">\n<input type=\"hidden\" name=\"csrf\" value=\"");
	page_text(p, csrf);
	page_raw(p, "\">\n<input type=\"hidden\" name=\"once\" value=\"");
	page_id(p, &once);
	page_raw(p, "\">\n<label for=\"reply\">Your reply</label>\n");
	if (f->to != NULL) {
		page_raw(p, "<p class=\"hint\" id=\"reply-hint\">Only ");
		page_foreign(p, f->to, strlen(f->to), CLEAN_LINE);
		page_raw(p, " can open it. Take your time: this page closes 15 "
		    "minutes after the last click, but a text that is sent "
		    "too late comes back to you.</p>\n");
	}
	page_raw(p, "<textarea id=\"reply\" name=\"reply\" rows=\"8\"");
	page_raw(p, f->to != NULL ? " aria-describedby=\"reply-hint\">\n" :
	    ">\n");
	if (f->text != NULL)
		page_foreign(p, f->text, f->text_len, CLEAN_BLOCK);
	page_raw(p, "</textarea>\n<label for=\"file\">Attachments</label>\n"
	    "<p class=\"hint\" id=\"file-hint\">");
	if (f->limit != 0) {
		page_raw(p, "Together at most ");
		page_size(p, f->limit);
		page_raw(p, ". ");
	}
	page_raw(p, "They are sealed while they arrive.</p>\n<input "
	    "id=\"file\" name=\"file\" type=\"file\" multiple "
	    "aria-describedby=\"file-hint\">\n<button type=\"submit\">Send "
	    "the reply</button>\n</form>\n");
}

void
reply_destroy(struct reply *r)
{
	if (r == NULL)
		return;
	upload_abort(r->file);
	if (r->text != NULL)
		sodium_memzero(r->text, r->text_len);
	free(r->text);
	envelope_finish(&r->e);
	letter_finish(&r->letter);
	secret_finish(&r->key);
	opened_finish(&r->opened);
	sodium_memzero(r, sizeof(*r));
	free(r);
}

/* --- not sent: why, and the text again --- */

static const struct {
	enum ll_result result;
	unsigned status;
	const char *alarm;
} failures[] = {
	{ LL_TOOBIG, 413, "<strong>Not sent: too large.</strong> The "
	    "attachments were refused. Your text is still here; please choose "
	    "smaller files." },
	{ LL_FULL, 507, "<strong>Not sent: the server has no room for "
	    "it.</strong> Your text is still here." },
	{ LL_NOTFOUND, 403, "<strong>Not sent: this page had been closed."
	    "</strong> A message stays open for 15 minutes after the last "
	    "click. Copy your text, open the link in the mail again, type the "
	    "code and paste it." },
	{ LL_GONE, 410, "<strong>Not sent: the message was withdrawn or has "
	    "expired.</strong> Your text is still here; you can copy it." },
	{ LL_USAGE, 400, "<strong>Not sent: there was nothing to send."
	    "</strong> Please write a text or choose a file." },
	{ LL_DENIED, 403, "<strong>Not sent: the form was not one of this "
	    "page.</strong> Your text is still here; please send it again." },
	{ LL_RATE, 429, "<strong>Not sent: too many answers in a short time."
	    "</strong> Your text is still here; please send it again in an "
	    "hour." },
	{ LL_BUSY, 429, "<strong>Not sent: the server is busy.</strong> Your "
	    "text is still here; please send it again in a few seconds." },
};

static struct answer
make_refusal(struct request *q, struct page *p)
{
	struct reply *r = q->reply;
	size_t n = sizeof(failures) / sizeof(failures[0]), i;
	struct reply_form form = { 0 };
	struct answer a = { 0 };

	for (i = 0; i + 1 < n && failures[i].result != r->failed; i++)
		continue;
	a.status = failures[i].status;
	a.retry_secs = a.status != 429 ? 0 : r->failed == LL_RATE ? 3600 : 10;
	form.alarm = failures[i].alarm;
	form.limit = r->letter.limit;
	form.to = r->letter.author_email;
	form.text = r->text != NULL ? r->text : "";
	form.text_len = r->text_len;
	page_init(p);
	page_begin(p, q->portal->org, "Your reply was not sent");
	page_heading(p, "Your reply was not sent");
	reply_form_put(p, &form, r->cookie, &q->path.delivery);
	page_end(p);
	return a;
}

static enum MHD_Result
refuse(struct request *q)
{
	struct page p;
	struct answer a = make_refusal(q, &p);

	return http_answer(q, &a, &p);
}

static void
refuse_now(struct request *q)
{
	struct page p;
	struct answer a = make_refusal(q, &p);

	http_answer_now(q, &a, &p);
}

/* --- receiving --- */

static enum ll_result
set_up(struct request *q, struct reply *r)
{
	enum ll_result res;

	res = http_session(q, r->cookie, &r->opened);
	if (res != LL_OK)
		return LL_NOTFOUND;
	res = letter_open(q->portal->store, &r->opened, &r->letter);
	if (res != LL_OK)
		return res;
	if (r->letter.author_pk == NULL)
		return LL_PROTO;
	if (q->length > r->letter.limit + FORM_SLACK)
		return LL_TOOBIG;
	id_random(&r->message);
	return secret_random(&r->key, KEY_BYTES);
}

enum MHD_Result
reply_begin(struct request *q)
{
	struct reply *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MHD_NO;
	envelope_init(&r->e);
	q->reply = r;
	r->failed = set_up(q, r);
	/* Who has a message open may take the time that a file takes. */
	conn_shield(q->conn, r->failed == LL_OK);
	/* Who waits for a word before it sends gets it now. */
	if (r->failed != LL_OK && MHD_lookup_connection_value(q->mhd,
	    MHD_HEADER_KIND, "Expect") != NULL)
		return refuse(q);
	return MHD_YES;
}

static void
keep_token(char *field, const char *data, uint64_t at, size_t len)
{
	if (at + len <= CSRF_TEXT)
		memcpy(field + at, data, len);
}

static enum ll_result
keep_text(struct reply *r, const char *data, size_t len)
{
	if (r->text == NULL)
		r->text = malloc(REPLY_TEXT_MAX);
	if (r->text == NULL)
		return LL_NOMEM;
	if (len > REPLY_TEXT_MAX - r->text_len)
		return LL_TOOBIG;
	memcpy(r->text + r->text_len, data, len);
	r->text_len += len;
	return LL_OK;
}

static enum ll_result
end_file(struct reply *r)
{
	struct upload *u = r->file;

	r->file = NULL;
	return u == NULL ? LL_OK : upload_end(u, &r->e);
}

static bool
token_is_good(struct request *q)
{
	char csrf[CSRF_TEXT + 1];

	http_csrf(q->reply->cookie, &q->path.delivery, csrf);
	return strlen(q->reply->once) == CSRF_TEXT &&
	    derive_equal(csrf, q->reply->csrf, CSRF_TEXT) == 1;
}

/* A media type as the client claims it, when it looks like one. */
static const char *
type_of(const char *claimed)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-/";
	size_t n = claimed != NULL ? strlen(claimed) : 0;

	if (n == 0 || n > 127 || strspn(claimed, set) != n ||
	    strchr(claimed, '/') == NULL)
		return "application/octet-stream";
	return claimed;
}

static enum ll_result
begin_file(struct request *q, const char *name, const char *type)
{
	struct upload_target t = reply_target(q);
	struct reply *r = q->reply;

	if (!token_is_good(q))
		return LL_DENIED;
	if (++r->files > REPLY_FILES_MAX)
		return LL_TOOBIG;
	return upload_begin(&t, OBJECT_ATTACHMENT, name, type_of(type),
	    q->length - r->file_bytes, &r->e, &r->file);
}

static enum ll_result
take_file(struct request *q, const char *name, const char *type,
    const char *data, uint64_t at, size_t len)
{
	struct reply *r = q->reply;
	enum ll_result res = LL_OK;

	if (name == NULL || (name[0] == '\0' && len == 0))
		return LL_OK;
	if (at == 0) {
		res = end_file(r);
		if (res == LL_OK)
			res = begin_file(q, name, type);
	}
	if (res != LL_OK)
		return res;
	r->file_bytes += len;
	if (r->file_bytes > r->letter.limit)
		return LL_TOOBIG;
	return r->file == NULL ? LL_OK : upload_add(r->file, data, len);
}

enum MHD_Result
reply_field(struct request *q, const char *name, const char *file_name,
    const char *type, const char *data, uint64_t at, size_t len)
{
	struct reply *r = q->reply;
	enum ll_result res = LL_OK;
	bool is_file = name != NULL && strcmp(name, "file") == 0;

	if (name == NULL || q->dead)
		return q->dead ? MHD_NO : MHD_YES;
	if (strcmp(name, "csrf") == 0)
		keep_token(r->csrf, data, at, len);
	else if (strcmp(name, "once") == 0)
		keep_token(r->once, data, at, len);
	else if (strcmp(name, "reply") == 0)
		res = keep_text(r, data, len);
	else if (is_file && r->failed == LL_OK)
		res = take_file(q, file_name, type, data, at, len);
	if (r->failed == LL_OK)
		r->failed = res;
	/* The text is here; of the files nothing more is wanted. */
	if (is_file && r->failed != LL_OK && len > 0) {
		refuse_now(q);
		return MHD_NO;
	}
	return MHD_YES;
}

static bool
is_blank(const struct reply *r)
{
	size_t i;

	for (i = 0; i < r->text_len; i++)
		if (strchr(" \t\r\n", r->text[i]) == NULL ||
		    r->text[i] == '\0')
			return false;
	return r->files == 0;
}

enum MHD_Result
reply_end(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_SEE_OTHER };
	struct reply *r = q->reply;
	char where[64], id[ID_TEXT + 1];

	if (r->failed == LL_OK)
		r->failed = end_file(r);
	if (r->failed == LL_OK && !token_is_good(q))
		r->failed = LL_DENIED;
	if (r->failed == LL_OK && is_blank(r))
		r->failed = LL_USAGE;
	if (r->failed == LL_OK)
		r->failed = reply_send(q);
	if (r->failed != LL_OK)
		return refuse(q);
	id_text(&q->path.delivery, id);
	snprintf(where, sizeof(where), "/o/%s?sent=1", id);
	a.location = where;
	return http_words(q, &a, "Sent", "<p>Your reply has been sent.</p>\n");
}
