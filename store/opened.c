/*
 * What letterlock-parse said of a mail: it is held to counts and lengths here
 * as if it came from the sender, who may have taken that process over.
 */
#include "store/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sodium.h>

#include "keys/clean.h"

/* --- fields --- */

static bool
next(struct tlv_view v, enum parse_field tag, size_t *at,
    struct tlv_view *bytes_r)
{
	struct tlv_field f;

	if (tlv_find(v, (uint8_t)tag, at, &f))
		return false;
	bytes_r->data = f.data;
	bytes_r->len = f.len;
	return true;
}

static const char *
text_of(struct tlv_view v, enum parse_field tag)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0;

	if (tlv_find(v, (uint8_t)tag, &at, &f) || tlv_text(&f, &text))
		return "";
	return text;
}

static uint64_t
number_of(struct tlv_view v, enum parse_field tag)
{
	struct tlv_field f;
	uint64_t n;
	size_t at = 0;

	if (tlv_find(v, (uint8_t)tag, &at, &f) || tlv_u64(&f, &n))
		return 0;
	return n;
}

/* --- signatures --- */

/* Whether somebody stands for that key: letterlock-parse knows only what was
 * handed in with it.  A certificate that was not handed in has a path to an
 * authority of the house, or its result would not be good. */
static bool
is_trusted(const struct opened_signature *s, const struct opened_peer *peers,
    size_t count)
{
	size_t i;

	if (s->result)
		return false;
	for (i = 0; i < count; i++)
		if (peers[i].format == s->format &&
		    strcasecmp(peers[i].fingerprint, s->fingerprint) == 0)
			return peers[i].trusted;
	return s->format == PARSE_SMIME;
}

static void
read_holder(struct tlv_view v, const char *from, struct opened_signature *s)
{
	struct tlv_field f;
	const char *holder;
	size_t at = 0;

	while (tlv_find(v, PARSE_F_HOLDER, &at, &f) == LL_OK) {
		if (tlv_text(&f, &holder) || strlen(holder) >=
		    sizeof s->holder)
			continue;
		if (!*s->holder || strcasecmp(holder, from) == 0)
			(void)snprintf(s->holder, sizeof s->holder, "%s",
			    holder);
	}
}

static enum ll_result
read_signatures(struct opened *o, struct tlv_view v, const char *from,
    const struct opened_peer *peers, size_t peer_count)
{
	struct opened_signature *s;
	struct tlv_view nest;
	const char *words;
	size_t at = 0;

	o->signatures = calloc(OPENED_SIGNATURES_MAX, sizeof *o->signatures);
	if (!o->signatures)
		return LL_NOMEM;
	while (next(v, PARSE_F_SIGNATURE, &at, &nest)) {
		if (o->signature_count++ >= OPENED_SIGNATURES_MAX)
			continue;
		s = &o->signatures[o->signature_count - 1];
		s->result = parse_result(nest, &words);
		s->format = (enum parse_format)number_of(nest,
		    PARSE_F_FORMAT);
		(void)snprintf(s->words, sizeof s->words, "%s", words);
		(void)snprintf(s->fingerprint, sizeof s->fingerprint, "%s",
		    text_of(nest, PARSE_F_FINGERPRINT));
		s->created = number_of(nest, PARSE_F_CREATED);
		read_holder(nest, from, s);
		s->trusted = is_trusted(s, peers, peer_count);
	}
	return LL_OK;
}

/* --- parts --- */

static enum ll_result
read_parts(struct opened *o, struct tlv_view v)
{
	struct opened_part *p;
	struct tlv_view nest;
	uint64_t what, number;
	size_t at = 0;

	o->parts = calloc(OPENED_PARTS_MAX, sizeof *o->parts);
	if (!o->parts)
		return LL_NOMEM;
	while (next(v, PARSE_F_PART, &at, &nest)) {
		if (o->part_count == OPENED_PARTS_MAX)
			return LL_PROTO;
		p = &o->parts[o->part_count++];
		what = number_of(nest, PARSE_F_WHAT);
		number = number_of(nest, PARSE_F_SIGNED);
		if (what < PARSE_W_TEXT || what > PARSE_W_MESSAGE ||
		    number > o->signature_count)
			return LL_PROTO;
		p->what = (enum parse_what)what;
		p->signature = (unsigned)number;
		p->number = (uint32_t)o->part_count;
		p->depth = (unsigned)number_of(nest, PARSE_F_DEPTH);
		p->bytes = number_of(nest, PARSE_F_BYTES);
		p->name = text_of(nest, PARSE_F_NAME);
		p->type = text_of(nest, PARSE_F_TYPE);
	}
	return LL_OK;
}

static void
read_found(struct opened *o, struct tlv_view v)
{
	struct opened_found *f;
	struct tlv_view nest, key;
	size_t at = 0, in;

	while (o->found_count < OPENED_FOUND_MAX &&
	    next(v, PARSE_F_FOUND, &at, &nest)) {
		in = 0;
		if (!next(nest, PARSE_F_KEY, &in, &key) || key.len == 0 ||
		    key.len > PARSE_KEY_MAX)
			continue;
		f = &o->found[o->found_count++];
		f->format = (enum parse_format)number_of(nest,
		    PARSE_F_FORMAT);
		f->source = (enum parse_source)number_of(nest,
		    PARSE_F_SOURCE);
		f->key = key.data;
		f->len = key.len;
	}
}

