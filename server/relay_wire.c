#include "server/relay_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sodium.h>

enum state { CLOSED, CONNECTING, PLAIN, SHAKING, SECURE };

struct wire_trust {
	SSL_CTX *ctx;
};

struct relay_wire {
	struct loop *loop;
	struct wire_user user;
	enum state state;
	int fd;
	short events;              /* what the loop watches for */
	SSL *ssl;
	bool tls_wants_write;
	enum wire_check check;
	char in[WIRE_LINE_MAX];
	size_t in_len;
	uint8_t *out;
	size_t out_at, out_len;    /* out[out_at .. out_len) waits */
	bool was_full;
	uint64_t written;
};

/* --- trust --- */

enum ll_result
wire_trust_create(const char *ca, struct wire_trust **t_r)
{
	struct wire_trust *t;
	int ok;

	*t_r = NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return LL_NOMEM;
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (t->ctx == NULL) {
		free(t);
		return LL_NOMEM;
	}
	ok = SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_dane_enable(t->ctx) == 1;
	(void)SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(t->ctx, 1);
	if (ok)
		ok = ca[0] == '\0' ?
		    SSL_CTX_set_default_verify_paths(t->ctx) == 1 :
		    SSL_CTX_load_verify_file(t->ctx, ca) == 1;
	ERR_clear_error();
	if (!ok) {
		wire_trust_destroy(t);
		return LL_USAGE;
	}
	*t_r = t;
	return LL_OK;
}

