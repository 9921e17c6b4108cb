#include "keys/cms.h"

#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <openssl/x509v3.h>

/* Reading a key or certificate costs more than encrypting a message, so what
 * the jobs of one wire have in common is read once. */
#define KEPT_MAX 250

struct kept {
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct cms_recipient who;
};

static struct {
	char from[256];
	struct cms_own own;
} signer;
static struct kept *kept;
static size_t kept_count;

static void
own_finish(struct cms_own *own)
{
	sk_X509_pop_free(own->certs, X509_free);
	EVP_PKEY_free(own->key);
	memset(own, 0, sizeof *own);
}

/* One PRIVATE: why it can't sign for from, NULL when it can. */
static const char *
try_own(struct tlv_view nest, const char *from, struct cms_own *own)
{
	struct tlv_view secret = job_bytes(nest, PARSE_F_SECRET);
	const unsigned char *p = secret.data;
	X509 *cert;

	own->certs = cms_certificates(job_bytes(nest, PARSE_F_KEY));
	cert = sk_X509_value(own->certs, 0);
	own->key = p == NULL ? NULL : d2i_AutoPrivateKey(NULL, &p,
	    (long)secret.len);
	if (cert == NULL || own->key == NULL ||
	    X509_check_private_key(cert, own->key) != 1)
		return "They do not belong together.";
	return cms_why_not(cert, from, false);
}

const char *
cms_own(struct job *job, const struct cms_own **own_r)
{
	const struct tlv_view fields = job_view(&job->fields);
	struct tlv_view nest, from = job_bytes(fields, PARSE_F_SENDER);
	const char *why = "None was given.", *address;
	size_t at = 0;

	*own_r = &signer.own;
	if (from.len == 0)
		from = job_bytes(fields, PARSE_F_FROM);
	if (job_text(from, PARSE_F_ADDRESS, &address) != LL_OK ||
	    address == NULL || strlen(address) >= sizeof signer.from)
		return "The sender has no address.";
	if (signer.own.key != NULL && strcmp(signer.from, address) == 0)
		return NULL;
	while (job_each(job_view(&job->keys), PARSE_F_PRIVATE, &at, &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_SMIME)
			continue;
		own_finish(&signer.own);
		why = try_own(nest, address, &signer.own);
		if (why == NULL) {
			snprintf(signer.from, sizeof signer.from, "%s",
			    address);
			return NULL;
		}
	}
	own_finish(&signer.own);
	return why;
}

bool
cms_capable(X509 *cert, int nid)
{
	const ASN1_OCTET_STRING *value;
	const unsigned char *p;
	X509_ALGORS *all;
	bool found = false;
	int at, i;

	at = X509_get_ext_by_NID(cert, NID_SMIMECapabilities, -1);
	if (at < 0)
		return false;
	value = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	p = ASN1_STRING_get0_data(value);
	all = d2i_X509_ALGORS(NULL, &p, ASN1_STRING_length(value));
	for (i = 0; i < sk_X509_ALGOR_num(all); i++)
		found = found || OBJ_obj2nid(
		    sk_X509_ALGOR_value(all, i)->algorithm) == nid;
	sk_X509_ALGOR_pop_free(all, X509_ALGOR_free);
	return found;
}

void
cms_begin(void)
{
	while (kept_count > KEPT_MAX)
		X509_free(kept[--kept_count].who.cert);
}

enum ll_result
cms_recipient(struct job *job, struct tlv_view bytes,
    const struct cms_recipient **who_r)
{
	struct kept *k;
	uint8_t hash[crypto_hash_sha256_BYTES];
	size_t i;

	if (kept == NULL)
		kept = calloc(KEPT_MAX + PARSE_RECIPIENTS_MAX, sizeof *kept);
	if (kept == NULL)
		return LL_NOMEM;
	(void)crypto_hash_sha256(hash, bytes.data, bytes.len);
	for (i = 0; i < kept_count; i++)
		if (memcmp(kept[i].hash, hash, sizeof hash) == 0) {
			*who_r = &kept[i].who;
			return LL_OK;
		}
	if (kept_count == KEPT_MAX + PARSE_RECIPIENTS_MAX)
		return job_fail(job, LL_TOOBIG, "More than %d recipients.",
		    PARSE_RECIPIENTS_MAX);
	k = &kept[kept_count];
	k->who.cert = cms_certificate(bytes);
	if (k->who.cert == NULL)
		return job_fail(job, LL_PROTO, "A recipient's certificate "
		    "can't be read.");
	k->who.why = cms_why_not(k->who.cert, NULL, true);
	k->who.gcm = cms_capable(k->who.cert, NID_aes_256_gcm);
	k->who.oaep = cms_capable(k->who.cert, NID_rsaesOaep);
	memcpy(k->hash, hash, sizeof hash);
	kept_count++;
	*who_r = &k->who;
	return LL_OK;
}

void
cms_forget(void)
{
	while (kept_count > 0)
		X509_free(kept[--kept_count].who.cert);
	free(kept);
	kept = NULL;
	own_finish(&signer.own);
	signer.from[0] = 0;
}
