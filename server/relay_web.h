/*
 * relay_web.h - one page by https, for what is looked up: keys, policies.
 *
 * TLS 1.2 or newer with a certificate that is checked, no redirect followed,
 * no proxy, nothing decompressed, a body of bounded size, a deadline.  Only
 * public addresses are connected to, and those of find_networks: the address
 * of the very socket is checked, so no answer of a name server gets around it.
 */
#ifndef LL_RELAY_WEB_H
#define LL_RELAY_WEB_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/net.h"
#include "server/relay_silent.h"

#define WEB_WORDS 300
#define WEB_TYPE 100
#define WEB_ADDRESSES 8

/* The addresses of a host name, at most room of them.  LL_NOTFOUND: there is
 * none of that name; anything else: not known now. */
typedef enum ll_result web_resolve_fn(void *ctx, const char *host,
    struct net_addr *list, size_t room, size_t *n_r);

/* Shared by all threads; nothing in it changes, but what silent has. */
struct web {
	const char *ca;            /* file, "": the system's */
	struct net_list networks;  /* private ones that may be reached */
	web_resolve_fn *resolve;   /* NULL: the C library's */
	void *resolve_ctx;
	struct silent *silent;     /* hosts not to wait for again; or NULL */
	long whole_ms;             /* most for one page; 0: 20 seconds */
};

struct web_page {
	long status;               /* of HTTP; 0: there was no answer */
	char type[WEB_TYPE];       /* Content-Type without parameters */
	uint8_t *body;             /* a NUL follows what len counts */
	size_t len;
	char words[WEB_WORDS];     /* why it failed; one clean line */
};

/* Starts libcurl; before any thread.  LL_NOMEM. */
LL_MUST enum ll_result web_start(void);

/* Fetches url (https only), waiting whole_ms at most; a body is kept of status
 * 200 only, cap bytes at most.  LL_OK for whatever status; LL_NOTFOUND when
 * there is no such host; LL_DENIED when its address is not allowed; LL_TOOBIG;
 * LL_BUSY when it kept us waiting a moment ago; LL_IO.  *p_r is released by
 * web_page_finish in any case. */
LL_MUST enum ll_result web_get(const struct web *w, const char *url,
    size_t cap, struct web_page *p_r);
void web_page_finish(struct web_page *p);

/* True when that address may be connected to. */
bool web_allows(const struct web *w, const struct net_addr *a);

#endif
