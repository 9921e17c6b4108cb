#include "server/session.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STORE_BACK_MS 10000    /* how long a restart of the store may take */

/* What the store says unasked. */
static void
store_event(struct session *s, const struct msg *m)
{
	if (msg_op(m) == OP_EVENT_ACCOUNT)
		session_end(s, CHILD_DONE,
		    "This account was changed by an administrator.");
}

static void
store_drop(struct session *s)
{
	if (!s->store)
		return;
	loop_fd_remove(s->loop, chan_fd(s->store));
	chan_destroy(s->store);
	s->store = NULL;
	if (s->state & STATE_LOGIN)
		session_end(s, CHILD_BUSY,
		    "The service is restarting; please connect again.");
}

static void
store_drain(struct session *s)
{
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	while (s->store && !r) {
		r = chan_recv(s->store, &m);
		if (r)
			break;
		store_event(s, m);
		msg_destroy(m);
	}
	if (s->store && r && r != LL_AGAIN)
		store_drop(s);
}

static void
store_ready(void *arg, int fd, short revents)
{
	struct session *s = arg;

	(void)fd;
	if ((revents & POLLOUT) && chan_flush(s->store) != LL_OK)
		store_drop(s);
	store_drain(s);
}

void
session_store_watch(struct session *s)
{
	if (s->store && loop_fd(s->loop, chan_fd(s->store), POLLIN,
	    store_ready, s) != LL_OK)
		store_drop(s);
}

/* Waits for the daemon to bring a fresh channel. */
static void
store_await(struct session *s)
{
	const uint64_t end = loop_now_ms() + STORE_BACK_MS;
	struct msg *m = NULL;
	uint64_t now;

	while (!s->store && s->state != STATE_ENDING) {
		now = loop_now_ms();
		if (now >= end || chan_wait(s->daemon, (int)(end - now), &m) !=
		    LL_OK)
			return;
		if (msg_op(m) == OP_NEW_STORE)
			session_store_new(s, msg_take_fd(m, 0));
		else if (msg_op(m) == OP_STOP)
			session_end(s, CHILD_DONE, "The service is stopping.");
		msg_destroy(m);
	}
}

enum ll_result
session_ask(struct session *s, struct msg *request, int timeout_ms,
    struct msg **reply_r)
{
	struct msg *reply = NULL;
	enum ll_result r;

	if (reply_r)
		*reply_r = NULL;
	if (!s->store) {
		msg_destroy(request);
		return LL_EOF;
	}
	r = chan_call(s->store, request, timeout_ms, &reply);
	if (r) {
		/* A store that is slow is not gone: its late answer is thrown
		 * away by store_drain.  Only a login must not go on, because
		 * the two sides may now disagree on how far it got. */
		if (r != LL_BUSY || (s->state & STATE_LOGIN))
			store_drop(s);
		return r == LL_BUSY ? LL_BUSY : LL_EOF;
	}
	r = msg_result(reply);
	if (reply_r)
		*reply_r = reply;
	else
		msg_destroy(reply);
	return r;
}

enum ll_result
session_ask_plain(struct session *s, enum op op, int timeout_ms,
    struct msg **reply_r)
{
	struct msg *m = NULL;
	enum ll_result r;

	if (reply_r)
		*reply_r = NULL;
	if (!s->store)
		store_await(s);
	r = msg_create(MSG_REQUEST, op, &m);
	if (r)
		return r;
	return session_ask(s, m, timeout_ms, reply_r);
}

int
session_store_worker(struct session *s, enum ll_result *r_r)
{
	struct msg *reply = NULL;
	int fd = -1;

	*r_r = session_ask_plain(s, OP_WORKER_NEW, SESSION_ASK_MS, &reply);
	/* Killed between two requests: once more, on the fresh channel. */
	if (*r_r == LL_EOF)
		*r_r = session_ask_plain(s, OP_WORKER_NEW, SESSION_ASK_MS,
		    &reply);
	if (*r_r == LL_OK) {
		fd = msg_take_fd(reply, 0);
		if (fd < 0)
			*r_r = LL_PROTO;
	}
	msg_destroy(reply);
	return fd;
}

