#include "server/gate.h"

#include <string.h>

#include <sodium.h>

#define AUTH_BLOB_MAX 4096
#define AUTH_PASSPHRASE_MAX 1024
#define AUTH_TRIES_MAX 64          /* requests of any kind before login */

/*
 * The name of the first request is the name of the connection: libssh lets it
 * change between factors.  False: the connection is over.
 */
static bool
auth_user(struct gate *g, const char *user)
{
	const size_t n = user ? strlen(user) : 0;

	if (g->over)
		return false;
	if (++g->tries > AUTH_TRIES_MAX || n == 0 || n > GATE_USER_MAX ||
	    !utf8_valid(user, n)) {
		gate_lost(g, CHILD_VIOLATION);
		return false;
	}
	if (g->user[0] == '\0')
		memcpy(g->user, user, n + 1);
	if (strcmp(g->user, user) != 0) {
		gate_lost(g, CHILD_VIOLATION);
		return false;
	}
	return true;
}

/* Words that came with an answer are shown while the client is still asking
 * for a login; there is no other way to say "busy". */
static void
auth_words(struct gate *g, const struct msg *reply)
{
	const char *words = view_text(msg_view(reply), F_WORDS);
	ssh_string banner;
	char line[1100];
	size_t n = strlen(words);

	if (n == 0 || n > sizeof(line) - 3)
		return;
	memcpy(line, words, n);
	memcpy(line + n, "\r\n", 3);
	banner = ssh_string_from_char(line);
	if (banner)
		(void)ssh_send_issue_banner(g->ssh, banner);
	ssh_string_free(banner);
}

/* Sends a request about a first factor; true when the session takes it. */
static int
auth_first(struct gate *g, struct msg *request)
{
	struct msg *reply = NULL;
	enum ll_result r = gate_ask(g, request, &reply);

	if (r)
		return SSH_AUTH_DENIED;
	r = msg_result(reply);
	auth_words(g, reply);
	msg_destroy(reply);
	if (r == LL_OK) {
		g->authed = true;
		return SSH_AUTH_SUCCESS;
	}
	if (r != LL_AGAIN)
		return SSH_AUTH_DENIED;
	g->first_ok = true;
	ssh_set_auth_methods(g->ssh, SSH_AUTH_METHOD_INTERACTIVE);
	return SSH_AUTH_PARTIAL;
}

static int
auth_password(ssh_session ssh, const char *user, const char *password,
    void *userdata)
{
	struct gate *g = userdata;
	struct msg *request = NULL;
	size_t n;

	(void)ssh;
	if (!auth_user(g, user) || g->first_ok || g->authed)
		return SSH_AUTH_DENIED;
	n = strlen(password);
	if (n > AUTH_PASSPHRASE_MAX)
		n = 0;
	if (msg_create(MSG_REQUEST, OP_GATE_PASSWORD, &request) != LL_OK)
		return SSH_AUTH_DENIED;
	msg_put_text(request, F_USER, g->user);
	msg_put_bytes(request, F_PASSPHRASE, password, n);
	return auth_first(g, request);
}

