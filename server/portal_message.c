#include "server/portal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/portal_key.h"
#include "server/portal_letter.h"
#include "server/portal_reply.h"

static void
foreign(struct page *p, const char *text)
{
	page_foreign(p, text, strlen(text), CLEAN_LINE);
}

static void
put_facts(struct page *p, const struct letter *l)
{
	size_t i;

	page_raw(p, "<dl>\n<dt>From</dt><dd>");
	if (l->e.from_name[0] != '\0') {
		foreign(p, l->e.from_name);
		page_raw(p, " &lt;");
		foreign(p, l->e.from);
		page_raw(p, "&gt;</dd>\n");
	} else {
		foreign(p, l->e.from);
		page_raw(p, "</dd>\n");
	}
	page_raw(p, "<dt>To</dt><dd>");
	for (i = 0; i < l->e.to_count; i++) {
		page_raw(p, i > 0 ? ", " : "");
		foreign(p, l->e.to[i]);
	}
	for (i = 0; i < l->e.cc_count; i++) {
		page_raw(p, i > 0 || l->e.to_count > 0 ? ", " : "");
		foreign(p, l->e.cc[i]);
	}
	page_raw(p, "</dd>\n<dt>Sent</dt><dd>");
	page_time(p, l->e.date);
	page_raw(p, "</dd>\n<dt>Signature</dt><dd id=\"signature\">");
	if (l->signed_well) {
		page_raw(p, "<span class=\"good\">Valid.</span> Text and "
		    "attachments are as ");
		if (l->submitted)
			page_raw(p, "the organisation sealed them for ");
		foreign(p, l->e.from);
		page_raw(p, l->submitted ? " (submitted by mail program)." :
		    " sealed them.");
	} else {
		page_raw(p, "<strong class=\"bad\">Not valid.</strong> Do not "
		    "rely on this message before you have asked the sender.");
	}
	page_raw(p, "</dd>\n");
	if (l->expires != 0) {
		page_raw(p, "<dt>Can be opened until</dt><dd>");
		page_time(p, l->expires);
		page_raw(p, "</dd>\n");
	}
	page_raw(p, "</dl>\n");
}

/* The name as the download will have it. */
static void
put_name(struct page *p, const char *name)
{
	char *clean = NULL;

	if (clean_file_name(name, strlen(name), &clean) != LL_OK)
		p->failed = true;
	else
		page_text(p, clean);
	free(clean);
}

static void
put_files(struct page *p, struct request *q, const struct letter *l)
{
	const struct envelope_object *f = letter_file(l, 1);
	unsigned n;

	if (f == NULL)
		return;
	page_raw(p, "<h2>Attachments</h2>\n<ul id=\"attachments\">\n");
	for (n = 1; f != NULL; n++, f = letter_file(l, n)) {
		page_raw(p, "<li><a href=\"/o/");
		page_id(p, &q->path.delivery);
		page_raw(p, "/f/");
		page_number(p, n);
		page_raw(p, "\" download>");
		put_name(p, f->name);
		page_raw(p, "</a> (");
		page_size(p, f->plain_bytes);
		page_raw(p, ")</li>\n");
	}
	page_raw(p, "</ul>\n");
}

static void
put_close(struct page *p, struct request *q,
    const uint8_t cookie[COOKIE_BYTES])
{
	char csrf[CSRF_TEXT + 1];

	http_csrf(cookie, &q->path.delivery, csrf);
	page_raw(p, "<h2>Done?</h2>\n<form method=\"post\" action=\"/o/");
	page_id(p, &q->path.delivery);
	page_raw(p, "/close\">\n<input type=\"hidden\" name=\"csrf\" value=\"");
	page_text(p, csrf);
	page_raw(p, "\">\n<p class=\"hint\">Closing forgets the key in this "
	    "browser. The link and the code open the message again until it "
	    "expires.</p>\n<button type=\"submit\" class=\"plain\">Close the "
	    "message</button>\n</form>\n");
}

static const char *
argument(struct request *q, const char *name)
{
	return MHD_lookup_connection_value(q->mhd, MHD_GET_ARGUMENT_KIND,
	    name);
}

