#include "server/session.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "keys/totp.h"

#define AUTH_FAIL_MS 10           /* least time from request to refusal */

static const char busy_words[] = "The server is busy; please try again.";

/* --- the name --- */

enum ll_result
session_auth_begin(struct session *s)
{
	struct msg *m = NULL, *reply = NULL;
	const uint8_t *salt;
	struct tlv_view v;
	uint64_t delay;
	size_t n = 0;
	enum ll_result r = msg_create(MSG_REQUEST, OP_AUTH_BEGIN, &m);

	if (r)
		return r;
	msg_put_text(m, F_USER, s->user);
	msg_put_text(m, F_SOURCE, session_config(s, "source") ?
	    session_config(s, "source") : "");
	r = session_ask(s, m, SESSION_ASK_MS, &reply);
	if (r)
		goto out;
	v = msg_view(reply);
	salt = view_bytes(v, F_SALT, &n);
	if (!salt || n != KDF_SALT_BYTES ||
	    !view_id(v, F_SLOT_ID, &s->slot.id)) {
		r = LL_PROTO;
		goto out;
	}
	memcpy(s->slot.params.salt, salt, n);
	s->slot.params.memory_mib = (uint32_t)view_u64(v, F_MEMORY_MIB);
	s->slot.params.passes = (uint32_t)view_u64(v, F_PASSES);
	salt = view_bytes(v, F_BACKUP_SALT, &n);
	if (salt && n == KDF_SALT_BYTES)
		memcpy(s->backup_salt, salt, n);
	delay = view_u64(v, F_DELAY_SECS);
	s->delay_until_ms = loop_now_ms() + delay * 1000;
	s->begun = true;
out:
	msg_destroy(reply);
	return r;
}

/* Pins or compares the name; false: answered, or the connection is ending. */
static bool
same_user(struct session *s, const struct msg *m)
{
	const char *user = view_text(msg_view(m), F_USER);
	enum ll_result r;

	if (s->state == STATE_START) {
		if (user[0] == '\0' || strlen(user) >= sizeof(s->user)) {
			session_end(s, CHILD_VIOLATION, NULL);
			return false;
		}
		memcpy(s->user, user, strlen(user) + 1);
		r = session_auth_begin(s);
		if (r) {
			session_end(s, CHILD_BUSY, busy_words);
			return false;
		}
		s->state = STATE_FACTOR1;
	}
	if (strcmp(s->user, user) == 0)
		return true;
	session_end(s, CHILD_VIOLATION,
	    "Change of user name is not allowed.");
	return false;
}

/* --- refusals: same words, and never at once --- */

static void
auth_late(void *arg)
{
	struct session *s = arg;
	struct msg *reply = s->late;

	s->late = NULL;
	if (!reply)
		return;
	if (s->state == STATE_ENDING) {
		msg_destroy(reply);
		return;
	}
	session_send(s, reply);
	if (s->tries >= SESSION_TRIES || s->code_tries >= SESSION_CODE_TRIES)
		session_end(s, CHILD_AUTH_FAILED,
		    "Too many authentication failures.");
}

/* What is left of the least time, which covers what differs between a name
 * that is known and one that is not. */
static uint64_t
auth_fail_ms(const struct session *s)
{
	const uint64_t took = loop_now_ms() - s->asked_ms;

	return took < AUTH_FAIL_MS ? AUTH_FAIL_MS - took : 0;
}

static void
auth_refuse(struct session *s, const struct msg *request, const char *words)
{
	struct msg *reply = NULL;

	if (msg_reply(request, LL_AUTH, &reply) != LL_OK || s->late) {
		msg_destroy(reply);
		session_end(s, CHILD_FAULT, NULL);
		return;
	}
	if (words)
		msg_put_text(reply, F_WORDS, words);
	s->late = reply;
	if (loop_timer(s->loop, auth_fail_ms(s), auth_late, s, NULL) != LL_OK)
		auth_late(s);
}

static void
auth_wait_words(char *text, size_t room, uint64_t secs)
{
	(void)snprintf(text, room,
	    "Too many failed logins; wait %llu seconds.",
	    (unsigned long long)secs);
}

static void
auth_refuse_rate(struct session *s, const struct msg *request, uint64_t secs)
{
	char words[100];

	auth_wait_words(words, sizeof(words), secs);
	auth_refuse(s, request, words);
}

/* --- first factors --- */

