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
	struct msg *configure;    /* the CONFIGURE it began with */
};

/* Opens descriptor fd as the control channel and waits up to timeout_ms for
 * CONFIGURE.  LL_BUSY when none came, LL_PROTO for any other message. */
LL_MUST enum ll_result child_open(struct child *c, int fd, int timeout_ms);
/* Wipes the configuration and closes the channel. */
void child_close(struct child *c);

/* The value of a key, or "" when it was not given.  Valid as long as
 * c. */
const char *child_config(const struct child *c, const char *key);
/* A copy of the 32-byte key that came under this label.  LL_NOTFOUND. */
LL_MUST enum ll_result child_key(const struct child *c, enum label label,
    struct secret *key_r);

/* Says READY. */
LL_MUST enum ll_result child_ready(struct child *c);

#endif
