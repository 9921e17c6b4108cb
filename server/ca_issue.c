#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/ca_state.h"

#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256
#define REQUEST_MAX 16384

static enum ll_result
refuse(char why[CA_WHY], const char *words)
{
	(void)snprintf(why, CA_WHY, "%s", words);
	return LL_DENIED;
}

/* --- the request --- */

static bool
strong(EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
	case EVP_PKEY_EC:
		return EVP_PKEY_get_bits(key) >= EC_BITS_MIN;
	}
	return false;
}

static enum ll_result
check_request(X509_REQ *request, const char *address, char why[CA_WHY])
{
	STACK_OF(OPENSSL_STRING) *all;
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	bool named;

	if (key == NULL || !strong(key))
		return refuse(why, "the request's key is too weak: P-256 or "
		    "RSA from 2,048 bits is needed");
	if (X509_REQ_verify(request, key) != 1)
		return refuse(why, "the request is not signed by its key");
	all = X509_REQ_get1_email(request);
	named = sk_OPENSSL_STRING_num(all) == 1 && strcasecmp(
	    sk_OPENSSL_STRING_value(all, 0), address) == 0;
	X509_email_free(all);
	if (!named)
		return refuse(why, "the request is for another address than "
		    "the account's; a new key is made when the user logs in "
		    "after a reset");
	return LL_OK;
}

/* --- the certificate --- */

/* By hand: a comma in an address is no second name. */
static bool
put_address(X509 *cert, const char *address)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool done = false;

	if (names == NULL || name == NULL || text == NULL ||
	    ASN1_STRING_set(text, address, (int)strlen(address)) != 1)
		goto out;
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	text = NULL;
	if (sk_GENERAL_NAME_push(names, name) < 1)
		goto out;
	name = NULL;
	done = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) ==
	    1;
out:
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return done;
}

/* What every program that gets such keys can do (RFC 8551, 2.5.2). */
static bool
put_capabilities(X509 *cert)
{
	STACK_OF(X509_ALGOR) *all = NULL;
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;
	unsigned char *der = NULL;
	bool done = false;
	int len = -1;

	if (CMS_add_simple_smimecap(&all, NID_aes_256_gcm, -1) == 1 &&
	    CMS_add_simple_smimecap(&all, NID_aes_256_cbc, -1) == 1)
		len = i2d_X509_ALGORS(all, &der);
	if (len > 0 && value != NULL && ASN1_OCTET_STRING_set(value, der,
	    len) == 1)
		ext = X509_EXTENSION_create_by_NID(NULL, NID_SMIMECapabilities,
		    0, value);
	done = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	OPENSSL_free(der);
	sk_X509_ALGOR_pop_free(all, X509_ALGOR_free);
	return done;
}

static X509 *
make(struct ca *ca, EVP_PKEY *key, const char *address, const char *name)
{
	X509 *cert = ca_blank(key, ca->cert, CA_STAFF_DAYS);
	const bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	if (cert != NULL && ca_name(X509_get_subject_name(cert), "CN",
	    name[0] != '\0' ? name : address) && put_address(cert, address) &&
	    ca_extend(cert, ca->cert, NID_basic_constraints,
	    "critical,CA:FALSE") && ca_extend(cert, ca->cert, NID_key_usage,
	    rsa ? "critical,digitalSignature,keyEncipherment" :
	    "critical,digitalSignature,keyAgreement") &&
	    ca_extend(cert, ca->cert, NID_ext_key_usage, "emailProtection") &&
	    ca_extend(cert, ca->cert, NID_subject_key_identifier, "hash") &&
	    ca_extend(cert, ca->cert, NID_authority_key_identifier,
	    "keyid:always") && put_capabilities(cert) &&
	    X509_sign(cert, ca->key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* Written before the certificate is given out: none is unknown to a later
 * revocation. */
static enum ll_result
record(struct ca *ca, X509 *cert, const char *user, const char *address,
    const char *fingerprint)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *serial = n == NULL ? NULL : BN_bn2hex(n);
	json_t *row = NULL;
	enum ll_result r = LL_NOMEM;

	if (serial != NULL)
		row = json_pack("{s:s,s:I,s:s,s:s,s:s}", "serial", serial,
		    "until", (json_int_t)ca_time(X509_get0_notAfter(cert)),
		    "user", user, "email", address, "fingerprint",
		    fingerprint);
	if (row != NULL && json_array_append_new(ca->issued, row) == 0)
		r = ca_write_issued(ca);
	OPENSSL_free(serial);
	BN_free(n);
	return r;
}

static enum ll_result
give_out(X509 *cert, struct ca_issued *i)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0)
		return LL_NOMEM;
	i->der = malloc((size_t)len);
	if (i->der != NULL)
		memcpy(i->der, der, (size_t)len);
	i->len = (size_t)len;
	i->until = ca_time(X509_get0_notAfter(cert));
	OPENSSL_free(der);
	return i->der != NULL ? LL_OK : LL_NOMEM;
}

enum ll_result
ca_issue(struct ca *ca, const void *request, size_t len, const char *user,
    const char *address, const char *name, struct ca_issued *i_r,
    char why[CA_WHY])
{
	const unsigned char *p = request;
	X509_REQ *req;
	X509 *cert = NULL;
	enum ll_result r;

	memset(i_r, 0, sizeof(*i_r));
	why[0] = '\0';
	req = len > REQUEST_MAX ? NULL : d2i_X509_REQ(NULL, &p, (long)len);
	r = req == NULL ? refuse(why, "the request can't be read") :
	    check_request(req, address, why);
	if (r == LL_OK) {
		cert = make(ca, X509_REQ_get0_pubkey(req), address, name);
		r = cert != NULL ? LL_OK : LL_NOMEM;
	}
	if (r == LL_OK) {
		ca_fingerprint(cert, i_r->fingerprint);
		r = record(ca, cert, user, address, i_r->fingerprint);
	}
	if (r == LL_OK)
		r = ca_renew(ca);
	if (r == LL_OK)
		r = give_out(cert, i_r);
	X509_free(cert);
	X509_REQ_free(req);
	return r;
}

