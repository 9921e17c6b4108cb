#include "store/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 60000

static enum ll_result
no_output(void *ctx, uint32_t n, const void *p, size_t len)
{
	(void)ctx;
	(void)n;
	(void)p;
	(void)len;
	return LL_PROTO;
}

/* A foreign program's word for a text: cut, never more than the room. */
static void
copy_text(struct tlv_view v, uint8_t tag, char *out, size_t room)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0;

	out[0] = '\0';
	if (tlv_find(v, tag, &at, &f) == LL_OK && tlv_text(&f, &text) == LL_OK)
		(void)snprintf(out, room, "%s", text);
}

static uint64_t
number(struct tlv_view v, uint8_t tag)
{
	struct tlv_field f;
	uint64_t n;
	size_t at = 0;

	if (tlv_find(v, tag, &at, &f) || tlv_u64(&f, &n))
		return 0;
	return n;
}

static enum ll_result
read_key(struct tlv_view v, struct inspected *k)
{
	struct tlv_field f;
	const char *words;
	size_t at = 0;

	k->result = parse_result(v, &words);
	(void)snprintf(k->words, sizeof k->words, "%s", words);
	k->format = (enum parse_format)number(v, PARSE_F_FORMAT);
	k->bits = number(v, PARSE_F_BITS);
	k->created = number(v, PARSE_F_CREATED);
	k->expires = number(v, PARSE_F_EXPIRES);
	k->trusted = number(v, PARSE_F_TRUSTED) == 1;
	k->revoked = number(v, PARSE_F_REVOKED) == 1;
	copy_text(v, PARSE_F_FINGERPRINT, k->fingerprint,
	    sizeof k->fingerprint);
	copy_text(v, PARSE_F_ALGORITHM, k->algorithm, sizeof k->algorithm);
	copy_text(v, PARSE_F_HOLDER, k->holder, sizeof k->holder);
	if (k->result == LL_OK && !*k->fingerprint)
		return LL_PROTO;
	if (tlv_find(v, PARSE_F_KEY, &at, &f) || f.len == 0)
		return k->result == LL_OK ? LL_PROTO : LL_OK;
	k->key = malloc(f.len);
	if (!k->key)
		return LL_NOMEM;
	memcpy(k->key, f.data, f.len);
	k->key_len = f.len;
	return LL_OK;
}

static enum ll_result
add_key(struct inspection *i, struct tlv_view v)
{
	struct inspected *grown;

	grown = realloc(i->keys, (i->count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	i->keys = grown;
	memset(&grown[i->count], 0, sizeof *grown);
	return read_key(v, &grown[i->count++]);
}

/* One nest for each OpenPGP key, or the fields of the only one. */
static enum ll_result
read_answer(struct tlv_view v, struct inspection *i)
{
	struct tlv_field f;
	struct tlv_view nest;
	const char *words;
	size_t at = 0;
	enum ll_result r, result = parse_result(v, &words);

	(void)snprintf(i->words, sizeof i->words, "%s", words);
	while (tlv_find(v, PARSE_F_KEYS, &at, &f) == LL_OK) {
		nest.data = f.data;
		nest.len = f.len;
		r = add_key(i, nest);
		if (r)
			return r;
	}
	if (i->count > 0)
		return LL_OK;
	at = 0;
	if (result && tlv_find(v, PARSE_F_FINGERPRINT, &at, &f))
		return result;
	return add_key(i, v);
}

static enum ll_result
ask(const struct parse_wire *w, const char *address, const void *key,
    size_t len, struct tlv_view authorities)
{
	struct tlv_out job;
	enum ll_result r;

	tlv_out_init(&job, PARSE_JOB_MAX);
	tlv_put_u64(&job, PARSE_F_JOB, PARSE_INSPECT);
	tlv_put_text(&job, PARSE_F_ADDRESS, address);
	tlv_put_bytes(&job, PARSE_F_KEY, key, len);
	tlv_put_raw(&job, authorities.data, authorities.len);
	r = job.err;
	if (r == LL_OK)
		r = parse_put(w, 'J', job.data, job.len);
	if (r == LL_OK)
		r = parse_put(w, 'E', NULL, 0);
	tlv_out_finish(&job);
	return r;
}

enum ll_result
inspect_run(int fd, const char *address, const void *key, size_t len,
    struct tlv_view authorities, struct inspection *i_r)
{
	struct parse_wire w = { fd, ANSWER_MS };
	struct tlv_out answer;
	struct tlv_view v;
	enum ll_result r;

	memset(i_r, 0, sizeof *i_r);
	r = ask(&w, address, key, len, authorities);
	if (r == LL_OK) {
		r = parse_answer(&w, no_output, NULL, &answer);
		v.data = answer.data;
		v.len = answer.len;
		if (r == LL_OK)
			r = read_answer(v, i_r);
		tlv_out_finish(&answer);
	}
	close(fd);
	if (r == LL_EOF)
		r = LL_PROTO;
	return r;
}

void
inspect_finish(struct inspection *i)
{
	size_t n;

	for (n = 0; n < i->count; n++)
		free(i->keys[n].key);
	free(i->keys);
	i->keys = NULL;
	i->count = 0;
}
