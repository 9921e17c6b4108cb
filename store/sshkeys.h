/*
 * sshkeys.h - the SSH keys a user may log in with.
 */
#ifndef LL_SSHKEYS_H
#define LL_SSHKEYS_H

#include "store/serve.h"

/* Adds every KEY of the request to a user's keys; those that are there already
 * stay as they are. */
LL_MUST enum ll_result sshkeys_keep(struct store *s, struct request *q,
    const struct id *user);

#endif
