#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/totp.h"
#include "keys/vault.h"
#include "store/msg.h"
#include "tui/line.h"
#include "tui/qr.h"
#include "tui/teletype.h"

#define WORDS_ROOM 400
#define QR_LINE 2048

/* An enrolment on a teletype. */
struct enrolment {
	struct chan *agent;
	struct teletype *t;
	const char *user, *org;
	char words[WORDS_ROOM];      /* of the last refusal */
};

static enum ll_result
ask(struct enrolment *e, struct msg *m, struct msg **reply_r)
{
	return chan_ask(e->agent, m, reply_r, e->words, sizeof e->words);
}

static void
refuse(struct enrolment *e, enum ll_result r)
{
	teletype_say(e->t, "%s\n", *e->words ? e->words :
	    ll_result_text(r));
}

/* Whether trying again makes sense. */
static bool
may_retry(enum ll_result r)
{
	return r == LL_AUTH || r == LL_USAGE || r == LL_BUSY || r == LL_USED
	    || r == LL_RATE;
}

/* Sends a secret typed by the person in one field. */
static enum ll_result
send_secret(struct enrolment *e, enum op op, enum field field,
    const struct secret *s, size_t len)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, op, &m);
	if (r)
		return r;
	if (field == F_CODE) {
		char text[64];

		(void)snprintf(text, sizeof text, "%.*s",
		    (int)(len < 63 ? len : 63), (const char *)s->data);
		msg_put_text(m, F_CODE, text);
		sodium_memzero(text, sizeof text);
	} else {
		msg_put_bytes(m, field, s->data, len);
	}
	return ask(e, m, NULL);
}

/* --- step 1: the passphrase --- */

static enum ll_result
passphrase_once(struct enrolment *e)
{
	struct secret first = SECRET_NONE, again = SECRET_NONE;
	size_t len, len2;
	enum ll_result r;

	r = teletype_secret(e->t, "New passphrase: ", &first, &len);
	if (r == LL_OK)
		r = teletype_secret(e->t, "The same again: ", &again, &len2);
	if (r)
		goto out;
	if (len != len2 || sodium_memcmp(first.data, again.data, len) != 0) {
		teletype_say(e->t, "The two differ.\n");
		r = LL_AGAIN;
		goto out;
	}
	r = send_secret(e, OP_ENROL_PASS, F_PASSPHRASE, &first, len);
	if (may_retry(r)) {
		refuse(e, r);
		r = LL_AGAIN;
	}
out:
	secret_finish(&first);
	secret_finish(&again);
	return r;
}

static enum ll_result
step_passphrase(struct enrolment *e)
{
	enum ll_result r;

	teletype_say(e->t, "\n1. A passphrase of at least %d characters: "
	    "several words that only you would put together. Nobody can "
	    "read your mail without it, and nobody can tell it to you.\n",
	    PASSPHRASE_MIN);
	if (!teletype_is_tty(e->t))
		teletype_say(e->t, "(Your terminal may show what you "
		    "type.)\n");
	do
		r = passphrase_once(e);
	while (r == LL_AGAIN);
	return r;
}

/* --- the old vault, after a reset --- */

static enum ll_result
old_once(struct enrolment *e)
{
	struct secret code = SECRET_NONE;
	size_t len;
	enum ll_result r;

	r = teletype_secret(e->t, "Recovery code (Enter: begin anew): ",
	    &code, &len);
	if (r)
		return r;
	if (len == 0 && !teletype_yes(e->t, "Begin with new keys? Old mail "
	    "then stays sealed for ever.")) {
		secret_finish(&code);
		return LL_AGAIN;
	}
	r = send_secret(e, OP_ENROL_OLD, F_CODE, &code, len);
	secret_finish(&code);
	if (may_retry(r)) {
		refuse(e, r);
		r = LL_AGAIN;
	}
	return r;
}

static enum ll_result
step_old(struct enrolment *e)
{
	enum ll_result r;

	teletype_say(e->t, "\nYour account was reset. Your old mail is sealed "
	    "to keys that the recovery code you were given opens.\n");
	do
		r = old_once(e);
	while (r == LL_AGAIN);
	return r;
}

/* --- step 2: the code generator --- */

static void
say_groups(struct enrolment *e, const char *text)
{
	size_t i, len = strlen(text);

	for (i = 0; i < len; i += 4)
		teletype_say(e->t, "%s%.4s", i ? " " : "", text + i);
	teletype_say(e->t, "\n");
}

static void
say_qr(struct enrolment *e, const char *uri)
{
	char text[QR_LINE];
	struct qr *q;
	int rows, cols, i;

	if (qr_create(uri, &q)) {
		teletype_say(e->t, "It can't be drawn; use the text.\n");
		return;
	}
	qr_cells(q, false, 2, &rows, &cols);
	for (i = 0; i < rows; i++) {
		qr_row(q, false, 2, true, i, text, sizeof text);
		teletype_say(e->t, "%s\n", text);
	}
	sodium_memzero(text, sizeof text);
	qr_destroy(q);
}

