/*
 * chan.h - one end of a socketpair that carries messages (msg.h).
 *
 * Non-blocking inside.  A channel has a ceiling on what it queues for a peer
 * that does not read; above it the channel is broken, not the program.
 */
#ifndef LL_CHAN_H
#define LL_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/msg.h"

#define CHAN_QUEUE_MAX (4 * MSG_MAX)

struct chan;

/* Takes ownership of fd (an AF_UNIX SOCK_STREAM socket). */
LL_MUST enum ll_result chan_create(int fd, struct chan **c_r);
void chan_destroy(struct chan *c);

/* The descriptor to poll: POLLIN always, POLLOUT while chan_pending. */
int chan_fd(const struct chan *c);
bool chan_pending(const struct chan *c);

/* Queues m (owned by the channel from now on, also on failure) and writes what
 * goes.  LL_EOF when the peer is gone, LL_FULL above the ceiling. */
LL_MUST enum ll_result chan_send(struct chan *c, struct msg *m);
/* Writes more of the queue. */
LL_MUST enum ll_result chan_flush(struct chan *c);
/* Next whole message: LL_OK, LL_AGAIN, LL_EOF, LL_PROTO. */
LL_MUST enum ll_result chan_recv(struct chan *c, struct msg **m_r);

/* --- blocking use, for workers and the local command --- */

/* Sends a request with a fresh sequence, waits for its reply up to timeout_ms
 * (-1: no limit) and keeps other messages that arrive meanwhile for
 * chan_recv.  The return value is about the channel only (LL_OK: *reply_r is
 * there; LL_BUSY: timed out); msg_result(*reply_r) is the answer's. */
LL_MUST enum ll_result chan_call(struct chan *c, struct msg *request,
    int timeout_ms, struct msg **reply_r);
/* chan_call, then the answer's own result; *reply_r is set only on LL_OK
 * (pass NULL when nothing but the result is of interest).  words, when not
 * NULL, receives up to words_room bytes of the answer's WORDS. */
LL_MUST enum ll_result chan_ask(struct chan *c, struct msg *request,
    struct msg **reply_r, char *words, size_t words_room);
/* Waits for any message up to timeout_ms; LL_AGAIN when none came. */
LL_MUST enum ll_result chan_wait(struct chan *c, int timeout_ms,
    struct msg **m_r);

/* A connected pair of close-on-exec sockets. */
LL_MUST enum ll_result chan_pair(int fds[2]);

#endif
