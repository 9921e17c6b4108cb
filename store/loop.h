/*
 * loop.h - one poll loop: descriptors, timers, signals.
 *
 * Used by the programs that serve many peers.  Signals arrive by signalfd, so
 * no handler ever runs.
 */
#ifndef LL_LOOP_H
#define LL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/result.h"

struct loop;

typedef void loop_fd_fn(void *arg, int fd, short revents);
typedef void loop_timer_fn(void *arg);
typedef void loop_signal_fn(void *arg, int signo);

/* A loop without anything to watch; destroy takes NULL. */
LL_MUST enum ll_result loop_create(struct loop **l_r);
void loop_destroy(struct loop *l);

/* Watches fd for events (POLLIN, POLLOUT); a second call changes it.  The
 * callback may remove any descriptor, also its own. */
LL_MUST enum ll_result loop_fd(struct loop *l, int fd, short events,
    loop_fd_fn *fn, void *arg);
void loop_fd_remove(struct loop *l, int fd);

/* Fires once after ms milliseconds.  *id_r names it for removal. */
LL_MUST enum ll_result loop_timer(struct loop *l, uint64_t ms,
    loop_timer_fn *fn, void *arg, uint64_t *id_r);
void loop_timer_remove(struct loop *l, uint64_t id);

/* Blocks the signal and delivers it through the loop. */
LL_MUST enum ll_result loop_signal(struct loop *l, int signo,
    loop_signal_fn *fn, void *arg);

/* Runs after each batch of callbacks (the store's group commit). */
void loop_after(struct loop *l, loop_timer_fn *fn, void *arg);

/* Serves until loop_stop is called from a callback; LL_IO when poll fails. */
LL_MUST enum ll_result loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Monotonic milliseconds. */
uint64_t loop_now_ms(void);

#endif
