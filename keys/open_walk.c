#include "keys/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"
#include "keys/out.h"
#include "keys/pgp.h"

#define BLOCKS_MAX 10            /* armored messages in one text */

struct walk {
	struct job *job;
	struct out *out;
	uint32_t parts;
	uint64_t bytes;
	bool told_depth, told_charset;
	unsigned inside;             /* messages inside messages */
	bool html_is_file;           /* the same stands there as plain text */
	unsigned texts;              /* shown so far */
	unsigned sealed;             /* entities inside that were opened */
	bool told_partly;
};

static enum ll_result walk(struct walk *w, struct tlv_view whole,
    unsigned depth, uint64_t signature);

static enum ll_result
put_part(struct walk *w, enum parse_what what, const struct mime_entity *e,
    const struct tlv_out *content, unsigned depth, uint64_t signature)
{
	struct tlv_out o, name;
	enum ll_result r;
	char *clean = NULL;

	if (w->parts == OPEN_PARTS_MAX)
		return job_fail(w->job, LL_TOOBIG, "It has more than %d parts "
		    "and is not taken apart.", OPEN_PARTS_MAX);
	w->bytes += content->len;
	if (content->err != LL_OK || w->bytes > JOB_OPENED_MAX)
		return job_fail(w->job, LL_TOOBIG, "It unpacks to more than "
		    "%u MB and is not opened.", JOB_OPENED_MAX >> 20);
	tlv_out_init(&o, 4096);
	tlv_out_init(&name, 4096);
	mime_words(e->name, &name);
	tlv_put_u64(&o, PARSE_F_WHAT, (uint64_t)what);
	if (name.len > 0 && clean_file_name((const char *)name.data, name.len,
	    &clean) == LL_OK)
		tlv_put_text(&o, PARSE_F_NAME, clean);
	if (clean_is(e->type, strlen(e->type), CLEAN_LINE))
		tlv_put_text(&o, PARSE_F_TYPE, e->type);
	tlv_put_u64(&o, PARSE_F_BYTES, content->len);
	tlv_put_u64(&o, PARSE_F_DEPTH, depth);
	tlv_put_u64(&o, PARSE_F_SIGNED, signature);
	tlv_put_tlv(&w->job->result, PARSE_F_PART, &o);
	free(clean);
	tlv_out_finish(&name);
	tlv_out_finish(&o);
	out_begin(w->out, w->job, ++w->parts, JOB_OPENED_MAX);
	out_put(w->out, content->data, content->len);
	r = out_end(w->out);
	return r == LL_OK ? w->job->result.err : r;
}

static void
tell_partly(struct walk *w)
{
	if (w->told_partly)
		return;
	open_warn(w->job, "Only a part of it was encrypted.");
	tlv_put_u64(&w->job->result, PARSE_F_WEAK, 1);
	w->told_partly = true;
}

/* A file that was encrypted on its own: armored, or its first packet says for
 * whom (RFC 9580, 5.1).  Where its name ends without .pgp; 0: none. */
static size_t
sealed_file(const struct mime_entity *e, struct tlv_view v)
{
	static const char armor[] = "-----BEGIN PGP MESSAGE-----";
	const size_t n = strlen(e->name);

	if (n < 5 || v.len == 0 || (strcasecmp(e->name + n - 4, ".pgp") != 0 &&
	    strcasecmp(e->name + n - 4, ".gpg") != 0 &&
	    strcasecmp(e->name + n - 4, ".asc") != 0))
		return 0;
	return (v.data[0] & 0xfc) == 0x84 || v.data[0] == 0xc1 ||
	    (v.len > sizeof armor && memcmp(v.data, armor, sizeof armor - 1) ==
	    0) ? n - 4 : 0;
}

/* LL_NOTFOUND: it can't be opened and is a file as it is. */
static enum ll_result
put_sealed_file(struct walk *w, const struct mime_entity *e,
    struct tlv_view content, size_t name_len, unsigned depth)
{
	const struct tlv_view none = { NULL, 0 };
	struct mime_entity inner = *e;
	struct tlv_out plain;
	uint64_t number;
	enum ll_result r;

