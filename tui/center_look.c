/*
 * center_look.c - keys that were found for people outside: inspected, kept,
 * and the plan made with them.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "store/keyring.h"
#include "store/loop.h"
#include "tui/center_part.h"

/* Whoever has no mailbox here may have keys somewhere. */
static enum ll_result
ask_findings(struct center *c, const struct center_plan *p,
    struct msg **reply_r)
{
	struct msg *m;
	size_t i, asked = 0;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, OP_FINDINGS, &m);
	if (r)
		return r;
	for (i = 0; i < p->count; i++)
		if (p->rows[i].route != ROUTE_INTERNAL) {
			msg_put_text(m, F_ADDRESS, p->rows[i].address);
			asked++;
		}
	if (asked > 0)
		return desk_ask(c->desk, m, reply_r);
	msg_destroy(m);
	return LL_NOTFOUND;
}

/* Why none of the keys that were found can be used. */
static const char *
refusal(const struct inspection *found, enum ll_result r)
{
	size_t i;

	for (i = 0; i < found->count; i++)
		if (*found->keys[i].words)
			return found->keys[i].words;
	return *found->words ? found->words : ll_result_text(r);
}

/* words: why nothing in it can be used, "": something can. */
static enum ll_result
tell_seen(struct center *c, struct tlv_view row, const uint8_t *data,
    size_t len, const char *words)
{
	uint8_t hash[HASH_BYTES];
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_FINDING_SEEN, &m);
	if (r)
		return r;
	(void)crypto_hash_sha256(hash, data, len);
	msg_put_text(m, F_ADDRESS, view_text(row, F_ADDRESS));
	msg_put_u64(m, F_LOOKUP, view_u64(row, F_LOOKUP));
	msg_put_bytes(m, F_HASH, hash, sizeof hash);
	if (*words)
		msg_put_text(m, F_WORDS, words);
	return desk_ask(c->desk, m, NULL);
}

/* Keeps what is good of one finding.  What is no good key has been seen too,
 * so that nobody looks at it again. */
static enum ll_result
keep_finding(struct center *c, struct tlv_view row,
    const struct tlv_out *authorities)
{
	const char *address = view_text(row, F_ADDRESS);
	enum key_source source = (enum key_source)view_u64(row, F_KEY_SOURCE);
	struct inspection found;
	const uint8_t *data;
	size_t len = 0;
	enum ll_result r, kept;

	data = view_bytes(row, F_DATA, &len);
	if (!data || !len || !*address)
		return LL_OK;
	r = keyring_inspect(c->desk, address, data, len, authorities, &found);
	if (r == LL_BUSY || r == LL_NOMEM || r == LL_EOF) {
		inspect_finish(&found);
		return r;
	}
	kept = keyring_add(c->desk, address, &found, source, NULL);
	if (kept == LL_OK || kept == LL_NOTFOUND)
		r = tell_seen(c, row, data, len, kept ? refusal(&found, r) :
		    "");
	else
		r = kept;
	inspect_finish(&found);
	return r;
}

static enum ll_result
keep_findings(struct center *c, const struct msg *reply, bool *news)
{
	struct tlv_out authorities;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	if (!view_has(msg_view(reply), F_ROW))
		return LL_OK;
	r = keyring_authorities(c->desk, &authorities);
	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		r = keep_finding(c, row, &authorities);
		*news = true;
	}
	tlv_out_finish(&authorities);
	return r;
}

/* What the store says of the whole: that not all was begun. */
static enum ll_result
keep_words(const struct msg *reply, char **words)
{
	const char *said = view_text(msg_view(reply), F_WORDS);

	if (!*said)
		return LL_OK;
	free(*words);
	*words = NULL;
	return center_clean(said, CLEAN_LINE, words);
}

/* One look; *left_r lookups go on. */
static enum ll_result
look(struct center *c, const struct center_plan *p, bool *news,
    size_t *left_r, char **words)
{
	struct msg *reply;
	enum ll_result r;

	*left_r = 0;
	r = ask_findings(c, p, &reply);
	if (r)
		return r;
	*left_r = (size_t)view_u64(msg_view(reply), F_COUNT);
	r = keep_words(reply, words);
	if (r == LL_OK)
		r = keep_findings(c, reply, news);
	msg_destroy(reply);
	return r;
}

enum ll_result
center_plan_look(struct center *c, const struct draft *d, int wait_ms,
    struct center_plan *p_r)
{
	uint64_t now = loop_now_ms(), until = now + (uint64_t)wait_ms;
	struct desk_event e;
	size_t left = 0;
	char *words = NULL;
	bool news = false;
	enum ll_result r;

	r = center_plan(c, d, p_r);
	if (r)
		return r;
	/* Without findings the plan is as good as it gets: that they could
	 * not be had holds up nobody. */
	while (look(c, p_r, &news, &left, &words) == LL_OK && left > 0) {
		now = loop_now_ms();
		if (now >= until || desk_await(c->desk, DESK_FOUND,
		    (int)(until - now), &e))
			break;
		news = true;
	}
	if (news) {
		center_plan_finish(p_r);
		r = center_plan(c, d, p_r);
	}
	if (r) {
		free(words);
		return r;
	}
	p_r->looking = left;
	p_r->warning = words;
	return LL_OK;
}