enum ll_result
opened_parse(struct opened *o, const char *from,
    const struct opened_peer *peers, size_t peer_count)
{
	const struct tlv_view v = { o->answer.data, o->answer.len };
	struct tlv_field f;
	const char *text;
	size_t at = 0;
	enum ll_result r;

	o->encrypted = text_of(v, PARSE_F_ENCRYPTED);
	o->subject = text_of(v, PARSE_F_SUBJECT);
	o->from = text_of(v, PARSE_F_FROM);
	o->to = text_of(v, PARSE_F_TO);
	o->cc = text_of(v, PARSE_F_CC);
	o->reply_to = text_of(v, PARSE_F_REPLY_TO);
	o->protected = number_of(v, PARSE_F_PROTECTED) == 1;
	o->weak = number_of(v, PARSE_F_WEAK) == 1;
	while (o->warning_count < OPENED_WARNINGS_MAX &&
	    tlv_find(v, PARSE_F_WARNING, &at, &f) == LL_OK)
		if (tlv_text(&f, &text) == LL_OK)
			o->warnings[o->warning_count++] = text;
	r = read_signatures(o, v, from, peers, peer_count);
	if (r == LL_OK)
		r = read_parts(o, v);
	read_found(o, v);
	return r;
}

/* --- files --- */

static const char *
default_name(const struct opened_part *p)
{
	static const struct { const char *type, *name; } names[] = {
		{ "text/html", "message.html" }, { "text/plain", "text.txt" },
		{ "message/rfc822", "message.eml" },
		{ "application/ms-tnef", "winmail.dat" },
		{ "application/pgp-keys", "key.asc" },
	};
	size_t i;

	if (*p->name)
		return p->name;
	if (p->what != PARSE_W_FILE)
		return "text.txt";
	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(p->type, names[i].type) == 0)
			return names[i].name;
	return "attachment";
}

static bool
is_taken(const struct opened *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->file_count; i++)
		if (strcmp(o->files[i].name, name) == 0)
			return true;
	return false;
}

/* The second "a.pdf" is "a (2).pdf". */
static enum ll_result
own_name(const struct opened *o, const char *foreign, char **name_r)
{
	char *clean = NULL;
	const char *dot;
	unsigned n;
	int stem;
	enum ll_result r;

	*name_r = NULL;
	r = clean_file_name(foreign, strlen(foreign), &clean);
	if (r)
		return r;
	dot = strrchr(clean, '.');
	stem = dot && dot > clean ? (int)(dot - clean) : (int)strlen(clean);
	*name_r = strdup(clean);
	for (n = 2; *name_r && is_taken(o, *name_r); n++) {
		free(*name_r);
		if (asprintf(name_r, "%.*s (%u)%s", stem, clean, n,
		    clean + stem) < 0)
			*name_r = NULL;
	}
	free(clean);
	return *name_r ? LL_OK : LL_NOMEM;
}

static enum ll_result
add_file(struct opened *o, const char *name, const char *type,
    const struct opened_part *p, uint64_t bytes)
{
	struct opened_file *f = &o->files[o->file_count];
	enum ll_result r = own_name(o, name, &f->name);

	if (r)
		return r;
	f->type = strdup(*type ? type : "application/octet-stream");
	f->number = p ? p->number : 0;
	f->signature = p ? p->signature : 0;
	f->bytes = bytes;
	o->file_count++;
	return f->type ? LL_OK : LL_NOMEM;
}

enum ll_result
opened_list_files(struct opened *o, uint64_t raw_bytes)
{
	const bool whole = o->result == LL_OK;
	const struct opened_part *p;
	enum ll_result r = LL_OK;
	size_t i;

	o->files = calloc(o->part_count + 1, sizeof *o->files);
	if (!o->files)
		return LL_NOMEM;
	for (i = 0; whole && r == LL_OK && i < o->part_count; i++) {
		p = &o->parts[i];
		if (p->what == PARSE_W_FILE || (!p->text && p->bytes > 0))
			r = add_file(o, default_name(p), p->type, p, p->bytes);
	}
	/* Whatever was not understood of it is in there. */
	if (r == LL_OK && (!whole || o->warning_count > 0))
		r = add_file(o, whole ? "original.eml" : "message.eml",
		    "message/rfc822", NULL, raw_bytes);
	return r;
}

void
opened_finish(struct opened *o)
{
	size_t i;

	for (i = 0; o->parts && i < o->part_count; i++) {
		if (o->parts[i].text)
			sodium_memzero(o->parts[i].text, o->parts[i].len);
		free(o->parts[i].text);
	}
	for (i = 0; o->files && i < o->file_count; i++) {
		free(o->files[i].name);
		free(o->files[i].type);
	}
	free(o->parts);
	free(o->files);
	free(o->signatures);
	tlv_out_finish(&o->answer);
	memset(o, 0, sizeof *o);
	o->encrypted = o->subject = o->from = o->to = o->cc = o->reply_to = "";
}
