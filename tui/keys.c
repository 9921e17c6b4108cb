/*
 * keys.c - other people's keys: added, confirmed, removed; and one's own.
 */
#include <stdio.h>
#include <string.h>

#include "keys/clean.h"
#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/paste.h"

struct keys {
	struct lines lines;          /* first: see lines_view_draw */
	char address[321];           /* "" for all */
	char adding[321];            /* whose key is being pasted */
	struct center_keys all;
	struct center_owns own;
};

static void
add_key(struct lines *l, size_t n, const struct center_key *k)
{
	char text[CENTER_FINGERPRINT], date[12];

	center_fingerprint_text(k->fingerprint, text);
	lines_add(l, n, 0, k->changed ? PAINT_WARN : PAINT_BOLD,
	    "%s  %s  %s%s", k->address, center_format_name(k->format),
	    k->algorithm, k->house ? "  (of the house)" : "");
	lines_add(l, n, 4, PAINT_PLAIN, "%s", text);
	lines_add(l, n, 4, k->changed ? PAINT_WARN : PAINT_PLAIN, "%s",
	    center_key_sentence(k));
	if (k->expires) {
		words_date(k->expires, date);
		lines_add(l, n, 4, PAINT_PLAIN, "expires %s", date);
	}
}

static void
add_own(struct lines *l, const struct center_own *k)
{
	char text[CENTER_FINGERPRINT];
	bool smime = k->format == PARSE_SMIME;

	center_fingerprint_text(k->fingerprint, text);
	lines_add(l, LINES_NONE, 0, PAINT_BOLD, "yours  %s  %s",
	    center_format_name(k->format), k->algorithm);
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, "%s", text);
	lines_add(l, LINES_NONE, 4, PAINT_PLAIN, k->usable ?
	    "for others: ssh HOST key export --%s > FILE" :
	    "no certificate yet: the administration makes one, or ssh HOST "
	    "key import takes yours", smime ?
	    "smime" : "openpgp");
}

static void
fill(struct keys *s)
{
	size_t i;

	lines_clear(&s->lines);
	for (i = 0; i < s->all.count; i++)
		add_key(&s->lines, i, &s->all.rows[i]);
	if (s->all.count == 0)
		lines_add(&s->lines, LINES_NONE, 0, PAINT_PLAIN,
		    "No keys of others yet: a adds one.");
	for (i = 0; i < s->own.count; i++)
		add_own(&s->lines, &s->own.rows[i]);
	view_dirty();
}

static enum ll_result
load(struct keys *s)
{
	struct center_keys all;
	struct center_owns own = { NULL, 0 };
	enum ll_result r;

	r = center_keys(view_center(), *s->address ? s->address : NULL, &all);
	if (r)
		return r;
	if (!*s->address && center_self(view_center())->role == ROLE_STAFF)
		r = center_own_keys(view_center(), &own);
	if (r) {
		center_keys_finish(&all);
		return r;
	}
	center_keys_finish(&s->all);
	center_own_keys_finish(&s->own);
	s->all = all;
	s->own = own;
	fill(s);
	return LL_OK;
}

static void
reload(struct view *v)
{
	enum ll_result r = load(v->state);

	if (r)
		view_fail("Keys", r);
}

static enum ll_result
keys_init(struct view *v, const void *arg)
{
	struct keys *s = v->state;

	(void)snprintf(s->address, sizeof(s->address), "%s",
	    (const char *)arg);
	return load(s);
}

static void
keys_finish(struct view *v)
{
	struct keys *s = v->state;

	lines_clear(&s->lines);
	center_keys_finish(&s->all);
	center_own_keys_finish(&s->own);
}

static void
keys_title(const struct view *v, char *text, size_t room)
{
	const struct keys *s = v->state;

	if (*s->address)
		(void)snprintf(text, room, "Keys of %s", s->address);
	else
		(void)snprintf(text, room, "Keys: %zu of others",
		    s->all.count);
}

static const struct center_key *
current(const struct view *v)
{
	const struct keys *s = v->state;
	size_t n = lines_tag(&s->lines);

	return n < s->all.count ? &s->all.rows[n] : NULL;
}

/* The house's keys are for the administration to change. */
static bool
is_mine(const struct view *v)
{
	const struct center_key *k = current(v);

	return k && (!k->house
	    || center_self(view_center())->role == ROLE_ADMIN);
}

static bool
can_confirm(const struct view *v)
{
	return is_mine(v) && (current(v)->changed || !current(v)->confirmed);
}

static bool
can_add(const struct view *v)
{
	(void)v;
	return center_self(view_center())->role == ROLE_ADMIN
	    || !center_self(view_center())->locked;
}

