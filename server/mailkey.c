#include "server/mailkey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/kind.h"

#define ASK_MS 10000
#define ANSWER_MS 60000
#define PRIVATE_OVERHEAD 64      /* heads and the format of one PRIVATE */

/* The sealed form binds owner and generation, not an id: FINGERPRINT is the
 * name of the key. */
static const struct id no_id;

unsigned
mailkey_missing(const struct msg *list, uint64_t generation)
{
	unsigned lacking = MAILKEY_ALL;
	struct tlv_view row;
	size_t at = 0;

	while (view_nest(msg_view(list), F_ROW, &at, &row))
		if (view_u64(row, F_GENERATION) == generation &&
		    view_u64(row, F_FORMAT) <= MAILKEY_FORMATS)
			lacking &= ~MAILKEY_BIT(view_u64(row, F_FORMAT));
	return lacking;
}

enum ll_result
mailkey_begin(const char *dir, enum parse_format format, uint64_t rsa_bits,
    const char *address, const char *name, struct parser *p_r)
{
	struct tlv_out fields;
	enum ll_result r;

	tlv_out_init(&fields, 4096);
	tlv_put_u64(&fields, PARSE_F_JOB, PARSE_MAKE);
	tlv_put_u64(&fields, PARSE_F_FORMAT, format);
	tlv_put_text(&fields, PARSE_F_ADDRESS, address);
	if (name[0] != '\0')
		tlv_put_text(&fields, PARSE_F_NAME, name);
	if (format == PARSE_SMIME)
		tlv_put_u64(&fields, PARSE_F_BITS, rsa_bits);
	r = parser_start(dir, NULL, p_r);
	if (r == LL_OK)
		r = parser_ask(p_r, &fields, NULL, 0, ASK_MS);
	if (r)
		parser_finish(p_r);
	tlv_out_finish(&fields);
	return r;
}

/* The certificate, and those above it after it. */
static enum ll_result
put_certificates(const struct tlv_out *answer, struct msg *m)
{
	const struct tlv_view v = { answer->data, answer->len };
	struct tlv_out all;
	struct tlv_field f;
	const uint8_t *p;
	size_t len, at = 0;
	enum ll_result r;

	tlv_out_init(&all, 16384);
	p = parser_bytes(answer, PARSE_F_KEY, &len);
	tlv_put_raw(&all, p, len);
	while (all.err == LL_OK &&
	    tlv_find(v, PARSE_F_EXTRA, &at, &f) == LL_OK)
		if (all.len + f.len <= 16384)
			tlv_put_raw(&all, f.data, f.len);
	r = all.err;
	if (r == LL_OK)
		msg_put_bytes(m, F_CERTIFICATE, all.data, all.len);
	tlv_out_finish(&all);
	return r;
}

static enum ll_result
fill(const struct tlv_out *answer, enum parse_format format,
    const struct vault *v, const char *user, struct msg *m)
{
	const bool given = format == 0;
	const uint8_t *secret, *public;
	size_t secret_len, public_len, sealed_len;
	uint8_t *sealed = NULL;
	enum ll_result r;

	secret = parser_bytes(answer, PARSE_F_SECRET, &secret_len);
	public = parser_bytes(answer, PARSE_F_KEY, &public_len);
	if (secret == NULL || public == NULL)
		return LL_PROTO;
	if (given)
		format = (enum parse_format)parser_number(answer,
		    PARSE_F_FORMAT, 0);
	if (user != NULL)
		msg_put_text(m, F_USER, user);
	r = vault_seal_blob(v, &no_id, secret, secret_len, &sealed,
	    &sealed_len);
	if (r)
		return r;
	msg_put_u64(m, F_FORMAT, format);
	msg_put_bytes(m, F_SEALED_KEY, sealed, sealed_len);
	msg_put_bytes(m, F_PUBLIC, public, public_len);
	free(sealed);
	msg_put_text(m, F_FINGERPRINT, parser_text(answer,
	    PARSE_F_FINGERPRINT));
	msg_put_text(m, F_ALGORITHM, parser_text(answer,
	    PARSE_F_ALGORITHM));
	msg_put_u64(m, F_CREATED, parser_number(answer, PARSE_F_CREATED, 0));
	msg_put_u64(m, F_GENERATION, vault_public(v)->generation);
	if (given)
		msg_put_u64(m, F_FLAGS, MAILKEY_IMPORTED);
	if (given && format == PARSE_SMIME) {
		msg_put_u64(m, F_KEY_EXPIRES, parser_number(answer,
		    PARSE_F_EXPIRES, 0));
		r = put_certificates(answer, m);
	}
	return r ? r : msg_error(m);
}

