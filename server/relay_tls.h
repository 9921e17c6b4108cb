/*
 * relay_tls.h - which mail servers of a domain prove who they are by TLS, and
 * how: DANE (RFC 7672), MTA-STS (RFC 8461), or the administration's word
 * (tls_domains).
 *
 * Used by several threads.  Nothing here ever says that mail may go in clear.
 */
#ifndef LL_RELAY_TLS_H
#define LL_RELAY_TLS_H

#include "server/relay_route.h"
#include "server/relay_web.h"

struct tls_settings {
	struct relay_dns *dns;
	const char *ca;            /* find_ca */
	const char *networks;      /* find_networks */
	const char *domains;       /* tls_domains */
	unsigned port;             /* mx_port */
};

struct relay_tls;

/* The texts of s must live as long.  LL_USAGE, LL_NOMEM. */
LL_MUST enum ll_result tls_open(const struct tls_settings *s,
    struct relay_tls **t_r);

/* The servers of the domain that prove themselves, in the order of their
 * preference; DANE comes before all else, and where its records cannot be had
 * or do not hold nothing else takes its place.  Blocks, a minute at most.
 * route_r->result: LL_OK; LL_NOTFOUND: the domain demands no TLS (any more);
 * LL_BUSY: not known now.  words say it. */
void tls_route(struct relay_tls *t, const char *domain,
    struct relay_route *route_r);

/* The same as a lookup (find_tls_fn): data is the policy's word. */
LL_MUST enum ll_result relay_tls_find(void *t, const char *domain,
    uint8_t *data, size_t room, size_t *len_r, char *words,
    uint64_t *good_secs_r);

/* The TLSA records among rows that may be used: DANE-TA and DANE-EE with a
 * selector and a matching type that are known.  How many. */
size_t tls_usable(const struct dns_row *rows, size_t count,
    struct wire_tlsa list[WIRE_TLSA_MAX]);

/* Whether domains (as tls_domains has them) names the domain, and which name
 * its servers' certificates bear ("" when none is given). */
bool tls_is_listed(const char *domains, const char *domain,
    char name[DNS_NAME_MAX + 1]);

#endif
