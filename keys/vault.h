/*
 * vault.h - one user's key pairs and the slots that open them.
 *
 * The vault key (32 random bytes) wraps an X25519 (seal) and an Ed25519
 * (sign) secret key.  Slots wrap the vault key: by passphrase or by recovery
 * code.  A = Argon2id(passphrase); the store sees only derive(PW_PROOF, A) and
 * keeps a keyed hash of that; the slot's key needs A and the user's pepper,
 * which the store gives out only after both login factors.
 */
#ifndef LL_VAULT_H
#define LL_VAULT_H

#include <stdint.h>
#include <sodium.h>

#include "keys/derive.h"
#include "keys/envelope.h"
#include "keys/id.h"
#include "keys/kdf.h"
#include "keys/result.h"
#include "keys/seal.h"
#include "keys/secret.h"

#define VAULT_BLOB_BYTES (32 + 64 + SEAL_OVERHEAD)
#define PASSPHRASE_MIN 15            /* bytes, after one trailing newline */
#define RECOVERY_SYMBOLS 32          /* 160 bits */
#define RECOVERY_TEXT (RECOVERY_SYMBOLS + 7) /* XXXX-XXXX-... */
#define TICKET_TEXT 24               /* XXXX-XXXX-XXXX-XXXX-XXXX, 95+5 bits */
#define BACKUP_CODES 10
#define BACKUP_CODE_SYMBOLS 10

enum slot_kind { SLOT_PASSPHRASE = 1, SLOT_RECOVERY = 2 };

/* An open vault.  Opaque; all in guarded memory. */
struct vault;

/* Public half and what is stored. */
struct vault_public {
	struct id user;
	uint64_t generation;                 /* 1 for the first */
	uint8_t seal_pk[crypto_box_PUBLICKEYBYTES];
	uint8_t sign_pk[crypto_sign_PUBLICKEYBYTES];
	uint8_t blob[VAULT_BLOB_BYTES];      /* wrapped secret keys */
};

/* A new vault with fresh keys.  *pub_r is what the store keeps. */
LL_MUST enum ll_result vault_create(const struct id *user,
    uint64_t generation, struct vault **v_r, struct vault_public *pub_r);
/* Wipes.  NULL is fine. */
void vault_destroy(struct vault *v);

/* The public half; it lives as long as the vault. */
const struct vault_public *vault_public(const struct vault *v);

/* --- slots --- */

/* Slot keys.  a: kdf_run's output; pepper: the user's, 32 bytes. */
LL_MUST enum ll_result slot_proof(enum slot_kind kind, const struct secret *a,
    uint8_t proof[HASH_BYTES]);
/* Wraps the open vault's key for a slot into wrap. */
LL_MUST enum ll_result slot_seal(const struct vault *v, enum slot_kind kind,
    const struct id *slot, const struct secret *a,
    const uint8_t pepper[KEY_BYTES], uint8_t wrap[SEAL_WRAP_BYTES]);
/* Opens the vault through a slot. */
LL_MUST enum ll_result slot_open(const struct vault_public *pub,
    enum slot_kind kind, const struct id *slot, const struct secret *a,
    const uint8_t pepper[KEY_BYTES], const void *wrap, size_t wrap_len,
    struct vault **v_r);

/* A recovery code: 160 random bits as text in groups of four, and the same as
 * the `a` of slot_* (the 20 bytes; no Argon2 needed at 160 bits). */
LL_MUST enum ll_result recovery_create(char text[RECOVERY_TEXT + 1],
    struct secret *a_r);
/* Reads what a person typed (case, blanks, dashes ignored).  LL_USAGE. */
LL_MUST enum ll_result recovery_parse(const char *text, struct secret *a_r);

/* An enrolment ticket: 19 random symbols and a check symbol (as the MUC's),
 * in groups of four.  text has TICKET_TEXT + 1 bytes. */
void ticket_create(char text[TICKET_TEXT + 1]);
/* LL_OK and hash_r = derive(TOKEN, the 20 symbols) when text has a ticket's
 * form and check; else LL_USAGE or LL_AUTH as muc_parse, and hash_r zeroed. */
LL_MUST enum ll_result ticket_parse(const char *text,
    uint8_t hash_r[HASH_BYTES]);

/* Passphrase rules: LL_OK, or LL_USAGE with *why_r a sentence that says what
 * to do (too short, too long, not UTF-8, among the common ones). */
LL_MUST enum ll_result passphrase_check(const char *text, size_t len,
    const char **why_r);

/* --- what an open vault does --- */

/* The reader's own symmetric key is used inside: wraps a message key for the
 * reader's own later use (ctx type SEAL_SELF is set inside). */
LL_MUST enum ll_result vault_self_wrap(const struct vault *v,
    const struct id *message, const uint8_t key[KEY_BYTES],
    uint8_t wrap[SEAL_WRAP_BYTES]);
LL_MUST enum ll_result vault_self_unwrap(const struct vault *v,
    const struct id *message, const void *wrap, size_t len,
    struct secret *key_r);
/* Seals a secret of the owner's other than a message key (an OpenPGP or S/MIME
 * secret key) under the same own key: type SEAL_MAILKEY, object = key (zero:
 * it has another name), this vault's generation.  *out_r is malloc'd, len +
 * SEAL_OVERHEAD bytes; at most 65536 bytes of plaintext (LL_TOOBIG). */
LL_MUST enum ll_result vault_seal_blob(const struct vault *v,
    const struct id *key, const void *plain, size_t len, uint8_t **out_r,
    size_t *len_r);
/* The reverse, into guarded memory.  LL_AUTH for what is not it. */
LL_MUST enum ll_result vault_open_blob(const struct vault *v,
    const struct id *key, const void *sealed, size_t len,
    struct secret *plain_r);
/* Opens a box sealed to seal_pk (message keys, drafts, codes). */
LL_MUST enum ll_result vault_box_open(const struct vault *v,
    const struct seal_context *ctx, const void *sealed, size_t len,
    struct secret *payload_r);
/* Signs envelope_manifest's 32 bytes, domain-separated by LABEL_MANIFEST. */
LL_MUST enum ll_result vault_sign_manifest(const struct vault *v,
    const uint8_t manifest[HASH_BYTES], uint8_t sig[ENVELOPE_SIGNATURE]);

#endif
