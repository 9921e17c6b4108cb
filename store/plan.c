#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"
#include "store/finding.h"
#include "store/handlers.h"
#include "store/plan.h"
#include "store/queue.h"
#include "store/route.h"
#include "store/send.h"

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

/* The administration's own word that a domain's mail servers prove their name:
 * "a.example b.example=mx.b.example". */
static bool
tls_is_policy(const struct store *s, const char *domain)
{
	const char *word = s->tls_domains;
	size_t len, name;

	for (; *word != '\0'; word += len + strspn(word + len, " \t")) {
		len = strcspn(word, " \t");
		name = strcspn(word, "= \t");
		if (name == strlen(domain) &&
		    strncasecmp(word, domain, name) == 0)
			return true;
	}
	return false;
}

/* What the relay has found out: the first word of it. */
static void
read_hints(const struct store *s, sqlite3_stmt *st, const char *domain,
    struct plan_hints *h_r)
{
	const uint8_t *p;
	size_t len, i;

	memset(h_r, 0, sizeof(*h_r));
	h_r->keys = db_u64(st, 5) != 0;
	p = db_blob(st, 6, &len);
	for (i = 0; p != NULL && i < len && i < sizeof(h_r->tls) - 1; i++) {
		if (p[i] < 'a' || p[i] > 'z')
			break;
		h_r->tls[i] = (char)p[i];
	}
	if (strcmp(h_r->tls, "sts") != 0 && strcmp(h_r->tls, "dane") != 0)
		h_r->tls[0] = '\0';
	if (tls_is_policy(s, domain))
		(void)snprintf(h_r->tls, sizeof(h_r->tls), "policy");
}

static void
take_colleague(sqlite3_stmt *st, struct plan_line *l)
{
	const char *held = held_reason(db_u64(st, 1), db_u64(st, 2),
	    db_u64(st, 3));

	l->route = held == NULL ? ROUTE_INTERNAL : ROUTE_NONE;
	(void)snprintf(l->reason, sizeof(l->reason), "%s", held != NULL ?
	    held : "has a mailbox here");
	if (held != NULL)
		return;
	l->usable = 1u << ROUTE_INTERNAL;
	l->generation = db_u64(st, 3);
	(void)db_id(st, 0, &l->user);
	(void)db_hash(st, 4, l->seal_pk);
}

/* One question for everybody: to colleagues nothing else is asked, to the
 * unknown nothing more than to know that they are. */
static enum ll_result
decide(struct store *s, struct request *q, struct plan *p,
    struct plan_line *l, enum route wish)
{
	const char *domain = strchr(l->address, '@');
	struct plan_hints hints;
	sqlite3_stmt *st;
	enum ll_result r;
	bool outside;

	r = db_one(s->db, &st, "SELECT u.user, u.role, u.state, u.generation,"
	    " v.seal_pk, u.user IS NULL AND EXISTS (SELECT 1 FROM peer_keys"
	    " WHERE address IN (lower(?1), ?2) AND owner IN (?3,"
	    " zeroblob(16))), CASE WHEN u.user IS NULL THEN (SELECT data FROM"
	    " findings WHERE lookup = ?4 AND subject = substr(?2, 2) AND state"
	    " = ?5 AND until > ?6) END FROM (SELECT 1) LEFT JOIN users u ON"
	    " u.email = lower(?1) LEFT JOIN vaults v ON v.user = u.user AND"
	    " v.generation = u.generation", "ttduui", l->address, domain,
	    &q->peer->user, LOOKUP_TLS, FIND_FOUND, q->now);
	if (r != LL_OK)
		return r;
	outside = db_null(st, 0);
	if (outside)
		read_hints(s, st, domain + 1, &hints);
	else
		take_colleague(st, l);
	db_end(st);
	if (outside)
		return plan_outside(s, q, p, l, &hints, wish);
	if (wish == 0 || wish == ROUTE_NONE || wish == ROUTE_INTERNAL)
		return LL_OK;
	q->words = "A colleague's mail stays in the mailbox here.";
	return LL_DENIED;
}

