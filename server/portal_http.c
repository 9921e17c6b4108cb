#include "server/portal.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <sodium.h>

#include "store/loop.h"

#define WRITE_MS 5000
#define LINGER_MS 10000
#define LINGER_BYTES (1024u * 1048576)

static const struct {
	const char *name, *value;
} headers[] = {
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "X-Robots-Tag", "noindex, nofollow, noarchive" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), microphone=(), geolocation=()" },
};

static const char page_policy[] = "default-src 'none'; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
static const char hsts[] = "max-age=31536000";

#define HEADERS (sizeof(headers) / sizeof(headers[0]))

void
http_headers(const struct request *q, struct MHD_Response *r,
    const char *policy)
{
	size_t i;

	(void)MHD_add_response_header(r, "Content-Security-Policy",
	    policy != NULL ? policy : page_policy);
	for (i = 0; i < HEADERS; i++)
		(void)MHD_add_response_header(r, headers[i].name,
		    headers[i].value);
	if (q->portal->https)
		(void)MHD_add_response_header(r, "Strict-Transport-Security",
		    hsts);
}

static void
free_page(void *cls)
{
	struct page *p = cls;

	page_finish(p);
	free(p);
}

static void
add_answer(struct MHD_Response *r, const struct answer *a)
{
	char number[16];

	if (a->location != NULL)
		(void)MHD_add_response_header(r, "Location", a->location);
	if (a->set_cookie != NULL)
		(void)MHD_add_response_header(r, "Set-Cookie", a->set_cookie);
	if (a->allow != NULL)
		(void)MHD_add_response_header(r, "Allow", a->allow);
	if (a->retry_secs == 0)
		return;
	snprintf(number, sizeof(number), "%u", a->retry_secs);
	(void)MHD_add_response_header(r, "Retry-After", number);
}

enum MHD_Result
http_answer(struct request *q, const struct answer *a, struct page *p)
{
	struct page *kept = malloc(sizeof(*kept));
	struct MHD_Response *r = NULL;
	enum MHD_Result sent;

	if (kept != NULL && !p->failed && p->data != NULL) {
		*kept = *p;
		page_init(p);
		r = MHD_create_response_from_buffer_with_free_callback_cls(
		    kept->len, kept->data, free_page, kept);
		if (r == NULL)
			free_page(kept);
	} else {
		free(kept);
	}
	page_finish(p);
	if (r == NULL)
		return MHD_NO;
	http_headers(q, r, NULL);
	(void)MHD_add_response_header(r, "Content-Type",
	    "text/html; charset=utf-8");
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	add_answer(r, a);
	conn_allow(q->conn, CONN_WORK_MS);
	sent = MHD_queue_response(q->mhd, a->status, r);
	MHD_destroy_response(r);
	return sent;
}

enum MHD_Result
http_words(struct request *q, const struct answer *a, const char *title,
    const char *markup)
{
	struct page p;

	page_init(&p);
	page_begin(&p, q->portal->org, title);
	page_heading(&p, title);
	page_raw(&p, markup);
	page_end(&p);
	return http_answer(q, a, &p);
}

static gnutls_session_t
tls_of(const struct request *q)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(q->mhd,
	    MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return q->portal->tls && info != NULL ? info->tls_session : NULL;
}

