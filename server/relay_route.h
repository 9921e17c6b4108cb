/*
 * relay_route.h - where the mail of one destination goes: servers in the order
 * in which they are tried, and what each must prove.
 */
#ifndef LL_RELAY_ROUTE_H
#define LL_RELAY_ROUTE_H

#include "keys/result.h"
#include "server/relay_dns.h"
#include "server/relay_wire.h"

#define ROUTE_HOPS_MAX 12
#define ROUTE_WORDS 300

/* What says that TLS with a checked certificate is demanded of a server. */
enum route_policy {
	POLICY_NONE, POLICY_LIST, POLICY_STS, POLICY_DANE, POLICY_REQUIRETLS
};

struct route_hop {
	char name[DNS_NAME_MAX + 1];
	char cert_name[DNS_NAME_MAX + 1];   /* what its certificate is for */
	struct sockaddr_storage at;
	enum route_policy policy;
	size_t tlsa_count;
	struct wire_tlsa tlsa[WIRE_TLSA_MAX];
};

struct relay_route {
	enum ll_result result;     /* LL_OK: count > 0 */
	bool never;                /* the domain says so: not to be tried
	                              again */
	char words[ROUTE_WORDS];   /* why there is none */
	uint64_t good_secs;
	size_t count;
	struct route_hop hops[ROUTE_HOPS_MAX];
};

/* "sts", "dane", "list", "requiretls", or "none". */
const char *route_policy_name(enum route_policy p);

#endif
