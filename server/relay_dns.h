/*
 * relay_dns.h - names looked up with DNSSEC (libunbound), from any thread.
 *
 * Every answer is one of: there and proven, there in a zone that provably is
 * not signed, not there, or not to be had.  An answer whose signatures do not
 * hold is never given out.
 */
#ifndef LL_RELAY_DNS_H
#define LL_RELAY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys/result.h"
#include "server/net.h"

#define DNS_NAME_MAX 253           /* a name as text, without the last dot */
#define DNS_ROWS_MAX 32            /* records of one answer that are used */
#define DNS_ADDRESSES_MAX 8

enum dns_type {
	DNS_A = 1, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52
};

struct relay_dns;

/* server: ADDRESS:PORT of the resolver, "" for those of /etc/resolv.conf, or
 * the root's servers where that is missing.
 * anchor: file of the trust anchor, "" for the root's (Debian's file, else
 * the keys of 2017 and 2024).  networks: private networks that dns_addresses
 * lets through.  Reads the files, so that it needs none later.  LL_USAGE with
 * *why_r a sentence; LL_NOMEM. */
LL_MUST enum ll_result dns_open(const char *server, const char *anchor,
    const struct net_list *networks, struct relay_dns **d_r,
    const char **why_r);
/* NULL is fine. */
void dns_close(struct relay_dns *d);

struct dns_row {
	const uint8_t *data;       /* as on the wire */
	size_t len;
};

struct dns_answer {
	bool secure;               /* DNSSEC proves it, also that nothing is */
	bool no_name;              /* the name itself does not exist */
	unsigned ttl_secs;
	size_t count;
	struct dns_row rows[DNS_ROWS_MAX];
	void *held;
};

/* Looks up one name.  LL_OK: at least one row.  LL_NOTFOUND: no such record
 * (secure says whether that is proven, no_name that there is none of any
 * type).  LL_AUTH: the signatures do not hold.
 * LL_BUSY: no answer.  LL_USAGE: no name.  May take some 10 seconds.
 * dns_answer_finish afterwards, whatever came. */
LL_MUST enum ll_result dns_ask(struct relay_dns *d, const char *name,
    enum dns_type type, struct dns_answer *a_r);
void dns_answer_finish(struct dns_answer *a);

struct dns_addresses {
	bool secure;
	size_t count;
	struct sockaddr_storage at[DNS_ADDRESSES_MAX];   /* port as asked for */
};

/* The addresses of a host, IPv6 first, at most half of the room each, those
 * left out that are not of the public Internet unless the networks given at
 * dns_open have them.  LL_DENIED: there are only such ones.
 * Else as dns_ask. */
LL_MUST enum ll_result dns_addresses(struct relay_dns *d, const char *host,
    unsigned port, struct dns_addresses *a_r);

/* True for an address that no server of the public Internet has: loopback,
 * private, link-local, shared, multicast, documentation, unspecified; also
 * when it is wrapped in an IPv6 one (mapped, 6to4, NAT64). */
bool dns_is_private(const struct net_addr *a);

/* Reads a domain name off the wire into text, lower case, without the last
 * dot; "" for the root.  LL_PROTO for anything but letters, digits, '-', '_'
 * between the dots, and for bytes left over. */
LL_MUST enum ll_result dns_name(const uint8_t *p, size_t len,
    char name[DNS_NAME_MAX + 1]);

/* True for what may be asked for: labels of letters, digits, '-' and '_' of 1
 * to 63 bytes, at most DNS_NAME_MAX in all, no last dot. */
bool dns_name_is_plain(const char *name);

#endif
