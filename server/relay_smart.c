#include "server/relay_smart.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define PASSWORD_MAX 1024
#define PORT_SMTP 25
#define PORT_SMTPS 465
#define KEEP_SECS 3600

struct relay_smart {
	char host[DNS_NAME_MAX + 1];
	char port[8];
	const char *user;
	struct secret password;
	struct wire_trust *trust;
	enum smtp_tls tls;
	bool tls_first, check;
};

static enum ll_result
read_password(const char *path, struct secret *out_r)
{
	char text[PASSWORD_MAX + 1];
	enum ll_result r;
	ssize_t n;
	int fd;

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

/* Smtps has its TLS unless there is to be none at all; its certificate is
 * checked then too.  A loopback server's is not, unless that is demanded. */
static enum ll_result
read_server(struct relay_smart *m, const struct smart_settings *s)
{
	char scheme[16];
	bool has_port, off = strcmp(s->tls, "off") == 0, required;
	unsigned port;
	enum ll_result r;

	r = net_url_parse(s->relay, scheme, sizeof(scheme), m->host,
	    sizeof(m->host), &port, &has_port);
	if (r != LL_OK)
		return r;
	m->tls_first = strcmp(scheme, "smtps") == 0;
	if (!m->tls_first && strcmp(scheme, "smtp") != 0)
		return LL_USAGE;
	if (!has_port)
		port = m->tls_first ? PORT_SMTPS : PORT_SMTP;
	snprintf(m->port, sizeof(m->port), "%u", port);
	required = strcmp(s->tls, "required") == 0 ||
	    (s->tls[0] == '\0' && !net_host_is_loopback(m->host));
	m->tls = off ? SMTP_TLS_OFF : required ? SMTP_TLS_REQUIRED :
	    SMTP_TLS_IF_OFFERED;
	m->check = required || (m->tls_first && !off);
	return LL_OK;
}

enum ll_result
smart_open(const struct smart_settings *s, struct relay_smart **m_r,
    const char **why_r)
{
	struct relay_smart *m;
	enum ll_result r;

	*m_r = NULL;
	*why_r = "out of memory";
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return LL_NOMEM;
	m->user = s->user;
	*why_r = "relay is smtp://HOST:PORT, smtps://HOST:PORT or dir:PATH";
	r = read_server(m, s);
	if (r == LL_OK && s->user[0] != '\0') {
		*why_r = "relay_password_file cannot be read";
		r = read_password(s->password_file, &m->password);
	}
	if (r == LL_OK) {
		*why_r = "relay_ca cannot be read";
		r = wire_trust_create(s->ca, &m->trust);
	}
	if (r == LL_OK)
		*m_r = m;
	else
		smart_close(m);
	return r;
}

void
smart_close(struct relay_smart *m)
{
	if (m == NULL)
		return;
	wire_trust_destroy(m->trust);
	secret_finish(&m->password);
	free(m);
}

bool
smart_is_checked(const struct relay_smart *m)
{
	return m->check && (m->tls == SMTP_TLS_REQUIRED || m->tls_first);
}

/* By the system's resolver: the server is one of the house, and may stand in
 * /etc/hosts only. */
static void
find(void *arg, const char *name, struct relay_route *route_r)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
	const struct relay_smart *m = arg;
	struct addrinfo *list = NULL, *a;
	struct route_hop *hop;
	int e;

	e = getaddrinfo(name, m->port, &hints, &list);
	/* a machine without network still has its loopback */
	if (e != 0 && net_host_is_loopback(name))
		e = getaddrinfo(name, m->port, NULL, &list);
	for (a = e == 0 ? list : NULL; a != NULL &&
	    route_r->count < ROUTE_HOPS_MAX; a = a->ai_next) {
		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		hop = &route_r->hops[route_r->count++];
		snprintf(hop->name, sizeof(hop->name), "%s", name);
		snprintf(hop->cert_name, sizeof(hop->cert_name), "%s", name);
		memcpy(&hop->at, a->ai_addr, a->ai_addrlen);
	}
	if (list != NULL)
		freeaddrinfo(list);
	route_r->result = route_r->count > 0 ? LL_OK : LL_NOTFOUND;
	if (route_r->count == 0)
		snprintf(route_r->words, sizeof(route_r->words), "%s: %s",
		    name, e != 0 ? gai_strerror(e) : "it has no address");
	route_r->good_secs = KEEP_SECS;
}

void
smart_host(struct relay_smart *m, struct host_settings *h_r)
{
	memset(h_r, 0, sizeof(*h_r));
	h_r->name = m->host;
	h_r->find = find;
	h_r->find_arg = m;
	h_r->trust = m->trust;
	h_r->tls = m->tls;
	/* smtps begins with TLS whether that is demanded or not */
	h_r->tls_first = m->tls_first;
	h_r->check = m->check;
	h_r->user = m->user;
	h_r->password = &m->password;
}
