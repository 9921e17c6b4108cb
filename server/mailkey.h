/*
 * mailkey.h - a person's own mail keys: made or taken in by letterlock-parse,
 * sealed in the vault, given to the store; opened for one job at a time.
 */
#ifndef LL_MAILKEY_H
#define LL_MAILKEY_H

#include "keys/vault.h"
#include "server/parser.h"
#include "store/chan.h"
#include "store/msg.h"

#define MAILKEY_FORMATS 2        /* OpenPGP and S/MIME, made for everybody */
/* A format in a set. */
#define MAILKEY_BIT(format) (1u << (format))
#define MAILKEY_ALL (MAILKEY_BIT(PARSE_OPENPGP) | MAILKEY_BIT(PARSE_SMIME))

/* Which formats MAILKEY_LIST's answer lacks for that generation. */
unsigned mailkey_missing(const struct msg *list, uint64_t generation);

/* Asks a letterlock-parse from dir (NULL: ours) to make a key of that format
 * for an address; the answer is waited for by mailkey_sealed.  rsa_bits: of an
 * S/MIME key (config smime_rsa_bits; 0: a P-256 one). */
LL_MUST enum ll_result mailkey_begin(const char *dir,
    enum parse_format format, uint64_t rsa_bits, const char *address,
    const char *name, struct parser *p_r);
/* Reads that answer, or IMPORT's, and seals the key: *m_r is the request
 * MAILKEY_PUT.  format 0: as the answer says.  user: whose, for the local
 * command; else NULL.  words (room bytes, or NULL): a sentence on failure. */
LL_MUST enum ll_result mailkey_sealed(const struct parser *p, int timeout_ms,
    enum parse_format format, const struct vault *v, const char *user,
    struct msg **m_r, char *words, size_t room);

/* Makes what a person lacks, and waits: for an account just enrolled, through
 * a channel of the local command.  LL_DENIED: no store for such keys. */
LL_MUST enum ll_result mailkey_make(struct chan *store,
    const struct vault *v, const char *user, const char *address,
    const char *name, uint64_t rsa_bits);

/* PRIVATE fields of those of the list's keys that are of the formats and open
 * in this vault into keys (guarded, PARSE_CHUNK bytes), newest first, as many
 * as go in; an S/MIME key only with its certificate, and with one that ended
 * (by itself, or revoked) before `after` not at all: 0 takes each, as opening
 * old mail must.  Their fingerprints go into reply as FINGERPRINT. */
void mailkey_open(const struct vault *v, const struct msg *list,
    unsigned formats, uint64_t after, struct tlv_out *keys,
    struct msg *reply);

#endif
