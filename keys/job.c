#include "keys/job.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"

enum ll_result
job_fail(struct job *job, enum ll_result r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(job->words, sizeof job->words, format, args);
	va_end(args);
	return r;
}

static enum ll_result
take_begin(struct job *job, const struct parse_chunk *c)
{
	if (parse_begun(c) != job->item_count)
		return job_fail(job, LL_PROTO, "The items are out of order.");
	if (job->item_count == PARSE_ITEMS_MAX)
		return job_fail(job, LL_TOOBIG,
		    "More than %d attachments.", PARSE_ITEMS_MAX - 1);
	job->items[job->item_count].at = job->data.len;
	job->items[job->item_count++].len = 0;
	return LL_OK;
}

static enum ll_result
take(struct job *job, const struct parse_chunk *c)
{
	if (c->kind == 'B')
		return take_begin(job, c);
	if (c->kind == 'J' && job->item_count == 0) {
		tlv_put_raw(&job->fields, c->data, c->len);
		if (job->fields.err == LL_OK)
			return LL_OK;
		return job_fail(job, job->fields.err,
		    "The job has more keys and names than can be held.");
	}
	if (c->kind != 'D' || job->item_count == 0)
		return job_fail(job, LL_PROTO, "The job is out of order.");
	tlv_put_raw(&job->data, c->data, c->len);
	if (job->data.err != LL_OK)
		return job_fail(job, job->data.err, "The message is larger "
		    "than %u MB.", PARSE_DATA_MAX >> 20);
	job->items[job->item_count - 1].len += c->len;
	return LL_OK;
}

static struct parse_ahead ahead;

/* Everything but the wire and the keys. */
static void
clear(struct job *job)
{
	const struct parse_wire wire = job->wire;
	const struct tlv_out keys = job->keys;

	memset(job, 0, sizeof *job);
	job->wire = wire;
	job->keys = keys;
	job->opened = true;
	tlv_out_init(&job->fields, PARSE_JOB_MAX);
	tlv_out_init(&job->data, PARSE_DATA_MAX);
	tlv_out_init(&job->result, PARSE_RESULT_MAX);
	tlv_out_init(&job->attached_keys, PARSE_RESULT_MAX);
	tlv_out_init(&job->found, PARSE_RESULT_MAX / 2);
}

static void
drop(struct job *job)
{
	tlv_out_finish(&job->fields);
	tlv_out_finish(&job->data);
	tlv_out_finish(&job->result);
	tlv_out_finish(&job->attached_keys);
	tlv_out_finish(&job->found);
}

static enum ll_result
take_keys(struct job *job, struct parse_chunk *c, enum ll_result *bad)
{
	enum ll_result r = parse_get_ahead(&job->wire, &ahead, c);

	if (r != LL_OK)
		return r;
	if (c->kind != 'K')
		*bad = job_fail(job, LL_PROTO, "The keys come first.");
	else
		tlv_put_raw(&job->keys, c->data, c->len);
	explicit_bzero(c->data, c->len);
	return LL_OK;
}

/* What follows a breach is read and dropped, so that the asker gets to read
 * the answer. */
enum ll_result
job_read(struct job *job)
{
	static struct parse_chunk c;
	enum ll_result r = LL_OK, bad = LL_OK;
	const bool first = !job->opened;

	if (first)
		tlv_out_init_secret(&job->keys, PARSE_CHUNK);
	else
		drop(job);
	clear(job);
	if (first)
		r = take_keys(job, &c, &bad);
	while (r == LL_OK) {
		r = parse_get_ahead(&job->wire, &ahead, &c);
		if (r == LL_OK && c.kind == 'E')
			return bad != LL_OK ? bad : job->keys.err;
		if (r == LL_OK && bad == LL_OK)
			bad = take(job, &c);
		explicit_bzero(c.data, c.len);
	}
	return r;
}

enum ll_result
job_answer(struct job *job, enum ll_result result)
{
	struct tlv_out head;
	enum ll_result r;
	bool short_one;

	if (result == LL_OK && job->result.err != LL_OK)
		result = job_fail(job, job->result.err,
		    "The answer is larger than can be given.");
	tlv_out_init(&head, PARSE_CHUNK);
	tlv_put_u64(&head, PARSE_F_RESULT, (uint64_t)result);
	if (result != LL_OK)
		tlv_put_text(&head, PARSE_F_WORDS, job->words[0] != 0 ?
		    job->words : ll_result_text(result));
	short_one = head.err == LL_OK && job->result.err == LL_OK &&
	    job->result.len <= PARSE_CHUNK - head.len;
	if (short_one)
		tlv_put_raw(&head, job->result.data, job->result.len);
	r = head.err;
	if (r == LL_OK)
		r = parse_put(&job->wire, 'R', head.data, head.len);
	if (r == LL_OK && !short_one && job->result.err == LL_OK)
		r = parse_put(&job->wire, 'R', job->result.data,
		    job->result.len);
	if (r == LL_OK)
		r = parse_put(&job->wire, 'E', NULL, 0);
	tlv_out_finish(&head);
	return r;
}

void
job_finish(struct job *job)
{
	tlv_out_finish(&job->keys);
	drop(job);
	job->opened = false;
}

enum ll_result
job_text(struct tlv_view v, uint8_t tag, const char **t_r)
{
	struct tlv_field f;
	size_t at = 0;

	*t_r = NULL;
	if (tlv_find(v, tag, &at, &f) != LL_OK)
		return LL_OK;
	return tlv_text(&f, t_r);
}

uint64_t
job_number(struct tlv_view v, uint8_t tag, uint64_t otherwise)
{
	struct tlv_field f;
	uint64_t n;
	size_t at = 0;

	if (tlv_find(v, tag, &at, &f) != LL_OK || tlv_u64(&f, &n) != LL_OK)
		return otherwise;
	return n;
}

struct tlv_view
job_bytes(struct tlv_view v, uint8_t tag)
{
	struct tlv_view found = { NULL, 0 };
	size_t at = 0;

	(void)job_each(v, tag, &at, &found);
	return found;
}

enum ll_result
job_address(struct job *job, const char **address_r)
{
	char whole[330], clean[321];
	const char *why = "it is no e-mail address";

	if (job_text(job_view(&job->fields), PARSE_F_ADDRESS, address_r) !=
	    LL_OK || *address_r == NULL || strlen(*address_r) > 320)
		return job_fail(job, LL_USAGE, "An address is missing or is "
		    "no text.");
	snprintf(whole, sizeof whole, "%s%s",
	    **address_r == '@' ? "any" : "", *address_r);
	if (clean_address(whole, clean, &why) != LL_OK)
		return job_fail(job, LL_USAGE, "An address can't be used: %s",
		    why);
	return LL_OK;
}

bool
job_address_is(const char *address, const char *wanted)
{
	const char *at = strrchr(address, '@');

	if (wanted[0] == '@')
		return at != NULL && strcasecmp(at, wanted) == 0;
	return strcasecmp(address, wanted) == 0;
}

bool
job_each(struct tlv_view v, uint8_t tag, size_t *at, struct tlv_view *nest_r)
{
	struct tlv_field f;

	if (tlv_find(v, tag, at, &f) != LL_OK)
		return false;
	nest_r->data = f.data;
	nest_r->len = f.len;
	return true;
}
