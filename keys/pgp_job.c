#include "keys/pgp.h"

#include <string.h>

#include "keys/clean.h"
#include "keys/write.h"

enum ll_result
pgp_put_key(struct tlv_out *o, rnp_key_handle_t key, uint8_t tag,
    uint32_t flags)
{
	rnp_output_t out = NULL;
	enum ll_result r = LL_PROTO;
	uint8_t *p;
	size_t len;

	if (rnp_output_to_memory(&out, PARSE_KEY_MAX) != RNP_SUCCESS)
		return LL_NOMEM;
	if (rnp_key_export(key, out, flags | RNP_KEY_EXPORT_SUBKEYS) ==
	    RNP_SUCCESS && rnp_output_memory_get_buf(out, &p, &len, false) ==
	    RNP_SUCCESS) {
		tlv_put_bytes(o, tag, p, len);
		r = o->err;
		if (tag == PARSE_F_SECRET)
			explicit_bzero(p, len);
	}
	rnp_output_destroy(out);
	return r;
}

static enum ll_result
generate(rnp_ffi_t ffi, const char *uid, rnp_key_handle_t *key_r)
{
	rnp_op_generate_t op = NULL;
	rnp_result_t r;

	*key_r = NULL;
	r = rnp_op_generate_create(&op, ffi, RNP_ALGNAME_EDDSA);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_userid(op, uid);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_hash(op, RNP_ALGNAME_SHA256);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_expiration(op, 0);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_execute(op);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_get_key(op, key_r);
	rnp_op_generate_destroy(op);
	if (r != RNP_SUCCESS)
		return LL_IO;
	r = rnp_op_generate_subkey_create(&op, ffi, *key_r, RNP_ALGNAME_ECDH);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_curve(op, "Curve25519");
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_hash(op, RNP_ALGNAME_SHA256);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_set_expiration(op, 0);
	if (r == RNP_SUCCESS)
		r = rnp_op_generate_execute(op);
	rnp_op_generate_destroy(op);
	return r == RNP_SUCCESS ? LL_OK : LL_IO;
}

void
pgp_put_facts(struct tlv_out *o, const struct pgp_key *k)
{
	tlv_put_u64(o, PARSE_F_FORMAT, PARSE_OPENPGP);
	tlv_put_text(o, PARSE_F_FINGERPRINT, k->fingerprint);
	tlv_put_text(o, PARSE_F_ALGORITHM, k->algorithm);
	tlv_put_u64(o, PARSE_F_BITS, k->bits);
	tlv_put_u64(o, PARSE_F_CREATED, k->created);
	tlv_put_u64(o, PARSE_F_EXPIRES, k->expires);
}

enum ll_result
pgp_make(struct job *job)
{
	struct tlv_view fields = job_view(&job->fields);
	const char *address, *name;
	rnp_key_handle_t key = NULL;
	enum ll_result r;
	char uid[700], *text = NULL;
	uint32_t created = 0;
	rnp_ffi_t ffi;

	if (!write_person(job, fields, &address, &name))
		return LL_USAGE;
	snprintf(uid, sizeof uid, name[0] != 0 ? "%s <%s>" : "%s%s", name,
	    address);
	ffi = pgp_context();
	if (ffi == NULL)
		return LL_NOMEM;
	r = generate(ffi, uid, &key);
	if (r == LL_OK)
		r = pgp_put_key(&job->result, key, PARSE_F_SECRET,
		    RNP_KEY_EXPORT_SECRET);
	if (r == LL_OK)
		r = pgp_put_key(&job->result, key, PARSE_F_KEY,
		    RNP_KEY_EXPORT_PUBLIC);
	if (r == LL_OK && rnp_key_get_fprint(key, &text) == RNP_SUCCESS &&
	    rnp_key_get_creation(key, &created) == RNP_SUCCESS) {
		tlv_put_text(&job->result, PARSE_F_FINGERPRINT, text);
		tlv_put_text(&job->result, PARSE_F_ALGORITHM, "EDDSA-255");
		tlv_put_u64(&job->result, PARSE_F_CREATED, created);
	}
	rnp_buffer_destroy(text);
	if (key != NULL)
		rnp_key_handle_destroy(key);
	rnp_ffi_destroy(ffi);
	return r;
}

