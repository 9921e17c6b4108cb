/*
 * setup.h - from CONFIGURE to a store that can serve.
 */
#ifndef LL_SETUP_H
#define LL_SETUP_H

#include "store/serve.h"

/* Reads configuration, keys and the first channel's role out of CONFIGURE.
 * *why_r: one line for a person. */
LL_MUST enum ll_result setup_configure(struct store *s, const struct msg *m,
    enum peer_role *role_r, const char **why_r);
/* Takes the lock, opens folders and the database, migrates, clears orphans. */
LL_MUST enum ll_result setup_open(struct store *s, const char **why_r);
/* The reverse of both. */
void setup_close(struct store *s);

#endif
