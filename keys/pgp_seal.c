#include "keys/pgp.h"

static bool
is_of(rnp_key_handle_t key, const char *address)
{
	char *text = NULL, found[256];
	size_t n = 0;
	bool ours = false;

	if (rnp_key_get_uid_count(key, &n) != RNP_SUCCESS)
		return false;
	while (n-- > 0 && !ours) {
		if (rnp_key_get_uid_at(key, n, &text) != RNP_SUCCESS)
			continue;
		ours = pgp_uid_address(text, found, sizeof found) &&
		    job_address_is(found, address);
		rnp_buffer_destroy(text);
	}
	return ours;
}

enum ll_result
pgp_autocrypt(struct job *job, const char *address, struct tlv_out *text_r)
{
	const struct pgp_signer *s;
	rnp_output_t out = NULL;
	enum ll_result r;
	uint8_t *p;
	size_t len;

	r = pgp_signer(job, &s);
	if (r != LL_OK || !is_of(s->key, address))
		return r;
	if (rnp_output_to_memory(&out, PARSE_KEY_MAX) !=
	    RNP_SUCCESS)
		r = LL_NOMEM;
	if (r == LL_OK && rnp_key_export_autocrypt(s->key, NULL, NULL, out,
	    RNP_KEY_EXPORT_BASE64) == RNP_SUCCESS &&
	    rnp_output_memory_get_buf(out, &p, &len, false) == RNP_SUCCESS)
		tlv_put_raw(text_r, p, len);
	if (out != NULL)
		rnp_output_destroy(out);
	return r == LL_OK ? text_r->err : r;
}

static enum ll_result
add_recipients(struct job *job, rnp_op_encrypt_t op)
{
	const struct pgp_key *k;
	struct tlv_view nest;
	enum ll_result r;
	size_t at = 0, i, n = 0;

	while (job_each(job_view(&job->fields), PARSE_F_RECIPIENT, &at,
	    &nest)) {
		if (job_number(nest, PARSE_F_FORMAT, 0) != PARSE_OPENPGP)
			continue;
		if (n++ == PARSE_RECIPIENTS_MAX)
			return job_fail(job, LL_TOOBIG,
			    "More than %d recipients.", PARSE_RECIPIENTS_MAX);
		r = pgp_recipient(job, job_bytes(nest, PARSE_F_KEY), &k);
		if (r != LL_OK)
			return r;
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
encrypt(struct job *job, rnp_op_encrypt_t op, const struct pgp_signer *s)
{
	enum ll_result r;

	r = add_recipients(job, op);
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
	const struct pgp_signer *s;
	rnp_op_encrypt_t op = NULL;
	rnp_output_t to = NULL;
	rnp_input_t in = NULL;
	enum ll_result r;

	pgp_begin();
	r = pgp_signer(job, &s);
	if (r != LL_OK)
		return r;
	r = LL_NOMEM;
	if (rnp_input_from_memory(&in, entity->data, entity->len, false) ==
	    RNP_SUCCESS && rnp_output_to_callback(&to, write_out, NULL, out) ==
	    RNP_SUCCESS && rnp_op_encrypt_create(&op, s->ffi, in, to) ==
	    RNP_SUCCESS)
		r = encrypt(job, op, s);
	rnp_op_encrypt_destroy(op);
	rnp_input_destroy(in);
	rnp_output_destroy(to);
	return r == LL_OK ? out->err : r;
}
