/*
 * account.c - who is logged in here, and the SSH keys of that person.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"

#define KEYS_MAX 64
#define KEY_BLOB_MAX 4096
#define KEY_LINE_MAX 6000

struct account {
	struct lines lines;          /* first: see lines_view_draw */
	char fingerprints[KEYS_MAX][129];
	size_t key_count;
};

static void
add_self(struct lines *l)
{
	const struct desk_self *s = center_self(view_center());
	char size[24];
	size_t i;

	lines_add(l, LINES_NONE, 0, PAINT_BOLD, "%s  %s", s->user, s->email);
	if (*s->name)
		lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "name: %s", s->name);
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "role: %s at %s",
	    role_name(s->role), *s->org ? s->org : "this house");
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "mailbox: %s", s->locked ?
	    "sealed (o: passphrase)" : "open");
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "key generation: %" PRIu64,
	    s->generation);
	for (i = 0; i < s->factor_count; i++)
		lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "logged in by: %s",
		    s->factors[i]);
	words_bytes(s->attachment_max, size, sizeof(size));
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "attachments: up to %s each",
	    size);
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "undo after sending: %"
	    PRIu64 " s; messages expire after %" PRIu64 " days", s->undo_secs,
	    s->expiry_days);
}

static enum ll_result
load(struct account *a)
{
	struct msg *m, *reply = NULL;
	struct tlv_view row;
	size_t at = 0;
	char date[12];
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_KEY_LIST, &m);
	if (!r)
		r = desk_ask(center_desk(view_center()), m, &reply);
	if (r)
		return r;
	lines_clear(&a->lines);
	a->key_count = 0;
	add_self(&a->lines);
	lines_add(&a->lines, LINES_NONE, 0, PAINT_BOLD, "SSH keys");
	while (a->key_count < KEYS_MAX &&
	    view_nest(msg_view(reply), F_ROW, &at, &row)) {
		(void)snprintf(a->fingerprints[a->key_count], 129, "%s",
		    view_text(row, F_FINGERPRINT));
		words_date(view_u64(row, F_TIME), date);
		lines_add(&a->lines, a->key_count++, 4, PAINT_PLAIN,
		    "%s  %s  %s", view_text(row, F_FINGERPRINT), date,
		    view_text(row, F_NAME));
	}
	if (a->key_count == 0)
		lines_add(&a->lines, LINES_NONE, 4, PAINT_PLAIN,
		    "none: you log in with your passphrase");
	msg_destroy(reply);
	view_dirty();
	return LL_OK;
}

static void
reload(struct view *v)
{
	enum ll_result r = load(v->state);

	if (r)
		view_fail("Account", r);
}

static enum ll_result
account_init(struct view *v, const void *arg)
{
	(void)arg;
	return load(v->state);
}

static void
account_finish(struct view *v)
{
	struct account *a = v->state;

	lines_clear(&a->lines);
}

static void
account_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "Your account and this session");
}

/* --- verbs --- */

/* "ssh-ed25519 BASE64 comment": the blob has to name the same type. */
static enum ll_result
parse_key(const char *line, uint8_t blob[KEY_BLOB_MAX], size_t *len_r,
    const char **comment_r)
{
	size_t type_len = strcspn(line, " "), n;
	const char *b64 = line + type_len + strspn(line + type_len, " ");
	const char *end;

	if (type_len == 0 || type_len > 64 ||
	    sodium_base642bin(blob, KEY_BLOB_MAX, b64, strcspn(b64, " "),
	    NULL, len_r, &end, sodium_base64_VARIANT_ORIGINAL))
		return LL_USAGE;
	if (*len_r < 4 + type_len)
		return LL_USAGE;
	n = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 |
	    (size_t)blob[2] << 8 | blob[3];
	if (n != type_len || memcmp(blob + 4, line, type_len) != 0)
		return LL_USAGE;
	*comment_r = end + strspn(end, " ");
	return LL_OK;
}

static void
add_typed(struct view *v, const char *answer)
{
	uint8_t blob[KEY_BLOB_MAX];
	const char *comment;
	struct msg *m;
	size_t len;
	enum ll_result r;

	answer += strspn(answer, " ");
	if (parse_key(answer, blob, &len, &comment)) {
		view_say("That is no line of a public key file (id_x.pub)");
		return;
	}
	r = msg_create(MSG_REQUEST, OP_KEY_ADD, &m);
	if (!r) {
		msg_put_bytes(m, F_KEY, blob, len);
		msg_put_text(m, F_NAME, comment);
		r = desk_ask(center_desk(view_center()), m, NULL);
	}
	if (r)
		view_fail("Not added", r);
	reload(v);
}

static void
add(struct view *v)
{
	(void)v;
	dialog_line("Add an SSH key", "Paste the one line of your public key "
	    "file, for example of ~/.ssh/id_ed25519.pub. From then on you "
	    "log in with this key and a code; the passphrase only opens the "
	    "mailbox.", "Key:", KEY_LINE_MAX, add_typed);
}

static bool
on_key(const struct view *v)
{
	const struct account *a = v->state;

	return lines_tag(&a->lines) < a->key_count;
}

static void
remove_agreed(struct view *v)
{
	struct account *a = v->state;
	struct msg *m;
	enum ll_result r;

	if (!on_key(v))
		return;
	r = msg_create(MSG_REQUEST, OP_KEY_REMOVE, &m);
	if (!r) {
		msg_put_text(m, F_FINGERPRINT,
		    a->fingerprints[lines_tag(&a->lines)]);
		r = desk_ask(center_desk(view_center()), m, NULL);
	}
	if (r)
		view_fail("Not removed", r);
	else
		view_say("Removed: it opens no login any more");
	reload(v);
}

static void
remove_key(struct view *v)
{
	const struct account *a = v->state;
	char text[300];

	(void)snprintf(text, sizeof(text), "Remove the key %s? It will not "
	    "log in any more; you can add it again.",
	    a->fingerprints[lines_tag(&a->lines)]);
	dialog_confirm("Remove an SSH key", text, remove_agreed);
}

static const struct view_verb verbs[] = {
	{ 'K', 0, "Add key", "add SSH key", "Adds a public key of yours",
	    add, NULL },
	{ 'X', 0, "Remove key", "remove SSH key",
	    "Removes the key under the cursor", remove_key, on_key },
};

static const struct view_ops account_ops = {
	.state_bytes = sizeof(struct account),
	.title = account_title,
	.init = account_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.finish = account_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
account_open(void)
{
	(void)view_push(&account_ops, NULL);
}