/* --- adding --- */

static void
tell_added(const struct center_addition *a)
{
	size_t i, n = 0;
	bool changed = false;

	for (i = 0; i < a->count; i++) {
		n += a->rows[i].added;
		changed = changed || a->rows[i].changed;
	}
	view_say(changed ? "Added, but another key stands there: C confirms "
	    "the new one" : n == 1 ? "Added: the next message can use it" :
	    "Added: the next message can use them");
}

static void
pasted(struct view *v, const char *text, size_t len)
{
	struct keys *s = v->state;
	struct center_addition a;
	enum ll_result r;

	r = center_key_add(view_center(), s->adding, text, len, &a);
	if (r) {
		view_fail("Not added", r);
		return;
	}
	reload(v);
	tell_added(&a);
	center_addition_finish(&a);
}

static void
ask_key(struct keys *s, const char *address)
{
	char title[400];

	(void)snprintf(s->adding, sizeof(s->adding), "%s", address);
	(void)snprintf(title, sizeof(title), "A key of %s", address);
	paste_open(title, "Paste the OpenPGP key or the certificate, from "
	    "-----BEGIN to -----END. Adding it says that you have checked it "
	    "with its owner: compare the fingerprint by phone.",
	    PARSE_KEY_MAX, pasted);
}

static void
address_typed(struct view *v, const char *typed)
{
	char text[330], clean[321];
	const char *why = NULL;
	bool domain = *typed == '@';

	(void)snprintf(text, sizeof(text), "%s%.320s", domain ? "x" : "",
	    typed);
	if (clean_address(text, clean, &why)) {
		view_say("%s", why ? why : "That is no e-mail address");
		return;
	}
	ask_key(v->state, clean + domain);
}

static void
add(struct view *v)
{
	struct keys *s = v->state;

	if (*s->address)
		ask_key(s, s->address);
	else
		dialog_line("Whose key", "The e-mail address that the key is "
		    "for; @partner.example stands for everybody in a domain.",
		    "Address:", 320, address_typed);
}

/* --- confirming, removing --- */

static void
confirm_agreed(struct view *v)
{
	const struct center_key *k = current(v);
	struct center_keys done;
	enum ll_result r;

	if (!k)
		return;
	r = center_key_confirm(view_center(), k->fingerprint, k->address,
	    &done);
	if (r) {
		view_fail("Not confirmed", r);
		return;
	}
	center_keys_finish(&done);
	reload(v);
	view_say("Confirmed: it counts as checked by you");
}

static void
confirm(struct view *v)
{
	const struct center_key *k = current(v);
	char text[900], print[CENTER_FINGERPRINT];

	center_fingerprint_text(k->fingerprint, print);
	(void)snprintf(text, sizeof(text), "Have you compared this "
	    "fingerprint with %s, by phone or in person?\n\n    %s\n\n%s",
	    k->address, print, k->changed ? "From then on it takes the place "
	    "of the key that stood before." : "From then on it counts as "
	    "checked by you.");
	dialog_confirm("Confirm a key", text, confirm_agreed);
}

static void
remove_agreed(struct view *v)
{
	const struct center_key *k = current(v);
	struct center_keys done;
	enum ll_result r;

	if (!k)
		return;
	r = center_key_remove(view_center(), k->fingerprint, k->address,
	    &done);
	if (r) {
		view_fail("Not removed", r);
		return;
	}
	center_keys_finish(&done);
	reload(v);
	view_say("Removed: nothing is encrypted to it any more");
}

static void
remove_key(struct view *v)
{
	const struct center_key *k = current(v);
	char text[700], print[CENTER_FINGERPRINT];

	center_fingerprint_text(k->fingerprint, print);
	(void)snprintf(text, sizeof(text), "Remove this key of %s?\n\n"
	    "    %s\n\nIt can be added again.", k->address, print);
	dialog_confirm("Remove a key", text, remove_agreed);
}

static const struct view_verb verbs[] = {
	{ 'a', 0, "Add", "add key", "Adds a key or certificate by pasting it",
	    add, can_add },
	{ 'C', 0, "Confirm", "confirm key",
	    "Says that you have compared the fingerprint", confirm,
	    can_confirm },
	{ 'X', K_DELETE, "Remove", "remove key",
	    "Takes the key under the cursor away", remove_key, is_mine },
};

static const struct view_ops keys_ops = {
	.state_bytes = sizeof(struct keys),
	.title = keys_title,
	.init = keys_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.finish = keys_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
keys_open(const char *address)
{
	if (view_find(&keys_ops)) {
		view_say("The keys are open already");
		return;
	}
	(void)view_push(&keys_ops, address ? address : "");
}
