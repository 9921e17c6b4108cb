/*
 * enrol.c - the screens of enrolment: passphrase, verification codes, SSH
 * keys, recovery code, backup codes.
 *
 * The session does all of it; these screens only ask and show.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/secret.h"
#include "keys/totp.h"
#include "keys/vault.h"
#include "store/chan.h"
#include "tui/hint.h"
#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/screen.h"
#include "tui/qrpage.h"
#include "tui/term.h"

#define OFFERED_MAX 16

enum step { STEP_WELCOME, STEP_OLD, STEP_PASS, STEP_TOTP, STEP_KEYS,
    STEP_RECOVERY, STEP_BACKUP };

struct enrol {
	enum step step;
	bool has_old;
	struct secret first;         /* passphrase, typed once */
	struct msg *totp;            /* answer with seed and URI */
	struct msg *codes;           /* answer with recovery, backup codes */
	struct lines lines;
	char fingerprints[OFFERED_MAX][129];
	bool keep[OFFERED_MAX];
	size_t offered;
	unsigned group;              /* of the recovery code, typed back */
};

/* What enrol_main was given. */
static struct {
	struct chan *agent;
	const char *user, *org;
	bool done;
} given;

static void begin(struct view *v, enum step step);

/* One request of the dialogue; text (may be NULL) goes into field f. */
static enum ll_result
ask(enum op op, enum field f, const char *text, struct msg **reply_r,
    char *words, size_t room)
{
	struct msg *m;
	enum ll_result r;

	words[0] = '\0';
	r = msg_create(MSG_REQUEST, op, &m);
	if (r)
		return r;
	if (f == F_PASSPHRASE)
		msg_put_bytes(m, f, text, strlen(text));
	else if (text)
		msg_put_text(m, f, text);
	return chan_ask(given.agent, m, reply_r, words, room);
}

static void
told(const char *what, enum ll_result r, const char *words)
{
	if (r == LL_EOF)
		view_quit(1);
	view_say("%s%s%s", what, *what ? ": " : "",
	    *words ? words : ll_result_text(r));
}

/* --- old mailbox after a reset --- */

static void
anew_agreed(struct view *v)
{
	char words[400];
	enum ll_result r = ask(OP_ENROL_OLD, F_CODE, "", NULL, words,
	    sizeof(words));

	if (r) {
		told("", r, words);
		return;
	}
	begin(v, STEP_PASS);
}

static void
old_typed(struct view *v, const char *code)
{
	char words[400];
	enum ll_result r;

	if (!*code) {
		dialog_typed("Begin anew", "Without the recovery code a new "
		    "pair of keys begins. All mail you have up to now stays "
		    "sealed: it is still there, but nobody can ever read it "
		    "again, unless the code turns up at a later reset.",
		    "begin anew", anew_agreed);
		return;
	}
	r = ask(OP_ENROL_OLD, F_CODE, code, NULL, words, sizeof(words));
	if (r) {
		told("", r, r == LL_AUTH ?
		    "That code does not open the old mailbox" : words);
		return;
	}
	begin(v, STEP_PASS);
	view_say("The old mailbox is open again");
}

/* --- passphrase --- */

static void
pass_again(struct view *v, const char *text)
{
	struct enrol *e = v->state;
	char words[400];
	enum ll_result r;

	if (!e->first.data ||
	    strcmp(text, (const char *)e->first.data) != 0) {
		secret_finish(&e->first);
		view_say("The two were not the same; Enter begins again");
		return;
	}
	r = ask(OP_ENROL_PASS, F_PASSPHRASE, text, NULL, words,
	    sizeof(words));
	secret_finish(&e->first);
	if (r) {
		told("", r, words);
		return;
	}
	begin(v, STEP_TOTP);
}

static void
pass_typed(struct view *v, const char *text)
{
	struct enrol *e = v->state;
	const char *why;

	secret_finish(&e->first);
	if (passphrase_check(text, strlen(text), &why)) {
		view_say("%s", why);
		return;
	}
	if (secret_copy(&e->first, text, strlen(text) + 1)) {
		view_say("No memory for it");
		return;
	}
	dialog_secret("The same once more", "Type the passphrase again, so "
	    "that a slip of the finger does not lock you out.", "Again:",
	    pass_again);
}

static void
ask_pass(void)
{
	char text[700];

	(void)snprintf(text, sizeof(text), "The passphrase opens your "
	    "mailbox. Nobody can look it up or reset it without the mail "
	    "staying sealed.\n\nAt least %d characters; several words that "
	    "do not belong together are good. Blanks and any letters are "
	    "allowed.", PASSPHRASE_MIN);
	dialog_secret("Choose a passphrase", text, "Passphrase:", pass_typed);
}

