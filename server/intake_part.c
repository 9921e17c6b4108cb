#include "server/intake_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/intake_wire.h"
#include "store/msg.h"

enum ll_result
intake_parts_begin(struct intake_mail *m, struct intake_parts *p)
{
	struct tlv_out job;
	enum ll_result r;

	p->m = m;
	tlv_out_init(&job, 1024);
	tlv_put_u64(&job, PARSE_F_JOB, PARSE_OPEN);
	r = intake_wire_open(m->x, NULL, &job, &p->wire);
	tlv_out_finish(&job);
	if (r == LL_OK)
		r = parse_put(&p->wire, 'D', m->bytes, m->len);
	return r == LL_EOF ? LL_BUSY : r;
}

enum ll_result
intake_parts_draft(struct intake_parts *p)
{
	struct intake_draft *one = &p->drafts[p->count];
	enum ll_result r;

	if (p->count == PARTS_DRAFTS_MAX)
		return LL_TOOBIG;
	r = draft_init(&one->d);
	if (r == LL_OK) {
		envelope_init(&one->files);
		p->count++;
	}
	return r;
}

void
intake_parts_forget(struct intake_parts *p)
{
	struct intake_draft *one = &p->drafts[--p->count];

	upload_abort(one->up);
	one->up = NULL;
	envelope_finish(&one->files);
	draft_finish(&one->d);
}

static void
drop_bytes(struct intake_parts *p, struct intake_part *part)
{
	if (part->bytes != NULL)
		sodium_memzero(part->bytes, part->len);
	free(part->bytes);
	p->memory -= part->len;
	part->bytes = NULL;
	part->len = 0;
}

void
intake_parts_finish(struct intake_parts *p)
{
	size_t i;

	intake_wire_close(&p->wire);
	while (p->count > 0)
		intake_parts_forget(p);
	for (i = 0; i <= PARTS_MAX; i++)
		drop_bytes(p, &p->part[i]);
}

/* --- parts as they come --- */

static enum ll_result
add_to_all(struct intake_parts *p, const void *bytes, size_t len)
{
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < p->count; i++)
		r = upload_add(p->drafts[i].up, bytes, len);
	return r;
}

/* What is in memory of a part becomes a file of every draft. */
static enum ll_result
upload(struct intake_parts *p, struct intake_part *part)
{
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < p->count; i++) {
		struct intake_draft *one = &p->drafts[i];
		const struct upload_target t = { .store = p->m->x->store,
		    .owner = &p->m->author, .message = &one->d.id,
		    .key = one->d.key.data };

		r = upload_begin(&t, OBJECT_ATTACHMENT, "attachment",
		    "application/octet-stream", part->len, &one->files,
		    &one->up);
	}
	if (r == LL_OK)
		r = add_to_all(p, part->bytes, part->len);
	part->file = ++p->files;
	drop_bytes(p, part);
	return r;
}

static enum ll_result
end_uploads(struct intake_parts *p)
{
	enum ll_result r = LL_OK, one;
	size_t i;

	for (i = 0; i < p->count; i++) {
		struct upload *u = p->drafts[i].up;

		p->drafts[i].up = NULL;
		one = u != NULL ? upload_end(u, &p->drafts[i].files) : LL_OK;
		r = r == LL_OK ? one : r;
	}
	return r;
}

static enum ll_result
keep(struct intake_parts *p, struct intake_part *part, const void *bytes,
    size_t len)
{
	uint8_t *grown = malloc(part->len + len);

	if (grown == NULL)
		return LL_NOMEM;
	if (part->bytes != NULL) {
		memcpy(grown, part->bytes, part->len);
		sodium_memzero(part->bytes, part->len);
		free(part->bytes);
	}
	memcpy(grown + part->len, bytes, len);
	part->bytes = grown;
	part->len += len;
	p->memory += len;
	return LL_OK;
}

static enum ll_result
take_output(void *ctx, uint32_t n, const void *bytes, size_t len)
{
	struct intake_parts *p = ctx;
	struct intake_part *part;
	enum ll_result r = LL_OK;

	if (n < 1 || n > PARTS_MAX)
		return LL_TOOBIG;
	part = &p->part[n];
	if (n != p->current)
		r = end_uploads(p);
	p->current = n;
	if (r != LL_OK || len == 0)
		return r;
	if (part->file > 0)
		return add_to_all(p, bytes, len);
	if (part->len + len <= DRAFT_BODY_MAX &&
	    p->memory + len <= PARTS_MEMORY)
		return keep(p, part, bytes, len);
	r = upload(p, part);
	return r == LL_OK ? add_to_all(p, bytes, len) : r;
}

/* --- what they are --- */

static const char *
text_of(struct tlv_view v, enum parse_field tag)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0;

	return tlv_find(v, (uint8_t)tag, &at, &f) == LL_OK &&
	    tlv_text(&f, &text) == LL_OK ? text : "";
}