/* What was done a moment ago, or before. */
static void
put_news(struct page *p, struct request *q, const struct letter *l)
{
	const char *key = argument(q, "key");

	if (argument(q, "sent") != NULL)
		page_raw(p, "<p class=\"note\" id=\"sent\" role=\"status\">"
		    "<strong>Your reply has been sent.</strong> It is sealed "
		    "for the sender.</p>\n");
	else if (l->replied)
		page_raw(p, "<p class=\"note\">You have answered this "
		    "message.</p>\n");
	if (key == NULL)
		return;
	page_raw(p, "<p class=\"note\" id=\"key-taken\" role=\"status\">"
	    "<strong>Your key has been taken.</strong> ");
	page_raw(p, strcmp(key, "2") == 0 ? "Another one was known before: it "
	    "is used as soon as the sender has made sure that the new one is "
	    "yours.</p>\n" : "From now on the sender can write to your "
	    "mailbox, encrypted with it.</p>\n");
}

/* The title stands in the browser's history: the subject does not. */
static enum MHD_Result
show(struct request *q, const uint8_t cookie[COOKIE_BYTES],
    const struct letter *l, const char *text, size_t len)
{
	struct answer a = { .status = MHD_HTTP_OK };
	struct reply_form form = { 0 };
	struct page p;

	page_init(&p);
	page_begin(&p, q->portal->org, "Your message");
	put_news(&p, q, l);
	page_heading(&p, l->e.subject[0] != '\0' ? l->e.subject :
	    "(no subject)");
	put_facts(&p, l);
	page_raw(&p, "<div class=\"letter\" id=\"body\">");
	page_foreign(&p, text, len, CLEAN_BLOCK);
	page_raw(&p, "</div>\n");
	put_files(&p, q, l);
	form.limit = l->limit;
	form.to = l->author_email;
	reply_form_put(&p, &form, cookie, &q->path.delivery);
	key_form_put(&p, l, cookie, &q->path.delivery, NULL, "");
	put_close(&p, q, cookie);
	page_raw(&p, "<p class=\"hint\">While you read here, the running "
	    "server sees the text too. Stored, it is sealed.</p>\n");
	page_end(&p);
	return http_answer(q, &a, &p);
}

enum MHD_Result
message_get(struct request *q)
{
	uint8_t cookie[COOKIE_BYTES];
	struct opened o;
	struct letter l;
	enum MHD_Result sent;
	char *text = NULL;
	size_t len = 0;
	enum ll_result r;

	memset(&l, 0, sizeof(l));
	r = http_session(q, cookie, &o);
	if (r != LL_OK)
		return http_refuse(q, LL_NOTFOUND);
	r = letter_open(q->portal->store, &o, &l);
	if (r == LL_OK)
		r = letter_body(q->portal->store, &o, &l, &text, &len);
	if (r == LL_OK) {
		sent = show(q, cookie, &l, text, len);
		memcpy(q->token, o.token, sizeof(q->token));
		q->mark_read = !q->head;
	} else {
		sent = http_refuse(q, r);
	}
	if (text != NULL)
		sodium_memzero(text, len);
	free(text);
	letter_finish(&l);
	opened_finish(&o);
	sodium_memzero(cookie, sizeof(cookie));
	return sent;
}

static void
end_token(struct request *q, const struct opened *o)
{
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, OP_PORTAL_END, &m) != LL_OK)
		return;
	msg_put_bytes(m, F_TOKEN, o->token, sizeof(o->token));
	/* Unheard, the token ends with its time. */
	if (portal_store_ask(q->portal->store, m, NULL) != LL_OK)
		return;
}

enum MHD_Result
message_close(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_OK };
	char csrf[CSRF_TEXT + 1], gone[96];
	uint8_t cookie[COOKIE_BYTES];
	struct opened o;

	if (http_session(q, cookie, &o) != LL_OK)
		return http_refuse(q, LL_NOTFOUND);
	http_csrf(cookie, &q->path.delivery, csrf);
	if (!derive_equal(csrf, q->csrf, CSRF_TEXT)) {
		opened_finish(&o);
		return http_refuse(q, LL_NOTFOUND);
	}
	if (session_end(q->portal->sessions, cookie, &q->path.delivery))
		end_token(q, &o);
	opened_finish(&o);
	if (!session_known(q->portal->sessions, cookie, q->begun_ms)) {
		snprintf(gone, sizeof(gone), "%s=; Path=/; HttpOnly; "
		    "SameSite=Strict; Max-Age=0%s",
		    q->portal->https ? "__Host-ll" : "ll",
		    q->portal->https ? "; Secure" : "");
		a.set_cookie = gone;
	}
	return http_words(q, &a, "Closed",
	    "<p>The message is closed and this browser holds no key any more. "
	    "To read it again, use the link in the notification mail and the "
	    "code. You may close this window.</p>\n");
}
