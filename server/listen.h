/*
 * listen.h - listening sockets of a configuration value.
 */
#ifndef LL_LISTEN_H
#define LL_LISTEN_H

#include <stddef.h>

#include "keys/result.h"
#include "server/net.h"

/* A message carries 4 descriptors: a store channel and three sockets. */
#define LISTEN_MAX 3

struct listen {
	size_t count;
	int fds[LISTEN_MAX];
	char texts[LISTEN_MAX][NET_TEXT];    /* with the real port */
	unsigned ports[LISTEN_MAX];
};

/* Opens one non-blocking, close-on-exec socket per address of the value.  On
 * failure why (why_room bytes) says which address and what was wrong. */
LL_MUST enum ll_result listen_open(const char *value, struct listen *l_r,
    char *why, size_t why_room);
void listen_close(struct listen *l);

#endif
