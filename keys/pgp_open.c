#include "keys/pgp.h"

#include <string.h>
#include <strings.h>

#include "keys/open.h"

static void
load(rnp_ffi_t ffi, struct tlv_view key, uint32_t what)
{
	rnp_input_t in = NULL;

	if (key.len == 0 || key.len > PARSE_KEY_MAX || rnp_input_from_memory(
	    &in, key.data, key.len, false) != RNP_SUCCESS)
		return;
	(void)rnp_load_keys(ffi, RNP_KEYSTORE_GPG, in, what);
	rnp_input_destroy(in);
}

/* Keys that came with the message, but none in a peer's place. */
static void
load_attached(rnp_ffi_t ffi, struct job *job)
{
	rnp_key_handle_t known;
	struct job_attached *a;
	struct tlv_view key;
	size_t at = 0, i;

	for (i = 0; i < job->attached_count && job_each(
	    job_view(&job->attached_keys), PARSE_F_KEY, &at, &key); i++) {
		a = &job->attached[i];
		known = NULL;
		a->unknown = rnp_locate_key(ffi, "fingerprint",
		    a->fingerprint, &known) != RNP_SUCCESS || known == NULL;
		if (known != NULL)
			rnp_key_handle_destroy(known);
		else
			load(ffi, key, RNP_LOAD_SAVE_PUBLIC_KEYS);
	}
}

/* Our secret keys and the peers' public ones. */
static rnp_ffi_t
context(struct job *job)
{
	rnp_ffi_t ffi = pgp_context();
	struct tlv_view nest;
	size_t at = 0;

	while (ffi != NULL && job_each(job_view(&job->keys), PARSE_F_PRIVATE,
	    &at, &nest))
		if (job_number(nest, PARSE_F_FORMAT, 0) == PARSE_OPENPGP)
			load(ffi, job_bytes(nest, PARSE_F_SECRET),
			    RNP_LOAD_SAVE_PUBLIC_KEYS |
			    RNP_LOAD_SAVE_SECRET_KEYS);
	for (at = 0; ffi != NULL && job_each(job_view(&job->fields),
	    PARSE_F_PEER, &at, &nest);)
		if (job_number(nest, PARSE_F_FORMAT, 0) == PARSE_OPENPGP)
			load(ffi, job_bytes(nest, PARSE_F_KEY),
			    RNP_LOAD_SAVE_PUBLIC_KEYS);
	if (ffi != NULL)
		load_attached(ffi, job);
	return ffi;
}

static bool
write_plain(void *ctx, const void *p, size_t len)
{
	struct tlv_out *plain = ctx;

	tlv_put_raw(plain, p, len);
	return plain->err == LL_OK;
}

/* HOLDERs of the signing certificate; whether the sender is one of them. */
static bool
holders(struct job *job, rnp_key_handle_t primary, struct tlv_out *o)
{
	rnp_uid_handle_t uid = NULL;
	char *text = NULL, address[256];
	size_t n = 0, i;
	bool valid, ours = false;

	(void)rnp_key_get_uid_count(primary, &n);
	for (i = 0; i < n && i < 20; i++) {
		valid = false;
		if (rnp_key_get_uid_handle_at(primary, i, &uid) != RNP_SUCCESS)
			continue;
		(void)rnp_uid_is_valid(uid, &valid);
		rnp_uid_handle_destroy(uid);
		if (!valid || rnp_key_get_uid_at(primary, i, &text) !=
		    RNP_SUCCESS)
			continue;
		if (pgp_uid_address(text, address, sizeof address) &&
		    utf8_valid(address, strlen(address))) {
			tlv_put_text(o, PARSE_F_HOLDER, address);
			ours = ours || strcasecmp(address, job->from) == 0;
		}
		rnp_buffer_destroy(text);
	}
	return ours;
}

