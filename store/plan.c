#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/clean.h"
#include "store/handlers.h"
#include "store/plan.h"
#include "store/queue.h"
#include "store/send.h"

static const char colleague[] = "has a mailbox here";
static const char outsider[] = "not known here: gets a link by e-mail and "
    "needs the unlock code from you";

/* --- one recipient --- */

/* Why one of our own cannot be written to; NULL: can be. */
static const char *
held_reason(uint64_t role, uint64_t state, uint64_t generation)
{
	if (role != ROLE_STAFF)
		return "this account has no mailbox (admin or auditor)";
	if (state == USER_DISABLED)
		return "this account is disabled";
	if (state == USER_RESET)
		return "this account was reset and has not enrolled again";
	if (state != USER_ACTIVE || generation == 0)
		return "this person has not enrolled yet";
	return NULL;
}

/* A code that opened an earlier link of this pair opens the next ones too. */
static enum ll_result
look_for_pair(struct store *s, const struct id *author, struct plan_line *l)
{
	char day[16] = "";
	struct tm tm;
	uint64_t last;
	time_t t;
	enum ll_result r;

	r = db_number(s->db, 0, &last, "SELECT p.last FROM pairs p JOIN users"
	    " u ON u.user = p.user AND u.generation = p.generation WHERE"
	    " p.user = ?1 AND p.address = lower(?2)", "dt", author,
	    l->address);
	t = (time_t)last;
	if (r != LL_OK || last == 0 || gmtime_r(&t, &tm) == NULL)
		return r;
	(void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	(void)snprintf(l->known, sizeof(l->known), "gets a link by e-mail; "
	    "the code that worked on %s opens it too", day);
	return LL_OK;
}

static enum ll_result
decide(struct store *s, const struct id *author, struct plan_line *l)
{
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT u.user, u.role, u.state, u.generation,"
	    " v.seal_pk FROM users u LEFT JOIN vaults v ON v.user = u.user AND"
	    " v.generation = u.generation WHERE u.email = lower(?1)", "t",
	    l->address);
	if (r == LL_NOTFOUND) {
		l->route = ROUTE_PORTAL_MUC;
		l->reason = outsider;
		return look_for_pair(s, author, l);
	}
	if (r != LL_OK)
		return r;
	l->reason = held_reason(db_u64(st, 1), db_u64(st, 2), db_u64(st, 3));
	l->route = ROUTE_NONE;
	if (l->reason == NULL) {
		l->route = ROUTE_INTERNAL;
		l->reason = colleague;
		l->generation = db_u64(st, 3);
		(void)db_id(st, 0, &l->user);
		(void)db_hash(st, 4, l->seal_pk);
	}
	db_end(st);
	return LL_OK;
}