/* --- verification codes --- */

static void
show_qr(struct view *v)
{
	struct enrol *e = v->state;

	qrpage_open(view_text(msg_view(e->totp), F_DETAIL));
}

static void
code_typed(struct view *v, const char *code)
{
	char words[400];
	enum ll_result r = ask(OP_ENROL_CONFIRM, F_CODE, code, NULL, words,
	    sizeof(words));

	if (r) {
		told("", r, r == LL_AUTH ? "Not the right code. Is the clock "
		    "of your phone right? Wait for the next and try again" :
		    words);
		return;
	}
	begin(v, STEP_KEYS);
}

static void
ask_code(void)
{
	dialog_line("Confirm", "Type the six digits that your app shows now.",
	    "Verification code:", 12, code_typed);
}

static void
fill_totp(struct enrol *e)
{
	struct tlv_view answer = msg_view(e->totp);
	char base32[TOTP_BASE32_MAX], grouped[2 * TOTP_BASE32_MAX];
	const uint8_t *seed;
	size_t len, i, n = 0;

	seed = view_bytes(answer, F_SECRET, &len);
	if (!seed || len > TOTP_SEED_MAX)
		return;
	totp_base32(seed, len, base32);
	for (i = 0; base32[i]; i++) {
		if (i && i % 4 == 0)
			grouped[n++] = ' ';
		grouped[n++] = base32[i];
	}
	grouped[n] = '\0';
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Could you not scan the "
	    "code? Type this key into your app instead (time based, 6 "
	    "digits, 30 seconds):");
	lines_add(&e->lines, 0, 4, PAINT_BOLD, "%s", grouped);
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "The same as an address:");
	lines_add(&e->lines, 0, 4, PAINT_PLAIN, "%s",
	    view_text(answer, F_DETAIL));
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Enter: type a code to "
	    "confirm.  b: the QR code again.");
	sodium_memzero(base32, sizeof(base32));
	sodium_memzero(grouped, sizeof(grouped));
}

static void
begin_totp(struct view *v)
{
	struct enrol *e = v->state;
	char words[400];
	enum ll_result r;

	if (!e->totp) {
		r = ask(OP_ENROL_TOTP, F_CODE, NULL, &e->totp, words,
		    sizeof(words));
		if (r) {
			told("", r, words);
			return;
		}
	}
	fill_totp(e);
	show_qr(v);
}

/* --- SSH keys --- */

static void
fill_keys(struct enrol *e)
{
	size_t i;

	lines_clear(&e->lines);
	lines_add(&e->lines, LINES_NONE, 0, PAINT_PLAIN, "Your connection "
	    "offered these SSH keys. A key that you keep logs you in instead "
	    "of the passphrase (which then only opens the mailbox). Space "
	    "marks, Enter goes on.");
	for (i = 0; i < e->offered; i++)
		lines_add(&e->lines, i, 0, PAINT_PLAIN, "[%c] %s",
		    e->keep[i] ? 'x' : ' ', e->fingerprints[i]);
	view_dirty();
}

static void
finish(struct view *v)
{
	struct enrol *e = v->state;
	struct msg *m;
	char words[400];
	enum ll_result r;
	size_t i;

	r = msg_create(MSG_REQUEST, OP_ENROL_KEYS, &m);
	for (i = 0; !r && i < e->offered; i++)
		if (e->keep[i])
			msg_put_text(m, F_FINGERPRINT, e->fingerprints[i]);
	if (!r)
		r = chan_ask(given.agent, m, NULL, words, sizeof(words));
	if (!r) {
		(void)paint_text(paint_rows() - 2, 0, paint_cols(),
		    PAINT_BOLD, "Making your keys ...");
		paint_show();
		r = ask(OP_ENROL_FINISH, F_CODE, NULL, &e->codes, words,
		    sizeof(words));
	}
	if (r) {
		told("Not enrolled yet (Enter tries again)", r, words);
		return;
	}
	given.done = true;
	begin(v, STEP_RECOVERY);
}

static void
mark(struct view *v)
{
	struct enrol *e = v->state;
	size_t n = lines_tag(&e->lines);

	if (n < e->offered)
		e->keep[n] = !e->keep[n];
	fill_keys(e);
}

/* --- what is shown once --- */

static void
fill_recovery(struct enrol *e)
{
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "You are enrolled. This is "
	    "your recovery code, shown now and never again. It opens your "
	    "mailbox when the passphrase is lost. Write it down and keep it "
	    "where you keep what is valuable.");
	lines_add(&e->lines, 0, 2, PAINT_BOLD, "%s",
	    view_text(msg_view(e->codes), F_CODE));
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Enter: you will be asked "
	    "for a part of it.");
}

