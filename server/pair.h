/*
 * pair.h - a gate and a session per SSH connection.
 *
 * One pair is kept started in advance, because two program starts and a
 * library's set-up cost more than the rest of accepting a connection.
 */
#ifndef LL_PAIR_H
#define LL_PAIR_H

#include <stdbool.h>

#include "server/house.h"

struct pair {
	struct pair *next;
	struct house *house;
	struct child *gate, *session;
	int gate_link, session_link;  /* ends for CONFIGURE; -1 once handed */
	bool taken;                   /* has a connection; else spare */
	bool authenticated;
	bool dismissed;               /* a spare one we ended ourselves */
	struct net_addr addr;
	uint64_t since_ms;
	int fault;                    /* enum limits_fault, -1: none */
};

/* Accepts what waits on the SSH sockets, within the limits. */
void pair_accept(struct house *h);
/* Watches the SSH sockets; starts the spare pair. */
LL_MUST enum ll_result pair_listen(struct house *h);
/* Closes them to new connections. */
void pair_unlisten(struct house *h);

/* A gate or session said something. */
void pair_message(struct child *c, struct msg *m);
/* One of them ended with that wait(2) status; frees the pair after the last.
 * The child itself is freed by the caller. */
void pair_ended(struct child *c, int status);
/* The store is back: every session gets a new channel. */
void pair_store_back(struct house *h);
/* Ends the spare ones (reload), or all of them (stop). */
void pair_stop(struct house *h, bool taken_too);

#endif
