#include "server/intake_house.h"

#include <string.h>

#include "keys/parse.h"
#include "keys/seal.h"
#include "server/intake_wire.h"

static const struct seal_context sealed_as = { .type = SEAL_HOUSE_KEY };

enum ll_result
intake_house_begin(struct intake *x)
{
	static const char purpose[] = "manifest";
	uint8_t seed[HASH_BYTES];
	enum ll_result r;

	r = derive_bytes(LABEL_ROOT_INTAKE, x->key.data, x->key.len, purpose,
	    sizeof(purpose), seed);
	if (r == LL_OK)
		r = secret_init(&x->sign_sk, crypto_sign_SECRETKEYBYTES);
	if (r == LL_OK && crypto_sign_seed_keypair(x->sign_pk,
	    x->sign_sk.data, seed) != 0)
		r = LL_IO;
	sodium_memzero(seed, sizeof(seed));
	return r;
}

enum ll_result
intake_house_sign(const struct intake *x, const uint8_t manifest[HASH_BYTES],
    uint8_t out[ENVELOPE_SIGNATURE])
{
	uint8_t text[ENVELOPE_SIGNED];

	envelope_signed(manifest, text);
	return crypto_sign_detached(out, NULL, text, sizeof(text),
	    x->sign_sk.data) == 0 ? LL_OK : LL_IO;
}

/* --- the OpenPGP key --- */

static enum ll_result
put_private(struct intake *x, const void *secret, size_t len)
{
	struct tlv_out nest;
	enum ll_result r;

	tlv_out_init_secret(&nest, PARSE_CHUNK);
	tlv_out_init_secret(&x->house, PARSE_CHUNK);
	tlv_put_u64(&nest, PARSE_F_FORMAT, PARSE_OPENPGP);
	tlv_put_bytes(&nest, PARSE_F_SECRET, secret, len);
	r = nest.err;
	if (r == LL_OK)
		tlv_put_tlv(&x->house, PARSE_F_PRIVATE, &nest);
	tlv_out_finish(&nest);
	if (r == LL_OK)
		r = x->house.err;
	if (r != LL_OK)
		tlv_out_finish(&x->house);
	return r;
}

/* LL_NOTFOUND: none was made yet. */
static enum ll_result
read_kept(struct intake *x)
{
	struct secret plain = SECRET_NONE;
	struct msg *m, *reply = NULL;
	struct tlv_view row;
	const uint8_t *sealed;
	size_t at = 0, len;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_MAILKEY_LIST, &m);
	if (r == LL_OK)
		r = portal_store_ask(x->store, m, &reply);
	if (r != LL_OK)
		return r;
	r = LL_NOTFOUND;
	while (r == LL_NOTFOUND && view_nest(msg_view(reply), F_ROW, &at,
	    &row)) {
		if (view_u64(row, F_FORMAT) != PARSE_OPENPGP)
			continue;
		sealed = view_bytes(row, F_SEALED_KEY, &len);
		r = sealed == NULL ? LL_PROTO : seal_open_secret(x->key.data,
		    &sealed_as, sealed, len, &plain);
		if (r == LL_OK)
			r = put_private(x, plain.data, plain.len);
		secret_finish(&plain);
	}
	msg_destroy(reply);
	return r;
}

static const uint8_t *
bytes_of(const struct tlv_out *o, enum parse_field tag, size_t *len_r)
{
	struct tlv_view v = { o->data, o->len };
	struct tlv_field f;
	size_t at = 0;

	if (tlv_find(v, (uint8_t)tag, &at, &f) != LL_OK)
		return NULL;
	*len_r = f.len;
	return f.data;
}

static enum ll_result
keep(struct intake *x, const struct tlv_out *made)
{
	struct tlv_field created = { 0, NULL, 0 };
	const uint8_t *secret, *public, *print, *algorithm;
	size_t secret_len = 0, public_len = 0, n, at = 0, sealed_len;
	struct tlv_view v = { made->data, made->len };
	uint8_t *sealed = NULL;
	uint64_t when = 0;
	enum ll_result r;
	struct msg *m;

	secret = bytes_of(made, PARSE_F_SECRET, &secret_len);
	public = bytes_of(made, PARSE_F_KEY, &public_len);
	print = bytes_of(made, PARSE_F_FINGERPRINT, &n);
	algorithm = bytes_of(made, PARSE_F_ALGORITHM, &n);
	if (secret == NULL || public == NULL || print == NULL ||
	    algorithm == NULL || tlv_find(v, PARSE_F_CREATED, &at,
	    &created) != LL_OK || tlv_u64(&created, &when) != LL_OK)
		return LL_PROTO;
	r = seal_bytes(x->key.data, &sealed_as, secret, secret_len, &sealed,
	    &sealed_len);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_MAILKEY_PUT, &m);
	if (r == LL_OK) {
		msg_put_u64(m, F_FORMAT, PARSE_OPENPGP);
		msg_put_bytes(m, F_SEALED_KEY, sealed, sealed_len);
		msg_put_bytes(m, F_PUBLIC, public, public_len);
		msg_put_text(m, F_FINGERPRINT, (const char *)print);
		msg_put_text(m, F_ALGORITHM, (const char *)algorithm);
		msg_put_u64(m, F_CREATED, when);
		msg_put_u64(m, F_GENERATION, 1);
		r = portal_store_ask(x->store, m, NULL);
	}
	free(sealed);
	return r == LL_OK ? put_private(x, secret, secret_len) : r;
}

static enum ll_result
make(struct intake *x)
{
	struct tlv_out job, made;
	struct parse_wire w;
	const char *words;
	enum ll_result r;

	tlv_out_init(&job, 4096);
	tlv_out_init(&made, 1);
	tlv_put_u64(&job, PARSE_F_JOB, PARSE_MAKE);
	tlv_put_u64(&job, PARSE_F_FORMAT, PARSE_OPENPGP);
	tlv_put_text(&job, PARSE_F_ADDRESS, x->bounces);
	tlv_put_text(&job, PARSE_F_NAME, child_config(&x->child, "org_name"));
	r = intake_wire_hand(x, NULL, &w);
	if (r == LL_OK)
		r = parse_put(&w, 'J', job.data, job.len);
	if (r == LL_OK)
		r = parse_put(&w, 'E', NULL, 0);
	if (r == LL_OK) {
		tlv_out_finish(&made);
		r = parse_answer_secret(&w, &made);
	}
	if (r == LL_OK)
		r = parse_result((struct tlv_view){ made.data, made.len },
		    &words);
	if (r == LL_OK)
		r = keep(x, &made);
	intake_wire_close(&w);
	tlv_out_finish(&made);
	tlv_out_finish(&job);
	return r;
}

enum ll_result
intake_house_mail(struct intake *x)
{
	enum ll_result r;

	if (x->house.len > 0)
		return LL_OK;
	r = read_kept(x);
	return r == LL_NOTFOUND ? make(x) : r;
}
