/*
 * root.h - the root secret, from which every server key is derived.
 *
 * It comes from the first of: the systemd credential letterlock-root, the file
 * root_key (default root.key in the data directory; mode 0400, 52 Crockford
 * symbols, dashes and blanks ignored), or root.sealed there, which a
 * passphrase opens.
 */
#ifndef LL_ROOT_H
#define LL_ROOT_H

#include "keys/derive.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "server/config.h"

#define ROOT_BYTES 32
#define ROOT_TEXT 65             /* 52 symbols in groups of four, and NUL */

/* A fresh secret. */
LL_MUST enum ll_result root_create(struct secret *root_r);
/* As people write it down: XXXX-XXXX-... */
void root_text(const struct secret *root, char text[ROOT_TEXT]);
/* The reverse; any case, blanks and dashes ignored.  LL_USAGE. */
LL_MUST enum ll_result root_parse(const char *text, struct secret *root_r);

/* Finds and reads it.  why (CONFIG_WHY bytes) has a line for the person on
 * failure: LL_NOTFOUND, LL_DENIED for a file others may read, LL_AUTH for a
 * wrong passphrase. */
LL_MUST enum ll_result root_load(const struct config *c,
    struct secret *root_r, char *why);

/* Writes dir/root.key, or dir/root.sealed when passphrase is not NULL.  The
 * file must not exist. */
LL_MUST enum ll_result root_save(const char *dir, const struct secret *root,
    const struct secret *passphrase);

/* Asks for a line on standard input, without echo when that is a terminal; a
 * NUL that len does not count follows. */
LL_MUST enum ll_result root_ask(const char *prompt, struct secret *p_r);

/* The key of one purpose (LABEL_ROOT_*): 32 bytes. */
LL_MUST enum ll_result root_key(const struct secret *root, enum label label,
    struct secret *key_r);

#endif
