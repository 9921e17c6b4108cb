/*
 * child.h - what portal and relay share as children of letterlockd: the
 * control channel on descriptor 3 and the configuration that comes over it.
 */
#ifndef LL_CHILD_H
#define LL_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "store/chan.h"

#define CHILD_FD 3

struct child {
	struct chan *daemon;
	struct msg *configure;    /* the last CONFIGURE or RELOAD */
};

/* Opens descriptor fd as the control channel and waits up to timeout_ms for
 * CONFIGURE.  LL_BUSY when none came, LL_PROTO for any other message. */
LL_MUST enum ll_result child_open(struct child *c, int fd, int timeout_ms);
/* Wipes the configuration and closes the channel. */
void child_close(struct child *c);

/* Takes the place of the configuration; m belongs to c from now on. */
void child_reload(struct child *c, struct msg *m);

/* The value of a key, or "" when it was not given.  Valid until the next
 * child_reload. */
const char *child_config(const struct child *c, const char *key);
/* The same as a number; fallback for an absent or malformed value. */
uint64_t child_config_u64(const struct child *c, const char *key,
    uint64_t fallback);
/* A copy of the 32-byte key that came under this label.  LL_NOTFOUND. */
LL_MUST enum ll_result child_key(const struct child *c, enum label label,
    struct secret *key_r);

/* Says READY, naming the addresses of the n listening sockets. */
LL_MUST enum ll_result child_ready(struct child *c, const int *listen_fds,
    size_t n);

#endif
