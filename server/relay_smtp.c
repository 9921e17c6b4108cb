#include "server/relay_send.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/secret.h"

#define PASSWORD_MAX 1024
#define CONNECT_SECS 20L
#define HANDOVER_SECS 90L

struct relay_smtp {
	CURL *curl;
	struct secret password;
	char *user, *url, *ca, *from;
	bool tls_required, tls_none, implicit_tls;
	/* one hand-over */
	const char *mail;
	size_t len, at;
	bool was_newline;
	struct relay_stream *stream;
	const uint8_t *piece;      /* what is left of the stream's last */
	size_t piece_len;
	enum ll_result stream_end;
	char verb[5];              /* the last command that we sent */
	char words[WORDS_MAX + 1]; /* the last whole reply */
	bool reply_open;           /* its last line is still to come */
	bool leaving;              /* QUIT was said: nothing counts now */
	char cause[CURL_ERROR_SIZE];
};

bool
relay_is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	return strncmp(host, "127.", 4) == 0 ||
	    strncmp(host, "[::1]", 5) == 0 ||
	    (strncasecmp(host, "localhost", 9) == 0 &&
	    (host[9] == '\0' || host[9] == ':' || host[9] == '/'));
}

static enum ll_result
read_password(const char *path, struct secret *out_r, const char **why_r)
{
	char text[PASSWORD_MAX + 1];
	enum ll_result r;
	ssize_t n;
	int fd;

	*why_r = "relay_password_file cannot be read";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return LL_USAGE;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return LL_USAGE;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	r = secret_copy(out_r, text, (size_t)n + 1);
	sodium_memzero(text, sizeof(text));
	return r;
}

/* The end is told to libcurl only when the stream was whole: its dot says
 * that the mail is. */
static size_t
give_stream(struct relay_smtp *w, char *buffer, size_t room)
{
	size_t n;

	if (w->piece_len == 0) {
		w->stream_end = relay_stream_next(w->stream, &w->piece,
		    &w->piece_len);
		if (w->stream_end == LL_EOF)
			return 0;
		if (w->stream_end != LL_OK)
			return CURL_READFUNC_ABORT;
	}
	n = w->piece_len < room ? w->piece_len : room;
	memcpy(buffer, w->piece, n);
	w->piece += n;
	w->piece_len -= n;
	return n;
}

/* libcurl wants the mail with CRLF; the dots are its own affair. */
static size_t
give_mail(char *buffer, size_t size, size_t count, void *arg)
{
	struct relay_smtp *w = arg;
	size_t room = size * count, n = 0;
	char c;

	if (w->stream != NULL)
		return give_stream(w, buffer, room);
	while (w->at < w->len && n < room) {
		c = w->mail[w->at];
		if (c == '\n' && !w->was_newline) {
			buffer[n++] = '\r';
			w->was_newline = true;
			continue;
		}
		buffer[n++] = c;
		w->was_newline = false;
		w->at++;
	}
	return n;
}

/* A reply line: "250-..." goes on, "250 ..." ends the reply. */
static void
keep_line(struct relay_smtp *w, const char *line, size_t len)
{
	size_t have;

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (!w->reply_open)
		w->words[0] = '\0';
	have = strlen(w->words);
	if (have + len + 2 < sizeof(w->words)) {
		if (have > 0)
			w->words[have++] = ' ';
		memcpy(w->words + have, line, len);
		w->words[have + len] = '\0';
	}
	w->reply_open = len > 3 && line[3] == '-';
}

/* Sees what passes: only verbs of commands and the other side's replies are
 * kept, never data (AUTH's answers are data here: they have no verb). */
static int
watch(CURL *curl, curl_infotype type, char *data, size_t len, void *arg)
{
	struct relay_smtp *w = arg;
	size_t i;

	(void)curl;
	if (type == CURLINFO_HEADER_IN && !w->leaving)
		keep_line(w, data, len);
	if (type != CURLINFO_HEADER_OUT)
		return 0;
	w->leaving = len >= 4 && memcmp(data, "QUIT", 4) == 0;
	if (w->leaving)
		return 0;
	for (i = 0; i < 4 && i < len && data[i] >= 'A' && data[i] <= 'Z'; i++)
		w->verb[i] = data[i];
	w->verb[i] = '\0';
	return 0;
}