static enum ll_result
confirm_once(struct enrolment *e, const char *uri)
{
	struct secret code = SECRET_NONE;
	size_t len;
	enum ll_result r;

	r = teletype_secret(e->t, "The code it shows now (or qr): ", &code,
	    &len);
	if (r)
		return r;
	if (len == 2 && memcmp(code.data, "qr", 2) == 0) {
		say_qr(e, uri);
		r = LL_AGAIN;
	} else {
		r = send_secret(e, OP_ENROL_CONFIRM, F_CODE, &code, len);
		if (may_retry(r)) {
			refuse(e, r);
			r = LL_AGAIN;
		}
	}
	secret_finish(&code);
	return r;
}

static enum ll_result
step_totp(struct enrolment *e)
{
	char base32[TOTP_BASE32_MAX];
	const uint8_t *seed;
	const char *uri;
	size_t len = 0;
	struct msg *m, *reply;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_ENROL_TOTP, &m);
	if (r == LL_OK)
		r = ask(e, m, &reply);
	if (r)
		return r;
	seed = view_bytes(msg_view(reply), F_SECRET, &len);
	uri = view_text(msg_view(reply), F_DETAIL);
	if (!seed || len < 10 || len > TOTP_SEED_MAX) {
		msg_destroy(reply);
		return LL_PROTO;
	}
	totp_base32(seed, len, base32);
	teletype_say(e->t, "\n2. A code generator (an app on your phone, or "
	    "any TOTP program). Give it this secret:\n");
	say_groups(e, base32);
	teletype_say(e->t, "or this address:\n%s\nType qr to have it drawn "
	    "for the camera.\n", uri);
	do
		r = confirm_once(e, uri);
	while (r == LL_AGAIN);
	sodium_memzero(base32, sizeof base32);
	msg_destroy(reply);
	return r;
}

/* --- step 3: SSH keys --- */

static enum ll_result
step_keys(struct enrolment *e, const struct msg *state)
{
	struct tlv_view row;
	const char *print;
	struct msg *m;
	size_t at = 0, offered = 0;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_ENROL_KEYS, &m);
	if (r)
		return r;
	while (view_nest(msg_view(state), F_ROW, &at, &row)) {
		print = view_text(row, F_FINGERPRINT);
		if (offered++ == 0)
			teletype_say(e->t, "\n3. Your SSH client showed "
			    "these keys. One that you keep logs you in "
			    "without the passphrase prompt.\n");
		teletype_say(e->t, "%s\n", print);
		if (teletype_yes(e->t, "Keep this key?"))
			msg_put_text(m, F_FINGERPRINT, print);
	}
	return ask(e, m, NULL);
}

/* --- the last: codes for bad days --- */

/* The recovery code, typed back once so that it is known to be written. */
static void
type_back(struct enrolment *e, const char *code)
{
	const char *last = strrchr(code, '-');
	char *text;
	bool right = false;

	last = last ? last + 1 : code;
	while (!right) {
		if (teletype_line(e->t, "Type its last group back: ", &text))
			return;
		right = strcasecmp(text, last) == 0;
		if (!right && strlen(text) > strlen(last))
			right = strcasecmp(text, code) == 0;
		if (!right)
			teletype_say(e->t, "That is not what stands above: "
			    "look again.\n");
		sodium_memzero(text, strlen(text));
		free(text);
	}
}

static enum ll_result
step_finish(struct enrolment *e)
{
	struct tlv_view row;
	struct msg *m, *reply;
	size_t at = 0;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_ENROL_FINISH, &m);
	if (r == LL_OK)
		r = ask(e, m, &reply);
	if (r)
		return r;
	teletype_say(e->t, "\nEnrolled. Write these down; they are shown "
	    "this once.\n\nRecovery code (opens your mail if you forget the "
	    "passphrase):\n%s\n\nBackup codes (each replaces the code "
	    "generator once):\n", view_text(msg_view(reply), F_CODE));
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		teletype_say(e->t, "%s\n", view_text(row, F_CODE));
	teletype_say(e->t, "\n");
	type_back(e, view_text(msg_view(reply), F_CODE));
	teletype_say(e->t, "Done. Log in again with your passphrase (or your "
	    "key) and a code.\n");
	msg_destroy(reply);
	return LL_OK;
}

static enum ll_result
run(struct enrolment *e)
{
	struct msg *m, *state = NULL;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_ENROL_STATE, &m);
	if (r == LL_OK)
		r = ask(e, m, &state);
	if (r)
		return r;
	teletype_say(e->t, "%s: welcome, %s. This sets your account up.\n",
	    *e->org ? e->org : "letterlock", e->user);
	r = step_passphrase(e);
	if (r == LL_OK && view_u64(msg_view(state), F_FLAGS) == 1)
		r = step_old(e);
	if (r == LL_OK)
		r = step_totp(e);
	if (r == LL_OK)
		r = step_keys(e, state);
	if (r == LL_OK)
		r = step_finish(e);
	msg_destroy(state);
	return r;
}

int
line_enrol_main(struct chan *agent, const char *user, const char *org)
{
	struct enrolment e = { .agent = agent, .user = user, .org = org };
	enum ll_result r;

	if (teletype_create(STDIN_FILENO, STDOUT_FILENO, &e.t))
		return 75;
	r = run(&e);
	if (r && r != LL_EOF)
		refuse(&e, r);
	if (r)
		teletype_say(e.t, "Not enrolled: nothing was changed.\n");
	teletype_destroy(e.t);
	return r ? 1 : 0;
}
