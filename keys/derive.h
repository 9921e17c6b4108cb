/*
 * derive.h - every key, proof and fingerprint that is computed from another.
 *
 * One construction: keyed BLAKE2b-256 (RFC 7693) with a 16-byte personal
 * label, over TLV input, so that no two purposes share an output.  All labels
 * stand in the one table in derive.c.
 */
#ifndef LL_DERIVE_H
#define LL_DERIVE_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "keys/tlv.h"

#define KEY_BYTES 32
#define HASH_BYTES 32

enum label {
	/* vault */
	LABEL_PW_PROOF,       /* H(A), what a login shows the store */
	LABEL_PW_KEK,         /* passphrase slot's wrapping key */
	LABEL_RC_PROOF,       /* recovery code's proof */
	LABEL_RC_KEK,         /* recovery slot's wrapping key */
	LABEL_BACKUP_PROOF,   /* TOTP backup code's proof */
	LABEL_VAULT,          /* wraps the key pairs */
	LABEL_SELF,           /* reader's own symmetric key */
	LABEL_COMMIT,         /* key commitment beside a wrap */
	/* messages */
	LABEL_HEADER,
	LABEL_OBJECT,
	LABEL_DRAFT,
	LABEL_MANIFEST,
	/* portal link */
	LABEL_LOCATOR,        /* hash of a locator (no key) */
	LABEL_LINK_KEY,
	LABEL_LINK_PROOF,
	LABEL_SITE_WORDS,
	LABEL_COOKIE,
	/* the store's and daemon's, from the root secret */
	LABEL_ROOT_PEPPER,    /* root -> store pepper */
	LABEL_ROOT_TOTP,      /* root -> key that seals TOTP seeds */
	LABEL_ROOT_QUEUE,     /* root -> key that wraps queue key pairs */
	LABEL_ROOT_PORTAL,    /* root -> portal cookies, csrf */
	LABEL_ROOT_HOST,      /* root -> key that seals the SSH host key */
	LABEL_USER_PEPPER,    /* store pepper -> one user's pepper */
	LABEL_LINK_PEPPER,    /* store pepper -> one link's pepper */
	LABEL_VERIFIER,       /* what the store keeps of a proof */
	LABEL_DECOY,          /* decoy slot of an unknown user */
	LABEL_TOKEN,          /* hash of a ticket or token (no key) */
	LABEL_LEAF,           /* log leaf commitment */
	LABEL_PLAN,           /* plan hash */
	LABEL_CSRF,
	LABEL_IDEMPOTENCY,
	LABEL_DELAY,          /* steady per-name delay on failed logins */
	LABEL_ROOT_CA,        /* root -> key that seals the CA's private key */
	LABEL_ROOT_INTAKE,    /* root -> key that seals the house's mail keys */
	LABEL_FIELDS,         /* hash of a header's fields, for the manifest */
	LABEL_COUNT
};

/* out = BLAKE2b-256(key, personal=label, TLV).  key: 0 or 16..64 bytes;
 * input may be NULL for none.  Fails only when input->err is set. */
LL_MUST enum ll_result derive(enum label label, const void *key,
    size_t key_len, const struct tlv_out *input, uint8_t out[HASH_BYTES]);

/* The common case: one field (tag 1) of bytes. */
LL_MUST enum ll_result derive_bytes(enum label label, const void *key,
    size_t key_len, const void *p, size_t len, uint8_t out[HASH_BYTES]);

/* The 16 bytes of a label, for tests (uniqueness) and documents. */
const char *derive_label_text(enum label label);

/* Constant-time comparison of len bytes: 1 equal, 0 not. */
int derive_equal(const void *a, const void *b, size_t len);

#endif