static enum ll_result
store_slot(struct session *s, struct tlv_view v)
{
	const uint8_t *p;
	size_t n = 0;

	p = view_bytes(v, F_WRAP, &n);
	if (!p || n > sizeof(s->slot.wrap) || !view_id(v, F_SLOT_ID,
	    &s->slot.id))
		return LL_PROTO;
	memcpy(s->slot.wrap, p, n);
	s->slot.wrap_len = n;
	p = view_bytes(v, F_SALT, &n);
	if (!p || n != KDF_SALT_BYTES)
		return LL_PROTO;
	memcpy(s->slot.params.salt, p, n);
	s->slot.params.memory_mib = (uint32_t)view_u64(v, F_MEMORY_MIB);
	s->slot.params.passes = (uint32_t)view_u64(v, F_PASSES);
	s->has_slot = true;
	return LL_OK;
}

/* The vault's public half and its passphrase slot; an account may have none. */
static enum ll_result
store_vault(struct session *s, struct tlv_view v)
{
	const uint8_t *seal = view_hash(v, F_SEAL_PK);
	const uint8_t *sign = view_hash(v, F_SIGN_PK);
	const uint8_t *pepper = view_hash(v, F_PEPPER), *blob;
	struct tlv_view slot;
	size_t n = 0, at = 0;
	enum ll_result r = LL_OK;

	s->has_slot = false;
	blob = view_bytes(v, F_BLOB, &n);
	if (!seal || !sign || !pepper || !blob || n != sizeof(s->pub.blob))
		return LL_OK;
	memcpy(s->pub.seal_pk, seal, sizeof(s->pub.seal_pk));
	memcpy(s->pub.sign_pk, sign, sizeof(s->pub.sign_pk));
	memcpy(s->pub.blob, blob, n);
	s->pub.generation = view_u64(v, F_GENERATION);
	secret_finish(&s->pepper);
	r = secret_copy(&s->pepper, pepper, KEY_BYTES);
	while (!r && !s->has_slot && view_nest(v, F_SLOT, &at, &slot))
		if (view_u64(slot, F_SLOT_KIND) == SLOT_PASSPHRASE)
			r = store_slot(s, slot);
	return r;
}

enum ll_result
session_store_identity(struct session *s, const struct msg *reply)
{
	const struct tlv_view v = msg_view(reply);
	const uint8_t *token = view_hash(v, F_TOKEN);
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r = LL_OK;

	if (!view_id(v, F_USER_ID, &s->pub.user))
		return LL_PROTO;
	if (token) {
		secret_finish(&s->token);
		r = secret_copy(&s->token, token, HASH_BYTES);
	}
	if (r)
		return r;
	memcpy(s->email, view_text(v, F_EMAIL),
	    strlen(view_text(v, F_EMAIL)) + 1);
	memcpy(s->name, view_text(v, F_NAME),
	    strlen(view_text(v, F_NAME)) + 1);
	s->role = (enum user_role)view_u64(v, F_ROLE);
	s->factor_count = 0;
	while (s->factor_count < SESSION_FACTORS &&
	    view_each(v, F_FACTOR, &at, &f))
		memcpy(s->factors[s->factor_count++], f.data, f.len);
	return store_vault(s, v);
}

/* Shows the ticket, or the token, to a store that was restarted. */
static enum ll_result
store_attach(struct session *s)
{
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	if (s->state == STATE_ENROL) {
		r = session_auth_begin(s);
		if (!r)
			r = session_auth_ticket(s);
		if (!r)
			enrol_use(s->enrol, s->store);
		return r;
	}
	r = msg_create(MSG_REQUEST, OP_AUTH_ATTACH, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_TOKEN, s->token.data, s->token.len);
	r = session_ask(s, m, SESSION_ASK_MS, &reply);
	msg_destroy(reply);
	return r;
}

void
session_store_new(struct session *s, int fd)
{
	enum ll_result r;

	store_drop(s);
	if (fd < 0 || s->state == STATE_ENDING) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (chan_create(fd, &s->store) != LL_OK)
		return;
	session_store_watch(s);
	if (!(s->state & (STATE_OK | STATE_ENROL)) ||
	    (s->enrol && enrol_finished(s->enrol)))
		return;
	r = store_attach(s);
	if (r && r != LL_EOF)
		session_end(s, CHILD_DONE, "Please log in again.");
}