enum ll_result
mailkey_sealed(const struct parser *p, int timeout_ms,
    enum parse_format format, const struct vault *v, const char *user,
    struct msg **m_r, char *words, size_t room)
{
	struct tlv_out answer;
	const char *said = "";
	enum ll_result r;

	*m_r = NULL;
	r = parser_answer(p, timeout_ms, &answer);
	if (r == LL_OK)
		r = parse_result((struct tlv_view){ answer.data, answer.len },
		    &said);
	if (words != NULL)
		(void)snprintf(words, room, "%s", said);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_MAILKEY_PUT, m_r);
	if (r == LL_OK)
		r = fill(&answer, format, v, user, *m_r);
	if (r) {
		msg_destroy(*m_r);
		*m_r = NULL;
	}
	tlv_out_finish(&answer);
	return r;
}

static enum ll_result
make_one(struct chan *store, enum parse_format format, const struct vault *v,
    const char *user, const char *address, const char *name,
    uint64_t rsa_bits)
{
	struct parser p = PARSER_NONE;
	struct msg *m = NULL;
	enum ll_result r;

	r = mailkey_begin(NULL, format, rsa_bits, address, name, &p);
	if (r == LL_OK)
		r = mailkey_sealed(&p, ANSWER_MS, format, v, user, &m, NULL,
		    0);
	parser_finish(&p);
	if (r == LL_OK)
		r = chan_ask(store, m, NULL, NULL, 0);
	/* Another login of the same person was quicker. */
	return r == LL_CONFLICT ? LL_OK : r;
}

enum ll_result
mailkey_make(struct chan *store, const struct vault *v, const char *user,
    const char *address, const char *name, uint64_t rsa_bits)
{
	struct msg *m = NULL, *list = NULL;
	unsigned missing, format;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_MAILKEY_LIST, &m);
	if (r)
		return r;
	msg_put_text(m, F_USER, user);
	r = chan_ask(store, m, &list, NULL, 0);
	if (r)
		return r;
	missing = mailkey_missing(list, vault_public(v)->generation);
	msg_destroy(list);
	for (format = PARSE_OPENPGP; r == LL_OK && format <= PARSE_SMIME;
	    format++)
		if (missing & MAILKEY_BIT(format))
			r = make_one(store, (enum parse_format)format, v,
			    user, address, name, rsa_bits);
	return r;
}

static bool
open_one(const struct vault *v, struct tlv_view row, struct tlv_out *keys)
{
	const uint64_t format = view_u64(row, F_FORMAT);
	struct secret plain = SECRET_NONE;
	struct tlv_out nest;
	const uint8_t *sealed, *cert;
	size_t len = 0, cert_len = 0;
	bool done = false;

	sealed = view_bytes(row, F_SEALED_KEY, &len);
	cert = view_bytes(row, F_CERTIFICATE, &cert_len);
	if (sealed == NULL || (format == PARSE_SMIME && cert_len == 0) ||
	    keys->len + len + cert_len + PRIVATE_OVERHEAD > PARSE_CHUNK ||
	    vault_open_blob(v, &no_id, sealed, len, &plain) != LL_OK)
		return false;
	tlv_out_init_secret(&nest, PARSE_CHUNK);
	tlv_put_u64(&nest, PARSE_F_FORMAT, format);
	tlv_put_bytes(&nest, PARSE_F_SECRET, plain.data, plain.len);
	if (format == PARSE_SMIME)
		tlv_put_bytes(&nest, PARSE_F_KEY, cert, cert_len);
	if (nest.err == LL_OK) {
		tlv_put_tlv(keys, PARSE_F_PRIVATE, &nest);
		done = true;
	}
	tlv_out_finish(&nest);
	secret_finish(&plain);
	return done;
}

void
mailkey_open(const struct vault *v, const struct msg *list,
    unsigned formats, uint64_t after, struct tlv_out *keys,
    struct msg *reply)
{
	struct tlv_view row;
	uint64_t format, until;
	size_t at = 0;

	while (view_nest(msg_view(list), F_ROW, &at, &row)) {
		format = view_u64(row, F_FORMAT);
		if (format > MAILKEY_FORMATS ||
		    !(formats & MAILKEY_BIT(format)))
			continue;
		until = view_u64(row, F_KEY_EXPIRES);
		if (until != 0 && until <= after)
			continue;
		if (open_one(v, row, keys))
			msg_put_text(reply, F_FINGERPRINT,
			    view_text(row, F_FINGERPRINT));
	}
}