static bool
set_tls(struct relay_smtp *w)
{
	bool check = w->tls_required || (w->implicit_tls && !w->tls_none);
	long mode = CURLUSESSL_ALL;
	bool ok;

	if (w->tls_none)
		mode = CURLUSESSL_NONE;
	else if (!w->tls_required)
		mode = CURLUSESSL_TRY;
	ok = curl_easy_setopt(w->curl, CURLOPT_USE_SSL, mode) == CURLE_OK &&
	    curl_easy_setopt(w->curl, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	    curl_easy_setopt(w->curl, CURLOPT_SSL_VERIFYPEER,
	    check ? 1L : 0L) == CURLE_OK &&
	    curl_easy_setopt(w->curl, CURLOPT_SSL_VERIFYHOST,
	    check ? 2L : 0L) == CURLE_OK;
	if (ok && w->ca[0] != '\0')
		ok = curl_easy_setopt(w->curl, CURLOPT_CAINFO, w->ca) ==
		    CURLE_OK;
	return ok;
}

static bool
set_up(struct relay_smtp *w)
{
	CURL *c = w->curl;
	bool ok;

	ok = curl_easy_setopt(c, CURLOPT_URL, w->url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps") ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READFUNCTION, give_mail) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READDATA, w) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, watch) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_DEBUGDATA, w) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, w->cause) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECS) ==
	    CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT, HANDOVER_SECS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_MAIL_FROM, w->from) == CURLE_OK;
	if (ok && w->user[0] != '\0')
		ok = curl_easy_setopt(c, CURLOPT_USERNAME, w->user) ==
		    CURLE_OK && curl_easy_setopt(c, CURLOPT_PASSWORD,
		    w->password.data) == CURLE_OK;
	return ok && set_tls(w);
}

/* The name for EHLO is that of mail_from's domain: the URL's path. */
static enum ll_result
copy_settings(struct relay_smtp *w, const struct relay_settings *s)
{
	const char *at = strchr(s->mail_from, '@');
	size_t len = strlen(s->relay);

	while (len > 0 && s->relay[len - 1] == '/')
		len--;
	w->implicit_tls = strncmp(s->relay, "smtps://", 8) == 0;
	w->tls_none = strcmp(s->tls, "off") == 0;
	w->tls_required = strcmp(s->tls, "required") == 0 ||
	    (s->tls[0] == '\0' && !relay_is_loopback(s->relay));
	if (asprintf(&w->url, "%.*s/%s", (int)len, s->relay,
	    at != NULL ? at + 1 : "") < 0)
		w->url = NULL;
	if (asprintf(&w->from, "<%s>", s->mail_from) < 0)
		w->from = NULL;
	w->user = strdup(s->user);
	w->ca = strdup(s->ca);
	if (w->url == NULL || w->from == NULL || w->user == NULL ||
	    w->ca == NULL)
		return LL_NOMEM;
	return LL_OK;
}

enum ll_result
relay_smtp_open(const struct relay_settings *s, struct relay_smtp **w_r,
    const char **why_r)
{
	struct relay_smtp *w;
	char address[321];
	enum ll_result r = LL_USAGE;

	*w_r = NULL;
	w = calloc(1, sizeof(*w));
	*why_r = "out of memory";
	if (w == NULL)
		return LL_NOMEM;
	if (strncmp(s->relay, "smtp://", 7) != 0 &&
	    strncmp(s->relay, "smtps://", 8) != 0) {
		*why_r = "relay is smtp://HOST:PORT, smtps:// or dir:PATH";
		goto out;
	}
	r = clean_address(s->mail_from, address, why_r);
	if (r != LL_OK)
		goto out;
	r = copy_settings(w, s);
	if (r != LL_OK)
		goto out;
	if (s->user[0] != '\0') {
		r = read_password(s->password_file, &w->password, why_r);
		if (r != LL_OK)
			goto out;
	}
	r = LL_NOMEM;
	*why_r = "libcurl does not start";
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto out;
	w->curl = curl_easy_init();
	if (w->curl == NULL || !set_up(w))
		goto out;
	r = LL_OK;
out:
	if (r == LL_OK)
		*w_r = w;
	else
		relay_smtp_close(w);
	return r;
}

void
relay_smtp_close(struct relay_smtp *w)
{
	if (w == NULL)
		return;
	if (w->curl != NULL)
		curl_easy_cleanup(w->curl);
	secret_finish(&w->password);
	free(w->user);
	free(w->url);
	free(w->ca);
	free(w->from);
	free(w);
}

/* Only what the other server says about this recipient or this mail is final;
 * a refused greeting, login or sender is for the admin to mend. */
static void
judge(struct relay_smtp *w, CURLcode rc, struct relay_outcome *o_r)
{
	bool about_mail = strcmp(w->verb, "RCPT") == 0 ||
	    strcmp(w->verb, "DATA") == 0;
	char *clean = NULL;
	const char *words = w->words;

	o_r->outcome = QUEUE_RETRY;
	if (rc == CURLE_OK)
		o_r->outcome = QUEUE_SENT;
	else if (about_mail && w->words[0] == '5')
		o_r->outcome = QUEUE_REFUSED;
	else if (!about_mail)
		o_r->unreachable = true;
	if (rc != CURLE_OK && (w->words[0] < '4' || w->words[0] > '5')) {
		words = w->cause[0] != '\0' ? w->cause :
		    curl_easy_strerror(rc);
		o_r->unreachable = true;
	}
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) != LL_OK)
		return;
	snprintf(o_r->words, sizeof(o_r->words), "%s", clean);
	free(clean);
}

