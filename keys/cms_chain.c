#include "keys/cms.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#define AUTHORITIES_MAX 200

static X509_CRL *
read_crl(struct tlv_view v)
{
	const unsigned char *p = v.data;
	X509_CRL *crl;
	BIO *in;

	if (v.len == 0)
		return NULL;
	if (v.data[0] == 0x30)
		return d2i_X509_CRL(NULL, &p, (long)v.len);
	in = BIO_new_mem_buf(v.data, (int)v.len);
	crl = in == NULL ? NULL : PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	BIO_free(in);
	return crl;
}

/* Fills the store; *check_r when the certificate's issuer has a CRL here. */
static size_t
fill(struct job *job, X509_STORE *store, X509 *cert, bool *check_r)
{
	struct tlv_view fields = job_view(&job->fields), v;
	size_t at = 0, n = 0;
	X509_CRL *crl;
	X509 *ca;

	while (n < AUTHORITIES_MAX && job_each(fields, PARSE_F_CA, &at, &v)) {
		ca = cms_certificate(v);
		if (ca != NULL && X509_STORE_add_cert(store, ca) == 1)
			n++;
		X509_free(ca);
	}
	*check_r = false;
	for (at = 0; job_each(fields, PARSE_F_CRL, &at, &v);) {
		crl = read_crl(v);
		if (crl == NULL)
			continue;
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
		    X509_get_issuer_name(cert)) == 0)
			*check_r = true;
		(void)X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
	}
	return n;
}

static STACK_OF(X509) *
between(struct job *job, STACK_OF(X509) *more)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	struct tlv_view v;
	size_t at = 0;
	X509 *cert;
	int i;

	for (i = 0; all != NULL && i < sk_X509_num(more) &&
	    i < AUTHORITIES_MAX; i++)
		(void)X509_add_cert(all, sk_X509_value(more, i),
		    X509_ADD_FLAG_UP_REF);
	while (all != NULL && job_each(job_view(&job->fields), PARSE_F_EXTRA,
	    &at, &v)) {
		cert = cms_certificate(v);
		if (cert != NULL && X509_add_cert(all, cert, 0) != 1)
			X509_free(cert);
	}
	return all;
}

static const char *
explain(int error)
{
	switch (error) {
	case X509_V_OK:
		return NULL;
	case X509_V_ERR_CERT_REVOKED:
		return CMS_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "It or a certificate above it has expired.";
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "Its issuer's revocation list is out of date.";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "Its issuer is not on the trust list.";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return "A certificate above it is too weak.";
	}
	return X509_verify_cert_error_string(error);
}

const char *
cms_chain(struct job *job, X509 *cert, STACK_OF(X509) *more)
{
	const char *why = "There is no memory to check its issuer.";
	STACK_OF(X509) *all = between(job, more);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	bool check;

	if (all == NULL || store == NULL || ctx == NULL)
		goto out;
	why = "Its issuer is not on the trust list.";
	if (fill(job, store, cert, &check) == 0)
		goto out;
	if (X509_STORE_CTX_init(ctx, store, cert, all) != 1)
		goto out;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_auth_level(param, 2);
	X509_VERIFY_PARAM_set_depth(param, 8);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN |
	    X509_V_FLAG_X509_STRICT | (check ? X509_V_FLAG_CRL_CHECK : 0));
	why = X509_verify_cert(ctx) == 1 ? NULL :
	    explain(X509_STORE_CTX_get_error(ctx));
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(all, X509_free);
	return why;
}
