#include "store/keyring.h"

#include <string.h>

static enum ll_result
ask_authorities(struct desk *k, const char *fingerprint, struct msg **reply_r)
{
	struct msg *m;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, OP_CA_LIST, &m);
	if (r)
		return r;
	if (fingerprint)
		msg_put_text(m, F_FINGERPRINT, fingerprint);
	return desk_ask(k, m, reply_r);
}

static void
put_field(struct tlv_out *out, struct tlv_view row, enum field from,
    uint8_t to)
{
	const uint8_t *p;
	size_t len = 0;

	p = view_bytes(row, from, &len);
	if (p && len)
		tlv_put_bytes(out, to, p, len);
}

/* A CRL that did not fit into the list comes alone. */
static enum ll_result
put_crl(struct desk *k, struct tlv_view row, struct tlv_out *out)
{
	struct msg *reply;
	struct tlv_view alone;
	size_t at = 0;
	enum ll_result r;

	if (!(view_u64(row, F_FLAGS) & CA_CRL_ELSEWHERE)) {
		put_field(out, row, F_CRL, PARSE_F_CRL);
		return LL_OK;
	}
	r = ask_authorities(k, view_text(row, F_FINGERPRINT), &reply);
	if (r)
		return r;
	if (view_nest(msg_view(reply), F_ROW, &at, &alone))
		put_field(out, alone, F_CRL, PARSE_F_CRL);
	msg_destroy(reply);
	return LL_OK;
}

enum ll_result
keyring_authorities(struct desk *k, struct tlv_out *out_r)
{
	struct msg *reply;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	tlv_out_init(out_r, PARSE_JOB_MAX);
	r = ask_authorities(k, NULL, &reply);
	if (r)
		return r;
	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		put_field(out_r, row, F_CERTIFICATE, PARSE_F_CA);
		r = put_crl(k, row, out_r);
	}
	msg_destroy(reply);
	return r ? r : out_r->err;
}

enum ll_result
keyring_inspect(struct desk *k, const char *address, const void *key,
    size_t len, const struct tlv_out *authorities, struct inspection *i_r)
{
	struct tlv_out own;
	struct tlv_view v;
	int fd = -1;
	enum ll_result r = LL_OK;

	memset(i_r, 0, sizeof *i_r);
	tlv_out_init(&own, 1);
	if (len == 0 || len > PARSE_KEY_MAX)
		return len ? LL_TOOBIG : LL_USAGE;
	if (!authorities)
		r = keyring_authorities(k, &own);
	if (r == LL_OK)
		r = desk_parse(k, PARSE_INSPECT, NULL, 0, &fd);
	v.data = authorities ? authorities->data : own.data;
	v.len = authorities ? authorities->len : own.len;
	if (r == LL_OK)
		r = inspect_run(fd, address, key, len, v, i_r);
	tlv_out_finish(&own);
	return r;
}

static void
put_key(struct msg *m, const struct inspected *key, enum key_source source)
{
	msg_begin(m, F_ROW);
	msg_put_u64(m, F_FORMAT, key->format);
	msg_put_bytes(m, F_PUBLIC, key->key, key->key_len);
	msg_put_text(m, F_FINGERPRINT, key->fingerprint);
	msg_put_text(m, F_ALGORITHM, key->algorithm);
	msg_put_u64(m, F_CREATED, key->created);
	msg_put_u64(m, F_KEY_EXPIRES, key->expires);
	msg_put_u64(m, F_KEY_SOURCE, source);
	msg_put_u64(m, F_FLAGS, key->trusted ? PEERKEY_TRUSTED : 0);
	msg_end(m);
}

static void
put_revoked(struct msg *m, const struct inspected *key,
    enum key_source source)
{
	msg_begin(m, F_ROW);
	msg_put_text(m, F_FINGERPRINT, key->fingerprint);
	msg_put_u64(m, F_KEY_SOURCE, source);
	msg_put_u64(m, F_FLAGS, PEERKEY_REVOKED);
	msg_end(m);
}

/* Those that are good; then the ones that were taken back, so that what comes
 * in their place is still seen as a change. */
static size_t
put_rows(struct msg *m, const struct inspection *i, enum key_source source,
    size_t *good_r)
{
	size_t n, revoked = 0;

	*good_r = 0;
	for (n = 0; n < i->count; n++)
		if (i->keys[n].result == LL_OK && i->keys[n].key) {
			put_key(m, &i->keys[n], source);
			(*good_r)++;
		}
	for (n = 0; n < i->count; n++)
		if (i->keys[n].revoked && *i->keys[n].fingerprint) {
			put_revoked(m, &i->keys[n], source);
			revoked++;
		}
	return *good_r + revoked;
}

enum ll_result
keyring_add(struct desk *k, const char *address, const struct inspection *i,
    enum key_source source, uint64_t *flags_r)
{
	struct msg *m, *reply;
	size_t good;
	enum ll_result r;

	if (flags_r)
		*flags_r = 0;
	r = msg_create(MSG_REQUEST, OP_PEERKEY_ADD, &m);
	if (r)
		return r;
	msg_put_text(m, F_ADDRESS, address);
	if (put_rows(m, i, source, &good) == 0) {
		msg_destroy(m);
		return LL_NOTFOUND;
	}
	r = desk_ask(k, m, &reply);
	if (r)
		return r;
	if (flags_r)
		*flags_r = view_u64(msg_view(reply), F_FLAGS);
	msg_destroy(reply);
	return good > 0 ? LL_OK : LL_NOTFOUND;
}