static const struct {
	rnp_result_t status;
	enum ll_result result;
	const char *words;
} fates[] = {
	{ RNP_SUCCESS, LL_OK, "Good signature." },
	{ RNP_ERROR_KEY_NOT_FOUND, LL_NOTFOUND,
	    "Signed with a key that is not known here." },
	{ RNP_ERROR_SIGNATURE_EXPIRED, LL_AUTH, "The signature has expired." },
	{ RNP_ERROR_SIGNATURE_INVALID, LL_AUTH,
	    "The signature does not hold: the message was changed, or the key "
	    "or its hash must not be relied on." },
};

/* A good signature by that key: true when it is no more than a key that came
 * along. */
static bool
only_attached(struct job *job, const char *print)
{
	size_t i;

	for (i = 0; print != NULL && i < job->attached_count; i++)
		if (strcmp(job->attached[i].fingerprint, print) == 0) {
			job->attached[i].signed_it = true;
			return job->attached[i].unknown;
		}
	return false;
}

static uint64_t
tell(struct job *job, rnp_ffi_t ffi, rnp_op_verify_signature_t sig,
    bool *good_r)
{
	const size_t last = sizeof fates / sizeof *fates - 1;
	rnp_result_t status = rnp_op_verify_signature_get_status(sig);
	rnp_key_handle_t key = NULL, primary = NULL;
	struct tlv_out names;
	uint32_t created = 0, expires;
	char *print = NULL;
	enum ll_result r;
	const char *words;
	uint64_t number;
	size_t i = 0;

	while (i < last && fates[i].status != status)
		i++;
	r = fates[i].result;
	words = fates[i].words;
	tlv_out_init(&names, 20000);
	(void)rnp_op_verify_signature_get_times(sig, &created, &expires);
	if (rnp_op_verify_signature_get_key(sig, &key) == RNP_SUCCESS &&
	    key != NULL && (rnp_key_get_primary_fprint(key, &print) ==
	    RNP_SUCCESS || rnp_key_get_fprint(key, &print) == RNP_SUCCESS))
		(void)rnp_locate_key(ffi, "fingerprint", print, &primary);
	job->unknown_signer = job->unknown_signer || r == LL_NOTFOUND;
	if (r == LL_OK && only_attached(job, print)) {
		r = LL_NOTFOUND;
		words = "Signed with the key that came with it, which nobody "
		    "has checked.";
	} else if (primary != NULL && !holders(job, primary, &names) &&
	    r == LL_OK) {
		r = LL_CONFLICT;
		words = "Good signature, but by a key of somebody else than "
		    "the sender.";
	}
	number = open_signature(job, PARSE_OPENPGP, r, words, print, &names,
	    created);
	*good_r = r == LL_OK;
	tlv_out_finish(&names);
	rnp_buffer_destroy(print);
	if (primary != NULL)
		rnp_key_handle_destroy(primary);
	if (key != NULL)
		rnp_key_handle_destroy(key);
	return number;
}

static uint64_t
tell_all(struct job *job, rnp_ffi_t ffi, rnp_op_verify_t op)
{
	rnp_op_verify_signature_t sig;
	uint64_t chosen = 0, number;
	size_t n = 0, i;
	bool good, have = false;

	(void)rnp_op_verify_get_signature_count(op, &n);
	if (n > 1)
		open_warn(job, "There is more than one signature.");
	for (i = 0; i < n && i < PGP_SIGNERS_MAX; i++) {
		if (rnp_op_verify_get_signature_at(op, i, &sig) !=
		    RNP_SUCCESS)
			continue;
		number = tell(job, ffi, sig, &good);
		if (chosen == 0 || (good && !have))
			chosen = number;
		have = have || good;
	}
	return chosen;
}

