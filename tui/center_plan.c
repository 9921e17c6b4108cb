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
		free(p->rows[i].pair_box);
	}
	free(p->rows);
	memset(p, 0, sizeof *p);
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
	r = center_clean(view_text(v, F_REASON), CLEAN_LINE, &row->reason);
	if (r == LL_OK)
		r = center_clean(view_text(v, F_TRUST), CLEAN_LINE,
		    &row->trust);
	if (r == LL_OK)
		r = center_clean(view_text(v, F_EVIDENCE), CLEAN_LINE,
		    &row->evidence);
	return r;
}

static enum ll_result
read_plan(const struct msg *reply, size_t most, struct center_plan *p)
{
	struct tlv_view v = msg_view(reply), row;
	const uint8_t *bytes;
	size_t at = 0;
	enum ll_result r = LL_OK;

	bytes = view_hash(v, F_PLAN_HASH);
	if (!bytes)
		return LL_PROTO;
	memcpy(p->hash, bytes, HASH_BYTES);
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
	}
	return r;
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
	for (i = 0; i < d->to_count; i++)
		msg_put_text(m, F_ADDRESS, d->to[i]);
	for (i = 0; i < d->cc_count; i++)
		msg_put_text(m, F_ADDRESS, d->cc[i]);
	r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	r = read_plan(reply, count, p_r);
	msg_destroy(reply);
	if (r)
		center_plan_finish(p_r);
	return r;
}
