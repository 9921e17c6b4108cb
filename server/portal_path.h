/*
 * portal_path.h - what a request says in its first lines, parsed: paths,
 * cookies, and who asks.
 */
#ifndef LL_PORTAL_PATH_H
#define LL_PORTAL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys/id.h"

#define ORIGIN_MAX 65
#define COOKIE_BYTES 32
#define COOKIE_TEXT 52            /* Crockford symbols */
#define PROXIES_MAX 16

enum path_kind {
	PATH_NONE,                /* nothing of ours */
	PATH_HOME,                /* / */
	PATH_STYLE,               /* /style.css */
	PATH_ROBOTS,              /* /robots.txt */
	PATH_LINK,                /* /m/LOCATOR/SECRET */
	PATH_MESSAGE,             /* /o/DELIVERY */
	PATH_FILE,                /* /o/DELIVERY/f/N */
	PATH_REPLY,               /* /o/DELIVERY/reply */
	PATH_CLOSE,               /* /o/DELIVERY/close */
	PATH_KEY,                 /* /o/DELIVERY/key */
	PATH_KINDS
};

struct portal_path {
	enum path_kind kind;
	struct id locator, secret; /* PATH_LINK */
	struct id delivery;        /* PATH_MESSAGE and below */
	unsigned file;             /* PATH_FILE: 1..100 */
};

/* Fills *p_r from a decoded path; anything that is not exactly one of ours is
 * PATH_NONE. */
void path_parse(const char *url, struct portal_path *p_r);

/* Reads a cookie's value: exactly COOKIE_TEXT symbols. */
bool path_cookie(const char *value, uint8_t cookie_r[COOKIE_BYTES]);

/* Networks whose X-Forwarded-For is believed. */
struct proxy_net {
	uint8_t address[16];      /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;            /* of 128 */
};

struct proxy_list {
	struct proxy_net net[PROXIES_MAX];
	size_t count;
};

/* Reads addresses or networks (a.b.c.d/n, IPv6 too) parted by blanks or
 * commas.  False when one is malformed or there are too many. */
bool path_proxies(const char *text, struct proxy_list *l_r);

/* Who asks, as text for rate limits: the peer, or, when the peer is a trusted
 * proxy, the last hop of its X-Forwarded-For (forwarded, may be NULL).  IPv6
 * is told by its /64, the unit one person is given. */
void path_origin(const struct sockaddr *peer, const char *forwarded,
    const struct proxy_list *trusted, char origin_r[ORIGIN_MAX]);

#endif
