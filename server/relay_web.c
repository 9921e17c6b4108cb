#include "server/relay_web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "keys/clean.h"
#include "store/loop.h"

#define CONNECT_MS 8000L
#define WHOLE_MS 20000L
#define HTTPS 443

/* One fetch. */
struct fetch {
	const struct web *web;
	struct web_page *page;
	CURL *curl;
	size_t cap, room;
	bool refused, too_big, no_memory;
	char cause[CURL_ERROR_SIZE];
};

enum ll_result
web_start(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? LL_OK :
	    LL_NOMEM;
}

bool
web_allows(const struct web *w, const struct net_addr *a)
{
	return net_is_public(a) || net_list_has(&w->networks, a);
}

void
web_page_finish(struct web_page *p)
{
	free(p->body);
	p->body = NULL;
	p->len = 0;
}

static void
say(struct web_page *p, const char *words)
{
	char *clean = NULL;

	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) != LL_OK)
		return;
	snprintf(p->words, sizeof(p->words), "%s", clean);
	free(clean);
}

/* --- what libcurl calls --- */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct fetch *f = arg;
	struct sockaddr_storage sa;
	struct net_addr a;

	(void)purpose;
	memset(&sa, 0, sizeof(sa));
	if (to->addrlen > sizeof(sa))
		return CURL_SOCKET_BAD;
	memcpy(&sa, &to->addr, to->addrlen);
	if (!net_addr_of(&sa, &a) || !web_allows(f->web, &a)) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static bool
grow(struct fetch *f, size_t need)
{
	size_t room = f->room == 0 ? 4096 : f->room * 2;
	uint8_t *body;

	if (need <= f->room)
		return true;
	if (room < need)
		room = need;
	body = realloc(f->page->body, room);
	if (body == NULL)
		return false;
	f->page->body = body;
	f->room = room;
	return true;
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct fetch *f = arg;
	struct web_page *p = f->page;
	size_t len = size * count;
	long status = 0;

	if (curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status) !=
	    CURLE_OK || status != 200)
		return 0;
	if (len > f->cap - p->len) {
		f->too_big = true;
		return 0;
	}
	if (!grow(f, p->len + len + 1)) {
		f->no_memory = true;
		return 0;
	}
	memcpy(p->body + p->len, data, len);
	p->len += len;
	p->body[p->len] = '\0';
	return len;
}

/* --- names --- */

/* The entry of CURLOPT_RESOLVE: what our own resolver says, and of that what
 * is allowed. */
static enum ll_result
look_up(struct fetch *f, const char *host, unsigned port,
    struct curl_slist **list_r)
{
	struct net_addr a[WEB_ADDRESSES];
	char entry[256 + 16 + WEB_ADDRESSES * (NET_TEXT + 3)], text[NET_TEXT];
	size_t n = 0, i, len, first;
	enum ll_result r;

	r = f->web->resolve(f->web->resolve_ctx, host, a, WEB_ADDRESSES, &n);
	if (r == LL_OK && n == 0)
		r = LL_NOTFOUND;
	if (r != LL_OK)
		return r;
	len = (size_t)snprintf(entry, sizeof(entry), "%.255s:%u:", host, port);
	first = len;
	for (i = 0; i < n; i++) {
		if (!web_allows(f->web, &a[i]))
			continue;
		net_addr_text(&a[i], text);
		len += (size_t)snprintf(entry + len, sizeof(entry) - len,
		    strchr(text, ':') != NULL ? "%s[%s]" : "%s%s",
		    len > first ? "," : "", text);
	}
	if (len == first)
		return LL_DENIED;
	*list_r = curl_slist_append(NULL, entry);
	return *list_r == NULL ? LL_NOMEM : LL_OK;
}

/* --- one fetch --- */

static bool
set_limits(const struct web *w, CURL *c)
{
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, w->whole_ms > 0 ?
	    w->whole_ms : WHOLE_MS) == CURLE_OK;
}