static void
add_hash(const uint8_t *hash, struct relay_outcome *o_r)
{
	char hex[2 * RELAY_STREAM_HASH + 1];
	size_t at = strlen(o_r->words);

	if (at > WORDS_MAX - 80)
		at = WORDS_MAX - 80;
	sodium_bin2hex(hex, sizeof(hex), hash, RELAY_STREAM_HASH);
	snprintf(o_r->words + at, sizeof(o_r->words) - at, " sha256:%s", hex);
}

void
relay_smtp_send(struct relay_smtp *w, const char *to,
    const struct relay_source *mail, struct relay_outcome *o_r)
{
	char address[321], bracketed[330];
	struct curl_slist *list = NULL;
	const char *why = "";
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (clean_address(to, address, &why) != LL_OK) {
		o_r->outcome = QUEUE_REFUSED;
		snprintf(o_r->words, sizeof(o_r->words), "%s", why);
		return;
	}
	snprintf(bracketed, sizeof(bracketed), "<%s>", address);
	list = curl_slist_append(NULL, bracketed);
	w->mail = mail->mail;
	w->len = mail->len;
	w->at = 0;
	w->stream = mail->mail == NULL ? mail->stream : NULL;
	w->piece_len = 0;
	w->stream_end = LL_OK;
	w->was_newline = false;
	w->verb[0] = '\0';
	w->words[0] = '\0';
	w->reply_open = w->leaving = false;
	w->cause[0] = '\0';
	if (list != NULL && curl_easy_setopt(w->curl, CURLOPT_MAIL_RCPT,
	    list) == CURLE_OK)
		rc = curl_easy_perform(w->curl);
	(void)curl_easy_setopt(w->curl, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(list);
	w->mail = NULL;
	judge(w, rc, o_r);
	if (w->stream != NULL && w->stream_end != LL_OK &&
	    w->stream_end != LL_EOF)
		relay_stream_failed(w->stream_end, o_r);
	else if (rc == CURLE_OK && mail->hash != NULL)
		add_hash(mail->hash, o_r);
	w->stream = NULL;
}