void
session_auth_sign(struct session *s, struct msg *m)
{
	uint8_t sig[crypto_sign_BYTES];
	struct msg *reply = NULL;
	const uint8_t *hash;
	size_t n = 0;

	hash = view_bytes(msg_view(m), F_DATA, &n);
	/* Only an exchange hash of curve25519-sha256 is ever signed. */
	if (!hash || n != sizeof(s->id)) {
		session_end(s, CHILD_VIOLATION, NULL);
		return;
	}
	if (!s->has_id)
		memcpy(s->id, hash, n);
	s->has_id = true;
	if (crypto_sign_detached(sig, NULL, hash, n, s->host_sk.data) != 0 ||
	    msg_reply(m, LL_OK, &reply) != LL_OK) {
		session_end(s, CHILD_FAULT, NULL);
		return;
	}
	msg_put_bytes(reply, F_SIGNATURE, sig, sizeof(sig));
	session_send(s, reply);
}

/* Remembered for the enrolment dialogue. */
static void
auth_offered(struct session *s, const uint8_t *key, size_t n)
{
	if (n > sizeof(s->offered[0]) || s->offered_count >= SESSION_PROBES)
		return;
	for (size_t i = 0; i < s->offered_count; i++)
		if (s->offered_len[i] == n &&
		    memcmp(s->offered[i], key, n) == 0)
			return;
	memcpy(s->offered[s->offered_count], key, n);
	s->offered_len[s->offered_count++] = n;
}

static enum ll_result
auth_key_ask(struct session *s, enum op op, const uint8_t *key, size_t n)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	if (r)
		return r;
	msg_put_bytes(m, F_KEY, key, n);
	return session_ask(s, m, SESSION_ASK_MS, NULL);
}

void
session_auth_probe(struct session *s, struct msg *m)
{
	const uint8_t *key;
	size_t n = 0;
	enum ll_result r;

	key = view_bytes(msg_view(m), F_KEY, &n);
	if (!key || !same_user(s, m))
		return;
	auth_offered(s, key, n);
	if (s->probes++ >= SESSION_PROBES)
		r = LL_NOTFOUND;
	else
		r = auth_key_ask(s, OP_AUTH_PROBE, key, n);
	session_answer(s, m, r == LL_OK ? LL_OK : LL_NOTFOUND);
}

static struct tlv_view
auth_view(const struct msg *m, enum field f)
{
	struct tlv_view v = { NULL, 0 };

	v.data = view_bytes(msg_view(m), f, &v.len);
	return v;
}

void
session_auth_key(struct session *s, struct msg *m)
{
	const struct tlv_view key = auth_view(m, F_KEY);
	const struct tlv_view data = auth_view(m, F_DATA);
	const struct tlv_view sig = auth_view(m, F_SIGNATURE);
	enum ll_result r;

	if (!same_user(s, m))
		return;
	if (!key.data || !data.data || !sig.data || !s->has_id) {
		session_end(s, CHILD_VIOLATION, NULL);
		return;
	}
	auth_offered(s, key.data, key.len);
	r = session_key_verify(s->id, s->user, key, data, sig);
	if (!r)
		r = auth_key_ask(s, OP_AUTH_KEY, key.data, key.len);
	if (r == LL_OK) {
		s->state = STATE_FACTOR2;
		session_answer(s, m, LL_AGAIN);
		return;
	}
	s->tries++;
	auth_refuse(s, m, NULL);
}

/* Logged in, or let in to enrol: the client and the daemon are told. */
static void
auth_in(struct session *s, const struct msg *m, enum session_state state)
{
	struct msg *told = NULL;

	s->state = state;
	s->login_ms = s->active_ms = loop_now_ms();
	session_answer(s, m, LL_OK);
	if (msg_create(MSG_EVENT, OP_AUTHENTICATED, &told) != LL_OK)
		return;
	msg_put_text(told, F_USER, s->user);
	if (chan_send(s->daemon, told) != LL_OK)
		session_end(s, CHILD_FAULT, NULL);
}

enum ll_result
session_auth_ticket(struct session *s)
{
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_AUTH_TICKET, &m);

	if (r)
		return r;
	msg_put_bytes(m, F_TICKET_HASH, s->ticket, sizeof(s->ticket));
	r = session_ask(s, m, SESSION_ASK_MS, &reply);
	if (!r)
		r = session_store_identity(s, reply);
	msg_destroy(reply);
	return r;
}

/* A ticket in the passphrase's place opens enrolment. */
static enum ll_result
auth_ticket(struct session *s, const uint8_t *p, size_t n)
{
	char text[KDF_INPUT_MAX + 1];
	enum ll_result r;

	memcpy(text, p, n);
	text[n] = '\0';
	r = ticket_parse(text, s->ticket);
	sodium_memzero(text, sizeof(text));
	if (r)
		return LL_AUTH;
	r = session_auth_ticket(s);
	if (!r)
		r = enrol_create(s->store, NULL, &s->enrol);
	for (size_t i = 0; !r && i < s->offered_count; i++)
		r = enrol_offer_key(s->enrol, s->offered[i],
		    s->offered_len[i]);
	return r;
}

