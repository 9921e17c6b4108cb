/*
 * enrol.h - what makes an account of a ticket: key pairs, slots, recovery
 * code, TOTP seed, backup codes.
 *
 * Used by the session, which hands each ENROL_* request of its worker to
 * enrol_answer, and by `letterlock user add --password-file`, which calls the
 * steps itself.  Steps may be repeated in any order until the last, which
 * commits everything at once.
 */
#ifndef LL_ENROL_H
#define LL_ENROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/kdf.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "keys/vault.h"
#include "store/chan.h"
#include "store/msg.h"

#define ENROL_KEYS_MAX 16            /* SSH keys that may be offered */
#define ENROL_BACKUP_TEXT 12         /* "XXXXX-XXXXX" and NUL */

struct enrol;

/* What is shown once at the end.  Wipe with sodium_memzero. */
struct enrol_codes {
	char recovery[RECOVERY_TEXT + 1];
	char backup[BACKUP_CODES][ENROL_BACKUP_TEXT];
};

/* Begins: asks the store ENROL_BEGIN on a session's channel after AUTH_TICKET,
 * or LOCAL_ENROL for local_user on a local one (NULL: a session).  The channel
 * stays the caller's and must outlive *e_r; requests on it are waited for. */
LL_MUST enum ll_result enrol_create(struct chan *store,
    const char *local_user, struct enrol **e_r);
/* Wipes.  NULL is fine. */
void enrol_destroy(struct enrol *e);
/* The store was restarted: goes on with its new channel. */
void enrol_use(struct enrol *e, struct chan *store);

/* An SSH key (public blob) that the connection showed and that may be kept.
 * LL_FULL above ENROL_KEYS_MAX, LL_TOOBIG above 4096 bytes.  A repeated one is
 * taken once. */
LL_MUST enum ll_result enrol_offer_key(struct enrol *e, const uint8_t *blob,
    size_t len);

/* Answers ENROL_STATE, ENROL_PASS, ENROL_OLD, ENROL_TOTP, ENROL_CONFIRM,
 * ENROL_KEYS and ENROL_FINISH as op.def says.  LL_USAGE for any other
 * operation; LL_OK: *reply_r is there, whatever its own result. */
LL_MUST enum ll_result enrol_answer(struct enrol *e,
    const struct msg *request, struct msg **reply_r);
/* To be called with the open vault when the account is committed (what needs
 * it can be made then); e-mail address and name are the account's. */
typedef void enrol_vault_fn(void *arg, const struct vault *v,
    const char *address, const char *name);
void enrol_then(struct enrol *e, enrol_vault_fn *fn, void *arg);
/* True once the store has committed the account. */
bool enrol_finished(const struct enrol *e);

/* --- the steps --- */

/* True when a vault of an earlier generation exists (a reset). */
bool enrol_has_old(const struct enrol *e);
/* Chooses the passphrase.  LL_USAGE: *why_r says what is wrong with it. */
LL_MUST enum ll_result enrol_passphrase(struct enrol *e, const char *text,
    size_t len, const char **why_r);
/* Opens the old vault with its recovery code; "" begins a new generation.
 * LL_USAGE for what is no code, LL_AUTH for a wrong one. */
LL_MUST enum ll_result enrol_old(struct enrol *e, const char *code);
/* Takes a given seed (10..64 bytes) as confirmed. */
LL_MUST enum ll_result enrol_totp(struct enrol *e, const struct secret *seed);
/* Makes everything and commits.  LL_CONFLICT when passphrase, TOTP or the
 * decision about the old vault are missing. */
LL_MUST enum ll_result enrol_finish(struct enrol *e,
    struct enrol_codes *codes_r);

/* What a typed backup code proves to the store: Argon2id (16 MiB, 3 passes)
 * under the account's salt.  Case, blanks and dashes are ignored.  LL_USAGE
 * unless it has the form of a code. */
LL_MUST enum ll_result enrol_backup_proof(const char *typed,
    const uint8_t salt[KDF_SALT_BYTES], uint8_t proof[HASH_BYTES]);

#endif
