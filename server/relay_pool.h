/*
 * relay_pool.h - a few threads for what can only be waited for: names, web
 * servers.  Work is done in a thread, its end is told in the loop.
 */
#ifndef LL_RELAY_POOL_H
#define LL_RELAY_POOL_H

#include <stddef.h>

#include "keys/result.h"
#include "store/loop.h"

/* One piece of work, part of a structure of the caller's, who keeps it until
 * done was called. */
struct pool_job {
	void (*work)(struct pool_job *job);    /* in a thread */
	void (*done)(struct pool_job *job);    /* in the loop, afterwards */
	struct pool_job *next;
};

struct pool;

/* Starts that many threads.  They end with the process: there is no way to
 * stop one that waits for a name. */
LL_MUST enum ll_result pool_create(struct loop *loop, unsigned threads,
    struct pool **p_r);

/* Puts a job behind those that wait. */
void pool_submit(struct pool *p, struct pool_job *job);

#endif
