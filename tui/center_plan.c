#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "tui/center_part.h"

void
center_plan_finish(struct center_plan *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		free(p->rows[i].reason);
		free(p->rows[i].trust);
		free(p->rows[i].evidence);
		free(p->rows[i].warning);
		free(p->rows[i].keys);
		free(p->rows[i].pair_box);
	}
	free(p->rows);
	free(p->warning);
	memset(p, 0, sizeof *p);
}

static enum ll_result
read_keys(struct tlv_view v, struct center_planned *row)
{
	struct center_plan_key *grown, *k;
	struct tlv_view nest;
	size_t at = 0;

	while (view_nest(v, F_PEER_KEY, &at, &nest)) {
		grown = realloc(row->keys,
		    (row->key_count + 1) * sizeof *grown);
		if (!grown)
			return LL_NOMEM;
		row->keys = grown;
		k = &grown[row->key_count++];
		memset(k, 0, sizeof *k);
		k->format = (enum parse_format)view_u64(nest, F_FORMAT);
		(void)snprintf(k->fingerprint, sizeof k->fingerprint, "%s",
		    view_text(nest, F_FINGERPRINT));
		(void)snprintf(k->address, sizeof k->address, "%s",
		    view_has(nest, F_ADDRESS) ? view_text(nest, F_ADDRESS) :
		    row->address);
	}
	return LL_OK;
}

static void
read_others(struct tlv_view v, struct center_planned *row)
{
	struct tlv_field f;
	uint64_t route;
	size_t at = 0;

	while (row->other_count < CENTER_OTHERS
	    && view_each(v, F_OTHER, &at, &f))
		if (tlv_u64(&f, &route) == LL_OK && route < ROUTE_NONE)
			row->others[row->other_count++] = (enum route)route;
}

static enum ll_result
read_words(struct tlv_view v, struct center_planned *row)
{
	enum ll_result r;

	r = center_clean(view_text(v, F_REASON), CLEAN_LINE, &row->reason);
	if (r == LL_OK)
		r = center_clean(view_text(v, F_TRUST), CLEAN_LINE,
		    &row->trust);
	if (r == LL_OK)
		r = center_clean(view_text(v, F_EVIDENCE), CLEAN_LINE,
		    &row->evidence);
	if (r == LL_OK)
		r = center_clean(view_text(v, F_WORDS), CLEAN_LINE,
		    &row->warning);
	return r;
}

static enum ll_result
read_planned(struct tlv_view v, struct center_planned *row)
{
	const uint8_t *p;
	size_t len = 0;
	enum ll_result r;

	(void)snprintf(row->address, sizeof row->address, "%s",
	    view_text(v, F_ADDRESS));
	row->route = (enum route)view_u64(v, F_ROUTE);
	row->held = view_u64(v, F_HELD) != 0 || row->route == ROUTE_NONE;
	row->generation = view_u64(v, F_GENERATION);
	row->code_known = view_u64(v, F_FLAGS) == 1;
	(void)view_id(v, F_USER_ID, &row->user);
	p = view_hash(v, F_SEAL_PK);
	if (p)
		memcpy(row->seal_pk, p, KEY_BYTES);
	else if (row->route == ROUTE_INTERNAL && !row->held)
		return LL_PROTO;
	p = view_bytes(v, F_PAIR_BOX, &len);
	if (p && len) {
		row->pair_box = malloc(len);
		if (!row->pair_box)
			return LL_NOMEM;
		memcpy(row->pair_box, p, len);
		row->pair_box_len = len;
	}
	read_others(v, row);
	r = read_keys(v, row);
	return r ? r : read_words(v, row);
}

/* Said before it is sealed in vain. */
static enum ll_result
warn_of_size(const struct draft *d, struct center_planned *row)
{
	char large[CENTER_LARGE], *both;
	size_t room;

	if (!center_has_mail(row) ||
	    !center_mail_is_large(d, row->address, large))
		return LL_OK;
	room = strlen(row->warning) + sizeof large + 2;
	both = malloc(room);
	if (!both)
		return LL_NOMEM;
	(void)snprintf(both, room, "%s%s%s", row->warning,
	    *row->warning ? " " : "", large);
	free(row->warning);
	row->warning = both;
	return LL_OK;
}

static enum ll_result
read_plan(const struct msg *reply, const struct draft *d, size_t most,
    struct center_plan *p)
{
	struct tlv_view v = msg_view(reply), row;
	const uint8_t *bytes;
	size_t at = 0;
	enum ll_result r = LL_OK;

	bytes = view_hash(v, F_PLAN_HASH);
	if (!bytes)
		return LL_PROTO;
	memcpy(p->hash, bytes, HASH_BYTES);
	p->class = d->class ? d->class : CLASS_NORMAL;
	p->queue_day = view_u64(v, F_QUEUE_DAY);
	p->expires_days = view_u64(v, F_EXPIRES);
	bytes = view_hash(v, F_QUEUE_PK);
	if (bytes)
		memcpy(p->queue_pk, bytes, KEY_BYTES);
	p->rows = calloc(most, sizeof *p->rows);
	if (!p->rows)
		return LL_NOMEM;
	while (r == LL_OK && view_nest(v, F_RECIPIENT, &at, &row)) {
		if (p->count == most)
			return LL_PROTO;
		r = read_planned(row, &p->rows[p->count++]);
		if (r == LL_OK)
			r = warn_of_size(d, &p->rows[p->count - 1]);
		p->rows[p->count - 1].wanted = draft_wanted(d,
		    p->rows[p->count - 1].address);
	}
	return r;
}

static void
put_recipient(struct msg *m, const struct draft *d, const char *address)
{
	enum route wanted = draft_wanted(d, address);

	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, address);
	if (wanted != ROUTE_NONE)
		msg_put_u64(m, F_ROUTE, (uint64_t)wanted);
	msg_end(m);
}

enum ll_result
center_plan(struct center *c, const struct draft *d,
    struct center_plan *p_r)
{
	size_t i, count = d->to_count + d->cc_count;
	struct msg *m, *reply;
	enum ll_result r;

	center_begin(c);
	memset(p_r, 0, sizeof *p_r);
	if (count == 0)
		return center_fail(c, LL_USAGE, "nobody to send it to");
	r = msg_create(MSG_REQUEST, OP_PLAN, &m);
	if (r)
		return r;
	msg_put_u64(m, F_CLASS, d->class ? d->class : CLASS_NORMAL);
	for (i = 0; i < d->to_count; i++)
		put_recipient(m, d, d->to[i]);
	for (i = 0; i < d->cc_count; i++)
		put_recipient(m, d, d->cc[i]);
	r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	r = read_plan(reply, d, count, p_r);
	msg_destroy(reply);
	if (r)
		center_plan_finish(p_r);
	return r;
}