	r = pgp_open(w->job, content, none, &plain, &number);
	if (r == LL_OK) {
		if (depth > 0)
			tell_partly(w);
		inner.name[name_len] = 0;
		snprintf(inner.type, sizeof inner.type,
		    "application/octet-stream");
		r = put_part(w, PARSE_W_FILE, &inner, &plain, depth, number);
	} else if (r != LL_TOOBIG && r != LL_NOMEM) {
		open_warn(w->job, w->job->words);
		r = LL_NOTFOUND;
	}
	tlv_out_finish(&plain);
	return r;
}

static enum ll_result
put_file(struct walk *w, const struct mime_entity *e, unsigned depth,
    uint64_t signature)
{
	struct tlv_out content;
	enum ll_result r = LL_NOTFOUND;
	size_t name_len;

	tlv_out_init(&content, JOB_OPENED_MAX);
	mime_decode(e, &content);
	name_len = sealed_file(e, job_view(&content));
	if (name_len > 0 && w->sealed++ < OPEN_LAYERS_MAX)
		r = put_sealed_file(w, e, job_view(&content), name_len, depth);
	if (r == LL_NOTFOUND)
		r = put_part(w, PARSE_W_FILE, e, &content, depth, signature);
	tlv_out_finish(&content);
	return r;
}

static enum ll_result
put_words(struct walk *w, const struct mime_entity *e, struct tlv_view raw,
    bool html, unsigned depth, uint64_t signature)
{
	struct tlv_out utf8, plain;
	enum ll_result r;

	w->texts++;
	tlv_out_init(&utf8, JOB_OPENED_MAX);
	tlv_out_init(&plain, JOB_OPENED_MAX);
	if (!w->told_charset && !mime_charset_known(e->charset) &&
	    !utf8_valid((const char *)raw.data, raw.len)) {
		open_warn(w->job, "Text in a character set that is not known "
		    "here: some letters may be wrong.");
		w->told_charset = true;
	}
	mime_utf8(e->charset, raw, &utf8);
	if (html && utf8.err == LL_OK)
		mime_html(job_view(&utf8), &plain);
	r = put_part(w, html ? PARSE_W_HTML : PARSE_W_TEXT, e,
	    html && utf8.err == LL_OK ? &plain : &utf8, depth, signature);
	tlv_out_finish(&utf8);
	tlv_out_finish(&plain);
	return r;
}

/* A message of the old kind, opened; one inside that can't be is shown as it
 * is, where all else that there is would be lost. */
static enum ll_result
put_block(struct walk *w, const struct mime_entity *e, struct tlv_view block,
    unsigned depth, uint64_t signature)
{
	const struct tlv_view none = { NULL, 0 };
	struct mime_entity text = *e;
	struct tlv_out plain;
	uint64_t number;
	enum ll_result r;

	r = pgp_open(w->job, block, none, &plain, &number);
	if (r == LL_OK) {
		if (utf8_valid((const char *)plain.data, plain.len))
			snprintf(text.charset, sizeof text.charset, "utf-8");
		r = put_words(w, &text, job_view(&plain), false, depth,
		    number);
	} else if (depth > 0 && r != LL_TOOBIG && r != LL_NOMEM) {
		open_warn(w->job, w->job->words);
		r = put_words(w, e, block, false, depth, signature);
	}
	tlv_out_finish(&plain);
	return r;
}

/* Text with such messages in it, and what stands around them. */
static enum ll_result
put_blocks(struct walk *w, const struct mime_entity *e, struct tlv_view text,
    unsigned depth, uint64_t signature)
{
	bool around = depth > 0, more = true;
	struct tlv_view before, block;
	enum ll_result r = LL_OK;
	unsigned blocks = 0;
	size_t at = 0;

	while (r == LL_OK && more) {
		more = blocks++ < BLOCKS_MAX && open_inline_block(text, &at,
		    &before, &block);
		if (!more) {
			before.data = text.data + at;
			before.len = text.len - at;
		}
		if (!open_is_blank(before)) {
			around = true;
			r = put_words(w, e, before, false, depth, signature);
		}
		if (r == LL_OK && more)
			r = put_block(w, e, block, depth, signature);
	}
	if (around)
		tell_partly(w);
	return r;
}

