/*
 * cms.h - S/MIME (RFC 8551) through OpenSSL's CMS.
 */
#ifndef LL_CMS_H
#define LL_CMS_H

#include <openssl/x509.h>

#include "keys/job.h"
#include "keys/out.h"

/* Once, before the sandbox: false below OpenSSL 3.0.22. */
bool cms_setup(void);

/* True for PEM or DER that may be a certificate rather than OpenPGP. */
bool cms_is_certificate(struct tlv_view key);
/* Reads one certificate, PEM or DER; NULL when it is none. */
X509 *cms_certificate(struct tlv_view key);
/* All certificates, PEM or DER one after the other: the first is the owner's,
 * the rest may stand above it.  Never more than 20; NULL without memory. */
STACK_OF(X509) *cms_certificates(struct tlv_view key);
/* Why that certificate must not be used to write to (encrypt) or hear from
 * address (NULL: anybody) today: a sentence, or NULL: it may. */
const char *cms_why_not(X509 *cert, const char *address, bool encrypt);
/* True when the e-mail address (or one in "@domain") is in it. */
bool cms_names(X509 *cert, const char *address);
/* True when the owner's programs know that algorithm, as the certificate says
 * (RFC 4262). */
bool cms_capable(X509 *cert, int nid);
/* SHA-256 of the certificate in hex. */
void cms_fingerprint(X509 *cert, char hex[65]);
/* HOLDER fields into o. */
void cms_put_holders(struct tlv_out *o, X509 *cert);

/* What cms_chain says of a certificate that a CRL names. */
#define CMS_REVOKED "It was revoked by its issuer."

/* Fields that tell of a certificate. */
void cms_put_facts(struct tlv_out *o, X509 *cert);

/* Whether the certificate leads to one of the job's CAs through EXTRAs and
 * more; a CA whose CRL is among the job's is asked for it.  NULL: it does;
 * else a sentence.  Without CAs nothing is trusted. */
const char *cms_chain(struct job *job, X509 *cert, STACK_OF(X509) *more);

/* IMPORT of a PKCS#12 file. */
LL_MUST enum ll_result cms_import(struct job *job, struct tlv_view file,
    const char *address, const char *passphrase);

/* What the messages of one wire have in common, read once and kept: the
 * sender's key and certificate (certs: those above it follow), and one
 * recipient. */
struct cms_own {
	STACK_OF(X509) *certs;
	EVP_PKEY *key;
};
struct cms_recipient {
	X509 *cert;
	const char *why;             /* a sentence: not to be used, or NULL */
	bool gcm, oaep;              /* he can read AES-256-GCM, RSA-OAEP */
};
/* The first S/MIME key among PRIVATE that can sign for FROM today; why there
 * is none, or NULL. */
const char *cms_own(struct job *job, const struct cms_own **own_r);
/* LL_PROTO with words for what is no certificate.  It stays at least until the
 * next cms_begin, which lets go of what is too many; cms_forget lets go of
 * all. */
LL_MUST enum ll_result cms_recipient(struct job *job, struct tlv_view bytes,
    const struct cms_recipient **who_r);
void cms_begin(void);
void cms_forget(void);

/* The jobs. */
LL_MUST enum ll_result cms_make(struct job *job);
LL_MUST enum ll_result cms_inspect(struct job *job);

/* Signs, encrypts and writes Content-Type and all that follows it. */
LL_MUST enum ll_result cms_seal(struct job *job, const struct tlv_out *entity,
    struct out *out);

/* True when a PRIVATE S/MIME key can sign for the sender today. */
bool cms_can_sign(struct job *job);
/* Signs only: multipart/signed, from its Content-Type on. */
LL_MUST enum ll_result cms_sign(struct job *job, const struct tlv_out *entity,
    struct out *out);

/* Opens EnvelopedData or AuthEnvelopedData, or signed data with its content
 * inside; with content not empty, checks a detached signature over it.
 * SIGNATURE fields go to the result.  plain is initialised here, on failure
 * too; the caller finishes it. */
struct cms_opened {
	struct tlv_out plain;
	uint64_t signature;          /* its number, 0: not signed */
	const char *how;             /* encrypted how, NULL: it was not */
	bool weak;                   /* a change would not be noticed */
};
LL_MUST enum ll_result cms_open(struct job *job, struct tlv_view message,
    struct tlv_view content, struct cms_opened *opened_r);

#endif
