/*
 * pgp.h - OpenPGP through RNP, every key from memory.
 *
 * SHA-1, MD5 and RIPEMD-160 count in no signature, whatever their date.
 */
#ifndef LL_PGP_H
#define LL_PGP_H

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#include "keys/job.h"
#include "keys/out.h"

#define PGP_ENCRYPT_MAX 8    /* encryption keys used of one certificate */
#define PGP_HEX 65
#define PGP_SPLIT_MAX 16     /* keys in one file that are looked at */

/* A foreign certificate, as far as it may be used for one address. */
struct pgp_key {
	rnp_ffi_t ffi;
	rnp_key_handle_t primary;
	rnp_key_handle_t encrypt[PGP_ENCRYPT_MAX];
	size_t encrypt_count;
	char fingerprint[PGP_HEX];
	char algorithm[40];
	uint32_t bits;
	uint64_t created, expires;   /* expires 0: never */
	const char *why;             /* a sentence, NULL: good */
	bool revoked;                /* by its owner, as a whole */
};

/* A context with the house's rules; NULL when memory is short. */
rnp_ffi_t pgp_context(void);
/* Once, before the sandbox: false when RNP is not to be used. */
bool pgp_setup(void);

/* Reads exactly one certificate and keeps what is of use for that address:
 * other user ids and other people's signatures go.  address NULL: no user id
 * is asked for or removed.  LL_OK also when it must not be used (why says so);
 * LL_PROTO with why when it is no single public key. */
LL_MUST enum ll_result pgp_key_load(struct tlv_view bytes, const char *address,
    struct pgp_key *k_r);
/* The two steps of that, for keys loaded into k->ffi otherwise: finds the one
 * primary key (false: none, or several), and fills in the rest. */
bool pgp_find_primary(struct pgp_key *k);
void pgp_key_examine(struct pgp_key *k, const char *address);
/* Splits what may be several public keys: a KEY field with one each into o,
 * the first PGP_SPLIT_MAX, *count_r how many.  Anything unreadable is no key
 * (count 0). */
LL_MUST enum ll_result pgp_key_split(struct tlv_view bytes, struct tlv_out *o,
    size_t *count_r);
/* Frees.  Safe on one that failed to load. */
void pgp_key_finish(struct pgp_key *k);
/* The address of a user id ("Name <a@b>" or "a@b") in room bytes; false when
 * it has none or is not plain. */
bool pgp_uid_address(const char *uid, char *address, size_t room);

/* Fields that tell of a key. */
void pgp_put_facts(struct tlv_out *o, const struct pgp_key *k);
/* A field of the whole key, exported; flags: RNP_KEY_EXPORT_SECRET or
 * _PUBLIC. */
LL_MUST enum ll_result pgp_put_key(struct tlv_out *o, rnp_key_handle_t key,
    uint8_t tag, uint32_t flags);

/* IMPORT of an OpenPGP key, its passphrase taken off. */
LL_MUST enum ll_result pgp_import(struct job *job, struct tlv_view file,
    const char *address, const char *passphrase);

/* The sender's secret key, in a context of its own. */
struct pgp_signer {
	rnp_ffi_t ffi;
	rnp_key_handle_t key;        /* primary */
	rnp_key_handle_t signing;    /* it, or a subkey */
};

/* What the messages of one wire have in common, read once and kept: the first
 * PRIVATE OpenPGP key of the job (LL_LOCKED: none was given), and a
 * recipient's certificate (LL_DENIED with words: not to be used).  A
 * certificate stays at least until the next pgp_begin, which lets go of what
 * is too many; pgp_forget lets go of all. */
LL_MUST enum ll_result pgp_signer(struct job *job,
    const struct pgp_signer **s_r);
LL_MUST enum ll_result pgp_recipient(struct job *job, struct tlv_view bytes,
    const struct pgp_key **k_r);
void pgp_begin(void);
void pgp_forget(void);

/* The jobs. */
LL_MUST enum ll_result pgp_make(struct job *job);
LL_MUST enum ll_result pgp_inspect(struct job *job);

/* Encrypts to the RECIPIENTs and signs with the PRIVATE of that format; writes
 * armored text. */
LL_MUST enum ll_result pgp_seal(struct job *job, const struct tlv_out *entity,
    struct out *out);
/* The Autocrypt keydata (base64, one line) of the PRIVATE OpenPGP key; none
 * when that key is not the address's own (the house's signs for others). */
LL_MUST enum ll_result pgp_autocrypt(struct job *job, const char *address,
    struct tlv_out *text_r);

#define PGP_SIGNERS_MAX 8

/* Opens an encrypted or signed message (armored or not) with the PRIVATE keys
 * into *plain_r (initialised here), or checks a detached signature when
 * signature is not empty (then *plain_r stays empty).  SIGNATURE fields go to
 * the result; *signed_r: the number of the one that counts, 0: none. */
LL_MUST enum ll_result pgp_open(struct job *job, struct tlv_view message,
    struct tlv_view signature, struct tlv_out *plain_r, uint64_t *signed_r);

#endif