/* Encrypted without protection against changes (EFAIL): not shown. */
static enum ll_result
check_protection(struct job *job, rnp_op_verify_t op)
{
	char *mode = NULL, *cipher = NULL, text[80];
	enum ll_result r = LL_OK;
	bool valid = false;

	if (rnp_op_verify_get_protection_info(op, &mode, &cipher, &valid) !=
	    RNP_SUCCESS)
		return job_fail(job, LL_AUTH, "How it is encrypted can't be "
		    "told.");
	if (strcmp(mode, "none") == 0)
		goto out;
	if (!valid || (strcmp(mode, "cfb-mdc") != 0 &&
	    strncmp(mode, "aead-", 5) != 0))
		r = job_fail(job, LL_AUTH, "It is encrypted without protection "
		    "against changes on the way, and is not shown.");
	snprintf(text, sizeof text, "OpenPGP %s %s", cipher, mode);
	if (r == LL_OK)
		tlv_put_text(&job->result, PARSE_F_ENCRYPTED, text);
out:
	rnp_buffer_destroy(mode);
	rnp_buffer_destroy(cipher);
	return r;
}

static enum ll_result
execute(struct job *job, rnp_ffi_t ffi, rnp_op_verify_t op, bool detached,
    struct tlv_out *plain, uint64_t *signed_r)
{
	rnp_result_t done;
	enum ll_result r;

	if (rnp_op_verify_set_flags(op, RNP_VERIFY_IGNORE_SIGS_ON_DECRYPT) !=
	    RNP_SUCCESS)
		return LL_IO;
	done = rnp_op_verify_execute(op);
	if (plain->err == LL_TOOBIG)
		return job_fail(job, LL_TOOBIG, "It unpacks to more than "
		    "%u MB and is not opened.", JOB_OPENED_MAX >> 20);
	if (plain->err != LL_OK)
		return plain->err;
	/* What is only signed fails when no signature is good: it is told. */
	if (done == RNP_ERROR_NO_SUITABLE_KEY)
		return job_fail(job, LL_NOTFOUND, "It is not encrypted to your "
		    "OpenPGP key, or hides to whom it is.");
	if (done != RNP_SUCCESS && done != RNP_ERROR_SIGNATURE_INVALID &&
	    done != RNP_ERROR_SIGNATURE_EXPIRED &&
	    done != RNP_ERROR_KEY_NOT_FOUND)
		return detached ? LL_OK : job_fail(job, LL_AUTH,
		    "It could not be opened: it is damaged or was changed on "
		    "the way.");
	r = detached ? LL_OK : check_protection(job, op);
	if (r == LL_OK)
		*signed_r = tell_all(job, ffi, op);
	return r;
}

enum ll_result
pgp_open(struct job *job, struct tlv_view message, struct tlv_view signature,
    struct tlv_out *plain_r, uint64_t *signed_r)
{
	const bool detached = signature.len > 0;
	rnp_input_t in = NULL, sig = NULL;
	rnp_output_t out = NULL;
	rnp_op_verify_t op = NULL;
	enum ll_result r = LL_NOMEM;
	rnp_result_t made;
	rnp_ffi_t ffi;

	tlv_out_init(plain_r, JOB_OPENED_MAX);
	*signed_r = 0;
	ffi = context(job);
	if (ffi == NULL || rnp_input_from_memory(&in, message.data,
	    message.len, false) != RNP_SUCCESS)
		goto out;
	if (detached)
		made = rnp_input_from_memory(&sig, signature.data,
		    signature.len, false);
	else
		made = rnp_output_to_callback(&out, write_plain, NULL,
		    plain_r);
	if (made != RNP_SUCCESS)
		goto out;
	made = detached ? rnp_op_verify_detached_create(&op, ffi, in, sig) :
	    rnp_op_verify_create(&op, ffi, in, out);
	if (made == RNP_SUCCESS)
		r = execute(job, ffi, op, detached, plain_r, signed_r);
out:
	rnp_op_verify_destroy(op);
	rnp_input_destroy(in);
	rnp_input_destroy(sig);
	rnp_output_destroy(out);
	if (ffi != NULL)
		rnp_ffi_destroy(ffi);
	return r;
}