static uint64_t
number_of(struct tlv_view v, enum parse_field tag)
{
	struct tlv_field f;
	uint64_t n;
	size_t at = 0;

	return tlv_find(v, (uint8_t)tag, &at, &f) == LL_OK &&
	    tlv_u64(&f, &n) == LL_OK ? n : 0;
}

/* The text so far and one more; false when it would be too long. */
static enum ll_result
add_text(struct intake_parts *p, const struct intake_part *part, bool *fits_r)
{
	const char *old = p->drafts[0].d.body;
	size_t had = strlen(old), i, n;
	enum ll_result r = LL_OK;
	char *text;

	*fits_r = had + 2 + part->len <= DRAFT_BODY_MAX;
	if (!*fits_r)
		return LL_OK;
	text = malloc(had + part->len + 3);
	if (text == NULL)
		return LL_NOMEM;
	memcpy(text, old, had);
	n = had;
	if (n > 0)
		text[n++] = '\n';
	for (i = 0; i < part->len; i++)
		if (part->bytes[i] != '\0')
			text[n++] = (char)part->bytes[i];
	text[n] = '\0';
	for (i = 0; r == LL_OK && i < p->count; i++)
		r = draft_set_body(&p->drafts[i].d, text);
	sodium_memzero(text, n);
	free(text);
	*fits_r = r != LL_USAGE;
	return r == LL_USAGE ? LL_OK : r;
}

static enum ll_result
attach(struct intake_parts *p, const struct intake_part *part,
    struct tlv_view about, bool text)
{
	const char *name = text_of(about, PARSE_F_NAME);
	const char *type = text_of(about, PARSE_F_TYPE);
	struct draft_attachment a = { 0 };
	enum ll_result r;
	size_t i;

	if (name[0] == '\0')
		name = text ? "text.txt" : strcmp(type, "text/html") == 0 ?
		    "message.html" : "attachment";
	r = clean_file_name(name, strlen(name), &a.name);
	if (r == LL_OK)
		r = clean_text(type, strlen(type), CLEAN_LINE, &a.type);
	for (i = 0; r == LL_OK && i < p->count; i++) {
		const struct envelope *e = &p->drafts[i].files;
		const struct envelope_object *o;

		if (part->file > e->object_count) {
			r = LL_PROTO;
			break;
		}
		o = &e->objects[part->file - 1];
		a.object = o->id;
		a.plain_bytes = o->plain_bytes;
		a.sealed_bytes = o->sealed_bytes;
		memcpy(a.hash, o->hash, sizeof(a.hash));
		r = draft_add_attachment(&p->drafts[i].d, &a);
	}
	free(a.name);
	free(a.type);
	return r;
}

static enum ll_result
place_part(struct intake_parts *p, struct intake_part *part,
    struct tlv_view about)
{
	const bool text = number_of(about, PARSE_F_WHAT) != PARSE_W_FILE;
	enum ll_result r = LL_OK;
	bool fits = false;

	if (text && part->file == 0)
		r = add_text(p, part, &fits);
	if (r != LL_OK || fits)
		return r;
	if (part->file == 0) {
		r = upload(p, part);
		if (r == LL_OK)
			r = end_uploads(p);
	}
	return r == LL_OK ? attach(p, part, about, text) : r;
}

static enum ll_result
place_all(struct intake_parts *p, struct tlv_view answer)
{
	enum ll_result r = LL_OK;
	struct tlv_field f;
	size_t at = 0, n = 0;

	while (r == LL_OK && tlv_find(answer, PARSE_F_PART, &at, &f) ==
	    LL_OK) {
		struct tlv_view about = { f.data, f.len };

		if (++n > PARTS_MAX)
			return LL_TOOBIG;
		r = place_part(p, &p->part[n], about);
	}
	return r;
}

enum ll_result
intake_parts_read(struct intake_mail *m, struct intake_parts *p)
{
	struct tlv_out result;
	struct tlv_view v;
	const char *words;
	enum ll_result r;

	r = parse_put(&p->wire, 'E', NULL, 0);
	if (r != LL_OK)
		return LL_BUSY;
	r = parse_answer(&p->wire, take_output, p, &result);
	if (r == LL_OK)
		r = end_uploads(p);
	v = (struct tlv_view){ result.data, result.len };
	if (r == LL_OK && parse_result(v, &words) != LL_OK) {
		snprintf(m->words, sizeof(m->words), "Not sent: %.150s",
		    words[0] != '\0' ? words : "it cannot be taken apart");
		r = LL_DENIED;
	}
	if (r == LL_OK)
		r = place_all(p, v);
	tlv_out_finish(&result);
	return r == LL_PROTO ? LL_BUSY : r;
}
