#include "server/relay_dns.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unbound.h>

#define CLASS_IN 1
#define RCODE_NXDOMAIN 3
#define DEBIAN_ANCHOR "/usr/share/dns/root.key"

struct relay_dns {
	struct ub_ctx *ctx;
	struct net_list networks;
};

/* The root's key-signing keys, for systems without Debian's file. */
static const char *const root_keys[] = {
	". IN DS 20326 8 2 "
	"E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 "
	"683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"
};

/* A resolver that is silent must not keep a thread for minutes. */
static const char *const options[][2] = {
	{ "do-not-query-localhost:", "no" },
	{ "infra-cache-max-rtt:", "2000" },
	{ "outbound-msg-retry:", "3" },
	{ "trust-anchor-signaling:", "no" },
	{ "use-syslog:", "no" },
	{ "num-queries-per-thread:", "128" },
	{ "outgoing-range:", "128" },
};

/* Names that resolvers answer themselves unless told otherwise: here they are
 * looked up like any other. */
static const char *const plain_zones[] = {
	"test.", "invalid.", "onion.", "home.arpa."
};

/* unbound writes ADDRESS@PORT. */
static enum ll_result
set_server(struct relay_dns *d, const char *server, const char **why_r)
{
	struct sockaddr_storage sa;
	struct net_addr a;
	char text[NET_TEXT], at[NET_TEXT + 8];
	socklen_t len;

	if (server[0] == '\0') {
		/* without that file the root's servers are asked: a machine
		 * that has no network yet must start as well */
		(void)ub_ctx_resolvconf(d->ctx, NULL);
		return LL_OK;
	}
	*why_r = "dns_server is ADDRESS:PORT";
	if (net_listen_parse(server, strlen(server), &sa, &len) != LL_OK ||
	    !net_addr_of(&sa, &a))
		return LL_USAGE;
	net_addr_text(&a, text);
	snprintf(at, sizeof(at), "%s@%u", text, net_port(&sa));
	return ub_ctx_set_fwd(d->ctx, at) == 0 ? LL_OK : LL_USAGE;
}

static enum ll_result
set_anchor(struct relay_dns *d, const char *anchor, const char **why_r)
{
	size_t i;

	*why_r = "dns_anchor cannot be read";
	if (anchor[0] == '\0' && access(DEBIAN_ANCHOR, R_OK) == 0)
		anchor = DEBIAN_ANCHOR;
	if (anchor[0] != '\0')
		return access(anchor, R_OK) == 0 &&
		    ub_ctx_add_ta_file(d->ctx, anchor) == 0 ? LL_OK : LL_USAGE;
	for (i = 0; i < sizeof(root_keys) / sizeof(root_keys[0]); i++)
		if (ub_ctx_add_ta(d->ctx, root_keys[i]) != 0)
			return LL_NOMEM;
	return LL_OK;
}

/* From the first of these on unbound's settings are final and its files read;
 * the question is one that it answers itself. */
static enum ll_result
settle(struct relay_dns *d, const char **why_r)
{
	struct ub_result *result = NULL;
	size_t i;

	*why_r = "the resolver does not start (dns_anchor?)";
	for (i = 0; i < sizeof(plain_zones) / sizeof(plain_zones[0]); i++)
		if (ub_ctx_zone_add(d->ctx, plain_zones[i],
		    "transparent") != 0)
			return LL_USAGE;
	if (ub_resolve(d->ctx, "localhost", DNS_A, CLASS_IN, &result) != 0)
		return LL_USAGE;
	ub_resolve_free(result);
	return LL_OK;
}

enum ll_result
dns_open(const char *server, const char *anchor,
    const struct net_list *networks, struct relay_dns **d_r,
    const char **why_r)
{
	struct relay_dns *d;
	enum ll_result r = LL_NOMEM;
	size_t i;

	*d_r = NULL;
	*why_r = "out of memory";
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return LL_NOMEM;
	d->networks = *networks;
	d->ctx = ub_ctx_create();
	if (d->ctx == NULL)
		goto out;
	(void)ub_ctx_debugout(d->ctx, NULL);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (ub_ctx_set_option(d->ctx, options[i][0],
		    options[i][1]) != 0)
			goto out;
	r = set_server(d, server, why_r);
	if (r == LL_OK)
		r = set_anchor(d, anchor, why_r);
	if (r == LL_OK)
		r = settle(d, why_r);
out:
	if (r == LL_OK)
		*d_r = d;
	else
		dns_close(d);
	return r;
}

void
dns_close(struct relay_dns *d)
{
	if (d == NULL)
		return;
	if (d->ctx != NULL)
		ub_ctx_delete(d->ctx);
	free(d);
}

bool
dns_name_is_plain(const char *name)
{
	size_t label = 0, i;

	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!isalnum((unsigned char)name[i]) &&
		    name[i] != '-' && name[i] != '_') {
			return false;
		} else if (++label > 63) {
			return false;
		}
	}
	return label > 0 && i <= DNS_NAME_MAX;
}

enum ll_result
dns_name(const uint8_t *p, size_t len, char name[DNS_NAME_MAX + 1])
{
	size_t at = 0, out = 0, n, i;

	name[0] = '\0';
	while (at < len && p[at] != 0) {
		n = p[at++];
		if (n > 63 || at + n > len || out + n + 1 > DNS_NAME_MAX)
			return LL_PROTO;
		if (out > 0)
			name[out++] = '.';
		for (i = 0; i < n; i++) {
			if (p[at + i] == '.')
				return LL_PROTO;
			name[out++] = (char)tolower(p[at + i]);
		}
		at += n;
	}
	name[out] = '\0';
	if (strlen(name) != out || at + 1 != len)
		return LL_PROTO;
	return out == 0 || dns_name_is_plain(name) ? LL_OK : LL_PROTO;
}

