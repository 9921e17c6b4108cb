/*
 * limits.h - who may connect: MaxStartups, unauthenticated connections per
 * source, the rate of new ones, and penalties for sources whose connections
 * ended badly (after OpenSSH's PerSourcePenalties).  Policy only: time comes
 * in as an argument, no descriptor is touched.
 */
#ifndef LL_LIMITS_H
#define LL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/config.h"
#include "server/net.h"

#define LIMITS_SOURCES 65536     /* remembered at most; the oldest go */

enum limits_verdict {
	LIMITS_TAKE, LIMITS_STARTUPS, LIMITS_SOURCE, LIMITS_PENALTY,
	LIMITS_SESSIONS
};

/* In order of gravity. */
enum limits_fault {
	FAULT_NO_AUTH, FAULT_AUTH, FAULT_GRACE, FAULT_VIOLATION, FAULT_CRASH,
	FAULT_COUNT
};

struct limits;

/* Nobody is counted and nobody under penalty.  destroy takes NULL. */
LL_MUST enum ll_result limits_create(const struct config *c,
    struct limits **l_r);
void limits_destroy(struct limits *l);
/* New numbers of the configuration; what is counted stays. */
void limits_configure(struct limits *l, const struct config *c);

/* Milliseconds until the next connection may be accepted; 0: now, and one is
 * taken from this second's. */
uint64_t limits_wait(struct limits *l, uint64_t now_ms);

/* Decides about a new connection.  LIMITS_TAKE counts it as a session and as
 * not logged in: limits_gone must follow. */
enum limits_verdict limits_accept(struct limits *l, const struct net_addr *a,
    uint64_t now_ms);
/* It logged in: it leaves the unauthenticated count. */
void limits_authenticated(struct limits *l, const struct net_addr *a);
/* It ended. */
void limits_gone(struct limits *l, const struct net_addr *a,
    bool authenticated);

/* A connection from there ended with that fault.  True when the source is
 * under penalty now (and was not before). */
bool limits_fault(struct limits *l, const struct net_addr *a,
    enum limits_fault f, uint64_t now_ms);

/* For status: connections, those not logged in, sources under penalty. */
void limits_counts(const struct limits *l, uint64_t now_ms,
    unsigned *sessions_r, unsigned *startups_r, unsigned *penalties_r);

/* A phrase for the log, never NULL. */
const char *limits_verdict_text(enum limits_verdict v);

#endif
