#include "keys/cms.h"

#include <string.h>
#include <strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OPENSSL_LEAST 0x30000160L       /* 3.0.22 */
#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256
#define HOLDERS_MAX 20
#define CERTIFICATES_MAX 20

bool
cms_setup(void)
{
	/* Its configuration file is not ours to trust. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS |
	    OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) != 1)
		return false;
	return OpenSSL_version_num() >= (unsigned long)OPENSSL_LEAST;
}

static bool
contains(struct tlv_view v, const char *text)
{
	return memmem(v.data, v.len, text, strlen(text)) != NULL;
}

bool
cms_is_certificate(struct tlv_view key)
{
	return contains(key, "-----BEGIN CERTIFICATE") ||
	    contains(key, "-----BEGIN X509") ||
	    (key.len > 4 && key.data[0] == 0x30 && key.data[1] == 0x82);
}

X509 *
cms_certificate(struct tlv_view key)
{
	const unsigned char *p = key.data;
	X509 *cert;
	BIO *in;

	if (key.len == 0 || key.len > PARSE_KEY_MAX)
		return NULL;
	if (key.data[0] == 0x30)
		return d2i_X509(NULL, &p, (long)key.len);
	in = BIO_new_mem_buf(key.data, (int)key.len);
	if (in == NULL)
		return NULL;
	cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	return cert;
}

STACK_OF(X509) *
cms_certificates(struct tlv_view key)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	const unsigned char *p = key.data;
	X509 *cert;
	BIO *in = NULL;
	bool pem;

	pem = key.len > 0 && key.len <= PARSE_KEY_MAX && key.data[0] != 0x30;
	if (pem)
		in = BIO_new_mem_buf(key.data, (int)key.len);
	while (all != NULL && key.len <= PARSE_KEY_MAX &&
	    sk_X509_num(all) < CERTIFICATES_MAX) {
		if (pem)
			cert = in == NULL ? NULL : PEM_read_bio_X509(in, NULL,
			    NULL, NULL);
		else
			cert = p == key.data + key.len ? NULL : d2i_X509(NULL,
			    &p, (long)(key.len - (size_t)(p - key.data)));
		if (cert == NULL || sk_X509_push(all, cert) < 1) {
			X509_free(cert);
			break;
		}
	}
	BIO_free(in);
	ERR_clear_error();
	return all;
}

bool
cms_names(X509 *cert, const char *address)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_email(cert);
	bool named = false;
	int i;

	for (i = 0; i < sk_OPENSSL_STRING_num(all); i++)
		named = named || job_address_is(
		    sk_OPENSSL_STRING_value(all, i), address);
	X509_email_free(all);
	return named;
}

void
cms_put_holders(struct tlv_out *o, X509 *cert)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_email(cert);
	const char *one;
	int i;

	for (i = 0; i < sk_OPENSSL_STRING_num(all) && i < HOLDERS_MAX; i++) {
		one = sk_OPENSSL_STRING_value(all, i);
		if (utf8_valid(one, strlen(one)))
			tlv_put_text(o, PARSE_F_HOLDER, one);
	}
	X509_email_free(all);
}

void
cms_fingerprint(X509 *cert, char hex[65])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0, i;

	hex[0] = 0;
	if (X509_digest(cert, EVP_sha256(), hash, &len) != 1)
		return;
	for (i = 0; i < len && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02X", hash[i]);
}

static bool
strong(X509 *cert, bool encrypt)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int bits;

	if (key == NULL)
		return false;
	bits = EVP_PKEY_get_bits(key);
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return bits >= RSA_BITS_MIN;
	case EVP_PKEY_EC:
		return bits >= EC_BITS_MIN;
	case EVP_PKEY_RSA_PSS:
		return !encrypt && bits >= RSA_BITS_MIN;
	case EVP_PKEY_ED25519:
		return !encrypt;
	}
	return false;
}

static bool
old_hash(X509 *cert)
{
	int hash = NID_undef;

	if (OBJ_find_sigid_algs(X509_get_signature_nid(cert), &hash, NULL) !=
	    1)
		return false;
	return hash == NID_md5 || hash == NID_sha1 || hash == NID_md2 ||
	    hash == NID_ripemd160;
}

static bool
usable_for(X509 *cert, bool encrypt)
{
	uint32_t may = X509_get_key_usage(cert);
	uint32_t extended = X509_get_extended_key_usage(cert);
	uint32_t need = encrypt ? KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT :
	    KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;

	return (may & need) != 0 &&
	    (extended & (XKU_SMIME | XKU_ANYEKU)) != 0;
}

const char *
cms_why_not(X509 *cert, const char *address, bool encrypt)
{
	STACK_OF(OPENSSL_STRING) *all;
	int named;

	if ((X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0)
		return "It has a broken extension.";
	if (!strong(cert, encrypt))
		return encrypt ? "Its key is too weak or can't encrypt: RSA "
		    "from 2,048 bits or a curve from P-256 is needed." :
		    "Its key is too weak: RSA from 2,048 bits or a curve from "
		    "P-256 is needed.";
	if (old_hash(cert))
		return "It is signed with SHA-1 or MD5, which can be forged.";
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		return "It is not valid yet.";
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return "It has expired.";
	if (!usable_for(cert, encrypt))
		return encrypt ? "Its issuer did not allow it for encrypting "
		    "mail." : "Its issuer did not allow it for signing mail.";
	if (address == NULL || cms_names(cert, address))
		return NULL;
	all = X509_get1_email(cert);
	named = sk_OPENSSL_STRING_num(all);
	X509_email_free(all);
	return named > 0 ? "It belongs to another e-mail address." :
	    "There is no e-mail address in it.";
}

static uint64_t
stamp(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (uint64_t)timegm(&tm);
}

void
cms_put_facts(struct tlv_out *o, X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char hex[65], name[80];
	const char *alg = key == NULL ? NULL :
	    OBJ_nid2sn(EVP_PKEY_get_base_id(key));

	cms_fingerprint(cert, hex);
	snprintf(name, sizeof name, "%s-%d, %s", alg == NULL ? "unknown" :
	    strcmp(alg, "rsaEncryption") == 0 ? "RSA" :
	    strcmp(alg, "id-ecPublicKey") == 0 ? "EC" : alg,
	    key == NULL ? 0 : EVP_PKEY_get_bits(key),
	    cms_capable(cert, NID_aes_256_gcm) ? "AES-256-GCM" :
	    "AES-256-CBC");
	tlv_put_u64(o, PARSE_F_FORMAT, PARSE_SMIME);
	tlv_put_text(o, PARSE_F_FINGERPRINT, hex);
	tlv_put_text(o, PARSE_F_ALGORITHM, name);
	tlv_put_u64(o, PARSE_F_BITS,
	    key == NULL ? 0 : (uint64_t)EVP_PKEY_get_bits(key));
	tlv_put_u64(o, PARSE_F_CREATED, stamp(X509_get0_notBefore(cert)));
	tlv_put_u64(o, PARSE_F_EXPIRES, stamp(X509_get0_notAfter(cert)));
	cms_put_holders(o, cert);
}

enum ll_result
cms_inspect(struct job *job)
{
	struct tlv_view fields = job_view(&job->fields), ca;
	const char *address, *why;
	STACK_OF(X509) *more;
	unsigned char *der = NULL;
	enum ll_result r = LL_OK;
	size_t at = 0;
	X509 *cert;
	int len;

	r = job_address(job, &address);
	if (r != LL_OK)
		return r;
	cert = cms_certificate(job_bytes(fields, PARSE_F_KEY));
	if (cert == NULL)
		return job_fail(job, LL_PROTO, "That is no certificate.");
	cms_put_facts(&job->result, cert);
	why = cms_why_not(cert, address, true);
	if (job_each(fields, PARSE_F_CA, &at, &ca)) {
		const char *chain;

		more = cms_certificates(job_bytes(fields, PARSE_F_KEY));
		chain = cms_chain(job, cert, more);
		sk_X509_pop_free(more, X509_free);
		tlv_put_u64(&job->result, PARSE_F_TRUSTED, chain == NULL);
		if (chain != NULL && strcmp(chain, CMS_REVOKED) == 0)
			tlv_put_u64(&job->result, PARSE_F_REVOKED, 1);
		if (why == NULL)
			why = chain;
	}
	if (why != NULL)
		r = job_fail(job, LL_DENIED, "%s", why);
	len = i2d_X509(cert, &der);
	if (len > 0)
		tlv_put_bytes(&job->result, PARSE_F_KEY, der, (size_t)len);
	OPENSSL_free(der);
	X509_free(cert);
	return r;
}
