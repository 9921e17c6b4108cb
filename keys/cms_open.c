#include "keys/cms.h"

#include <string.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "keys/open.h"

#define UNREADABLE "It can't be opened with your S/MIME key."

static void
take(BIO *bio, struct tlv_out *o)
{
	char *p = NULL;
	long len = BIO_get_mem_data(bio, &p);

	if (len > 0)
		tlv_put_raw(o, p, (size_t)len);
	if (len > 0)
		explicit_bzero(p, (size_t)len);
}

/* An RSA key under another certificate of the same issuer: the one from before
 * it was issued anew.  A key of somebody else's there gives something random,
 * whose length is not that of the cipher's key; should it be by chance, the
 * content does not open. */
static bool
unwraps(CMS_ContentInfo *cms, EVP_PKEY *key, X509 *cert)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	CMS_RecipientInfo *ri;
	X509_NAME *issuer;
	int i;

	for (i = 0; i < sk_CMS_RecipientInfo_num(all); i++) {
		ri = sk_CMS_RecipientInfo_value(all, i);
		issuer = NULL;
		if (CMS_RecipientInfo_type(ri) != CMS_RECIPINFO_TRANS ||
		    CMS_RecipientInfo_ktri_get0_signer_id(ri, NULL, &issuer,
		    NULL) != 1 || issuer == NULL ||
		    X509_NAME_cmp(issuer, X509_get_issuer_name(cert)) != 0 ||
		    EVP_PKEY_up_ref(key) != 1)
			continue;
		if (CMS_RecipientInfo_set0_pkey(ri, key) == 1 &&
		    CMS_RecipientInfo_decrypt(cms, ri) == 1)
			return true;
	}
	return false;
}

/* A certificate that was issued anew names another serial than the mail of
 * before.  EC keys are tried without it: each holder has a key of the message
 * wrapped there, and the wrong one fails to unwrap. */
static bool
decrypts(CMS_ContentInfo *cms, EVP_PKEY *key, X509 *cert, BIO *out)
{
	if (CMS_decrypt(cms, key, cert, NULL, out, CMS_BINARY) == 1)
		return true;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		return CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY) == 1;
	return unwraps(cms, key, cert) &&
	    CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY) == 1;
}

/* One error for whatever is wrong: an answer that tells more is an oracle. */
static enum ll_result
decrypt(struct job *job, CMS_ContentInfo *cms, struct cms_opened *o)
{
	struct tlv_view nest, secret;
	const unsigned char *p;
	size_t at = 0;
	bool done = false;
	EVP_PKEY *key;
	X509 *cert;
	BIO *out;

	while (!done && job_each(job_view(&job->keys), PARSE_F_PRIVATE, &at,
	    &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_SMIME)
			continue;
		secret = job_bytes(nest, PARSE_F_SECRET);
		p = secret.data;
		cert = cms_certificate(job_bytes(nest, PARSE_F_KEY));
		key = p == NULL ? NULL : d2i_AutoPrivateKey(NULL, &p,
		    (long)secret.len);
		out = BIO_new(BIO_s_mem());
		done = cert != NULL && key != NULL && out != NULL &&
		    decrypts(cms, key, cert, out);
		if (done)
			take(out, &o->plain);
		BIO_free(out);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	return !done ? job_fail(job, LL_AUTH, UNREADABLE) : o->plain.err;
}

/* A certificate that the reader took as the sender's. */
static bool
pinned(struct job *job, X509 *cert)
{
	struct tlv_view nest;
	bool same = false;
	size_t at = 0;
	X509 *peer;

	while (!same && job_each(job_view(&job->fields), PARSE_F_PEER, &at,
	    &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_SMIME)
			continue;
		peer = cms_certificate(job_bytes(nest, PARSE_F_KEY));
		same = peer != NULL && X509_cmp(peer, cert) == 0;
		X509_free(peer);
	}
	return same;
}

static void
put_found(struct job *job, X509 *cert)
{
	unsigned char *der = NULL;
	struct tlv_view key;
	int len = i2d_X509(cert, &der);

	key.data = der;
	key.len = len > 0 ? (size_t)len : 0;
	open_found(job, PARSE_SMIME, key, PARSE_S_SIGNER, NULL);
	OPENSSL_free(der);
}

static uint64_t
tell(struct job *job, CMS_ContentInfo *cms, X509 *cert)
{
	STACK_OF(X509) *more = CMS_get1_certs(cms);
	struct tlv_out names;
	const char *why;
	char hex[65], words[200];
	enum ll_result r = LL_OK;
	uint64_t number;

	tlv_out_init(&names, 20000);
	cms_fingerprint(cert, hex);
	cms_put_holders(&names, cert);
	why = cms_why_not(cert, NULL, false);
	if (why == NULL && !pinned(job, cert))
		why = cms_chain(job, cert, more);
	if (why != NULL) {
		r = LL_DENIED;
		snprintf(words, sizeof words, "The certificate that signed "
		    "can't be relied on: %s", why);
	} else if (!cms_names(cert, job->from)) {
		r = LL_CONFLICT;
		snprintf(words, sizeof words, "Good signature, but by somebody "
		    "else than the sender.");
	} else
		snprintf(words, sizeof words, "Good signature.");
	put_found(job, cert);
	number = open_signature(job, PARSE_SMIME, r, words, hex, &names, 0);
	tlv_out_finish(&names);
	sk_X509_pop_free(more, X509_free);
	return number;
}

static STACK_OF(X509) *
known(struct job *job)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	struct tlv_view nest;
	size_t at = 0;
	X509 *cert;

	while (all != NULL && job_each(job_view(&job->fields), PARSE_F_PEER,
	    &at, &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_SMIME)
			continue;
		cert = cms_certificate(job_bytes(nest, PARSE_F_KEY));
		if (cert != NULL && sk_X509_push(all, cert) < 1)
			X509_free(cert);
	}
	return all;
}

