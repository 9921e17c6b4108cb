/*
 * net.h - addresses as they stand in the configuration: numeric only, so that
 * nothing waits for a name server at start.
 */
#ifndef LL_NET_H
#define LL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys/result.h"

#define NET_TEXT 64              /* "[v6]:port" and NUL */
#define NET_CIDR_MAX 128         /* networks in one list */

/* An IPv4 address stands in the last 4 of 16 bytes as ::ffff:a.b.c.d. */
struct net_addr {
	uint8_t b[16];
};

struct net_cidr {
	struct net_addr base;
	unsigned bits;           /* 0..128, of the 16-byte form */
};

struct net_list {
	size_t count;
	struct net_cidr nets[NET_CIDR_MAX];
};

/* Reads ADDR:PORT, [ADDR]:PORT, localhost:PORT or *:PORT (every IPv4 address)
 * of the len bytes at text.  LL_USAGE for anything else. */
LL_MUST enum ll_result net_listen_parse(const char *text, size_t len,
    struct sockaddr_storage *sa_r, socklen_t *sa_len_r);

/* Networks separated by blanks; a bare address is a network of one.  LL_USAGE,
 * LL_TOOBIG above NET_CIDR_MAX. */
LL_MUST enum ll_result net_list_parse(const char *text,
    struct net_list *list_r);
bool net_list_has(const struct net_list *list, const struct net_addr *a);

/* The address of a socket address; false for other families. */
bool net_addr_of(const struct sockaddr_storage *sa, struct net_addr *a_r);
/* Same text for both forms of an IPv4 address, without the port. */
void net_addr_text(const struct net_addr *a, char text[NET_TEXT]);
/* "127.0.0.1:2222" or "[::1]:2222". */
void net_sockaddr_text(const struct sockaddr_storage *sa, char text[NET_TEXT]);
unsigned net_port(const struct sockaddr_storage *sa);

/* What limits count as one source: an IPv4 address, an IPv6 /64. */
void net_source(const struct net_addr *a, struct net_addr *source_r);
bool net_is_loopback(const struct net_addr *a);
/* True for an address that any host of the Internet may have: not private,
 * loopback, link-local, multicast, reserved or documentation (RFC 6890), nor an
 * IPv6 form of such an IPv4 address. */
bool net_is_public(const struct net_addr *a);

/* Host and port of URL (scheme://host[:port][/...]) into host (room bytes,
 * brackets of IPv6 taken off); *port_r is 0 when it names none.  LL_USAGE. */
LL_MUST enum ll_result net_url_parse(const char *url, char *scheme,
    size_t scheme_room, char *host, size_t host_room, unsigned *port_r,
    bool *has_port_r);
/* True when host is localhost or a loopback address. */
bool net_host_is_loopback(const char *host);

#endif
