#include "keys/pgp.h"

#include <string.h>

/* GnuPG leaves a stub where a part is on a card or elsewhere. */
static bool
is_stub(rnp_key_handle_t key)
{
	char *type = NULL;
	bool stub;

	if (rnp_key_get_protection_type(key, &type) != RNP_SUCCESS)
		return false;
	stub = strncmp(type, "GPG-", 4) == 0;
	rnp_buffer_destroy(type);
	return stub;
}

static enum ll_result
unprotect(struct job *job, rnp_key_handle_t key, const char *passphrase)
{
	bool secret = false, closed = false;
	rnp_result_t r;

	if (rnp_key_have_secret(key, &secret) != RNP_SUCCESS || !secret ||
	    is_stub(key))
		return job_fail(job, LL_DENIED, "A secret part of it is "
		    "missing: export the whole key.");
	if (rnp_key_is_protected(key, &closed) != RNP_SUCCESS || !closed)
		return LL_OK;
	r = rnp_key_unprotect(key, passphrase);
	if (r == RNP_SUCCESS)
		return LL_OK;
	if (r == RNP_ERROR_BAD_PASSWORD)
		return job_fail(job, LL_AUTH, "That is not its passphrase.");
	return job_fail(job, LL_DENIED, "A secret part of it is missing or "
	    "protected in a way that is not known here.");
}

static enum ll_result
unprotect_all(struct job *job, const struct pgp_key *k,
    const char *passphrase)
{
	rnp_key_handle_t sub;
	enum ll_result r;
	size_t n = 0, i;

	r = unprotect(job, k->primary, passphrase);
	(void)rnp_key_get_subkey_count(k->primary, &n);
	for (i = 0; r == LL_OK && i < n; i++) {
		if (rnp_key_get_subkey_at(k->primary, i, &sub) != RNP_SUCCESS)
			continue;
		r = unprotect(job, sub, passphrase);
		rnp_key_handle_destroy(sub);
	}
	return r;
}

static enum ll_result
load(struct job *job, struct tlv_view file, struct pgp_key *k)
{
	rnp_input_t in = NULL;
	char *what = NULL;
	bool secret;

	k->ffi = pgp_context();
	if (k->ffi == NULL || rnp_input_from_memory(&in, file.data, file.len,
	    false) != RNP_SUCCESS)
		return LL_NOMEM;
	secret = rnp_guess_contents(in, &what) == RNP_SUCCESS &&
	    strcmp(what, "secret key") == 0 && rnp_load_keys(k->ffi,
	    RNP_KEYSTORE_GPG, in, RNP_LOAD_SAVE_PUBLIC_KEYS |
	    RNP_LOAD_SAVE_SECRET_KEYS) == RNP_SUCCESS;
	rnp_buffer_destroy(what);
	rnp_input_destroy(in);
	if (!secret)
		return job_fail(job, LL_PROTO, "That is neither a PKCS#12 file "
		    "nor a secret OpenPGP key.");
	if (!pgp_find_primary(k))
		return job_fail(job, LL_PROTO,
		    "There must be exactly one key.");
	return LL_OK;
}

enum ll_result
pgp_import(struct job *job, struct tlv_view file, const char *address,
    const char *passphrase)
{
	struct pgp_key k;
	enum ll_result r;

	memset(&k, 0, sizeof k);
	r = load(job, file, &k);
	if (r == LL_OK)
		r = unprotect_all(job, &k, passphrase);
	if (r == LL_OK) {
		pgp_key_examine(&k, address);
		if (k.why != NULL)
			r = job_fail(job, LL_DENIED, "%s", k.why);
	}
	if (r == LL_OK) {
		pgp_put_facts(&job->result, &k);
		r = pgp_put_key(&job->result, k.primary, PARSE_F_SECRET,
		    RNP_KEY_EXPORT_SECRET);
	}
	if (r == LL_OK)
		r = pgp_put_key(&job->result, k.primary, PARSE_F_KEY,
		    RNP_KEY_EXPORT_PUBLIC);
	pgp_key_finish(&k);
	return r;
}