/* With find_ca, the system's certificates count no more. */
static bool
set_tls(const struct web *w, CURL *c)
{
	if (curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK)
		return false;
	if (w->ca[0] == '\0')
		return true;
	return curl_easy_setopt(c, CURLOPT_CAINFO, w->ca) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

static bool
set_calls(struct fetch *f)
{
	CURL *c = f->curl;

	return curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, f) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, f->cause) == CURLE_OK;
}

static void
keep_type(struct fetch *f)
{
	char *type = NULL;
	size_t i;

	if (curl_easy_getinfo(f->curl, CURLINFO_CONTENT_TYPE, &type) !=
	    CURLE_OK || type == NULL)
		return;
	for (i = 0; i + 1 < WEB_TYPE && type[i] > ' ' && type[i] < 0x7f &&
	    type[i] != ';'; i++)
		f->page->type[i] = type[i] >= 'A' && type[i] <= 'Z' ?
		    (char)(type[i] - 'A' + 'a') : type[i];
	f->page->type[i] = '\0';
}

/* A body that nobody wants was cut off: that is no failure. */
static enum ll_result
judge(struct fetch *f, CURLcode rc)
{
	struct web_page *p = f->page;

	(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &p->status);
	keep_type(f);
	if (f->too_big) {
		say(p, "the answer is too long");
		return LL_TOOBIG;
	}
	if (f->no_memory)
		return LL_NOMEM;
	if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && p->status != 200))
		return LL_OK;
	if (f->refused) {
		say(p, "the web server's address is not a public one");
		return LL_DENIED;
	}
	say(p, f->cause[0] != '\0' ? f->cause : curl_easy_strerror(rc));
	p->status = 0;
	if (rc == CURLE_COULDNT_RESOLVE_HOST)
		return LL_NOTFOUND;
	return rc == CURLE_OUT_OF_MEMORY ? LL_NOMEM : LL_IO;
}

static enum ll_result
perform(struct fetch *f, const char *url, const char *host, unsigned port)
{
	struct curl_slist *list = NULL;
	CURLcode rc = CURLE_OK;
	enum ll_result r = LL_OK;

	if (f->web->silent != NULL && silent_is(f->web->silent, host,
	    loop_now_ms())) {
		say(f->page, "the web server did not answer in time");
		return LL_BUSY;
	}
	if (f->web->resolve != NULL)
		r = look_up(f, host, port, &list);
	if (r == LL_DENIED)
		say(f->page, "the web server's address is not a public one");
	else if (r == LL_NOTFOUND)
		say(f->page, "there is no such web server");
	else if (r != LL_OK)
		say(f->page, "the web server's address cannot be had");
	if (r != LL_OK)
		return r;
	if (curl_easy_setopt(f->curl, CURLOPT_URL, url) != CURLE_OK ||
	    (list != NULL && curl_easy_setopt(f->curl, CURLOPT_RESOLVE,
	    list) != CURLE_OK))
		r = LL_NOMEM;
	else
		rc = curl_easy_perform(f->curl);
	if (r == LL_OK)
		r = judge(f, rc);
	if (rc == CURLE_OPERATION_TIMEDOUT && f->web->silent != NULL)
		silent_add(f->web->silent, host, loop_now_ms());
	curl_slist_free_all(list);
	return r;
}

enum ll_result
web_get(const struct web *w, const char *url, size_t cap,
    struct web_page *p_r)
{
	struct fetch f = { .web = w, .page = p_r, .cap = cap };
	char scheme[8], host[256];
	enum ll_result r;
	bool has_port;
	unsigned port;

	memset(p_r, 0, sizeof(*p_r));
	if (net_url_parse(url, scheme, sizeof(scheme), host, sizeof(host),
	    &port, &has_port) != LL_OK || strcmp(scheme, "https") != 0) {
		say(p_r, "no https address");
		return LL_DENIED;
	}
	f.curl = curl_easy_init();
	if (f.curl == NULL)
		return LL_NOMEM;
	r = LL_NOMEM;
	if (set_limits(w, f.curl) && set_tls(w, f.curl) && set_calls(&f))
		r = perform(&f, url, host, has_port ? port : HTTPS);
	curl_easy_cleanup(f.curl);
	if (r != LL_OK || p_r->status != 200)
		web_page_finish(p_r);
	return r;
}