static void
part_typed(struct view *v, const char *answer)
{
	struct enrol *e = v->state;
	const char *code = view_text(msg_view(e->codes), F_CODE);
	unsigned i = 0, group = 1;
	char part[5] = "";

	for (; *code && group <= e->group; code++) {
		if (*code == '-')
			group++;
		else if (group == e->group && i < 4)
			part[i++] = *code;
	}
	answer += strspn(answer, " ");
	if (strncasecmp(part, answer, 4) != 0 ||
	    strspn(answer + 4, " ") != strlen(answer + 4)) {
		view_say("Group %u is another. Look at the code again",
		    e->group);
		return;
	}
	begin(v, STEP_BACKUP);
}

static void
ask_part(struct enrol *e)
{
	char prompt[40];

	e->group = 2 + randombytes_uniform(6);
	(void)snprintf(prompt, sizeof(prompt), "Group %u:", e->group);
	dialog_line("Type a part back", "Without looking at the screen: what "
	    "stands in this group of four of the recovery code you wrote "
	    "down?", prompt, 8, part_typed);
}

static void
fill_backup(struct enrol *e)
{
	struct tlv_view row;
	size_t at = 0, n = 0;
	char left[40] = "";

	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Ten backup codes: each one "
	    "stands once for a verification code, when your phone is not at "
	    "hand.");
	while (view_nest(msg_view(e->codes), F_ROW, &at, &row)) {
		if (n++ % 2 == 0) {
			(void)snprintf(left, sizeof(left), "%s",
			    view_text(row, F_CODE));
			continue;
		}
		lines_add(&e->lines, 0, 4, PAINT_BOLD, "%-16s%s", left,
		    view_text(row, F_CODE));
	}
	sodium_memzero(left, sizeof(left));
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Enter ends the enrolment. "
	    "Then log in again.");
}

/* --- the wizard below all that --- */

static void
fill_welcome(struct enrol *e)
{
	static const char *const steps[] = {
		"choose a passphrase",
		"scan a code with an authenticator app and confirm it",
		"keep SSH keys, if your connection offered any",
		"write down a recovery code and ten backup codes",
	};
	size_t i;

	lines_add(&e->lines, 0, 0, PAINT_BOLD, "Welcome %s at %s.",
	    given.user, *given.org ? given.org : "this house");
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Your ticket opens the "
	    "enrolment. It takes about three minutes:");
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		lines_add(&e->lines, 0, 4, PAINT_PLAIN, "%zu. %s", i + 1,
		    steps[i]);
	if (e->has_old)
		lines_add(&e->lines, 0, 0, PAINT_WARN, "Your account was "
		    "reset. With your recovery code you keep the mail you "
		    "have; without it that mail stays sealed for ever.");
	lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Until the end nothing is "
	    "kept, and the ticket stays good. Enter begins.");
}

static void
act(struct view *v)
{
	struct enrol *e = v->state;

	switch (e->step) {
	case STEP_WELCOME:
		begin(v, e->has_old ? STEP_OLD : STEP_PASS);
		break;
	case STEP_OLD:
		dialog_line("Your old mailbox", "Type the recovery code that "
		    "you wrote down when you enrolled. Enter without it "
		    "begins anew.", "Recovery code:", 80, old_typed);
		break;
	case STEP_PASS:
		ask_pass();
		break;
	case STEP_TOTP:
		if (e->totp)
			ask_code();
		else
			begin_totp(v);
		break;
	case STEP_KEYS:
		finish(v);
		break;
	case STEP_RECOVERY:
		ask_part(e);
		break;
	case STEP_BACKUP:
		view_quit(0);
		break;
	}
}

static void
begin(struct view *v, enum step step)
{
	struct enrol *e = v->state;

	e->step = step;
	lines_clear(&e->lines);
	e->lines.at = 0;
	view_dirty();
	switch (step) {
	case STEP_WELCOME:
		fill_welcome(e);
		break;
	case STEP_OLD:
	case STEP_PASS:
		lines_add(&e->lines, 0, 0, PAINT_PLAIN, "Enter: %s",
		    step == STEP_OLD ? "the recovery code of your old mailbox"
		    : "choose your passphrase");
		act(v);
		break;
	case STEP_TOTP:
		begin_totp(v);
		break;
	case STEP_KEYS:
		if (e->offered == 0)
			finish(v);
		else
			fill_keys(e);
		break;
	case STEP_RECOVERY:
		fill_recovery(e);
		break;
	case STEP_BACKUP:
		fill_backup(e);
		break;
	}
}

