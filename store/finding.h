/*
 * finding.h - what the relay looks up for who plans a message: keys of
 * outsiders, and whether mail to a domain may go over enforced TLS.
 *
 * One row for each lookup of an address or domain, shared by all users and
 * good for a while; a plan never waits for one.  Who asked is kept in memory,
 * to be told; so is how much each user asked for: nobody makes this house scan
 * the world.
 */
#ifndef LL_FINDING_H
#define LL_FINDING_H

#include "store/serve.h"

/* Most bytes of DATA of one lookup. */
#define FINDING_BYTES 65536
#define FINDING_ROOM 321         /* an address or a domain, and NUL */
#define FINDING_WAIT_SECS 120    /* so long an answer is worth a wait */

/* The domain in an address. */
const char *finding_domain(const char *address);
/* Lookups that an address, in lower case, waits for: two by the address, one
 * by its domain. */
LL_MUST enum ll_result finding_under_way(struct store *s,
    const char *address, uint64_t now, uint64_t *n_r);
/* Why the last lookups about an address failed, as an end for a sentence
 * ("; its key directory could not be asked: ..."), or "": for who wonders that
 * no key was found. */
LL_MUST enum ll_result finding_why(struct store *s, const char *address,
    uint64_t now, char *words, size_t room);
/* A warning that keys were found for an address, and why this user can use none
 * of them; "" when there is nothing to say.  Words of a worker: to be cleaned
 * before they are shown. */
LL_MUST enum ll_result finding_refused(struct store *s, const struct id *user,
    const char *address, char *words, size_t room);
/* The bits 1 << enum lookup that the words of key_search and the address of a
 * keyserver stand for. */
unsigned finding_search(const char *words, const char *keyserver);
/* The relay that had lookups is gone: they are to be had again, and it, when
 * it is back, is told. */
LL_MUST enum ll_result finding_return(struct store *s);
/* Rows that nobody has wanted for long go, and who waited in vain. */
LL_MUST enum ll_result finding_sweep(struct store *s, uint64_t now);

#endif