static enum ll_result
add(struct store *s, struct request *q, struct plan *p, const char *typed,
    enum route wish)
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
	r = decide(s, q, p, l, wish);
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
	p_r->certificate = -1;
	p_r->class = view_has(q->v, F_CLASS) ?
	    (enum msg_class)view_u64(q->v, F_CLASS) : CLASS_NORMAL;
	if (p_r->class < CLASS_NORMAL || p_r->class > CLASS_REGISTERED)
		return LL_USAGE;
	while (r == LL_OK && view_each(q->v, F_ADDRESS, &at, &f)) {
		r = tlv_text(&f, &typed);
		if (r == LL_OK)
			r = add(s, q, p_r, typed, 0);
	}
	at = 0;
	while (r == LL_OK && view_nest(q->v, F_RECIPIENT, &at, &v))
		r = add(s, q, p_r, view_text(v, F_ADDRESS),
		    (enum route)view_u64(v, F_ROUTE));
	if (r == LL_OK && p_r->count == 0) {
		q->words = "There is no recipient.";
		r = LL_USAGE;
	}
	for (i = 0; r == LL_OK && i < p_r->count; i++) {
		if (p_r->lines[i].route == ROUTE_INTERNAL ||
		    p_r->lines[i].route == ROUTE_NONE)
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
	free(p->keys);
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
	const struct plan_key *k;
	size_t i, n;

	sorted = calloc(p->count, sizeof(*sorted));
	if (sorted == NULL)
		return LL_NOMEM;
	for (i = 0; i < p->count; i++)
		sorted[i] = &p->lines[i];
	qsort(sorted, p->count, sizeof(*sorted), by_address);
	tlv_out_init(&in, (p->count + 1) * 512 + p->key_count * 256);
	tlv_put_id(&in, 1, author);
	tlv_put_u64(&in, 7, (uint64_t)p->class);
	for (i = 0; i < p->count; i++) {
		tlv_put_text(&in, 2, sorted[i]->address);
		tlv_put_u64(&in, 3, (uint64_t)sorted[i]->route);
		tlv_put_id(&in, 4, &sorted[i]->user);
		tlv_put_u64(&in, 5, sorted[i]->generation);
		tlv_put_bytes(&in, 6, sorted[i]->seal_pk, 32);
		for (n = 0; n < sorted[i]->key_count; n++) {
			k = &p->keys[sorted[i]->first_key + n];
			tlv_put_u64(&in, 8, k->format);
			tlv_put_text(&in, 9, k->fingerprint);
			tlv_put_u64(&in, 10, k->expires);
		}
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

static void
put_keys(struct msg *m, const struct plan *p, const struct plan_line *l)
{
	const struct plan_key *k;
	size_t i;

	for (i = 0; i < l->key_count; i++) {
		k = &p->keys[l->first_key + i];
		msg_begin(m, F_PEER_KEY);
		msg_put_u64(m, F_FORMAT, k->format);
		msg_put_text(m, F_FINGERPRINT, k->fingerprint);
		msg_put_text(m, F_ADDRESS, k->domain ?
		    strchr(l->address, '@') : l->address);
		msg_end(m);
	}
}

/* What else the sender may choose: as strong as the first way, or more. */
static void
put_others(struct msg *m, const struct plan_line *l)
{
	unsigned least = 0;
	size_t i;

	for (i = 0; i < route_rule_count; i++) {
		if (!(l->usable & (1u << route_rules[i].route)))
			continue;
		if (least == 0)
			least = route_rules[i].strength;
		if (route_rules[i].route != l->route &&
		    route_rules[i].strength >= least)
			msg_put_u64(m, F_OTHER,
			    (uint64_t)route_rules[i].route);
	}
}

static const char *
evidence_of(enum route route)
{
	switch (route) {
	case ROUTE_INTERNAL:
		return "opened and read by the account's holder";
	case ROUTE_PORTAL_MUC:
		return "opened by who knew both link and code";
	case ROUTE_SMIME:
	case ROUTE_OPENPGP:
	case ROUTE_DOMAIN:
		return "sealed to that key, and taken by their mail server; "
		    "not whether it was opened";
	case ROUTE_TLS:
		return "taken by their mail server, with its name and "
		    "certificate; not whether it was opened";
	default:
		return "";
	}
}

/* What the sender should know before it goes: of keys that changed, and of
 * keys that were found in vain. */
static enum ll_result
put_words(struct store *s, struct request *q, const struct plan_line *l)
{
	char found[700] = "", words[sizeof l->words + sizeof found + 1];
	enum ll_result r = LL_OK;

	if (s->search != 0 && l->route != ROUTE_INTERNAL && l->key_count == 0)
		r = finding_refused(s, &q->peer->user, l->address, found,
		    sizeof(found));
	(void)snprintf(words, sizeof(words), "%s%s%s", l->words,
	    l->words[0] != '\0' && found[0] != '\0' ? " " : "", found);
	if (r == LL_OK && words[0] != '\0')
		msg_put_text(q->reply, F_WORDS, words);
	return r;
}

static enum ll_result
put_line(struct store *s, struct request *q, const struct plan *p,
    const struct plan_line *l)
{
	const bool known = l->known[0] != '\0';
	const char *trust = l->trust;
	struct msg *m = q->reply;
	char key[80], why[350] = "", reason[sizeof l->reason + sizeof why];
	enum ll_result r = LL_OK;

	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, l->address);
	msg_put_u64(m, F_ROUTE, (uint64_t)l->route);
	msg_put_u64(m, F_HELD, l->route == ROUTE_NONE ? 1 : 0);
	if (l->route == ROUTE_INTERNAL) {
		(void)snprintf(key, sizeof(key), "key pair %u made at "
		    "enrolment here", (unsigned)l->generation);
		trust = key;
		msg_put_id(m, F_USER_ID, &l->user);
		msg_put_bytes(m, F_SEAL_PK, l->seal_pk, 32);
		msg_put_u64(m, F_GENERATION, l->generation);
	} else if (l->route == ROUTE_PORTAL_MUC) {
		if (known)
			r = put_pair(s, q, l);
		trust = known ? "the code you gave this person worked before" :
		    "first contact: the unlock code proves who opens it";
	}
	if (r == LL_OK && s->search != 0 && l->route == ROUTE_PORTAL_MUC)
		r = finding_why(s, l->address, q->now, why, sizeof(why));
	(void)snprintf(reason, sizeof(reason), "%s%s", known ? l->known :
	    l->reason, why);
	msg_put_text(m, F_REASON, reason);
	msg_put_text(m, F_TRUST, trust);
	msg_put_text(m, F_EVIDENCE, evidence_of(l->route));
	put_keys(m, p, l);
	put_others(m, l);
	if (r == LL_OK)
		r = put_words(s, q, l);
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
		r = put_line(s, q, &p, &p.lines[i]);
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
