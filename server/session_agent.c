#include "server/session.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

/* A handler fills the reply and returns its result; LL_AGAIN sends none. */
typedef enum ll_result agent_fn(struct session_channel *c,
    const struct msg *request, struct msg **reply_r);

/* The reply with LL_OK, ready for more fields. */
static enum ll_result
agent_reply(const struct msg *request, struct msg **reply_r)
{
	return msg_reply(request, LL_OK, reply_r);
}

static void
agent_config(const struct session *s, struct msg *m)
{
	for (size_t i = 0; i < s->config_count; i++) {
		msg_begin(m, F_CONFIG);
		msg_put_text(m, F_CONFIG_KEY, s->config[i].name);
		msg_put_text(m, F_CONFIG_VALUE, s->config[i].value);
		msg_end(m);
	}
}

static enum ll_result
agent_hello(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	const struct session *s = c->session;
	const char *org = session_config(s, "org_name");
	enum ll_result r = LL_OK;
	int fd = -1;

	if (s->state == STATE_OK)
		fd = session_store_worker(c->session, &r);
	if (!r)
		r = agent_reply(request, reply_r);
	if (r) {
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	msg_put_u64(*reply_r, F_STATE, c->mode);
	msg_put_text(*reply_r, F_COMMAND, c->command ? c->command : "");
	msg_put_text(*reply_r, F_USER, s->user);
	msg_put_text(*reply_r, F_EMAIL, s->email);
	msg_put_text(*reply_r, F_NAME, s->name);
	msg_put_u64(*reply_r, F_ROLE, s->role);
	msg_put_u64(*reply_r, F_LOCKED, s->vault == NULL);
	msg_put_text(*reply_r, F_ORG, org ? org : "");
	for (size_t i = 0; i < s->factor_count; i++)
		msg_put_text(*reply_r, F_FACTOR, s->factors[i]);
	agent_config(s, *reply_r);
	if (fd >= 0)
		msg_put_fd(*reply_r, fd);
	return LL_OK;
}

/* Asked while the store is away: busy at once, the worker asks again. */
static enum ll_result
agent_store(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	enum ll_result r;
	int fd;

	if (c->session->state != STATE_OK)
		return LL_DENIED;
	if (!c->session->store)
		return LL_BUSY;
	fd = session_store_worker(c->session, &r);
	if (r)
		return r == LL_EOF ? LL_BUSY : r;
	r = agent_reply(request, reply_r);
	if (r)
		(void)close(fd);
	else
		msg_put_fd(*reply_r, fd);
	return r;
}

/* One message key: by the reader's own wrap, or by the sender's box, for which
 * a wrap of the reader's own is made. */
static enum ll_result
agent_key(const struct session *s, struct tlv_view row, struct secret *key_r,
    uint8_t self[SEAL_WRAP_BYTES], bool *fresh_r)
{
	struct seal_context ctx = { .type = SEAL_HEADER,
		.owner = s->pub.user };
	const uint8_t *wrap;
	size_t n = 0;
	enum ll_result r;

	*fresh_r = false;
	if (!view_id(row, F_MESSAGE_ID, &ctx.object))
		return LL_PROTO;
	wrap = view_bytes(row, F_SELF_WRAP, &n);
	if (wrap && n > 0)
		return vault_self_unwrap(s->vault, &ctx.object, wrap, n,
		    key_r);
	wrap = view_bytes(row, F_WRAP, &n);
	if (!wrap)
		return LL_PROTO;
	ctx.generation = view_u64(row, F_GENERATION);
	r = vault_box_open(s->vault, &ctx, wrap, n, key_r);
	if (!r && key_r->len != KEY_BYTES) {
		secret_finish(key_r);
		return LL_PROTO;
	}
	if (r)
		return r;
	*fresh_r = true;
	return vault_self_wrap(s->vault, &ctx.object, key_r->data, self);
}

static void
agent_active(struct session *s)
{
	s->active_ms = loop_now_ms();
}

static enum ll_result
agent_keys(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	uint8_t self[SEAL_WRAP_BYTES];
	struct tlv_view row;
	size_t at = 0;
	bool fresh;
	enum ll_result r;

	if (!c->session->vault)
		return LL_LOCKED;
	/* A program at work is a person's doing; a screen says so itself. */
	if (c->mode == WORKER_EXEC || c->mode == WORKER_SFTP)
		agent_active(c->session);
	r = agent_reply(request, reply_r);
	if (r)
		return r;
	while (view_nest(msg_view(request), F_ROW, &at, &row)) {
		struct secret key = SECRET_NONE;

		r = agent_key(c->session, row, &key, self, &fresh);
		msg_begin(*reply_r, F_ROW);
		msg_put_u64(*reply_r, F_RESULT, r);
		if (!r)
			msg_put_bytes(*reply_r, F_SECRET, key.data, key.len);
		if (!r && fresh)
			msg_put_bytes(*reply_r, F_SELF_WRAP, self,
			    sizeof(self));
		msg_end(*reply_r);
		secret_finish(&key);
	}
	return LL_OK;
}

/* Kinds of boxes a worker may have opened: never a slot or a vault. */
static bool
agent_box_type_ok(uint64_t type)
{
	return type == SEAL_HEADER || type == SEAL_DRAFT ||
	    type == SEAL_CODE || type == SEAL_PAIR;
}

static enum ll_result
agent_box(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	const struct tlv_view v = msg_view(request);
	struct seal_context ctx = { .owner = c->session->pub.user };
	struct secret payload = SECRET_NONE;
	const uint8_t *box;
	size_t n = 0;
	enum ll_result r;

	if (!c->session->vault)
		return LL_LOCKED;
	box = view_bytes(v, F_BOX, &n);
	if (!box || !agent_box_type_ok(view_u64(v, F_BOX_TYPE)))
		return LL_PROTO;
	ctx.type = (enum seal_type)view_u64(v, F_BOX_TYPE);
	ctx.generation = view_u64(v, F_GENERATION);
	/* Absent: the zero id, as PAIR_BOX has it. */
	(void)view_id(v, F_MESSAGE_ID, &ctx.object);
	r = vault_box_open(c->session->vault, &ctx, box, n, &payload);
	if (!r)
		r = agent_reply(request, reply_r);
	if (!r)
		msg_put_bytes(*reply_r, F_SECRET, payload.data, payload.len);
	secret_finish(&payload);
	return r;
}

static enum ll_result
agent_sign(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	const uint8_t *hash = view_hash(msg_view(request), F_HASH);
	uint8_t sig[ENVELOPE_SIGNATURE];
	enum ll_result r;

	if (!c->session->vault)
		return LL_LOCKED;
	if (!hash)
		return LL_PROTO;
	r = vault_sign_manifest(c->session->vault, hash, sig);
	if (!r)
		r = agent_reply(request, reply_r);
	if (r)
		return r;
	msg_put_bytes(*reply_r, F_SIGNATURE, sig, sizeof(sig));
	msg_put_u64(*reply_r, F_GENERATION, c->session->pub.generation);
	return LL_OK;
}

static enum ll_result
agent_self(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	const struct tlv_view v = msg_view(request);
	uint8_t self[SEAL_WRAP_BYTES];
	const uint8_t *key;
	struct id message;
	size_t n = 0;
	enum ll_result r;

	if (!c->session->vault)
		return LL_LOCKED;
	key = view_bytes(v, F_SECRET, &n);
	if (!key || n != KEY_BYTES || !view_id(v, F_MESSAGE_ID, &message))
		return LL_PROTO;
	r = vault_self_wrap(c->session->vault, &message, key, self);
	if (!r)
		r = agent_reply(request, reply_r);
	if (!r)
		msg_put_bytes(*reply_r, F_SELF_WRAP, self, sizeof(self));
	return r;
}

static enum ll_result
agent_unlock(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	const uint8_t *p;
	size_t n = 0;
	enum ll_result r;

	p = view_bytes(msg_view(request), F_PASSPHRASE, &n);
	if (!p || c->session->state != STATE_OK)
		return LL_DENIED;
	r = session_vault_unlock(c->session, p, n);
	if (r)
		return r;
	agent_active(c->session);
	return agent_reply(request, reply_r);
}

static enum ll_result
agent_lock(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	enum ll_result r = agent_reply(request, reply_r);

	if (!r)
		session_vault_lock(c->session);
	return r;
}

static enum ll_result
agent_pressed(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	(void)request;
	(void)reply_r;
	agent_active(c->session);
	return LL_AGAIN;
}

static enum ll_result
agent_parse(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	if (c->mode == WORKER_EXEC || c->mode == WORKER_SFTP)
		agent_active(c->session);
	return session_mail_parse(c, request, reply_r);
}

static enum ll_result
agent_import(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	(void)reply_r;
	agent_active(c->session);
	return session_mail_import(c, request);
}

static enum ll_result
agent_enrol(struct session_channel *c, const struct msg *request,
    struct msg **reply_r)
{
	if (c->session->state != STATE_ENROL || !c->session->enrol)
		return LL_DENIED;
	agent_active(c->session);
	if (!c->session->store)
		return LL_BUSY;
	return enrol_answer(c->session->enrol, request, reply_r);
}

static const struct {
	enum op op;
	agent_fn *fn;
} requests[] = {
	{ OP_AGENT_HELLO, agent_hello },
	{ OP_AGENT_STORE, agent_store },
	{ OP_AGENT_KEYS, agent_keys },
	{ OP_AGENT_BOX, agent_box },
	{ OP_AGENT_SIGN, agent_sign },
	{ OP_AGENT_SELF, agent_self },
	{ OP_AGENT_UNLOCK, agent_unlock },
	{ OP_AGENT_LOCK, agent_lock },
	{ OP_AGENT_ACTIVE, agent_pressed },
	{ OP_AGENT_PARSE, agent_parse },
	{ OP_AGENT_IMPORT, agent_import },
	{ OP_ENROL_STATE, agent_enrol },
	{ OP_ENROL_PASS, agent_enrol },
	{ OP_ENROL_OLD, agent_enrol },
	{ OP_ENROL_TOTP, agent_enrol },
	{ OP_ENROL_CONFIRM, agent_enrol },
	{ OP_ENROL_KEYS, agent_enrol },
	{ OP_ENROL_FINISH, agent_enrol },
};

/* A worker that breaks the rules is ended; its channel hears that. */
static void
agent_broken(struct session_channel *c)
{
	loop_fd_remove(c->session->loop, chan_fd(c->agent));
	chan_destroy(c->agent);
	c->agent = NULL;
	session_worker_expire(c);
}

static enum ll_result
agent_serve(struct session_channel *c, const struct msg *m)
{
	struct msg *reply = NULL;
	enum ll_result r = LL_PROTO;
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].op == msg_op(m))
			break;
	if (i == sizeof(requests) / sizeof(requests[0]))
		return LL_PROTO;
	r = requests[i].fn(c, m, &reply);
	if (r == LL_AGAIN && !reply)
		return LL_OK;
	if (!reply)
		r = msg_reply(m, r, &reply);
	else
		r = LL_OK;
	/* The handler may have ended the session, and this worker with it. */
	if (r || !c->agent) {
		msg_destroy(reply);
		return r;
	}
	return chan_send(c->agent, reply);
}

