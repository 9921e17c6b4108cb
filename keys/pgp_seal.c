#include "keys/pgp.h"

#include <stdlib.h>
#include <string.h>

/* The sender's secret key in a context of its own; handles go first. */
struct signer {
	rnp_ffi_t ffi;
	rnp_key_handle_t key;        /* primary */
	rnp_key_handle_t signing;    /* it, or a subkey */
};

static void
signer_finish(struct signer *s)
{
	if (s->signing != NULL)
		rnp_key_handle_destroy(s->signing);
	if (s->key != NULL)
		rnp_key_handle_destroy(s->key);
	if (s->ffi != NULL)
		rnp_ffi_destroy(s->ffi);
}

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

static enum ll_result
signer_init(struct job *job, struct signer *s)
{
	struct tlv_view secret = find_private(job);
	rnp_input_t in = NULL;
	bool loaded;

	memset(s, 0, sizeof *s);
	if (secret.len == 0)
		return job_fail(job, LL_LOCKED, "The sender's OpenPGP key was "
		    "not given.");
	s->ffi = pgp_context();
	if (s->ffi == NULL || rnp_input_from_memory(&in, secret.data,
	    secret.len, false) != RNP_SUCCESS)
		return LL_NOMEM;
	loaded = rnp_load_keys(s->ffi, RNP_KEYSTORE_GPG, in,
	    RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_SECRET_KEYS) ==
	    RNP_SUCCESS;
	rnp_input_destroy(in);
	s->key = loaded ? first_primary(s->ffi) : NULL;
	if (s->key != NULL && rnp_key_get_default_key(s->key, "sign", 0,
	    &s->signing) != RNP_SUCCESS)
		return job_fail(job, LL_LOCKED, "The sender's own OpenPGP key "
		    "can't sign today.");
	return s->key != NULL ? LL_OK : job_fail(job, LL_PROTO,
	    "The sender's own OpenPGP key can't be read.");
}

enum ll_result
pgp_autocrypt(struct job *job, struct tlv_out *text_r)
{
	struct signer s;
	rnp_output_t out = NULL;
	enum ll_result r;
	uint8_t *p;
	size_t len;

	r = signer_init(job, &s);
	if (r == LL_OK && rnp_output_to_memory(&out, PARSE_KEY_MAX) !=
	    RNP_SUCCESS)
		r = LL_NOMEM;
	if (r == LL_OK && rnp_key_export_autocrypt(s.key, NULL, NULL, out,
	    RNP_KEY_EXPORT_BASE64) == RNP_SUCCESS &&
	    rnp_output_memory_get_buf(out, &p, &len, false) == RNP_SUCCESS)
		tlv_put_raw(text_r, p, len);
	if (out != NULL)
		rnp_output_destroy(out);
	signer_finish(&s);
	return r == LL_OK ? text_r->err : r;
}

/* The recipients' certificates must live until the operation ends. */
struct recipients {
	struct pgp_key *keys;
	size_t count;
};

static enum ll_result
add_recipients(struct job *job, rnp_op_encrypt_t op, struct recipients *all)
{
	struct tlv_view nest;
	struct pgp_key *k;
	enum ll_result r;
	size_t at = 0, i;

	while (job_each(job_view(&job->fields), PARSE_F_RECIPIENT, &at,
	    &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_OPENPGP)
			continue;
		if (all->count == PARSE_RECIPIENTS_MAX)
			return job_fail(job, LL_TOOBIG,
			    "More than %d recipients.", PARSE_RECIPIENTS_MAX);
		k = &all->keys[all->count++];
		r = pgp_key_load(job_bytes(nest, PARSE_F_KEY), NULL, k);
		if (r != LL_OK || k->why != NULL)
			return job_fail(job, r != LL_OK ? r : LL_DENIED,
			    "A recipient's OpenPGP key %s can't be used: %s",
			    k->fingerprint, k->why != NULL ? k->why : "");
		for (i = 0; i < k->encrypt_count; i++)
			if (rnp_op_encrypt_add_recipient(op, k->encrypt[i]) !=
			    RNP_SUCCESS)
				return job_fail(job, LL_DENIED, "A recipient's"
				    " OpenPGP key %s can't be used.",
				    k->fingerprint);
	}
	return LL_OK;
}

static bool
write_out(void *ctx, const void *p, size_t len)
{
	struct out *out = ctx;

	out_text(out, p, len);
	return out->err == LL_OK;
}

static enum ll_result
encrypt(struct job *job, rnp_op_encrypt_t op, const struct signer *s,
    struct recipients *all)
{
	enum ll_result r;

	r = add_recipients(job, op, all);
	if (r != LL_OK)
		return r;
	if (rnp_op_encrypt_add_signature(op, s->signing, NULL) != RNP_SUCCESS ||
	    rnp_op_encrypt_set_hash(op, RNP_ALGNAME_SHA256) != RNP_SUCCESS ||
	    rnp_op_encrypt_set_cipher(op, RNP_ALGNAME_AES_256) !=
	    RNP_SUCCESS || rnp_op_encrypt_set_armor(op, true) != RNP_SUCCESS ||
	    rnp_op_encrypt_set_compression(op, "Uncompressed", 0) !=
	    RNP_SUCCESS || rnp_op_encrypt_execute(op) != RNP_SUCCESS)
		return job_fail(job, LL_IO, "Encrypting failed.");
	return LL_OK;
}

enum ll_result
pgp_seal(struct job *job, const struct tlv_out *entity, struct out *out)
{
	struct recipients all = { NULL, 0 };
	rnp_op_encrypt_t op = NULL;
	rnp_output_t to = NULL;
	rnp_input_t in = NULL;
	struct signer s;
	enum ll_result r;
	size_t i;

	r = signer_init(job, &s);
	if (r != LL_OK)
		goto out;
	r = LL_NOMEM;
	all.keys = calloc(PARSE_RECIPIENTS_MAX, sizeof *all.keys);
	if (all.keys == NULL || rnp_input_from_memory(&in, entity->data,
	    entity->len, false) != RNP_SUCCESS || rnp_output_to_callback(&to,
	    write_out, NULL, out) != RNP_SUCCESS ||
	    rnp_op_encrypt_create(&op, s.ffi, in, to) != RNP_SUCCESS)
		goto out;
	r = encrypt(job, op, &s, &all);
out:
	rnp_op_encrypt_destroy(op);
	rnp_input_destroy(in);
	rnp_output_destroy(to);
	for (i = 0; i < all.count; i++)
		pgp_key_finish(&all.keys[i]);
	free(all.keys);
	signer_finish(&s);
	return r == LL_OK ? out->err : r;
}