static enum ll_result
auth_password_ask(struct session *s, const uint8_t *p, size_t n,
    uint64_t *delay_r)
{
	uint8_t proof[HASH_BYTES];
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	r = session_vault_stretch(s, p, n, &s->a);
	if (!r)
		r = slot_proof(SLOT_PASSPHRASE, &s->a, proof);
	if (!r)
		r = msg_create(MSG_REQUEST, OP_AUTH_PASSWORD, &m);
	if (r)
		return r;
	msg_put_id(m, F_SLOT_ID, &s->slot.id);
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	sodium_memzero(proof, sizeof(proof));
	r = session_ask(s, m, SESSION_ASK_MS, &reply);
	if (reply)
		*delay_r = view_u64(msg_view(reply), F_DELAY_SECS);
	msg_destroy(reply);
	return r;
}

static void
auth_password_try(struct session *s, const struct msg *m)
{
	const struct tlv_view p = auth_view(m, F_PASSPHRASE);
	uint64_t delay = 0;
	enum ll_result r;

	if (!p.data || p.len > KDF_INPUT_MAX) {
		session_end(s, CHILD_VIOLATION, NULL);
		return;
	}
	if (auth_ticket(s, p.data, p.len) == LL_OK) {
		auth_in(s, m, STATE_ENROL);
		return;
	}
	if (s->state == STATE_ENDING)
		return;
	r = auth_password_ask(s, p.data, p.len, &delay);
	if (r == LL_OK) {
		s->state = STATE_FACTOR2;
		session_answer(s, m, LL_AGAIN);
		return;
	}
	secret_finish(&s->a);
	if (r == LL_BUSY || r == LL_EOF || r == LL_NOMEM) {
		session_answer_words(s, m, LL_BUSY, busy_words);
		return;
	}
	s->tries++;
	if (r == LL_RATE)
		auth_refuse_rate(s, m, delay);
	else
		auth_refuse(s, m, NULL);
}

/* The delay of earlier failures is over. */
static void
auth_resume(void *arg)
{
	struct session *s = arg;
	struct msg *m = s->waiting;

	s->waiting = NULL;
	if (m && s->state == STATE_FACTOR1)
		auth_password_try(s, m);
	msg_destroy(m);
}

/* Keeps a copy of the request until then; only this connection waits. */
static enum ll_result
auth_defer(struct session *s, const struct msg *m, uint64_t ms)
{
	const struct tlv_view p = auth_view(m, F_PASSPHRASE);
	enum ll_result r;

	if (s->waiting)
		return LL_PROTO;
	r = msg_create(MSG_REQUEST, OP_GATE_PASSWORD, &s->waiting);
	if (r)
		return r;
	msg_set_sequence(s->waiting, msg_sequence(m));
	msg_put_bytes(s->waiting, F_PASSPHRASE, p.data, p.len);
	return loop_timer(s->loop, ms, auth_resume, s, NULL);
}

void
session_auth_password(struct session *s, struct msg *m)
{
	uint64_t now, wait;

	if (!same_user(s, m))
		return;
	now = loop_now_ms();
	wait = s->delay_until_ms > now ? s->delay_until_ms - now : 0;
	if (wait > SESSION_DELAY_MAX_SECS * 1000) {
		s->tries++;
		auth_refuse_rate(s, m, wait / 1000 + 1);
		return;
	}
	if (wait == 0)
		auth_password_try(s, m);
	else if (auth_defer(s, m, wait) != LL_OK)
		session_end(s, CHILD_FAULT, NULL);
}

/* --- the second factor, and the passphrase after a key --- */

void
session_auth_prompt(struct session *s, struct msg *m)
{
	struct msg *reply = NULL;

	if (!same_user(s, m))
		return;
	if (msg_reply(m, LL_OK, &reply) == LL_OK) {
		msg_put_text(reply, F_PROMPT, s->state == STATE_UNLOCK ?
		    "Passphrase (Enter: stay locked): " :
		    "Verification code: ");
		msg_put_text(reply, F_INSTRUCTION, s->hint);
	}
	s->hint[0] = '\0';
	session_send(s, reply);
}

/* What was typed without its blanks and dashes. */
static size_t
auth_squeeze(const uint8_t *p, size_t n, char *text, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < room; i++)
		if (p[i] != ' ' && p[i] != '-' && p[i] != '\t')
			text[len++] = (char)p[i];
	text[len] = '\0';
	return len;
}

