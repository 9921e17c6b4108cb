#include "keys/open.h"

#include <string.h>
#include <strings.h>

#include "keys/cms.h"
#include "keys/pgp.h"

#define WARNINGS_MAX 20

/* What the layers give, one inside the other. */
struct layers {
	struct tlv_out opened[OPEN_LAYERS_MAX];
	size_t count;
	struct tlv_view inside;      /* the innermost entity so far */
	uint64_t signature;          /* that covers all of it */
	bool encrypted, weak;
};

void
open_warn(struct job *job, const char *words)
{
	if (job->warnings++ < WARNINGS_MAX)
		tlv_put_text(&job->result, PARSE_F_WARNING, words);
}

uint64_t
open_signature(struct job *job, enum parse_format format, enum ll_result r,
    const char *words, const char *fingerprint,
    const struct tlv_out *holders, uint64_t created)
{
	struct tlv_out o;

	tlv_out_init(&o, 30000);
	tlv_put_u64(&o, PARSE_F_FORMAT, (uint64_t)format);
	tlv_put_u64(&o, PARSE_F_RESULT, (uint64_t)r);
	tlv_put_text(&o, PARSE_F_WORDS, words);
	if (fingerprint != NULL)
		tlv_put_text(&o, PARSE_F_FINGERPRINT, fingerprint);
	if (holders != NULL)
		tlv_put_raw(&o, holders->data, holders->len);
	if (created != 0)
		tlv_put_u64(&o, PARSE_F_CREATED, created);
	tlv_put_tlv(&job->result, PARSE_F_SIGNATURE, &o);
	tlv_out_finish(&o);
	return ++job->signatures;
}

/* Signed is text with CRLF, whatever a mail store made of it. */
static void
put_crlf(struct tlv_out *o, struct tlv_view v)
{
	size_t i, start = 0;

	for (i = 0; i < v.len; i++) {
		if (v.data[i] != '\n' || (i > 0 && v.data[i - 1] == '\r'))
			continue;
		tlv_put_raw(o, v.data + start, i - start);
		tlv_put_raw(o, "\r\n", 2);
		start = i + 1;
	}
	tlv_put_raw(o, v.data + start, v.len - start);
}

enum ll_result
open_signed(struct job *job, const struct mime_entity *e,
    struct tlv_view *content_r, uint64_t *signed_r)
{
	struct mime_entity part;
	struct tlv_view second;
	struct tlv_out text, der, none;
	struct cms_opened cms;
	enum ll_result r;
	size_t at = 0;

	*signed_r = 0;
	if (!mime_part(e->body, e->boundary, &at, content_r))
		*content_r = e->body;
	else if (mime_part(e->body, e->boundary, &at, &second)) {
		mime_read(second, &part);
		tlv_out_init(&text, JOB_OUTPUT_MAX);
		tlv_out_init(&der, PARSE_RESULT_MAX);
		put_crlf(&text, *content_r);
		mime_decode(&part, &der);
		r = text.err != LL_OK ? text.err : der.err;
		if (r == LL_OK && strstr(e->protocol, "pgp") != NULL) {
			r = pgp_open(job, job_view(&text), job_view(&der),
			    &none, signed_r);
			tlv_out_finish(&none);
		} else if (r == LL_OK) {
			/* One that can't be read is told, not a failure. */
			(void)!cms_open(job, job_view(&der), job_view(&text),
			    &cms);
			*signed_r = cms.how == NULL ? cms.signature : 0;
			tlv_out_finish(&cms.plain);
		}
		tlv_out_finish(&text);
		tlv_out_finish(&der);
		return r;
	}
	open_warn(job, "It claims to be signed, but no signature is there.");
	return LL_OK;
}

static bool
is_pkcs7(const struct mime_entity *e)
{
	return strcmp(e->type, "application/pkcs7-mime") == 0 ||
	    strcmp(e->type, "application/x-pkcs7-mime") == 0;
}

