/*
 * house.h - the running programs of one letterlockd.
 *
 * Services (store, relay, portal, intake) are started once and again when they
 * end; gates and sessions come in pairs, one per SSH connection (pair.h).
 * Whoever needs a channel to the store gets it from there through the daemon,
 * also after the store was restarted.
 */
#ifndef LL_HOUSE_H
#define LL_HOUSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys/result.h"
#include "keys/secret.h"
#include "server/config.h"
#include "server/file.h"
#include "server/limits.h"
#include "server/listen.h"
#include "server/proc.h"
#include "store/chan.h"
#include "store/loop.h"

struct pair;
struct control;

struct child {
	struct child *next;
	struct house *house;
	struct pair *pair;         /* of a gate or session, else NULL */
	enum proc proc;
	pid_t pid;                 /* 0 once it has been waited for */
	struct chan *chan;         /* NULL after its end */
	bool configured, ready, stopping;
	int store_fd;              /* a store channel that waits, or -1 */
	uint64_t started_ms;
};

struct service {
	struct house *house;
	enum proc proc;
	struct child *child;       /* NULL while it is down */
	unsigned failures;         /* ends in a row that came too soon */
	uint64_t timer;            /* of the next start; 0: none */
	bool was_ready;
};

/* A program that runs for intake (parsing.h), or none. */
#define PARSING_MAX 6
struct parsing {
	struct house *house;
	pid_t pid;                 /* 0: free */
	uint64_t timer;
};

/* Who waits for a store channel. */
typedef void house_store_fn(void *arg, int fd);
struct store_ask {
	struct store_ask *next;
	uint32_t sequence;         /* 0: not yet asked */
	enum peer_role role;
	house_store_fn *fn;
	void *arg;
};

struct house {
	struct loop *loop;
	struct config config;
	struct secret root, host_seed;
	char paths[PROC_COUNT][FILE_PATH_MAX];
	struct proc_owner owners[PROC_COUNT];
	struct listen ssh, portal;
	struct limits *limits;
	struct child *children;
	struct service services[PROC_GATE];
	struct chan *store;        /* the daemon's own channel, or NULL */
	bool store_up;
	uint32_t sequence;
	struct store_ask *asks;
	struct pair *pairs;        /* connections, and spare ones */
	unsigned spare_count;
	uint64_t spare_timer, accept_timer, stop_timer;
	struct control *control;
	struct parsing parsing[PARSING_MAX];
	uint64_t refused_ms;       /* when a refusal was last logged */
	unsigned refused;          /* refusals since that were not */
	bool announced;            /* the ready line was printed */
	bool stopping;
	int exit_code;
};

/* Prints "letterlockd: WORDS" to standard error as one write. */
void house_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A started child of any kind, its channel watched, not configured yet. */
LL_MUST enum ll_result house_child(struct house *h, enum proc p,
    struct child **child_r);
/* Sends (and owns) m; a child that can't take it is killed. */
void house_send(struct child *c, struct msg *m);

/* Asks the store for a channel of that role; fn gets it, or -1 when there will
 * be none (stopping).  While the store is away the request waits. */
LL_MUST enum ll_result house_ask_store(struct house *h, enum peer_role role,
    house_store_fn *fn, void *arg);
/* Forgets requests with that arg. */
void house_ask_cancel(struct house *h, const void *arg);

/* Collects ended children (SIGCHLD). */
void house_reap(struct house *h);

/* Takes (and owns) the daemon's own channel to a store just started. */
LL_MUST enum ll_result house_store_open(struct house *h, int fd);
/* The store serves: what was asked meanwhile goes out. */
void house_store_ready(struct house *h);
/* It ended: what was asked will be asked again. */
void house_store_lost(struct house *h);

/* SIGKILL to every child, or to all but the store. */
void house_kill_all(struct house *h, bool store_too);

/* Releases everything; children are not waited for. */
void house_finish(struct house *h);

#endif