/* --- the revocation list --- */

static bool
add_revoked(X509_CRL *crl, const char *serial, time_t when)
{
	X509_REVOKED *one = X509_REVOKED_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, when);
	ASN1_INTEGER *number = NULL;
	BIGNUM *n = NULL;

	if (one != NULL && t != NULL && BN_hex2bn(&n, serial) > 0)
		number = BN_to_ASN1_INTEGER(n, NULL);
	if (number == NULL || X509_REVOKED_set_serialNumber(one, number) !=
	    1 || X509_REVOKED_set_revocationDate(one, t) != 1 ||
	    X509_CRL_add0_revoked(crl, one) != 1) {
		X509_REVOKED_free(one);
		one = NULL;
	}
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(t);
	BN_free(n);
	return one != NULL;
}

static bool
add_all(struct ca *ca, X509_CRL *crl, time_t now)
{
	json_t *row, *when;
	size_t i;

	json_array_foreach(ca->issued, i, row) {
		when = json_object_get(row, "revoked");
		if (when == NULL || json_integer_value(json_object_get(row,
		    "until")) < (json_int_t)now)
			continue;
		if (!add_revoked(crl, json_string_value(json_object_get(row,
		    "serial")), (time_t)json_integer_value(when)))
			return false;
	}
	return true;
}

static bool
extend_list(struct ca *ca, X509_CRL *crl, time_t now)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool done;

	X509V3_set_ctx(&ctx, ca->cert, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier,
	    "keyid:always");
	/* The time is a number that only grows. */
	done = ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1 &&
	    number != NULL && ASN1_INTEGER_set_int64(number, now) == 1 &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(number);
	return done;
}

static X509_CRL *
make_list(struct ca *ca)
{
	X509_CRL *crl = X509_CRL_new();
	time_t now = time(NULL);
	ASN1_TIME *from = ASN1_TIME_set(NULL, now - 60);
	ASN1_TIME *until = ASN1_TIME_set(NULL, now + CA_STAFF_DAYS * CA_DAY);

	if (crl == NULL || from == NULL || until == NULL ||
	    X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
	    X509_CRL_set_issuer_name(crl,
	    X509_get_subject_name(ca->cert)) != 1 ||
	    X509_CRL_set1_lastUpdate(crl, from) != 1 ||
	    X509_CRL_set1_nextUpdate(crl, until) != 1 ||
	    !add_all(ca, crl, now) || !extend_list(ca, crl, now) ||
	    X509_CRL_sort(crl) != 1 ||
	    X509_CRL_sign(crl, ca->key, EVP_sha256()) <= 0) {
		X509_CRL_free(crl);
		crl = NULL;
	}
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	return crl;
}

enum ll_result
ca_renew(struct ca *ca)
{
	X509_CRL *crl = make_list(ca);
	BIO *bio = BIO_new(BIO_s_mem());
	enum ll_result r;

	if (crl == NULL || bio == NULL || PEM_write_bio_X509_CRL(bio, crl) !=
	    1) {
		BIO_free(bio);
		X509_CRL_free(crl);
		return LL_NOMEM;
	}
	r = ca_write_bio(ca, "ca.crl", 0644, bio);
	X509_CRL_free(ca->crl);
	ca->crl = crl;
	return r;
}

enum ll_result
ca_revoke(struct ca *ca, const char *user, size_t *count_r)
{
	const json_int_t now = (json_int_t)time(NULL);
	json_t *row;
	enum ll_result r;
	size_t i;

	*count_r = 0;
	json_array_foreach(ca->issued, i, row) {
		const char *whose = json_string_value(json_object_get(row,
		    "user"));

		if (whose == NULL || strcmp(whose, user) != 0 ||
		    json_object_get(row, "revoked") != NULL ||
		    json_integer_value(json_object_get(row, "until")) < now)
			continue;
		if (json_object_set_new(row, "revoked", json_integer(now)) !=
		    0)
			return LL_NOMEM;
		++*count_r;
	}
	if (*count_r == 0)
		return LL_NOTFOUND;
	r = ca_write_issued(ca);
	return r ? r : ca_renew(ca);
}

/* --- giving them out --- */

static enum ll_result
copy_out(unsigned char *der, int len, uint8_t **der_r, size_t *len_r)
{
	*der_r = len > 0 ? malloc((size_t)len) : NULL;
	*len_r = len > 0 ? (size_t)len : 0;
	if (*der_r != NULL)
		memcpy(*der_r, der, (size_t)len);
	OPENSSL_free(der);
	return *der_r != NULL ? LL_OK : LL_NOMEM;
}

enum ll_result
ca_certificate(const struct ca *ca, uint8_t **der_r, size_t *len_r,
    uint64_t *until_r)
{
	unsigned char *der = NULL;
	const int len = i2d_X509(ca->cert, &der);

	*until_r = ca_time(X509_get0_notAfter(ca->cert));
	return copy_out(der, len, der_r, len_r);
}

enum ll_result
ca_list(const struct ca *ca, uint8_t **der_r, size_t *len_r,
    uint64_t *until_r)
{
	unsigned char *der = NULL;
	const int len = i2d_X509_CRL(ca->crl, &der);

	*until_r = ca_time(X509_CRL_get0_nextUpdate(ca->crl));
	return copy_out(der, len, der_r, len_r);
}
