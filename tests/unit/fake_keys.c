/*
 * fake_keys.c - the keys in a house of cards: the one of carol, which changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_center.h"

static bool confirmed;

#define PRINT "0123456789ABCDEF0123456789ABCDEF01234567"

static enum ll_result
carols_key(struct center_keys *k)
{
	k->rows = calloc(1, sizeof(*k->rows));
	if (!k->rows)
		return LL_NOMEM;
	k->count = 1;
	(void)snprintf(k->rows[0].address, 321, "carol@changed.example");
	(void)snprintf(k->rows[0].fingerprint, 129, PRINT);
	k->rows[0].format = PARSE_OPENPGP;
	k->rows[0].algorithm = strdup("EDDSA-255");
	if (!k->rows[0].algorithm)
		return LL_NOMEM;
	k->rows[0].changed = !confirmed;
	return LL_OK;
}

enum ll_result
center_keys(struct center *c, const char *address, struct center_keys *k)
{
	(void)c;
	(void)address;
	memset(k, 0, sizeof(*k));
	return carols_key(k);
}

void
center_keys_finish(struct center_keys *k)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		free(k->rows[i].algorithm);
	free(k->rows);
	memset(k, 0, sizeof(*k));
}

enum ll_result
center_key_add(struct center *c, const char *address, const void *key,
    size_t len, struct center_addition *a)
{
	(void)c;
	(void)address;
	memset(a, 0, sizeof(*a));
	return memmem(key, len, "BEGIN PGP", 9) ? LL_OK : LL_DENIED;
}

void
center_addition_finish(struct center_addition *a)
{
	memset(a, 0, sizeof(*a));
}

enum ll_result
center_key_confirm(struct center *c, const char *fingerprint,
    const char *address, struct center_keys *k)
{
	(void)fingerprint;
	confirmed = true;
	return center_keys(c, address, k);
}

enum ll_result
center_key_remove(struct center *c, const char *fingerprint,
    const char *address, struct center_keys *k)
{
	(void)fingerprint;
	return center_keys(c, address, k);
}

enum ll_result
center_own_keys(struct center *c, struct center_owns *o)
{
	(void)c;
	memset(o, 0, sizeof(*o));
	return LL_OK;
}

void
center_own_keys_finish(struct center_owns *o)
{
	memset(o, 0, sizeof(*o));
}

void
center_fingerprint_text(const char *fingerprint,
    char text[CENTER_FINGERPRINT])
{
	size_t i, n = 0;

	for (i = 0; fingerprint[i]; i++) {
		if (i > 0 && i % 4 == 0)
			text[n++] = ' ';
		text[n++] = fingerprint[i];
	}
	text[n] = '\0';
}

const char *
center_format_name(enum parse_format f)
{
	return f == PARSE_OPENPGP ? "OpenPGP" : "S/MIME";
}

const char *
center_key_sentence(const struct center_key *k)
{
	return k->changed ? "CHANGED: not used before someone confirms it" :
	    "checked by you";
}

const char *
center_class_sentence(enum msg_class class)
{
	return class == CLASS_NORMAL ? "Normal" : "Not normal";
}