static void
put_holders(struct tlv_out *o, rnp_key_handle_t key)
{
	char *uid = NULL, address[256];
	size_t n = 0, i;

	(void)rnp_key_get_uid_count(key, &n);
	for (i = 0; i < n && i < 20; i++)
		if (rnp_key_get_uid_at(key, i, &uid) == RNP_SUCCESS) {
			if (pgp_uid_address(uid, address, sizeof address) &&
			    utf8_valid(address, strlen(address)))
				tlv_put_text(o, PARSE_F_HOLDER, address);
			rnp_buffer_destroy(uid);
		}
}

/* Facts and usable part of one key into o; job's words when it is no good. */
static enum ll_result
inspect_one(struct job *job, struct tlv_view key, const char *address,
    struct tlv_out *o)
{
	struct pgp_key k;
	enum ll_result r;

	r = pgp_key_load(key, address, &k);
	if (r != LL_OK) {
		r = job_fail(job, r, "%s", k.why != NULL ? k.why : "");
		goto out;
	}
	pgp_put_facts(o, &k);
	put_holders(o, k.primary);
	if (k.revoked)
		tlv_put_u64(o, PARSE_F_REVOKED, 1);
	r = k.why != NULL ? job_fail(job, LL_DENIED, "%s", k.why) :
	    pgp_put_key(o, k.primary, PARSE_F_KEY,
	    RNP_KEY_EXPORT_PUBLIC);
out:
	pgp_key_finish(&k);
	return r;
}

static enum ll_result
put_nest(struct job *job, struct tlv_view key, const char *address,
    bool *good_r)
{
	struct tlv_out facts, nest;
	enum ll_result r;

	job->words[0] = 0;
	tlv_out_init(&facts, PARSE_RESULT_MAX);
	tlv_out_init(&nest, PARSE_RESULT_MAX);
	r = inspect_one(job, key, address, &facts);
	tlv_put_u64(&nest, PARSE_F_RESULT, (uint64_t)r);
	if (r != LL_OK)
		tlv_put_text(&nest, PARSE_F_WORDS, job->words);
	tlv_put_raw(&nest, facts.data, facts.len);
	tlv_put_tlv(&job->result, PARSE_F_KEYS, &nest);
	*good_r = *good_r || r == LL_OK;
	tlv_out_finish(&facts);
	tlv_out_finish(&nest);
	return job->result.err;
}

/* The keys of a file that has several, one by one. */
static enum ll_result
inspect_all(struct job *job, struct tlv_view all, const char *address,
    size_t *count_r)
{
	struct tlv_out keys;
	struct tlv_view key;
	enum ll_result r;
	bool good = false;
	size_t at = 0;

	tlv_out_init(&keys, PARSE_RESULT_MAX);
	r = pgp_key_split(all, &keys, count_r);
	if (r == LL_OK && *count_r > 1) {
		while (r == LL_OK && job_each(job_view(&keys), PARSE_F_KEY,
		    &at, &key))
			r = put_nest(job, key, address, &good);
		if (r == LL_OK && !good)
			r = job_fail(job, LL_DENIED, "None of its %zu keys "
			    "can be used.", *count_r);
	}
	tlv_out_finish(&keys);
	return r;
}

enum ll_result
pgp_inspect(struct job *job)
{
	const struct tlv_view key = job_bytes(job_view(&job->fields),
	    PARSE_F_KEY);
	const char *address;
	size_t count = 0;
	enum ll_result r;

	r = job_address(job, &address);
	if (r == LL_OK)
		r = inspect_all(job, key, address, &count);
	if (r != LL_OK || count > 1)
		return r;
	return inspect_one(job, key, address, &job->result);
}