static int
auth_probe(struct gate *g, const uint8_t *blob, size_t len)
{
	struct msg *request = NULL, *reply = NULL;
	enum ll_result r;

	if (msg_create(MSG_REQUEST, OP_GATE_PROBE, &request) != LL_OK)
		return SSH_AUTH_DENIED;
	msg_put_text(request, F_USER, g->user);
	msg_put_bytes(request, F_KEY, blob, len);
	r = gate_ask(g, request, &reply);
	if (!r)
		r = msg_result(reply);
	msg_destroy(reply);
	return r == LL_OK ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

static int
auth_key(struct gate *g, const uint8_t *blob, size_t len)
{
	const uint8_t *data, *sig;
	size_t data_len, sig_len;
	struct msg *request = NULL;

	if (!gate_hook_verified(&data, &data_len, &sig, &sig_len))
		return SSH_AUTH_DENIED;
	if (msg_create(MSG_REQUEST, OP_GATE_KEY, &request) != LL_OK)
		return SSH_AUTH_DENIED;
	msg_put_text(request, F_USER, g->user);
	msg_put_bytes(request, F_KEY, blob, len);
	msg_put_bytes(request, F_DATA, data, data_len);
	msg_put_bytes(request, F_SIGNATURE, sig, sig_len);
	return auth_first(g, request);
}

/* state NONE is a probe ("would you take this key?") and changes nothing. */
static int
auth_pubkey(ssh_session ssh, const char *user, struct ssh_key_struct *key,
    char state, void *userdata)
{
	struct gate *g = userdata;
	uint8_t blob[AUTH_BLOB_MAX];
	size_t len = 0;

	(void)ssh;
	if (!auth_user(g, user) || g->first_ok || g->authed)
		return SSH_AUTH_DENIED;
	if (gate_key_blob(key, blob, sizeof(blob), &len) != LL_OK)
		return SSH_AUTH_DENIED;
	if (state == SSH_PUBLICKEY_STATE_NONE)
		return auth_probe(g, blob, len);
	if (state != SSH_PUBLICKEY_STATE_VALID)
		return SSH_AUTH_DENIED;
	return auth_key(g, blob, len);
}

/* Asks the session for the next prompt and sends it.  0 when one is out. */
static int
auth_prompt(struct gate *g, ssh_message m)
{
	struct msg *request = NULL, *reply = NULL;
	const char *prompts[1];
	char echo[1] = { 0 };
	char prompt[201], instruction[401];

	if (msg_create(MSG_REQUEST, OP_GATE_PROMPT, &request) != LL_OK)
		return 1;
	msg_put_text(request, F_USER, g->user);
	if (gate_ask(g, request, &reply) != LL_OK)
		return 1;
	if (msg_result(reply) != LL_OK) {
		msg_destroy(reply);
		return 1;
	}
	(void)snprintf(prompt, sizeof(prompt), "%s",
	    view_text(msg_view(reply), F_PROMPT));
	(void)snprintf(instruction, sizeof(instruction), "%s",
	    view_text(msg_view(reply), F_INSTRUCTION));
	msg_destroy(reply);
	prompts[0] = prompt;
	if (ssh_message_auth_interactive_request(m, "", instruction, 1,
	    prompts, echo) != SSH_OK)
		return 1;
	g->prompted = true;
	return 0;
}

/* One prompt has one answer, and only while it is open. */
static int
auth_answer(struct gate *g, ssh_message m)
{
	struct msg *request = NULL, *reply = NULL;
	const char *answer;
	size_t n;
	enum ll_result r;

	if (!g->prompted || ssh_userauth_kbdint_getnanswers(g->ssh) != 1) {
		gate_lost(g, CHILD_VIOLATION);
		return 1;
	}
	g->prompted = false;
	answer = ssh_userauth_kbdint_getanswer(g->ssh, 0);
	n = answer ? strlen(answer) : 0;
	if (n > AUTH_PASSPHRASE_MAX)
		n = 0;
	if (msg_create(MSG_REQUEST, OP_GATE_ANSWER, &request) != LL_OK)
		return 1;
	msg_put_bytes(request, F_PASSPHRASE, answer, n);
	if (gate_ask(g, request, &reply) != LL_OK)
		return 1;
	r = msg_result(reply);
	auth_words(g, reply);
	msg_destroy(reply);
	if (r == LL_AGAIN)
		return auth_prompt(g, m);
	if (r != LL_OK)
		return 1;
	g->authed = true;
	(void)ssh_message_auth_reply_success(m, 0);
	return 0;
}

/* 1 lets the library refuse in its own words; 0 means answered here. */
static int
auth_message(ssh_session ssh, ssh_message m, void *userdata)
{
	struct gate *g = userdata;

	(void)ssh;
	if (ssh_message_type(m) != SSH_REQUEST_AUTH ||
	    ssh_message_subtype(m) != SSH_AUTH_METHOD_INTERACTIVE)
		return 1;
	if (g->authed || g->over)
		return 1;
	if (ssh_message_auth_kbdint_is_response(m))
		return auth_answer(g, m);
	g->prompted = false;
	if (!auth_user(g, ssh_message_auth_user(m)) || !g->first_ok)
		return 1;
	return auth_prompt(g, m);
}

void
gate_auth_init(struct gate *g)
{
	memset(&g->callbacks, 0, sizeof(g->callbacks));
	g->callbacks.userdata = g;
	g->callbacks.auth_password_function = auth_password;
	g->callbacks.auth_pubkey_function = auth_pubkey;
	g->callbacks.channel_open_request_session_function =
	    gate_channel_open;
	ssh_callbacks_init(&g->callbacks);
	ssh_set_server_callbacks(g->ssh, &g->callbacks);
	ssh_set_message_callback(g->ssh, auth_message, g);
	ssh_set_auth_methods(g->ssh, SSH_AUTH_METHOD_PUBLICKEY |
	    SSH_AUTH_METHOD_PASSWORD);
}
