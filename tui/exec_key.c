#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/parse.h"
#include "tui/exec.h"

#define IMPORT_MAX 65536

/* --- whose --- */

enum ll_result
exec_for(struct verb_call *call, char out_r[321])
{
	const char *text = verb_option(call, "for"), *why = NULL;
	char domain[400], clean[321];
	char *shown;
	enum ll_result r;

	out_r[0] = '\0';
	if (!text)
		return LL_OK;
	(void)snprintf(domain, sizeof domain, "x%.390s", text);
	r = clean_address(*text == '@' ? domain : text, clean, &why);
	if (r == LL_OK) {
		(void)snprintf(out_r, 321, "%s", clean + (*text == '@'));
		return LL_OK;
	}
	shown = verb_quote(text, 100);
	r = verb_fail(call, LL_USAGE, "%s: %s", shown ? shown : "--for",
	    why ? why : "no address");
	free(shown);
	return r;
}

/* --- JSON and text of keys --- */

static json_t *
key_json(const struct center_key *k)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:s,s:o,s:o,s:b,s:b,s:s,"
	    "s:s}", "address", k->address, "format",
	    center_format_name(k->format), "fingerprint", k->fingerprint,
	    "algorithm", k->algorithm, "created", exec_json_time(k->created),
	    "expires", exec_json_time(k->expires), "source",
	    key_source_name(k->source), "confirmed",
	    exec_json_time(k->confirmed), "added", exec_json_time(k->added),
	    "trusted", (int)k->trusted, "changed", (int)k->changed, "owner",
	    k->house ? "house" : "you", "state", center_key_sentence(k));
}

