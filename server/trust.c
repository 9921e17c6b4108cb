#include "server/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/ca_state.h"

#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256
#define CERTIFICATES_MAX 100

static enum ll_result
say(char why[CA_WHY], enum ll_result r, const char *words)
{
	(void)snprintf(why, CA_WHY, "%s", words);
	return r;
}

static void
name_of(const X509_NAME *name, char text[TRUST_NAME])
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long len = 0;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 &
	    ~ASN1_STRFLGS_ESC_MSB) >= 0)
		len = BIO_get_mem_data(bio, &p);
	(void)snprintf(text, TRUST_NAME, "%.*s", (int)(len < 300 ? len : 300),
	    len > 0 ? p : "");
	BIO_free(bio);
	if (!utf8_valid(text, strlen(text)))
		text[0] = '\0';
}

static X509 *
certificate(const uint8_t *file, size_t len, unsigned n)
{
	const unsigned char *p = file;
	X509 *cert = NULL;
	unsigned i;
	BIO *in;

	if (len > 0 && file[0] == 0x30)
		return n == 0 ? d2i_X509(NULL, &p, (long)len) : NULL;
	in = BIO_new_mem_buf(file, (int)len);
	for (i = 0; in != NULL && i <= n && i < CERTIFICATES_MAX; i++) {
		X509_free(cert);
		cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
		if (cert == NULL)
			break;
	}
	BIO_free(in);
	ERR_clear_error();
	return cert;
}

static enum ll_result
check(X509 *cert, char why[CA_WHY])
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const int kind = key == NULL ? 0 : EVP_PKEY_get_base_id(key);
	const int bits = key == NULL ? 0 : EVP_PKEY_get_bits(key);

	if (X509_check_ca(cert) != 1)
		return say(why, LL_DENIED, "that is no CA's certificate");
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return say(why, LL_DENIED, "it has expired");
	if ((kind == EVP_PKEY_RSA && bits < RSA_BITS_MIN) ||
	    (kind == EVP_PKEY_EC && bits < EC_BITS_MIN) || bits == 0)
		return say(why, LL_DENIED, "its key is too weak: RSA from "
		    "2,048 bits or a curve from P-256 is needed");
	return LL_OK;
}

enum ll_result
trust_read(const void *file, size_t len, unsigned n, struct trust *t_r,
    char why[CA_WHY])
{
	X509 *cert = certificate(file, len, n);
	unsigned char *der = NULL;
	enum ll_result r;
	int size;

	memset(t_r, 0, sizeof(*t_r));
	why[0] = '\0';
	if (cert == NULL)
		return n > 0 ? LL_NOTFOUND : say(why, LL_USAGE,
		    "expected a certificate, PEM or DER");
	ca_fingerprint(cert, t_r->fingerprint);
	name_of(X509_get_subject_name(cert), t_r->name);
	t_r->until = ca_time(X509_get0_notAfter(cert));
	r = check(cert, why);
	size = r ? 0 : i2d_X509(cert, &der);
	if (size > 0) {
		t_r->der = malloc((size_t)size);
		t_r->len = (size_t)size;
		if (t_r->der != NULL)
			memcpy(t_r->der, der, (size_t)size);
	}
	if (r == LL_OK && t_r->der == NULL)
		r = LL_NOMEM;
	OPENSSL_free(der);
	X509_free(cert);
	return r;
}

/* --- revocation lists --- */

static X509_CRL *
read_crl(const uint8_t *file, size_t len)
{
	const unsigned char *p = file;
	X509_CRL *crl;
	BIO *in;

	if (len > 0 && file[0] == 0x30)
		return d2i_X509_CRL(NULL, &p, (long)len);
	in = BIO_new_mem_buf(file, (int)len);
	crl = in == NULL ? NULL : PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	BIO_free(in);
	ERR_clear_error();
	return crl;
}

static bool
signed_by(X509_CRL *crl, struct tlv_view row)
{
	const unsigned char *p;
	bool is = false;
	X509 *cert;
	size_t len;

	p = view_bytes(row, F_CERTIFICATE, &len);
	cert = p == NULL ? NULL : d2i_X509(NULL, &p, (long)len);
	if (cert != NULL && X509_NAME_cmp(X509_get_subject_name(cert),
	    X509_CRL_get_issuer(crl)) == 0)
		is = X509_CRL_verify(crl, X509_get0_pubkey(cert)) == 1;
	X509_free(cert);
	ERR_clear_error();
	return is;
}

/* An old list would make what was revoked since good again. */
static bool
older(X509_CRL *crl, struct tlv_view row)
{
	X509_CRL *present;
	const uint8_t *p;
	bool is;
	size_t len;

	p = view_bytes(row, F_CRL, &len);
	present = p == NULL ? NULL : read_crl(p, len);
	is = present != NULL && ca_time(X509_CRL_get0_lastUpdate(crl)) <
	    ca_time(X509_CRL_get0_lastUpdate(present));
	X509_CRL_free(present);
	return is;
}

static enum ll_result
fill(X509_CRL *crl, struct tlv_view row, struct msg **m_r, uint64_t *until_r)
{
	unsigned char *der = NULL;
	enum ll_result r;
	int len;

	*until_r = ca_time(X509_CRL_get0_nextUpdate(crl));
	r = msg_create(MSG_REQUEST, OP_CA_CRL, m_r);
	if (r)
		return r;
	len = i2d_X509_CRL(crl, &der);
	msg_put_text(*m_r, F_FINGERPRINT, view_text(row, F_FINGERPRINT));
	msg_put_bytes(*m_r, F_CRL, der, len > 0 ? (size_t)len : 0);
	msg_put_u64(*m_r, F_TIME, *until_r);
	OPENSSL_free(der);
	return LL_OK;
}

enum ll_result
trust_crl(const void *file, size_t len, const struct msg *authorities,
    struct msg **m_r, char name[TRUST_NAME], uint64_t *until_r,
    char why[CA_WHY])
{
	X509_CRL *crl = read_crl(file, len);
	const ASN1_TIME *next;
	struct tlv_view row;
	enum ll_result r = LL_OK;
	size_t at = 0;
	bool found = false;

	*m_r = NULL;
	why[0] = name[0] = '\0';
	if (crl == NULL)
		return say(why, LL_USAGE,
		    "expected a revocation list, PEM or DER");
	next = X509_CRL_get0_nextUpdate(crl);
	if (next != NULL && X509_cmp_current_time(next) <= 0)
		r = say(why, LL_DENIED, "it is out of date: there must be a "
		    "newer one");
	while (r == LL_OK && !found && view_nest(msg_view(authorities), F_ROW,
	    &at, &row))
		found = signed_by(crl, row);
	if (r == LL_OK && !found)
		r = say(why, LL_NOTFOUND, "no CA that is trusted here has "
		    "signed it (letterlock ca list)");
	if (r == LL_OK && older(crl, row))
		r = say(why, LL_CONFLICT, "it is older than the one there is");
	if (r == LL_OK) {
		(void)snprintf(name, TRUST_NAME, "%s", view_text(row,
		    F_NAME));
		r = fill(crl, row, m_r, until_r);
	}
	X509_CRL_free(crl);
	return r;
}