static enum ll_result
auth_code_ask(struct session *s, const uint8_t *p, size_t n,
    uint64_t *delay_r)
{
	char code[64];
	uint8_t proof[HASH_BYTES];
	struct msg *m = NULL, *reply = NULL;
	const bool backup = auth_squeeze(p, n, code, sizeof(code)) >
	    TOTP_DIGITS;
	enum ll_result r = LL_OK;

	if (!utf8_valid(code, strlen(code)))
		r = LL_USAGE;
	if (!r && backup)
		r = enrol_backup_proof(code, s->backup_salt, proof);
	if (!r)
		r = msg_create(MSG_REQUEST, backup ? OP_AUTH_BACKUP :
		    OP_AUTH_TOTP, &m);
	if (r)
		return r == LL_USAGE ? LL_AUTH : r;
	if (backup)
		msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	else
		msg_put_text(m, F_CODE, code);
	sodium_memzero(code, sizeof(code));
	r = session_ask(s, m, SESSION_ASK_MS, &reply);
	if (reply)
		*delay_r = view_u64(msg_view(reply), F_DELAY_SECS);
	msg_destroy(reply);
	return r;
}

static void
auth_over(struct session *s, const struct msg *m)
{
	secret_finish(&s->a);
	auth_in(s, m, STATE_OK);
}

/* Both factors stand: the store gives pepper, slots and a token. */
static void
auth_done(struct session *s, const struct msg *m)
{
	struct msg *reply = NULL;
	enum ll_result r;

	r = session_ask_plain(s, OP_AUTH_DONE, SESSION_ASK_MS, &reply);
	if (!r)
		r = session_store_identity(s, reply);
	msg_destroy(reply);
	if (r) {
		session_end(s, CHILD_BUSY, busy_words);
		return;
	}
	/* A slot that changed meanwhile leaves the vault locked. */
	if (s->a.data)
		r = session_vault_open(s, &s->a);
	auth_over(s, m);
}

/* The code was right.  Who came with a key may now give the passphrase; the
 * store still checks and counts it, so this comes before AUTH_DONE. */
static void
auth_second(struct session *s, const struct msg *m)
{
	if (s->a.data) {
		auth_done(s, m);
		return;
	}
	s->state = STATE_UNLOCK;
	session_answer(s, m, LL_AGAIN);
}

/* Another prompt, with a reason, while tries are left. */
static void
auth_again(struct session *s, const struct msg *m, const char *hint)
{
	if (s->code_tries >= SESSION_CODE_TRIES) {
		auth_refuse(s, m, hint);
		return;
	}
	(void)snprintf(s->hint, sizeof(s->hint), "%s", hint);
	session_answer(s, m, LL_AGAIN);
}

static void
auth_code(struct session *s, const struct msg *m, const uint8_t *p, size_t n)
{
	char words[100];
	uint64_t delay = 0;
	enum ll_result r = auth_code_ask(s, p, n, &delay);

	if (s->state == STATE_ENDING)
		return;
	if (r == LL_OK) {
		auth_second(s, m);
		return;
	}
	if (r == LL_EOF || r == LL_BUSY || r == LL_NOMEM) {
		session_end(s, CHILD_BUSY, busy_words);
		return;
	}
	s->code_tries++;
	if (r == LL_USED) {
		auth_again(s, m,
		    "That code was used; wait for the next.");
	} else if (r == LL_RATE) {
		auth_wait_words(words, sizeof(words), delay);
		auth_again(s, m, words);
	} else {
		auth_refuse(s, m, NULL);
	}
}

static void
auth_unlock(struct session *s, const struct msg *m, const uint8_t *p,
    size_t n)
{
	uint64_t delay = 0;
	enum ll_result r = LL_OK;

	if (n > 0)
		r = auth_password_ask(s, p, n, &delay);
	if (s->state == STATE_ENDING)
		return;
	if (r == LL_OK) {
		auth_done(s, m);
		return;
	}
	secret_finish(&s->a);
	if (r == LL_AUTH && ++s->code_tries >= SESSION_CODE_TRIES) {
		auth_refuse(s, m, NULL);
		return;
	}
	if (r == LL_RATE)
		auth_wait_words(s->hint, sizeof(s->hint), delay);
	else
		(void)snprintf(s->hint, sizeof(s->hint), "%s", r == LL_AUTH ?
		    "Wrong passphrase." : busy_words);
	session_answer(s, m, LL_AGAIN);
}

void
session_auth_answer(struct session *s, struct msg *m)
{
	const struct tlv_view p = auth_view(m, F_PASSPHRASE);
	static const uint8_t nothing[1];

	if (s->state == STATE_UNLOCK)
		auth_unlock(s, m, p.data ? p.data : nothing, p.len);
	else
		auth_code(s, m, p.data ? p.data : nothing, p.len);
}
