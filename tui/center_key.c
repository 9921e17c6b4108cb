/*
 * center_key.c - other people's keys, and one's own.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "store/keyring.h"
#include "tui/center_part.h"

#define PREFIX_MIN 8

/* --- lists --- */

void
center_keys_finish(struct center_keys *k)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		free(k->rows[i].algorithm);
	free(k->rows);
	memset(k, 0, sizeof *k);
}

static enum ll_result
read_key(struct tlv_view v, struct center_key *k)
{
	uint64_t flags = view_u64(v, F_FLAGS);

	memset(k, 0, sizeof *k);
	(void)snprintf(k->address, sizeof k->address, "%s",
	    view_text(v, F_ADDRESS));
	(void)snprintf(k->fingerprint, sizeof k->fingerprint, "%s",
	    view_text(v, F_FINGERPRINT));
	k->format = (enum parse_format)view_u64(v, F_FORMAT);
	k->created = view_u64(v, F_CREATED);
	k->expires = view_u64(v, F_KEY_EXPIRES);
	k->source = (enum key_source)view_u64(v, F_KEY_SOURCE);
	k->confirmed = view_u64(v, F_CONFIRMED);
	k->added = view_u64(v, F_TIME);
	k->trusted = (flags & PEERKEY_TRUSTED) != 0;
	k->changed = (flags & PEERKEY_CHANGED) != 0;
	k->house = (flags & PEERKEY_HOUSE) != 0;
	return center_clean(view_text(v, F_ALGORITHM), CLEAN_LINE,
	    &k->algorithm);
}

static enum ll_result
read_keys(const struct msg *reply, struct center_keys *k)
{
	struct center_key *grown;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r = LL_OK;

	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		grown = realloc(k->rows, (k->count + 1) * sizeof *grown);
		if (!grown)
			return LL_NOMEM;
		k->rows = grown;
		r = read_key(row, &grown[k->count++]);
	}
	return r;
}

static enum ll_result
ask_keys(struct center *c, struct msg *m, struct center_keys *k_r)
{
	struct msg *reply;
	enum ll_result r;

	r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	r = read_keys(reply, k_r);
	msg_destroy(reply);
	if (r)
		center_keys_finish(k_r);
	return r;
}

enum ll_result
center_keys(struct center *c, const char *address, struct center_keys *k_r)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	memset(k_r, 0, sizeof *k_r);
	r = msg_create(MSG_REQUEST, OP_PEERKEY_LIST, &m);
	if (r)
		return r;
	if (address)
		msg_put_text(m, F_ADDRESS, address);
	return ask_keys(c, m, k_r);
}

/* --- adding --- */

void
center_addition_finish(struct center_addition *a)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		free(a->rows[i].algorithm);
		free(a->rows[i].words);
	}
	free(a->rows);
	memset(a, 0, sizeof *a);
}

/* A certificate that no CA of the house stands behind is as good as the user
 * who checked it; one that its CA took back is not. */
static enum ll_result
inspect_alone(struct center *c, const char *address, const void *key,
    size_t len, struct inspection *i)
{
	struct tlv_out none;

	if (i->count != 1 || i->keys[0].format != PARSE_SMIME
	    || i->keys[0].result != LL_DENIED || i->keys[0].revoked)
		return LL_OK;
	inspect_finish(i);
	tlv_out_init(&none, 1);
	return keyring_inspect(c->desk, address, key, len, &none, i);
}

static enum ll_result
tell_key(const struct inspected *k, uint64_t flags, struct center_added *a)
{
	enum ll_result r;

	a->format = k->format;
	(void)snprintf(a->fingerprint, sizeof a->fingerprint, "%s",
	    k->fingerprint);
	a->trusted = k->trusted;
	a->added = k->result == LL_OK;
	a->changed = a->added && (flags & PEERKEY_CHANGED) != 0;
	r = center_clean(k->algorithm, CLEAN_LINE, &a->algorithm);
	if (r == LL_OK)
		r = center_clean(k->result ? k->words : "", CLEAN_LINE,
		    &a->words);
	return r;
}

static enum ll_result
keep(struct center *c, const char *address, const struct inspection *i,
    struct center_addition *a)
{
	uint64_t flags = 0;
	size_t n;
	enum ll_result r;

	r = keyring_add(c->desk, address, i, KEY_HAND, &flags);
	if (r == LL_NOTFOUND)
		return center_fail(c, LL_DENIED, i->count
		    && *i->keys[0].words ? i->keys[0].words : "that is no key");
	a->rows = r ? NULL : calloc(i->count, sizeof *a->rows);
	if (r == LL_OK && !a->rows)
		r = LL_NOMEM;
	for (n = 0; r == LL_OK && n < i->count; n++)
		r = tell_key(&i->keys[n], flags, &a->rows[a->count++]);
	return r;
}

