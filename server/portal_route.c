#include "server/portal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "store/loop.h"

#define FORM_BUFFER 8192

static enum MHD_Result
home_get(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_OK };

	return http_words(q, &a, "Secure messages",
	    "<p>Messages that are kept here are opened with the link in a "
	    "notification mail and the code that the sender tells you. There "
	    "is nothing to log in to on this page.</p>\n");
}

static enum MHD_Result
plain(struct request *q, const char *text, const char *type)
{
	struct MHD_Response *r;
	enum MHD_Result sent;
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return MHD_NO;
	memcpy(copy, text, len + 1);
	r = MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(copy);
		return MHD_NO;
	}
	http_headers(q, r, NULL);
	(void)MHD_add_response_header(r, "Content-Type", type);
	(void)MHD_add_response_header(r, "Cache-Control", "max-age=3600");
	sent = MHD_queue_response(q->mhd, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return sent;
}

static enum MHD_Result
style_get(struct request *q)
{
	return plain(q, portal_style, "text/css; charset=utf-8");
}

static enum MHD_Result
robots_get(struct request *q)
{
	return plain(q, "User-agent: *\nDisallow: /\n", "text/plain");
}

/* The one table of pages: what answers a GET (and HEAD), what answers a POST
 * when its body is there, and, for a body that may carry files, what is asked
 * when it begins. */
static const struct {
	enum MHD_Result (*get)(struct request *q);
	enum MHD_Result (*post)(struct request *q);
	enum MHD_Result (*begin)(struct request *q);
	const char *allow;
} pages[PATH_KINDS] = {
	[PATH_HOME] = { home_get, NULL, NULL, "GET, HEAD" },
	[PATH_STYLE] = { style_get, NULL, NULL, "GET, HEAD" },
	[PATH_ROBOTS] = { robots_get, NULL, NULL, "GET, HEAD" },
	[PATH_LINK] = { link_get, link_post, NULL, "GET, HEAD, POST" },
	[PATH_MESSAGE] = { message_get, NULL, NULL, "GET, HEAD" },
	[PATH_FILE] = { file_get, NULL, NULL, "GET, HEAD" },
	[PATH_REPLY] = { NULL, reply_end, reply_begin, "POST" },
	[PATH_CLOSE] = { NULL, message_close, NULL, "POST" },
	[PATH_KEY] = { NULL, key_end, key_begin, "POST" },
};

static enum MHD_Result
no_page(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_NOT_FOUND };

	return http_words(q, &a, "Nothing here",
	    "<p>There is no such page. If you followed a link from a mail, "
	    "check that it was not cut in two: it must stand on one line.</p>"
	    "\n");
}

static enum MHD_Result
no_method(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_METHOD_NOT_ALLOWED };

	a.allow = q->path.kind == PATH_NONE ? "GET, HEAD" :
	    pages[q->path.kind].allow;
	return http_words(q, &a, "Not possible",
	    "<p>This page cannot be used in that way.</p>\n");
}

/* --- forms --- */

static void
keep_piece(char *field, size_t room, const char *data, uint64_t at, size_t len)
{
	if (at >= room - 1)
		return;
	if (len > room - 1 - at)
		len = room - 1 - (size_t)at;
	memcpy(field + at, data, len);
	field[at + len] = '\0';
}

static enum MHD_Result
take_field(void *cls, enum MHD_ValueKind kind, const char *name,
    const char *file_name, const char *type, const char *encoding,
    const char *data, uint64_t at, size_t len)
{
	struct request *q = cls;

	(void)kind;
	(void)encoding;
	if (q->reply != NULL)
		return reply_field(q, name, file_name, type, data, at, len);
	if (q->key != NULL)
		return key_field(q, name, data, at, len);
	if (name != NULL && strcmp(name, "code") == 0)
		keep_piece(q->code, sizeof(q->code), data, at, len);
	if (name != NULL && strcmp(name, "csrf") == 0)
		keep_piece(q->csrf, sizeof(q->csrf), data, at, len);
	return MHD_YES;
}

static const char *
header(struct request *q, const char *name)
{
	return MHD_lookup_connection_value(q->mhd, MHD_HEADER_KIND, name);
}

/* The body's length is asked for beforehand: only so can too much be refused
 * before it is received. */
