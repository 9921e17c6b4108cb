/*
 * ca.h - the organisation's own certificate authority for S/MIME.
 *
 * In the data directory: ca.key (PKCS#8 sealed under LABEL_ROOT_CA's key, type
 * SEAL_AUTHORITY), ca.crt and ca.crl (PEM), ca.issued (JSON: what was issued,
 * and what of it was revoked).  Only the local command opens it.
 */
#ifndef LL_CA_H
#define LL_CA_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "keys/secret.h"

#define CA_HEX 65                /* SHA-256 in hex, and NUL */
#define CA_WHY 400               /* room for a sentence */

struct ca;

/* Makes one (P-256, 10 years) for that organisation and opens it.  LL_CONFLICT
 * when there is one. */
LL_MUST enum ll_result ca_create(const char *dir, const struct secret *root,
    const char *org, struct ca **ca_r, char why[CA_WHY]);
/* Opens it and keeps others out until ca_close.  LL_NOTFOUND without one,
 * LL_AUTH for another root secret's, LL_BUSY while somebody else has it. */
LL_MUST enum ll_result ca_open(const char *dir, const struct secret *root,
    struct ca **ca_r, char why[CA_WHY]);
/* Wipes.  NULL is fine. */
void ca_close(struct ca *ca);

/* What was issued. */
struct ca_issued {
	uint8_t *der;            /* the certificate, malloc'd */
	size_t len;
	char fingerprint[CA_HEX];
	uint64_t until;
};

/* Issues a certificate for a PKCS#10 request (DER) of the account user, whose
 * e-mail address and name are given, for two years: its signature must hold,
 * its address be that one, its key be strong.  LL_DENIED with a sentence.  The
 * revocation list is signed anew. */
LL_MUST enum ll_result ca_issue(struct ca *ca, const void *request,
    size_t len, const char *user, const char *address, const char *name,
    struct ca_issued *i_r, char why[CA_WHY]);
/* What was issued so far, as text: JSON, an array of {"serial","until","user",
 * "email","fingerprint"[,"revoked"]}; no root secret is needed.  Without a CA
 * an empty one.  The caller frees.  LL_PROTO for a file that can't be read. */
LL_MUST enum ll_result ca_read_issued(const char *dir, char **json_r);
/* Revokes all that user's that have not expired; *count_r: how many there
 * were, LL_NOTFOUND for none. */
LL_MUST enum ll_result ca_revoke(struct ca *ca, const char *user,
    size_t *count_r);
/* Signs the revocation list anew: it holds as long as a certificate issued
 * today. */
LL_MUST enum ll_result ca_renew(struct ca *ca);

/* Its own certificate and list, DER (malloc'd, the caller frees); *until_r:
 * its end, or the list's next update. */
LL_MUST enum ll_result ca_certificate(const struct ca *ca, uint8_t **der_r,
    size_t *len_r, uint64_t *until_r);
LL_MUST enum ll_result ca_list(const struct ca *ca, uint8_t **der_r,
    size_t *len_r, uint64_t *until_r);

#endif
