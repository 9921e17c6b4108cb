/*
 * ca_state.h - what the files of the CA share; nobody else includes it.
 */
#ifndef LL_CA_STATE_H
#define LL_CA_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <openssl/x509.h>

#include "server/ca.h"
#include "server/file.h"

#define CA_DAY 86400L
#define CA_STAFF_DAYS 730L
#define CA_OWN_DAYS 3652L

struct ca {
	char dir[FILE_PATH_MAX];
	int lock;                    /* ca.crt, locked; -1 */
	EVP_PKEY *key;
	X509 *cert;
	X509_CRL *crl;
	json_t *issued;              /* array */
};

/* Writes name in the directory in one step, for the directory's owner. */
LL_MUST enum ll_result ca_write(const struct ca *ca, const char *name,
    mode_t mode, const void *data, size_t len);
/* The same of what a BIO has; frees it. */
LL_MUST enum ll_result ca_write_bio(const struct ca *ca, const char *name,
    mode_t mode, BIO *bio);
/* Writes ca.issued. */
LL_MUST enum ll_result ca_write_issued(const struct ca *ca);

/* A certificate without key and names: random serial, from five minutes ago
 * for so many days, but not beyond its issuer's (NULL: its own). */
X509 *ca_blank(EVP_PKEY *public, X509 *issuer, long days);
/* Adds an extension in openssl.cnf's words. */
bool ca_extend(X509 *cert, X509 *issuer, int nid, const char *value);
/* Adds UTF-8 text to a name, cut to what X.520 allows. */
bool ca_name(X509_NAME *name, const char *field, const char *text);
/* SHA-256 of it in hex. */
void ca_fingerprint(const X509 *cert, char hex[CA_HEX]);
uint64_t ca_time(const ASN1_TIME *t);

#endif