static bool
read_length(struct request *q)
{
	const char *text = header(q, "Content-Length");
	char *end = NULL;

	if (text == NULL || header(q, "Transfer-Encoding") != NULL)
		return false;
	errno = 0;
	q->length = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static enum MHD_Result
refuse_post(struct request *q, unsigned status, const char *markup)
{
	struct answer a = { .status = status };

	return http_words(q, &a, "Not taken", markup);
}

/* Browsers say where a form stood: another site's may not act here. */
static bool
is_foreign(struct request *q)
{
	const char *site = header(q, "Sec-Fetch-Site");

	return site != NULL && (strcmp(site, "cross-site") == 0 ||
	    strcmp(site, "same-site") == 0);
}

static enum MHD_Result
begin_post(struct request *q)
{
	if (pages[q->path.kind].post == NULL)
		return no_method(q);
	if (!read_length(q))
		return refuse_post(q, MHD_HTTP_LENGTH_REQUIRED,
		    "<p>The form came without its length.</p>\n");
	if (is_foreign(q))
		return refuse_post(q, MHD_HTTP_FORBIDDEN,
		    "<p>The form did not come from this page.</p>\n");
	if (pages[q->path.kind].begin == NULL && q->length > SMALL_FORM_MAX)
		return http_refuse(q, LL_TOOBIG);
	q->form = MHD_create_post_processor(q->mhd, FORM_BUFFER, take_field,
	    q);
	if (q->form == NULL)
		return refuse_post(q, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		    "<p>That is no form.</p>\n");
	return pages[q->path.kind].begin != NULL ?
	    pages[q->path.kind].begin(q) : MHD_YES;
}

static enum MHD_Result
keep_last(void *cls, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
	const char **last = cls;

	(void)kind;
	if (strcasecmp(name, "X-Forwarded-For") == 0)
		*last = value;
	return MHD_YES;
}

/* The last of several lines: a proxy may add its own below the client's. */
static const char *
forwarded(struct request *q)
{
	const char *last = NULL;

	(void)MHD_get_connection_values(q->mhd, MHD_HEADER_KIND, keep_last,
	    &last);
	return last;
}

static struct request *
request_create(struct portal *x, struct MHD_Connection *mhd, const char *url)
{
	const union MHD_ConnectionInfo *info;
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->portal = x;
	q->mhd = mhd;
	q->begun_ms = loop_now_ms();
	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	q->conn = info != NULL ? info->socket_context : NULL;
	path_parse(url, &q->path);
	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	path_origin(info != NULL ? info->client_addr : NULL,
	    forwarded(q), &x->trusted, q->origin);
	return q;
}

static enum MHD_Result
begin(struct request *q, const char *method)
{
	conn_allow(q->conn, CONN_WORK_MS);
	q->post = strcmp(method, "POST") == 0;
	q->head = strcmp(method, "HEAD") == 0;
	if (!q->post && !q->head && strcmp(method, "GET") != 0)
		return no_method(q);
	/* An answer to the head alone would end the connection. */
	if (!q->post)
		return MHD_YES;
	return q->path.kind == PATH_NONE ? no_page(q) : begin_post(q);
}

static enum MHD_Result
answer(struct request *q)
{
	if (q->post)
		return pages[q->path.kind].post(q);
	if (q->path.kind == PATH_NONE)
		return no_page(q);
	if (pages[q->path.kind].get == NULL)
		return no_method(q);
	return pages[q->path.kind].get(q);
}

static enum MHD_Result
end(struct request *q)
{
	enum MHD_Result sent;

	conn_shield(q->conn, true);
	sent = answer(q);
	conn_shield(q->conn, q->path.kind == PATH_FILE);
	return sent;
}

/* A byte earns a millisecond: 1 KiB a second, over the whole body. */
static void
allow_more(struct request *q)
{
	uint64_t now = loop_now_ms();
	uint64_t until = q->begun_ms + CONN_WORK_MS + q->received;

	conn_allow(q->conn, until > now ? until - now : 0);
}

enum MHD_Result
http_access(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *upload_data,
    size_t *upload_size, void **context)
{
	struct request *q = *context;

	(void)version;
	if (q == NULL) {
		q = request_create(cls, mhd, url);
		*context = q;
		return q == NULL ? MHD_NO : begin(q, method);
	}
	if (*upload_size > 0 && q->form != NULL) {
		q->received += *upload_size;
		allow_more(q);
		if (q->received > q->length ||
		    MHD_post_process(q->form, upload_data, *upload_size) !=
		    MHD_YES || q->dead)
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	}
	/* What the form's last part still holds is given out here. */
	if (q->form != NULL) {
		(void)MHD_destroy_post_processor(q->form);
		q->form = NULL;
	}
	if (q->dead)
		return MHD_NO;
	conn_allow(q->conn, CONN_WORK_MS);
	return *upload_size > 0 ? MHD_NO : end(q);
}

static void
tell_read(struct request *q)
{
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, OP_PORTAL_READ, &m) != LL_OK)
		return;
	msg_put_bytes(m, F_TOKEN, q->token, sizeof(q->token));
	/* Unheard, the page counts as read at the next look. */
	if (portal_store_ask(q->portal->store, m, NULL) != LL_OK)
		return;
}

void
http_completed(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_RequestTerminationCode code)
{
	struct request *q = *context;

	(void)cls;
	(void)mhd;
	if (q == NULL)
		return;
	if (q->mark_read && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		tell_read(q);
	if (q->form != NULL)
		(void)MHD_destroy_post_processor(q->form);
	reply_destroy(q->reply);
	key_destroy(q->key);
	conn_allow(q->conn, CONN_HEAD_MS);
	conn_shield(q->conn, false);
	sodium_memzero(q, sizeof(*q));
	free(q);
	*context = NULL;
}
