#include "keys/write.h"

#include <stdlib.h>
#include <string.h>

#include "keys/cms.h"
#include "keys/out.h"
#include "keys/pgp.h"

#define RESERVE_ABOVE (1u << 20)

/* The outer header, with that subject. */
static enum ll_result
put_outer(struct job *job, struct out *out, const char *subject,
    bool autocrypt)
{
	struct tlv_out head, key;
	const char *address, *name;
	enum ll_result r;
	size_t at;

	tlv_out_init(&head, PARSE_JOB_MAX);
	tlv_out_init(&key, PARSE_KEY_MAX);
	r = write_head(job, &head, subject);
	autocrypt = autocrypt && write_person(job, job_bytes(job_view(
	    &job->fields), PARSE_F_FROM), &address, &name);
	if (r == LL_OK && autocrypt)
		r = pgp_autocrypt(job, address, &key);
	if (r == LL_OK && key.len > 0) {
		write_line(&head, "Autocrypt: addr=%s; prefer-encrypt=mutual;"
		    "\r\n keydata=", address);
		for (at = 0; at < key.len; at += 72)
			write_line(&head, "\r\n %.*s", key.len - at < 72 ?
			    (int)(key.len - at) : 72,
			    (const char *)key.data + at);
		tlv_put_raw(&head, "\r\n", 2);
	}
	write_line(&head, "MIME-Version: 1.0\r\n");
	if (r == LL_OK)
		r = head.err;
	if (r == LL_OK)
		out_put(out, head.data, head.len);
	tlv_out_finish(&head);
	tlv_out_finish(&key);
	return r == LL_OK ? out->err : r;
}

void
write_told(struct job *job, enum parse_format format, const char *how,
    uint64_t bytes)
{
	struct tlv_out told;

	tlv_out_init(&told, 200);
	tlv_put_u64(&told, PARSE_F_FORMAT, (uint64_t)format);
	tlv_put_text(&told, PARSE_F_TEXT, how);
	tlv_put_u64(&told, PARSE_F_BYTES, bytes);
	tlv_put_tlv(&job->result, PARSE_F_ALGORITHM, &told);
	tlv_out_finish(&told);
}

static void
out_string(struct out *out, const char *text)
{
	out_put(out, text, strlen(text));
}

/* RFC 3156, section 4. */
static enum ll_result
seal_openpgp(struct job *job, const struct tlv_out *entity, struct out *out)
{
	char boundary[40], text[700];
	enum ll_result r;

	r = put_outer(job, out, "...", job_number(job_view(&job->fields),
	    PARSE_F_AUTOCRYPT, 0) == 1);
	if (r != LL_OK)
		return r;
	write_boundary(boundary);
	snprintf(text, sizeof text, "Content-Type: multipart/encrypted; "
	    "protocol=\"application/pgp-encrypted\";\r\n boundary=\"%s\"\r\n"
	    "\r\n--%s\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
	    "Version: 1\r\n\r\n--%s\r\nContent-Type: application/octet-stream;"
	    " name=\"encrypted.asc\"\r\nContent-Disposition: inline; "
	    "filename=\"encrypted.asc\"\r\n\r\n", boundary, boundary,
	    boundary);
	out_string(out, text);
	r = pgp_seal(job, entity, out);
	snprintf(text, sizeof text, "\r\n--%s--\r\n", boundary);
	out_string(out, text);
	write_told(job, PARSE_OPENPGP, "AES-256", out->total);
	return r == LL_OK ? out->err : r;
}

static enum ll_result
seal_smime(struct job *job, const struct tlv_out *entity, struct out *out)
{
	enum ll_result r;

	r = put_outer(job, out, "...", false);
	return r == LL_OK ? cms_seal(job, entity, out) : r;
}

static bool
has_private(struct job *job, enum parse_format format)
{
	struct tlv_view nest;
	size_t at = 0;

	while (job_each(job_view(&job->keys), PARSE_F_PRIVATE, &at, &nest))
		if (job_number(nest, PARSE_F_FORMAT, 0) == (uint64_t)format)
			return true;
	return false;
}

/* Not encrypted; signed when the sender has a certificate.  The entity is not
 * the encrypted formats': nothing is hidden that the header would repeat. */
static enum ll_result
seal_plain(struct job *job, const struct tlv_out *entity, struct out *out)
{
	const bool sign = cms_can_sign(job);
	struct tlv_out clear;
	const char *subject;
	enum ll_result r;

	(void)entity;
	if (job_text(job_view(&job->fields), PARSE_F_SUBJECT, &subject) !=
	    LL_OK)
		return job_fail(job, LL_USAGE, "The subject is no text.");
	tlv_out_init(&clear, WRITE_ENTITY_MAX);
	r = write_entity(job, &clear, sign ? WRITE_SIGNED : WRITE_BARE);
	if (r == LL_OK)
		r = put_outer(job, out, subject == NULL ? "" : subject,
		    has_private(job, PARSE_OPENPGP) && job_number(job_view(
		    &job->fields), PARSE_F_AUTOCRYPT, 0) == 1);
	if (r == LL_OK && sign)
		r = cms_sign(job, &clear, out);
	else if (r == LL_OK)
		out_put(out, clear.data, clear.len);
	tlv_out_finish(&clear);
	write_told(job, PARSE_PLAIN, sign ? "signed" : "not signed",
	    out->total);
	return r == LL_OK ? out->err : r;
}

static bool
wanted(struct job *job, enum parse_format format)
{
	struct tlv_view nest;
	size_t at = 0;

	while (job_each(job_view(&job->fields), PARSE_F_RECIPIENT, &at, &nest))
		if (job_number(nest, PARSE_F_FORMAT, 0) == (uint64_t)format)
			return true;
	return false;
}

enum ll_result
write_seal(struct job *job)
{
	static enum ll_result (*const seals[])(struct job *,
	    const struct tlv_out *, struct out *) = {
		[PARSE_OPENPGP] = seal_openpgp, [PARSE_SMIME] = seal_smime,
		[PARSE_PLAIN] = seal_plain,
	};
	static struct out out;
	struct tlv_out entity;
	enum ll_result r = LL_OK, ended;
	uint32_t format;
	size_t made = 0;

	tlv_out_init(&entity, WRITE_ENTITY_MAX);
	if (job->data.len > RESERVE_ABOVE)
		tlv_out_reserve(&entity, job->data.len / 57 * 78 +
		    RESERVE_ABOVE);
	if (wanted(job, PARSE_OPENPGP) || wanted(job, PARSE_SMIME))
		r = write_entity(job, &entity, WRITE_HIDDEN);
	for (format = PARSE_OPENPGP; r == LL_OK && format <= PARSE_PLAIN;
	    format++) {
		if (!wanted(job, (enum parse_format)format))
			continue;
		out_begin(&out, job, format, JOB_OUTPUT_MAX);
		r = seals[format](job, &entity, &out);
		ended = out_end(&out);
		r = r == LL_OK ? ended : r;
		made++;
	}
	if (r == LL_OK && made == 0)
		r = job_fail(job, LL_USAGE, "Nobody's key was given.");
	if (r == LL_TOOBIG && job->words[0] == 0)
		r = job_fail(job, r, "The message is larger than %u MB.",
		    PARSE_DATA_MAX >> 20);
	tlv_out_finish(&entity);
	return r;
}
