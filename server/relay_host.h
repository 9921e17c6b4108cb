/*
 * relay_host.h - one destination of mail: the smarthost, or the servers of a
 * domain; the rows that wait for it and the connections that are open to it.
 *
 * Each destination stands for itself: one that is slow or gone holds up no
 * other.
 */
#ifndef LL_RELAY_HOST_H
#define LL_RELAY_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/relay_job.h"
#include "server/relay_pool.h"
#include "server/relay_route.h"

#define HOST_CONNECTIONS 16        /* to one destination */

/* What all destinations share. */
struct host_world {
	struct loop *loop;
	struct job_world *job;
	const char *helo;
	size_t connections;        /* open now, to all */
	size_t connections_max;
	/* The outcome of a job is known (0: it was not tried); the job is the
	 * callee's.  No job may be submitted in here. */
	void (*ended)(void *arg, struct relay_job *job);
	/* A job that needs REQUIRETLS where there is none; the callee's, who
	 * gives it to another destination. */
	void (*elsewhere)(void *arg, struct relay_job *job);
	void *arg;
};

struct host_settings {
	const char *name;          /* of the domain, or of the smarthost */
	/* Finds the servers; in a thread of the pool, and may block. */
	struct pool *pool;
	void (*find)(void *arg, const char *name, struct relay_route *route_r);
	void *find_arg;
	bool direct;               /* the recipient's own servers: each hop's
	                              policy is enforced and proven */
	struct wire_trust *trust;
	enum smtp_tls tls;         /* unless direct */
	bool tls_first, check;     /* unless direct */
	const char *user;
	const struct secret *password;
};

struct relay_host;

/* The strings of s must live as long, but for name. */
LL_MUST enum ll_result host_create(struct host_world *world,
    const struct host_settings *s, struct relay_host **h_r);
/* Closes its connections and forgets its jobs.  Not while host_is_looking.
 * NULL is fine. */
void host_destroy(struct relay_host *h);

/* Takes a job; it ends in world's ended or elsewhere. */
void host_submit(struct relay_host *h, struct relay_job *job);
/* After each batch of events: clears connections that were closed. */
void host_reap(struct relay_host *h);
/* Once a second. */
void host_tick(struct relay_host *h, uint64_t now_ms);
/* Gives up to count of the jobs that wait back by world's ended, without an
 * outcome: their rows come again when their lease ends.  How many. */
size_t host_evict(struct relay_host *h, size_t count);

/* The domain, or the name of the server next door. */
const char *host_name(const struct relay_host *h);
/* Jobs that are not begun. */
size_t host_waiting(const struct relay_host *h);
/* A job has it that is not among those that wait. */
bool host_is_busy(const struct relay_host *h);
bool host_is_looking(const struct relay_host *h);
/* Nothing to do and nothing open: may be destroyed. */
bool host_is_idle(const struct relay_host *h);

#endif