/* Ciphertext of a multipart/encrypted is its second part. */
static enum ll_result
open_pgp(struct job *job, const struct mime_entity *e, struct layers *l)
{
	struct tlv_view part = { NULL, 0 }, none = { NULL, 0 };
	struct tlv_out *opened = &l->opened[l->count++];
	struct mime_entity inner;
	struct tlv_out cipher;
	uint64_t number = 0;
	enum ll_result r;
	size_t at = 0;

	if (!mime_part(e->body, e->boundary, &at, &part) ||
	    !mime_part(e->body, e->boundary, &at, &part))
		return job_fail(job, LL_PROTO, "It claims to be encrypted, "
		    "but nothing encrypted is there.");
	mime_read(part, &inner);
	tlv_out_init(&cipher, JOB_OUTPUT_MAX);
	mime_decode(&inner, &cipher);
	r = cipher.err != LL_OK ? cipher.err : pgp_open(job, job_view(&cipher),
	    none, opened, &number);
	tlv_out_finish(&cipher);
	/* Who signs ciphertext need not have written what is in it. */
	l->signature = number;
	l->encrypted = true;
	l->inside = job_view(opened);
	return r;
}

static enum ll_result
open_cms(struct job *job, const struct mime_entity *e, struct layers *l)
{
	struct tlv_view none = { NULL, 0 };
	struct cms_opened cms;
	struct tlv_out der;
	enum ll_result r;

	tlv_out_init(&der, JOB_OUTPUT_MAX);
	mime_decode(e, &der);
	r = cms_open(job, job_view(&der), none, &cms);
	tlv_out_finish(&der);
	l->opened[l->count++] = cms.plain;
	l->inside = job_view(&cms.plain);
	if (cms.how != NULL && r == LL_OK) {
		l->encrypted = true;
		l->weak = cms.weak;
		l->signature = 0;
		tlv_put_text(&job->result, PARSE_F_ENCRYPTED, cms.how);
	}
	if (cms.signature != 0)
		l->signature = cms.signature;
	return r;
}

bool
open_is_sealed(const struct mime_entity *e)
{
	return strcmp(e->type, "multipart/encrypted") == 0 ||
	    (is_pkcs7(e) && strcmp(e->smime, "certs-only") != 0);
}

enum ll_result
open_sealed(struct job *job, const struct mime_entity *e,
    struct tlv_out *plain_r, uint64_t *signed_r, bool *encrypted_r)
{
	struct layers l;
	enum ll_result r;

	memset(&l, 0, sizeof l);
	r = is_pkcs7(e) ? open_cms(job, e, &l) : open_pgp(job, e, &l);
	*plain_r = l.opened[0];
	*signed_r = l.signature;
	*encrypted_r = l.encrypted;
	return r;
}

/* Encryption and signatures around the whole message, from outside. */
static enum ll_result
unwrap(struct job *job, struct layers *l)
{
	struct mime_entity e;
	enum ll_result r = LL_OK;
	size_t turns;
	uint64_t number;

	for (turns = 0; r == LL_OK && turns < OPEN_LAYERS_MAX; turns++) {
		mime_read(l->inside, &e);
		if (strcmp(e.type, "multipart/encrypted") == 0)
			r = open_pgp(job, &e, l);
		else if (is_pkcs7(&e))
			r = open_cms(job, &e, l);
		else if (strcmp(e.type, "multipart/signed") == 0) {
			r = open_signed(job, &e, &l->inside, &number);
			if (number != 0)
				l->signature = number;
		} else
			return LL_OK;
	}
	if (r == LL_OK)
		open_warn(job, "It is encrypted or signed in too many layers; "
		    "the rest is left as it is.");
	return r;
}

static void
put_words(struct job *job, struct tlv_view head, const char *name, uint8_t tag)
{
	char value[MIME_FIELD_MAX];
	struct tlv_out text;

	if (!mime_field(head, name, 0, value, sizeof value))
		return;
	tlv_out_init(&text, 4 * MIME_FIELD_MAX);
	mime_words(value, &text);
	tlv_put_raw(&text, "", 1);
	if (text.err == LL_OK)
		tlv_put_text(&job->result, tag, (const char *)text.data);
	tlv_out_finish(&text);
}