static enum ll_result
put_text(struct walk *w, const struct mime_entity *e, bool html,
    unsigned depth, uint64_t signature)
{
	struct tlv_view before, block;
	struct tlv_out raw;
	enum ll_result r;
	size_t at = 0;

	tlv_out_init(&raw, JOB_OPENED_MAX);
	mime_decode(e, &raw);
	if (raw.err != LL_OK)
		r = put_part(w, PARSE_W_FILE, e, &raw, depth, signature);
	else if (!html && open_inline_block(job_view(&raw), &at, &before,
	    &block))
		r = put_blocks(w, e, job_view(&raw), depth, signature);
	else
		r = put_words(w, e, job_view(&raw), html, depth, signature);
	tlv_out_finish(&raw);
	return r;
}

/* The header lines of a message inside, as text, then its parts. */
static enum ll_result
put_message(struct walk *w, const struct mime_entity *e, unsigned depth,
    uint64_t signature)
{
	static const char *const names[] = { "From", "To", "Cc", "Date",
		"Subject" };
	struct tlv_out content, text;
	char value[MIME_FIELD_MAX];
	struct mime_entity inner;
	enum ll_result r;
	size_t i;

	tlv_out_init(&content, JOB_OPENED_MAX);
	tlv_out_init(&text, 100000);
	mime_decode(e, &content);
	mime_read(job_view(&content), &inner);
	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (mime_field(inner.head, names[i], 0, value,
		    sizeof value)) {
			tlv_put_raw(&text, names[i], strlen(names[i]));
			tlv_put_raw(&text, ": ", 2);
			mime_words(value, &text);
			tlv_put_raw(&text, "\n", 1);
		}
	r = content.err != LL_OK ? put_part(w, PARSE_W_FILE, e, &content,
	    depth, signature) : put_part(w, PARSE_W_MESSAGE, e, &text, depth,
	    signature);
	/* as a file, too: each one once, not again in those around it */
	if (r == LL_OK && w->inside == 0 && content.err == LL_OK &&
	    w->bytes + 2 * content.len <= JOB_OPENED_MAX)
		r = put_part(w, PARSE_W_FILE, e, &content, depth, signature);
	w->inside++;
	if (r == LL_OK)
		r = walk(w, job_view(&content), depth + 1, signature);
	w->inside--;
	tlv_out_finish(&text);
	tlv_out_finish(&content);
	return r;
}

static bool
has_plain(const struct mime_entity *e)
{
	struct mime_entity part;
	struct tlv_view v;
	size_t at = 0;

	while (mime_part(e->body, e->boundary, &at, &v)) {
		mime_read(v, &part);
		if (strcmp(part.type, "text/plain") == 0 && !part.attachment)
			return true;
	}
	return false;
}

/* What a winmail.dat is made of, with what is needed to tell of it. */
struct tnef {
	struct walk *w;
	unsigned depth;
	uint64_t signature;
};

/* Its text only where the mail has none of its own: else they are the same. */
static enum ll_result
put_tnef_part(void *ctx, enum mime_tnef what, const char *name,
    const char *charset, struct tlv_view content)
{
	struct tnef *t = ctx;
	struct mime_entity e;

	if (what != MIME_TNEF_FILE && t->w->texts > 0)
		return LL_OK;
	memset(&e, 0, sizeof e);
	e.body = content;
	snprintf(e.name, sizeof e.name, "%s", name);
	snprintf(e.charset, sizeof e.charset, "%s", charset);
	snprintf(e.type, sizeof e.type, "%s", what == MIME_TNEF_TEXT ?
	    "text/plain" : what == MIME_TNEF_HTML ? "text/html" :
	    "application/octet-stream");
	if (what == MIME_TNEF_FILE)
		return put_file(t->w, &e, t->depth, t->signature);
	return put_text(t->w, &e, what == MIME_TNEF_HTML, t->depth,
	    t->signature);
}

/* The file as it came, then what is in it. */
static enum ll_result
put_tnef(struct walk *w, const struct mime_entity *e, unsigned depth,
    uint64_t signature)
{
	struct tnef t = { w, depth + 1, signature };
	struct tlv_out content;
	enum ll_result r;

	tlv_out_init(&content, JOB_OPENED_MAX);
	mime_decode(e, &content);
	r = put_part(w, PARSE_W_FILE, e, &content, depth, signature);
	if (r == LL_OK && w->bytes + content.len <= JOB_OPENED_MAX)
		r = mime_tnef(job_view(&content), put_tnef_part, &t);
	tlv_out_finish(&content);
	return r == LL_PROTO ? LL_OK : r;
}

