/*
 * relay_run.h - the queue's work: rows are leased, given to where they go, and
 * their outcome is recorded.
 *
 * A row that this process has is never begun a second time, whatever its
 * lease does; killed between a hand-over and its record, the next process
 * repeats it with the same Message-ID.
 */
#ifndef LL_RELAY_RUN_H
#define LL_RELAY_RUN_H

#include "server/relay_dir.h"
#include "server/relay_smart.h"
#include "server/relay_store.h"

struct run_settings {
	struct loop *loop;
	struct relay_store *store;
	struct pool *smart_pool;   /* finds the server next door */
	struct pool *pool;         /* finds domains' servers */
	const struct secret *root;
	struct mail_settings mail;
	const char *dir;           /* a directory, or */
	struct relay_smart *smart; /* a server next door */
	/* Finds a domain's own servers, for mail that must go by proven TLS;
	 * NULL: such mail waits. */
	void (*find_servers)(void *arg, const char *domain,
	    struct relay_route *route_r);
	void *find_arg;
	struct wire_trust *trust;  /* of those */
};

struct relay_run;

/* LL_USAGE with *why_r a sentence.  The settings must live as long. */
LL_MUST enum ll_result run_open(const struct run_settings *s,
    struct relay_run **x_r, const char **why_r);
/* Closes all connections.  NULL is fine. */
void run_close(struct relay_run *x);

/* A store is there (again): keys are provided, outcomes that it may not have
 * heard are repeated, rows are leased. */
void run_attached(struct relay_run *x);
/* Something is due. */
void run_due(struct relay_run *x);
/* Leases no more and stops the loop once nothing is under way, after some
 * seconds at most. */
void run_stop(struct relay_run *x);

#endif
