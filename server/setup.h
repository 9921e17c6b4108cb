/*
 * setup.h - what `letterlock init` makes: a data directory with keys and a
 * configuration that runs as it is.
 */
#ifndef LL_SETUP_H
#define LL_SETUP_H

#include "keys/result.h"
#include "keys/secret.h"
#include "server/config.h"
#include "server/file.h"
#include "server/hostkey.h"
#include "server/root.h"

struct setup {
	const char *dir;                 /* absolute */
	const char *org;
	const char *const *sets;         /* KEY=VALUE, NULL at the end */
	const struct secret *passphrase; /* of root.sealed; NULL: root.key */
	/* out */
	char root[ROOT_TEXT];            /* to be wiped by the caller */
	char fingerprint[HOSTKEY_LINE];  /* of the SSH host key */
	char config_path[FILE_PATH_MAX];
};

/* LL_CONFLICT when dir is not empty.  On failure what was made is removed and
 * why (CONFIG_WHY bytes) says what was wrong. */
LL_MUST enum ll_result setup_run(struct setup *s, char *why);

#endif
