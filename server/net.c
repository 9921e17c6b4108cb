#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/net.h"

static const uint8_t v4_prefix[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

static bool
is_v4(const struct net_addr *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

static bool
addr_parse(const char *text, struct net_addr *a_r)
{
	memcpy(a_r->b, v4_prefix, sizeof(v4_prefix));
	if (inet_pton(AF_INET, text, a_r->b + 12) == 1)
		return true;
	return inet_pton(AF_INET6, text, a_r->b) == 1;
}

/* Decimal digits only, up to max. */
static bool
number_parse(const char *text, size_t len, unsigned long max,
    unsigned long *n_r)
{
	unsigned long n = 0;
	size_t i;

	if (len == 0 || len > 9)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned long)(text[i] - '0');
	}
	*n_r = n;
	return n <= max;
}

static void
fill_v4(struct sockaddr_storage *sa, uint32_t host, unsigned port,
    socklen_t *len_r)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = htonl(host);
	in.sin_port = htons((uint16_t)port);
	memcpy(sa, &in, sizeof(in));
	*len_r = sizeof(in);
}

enum ll_result
net_listen_parse(const char *text, size_t len, struct sockaddr_storage *sa_r,
    socklen_t *sa_len_r)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct in_addr v4;
	const char *colon = memrchr(text, ':', len);
	char host[INET6_ADDRSTRLEN + 2];
	unsigned long port;
	size_t host_len;

	memset(sa_r, 0, sizeof(*sa_r));
	*sa_len_r = 0;
	if (colon == NULL)
		return LL_USAGE;
	host_len = (size_t)(colon - text);
	if (host_len == 0 || host_len >= sizeof(host) ||
	    !number_parse(colon + 1, len - host_len - 1, 65535, &port))
		return LL_USAGE;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	if (strcmp(host, "*") == 0) {
		fill_v4(sa_r, INADDR_ANY, (unsigned)port, sa_len_r);
		return LL_OK;
	}
	if (strcmp(host, "localhost") == 0) {
		fill_v4(sa_r, INADDR_LOOPBACK, (unsigned)port, sa_len_r);
		return LL_OK;
	}
	if (inet_pton(AF_INET, host, &v4) == 1) {
		fill_v4(sa_r, ntohl(v4.s_addr), (unsigned)port, sa_len_r);
		return LL_OK;
	}
	if (host[0] != '[' || host[host_len - 1] != ']')
		return LL_USAGE;
	host[host_len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) != 1)
		return LL_USAGE;
	in6.sin6_port = htons((uint16_t)port);
	memcpy(sa_r, &in6, sizeof(in6));
	*sa_len_r = sizeof(in6);
	return LL_OK;
}

static enum ll_result
cidr_parse(const char *text, size_t len, struct net_cidr *c_r)
{
	char word[INET6_ADDRSTRLEN + 5];
	unsigned long bits;
	unsigned most;
	char *slash;

	if (len == 0 || len >= sizeof(word))
		return LL_USAGE;
	memcpy(word, text, len);
	word[len] = '\0';
	slash = strchr(word, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (!addr_parse(word, &c_r->base))
		return LL_USAGE;
	most = strchr(word, ':') == NULL ? 32 : 128;
	bits = most;
	if (slash != NULL && !number_parse(slash, strlen(slash), most, &bits))
		return LL_USAGE;
	c_r->bits = (unsigned)bits + (most == 32 ? 96 : 0);
	return LL_OK;
}

enum ll_result
net_list_parse(const char *text, struct net_list *list_r)
{
	size_t len;

	list_r->count = 0;
	for (;;) {
		text += strspn(text, " \t,");
		len = strcspn(text, " \t,");
		if (len == 0)
			return LL_OK;
		if (list_r->count == NET_CIDR_MAX)
			return LL_TOOBIG;
		if (cidr_parse(text, len, &list_r->nets[list_r->count]))
			return LL_USAGE;
		list_r->count++;
		text += len;
	}
}

static bool
cidr_has(const struct net_cidr *c, const struct net_addr *a)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (memcmp(c->base.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((c->base.b[whole] ^ a->b[whole]) & mask) == 0;
}

bool
net_list_has(const struct net_list *list, const struct net_addr *a)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (cidr_has(&list->nets[i], a))
			return true;
	return false;
}

bool
net_addr_of(const struct sockaddr_storage *sa, struct net_addr *a_r)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (sa->ss_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		memcpy(a_r->b, v4_prefix, sizeof(v4_prefix));
		memcpy(a_r->b + 12, &in.sin_addr, 4);
		return true;
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		memcpy(a_r->b, &in6.sin6_addr, 16);
		return true;
	default:
		memset(a_r, 0, sizeof(*a_r));
		return false;
	}
}