static enum ll_result
walk_parts(struct walk *w, const struct mime_entity *e, unsigned depth,
    uint64_t signature)
{
	struct tlv_view part;
	const bool before = w->html_is_file;
	enum ll_result r = LL_OK;
	size_t at = 0, n = 0;

	if (strcmp(e->type, "multipart/alternative") == 0 && has_plain(e))
		w->html_is_file = true;
	while (r == LL_OK && mime_part(e->body, e->boundary, &at, &part)) {
		r = walk(w, part, depth + 1, signature);
		n++;
	}
	w->html_is_file = before;
	/* Broken: shown as it is rather than lost. */
	return r == LL_OK && n == 0 ? put_file(w, e, depth, signature) : r;
}

static enum ll_result
walk_signed(struct walk *w, const struct mime_entity *e, unsigned depth)
{
	struct tlv_view content;
	uint64_t signature;
	enum ll_result r;

	r = open_signed(w->job, e, &content, &signature);
	return r == LL_OK ? walk(w, content, depth + 1, signature) : r;
}

/* A part encrypted on its own, as in a message that was passed on whole.  What
 * can't be opened is given as files, for all else would be lost with it. */
static enum ll_result
walk_sealed(struct walk *w, const struct mime_entity *e, unsigned depth,
    uint64_t signature)
{
	struct tlv_out plain = { 0 };
	enum ll_result r = LL_FULL;
	bool encrypted = false;
	uint64_t number;

	if (w->sealed++ < OPEN_LAYERS_MAX)
		r = open_sealed(w->job, e, &plain, &number, &encrypted);
	if (r == LL_OK) {
		if (encrypted)
			tell_partly(w);
		r = walk(w, job_view(&plain), depth + 1, number);
		tlv_out_finish(&plain);
		return r;
	}
	tlv_out_finish(&plain);
	if (r == LL_TOOBIG || r == LL_NOMEM)
		return r;
	open_warn(w->job, "A part inside is encrypted on its own and could "
	    "not be opened; it is given as files.");
	return strncmp(e->type, "multipart/", 10) == 0 ?
	    walk_parts(w, e, depth, signature) :
	    put_file(w, e, depth, signature);
}

static enum ll_result
walk(struct walk *w, struct tlv_view whole, unsigned depth,
    uint64_t signature)
{
	struct mime_entity e;

	mime_read(whole, &e);
	if (depth >= OPEN_DEPTH_MAX) {
		if (!w->told_depth)
			open_warn(w->job, "It is nested more than 20 deep; "
			    "what is deeper is given as one file.");
		w->told_depth = true;
		return put_file(w, &e, depth, signature);
	}
	if (strcmp(e.type, "multipart/signed") == 0)
		return walk_signed(w, &e, depth);
	if (open_is_sealed(&e))
		return walk_sealed(w, &e, depth, signature);
	if (strncmp(e.type, "multipart/", 10) == 0)
		return walk_parts(w, &e, depth, signature);
	if (strcmp(e.type, "message/rfc822") == 0)
		return put_message(w, &e, depth, signature);
	if (strcmp(e.type, "application/ms-tnef") == 0 ||
	    strcmp(e.type, "application/vnd.ms-tnef") == 0)
		return put_tnef(w, &e, depth, signature);
	if (!e.attachment && !w->html_is_file &&
	    strcmp(e.type, "text/html") == 0)
		return put_text(w, &e, true, depth, signature);
	if (!e.attachment && (strcmp(e.type, "text/plain") == 0 ||
	    strcmp(e.type, "message/delivery-status") == 0 ||
	    strcmp(e.type, "text/rfc822-headers") == 0))
		return put_text(w, &e, false, depth, signature);
	return put_file(w, &e, depth, signature);
}

enum ll_result
open_walk(struct job *job, struct tlv_view whole, uint64_t signature)
{
	static struct out out;
	struct walk w = { .job = job, .out = &out };

	return walk(&w, whole, 0, signature);
}