static void
write_by_hand(gnutls_session_t tls, int fd, const char *data, size_t len)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	ssize_t n;

	while (len > 0 && poll(&p, 1, WRITE_MS) > 0) {
		n = tls != NULL ? gnutls_record_send(tls, data, len) :
		    send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ||
		    (tls == NULL && n < 0 && errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* What the client still sends is thrown away, undecrypted, for a while: most
 * browsers read an answer only when they have sent all, and a reset takes it
 * from some of them. */
static void
linger(gnutls_session_t tls, int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t until = loop_now_ms() + LINGER_MS, now;
	size_t got = 0;
	char sink[65536];
	ssize_t n = 1;

	if (tls != NULL)
		(void)gnutls_bye(tls, GNUTLS_SHUT_WR);
	(void)shutdown(fd, SHUT_WR);
	while (n > 0 && got < LINGER_BYTES && (now = loop_now_ms()) < until) {
		if (poll(&p, 1, (int)(until - now)) <= 0)
			return;
		n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
}

void
http_answer_now(struct request *q, const struct answer *a, struct page *p)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(q->mhd,
	    MHD_CONNECTION_INFO_CONNECTION_FD);
	char head[2048];
	size_t at, i;
	int n;

	q->dead = true;
	if (p->failed || info == NULL) {
		page_finish(p);
		return;
	}
	n = snprintf(head, sizeof(head), "HTTP/1.1 %u Refused\r\n"
	    "Content-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nConnection: close\r\n"
	    "Content-Security-Policy: %s\r\n%s%s%s",
	    a->status, p->len, page_policy, q->portal->https ?
	    "Strict-Transport-Security: " : "", q->portal->https ? hsts : "",
	    q->portal->https ? "\r\n" : "");
	at = n > 0 ? (size_t)n : 0;
	for (i = 0; i < HEADERS && at < sizeof(head); i++)
		at += (size_t)snprintf(head + at, sizeof(head) - at,
		    "%s: %s\r\n", headers[i].name, headers[i].value);
	if (at + 3 <= sizeof(head)) {
		memcpy(head + at, "\r\n", 2);
		conn_allow(q->conn, CONN_WORK_MS);
		write_by_hand(tls_of(q), info->connect_fd, head, at + 2);
		write_by_hand(tls_of(q), info->connect_fd, p->data, p->len);
		linger(tls_of(q), info->connect_fd);
	}
	page_finish(p);
}

static const char *
cookie_name(const struct portal *x)
{
	return x->https ? "__Host-ll" : "ll";
}

enum ll_result
http_session(struct request *q, uint8_t cookie_r[COOKIE_BYTES],
    struct opened *o_r)
{
	const char *value = MHD_lookup_connection_value(q->mhd,
	    MHD_COOKIE_KIND, cookie_name(q->portal));

	memset(o_r, 0, sizeof(*o_r));
	if (!path_cookie(value, cookie_r))
		return LL_NOTFOUND;
	return session_get(q->portal->sessions, cookie_r, &q->path.delivery,
	    loop_now_ms(), o_r);
}

void
http_cookie(struct request *q, uint8_t cookie_r[COOKIE_BYTES])
{
	const char *value = MHD_lookup_connection_value(q->mhd,
	    MHD_COOKIE_KIND, cookie_name(q->portal));

	if (!path_cookie(value, cookie_r) ||
	    !session_known(q->portal->sessions, cookie_r, loop_now_ms()))
		randombytes_buf(cookie_r, COOKIE_BYTES);
}

void
http_csrf(const uint8_t cookie[COOKIE_BYTES], const struct id *delivery,
    char text_r[CSRF_TEXT + 1])
{
	uint8_t hash[HASH_BYTES];
	struct id id;

	if (derive_bytes(LABEL_CSRF, cookie, COOKIE_BYTES, delivery,
	    sizeof(*delivery), hash) != LL_OK)
		randombytes_buf(hash, sizeof(hash));
	memcpy(&id, hash, sizeof(id));
	id_text(&id, text_r);
}

static const struct {
	enum ll_result result;
	unsigned status, retry_secs;
	const char *title, *markup;
} refusals[] = {
	{ LL_NOTFOUND, 403, 0, "This page is closed",
	    "<p>A message stays open for 15 minutes after the last click, and "
	    "for an hour in all. To read it again, use the link in the "
	    "notification mail and type the code once more.</p>\n" },
	{ LL_GONE, 410, 0, "This message is gone",
	    "<p>The message was withdrawn or has expired. Its key no longer "
	    "exists, so nobody can open it here any more.</p>\n" },
	{ LL_FROZEN, 423, 0, "This message is frozen",
	    "<p>Too many wrong codes were typed. Please phone the sender, who "
	    "can send you a new link with a new code.</p>\n" },
	{ LL_TOOBIG, 413, 0, "Too large",
	    "<p>That is more than this page takes.</p>\n" },
	{ LL_FULL, 507, 0, "No room left",
	    "<p>The server has no room for this at the moment. Please try "
	    "again later.</p>\n" },
	{ LL_BUSY, 429, 10, "Busy",
	    "<p>The server is busy. Please try again in a few seconds.</p>\n" },
	{ LL_PROTO, 500, 0, "Something is wrong with this message",
	    "<p>What is stored is not what the sender sealed, so it is not "
	    "shown. Please tell the sender.</p>\n" },
};

enum MHD_Result
http_refuse(struct request *q, enum ll_result r)
{
	size_t i, n = sizeof(refusals) / sizeof(refusals[0]);
	struct answer a = { 0 };

	if (r == LL_DENIED || r == LL_USED)
		r = LL_NOTFOUND;
	if (r == LL_AUTH || r == LL_NEWER)
		r = LL_PROTO;
	for (i = 0; i < n && refusals[i].result != r; i++)
		continue;
	if (i == n)
		for (i = 0; refusals[i].result != LL_BUSY; i++)
			continue;
	a.status = refusals[i].status;
	a.retry_secs = refusals[i].retry_secs;
	return http_words(q, &a, refusals[i].title, refusals[i].markup);
}

void
http_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct portal *x = cls;
	const union MHD_ConnectionInfo *info, *peer;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		conn_end(x->conns, *context);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	*context = info == NULL ? NULL : conn_begin(x->conns,
	    info->connect_fd, peer != NULL ? peer->client_addr : NULL);
}