static enum ll_result
wizard_init(struct view *v, const void *arg)
{
	struct enrol *e = v->state;
	struct msg *reply = NULL;
	struct tlv_view row;
	char words[400];
	size_t at = 0;
	enum ll_result r;

	(void)arg;
	r = ask(OP_ENROL_STATE, F_CODE, NULL, &reply, words, sizeof(words));
	if (r)
		return r;
	e->has_old = view_u64(msg_view(reply), F_FLAGS) == 1;
	while (e->offered < OFFERED_MAX &&
	    view_nest(msg_view(reply), F_ROW, &at, &row))
		(void)snprintf(e->fingerprints[e->offered++], 129, "%s",
		    view_text(row, F_FINGERPRINT));
	msg_destroy(reply);
	begin(v, STEP_WELCOME);
	return LL_OK;
}

static void
wizard_finish(struct view *v)
{
	struct enrol *e = v->state;

	lines_clear(&e->lines);
	secret_finish(&e->first);
	msg_destroy(e->totp);
	msg_destroy(e->codes);
}

static void
wizard_title(const struct view *v, char *text, size_t room)
{
	const struct enrol *e = v->state;
	static const char *const titles[] = { "Enrolment", "Old mailbox",
	    "Passphrase", "Verification codes", "SSH keys", "Recovery code",
	    "Backup codes" };

	(void)snprintf(text, room, "%s", titles[e->step]);
}

static void
wizard_draw(struct view *v)
{
	struct enrol *e = v->state;
	int top, below;

	view_area(&top, &below);
	lines_draw(&e->lines, top + 1, below);
}

static bool
wizard_key(struct view *v, const struct key *k)
{
	struct enrol *e = v->state;
	int top, below;

	view_area(&top, &below);
	return lines_key(&e->lines, k, below - top);
}

static void
give_up(struct view *v)
{
	(void)v;
	view_quit(given.done ? 0 : 1);
}

static void
wizard_leave(struct view *v)
{
	struct enrol *e = v->state;

	if (e->step >= STEP_RECOVERY)
		view_say("Enter goes on; these codes are shown only now");
	else
		dialog_confirm("Give up?", "Nothing is kept. The ticket stays "
		    "good for another try.", give_up);
}

static bool
at_totp(const struct view *v)
{
	const struct enrol *e = v->state;

	return e->step == STEP_TOTP && e->totp;
}

static bool
at_keys(const struct view *v)
{
	const struct enrol *e = v->state;

	return e->step == STEP_KEYS;
}

static const struct view_verb verbs[] = {
	{ K_ENTER, 0, "Go on", "go on", "The next step", act, NULL },
	{ 'b', 0, "QR code", "QR code",
	    "Shows the QR code (there: i inverts it)", show_qr, at_totp },
	{ ' ', 'x', "Mark", "mark", "Keeps the key under the cursor", mark,
	    at_keys },
};

static const struct view_ops wizard_ops = {
	.state_bytes = sizeof(struct enrol),
	.title = wizard_title,
	.init = wizard_init,
	.draw = wizard_draw,
	.key = wizard_key,
	.leave = wizard_leave,
	.finish = wizard_finish,
	.verbs = VIEW_VERBS(verbs),
};

static const struct view_verb enrol_globals[] = {
	{ '?', K_F1, NULL, "help", "Every key of this screen", hint_help,
	    NULL },
};

/* The session ended or sent something: only its end matters here. */
static void
drain(void)
{
	struct msg *m = NULL;
	enum ll_result r;

	while ((r = chan_recv(given.agent, &m)) == LL_OK) {
		if (msg_op(m) == OP_AGENT_LOCKING)
			view_quit(given.done ? 0 : 1);
		msg_destroy(m);
	}
	if (r != LL_AGAIN)
		view_quit(given.done ? 0 : 1);
}

int
enrol_main(struct chan *agent, const char *user, const char *org)
{
	int status = 1;

	given.agent = agent;
	given.user = user;
	given.org = org;
	given.done = false;
	view_setup(NULL, enrol_globals, 1);
	if (view_push(&wizard_ops, NULL) == LL_OK)
		status = view_loop(chan_fd(agent), drain);
	term_stop();
	(void)dprintf(STDOUT_FILENO, "%s\r\n", given.done ?
	    "You are enrolled. Log in again with passphrase or key, and a "
	    "code." : "Not enrolled. The ticket is still good.");
	return given.done ? 0 : status;
}
