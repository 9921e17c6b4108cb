/*
 * relay_find.h - looks up what the store wants to know of the outside: keys of
 * an address, whether mail to a domain may go over enforced TLS.
 *
 * A lookup blocks, on name servers and web servers of strangers; so it runs in
 * a thread of its own, a few at once, and mail never waits for it.  The
 * threads get a copy of the question and give back an answer; all that is said
 * to the store is said by who polls.
 */
#ifndef LL_RELAY_FIND_H
#define LL_RELAY_FIND_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/relay_dns.h"
#include "server/relay_web.h"
#include "store/kind.h"
#include "store/msg.h"

#define FIND_BYTES 65536           /* most of one answer */

/* May mail to that domain go over enforced TLS?  LL_OK: yes, *len_r bytes at
 * data say how; LL_NOTFOUND: nothing was published; else not known now, words
 * (room for WEB_WORDS) say why.  *good_secs_r: 0 for the usual.  Blocks for at
 * most a minute. */
typedef enum ll_result find_tls_fn(void *ctx, const char *domain,
    uint8_t *data, size_t room, size_t *len_r, char *words,
    uint64_t *good_secs_r);

/* Shared by the threads; nothing in it changes while they run. */
struct find_settings {
	const char *keyserver;     /* "" for none */
	const char *ca;            /* find_ca */
	const char *networks;      /* find_networks */
	struct relay_dns *dns;     /* NULL: the C library's resolver */
	find_tls_fn *tls;          /* NULL: such lookups find nothing */
	void *tls_ctx;
};

/* How the store is asked: done gets the reply and owns it, or NULL when there
 * will be none; at once or later, from the thread that polls. */
typedef void find_done_fn(void *arg, struct msg *reply);
typedef enum ll_result find_ask_fn(void *ctx, struct msg *request,
    find_done_fn *done, void *arg);

struct relay_find;

/* The texts of s must live as long.  Begins no thread yet.  LL_USAGE with
 * *why_r a sentence; LL_NOMEM. */
LL_MUST enum ll_result relay_find_open(const struct find_settings *s,
    find_ask_fn *ask, void *ask_ctx, struct relay_find **f_r,
    const char **why_r);
/* Waits for no thread that is at work: to be followed by the process's end.
 * NULL is fine. */
void relay_find_close(struct relay_find *f);

/* Lookups may wait at the store: after EVENT_FIND and for each new store. */
void relay_find_due(struct relay_find *f);
/* To be polled for reading; relay_find_ready when it is. */
int relay_find_fd(const struct relay_find *f);
void relay_find_ready(struct relay_find *f);

/* --- one lookup; in a thread, or a test --- */

struct find_answer {
	enum find_state state;
	uint8_t *data;             /* with FIND_FOUND; malloc'd */
	size_t len;
	uint64_t good_secs;        /* 0: the usual */
	char words[WEB_WORDS];
};

/* Blocks.  a_r->data is the caller's to free. */
void relay_look(const struct find_settings *s, const struct web *web,
    enum lookup lookup, const char *subject, struct find_answer *a_r);

#endif
