/*
 * portal_conn.h - a deadline for every connection, so that a client that is
 * slow on purpose cannot hold a thread: whoever sends less than 1 KiB a second
 * or takes longer than 20 seconds for a request's head is cut off.  When one
 * address, or all together, have many connections, the one that waits longest
 * for its client makes room; work and files on their way are shielded.
 */
#ifndef LL_PORTAL_CONN_H
#define LL_PORTAL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys/result.h"

#define CONNS_MAX 512
#define CONNS_CROWD 448            /* from here on the slowest make room */
#define CONN_HEAD_MS 20000         /* handshake and head of a request */
#define CONN_WORK_MS 60000         /* one page, made and sent */
#define CONN_CHUNK_MS 64000        /* 64 KiB, either way */

struct conns;
struct conn;

/* Starts the thread that cuts off.  on_second(arg) runs in it once a second:
 * the sessions' sweep.  per_address: connections one address may
 * have before they make room for each other (IPv6: a /64). */
LL_MUST enum ll_result conns_create(void (*on_second)(void *arg), void *arg,
    size_t per_address, struct conns **c_r);
/* Ends the thread. */
void conns_destroy(struct conns *c);

/* A connection begins; NULL when the table is full. */
struct conn *conn_begin(struct conns *c, int fd,
    const struct sockaddr *peer);
/* It is about to be closed. */
void conn_end(struct conns *c, struct conn *one);
/* It has ms milliseconds from now for its next step.  one may be NULL. */
void conn_allow(struct conn *one, uint64_t ms);
/* on: it works, or moves a file, and makes room for nobody.  one may be
 * NULL. */
void conn_shield(struct conn *one, bool on);

#endif
