/*
 * trust.h - CA certificates and revocation lists of others, as files that a
 * person gives to the local command.
 */
#ifndef LL_TRUST_H
#define LL_TRUST_H

#include <stdint.h>

#include "keys/result.h"
#include "server/ca.h"
#include "store/chan.h"
#include "store/msg.h"

#define TRUST_FILE_MAX (1u << 20)
#define TRUST_NAME 401

/* One of a file's CA certificates. */
struct trust {
	uint8_t *der;            /* malloc'd */
	size_t len;
	char fingerprint[CA_HEX];
	char name[TRUST_NAME];   /* subject, RFC 2253, not cleaned */
	uint64_t until;
};

/* Takes the certificate number n (from 0) of a file (PEM or DER) that is to be
 * trusted: LL_NOTFOUND after the last, LL_USAGE with a sentence when it is no
 * certificate, LL_DENIED when it is no CA's, has expired or is too weak.  The
 * caller frees t_r->der. */
LL_MUST enum ll_result trust_read(const void *file, size_t len, unsigned n,
    struct trust *t_r, char why[CA_WHY]);

/* Finds the CA of a CA_LIST answer that signed the revocation list in file
 * (PEM or DER) and fills the request CA_CRL.  name (TRUST_NAME bytes) is that
 * CA's, *until_r the next update.  LL_USAGE, LL_NOTFOUND for a CA that is not
 * trusted, LL_CONFLICT for an older list than the one there is, LL_DENIED when
 * it is out of date; with a sentence. */
LL_MUST enum ll_result trust_crl(const void *file, size_t len,
    const struct msg *authorities, struct msg **m_r, char name[TRUST_NAME],
    uint64_t *until_r, char why[CA_WHY]);

#endif