static enum ll_result
add(struct store *s, struct request *q, struct plan *p, const char *typed)
{
	struct plan_line *grown, *l;
	const char *why = NULL;
	enum ll_result r;
	size_t i;

	if (p->count == RECIPIENTS_MAX)
		return LL_TOOBIG;
	grown = realloc(p->lines, (p->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return LL_NOMEM;
	p->lines = grown;
	l = &grown[p->count];
	memset(l, 0, sizeof(*l));
	r = clean_address(typed, l->address, &why);
	if (r != LL_OK) {
		q->words = why != NULL ? why : "That is no e-mail address.";
		return LL_USAGE;
	}
	for (i = 0; i < p->count; i++)
		if (strcasecmp(p->lines[i].address, l->address) == 0) {
			q->words = "A recipient is named twice.";
			return LL_USAGE;
		}
	r = decide(s, &q->peer->user, l);
	if (r == LL_OK)
		p->count++;
	return r;
}

enum ll_result
plan_build(struct store *s, struct request *q, struct plan *p_r)
{
	struct tlv_field f;
	struct tlv_view v;
	const char *typed;
	enum ll_result r = LL_OK;
	size_t at = 0, i;

	memset(p_r, 0, sizeof(*p_r));
	while (r == LL_OK && view_each(q->v, F_ADDRESS, &at, &f)) {
		r = tlv_text(&f, &typed);
		if (r == LL_OK)
			r = add(s, q, p_r, typed);
	}
	at = 0;
	while (r == LL_OK && view_nest(q->v, F_RECIPIENT, &at, &v))
		r = add(s, q, p_r, view_text(v, F_ADDRESS));
	if (r == LL_OK && p_r->count == 0) {
		q->words = "There is no recipient.";
		r = LL_USAGE;
	}
	for (i = 0; r == LL_OK && i < p_r->count; i++) {
		if (p_r->lines[i].route != ROUTE_PORTAL_MUC)
			continue;
		r = queue_today(s, q->now, NULL, NULL);
		if (r == LL_BUSY)
			q->words = "Mail to the outside is not ready yet: "
			    "try again in a moment.";
		break;
	}
	return r;
}

void
plan_finish(struct plan *p)
{
	free(p->lines);
	memset(p, 0, sizeof(*p));
}

/* --- the hash --- */

static int
by_address(const void *a, const void *b)
{
	const struct plan_line *const *x = a, *const *y = b;

	return strcmp((*x)->address, (*y)->address);
}

enum ll_result
plan_hash(const struct plan *p, const struct id *author,
    uint8_t out[HASH_BYTES])
{
	const struct plan_line **sorted;
	struct tlv_out in;
	enum ll_result r;
	size_t i;

	sorted = calloc(p->count, sizeof(*sorted));
	if (sorted == NULL)
		return LL_NOMEM;
	for (i = 0; i < p->count; i++)
		sorted[i] = &p->lines[i];
	qsort(sorted, p->count, sizeof(*sorted), by_address);
	tlv_out_init(&in, (p->count + 1) * 512);
	tlv_put_id(&in, 1, author);
	for (i = 0; i < p->count; i++) {
		tlv_put_text(&in, 2, sorted[i]->address);
		tlv_put_u64(&in, 3, (uint64_t)sorted[i]->route);
		tlv_put_id(&in, 4, &sorted[i]->user);
		tlv_put_u64(&in, 5, sorted[i]->generation);
		tlv_put_bytes(&in, 6, sorted[i]->seal_pk, 32);
	}
	r = derive(LABEL_PLAN, NULL, 0, &in, out);
	tlv_out_finish(&in);
	free(sorted);
	return r;
}

/* --- PLAN --- */

/* The code that worked for this pair before, for its sender to use again. */
static enum ll_result
put_pair(struct store *s, struct request *q, const struct plan_line *l)
{
	const uint8_t *box;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = db_one(s->db, &st, "SELECT box FROM pairs WHERE user = ?1 AND"
	    " address = lower(?2)", "dt", &q->peer->user, l->address);
	if (r != LL_OK)
		return r;
	box = db_blob(st, 0, &len);
	msg_put_bytes(q->reply, F_PAIR_BOX, box, len);
	msg_put_u64(q->reply, F_FLAGS, 1);
	db_end(st);
	return LL_OK;
}

static enum ll_result
put_line(struct store *s, struct request *q, const struct plan_line *l)
{
	struct msg *m = q->reply;
	const char *trust = "", *evidence = "";
	const bool known = l->known[0] != '\0';
	enum ll_result r = LL_OK;
	char key[80];

	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, l->address);
	msg_put_u64(m, F_ROUTE, (uint64_t)l->route);
	msg_put_u64(m, F_HELD, l->route == ROUTE_NONE ? 1 : 0);
	if (l->route == ROUTE_INTERNAL) {
		(void)snprintf(key, sizeof(key), "key pair %u made at "
		    "enrolment here", (unsigned)l->generation);
		trust = key;
		evidence = "opened and read by the account's holder";
		msg_put_id(m, F_USER_ID, &l->user);
		msg_put_bytes(m, F_SEAL_PK, l->seal_pk, 32);
		msg_put_u64(m, F_GENERATION, l->generation);
	} else if (l->route == ROUTE_PORTAL_MUC) {
		if (known)
			r = put_pair(s, q, l);
		trust = known ? "the code you gave this person worked before" :
		    "first contact: the unlock code proves who opens it";
		evidence = "opened by who knew both link and code";
	}
	msg_put_text(m, F_REASON, known ? l->known : l->reason);
	msg_put_text(m, F_TRUST, trust);
	msg_put_text(m, F_EVIDENCE, evidence);
	msg_end(m);
	return r;
}

enum ll_result
plan_make(struct store *s, struct request *q)
{
	uint8_t hash[HASH_BYTES], pk[32];
	uint64_t day;
	struct plan p;
	enum ll_result r;
	size_t i;

	r = plan_build(s, q, &p);
	for (i = 0; r == LL_OK && i < p.count; i++)
		r = put_line(s, q, &p.lines[i]);
	if (r == LL_OK)
		r = plan_hash(&p, &q->peer->user, hash);
	plan_finish(&p);
	if (r != LL_OK)
		return r;
	msg_put_bytes(q->reply, F_PLAN_HASH, hash, sizeof(hash));
	msg_put_u64(q->reply, F_EXPIRES, s->expiry_days);
	r = queue_today(s, q->now, &day, pk);
	if (r == LL_OK) {
		msg_put_u64(q->reply, F_QUEUE_DAY, day);
		msg_put_bytes(q->reply, F_QUEUE_PK, pk, sizeof(pk));
	}
	return r == LL_BUSY ? LL_OK : r;
}