static json_t *
keys_json(const struct center_keys *keys)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < keys->count; i++)
		if (json_array_append_new(list, key_json(&keys->rows[i]))
		    != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static void
print_key(FILE *out, const struct center_key *k)
{
	char text[CENTER_FINGERPRINT], date[CENTER_TIME_TEXT];

	center_fingerprint_text(k->fingerprint, text);
	(void)fprintf(out, "%s  %s  %s%s\n  %s\n  %s\n", k->address,
	    center_format_name(k->format), k->algorithm,
	    k->house ? "  (of the house)" : "", text,
	    center_key_sentence(k));
	if (k->expires) {
		center_time_text(k->expires, date);
		(void)fprintf(out, "  expires %.10s\n", date);
	}
}

static void
print_own(FILE *out, const struct center_own *k)
{
	char text[CENTER_FINGERPRINT];

	center_fingerprint_text(k->fingerprint, text);
	(void)fprintf(out, "your own  %s  %s\n  %s\n", center_format_name(
	    k->format), k->algorithm, text);
	if (!k->usable)
		(void)fprintf(out, "  no certificate yet: the administration "
		    "makes one, or key import takes yours\n");
}

static json_t *
own_json(const struct center_owns *own)
{
	const struct center_own *k;
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < own->count; i++) {
		k = &own->rows[i];
		if (json_array_append_new(list, json_pack(
		    "{s:s,s:s,s:s,s:o,s:b}", "format",
		    center_format_name(k->format), "fingerprint",
		    k->fingerprint, "algorithm", k->algorithm, "created",
		    exec_json_time(k->created), "usable", (int)k->usable))
		    != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* --- the parts of `key` --- */

static enum ll_result
no_word(struct verb_call *call)
{
	return call->word_count == 1 ? LL_OK : verb_fail(call, LL_USAGE,
	    "key %s takes no more words; an address follows --for",
	    call->words[0]);
}

static json_t *
added_json(const struct center_addition *a)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < a->count; i++)
		if (json_array_append_new(list, json_pack(
		    "{s:s,s:s,s:s,s:b,s:b,s:b,s:s}", "format",
		    center_format_name(a->rows[i].format), "fingerprint",
		    a->rows[i].fingerprint, "algorithm", a->rows[i].algorithm,
		    "added", (int)a->rows[i].added, "changed",
		    (int)a->rows[i].changed, "trusted",
		    (int)a->rows[i].trusted, "words", a->rows[i].words))
		    != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

enum ll_result
exec_key_keep(struct verb_call *call, const char *address, const void *key,
    size_t len)
{
	char text[CENTER_FINGERPRINT];
	struct center_addition a;
	enum ll_result r;
	size_t i;

	r = center_key_add(call->c, address, key, len, &a);
	if (r == LL_DENIED || r == LL_TOOBIG)
		return verb_fail(call, r, "not added for %s: %s", address,
		    center_words(call->c, r));
	if (r)
		return r;
	if (call->json) {
		r = exec_json(call, json_pack("{s:s,s:o}", "address",
		    address, "keys", added_json(&a)));
		center_addition_finish(&a);
		return r;
	}
	for (i = 0; i < a.count; i++) {
		center_fingerprint_text(a.rows[i].fingerprint, text);
		(void)fprintf(call->out, "%s: %s %s\n  %s\n", address,
		    a.rows[i].added ? "added" : "not added",
		    center_format_name(a.rows[i].format), text);
		if (*a.rows[i].words)
			(void)fprintf(call->out, "  %s\n", a.rows[i].words);
		if (a.rows[i].changed)
			(void)fprintf(call->out, "  another key of this "
			    "address stands: key confirm %.8s\n",
			    a.rows[i].fingerprint);
	}
	center_addition_finish(&a);
	return LL_OK;
}

static enum ll_result
key_add(struct verb_call *call)
{
	char address[321], *text;
	size_t len;
	enum ll_result r;

	r = no_word(call);
	if (r == LL_OK)
		r = exec_for(call, address);
	if (r == LL_OK && !*address)
		r = verb_fail(call, LL_USAGE,
		    "whose key is it? --for ADDRESS, or --for @DOMAIN");
	if (r == LL_OK)
		r = exec_read(call, PARSE_KEY_MAX, &text, &len);
	if (r)
		return r;
	if (len == 0)
		r = verb_fail(call, LL_USAGE, "no key came: the key or "
		    "certificate comes on standard input");
	else
		r = exec_key_keep(call, address, text, len);
	free(text);
	return r;
}

static enum ll_result
key_list(struct verb_call *call)
{
	struct center_owns own = { NULL, 0 };
	struct center_keys keys;
	char address[321];
	enum ll_result r;
	size_t i;

	r = no_word(call);
	if (r == LL_OK)
		r = exec_for(call, address);
	if (r == LL_OK)
		r = center_keys(call->c, *address ? address : NULL, &keys);
	if (r)
		return r;
	if (!*address && center_self(call->c)->role == ROLE_STAFF)
		r = center_own_keys(call->c, &own);
	if (r == LL_OK && call->json)
		r = exec_json(call, json_pack("{s:o,s:o}", "keys",
		    keys_json(&keys), "own", own_json(&own)));
	else if (r == LL_OK) {
		for (i = 0; i < keys.count; i++)
			print_key(call->out, &keys.rows[i]);
		for (i = 0; i < own.count; i++)
			print_own(call->out, &own.rows[i]);
		if (keys.count + own.count == 0)
			(void)fprintf(call->out, "no keys\n");
	}
	center_keys_finish(&keys);
	center_own_keys_finish(&own);
	return r;
}

/* confirm and remove: a fingerprint, typed in one piece or in groups. */
static enum ll_result
key_change(struct verb_call *call, enum ll_result (*change)(struct center *c,
    const char *fingerprint, const char *address, struct center_keys *k_r),
    const char *done)
{
	char address[321], typed[260] = "";
	struct center_keys keys;
	size_t i;
	enum ll_result r;

	if (call->word_count < 2)
		return verb_fail(call, LL_USAGE, "key %s needs a fingerprint "
		    "(key list shows them)", call->words[0]);
	for (i = 1; i < call->word_count; i++)
		(void)snprintf(typed + strlen(typed),
		    sizeof typed - strlen(typed), "%s", call->words[i]);
	r = exec_for(call, address);
	if (r == LL_OK)
		r = change(call->c, typed, *address ? address : NULL, &keys);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, json_pack("{s:o}", done,
		    keys_json(&keys)));
	else
		for (i = 0; i < keys.count; i++)
			(void)fprintf(call->out, "%s: %s %s\n", done,
			    keys.rows[i].address, keys.rows[i].fingerprint);
	center_keys_finish(&keys);
	return r;
}

static enum ll_result
key_confirm(struct verb_call *call)
{
	return key_change(call, center_key_confirm, "confirmed");
}

static enum ll_result
key_remove(struct verb_call *call)
{
	return key_change(call, center_key_remove, "removed");
}

static enum ll_result
key_export(struct verb_call *call)
{
	bool smime = verb_option(call, "smime") != NULL;
	char *text;
	enum ll_result r;

	r = no_word(call);
	if (r == LL_OK && smime && verb_option(call, "openpgp"))
		r = verb_fail(call, LL_USAGE,
		    "--smime and --openpgp don't go together");
	if (r == LL_OK)
		r = center_key_export(call->c, smime ? PARSE_SMIME :
		    PARSE_OPENPGP, &text);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, json_pack("{s:s,s:s}", "format",
		    smime ? "S/MIME" : "OpenPGP", "key", text));
	else
		(void)fputs(text, call->out);
	free(text);
	return r;
}

/* The first line is the file's password, so that it stands in no command. */
static enum ll_result
key_import(struct verb_call *call)
{
	char *text, *end;
	size_t len, head;
	enum ll_result r;

	r = no_word(call);
	if (r == LL_OK && call->in < 0)
		r = verb_fail(call, LL_USAGE, "a file comes from your own "
		    "computer: (cat password-file; cat FILE.p12) | ssh HOST "
		    "key import");
	if (r == LL_OK)
		r = exec_read(call, IMPORT_MAX, &text, &len);
	if (r)
		return r;
	end = memchr(text, '\n', len < 1024 ? len : 1024);
	if (!end) {
		r = verb_fail(call, LL_USAGE, "the first line is the file's "
		    "password (empty for none), then comes the file");
	} else {
		head = (size_t)(end - text) + 1;
		*end = '\0';
		if (head > 1 && end[-1] == '\r')
			end[-1] = '\0';
		r = center_key_import(call->c, text + head, len - head, text);
	}
	sodium_memzero(text, len);
	free(text);
	if (r)
		return r;
	if (call->json)
		return exec_json(call, json_pack("{s:s}", "state",
		    "imported"));
	(void)fprintf(call->out, "imported: key list shows it\n");
	return LL_OK;
}

static const struct {
	const char *name;
	unsigned roles;
	bool locked;                 /* works with the mailbox locked too */
	enum ll_result (*run)(struct verb_call *call);
} parts[] = {
	{ "add", VERB_STAFF | VERB_ADMIN, false, key_add },
	{ "list", VERB_STAFF | VERB_ADMIN, true, key_list },
	{ "confirm", VERB_STAFF | VERB_ADMIN, false, key_confirm },
	{ "remove", VERB_STAFF | VERB_ADMIN, false, key_remove },
	{ "export", VERB_STAFF, true, key_export },
	{ "import", VERB_STAFF, false, key_import },
};

enum ll_result
exec_key(struct verb_call *call)
{
	const struct desk_self *self = center_self(call->c);
	const char *name = call->word_count ? call->words[0] : "list";
	size_t i;

	for (i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp(parts[i].name, name) != 0)
			continue;
		if (!(parts[i].roles & 1u << (self->role - 1)))
			return verb_fail(call, LL_DENIED, "an administrator "
			    "has no mail keys");
		/* Whose key counts as checked is the user's own word. */
		if (!parts[i].locked && self->role == ROLE_STAFF
		    && self->locked)
			return verb_fail(call, LL_LOCKED,
			    "locked: passphrase needed");
		if (call->word_count == 0) {
			call->words[0] = strdup(name);
			if (!call->words[0])
				return LL_NOMEM;
			call->word_count = 1;
		}
		return parts[i].run(call);
	}
	return verb_fail(call, LL_USAGE, "key add, list, confirm, remove, "
	    "export or import");
}