static enum ll_result
verify(struct job *job, CMS_ContentInfo *cms, struct tlv_view content,
    struct cms_opened *o)
{
	const bool detached = CMS_is_detached(cms) == 1;
	STACK_OF(X509) *peers = known(job), *signers = NULL;
	BIO *in = NULL, *out = BIO_new(BIO_s_mem());
	const char *why = NULL;
	int good;

	if (detached)
		in = BIO_new_mem_buf(content.data, (int)content.len);
	good = CMS_verify(cms, peers, NULL, in, out,
	    CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY);
	if (!detached)
		take(out, &o->plain);
	signers = CMS_get0_signers(cms);
	if (sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)) != 1)
		why = "There must be exactly one signer.";
	else if (good != 1 || sk_X509_num(signers) != 1)
		why = "The signature does not hold: the message was changed.";
	o->signature = why != NULL ? open_signature(job, PARSE_SMIME, LL_AUTH,
	    why, NULL, NULL, 0) : tell(job, cms, sk_X509_value(signers, 0));
	sk_X509_free(signers);
	sk_X509_pop_free(peers, X509_free);
	BIO_free(in);
	BIO_free(out);
	return o->plain.err;
}

enum ll_result
cms_open(struct job *job, struct tlv_view message, struct tlv_view content,
    struct cms_opened *opened_r)
{
	const unsigned char *p = message.data;
	CMS_ContentInfo *cms;
	enum ll_result r;
	int type;

	memset(opened_r, 0, sizeof *opened_r);
	tlv_out_init(&opened_r->plain, JOB_OPENED_MAX);
	cms = message.len == 0 ? NULL : d2i_CMS_ContentInfo(NULL, &p,
	    (long)message.len);
	if (cms == NULL)
		return job_fail(job, LL_PROTO, "It claims to be S/MIME, but "
		    "can't be read.");
	type = OBJ_obj2nid(CMS_get0_type(cms));
	switch (type) {
	case NID_pkcs7_enveloped:
		opened_r->how = "S/MIME AES-CBC";
		opened_r->weak = true;
		r = decrypt(job, cms, opened_r);
		break;
	case NID_id_smime_ct_authEnvelopedData:
		opened_r->how = "S/MIME AES-GCM";
		r = decrypt(job, cms, opened_r);
		break;
	case NID_pkcs7_signed:
		r = verify(job, cms, content, opened_r);
		break;
	default:
		r = job_fail(job, LL_PROTO, "It is S/MIME of a kind that is "
		    "not opened here.");
	}
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return r;
}
