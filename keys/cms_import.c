#include "keys/cms.h"

#include <string.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#define EXTRAS_MAX 8

static void
put_secret(struct tlv_out *o, EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	if (len > 0) {
		tlv_put_bytes(o, PARSE_F_SECRET, der, (size_t)len);
		OPENSSL_clear_free(der, (size_t)len);
	} else if (o->err == LL_OK)
		o->err = LL_PROTO;
	PKCS8_PRIV_KEY_INFO_free(info);
}

static void
put_certificate(struct tlv_out *o, uint8_t tag, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len > 0)
		tlv_put_bytes(o, tag, der, (size_t)len);
	OPENSSL_free(der);
}

/* Those between the certificate and its root. */
static void
put_extras(struct tlv_out *o, STACK_OF(X509) *extras)
{
	X509 *cert;
	int i, n = 0;

	for (i = 0; i < sk_X509_num(extras) && n < EXTRAS_MAX; i++) {
		cert = sk_X509_value(extras, i);
		if (X509_self_signed(cert, 0) == 1)
			continue;
		put_certificate(o, PARSE_F_EXTRA, cert);
		n++;
	}
}

static enum ll_result
check(struct job *job, EVP_PKEY *key, X509 *cert, const char *address)
{
	const char *why;

	if (key == NULL || cert == NULL)
		return job_fail(job, LL_DENIED, "There is no private key with "
		    "its certificate in it.");
	if (X509_check_private_key(cert, key) != 1)
		return job_fail(job, LL_DENIED, "Its key and certificate do "
		    "not belong together.");
	why = cms_why_not(cert, address, false);
	/* One for encryption alone still opens mail. */
	if (why != NULL && cms_why_not(cert, address, true) != NULL)
		return job_fail(job, LL_DENIED, "%s", why);
	return LL_OK;
}

static enum ll_result
unreadable(struct job *job)
{
	const unsigned long e = ERR_peek_error();

	if (ERR_GET_LIB(e) == ERR_LIB_PKCS12 &&
	    ERR_GET_REASON(e) == PKCS12_R_MAC_VERIFY_FAILURE)
		return job_fail(job, LL_AUTH, "That is not its passphrase.");
	return job_fail(job, LL_PROTO, "That PKCS#12 file can't be read, or is "
	    "protected in an old way (RC2): export it again with AES or "
	    "3DES.");
}

enum ll_result
cms_import(struct job *job, struct tlv_view file, const char *address,
    const char *passphrase)
{
	const unsigned char *p = file.data;
	STACK_OF(X509) *extras = NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	enum ll_result r;
	PKCS12 *p12;

	ERR_clear_error();
	p12 = d2i_PKCS12(NULL, &p, (long)file.len);
	if (p12 == NULL || PKCS12_parse(p12, passphrase, &key, &cert,
	    &extras) != 1)
		r = unreadable(job);
	else
		r = check(job, key, cert, address);
	if (r == LL_OK) {
		cms_put_facts(&job->result, cert);
		put_secret(&job->result, key);
		put_certificate(&job->result, PARSE_F_KEY, cert);
		put_extras(&job->result, extras);
		r = job->result.err;
	}
	PKCS12_free(p12);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(extras, X509_free);
	ERR_clear_error();
	return r;
}
