#include "keys/cms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "keys/write.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096

/* The address as subject alternative name: what an issuer takes over. */
static bool
ask_address(X509_REQ *req, const char *address)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509_EXTENSION *ext = NULL;
	bool done = false;

	if (all == NULL || names == NULL || name == NULL || text == NULL ||
	    ASN1_STRING_set(text, address, (int)strlen(address)) != 1)
		goto out;
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	text = NULL;
	if (sk_GENERAL_NAME_push(names, name) < 1)
		goto out;
	name = NULL;
	ext = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
	if (ext == NULL || sk_X509_EXTENSION_push(all, ext) < 1)
		goto out;
	ext = NULL;
	done = X509_REQ_add_extensions(req, all) == 1;
out:
	X509_EXTENSION_free(ext);
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return done;
}

static X509_REQ *
request(EVP_PKEY *key, const char *address, const char *name)
{
	X509_REQ *req = X509_REQ_new();
	const unsigned char *called = (const unsigned char *)
	    (name[0] != 0 ? name : address);

	if (req != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
	    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
	    MBSTRING_UTF8, called, -1, -1, 0) == 1 &&
	    ask_address(req, address) && X509_REQ_set_pubkey(req, key) == 1 &&
	    X509_REQ_sign(req, key, EVP_sha256()) > 0)
		return req;
	X509_REQ_free(req);
	return NULL;
}

/* SHA-256 of the public key: there is no certificate yet. */
static void
put_print(struct tlv_out *o, EVP_PKEY *key)
{
	unsigned char hash[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned n = 0, i;
	char hex[65] = "";
	int len;

	len = i2d_PUBKEY(key, &der);
	if (len > 0 && EVP_Digest(der, (size_t)len, hash, &n, EVP_sha256(),
	    NULL) == 1)
		for (i = 0; i < n && i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02X", hash[i]);
	OPENSSL_free(der);
	tlv_put_text(o, PARSE_F_FINGERPRINT, hex);
}

static enum ll_result
put_pair(struct job *job, EVP_PKEY *key, X509_REQ *req)
{
	unsigned char *secret = NULL, *public = NULL;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	int secret_len, public_len;

	secret_len = info == NULL ? -1 :
	    i2d_PKCS8_PRIV_KEY_INFO(info, &secret);
	public_len = i2d_X509_REQ(req, &public);
	if (secret_len > 0 && public_len > 0) {
		tlv_put_bytes(&job->result, PARSE_F_SECRET, secret,
		    (size_t)secret_len);
		tlv_put_bytes(&job->result, PARSE_F_KEY, public,
		    (size_t)public_len);
	} else if (job->result.err == LL_OK)
		job->result.err = LL_NOMEM;
	if (secret_len > 0)
		OPENSSL_clear_free(secret, (size_t)secret_len);
	OPENSSL_free(public);
	PKCS8_PRIV_KEY_INFO_free(info);
	return job->result.err;
}

enum ll_result
cms_make(struct job *job)
{
	const struct tlv_view fields = job_view(&job->fields);
	const uint64_t bits = job_number(fields, PARSE_F_BITS, 0);
	const char *address, *name;
	X509_REQ *req = NULL;
	EVP_PKEY *key;
	char algorithm[16] = "EC-256";
	enum ll_result r;

	if (!write_person(job, fields, &address, &name))
		return LL_USAGE;
	if (bits != 0 && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		return job_fail(job, LL_USAGE, "RSA keys have 2,048 to 4,096 "
		    "bits.");
	if (bits != 0)
		snprintf(algorithm, sizeof algorithm, "RSA-%u",
		    (unsigned)bits);
	key = bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen((size_t)bits);
	if (key != NULL)
		req = request(key, address, strlen(name) > 64 ? "" : name);
	r = req == NULL ? job_fail(job, LL_IO, "No key could be made.") :
	    put_pair(job, key, req);
	if (r == LL_OK) {
		put_print(&job->result, key);
		tlv_put_text(&job->result, PARSE_F_ALGORITHM, algorithm);
		tlv_put_u64(&job->result, PARSE_F_CREATED,
		    (uint64_t)time(NULL));
	}
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return r;
}