static void
put_head(struct job *job, struct tlv_view outer, const struct layers *l)
{
	static const struct {
		const char *name;
		uint8_t tag;
	} fields[] = {
		{ "Subject", PARSE_F_SUBJECT }, { "From", PARSE_F_FROM },
		{ "To", PARSE_F_TO }, { "Cc", PARSE_F_CC },
		{ "Date", PARSE_F_TEXT }, { "Message-ID", PARSE_F_MESSAGE_ID },
		{ "In-Reply-To", PARSE_F_IN_REPLY_TO },
		{ "Reply-To", PARSE_F_REPLY_TO },
	};
	char value[MIME_FIELD_MAX], address[256];
	struct mime_entity in, out;
	bool inside;
	size_t i;

	mime_read(outer, &out);
	mime_read(l->inside, &in);
	inside = in.protecting && (l->encrypted || l->signature != 0);
	for (i = 0; i < sizeof fields / sizeof *fields; i++)
		put_words(job, inside && mime_field(in.head, fields[i].name, 0,
		    value, sizeof value) ? in.head : out.head, fields[i].name,
		    fields[i].tag);
	tlv_put_u64(&job->result, PARSE_F_PROTECTED, inside);
	if (inside && mime_field(in.head, "From", 0, value, sizeof value) &&
	    (!mime_address(value, address, sizeof address) ||
	    strcasecmp(address, job->from) != 0))
		open_warn(job, "The sender named inside is not the one named "
		    "outside.");
	if (mime_field(out.head, "From", 1, value, sizeof value))
		open_warn(job, "It names more than one sender.");
}

static void
find_sender(struct job *job, struct tlv_view whole)
{
	char value[MIME_FIELD_MAX];
	struct mime_entity e;
	const char *asked;

	mime_read(whole, &e);
	if (job_text(job_view(&job->fields), PARSE_F_ADDRESS, &asked) ==
	    LL_OK && asked != NULL)
		snprintf(job->from, sizeof job->from, "%s", asked);
	else if (!mime_field(e.head, "From", 0, value, sizeof value) ||
	    !mime_address(value, job->from, sizeof job->from))
		job->from[0] = 0;
}

static void
layers_finish(struct layers *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		tlv_out_finish(&l->opened[i]);
	memset(l, 0, sizeof *l);
}

/* A signature by a key that is not known may be by one that came along: then
 * all is opened once more with that at hand. */
static enum ll_result
unwrap_all(struct job *job, struct tlv_view whole, struct layers *l)
{
	enum ll_result r;

	memset(l, 0, sizeof *l);
	l->inside = whole;
	r = unwrap(job, l);
	if (r != LL_OK)
		return r;
	open_collect(job, l->inside);
	if (!job->unknown_signer || job->attached_count == 0)
		return LL_OK;
	layers_finish(l);
	l->inside = whole;
	job->result.len = 0;
	job->found.len = 0;
	job->found_count = job->signatures = job->warnings = 0;
	r = unwrap(job, l);
	if (r == LL_OK)
		open_collect(job, l->inside);
	return r;
}

enum ll_result
open_job(struct job *job)
{
	struct tlv_view whole;
	struct layers l;
	enum ll_result r;

	if (job->item_count != 1)
		return job_fail(job, LL_USAGE, "One message is wanted.");
	whole.data = job->data.data;
	whole.len = job->items[0].len;
	if (whole.len == 0)
		return job_fail(job, LL_USAGE, "The message is empty.");
	find_sender(job, whole);
	l.count = 0;
	r = unwrap_all(job, whole, &l);
	if (r == LL_OK && l.weak && l.signature == 0)
		open_warn(job, "It is encrypted in a way that does not show a "
		    "change on the way, and not signed.");
	if (r == LL_OK && l.weak)
		tlv_put_u64(&job->result, PARSE_F_WEAK, 1);
	if (r == LL_OK) {
		put_head(job, whole, &l);
		open_report(job, l.inside);
		r = open_walk(job, l.inside, l.signature);
	}
	if (r == LL_OK)
		open_put_found(job, whole);
	layers_finish(&l);
	return r == LL_OK ? job->result.err : r;
}
