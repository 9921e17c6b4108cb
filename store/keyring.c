#include "store/keyring.h"

#include <string.h>

enum ll_result
keyring_authorities(struct desk *k, struct msg **m_r)
{
	struct msg *m;
	enum ll_result r;

	*m_r = NULL;
	r = msg_create(MSG_REQUEST, OP_CA_LIST, &m);
	return r ? r : desk_ask(k, m, m_r);
}

enum ll_result
keyring_inspect(struct desk *k, const char *address, const void *key,
    size_t len, const struct msg *authorities, struct inspection *i_r)
{
	struct msg *own = NULL;
	int fd = -1;
	enum ll_result r = LL_OK;

	memset(i_r, 0, sizeof *i_r);
	if (len == 0 || len > PARSE_KEY_MAX)
		return len ? LL_TOOBIG : LL_USAGE;
	if (!authorities)
		r = keyring_authorities(k, &own);
	if (r == LL_OK)
		r = desk_parse(k, PARSE_INSPECT, NULL, 0, &fd);
	if (r == LL_OK)
		r = inspect_run(fd, address, key, len,
		    msg_view(authorities ? authorities : own), i_r);
	msg_destroy(own);
	return r;
}

enum ll_result
keyring_add(struct desk *k, const char *address,
    const struct inspected *key, enum key_source source, uint64_t *flags_r)
{
	struct msg *m, *reply;
	enum ll_result r;

	if (flags_r)
		*flags_r = 0;
	if (key->result || !key->key)
		return LL_DENIED;
	r = msg_create(MSG_REQUEST, OP_PEERKEY_ADD, &m);
	if (r)
		return r;
	msg_put_text(m, F_ADDRESS, address);
	msg_put_u64(m, F_FORMAT, key->format);
	msg_put_bytes(m, F_PUBLIC, key->key, key->key_len);
	msg_put_text(m, F_FINGERPRINT, key->fingerprint);
	msg_put_text(m, F_ALGORITHM, key->algorithm);
	msg_put_u64(m, F_CREATED, key->created);
	msg_put_u64(m, F_KEY_EXPIRES, key->expires);
	msg_put_u64(m, F_KEY_SOURCE, source);
	msg_put_u64(m, F_FLAGS, key->trusted ? PEERKEY_TRUSTED : 0);
	r = desk_ask(k, m, &reply);
	if (r)
		return r;
	if (flags_r)
		*flags_r = view_u64(msg_view(reply), F_FLAGS);
	msg_destroy(reply);
	return LL_OK;
}
