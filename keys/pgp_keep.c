#include "keys/pgp.h"

#include <stdlib.h>
#include <string.h>
#include <sodium.h>

/* Reading a key costs as much as encrypting a message, so what the jobs of one
 * wire have in common is read once. */
#define KEPT_MAX 250

struct kept {
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct pgp_key key;
};

static struct pgp_signer signer;
static struct kept *kept;
static size_t kept_count;

static struct tlv_view
find_private(struct job *job)
{
	struct tlv_view nest, none = { NULL, 0 };
	size_t at = 0;

	while (job_each(job_view(&job->keys), PARSE_F_PRIVATE, &at, &nest))
		if (job_number(nest, PARSE_F_FORMAT, 0) == PARSE_OPENPGP)
			return job_bytes(nest, PARSE_F_SECRET);
	return none;
}

static rnp_key_handle_t
first_primary(rnp_ffi_t ffi)
{
	rnp_identifier_iterator_t it = NULL;
	rnp_key_handle_t key = NULL;
	const char *id = NULL;
	bool primary;

	if (rnp_identifier_iterator_create(ffi, &it, "fingerprint") !=
	    RNP_SUCCESS)
		return NULL;
	while (key == NULL && rnp_identifier_iterator_next(it, &id) ==
	    RNP_SUCCESS && id != NULL) {
		if (rnp_locate_key(ffi, "fingerprint", id, &key) !=
		    RNP_SUCCESS || key == NULL)
			continue;
		primary = false;
		if (rnp_key_is_primary(key, &primary) != RNP_SUCCESS ||
		    !primary) {
			rnp_key_handle_destroy(key);
			key = NULL;
		}
	}
	rnp_identifier_iterator_destroy(it);
	return key;
}

/* Handles go before their context. */
static void
signer_forget(void)
{
	if (signer.signing != NULL)
		rnp_key_handle_destroy(signer.signing);
	if (signer.key != NULL)
		rnp_key_handle_destroy(signer.key);
	if (signer.ffi != NULL)
		rnp_ffi_destroy(signer.ffi);
	memset(&signer, 0, sizeof signer);
}

enum ll_result
pgp_signer(struct job *job, const struct pgp_signer **s_r)
{
	struct tlv_view secret = find_private(job);
	rnp_input_t in = NULL;

	*s_r = &signer;
	if (signer.signing != NULL)
		return LL_OK;
	signer_forget();
	if (secret.len == 0)
		return job_fail(job, LL_LOCKED, "The sender's OpenPGP key was "
		    "not given.");
	signer.ffi = pgp_context();
	if (signer.ffi == NULL || rnp_input_from_memory(&in, secret.data,
	    secret.len, false) != RNP_SUCCESS)
		return LL_NOMEM;
	if (rnp_load_keys(signer.ffi, RNP_KEYSTORE_GPG, in,
	    RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_SECRET_KEYS) ==
	    RNP_SUCCESS)
		signer.key = first_primary(signer.ffi);
	rnp_input_destroy(in);
	if (signer.key != NULL && rnp_key_get_default_key(signer.key, "sign",
	    0, &signer.signing) != RNP_SUCCESS)
		return job_fail(job, LL_LOCKED, "The sender's own OpenPGP key "
		    "can't sign today.");
	return signer.key != NULL ? LL_OK : job_fail(job, LL_PROTO,
	    "The sender's own OpenPGP key can't be read.");
}

void
pgp_begin(void)
{
	while (kept_count > KEPT_MAX)
		pgp_key_finish(&kept[--kept_count].key);
}

enum ll_result
pgp_recipient(struct job *job, struct tlv_view bytes,
    const struct pgp_key **k_r)
{
	struct kept *k;
	enum ll_result r;
	uint8_t hash[crypto_hash_sha256_BYTES];
	size_t i;

	if (kept == NULL)
		kept = calloc(KEPT_MAX + PARSE_RECIPIENTS_MAX, sizeof *kept);
	if (kept == NULL)
		return LL_NOMEM;
	(void)crypto_hash_sha256(hash, bytes.data, bytes.len);
	for (i = 0; i < kept_count; i++)
		if (memcmp(kept[i].hash, hash, sizeof hash) == 0) {
			*k_r = &kept[i].key;
			return LL_OK;
		}
	if (kept_count == KEPT_MAX + PARSE_RECIPIENTS_MAX)
		return job_fail(job, LL_TOOBIG, "More than %d recipients.",
		    PARSE_RECIPIENTS_MAX);
	k = &kept[kept_count];
	r = pgp_key_load(bytes, NULL, &k->key);
	if (r != LL_OK || k->key.why != NULL) {
		r = job_fail(job, r != LL_OK ? r : LL_DENIED, "A recipient's "
		    "OpenPGP key %s can't be used: %s", k->key.fingerprint,
		    k->key.why != NULL ? k->key.why : "");
		pgp_key_finish(&k->key);
		return r;
	}
	memcpy(k->hash, hash, sizeof hash);
	kept_count++;
	*k_r = &k->key;
	return LL_OK;
}

void
pgp_forget(void)
{
	while (kept_count > 0)
		pgp_key_finish(&kept[--kept_count].key);
	free(kept);
	kept = NULL;
	signer_forget();
}