/* POLLOUT only while something waits to go out. */
static void
agent_rewatch(struct session_channel *c);

static void
agent_ready(void *arg, int fd, short revents)
{
	struct session_channel *c = arg;
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	(void)fd;
	if (revents & POLLOUT)
		r = chan_flush(c->agent);
	while (!r && c->agent) {
		r = chan_recv(c->agent, &m);
		if (r)
			break;
		r = agent_serve(c, m);
		msg_destroy(m);
	}
	if (!c->agent)
		return;
	if (r != LL_AGAIN)
		agent_broken(c);
	else
		agent_rewatch(c);
}

static void
agent_rewatch(struct session_channel *c)
{
	const short events = (short)(POLLIN |
	    (chan_pending(c->agent) ? POLLOUT : 0));

	if (loop_fd(c->session->loop, chan_fd(c->agent), events, agent_ready,
	    c) != LL_OK)
		agent_broken(c);
}

void
session_agent_send(struct session_channel *c, struct msg *m)
{
	if (!c->agent) {
		msg_destroy(m);
		return;
	}
	if (chan_send(c->agent, m) != LL_OK)
		agent_broken(c);
	else
		agent_rewatch(c);
}

enum ll_result
session_agent_watch(struct session_channel *c)
{
	return loop_fd(c->session->loop, chan_fd(c->agent), POLLIN,
	    agent_ready, c);
}
