#include "server/session.h"

#include <string.h>

#define VAULT_UNLOCK_TRIES 5      /* wrong passphrases of one connection */

enum ll_result
session_vault_stretch(struct session *s, const void *passphrase, size_t len,
    struct secret *a_r)
{
	enum ll_result r, given;

	a_r->data = NULL;
	a_r->len = 0;
	r = session_ask_plain(s, OP_KDF_LEASE, SESSION_LEASE_MS, NULL);
	if (r)
		return r == LL_NOMEM ? r : LL_BUSY;
	r = kdf_run(passphrase, len, &s->slot.params, a_r);
	given = session_ask_plain(s, OP_KDF_RELEASE, SESSION_ASK_MS, NULL);
	/* A lease ends with its channel; a lost release loses nothing. */
	(void)given;
	return r;
}

enum ll_result
session_vault_open(struct session *s, const struct secret *a)
{
	enum ll_result r;

	if (!s->has_slot)
		return LL_LOCKED;
	if (s->vault)
		return LL_OK;
	r = slot_open(&s->pub, SLOT_PASSPHRASE, &s->slot.id, a,
	    s->pepper.data, s->slot.wrap, s->slot.wrap_len, &s->vault);
	if (!r)
		session_mail_unlocked(s);
	return r;
}

enum ll_result
session_vault_unlock(struct session *s, const void *passphrase, size_t len)
{
	struct secret a = SECRET_NONE;
	enum ll_result r;

	if (s->vault)
		return LL_OK;
	if (!s->has_slot)
		return LL_DENIED;
	if (s->unlock_tries >= VAULT_UNLOCK_TRIES) {
		session_end(s, CHILD_AUTH_FAILED,
		    "Too many wrong passphrases.");
		return LL_RATE;
	}
	r = session_vault_stretch(s, passphrase, len, &a);
	if (!r)
		r = session_vault_open(s, &a);
	secret_finish(&a);
	if (r == LL_AUTH)
		s->unlock_tries++;
	if (!r)
		s->unlock_tries = 0;
	return r;
}

/* Workers with a person before them show what was unsealed. */
static bool
vault_on_screen(const struct session_channel *c)
{
	return c->mode == WORKER_SCREEN || c->mode == WORKER_LINE;
}

void
session_vault_lock(struct session *s)
{
	struct msg *m = NULL;

	if (!s->vault)
		return;
	vault_destroy(s->vault);
	s->vault = NULL;
	for (int i = 0; i < SESSION_CHANNELS; i++) {
		struct session_channel *c = &s->channels[i];

		if (!c->used || !c->agent || c->closed || !vault_on_screen(c))
			continue;
		if (msg_create(MSG_EVENT, OP_AGENT_LOCKING, &m) == LL_OK &&
		    chan_send(c->agent, m) == LL_OK)
			c->restart = true;
		session_worker_expire(c);
	}
}
