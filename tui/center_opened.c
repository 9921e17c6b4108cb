/*
 * Mail that came in as mail: its text, its files, and what is to be said of
 * its signature.  A message can contain any text; what is said here is ours and
 * is kept apart from it, so that no text can say it.
 */
#include "tui/center_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sodium.h>

#include "keys/clean.h"
#include "store/keyring.h"
#include "store/opened.h"

#define SENTENCE 900
#define LATE_SECS (2 * 86400)    /* between signing and arriving */

void
center_opened_finish(struct center_opened *m)
{
	size_t i;

	for (i = 0; i < m->section_count; i++)
		free(m->sections[i].title);
	free(m->sections);
	center_free_list(&m->notes, &m->note_count);
	free(m->reason);
	free(m->encrypted);
	free(m->fingerprint);
	free(m->parts);
	memset(m, 0, sizeof *m);
}

/* --- what is said --- */

static enum ll_result
add_note(struct center_opened *m, const char *foreign)
{
	char **grown;
	enum ll_result r;

	grown = realloc(m->notes, (m->note_count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	m->notes = grown;
	r = center_clean(foreign, CLEAN_LINE, &grown[m->note_count]);
	if (r == LL_OK)
		m->note_count++;
	return r;
}

__attribute__((format(printf, 2, 3)))
static enum ll_result
note(struct center_opened *m, const char *format, ...)
{
	char text[SENTENCE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return add_note(m, text);
}

/* The address of a From or Reply-To as written: what stands in the last angle
 * brackets, or all of it. */
static void
bare_address(const char *value, char *out, size_t room)
{
	const char *open = strrchr(value, '<'), *end;
	size_t len;

	if (open)
		value = open + 1;
	value += strspn(value, " \t");
	end = open ? strchr(value, '>') : NULL;
	len = end ? (size_t)(end - value) : strlen(value);
	while (!open && len > 0 && value[len - 1] == ' ')
		len--;
	(void)snprintf(out, room, "%.*s", (int)len, value);
}

static bool
is_address(const char *value, const char *address)
{
	char bare[400];

	bare_address(value, bare, sizeof bare);
	return strcasecmp(bare, address) == 0;
}

/* --- the signature --- */

static size_t
uncovered(const struct opened *o)
{
	size_t i, n = 0;

	for (i = 0; i < o->part_count; i++)
		n += o->parts[i].signature != 1;
	return n;
}

/* Why the signature does not stand for all that is shown; NULL: it does. */
static const char *
objection(const struct opened *o, const char *from, char text[SENTENCE])
{
	const struct opened_signature *s = o->signatures;

	if (o->signature_count == 0)
		return "It is not signed.";
	if (o->signature_count > 1)
		return "It has more than one signature, so that none stands "
		    "for all of it.";
	if (s->result)
		return *s->words ? s->words : "The signature does not hold.";
	if (o->part_count == 0 || uncovered(o) > 0)
		return "The signature covers only a part of what is here.";
	if (strcasecmp(s->holder, from) != 0)
		return "Good signature, but not by a key of the sender.";
	if (o->protected && *o->from && !is_address(o->from, from))
		return "The signed message names another sender than the mail "
		    "around it.";
	if (s->trusted)
		return NULL;
	(void)snprintf(text, SENTENCE, "Good signature, but nobody has "
	    "checked that the key is the sender's: compare its fingerprint "
	    "with them, then \"key confirm %.16s\".", s->fingerprint);
	return text;
}

/* Who holds the key is told only where the key did sign. */
static const char *
signer_of(const struct opened *o)
{
	const struct opened_signature *s = o->signatures;

	if (o->signature_count != 1 || (s->result != LL_OK &&
	    s->result != LL_CONFLICT && s->result != LL_DENIED))
		return "";
	return s->holder;
}

static enum ll_result
say_parts(const struct opened *o, struct center_opened *m)
{
	size_t bare = 0, i;
	char text[80];

	for (i = 0; i < o->part_count; i++)
		bare += o->parts[i].signature == 0;
	if (bare == o->part_count)
		(void)snprintf(text, sizeof text, "none");
	else if (bare == 0)
		(void)snprintf(text, sizeof text, "all");
	else
		(void)snprintf(text, sizeof text, "%zu of %zu",
		    o->part_count - bare, o->part_count);
	m->parts = strdup(text);
	return m->parts ? LL_OK : LL_NOMEM;
}

static enum ll_result
say_signature(const struct opened *o, const char *from,
    struct center_message *m)
{
	char text[SENTENCE];
	const char *why = objection(o, from, text);
	const char *print = o->signature_count == 1 ?
	    o->signatures->fingerprint : "";
	enum ll_result r;

	m->valid = why == NULL;
	if (!why)
		why = o->signatures->format == PARSE_SMIME ?
		    "Good signature of the sender's certificate, over all of "
		    "it." :
		    "Good signature of the sender's key, which was checked, "
		    "over all of it.";
	r = center_clean(why, CLEAN_LINE, &m->mail.reason);
	if (r == LL_OK)
		r = center_clean(print, CLEAN_LINE, &m->mail.fingerprint);
	if (r == LL_OK)
		r = center_clean(m->valid ? from : signer_of(o), CLEAN_LINE,
		    &m->signer);
	return r == LL_OK ? say_parts(o, &m->mail) : r;
}

/* A signature says neither when it was sent nor to whom: an old message, or
 * one meant for somebody else, can be passed on as if it were new. */
static enum ll_result
say_doubts(const struct center *c, const struct opened *o,
    struct center_message *m)
{
	const struct opened_signature *s = o->signatures;
	char day[CENTER_TIME_TEXT];
	enum ll_result r = LL_OK;

	if (o->signature_count != 1 || s->result)
		return LL_OK;
	if (s->created && s->created + LATE_SECS < m->row.time) {
		center_time_text(s->created, day);
		r = note(&m->mail, "It was signed on %.10s, long before it "
		    "came.", day);
	}
	if (r == LL_OK && o->protected && (*o->to || *o->cc) &&
	    !strcasestr(o->to, center_self(c)->email) &&
	    !strcasestr(o->cc, center_self(c)->email))
		r = note(&m->mail, "What was signed is addressed to %.300s, "
		    "not to you.", *o->to ? o->to : o->cc);
	return r;
}

/* --- the text --- */

static enum ll_result
add_section(struct center_opened *m, size_t at, const char *title)
{
	struct center_section *grown;

	grown = realloc(m->sections, (m->section_count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	m->sections = grown;
	grown[m->section_count].at = at;
	grown[m->section_count].title = strdup(title);
	return grown[m->section_count++].title ? LL_OK : LL_NOMEM;
}

static enum ll_result
append(struct center_message *m, const char *text, size_t len)
{
	char *grown = malloc(m->body_len + len + 2);

	if (!grown)
		return LL_NOMEM;
	if (m->body) {
		memcpy(grown, m->body, m->body_len);
		sodium_memzero(m->body, m->body_len);
		free(m->body);
	}
	memcpy(grown + m->body_len, text, len);
	m->body = grown;
	m->body_len += len;
	if (m->body_len > 0 && grown[m->body_len - 1] != '\n')
		grown[m->body_len++] = '\n';
	grown[m->body_len] = '\0';
	return LL_OK;
}

/* Parts that are not alike as to the signature each say so. */
static enum ll_result
begin_part(const struct opened_part *p, bool mixed, size_t n,
    struct center_message *m)
{
	char title[80];

	if (n == 1 && !mixed)
		return LL_OK;
	(void)snprintf(title, sizeof title, "%s%s", p->what ==
	    PARSE_W_MESSAGE ? "a message inside" : n > 1 ? "next part" :
	    "first part", !mixed ? "" : p->signature ? ", signed" :
	    ", NOT SIGNED");
	return add_section(&m->mail, m->body_len, title);
}

static enum ll_result
fill_text(const struct opened *o, struct center_message *m)
{
	bool mixed = false;
	const struct opened_part *p;
	char *clean;
	size_t i, n = 0;
	enum ll_result r = append(m, "", 0);

	for (i = 1; i < o->part_count; i++)
		mixed = mixed || o->parts[i].signature !=
		    o->parts[0].signature;
	for (i = 0; r == LL_OK && i < o->part_count; i++) {
		p = &o->parts[i];
		if (p->what == PARSE_W_FILE)
			continue;
		r = begin_part(p, mixed, ++n, m);
		if (r == LL_OK && !p->text && p->bytes > 0)
			r = append(m, "(too long to be shown: fetch it as a "
			    "file)", 46);
		if (r || !p->text)
			continue;
		r = clean_text(p->text, p->len, CLEAN_BLOCK, &clean);
		if (r)
			break;
		r = append(m, clean, strlen(clean));
		sodium_memzero(clean, strlen(clean));
		free(clean);
	}
	return r;
}

/* What the store's own words are for it. */
static enum ll_result
fill_unopened(struct center *c, const struct mail *mail,
    struct center_message *m)
{
	char *raw = NULL, *clean = NULL;
	size_t len = 0;
	enum ll_result r;

	r = mail_read(c->desk, mail, 0, &raw, &len);
	if (r == LL_OK)
		r = clean_text(raw, len, CLEAN_BLOCK, &clean);
	if (r == LL_OK)
		r = append(m, clean, strlen(clean));
	free(raw);
	free(clean);
	return r;
}

/* --- files --- */

static enum ll_result
fill_files(const struct opened *o, const struct id *message,
    struct center_message *m)
{
	struct center_attachment *a;
	char id[ID_TEXT + 1];
	size_t i;
	enum ll_result r;

	m->attachments = calloc(o->file_count + 1, sizeof *m->attachments);
	if (!m->attachments)
		return LL_NOMEM;
	id_text(message, id);
	for (i = 0; i < o->file_count; i++) {
		a = &m->attachments[m->attachment_count++];
		a->n = (unsigned)i + 1;
		a->bytes = o->files[i].bytes;
		a->name = strdup(o->files[i].name);
		r = center_clean(o->files[i].type, CLEAN_LINE, &a->type);
		if (r)
			return r;
		if (!a->name || asprintf(&a->path, "/m/%s/%s", id,
		    a->name) < 0) {
			a->path = NULL;
			return LL_NOMEM;
		}
	}
	m->row.attachments = m->attachment_count;
	return LL_OK;
}

/* --- keys that came along --- */

/* That a key could not be looked at or kept is no reason not to show a mail;
 * the next unread one brings it again. */
static enum ll_result
keep_found(struct center *c, const struct opened *o, const char *from,
    struct center_opened *m)
{
	const struct opened_found *f;
	struct inspection seen;
	struct tlv_out authorities;
	bool changed = false;
	enum ll_result r;
	uint64_t flags;
	size_t i;

	if (o->found_count == 0)
		return LL_OK;
	r = keyring_authorities(c->desk, &authorities);
	for (i = 0; r == LL_OK && i < o->found_count; i++) {
		f = &o->found[i];
		flags = 0;
		if (keyring_inspect(c->desk, from, f->key, f->len,
		    &authorities, &seen) == LL_OK &&
		    keyring_add(c->desk, from, &seen, f->source ==
		    PARSE_S_SIGNER ? KEY_SIGNED_MAIL : KEY_AUTOCRYPT,
		    &flags) == LL_OK)
			changed = changed || (flags & PEERKEY_CHANGED);
		inspect_finish(&seen);
	}
	tlv_out_finish(&authorities);
	return changed ? note(m, "A key came with it that is not the one "
	    "known of %s: it is not used before you confirm it (key list "
	    "--for %s).", from, from) : LL_OK;
}

/* --- the whole --- */

static enum ll_result
fill_opened(struct center *c, const struct opened *o, const char *from,
    struct center_message *m)
{
	struct center_opened *s = &m->mail;
	char *subject, address[400];
	enum ll_result r;
	size_t i;

	s->opened = true;
	s->no_quote = o->weak && (o->signature_count != 1 ||
	    o->signatures->result || uncovered(o) > 0);
	s->subject_outside = !o->protected;
	r = say_signature(o, from, m);
	if (r == LL_OK)
		r = center_clean(o->subject, CLEAN_LINE, &subject);
	if (r == LL_OK) {
		free(m->row.subject);
		m->row.subject = subject;
	}
	for (i = 0; r == LL_OK && i < o->warning_count; i++)
		r = add_note(s, o->warnings[i]);
	if (r == LL_OK)
		r = say_doubts(c, o, m);
	if (r == LL_OK && *o->reply_to && !is_address(o->reply_to, from)) {
		bare_address(o->reply_to, address, sizeof address);
		r = note(s, "It asks for answers to %s; an answer from here "
		    "goes to %s, who sent it.", address, from);
	}
	if (r == LL_OK)
		r = fill_text(o, m);
	if (r == LL_OK && m->row.unread)
		r = keep_found(c, o, from, s);
	return r;
}

static enum ll_result
fill_sealed(struct center *c, const struct mail *mail, const struct opened *o,
    struct center_message *m)
{
	char text[SENTENCE];
	enum ll_result r;

	m->mail.no_quote = true;
	m->mail.subject_outside = true;
	(void)snprintf(text, sizeof text, "It could not be opened and is kept "
	    "as it came (fetch the file). %s", o->words);
	r = center_clean(text, CLEAN_LINE, &m->mail.reason);
	if (r == LL_OK)
		r = fill_unopened(c, mail, m);
	m->mail.fingerprint = strdup("");
	m->mail.parts = strdup("none");
	m->signer = strdup("");
	if (!m->mail.fingerprint || !m->mail.parts || !m->signer)
		return LL_NOMEM;
	return r;
}

enum ll_result
center_opened_fill(struct center *c, const struct mail *mail,
    struct center_message *m)
{
	const struct envelope *e = &mail->row.envelope;
	struct opened o;
	enum ll_result r;

	r = opened_read(c->desk, mail, &o);
	if (r)
		return r;
	r = center_clean(o.encrypted, CLEAN_LINE, &m->mail.encrypted);
	if (r == LL_OK)
		r = o.result == LL_OK ? fill_opened(c, &o, e->from, m) :
		    fill_sealed(c, mail, &o, m);
	if (r == LL_OK)
		r = fill_files(&o, &e->message, m);
	opened_finish(&o);
	return r;
}