enum ll_result
dns_ask(struct relay_dns *d, const char *name, enum dns_type type,
    struct dns_answer *a_r)
{
	struct ub_result *u = NULL;

	memset(a_r, 0, sizeof(*a_r));
	if (!dns_name_is_plain(name))
		return LL_USAGE;
	if (ub_resolve(d->ctx, name, (int)type, CLASS_IN, &u) != 0)
		return LL_BUSY;
	a_r->held = u;
	if (u->bogus)
		return LL_AUTH;
	a_r->secure = u->secure != 0;
	a_r->no_name = !u->havedata && u->rcode == RCODE_NXDOMAIN;
	a_r->ttl_secs = u->ttl > 0 ? (unsigned)u->ttl : 0;
	if (!u->havedata)
		return u->rcode == 0 || u->rcode == RCODE_NXDOMAIN ?
		    LL_NOTFOUND : LL_BUSY;
	while (a_r->count < DNS_ROWS_MAX && u->data[a_r->count] != NULL) {
		a_r->rows[a_r->count].data =
		    (const uint8_t *)u->data[a_r->count];
		a_r->rows[a_r->count].len = (size_t)u->len[a_r->count];
		a_r->count++;
	}
	return a_r->count > 0 ? LL_OK : LL_NOTFOUND;
}

void
dns_answer_finish(struct dns_answer *a)
{
	if (a->held != NULL)
		ub_resolve_free(a->held);
	memset(a, 0, sizeof(*a));
}

/* --- addresses --- */

struct block {
	uint8_t base[16];
	unsigned bits;
};

#define V4(a, b, c, d, n) { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, \
	a, b, c, d }, 96 + (n) }

/* IANA's special-purpose registries, RFC 6890: not globally reachable. */
static const struct block private_blocks[] = {
	V4(0, 0, 0, 0, 8), V4(10, 0, 0, 0, 8), V4(100, 64, 0, 0, 10),
	V4(127, 0, 0, 0, 8), V4(169, 254, 0, 0, 16), V4(172, 16, 0, 0, 12),
	V4(192, 0, 0, 0, 24), V4(192, 0, 2, 0, 24), V4(192, 88, 99, 0, 24),
	V4(192, 168, 0, 0, 16), V4(198, 18, 0, 0, 15),
	V4(198, 51, 100, 0, 24), V4(203, 0, 113, 0, 24), V4(224, 0, 0, 0, 3),
	{ { 0 }, 96 },                                /* ::, ::1, compatible */
	{ { 0x00, 0x64, 0xff, 0x9b }, 32 },           /* NAT64, both kinds */
	{ { 0x01, 0x00 }, 64 },                       /* discard */
	{ { 0x20, 0x01, 0x00 }, 23 },                 /* Teredo and the like */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
	{ { 0x20, 0x02 }, 16 },                       /* 6to4 */
	{ { 0x3f, 0xff }, 20 }, { { 0x5f, 0x00 }, 16 },
	{ { 0xfc }, 7 }, { { 0xfe, 0x80 }, 10 }, { { 0xfe, 0xc0 }, 10 },
	{ { 0xff }, 8 },
};

static bool
is_in(const struct net_addr *a, const struct block *b)
{
	unsigned whole = b->bits / 8, rest = b->bits % 8;

	if (memcmp(a->b, b->base, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a->b[whole] ^ b->base[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool
dns_is_private(const struct net_addr *a)
{
	size_t i;

	for (i = 0; i < sizeof(private_blocks) / sizeof(private_blocks[0]);
	    i++)
		if (is_in(a, &private_blocks[i]))
			return true;
	return false;
}

static bool
set_address(struct sockaddr_storage *sa, const struct dns_row *row,
    enum dns_type type, unsigned port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	if (type == DNS_A && row->len == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		memcpy(&v4->sin_addr, row->data, 4);
		return true;
	}
	if (type == DNS_AAAA && row->len == 16) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		memcpy(&v6->sin6_addr, row->data, 16);
		return true;
	}
	return false;
}

static void
add_addresses(const struct relay_dns *d, const struct dns_answer *a,
    enum dns_type type, unsigned port, struct dns_addresses *out,
    size_t *refused)
{
	struct sockaddr_storage sa;
	struct net_addr n;
	size_t i, mine = 0;

	for (i = 0; i < a->count && out->count < DNS_ADDRESSES_MAX &&
	    mine < DNS_ADDRESSES_MAX / 2; i++) {
		if (!set_address(&sa, &a->rows[i], type, port) ||
		    !net_addr_of(&sa, &n))
			continue;
		if (dns_is_private(&n) && !net_list_has(&d->networks, &n)) {
			(*refused)++;
			continue;
		}
		out->at[out->count++] = sa;
		mine++;
	}
}

enum ll_result
dns_addresses(struct relay_dns *d, const char *host, unsigned port,
    struct dns_addresses *a_r)
{
	static const enum dns_type types[] = { DNS_AAAA, DNS_A };
	enum ll_result worst = LL_NOTFOUND, r;
	struct dns_answer a;
	size_t i, refused = 0;

	memset(a_r, 0, sizeof(*a_r));
	a_r->secure = true;
	for (i = 0; i < 2; i++) {
		r = dns_ask(d, host, types[i], &a);
		add_addresses(d, &a, types[i], port, a_r, &refused);
		if (r == LL_OK || r == LL_NOTFOUND)
			a_r->secure = a_r->secure && a.secure;
		else
			worst = r;
		dns_answer_finish(&a);
	}
	if (a_r->count > 0)
		return LL_OK;
	return refused > 0 ? LL_DENIED : worst;
}