void
net_addr_text(const struct net_addr *a, char text[NET_TEXT])
{
	const char *s;

	if (is_v4(a))
		s = inet_ntop(AF_INET, a->b + 12, text, NET_TEXT);
	else
		s = inet_ntop(AF_INET6, a->b, text, NET_TEXT);
	if (s == NULL)
		text[0] = '\0';
}

unsigned
net_port(const struct sockaddr_storage *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->ss_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return ntohs(in.sin_port);
	}
	if (sa->ss_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return ntohs(in6.sin6_port);
	}
	return 0;
}

void
net_sockaddr_text(const struct sockaddr_storage *sa, char text[NET_TEXT])
{
	struct net_addr a;
	char host[NET_TEXT];

	(void)net_addr_of(sa, &a);
	net_addr_text(&a, host);
	if (sa->ss_family == AF_INET6)
		snprintf(text, NET_TEXT, "[%.45s]:%u", host, net_port(sa));
	else
		snprintf(text, NET_TEXT, "%.45s:%u", host, net_port(sa));
}

void
net_source(const struct net_addr *a, struct net_addr *source_r)
{
	*source_r = *a;
	if (!is_v4(a))
		memset(source_r->b + 8, 0, 8);
}

bool
net_is_loopback(const struct net_addr *a)
{
	static const struct net_addr one = { { [15] = 1 } };

	if (is_v4(a))
		return a->b[12] == 127;
	return memcmp(a, &one, sizeof(one)) == 0;
}

/* What is no host of the Internet: RFC 6890 and its registries.  Of IPv6 only
 * 2000::/3 is given out, and NAT64's prefix leads to IPv4. */
static const char not_public_v4[] =
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 "
    "172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 "
    "198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4";
static const char not_public_v6[] = "2001::/23 2001:db8::/32 2002::/16 "
    "3fff::/20";
static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

bool
net_is_public(const struct net_addr *a)
{
	struct net_addr inner = *a;
	struct net_list list;

	if (memcmp(a->b, nat64, sizeof(nat64)) == 0)
		memcpy(inner.b, v4_prefix, sizeof(v4_prefix));
	if (is_v4(&inner))
		return net_list_parse(not_public_v4, &list) == LL_OK &&
		    !net_list_has(&list, &inner);
	return (a->b[0] & 0xe0) == 0x20 &&
	    net_list_parse(not_public_v6, &list) == LL_OK &&
	    !net_list_has(&list, a);
}

bool
net_host_is_loopback(const char *host)
{
	struct net_addr a;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	return addr_parse(host, &a) && net_is_loopback(&a);
}

/* The end of the host in "host:port/path" or "[v6]:port/path", and where the
 * host itself begins and ends. */
static bool
url_host(const char *at, const char **begin_r, const char **end_r,
    const char **after_r)
{
	if (*at == '[') {
		*begin_r = at + 1;
		*end_r = strchr(at, ']');
		if (*end_r == NULL)
			return false;
		*after_r = *end_r + 1;
	} else {
		*begin_r = at;
		*end_r = at + strcspn(at, ":/?#@ ");
		*after_r = *end_r;
	}
	return *end_r > *begin_r;
}

enum ll_result
net_url_parse(const char *url, char *scheme, size_t scheme_room, char *host,
    size_t host_room, unsigned *port_r, bool *has_port_r)
{
	const char *mark = strstr(url, "://"), *begin, *end, *after;
	unsigned long port = 0;
	size_t len;

	*port_r = 0;
	*has_port_r = false;
	if (mark == NULL || mark == url ||
	    (size_t)(mark - url) >= scheme_room)
		return LL_USAGE;
	memcpy(scheme, url, (size_t)(mark - url));
	scheme[mark - url] = '\0';
	if (!url_host(mark + 3, &begin, &end, &after) ||
	    (size_t)(end - begin) >= host_room)
		return LL_USAGE;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (*after == ':') {
		after++;
		len = strcspn(after, "/?#");
		if (!number_parse(after, len, 65535, &port))
			return LL_USAGE;
		after += len;
		*has_port_r = true;
	}
	if (*after != '\0' && *after != '/')
		return LL_USAGE;
	*port_r = (unsigned)port;
	return LL_OK;
}