void
wire_trust_destroy(struct wire_trust *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

/* --- life --- */

enum ll_result
wire_create(struct loop *loop, const struct wire_user *user,
    struct relay_wire **w_r)
{
	struct relay_wire *w;

	*w_r = NULL;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return LL_NOMEM;
	w->out = malloc(WIRE_OUT_MAX);
	if (w->out == NULL) {
		free(w);
		return LL_NOMEM;
	}
	w->loop = loop;
	w->user = *user;
	w->fd = -1;
	*w_r = w;
	return LL_OK;
}

void
wire_close(struct relay_wire *w)
{
	if (w->fd >= 0) {
		loop_fd_remove(w->loop, w->fd);
		if (w->ssl != NULL)
			SSL_free(w->ssl);
		close(w->fd);
	}
	w->ssl = NULL;
	w->fd = -1;
	w->state = CLOSED;
}

void
wire_destroy(struct relay_wire *w)
{
	if (w == NULL)
		return;
	wire_close(w);
	sodium_memzero(w->out, WIRE_OUT_MAX);
	free(w->out);
	sodium_memzero(w, sizeof(*w));
	free(w);
}

bool
wire_is_open(const struct relay_wire *w)
{
	return w->state == PLAIN || w->state == SECURE;
}

static void
fail(struct relay_wire *w, const char *words)
{
	if (w->state == CLOSED)
		return;
	wire_close(w);
	w->user.failed(w->user.arg, words);
}

static void
happened(void *arg, int fd, short revents);

static void
watch(struct relay_wire *w)
{
	short events = POLLIN;

	if (w->state == CLOSED)
		return;
	if (w->state == CONNECTING || (w->state == SHAKING &&
	    w->tls_wants_write) || (wire_is_open(w) &&
	    (w->out_at < w->out_len || w->tls_wants_write)))
		events |= POLLOUT;
	if (events == w->events)
		return;
	w->events = events;
	if (loop_fd(w->loop, w->fd, events, happened, w) != LL_OK)
		fail(w, "out of memory");
}

void
wire_connect(struct relay_wire *w, const struct sockaddr_storage *to)
{
	socklen_t len = to->ss_family == AF_INET6 ?
	    sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int on = 1;

	w->events = 0;
	w->in_len = w->out_at = w->out_len = 0;
	w->written = 0;
	w->tls_wants_write = w->was_full = false;
	w->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (w->fd < 0) {
		w->user.failed(w->user.arg, strerror(errno));
		return;
	}
	w->state = CONNECTING;
	(void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(w->fd, (const struct sockaddr *)to, len) != 0 &&
	    errno != EINPROGRESS)
		fail(w, strerror(errno));
	else
		watch(w);
}

/* --- TLS --- */

/* Why a handshake came to nothing: the certificate's fault before OpenSSL's
 * own words. */
static void
fail_tls(struct relay_wire *w)
{
	long verdict = SSL_get_verify_result(w->ssl);
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;
	char words[WIRE_WORDS];

	if (verdict != X509_V_OK && w->check != WIRE_UNCHECKED)
		snprintf(words, sizeof(words), "the server's certificate is "
		    "not good: %s", X509_verify_cert_error_string(verdict));
	else
		snprintf(words, sizeof(words), "TLS failed: %s",
		    reason != NULL ? reason : "the connection was closed");
	ERR_clear_error();
	fail(w, words);
}

static bool
set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	unsigned char a[16];
	char copy[256];            /* the macro takes no const */

	snprintf(copy, sizeof(copy), "%s", name);
	if (inet_pton(AF_INET, name, a) == 1 ||
	    inet_pton(AF_INET6, name, a) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 &&
	    SSL_set_tlsext_host_name(ssl, copy) == 1;
}

static bool
set_dane(SSL *ssl, const struct wire_peer *peer)
{
	size_t i;

	if (SSL_dane_enable(ssl, peer->name) != 1)
		return false;
	(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (peer->domain != NULL && SSL_add1_host(ssl, peer->domain) != 1)
		return false;
	for (i = 0; i < peer->tlsa_count; i++)
		if (SSL_dane_tlsa_add(ssl, peer->tlsa[i].usage,
		    peer->tlsa[i].selector, peer->tlsa[i].match,
		    peer->tlsa[i].data, peer->tlsa[i].len) < 0)
			return false;
	return true;
}

static bool
set_peer(struct relay_wire *w, const struct wire_peer *peer)
{
	w->check = peer->check;
	SSL_set_connect_state(w->ssl);
	SSL_set_verify(w->ssl, peer->check == WIRE_UNCHECKED ?
	    SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (peer->check == WIRE_BY_DANE)
		return set_dane(w->ssl, peer);
	return set_name(w->ssl, peer->name);
}

/* DANE without a row that was used would be no check at all. */
static bool
is_proven(const struct relay_wire *w)
{
	if (w->ssl == NULL || w->check == WIRE_UNCHECKED ||
	    SSL_get_verify_result(w->ssl) != X509_V_OK)
		return false;
	return w->check == WIRE_BY_CA ||
	    SSL_get0_dane_authority(w->ssl, NULL, NULL) >= 0;
}

static void
shake(struct relay_wire *w)
{
	int rc, e;

	ERR_clear_error();
	rc = SSL_do_handshake(w->ssl);
	if (rc == 1) {
		if (w->check != WIRE_UNCHECKED && !is_proven(w)) {
			fail(w, "the server's certificate was not checked");
			return;
		}
		w->state = SECURE;
		w->tls_wants_write = false;
		watch(w);
		w->user.opened(w->user.arg);
		return;
	}
	e = SSL_get_error(w->ssl, rc);
	w->tls_wants_write = e == SSL_ERROR_WANT_WRITE;
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		fail_tls(w);
	else
		watch(w);
}

void
wire_start_tls(struct relay_wire *w, struct wire_trust *trust,
    const struct wire_peer *peer)
{
	/* Somebody on the way put them there, to be taken for the server's
	 * once TLS stands. */
	if (w->in_len > 0) {
		fail(w, "bytes in clear came after STARTTLS");
		return;
	}
	w->ssl = SSL_new(trust->ctx);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1 ||
	    !set_peer(w, peer)) {
		ERR_clear_error();
		fail(w, "TLS cannot be set up");
		return;
	}
	w->state = SHAKING;
	shake(w);
}

void
wire_proof(const struct relay_wire *w, struct wire_proof *p_r)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	X509 *cert;

	memset(p_r, 0, sizeof(*p_r));
	if (w->state != SECURE)
		return;
	snprintf(p_r->version, sizeof(p_r->version), "%s",
	    SSL_get_version(w->ssl));
	p_r->proven = is_proven(w);
	cert = SSL_get0_peer_certificate(w->ssl);
	if (cert != NULL && X509_digest(cert, EVP_sha256(), hash, &len) == 1 &&
	    len == 32)
		sodium_bin2hex(p_r->certificate, sizeof(p_r->certificate),
		    hash, len);
}

/* --- bytes --- */

/* What recv and send would say: > 0 bytes, 0 nothing now, -1 the end. */
static ssize_t
tls_result(struct relay_wire *w, int rc)
{
	int e = SSL_get_error(w->ssl, rc);

	if (rc > 0)
		return rc;
	if (e == SSL_ERROR_WANT_WRITE)
		w->tls_wants_write = true;
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
get(struct relay_wire *w, void *p, size_t room)
{
	ssize_t n;

	if (w->state == SECURE) {
		ERR_clear_error();
		return tls_result(w, SSL_read(w->ssl, p, (int)room));
	}
	n = recv(w->fd, p, room, 0);
	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t
put(struct relay_wire *w, const void *p, size_t len)
{
	ssize_t n;

	if (w->state == SECURE) {
		ERR_clear_error();
		w->tls_wants_write = false;
		return tls_result(w, SSL_write(w->ssl, p, (int)len));
	}
	n = send(w->fd, p, len, MSG_NOSIGNAL);
	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Hands on the whole lines; a line ends with LF, a CR before it goes. */
static void
give_lines(struct relay_wire *w)
{
	char line[WIRE_LINE_MAX], *nl;
	size_t n;

	while (wire_is_open(w) &&
	    (nl = memchr(w->in, '\n', w->in_len)) != NULL) {
		n = (size_t)(nl - w->in);
		memcpy(line, w->in, n);
		w->in_len -= n + 1;
		memmove(w->in, nl + 1, w->in_len);
		if (n > 0 && line[n - 1] == '\r')
			n--;
		line[n] = '\0';
		if (strlen(line) != n) {
			fail(w, "a reply has a NUL");
			return;
		}
		w->user.line(w->user.arg, line);
	}
	if (wire_is_open(w) && w->in_len == sizeof(w->in))
		fail(w, "a reply's line does not end");
}

static void
read_some(struct relay_wire *w)
{
	size_t room;
	ssize_t n;

	while (wire_is_open(w)) {
		room = sizeof(w->in) - w->in_len;
		n = get(w, w->in + w->in_len, room);
		if (n < 0) {
			fail(w, "the connection was closed");
			return;
		}
		if (n == 0)
			return;
		w->in_len += (size_t)n;
		give_lines(w);
		/* what is left in the socket wakes the loop again */
		if ((size_t)n < room && (w->ssl == NULL ||
		    SSL_has_pending(w->ssl) == 0))
			return;
	}
}

void
wire_flush(struct relay_wire *w)
{
	ssize_t n;

	while (wire_is_open(w) && w->out_at < w->out_len) {
		n = put(w, w->out + w->out_at, w->out_len - w->out_at);
		if (n < 0) {
			/* what it said before it closed may tell why */
			w->out_at = w->out_len = 0;
			read_some(w);
			fail(w, "the connection was closed");
			return;
		}
		if (n == 0)
			break;
		w->out_at += (size_t)n;
		w->written += (uint64_t)n;
	}
	if (w->out_at == w->out_len && w->out_len > 0) {
		sodium_memzero(w->out, w->out_len);
		w->out_at = w->out_len = 0;
	}
	watch(w);
}

size_t
wire_room(const struct relay_wire *w)
{
	return WIRE_OUT_MAX - (w->out_len - w->out_at);
}

uint64_t
wire_written(const struct relay_wire *w)
{
	return w->written;
}

void
wire_put(struct relay_wire *w, const void *p, size_t len)
{
	if (len > WIRE_OUT_MAX - w->out_len && w->out_at > 0) {
		w->out_len -= w->out_at;
		memmove(w->out, w->out + w->out_at, w->out_len);
		w->out_at = 0;
	}
	if (len > WIRE_OUT_MAX - w->out_len) {
		fail(w, "too much waits to be written");
		return;
	}
	memcpy(w->out + w->out_len, p, len);
	w->out_len += len;
	if (wire_room(w) < WIRE_OUT_MAX / 2)
		w->was_full = true;
}

static void
connected(struct relay_wire *w)
{
	socklen_t len = sizeof(int);
	int e = 0;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
		e = errno;
	if (e != 0) {
		fail(w, strerror(e));
		return;
	}
	w->state = PLAIN;
	watch(w);
	w->user.opened(w->user.arg);
}

static void
happened(void *arg, int fd, short revents)
{
	struct relay_wire *w = arg;

	(void)fd;
	if (w->state == CONNECTING) {
		if (revents != 0)
			connected(w);
		return;
	}
	if (w->state == SHAKING) {
		shake(w);
		return;
	}
	read_some(w);
	wire_flush(w);
	if (wire_is_open(w) && w->was_full &&
	    wire_room(w) > WIRE_OUT_MAX / 2) {
		w->was_full = false;
		w->user.room(w->user.arg);
		wire_flush(w);
	}
}