enum ll_result
center_key_add(struct center *c, const char *address, const void *key,
    size_t len, struct center_addition *a_r)
{
	struct inspection i;
	enum ll_result r;

	center_begin(c);
	memset(a_r, 0, sizeof *a_r);
	if (len > PARSE_KEY_MAX)
		return center_fail(c, LL_TOOBIG, "a key has at most 256 KB");
	r = keyring_inspect(c->desk, address, key, len, NULL, &i);
	if (r == LL_OK)
		r = inspect_alone(c, address, key, len, &i);
	if (r == LL_OK)
		r = keep(c, address, &i, a_r);
	else if (*i.words)
		r = center_fail(c, r == LL_PROTO ? LL_DENIED : r, i.words);
	else if (r == LL_PROTO || r == LL_USAGE)
		r = center_fail(c, LL_DENIED, "that is no OpenPGP key and no "
		    "certificate");
	inspect_finish(&i);
	if (r)
		center_addition_finish(a_r);
	return r;
}

/* --- confirming and removing --- */

/* What people type and copy: groups, colons, small letters. */
static enum ll_result
clean_fingerprint(struct center *c, const char *typed, char out[129])
{
	size_t n = 0;

	for (; *typed; typed++) {
		if (*typed == ' ' || *typed == ':' || *typed == '-')
			continue;
		if (!isxdigit((unsigned char)*typed) || n == 128)
			return center_fail(c, LL_USAGE, "a fingerprint is "
			    "hexadecimal digits, at least the first 8");
		out[n++] = *typed;
	}
	out[n] = '\0';
	if (n < PREFIX_MIN)
		return center_fail(c, LL_USAGE, "give at least 8 digits of "
		    "the fingerprint");
	return LL_OK;
}

static enum ll_result
change(struct center *c, enum op op, const char *typed, const char *address,
    struct center_keys *k_r)
{
	char fingerprint[129];
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	memset(k_r, 0, sizeof *k_r);
	r = clean_fingerprint(c, typed, fingerprint);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, op, &m);
	if (r)
		return r;
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	if (address)
		msg_put_text(m, F_ADDRESS, address);
	r = ask_keys(c, m, k_r);
	if (r == LL_NOTFOUND)
		return center_fail(c, r, "no key of that fingerprint is "
		    "known here; key list shows them");
	if (r == LL_CONFLICT)
		return center_fail(c, r, "more than one key begins so: give "
		    "more digits, or --for ADDRESS");
	return r;
}

enum ll_result
center_key_confirm(struct center *c, const char *fingerprint,
    const char *address, struct center_keys *k_r)
{
	return change(c, OP_PEERKEY_CONFIRM, fingerprint, address, k_r);
}

enum ll_result
center_key_remove(struct center *c, const char *fingerprint,
    const char *address, struct center_keys *k_r)
{
	return change(c, OP_PEERKEY_REMOVE, fingerprint, address, k_r);
}

/* --- words --- */

void
center_fingerprint_text(const char *fingerprint,
    char text[CENTER_FINGERPRINT])
{
	size_t i, n = 0;

	for (i = 0; fingerprint[i] && n + 3 < CENTER_FINGERPRINT; i++) {
		if (i > 0 && i % 4 == 0)
			text[n++] = ' ';
		text[n++] = (char)toupper((unsigned char)fingerprint[i]);
	}
	text[n] = '\0';
}

const char *
center_format_name(enum parse_format f)
{
	return f == PARSE_OPENPGP ? "OpenPGP" : f == PARSE_SMIME ? "S/MIME" :
	    "?";
}

static const char *const source_sentences[] = {
	[KEY_HAND] = "checked by you",
	[KEY_HOUSE] = "given by the administration",
	[KEY_PORTAL] = "uploaded by who had unlocked a message",
	[KEY_SIGNED_MAIL] = "came with signed mail",
	[KEY_WKD] = "from the domain's own key directory",
	[KEY_DANE] = "from the domain's signed DNS",
	[KEY_SERVER] = "from a keyserver, which checks nobody",
	[KEY_AUTOCRYPT] = "from a mail header that nobody signed",
};

const char *
center_key_sentence(const struct center_key *k)
{
	if (k->changed)
		return "CHANGED: not used before someone confirms it";
	if (k->confirmed && k->source != KEY_HOUSE)
		return "checked by you";
	if (k->trusted)
		return "issued under a certificate that this house trusts";
	if (k->source < KEY_HAND || k->source > KEY_AUTOCRYPT)
		return "unknown";
	return source_sentences[k->source];
}
