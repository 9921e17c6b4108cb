/*
 * portal_session.h - messages that are open in a browser, in memory only.
 *
 * An entry belongs to a cookie (of which only a hash is kept) and one
 * delivery; its message key is wrapped under a key derived from the cookie, so
 * that this table alone opens nothing.  15 minutes idle or an hour in all end
 * it.
 */
#ifndef LL_PORTAL_SESSION_H
#define LL_PORTAL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "server/portal_path.h"

#define SESSION_IDLE_MS (15 * 60 * 1000)
#define SESSION_TOTAL_MS (60 * 60 * 1000)
#define SESSIONS_MAX 4096
#define SESSIONS_LINK_MAX 16       /* of them of one link */

/* What an opened delivery needs: the store's token and the message key. */
struct opened {
	struct id delivery;
	struct id message;
	uint8_t token[HASH_BYTES];
	struct secret key;
};

/* Wipes; safe to repeat. */
void opened_finish(struct opened *o);

struct sessions;

/* An empty table. */
LL_MUST enum ll_result sessions_create(struct sessions **s_r);
/* Wipes and frees.  NULL is fine. */
void sessions_destroy(struct sessions *s);

/* Puts (or replaces) an entry.  now_ms: monotonic.  When the table is full the
 * longest unused entry goes. */
LL_MUST enum ll_result session_put(struct sessions *s,
    const uint8_t cookie[COOKIE_BYTES], const struct opened *o,
    uint64_t now_ms);
/* Opens an entry and counts as use.  LL_NOTFOUND; the caller calls
 * opened_finish after LL_OK. */
LL_MUST enum ll_result session_get(struct sessions *s,
    const uint8_t cookie[COOKIE_BYTES], const struct id *delivery,
    uint64_t now_ms, struct opened *o_r);
/* True when the cookie has any entry. */
bool session_known(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    uint64_t now_ms);
/* True when nobody has a message open. */
bool session_none(struct sessions *s, uint64_t now_ms);
/* Forgets an entry.  False when there was none. */
bool session_end(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    const struct id *delivery);
/* Takes one entry whose time is over; its store token goes to token_r.  False
 * when there is none left. */
bool session_sweep(struct sessions *s, uint64_t now_ms,
    uint8_t token_r[HASH_BYTES]);

#endif
