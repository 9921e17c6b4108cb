#include "server/child.h"

#include <string.h>

enum ll_result
child_open(struct child *c, int fd, int timeout_ms)
{
	enum ll_result r;

	c->daemon = NULL;
	c->configure = NULL;
	r = chan_create(fd, &c->daemon);
	if (r != LL_OK)
		return r;
	r = chan_wait(c->daemon, timeout_ms, &c->configure);
	if (r == LL_AGAIN)
		return LL_BUSY;
	if (r == LL_OK && msg_op(c->configure) != OP_CONFIGURE)
		return LL_PROTO;
	return r;
}

void
child_close(struct child *c)
{
	msg_destroy(c->configure);
	chan_destroy(c->daemon);
	c->configure = NULL;
	c->daemon = NULL;
}

const char *
child_config(const struct child *c, const char *key)
{
	struct tlv_view all = msg_view(c->configure), one;
	size_t at = 0;

	while (view_nest(all, F_CONFIG, &at, &one))
		if (strcmp(view_text(one, F_CONFIG_KEY), key) == 0)
			return view_text(one, F_CONFIG_VALUE);
	return "";
}

enum ll_result
child_key(const struct child *c, enum label label, struct secret *key_r)
{
	struct tlv_view all = msg_view(c->configure), one;
	const uint8_t *p;
	size_t at = 0, len;

	while (view_nest(all, F_ROW, &at, &one)) {
		if (view_u64(one, F_LABEL) != (uint64_t)label)
			continue;
		p = view_bytes(one, F_SECRET, &len);
		if (p == NULL || len != KEY_BYTES)
			return LL_PROTO;
		return secret_copy(key_r, p, len);
	}
	return LL_NOTFOUND;
}

enum ll_result
child_ready(struct child *c)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_EVENT, OP_READY, &m);

	return r ? r : chan_send(c->daemon, m);
}
