/*
 * The two halves of a link's secret never meet here: the store has the hash of
 * the locator, a keyed hash of the proof, and the wrapped key.  Every guess is
 * counted and committed before anybody may work on it.
 */
#include <string.h>
#include <sodium.h>

#include "keys/seal.h"
#include "store/handlers.h"
#include "store/link.h"
#include "store/login.h"
#include "store/queue.h"

#define ORIGIN_TRIES 5
#define ORIGIN_SECS 600
#define ALL_TRIES 10
#define TRY_SECS 120             /* a proof that has not come by then won't */
#define UNKNOWN_SECS 86400
#define TOKEN_SECS 3600

struct link {
	bool known;
	uint8_t locator[HASH_BYTES];
	enum link_state state;
	struct id delivery;
	unsigned memory_mib, passes;
};

/* --- keeping --- */

static enum ll_result
verifier_of(const struct store *s, const uint8_t locator[HASH_BYTES],
    const uint8_t proof[HASH_BYTES], uint8_t out[HASH_BYTES])
{
	struct id half[2];

	memcpy(half[0].b, locator, ID_BYTES);
	memcpy(half[1].b, locator + ID_BYTES, ID_BYTES);
	return login_verifier(s, &half[0], &half[1], proof, out);
}

enum ll_result
link_add(struct store *s, struct request *q, const struct delivery *d,
    struct tlv_view link, uint64_t not_before)
{
	const uint8_t *locator = view_hash(link, F_LOCATOR_HASH);
	const uint8_t *proof = view_hash(link, F_PROOF);
	const uint8_t *wrap, *code, *pair;
	size_t wrap_len, code_len, pair_len;
	uint8_t verifier[HASH_BYTES];
	uint64_t memory = view_u64(link, F_MEMORY_MIB);
	uint64_t passes = view_u64(link, F_PASSES);
	enum ll_result r;

	wrap = view_bytes(link, F_WRAP, &wrap_len);
	code = view_bytes(link, F_CODE_BOX, &code_len);
	pair = view_bytes(link, F_PAIR_BOX, &pair_len);
	if (locator == NULL || proof == NULL || wrap == NULL ||
	    wrap_len != SEAL_WRAP_BYTES)
		return LL_USAGE;
	/* Weaker than asked for is no link of ours; and all links of one
	 * house cost the same, so that an unknown one can look like them. */
	if (memory != s->muc_memory_mib || passes != s->kdf_passes)
		return LL_CONFLICT;
	r = verifier_of(s, locator, proof, verifier);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO links (locator, delivery, state,"
		    " verifier, wrap, memory_mib, passes, code_box, pair_box,"
		    " pair_generation, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
		    " ?7, ?8, ?9, (SELECT generation FROM users WHERE user ="
		    " ?11), ?10)", "hduhbiibbid", locator, &d->id, LINK_OPEN,
		    verifier, wrap, wrap_len, memory, passes, code, code_len,
		    pair, pair_len, q->now, &d->author);
	return r == LL_OK ? queue_add(s, q->now, d, link, not_before) : r;
}

enum ll_result
link_sweep(struct store *s, uint64_t now)
{
	return db_run(s->db, "DELETE FROM tries WHERE (known = 0 OR open = 2)"
	    " AND time < ?1", "i", now - UNKNOWN_SECS);
}

/* --- looking --- */

static enum ll_result
find(struct store *s, uint64_t now, const uint8_t *locator, struct link *l_r)
{
	sqlite3_stmt *st;
	enum ll_result r;

	memset(l_r, 0, sizeof(*l_r));
	l_r->state = LINK_OPEN;
	l_r->memory_mib = s->muc_memory_mib;
	l_r->passes = s->kdf_passes;
	memcpy(l_r->locator, locator, HASH_BYTES);
	r = db_one(s->db, &st, "SELECT l.state, l.delivery, memory_mib,"
	    " passes, d.expires FROM links l JOIN deliveries d ON d.delivery ="
	    " l.delivery WHERE locator = ?1", "h", locator);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_OK : r;
	l_r->known = true;
	l_r->state = (enum link_state)db_u64(st, 0);
	(void)db_id(st, 1, &l_r->delivery);
	l_r->memory_mib = (unsigned)db_u64(st, 2);
	l_r->passes = (unsigned)db_u64(st, 3);
	/* over, even if the sweep has not come by yet */
	if ((l_r->state == LINK_OPEN || l_r->state == LINK_FROZEN) &&
	    db_u64(st, 4) > 0 && db_u64(st, 4) <= now)
		l_r->state = LINK_EXPIRED;
	db_end(st);
	return LL_OK;
}

enum ll_result
link_look(struct store *s, struct request *q)
{
	const uint8_t *locator = view_hash(q->v, F_LOCATOR_HASH);
	struct link l;
	enum ll_result r;

	if (locator == NULL)
		return LL_USAGE;
	r = find(s, q->now, locator, &l);
	if (r == LL_OK)
		msg_put_u64(q->reply, F_STATE, (uint64_t)l.state);
	return r;
}

/* --- freezing --- */

static enum ll_result
freeze(struct store *s, uint64_t now, const struct link *l)
{
	struct delivery d;
	enum ll_result r;

	r = db_run(s->db, "UPDATE links SET state = ?2 WHERE locator = ?1",
	    "hu", l->locator, LINK_FROZEN);
	if (r == LL_OK)
		r = delivery_load(s, &l->delivery, &d);
	if (r == LL_OK)
		r = delivery_record(s, now, &d, EVENT_FROZEN, d.was_read ? 0 :
		    STATE_FROZEN, "ten wrong codes");
	return r;
}

/* Tries of all origins: those over, and those still being worked on. */
static enum ll_result
tally(struct store *s, const struct link *l, uint64_t now, uint64_t *over_r,
    uint64_t *open_r)
{
	enum ll_result r;

	r = db_number(s->db, 0, over_r, "SELECT count(*) FROM tries WHERE"
	    " locator = ?1 AND (open = 0 OR time < ?2)", "hi", l->locator,
	    now - TRY_SECS);
	if (r == LL_OK)
		r = db_number(s->db, 0, open_r, "SELECT count(*) FROM tries"
		    " WHERE locator = ?1 AND open = 1 AND time >= ?2", "hi",
		    l->locator, now - TRY_SECS);
	return r;
}

/* --- LINK_TRY --- */

/* An unknown locator is counted by its origin alone, whatever it is. */
static enum ll_result
from_origin(struct store *s, const struct link *l, const char *origin,
    uint64_t now, uint64_t *n_r)
{
	if (l->known)
		return db_number(s->db, 0, n_r, "SELECT count(*) FROM tries"
		    " WHERE locator = ?1 AND origin = ?2 AND time > ?3 AND"
		    " open < 2", "hti", l->locator, origin,
		    now - ORIGIN_SECS);
	return db_number(s->db, 0, n_r, "SELECT count(*) FROM tries WHERE"
	    " known = 0 AND origin = ?1 AND time > ?2", "ti", origin,
	    now - ORIGIN_SECS);
}

static enum ll_result
may_try(struct store *s, struct request *q, const struct link *l,
    const char *origin)
{
	uint64_t mine, over, open;
	enum ll_result r;

	if (l->state == LINK_FROZEN)
		return LL_FROZEN;
	if (l->state != LINK_OPEN)
		return LL_GONE;
	r = tally(s, l, q->now, &over, &open);
	if (r != LL_OK)
		return r;
	if (over >= ALL_TRIES) {
		r = l->known ? freeze(s, q->now, l) : LL_OK;
		q->keep = r == LL_OK;
		return r == LL_OK ? LL_FROZEN : r;
	}
	r = from_origin(s, l, origin, q->now, &mine);
	if (r != LL_OK)
		return r;
	if (mine >= ORIGIN_TRIES)
		return LL_RATE;
	/* the last tries are being worked on: one of them may be right */
	return over + open >= ALL_TRIES ? LL_BUSY : LL_OK;
}

enum ll_result
link_try(struct store *s, struct request *q)
{
	const uint8_t *locator = view_hash(q->v, F_LOCATOR_HASH);
	const char *origin = view_text(q->v, F_ORIGIN);
	struct id attempt;
	struct link l;
	enum ll_result r;

	if (locator == NULL || origin[0] == '\0')
		return LL_USAGE;
	r = find(s, q->now, locator, &l);
	if (r == LL_OK)
		r = may_try(s, q, &l, origin);
	if (r != LL_OK)
		return r;
	id_random(&attempt);
	r = db_run(s->db, "INSERT INTO tries (try, locator, origin, known,"
	    " time, open) VALUES (?1, ?2, ?3, ?4, ?5, 1)", "dhtui", &attempt,
	    locator, origin, (int)l.known, q->now);
	msg_put_id(q->reply, F_TRY_ID, &attempt);
	msg_put_u64(q->reply, F_MEMORY_MIB, l.memory_mib);
	msg_put_u64(q->reply, F_PASSES, l.passes);
	return r;
}

enum ll_result
link_cancel(struct store *s, struct request *q)
{
	struct id attempt;

	if (!view_id(q->v, F_TRY_ID, &attempt))
		return LL_USAGE;
	return db_run(s->db, "DELETE FROM tries WHERE try = ?1 AND open = 1",
	    "d", &attempt);
}

/* --- LINK_PROVE --- */

static enum ll_result
wrong(struct store *s, struct request *q, const struct link *l,
    const struct id *attempt)
{
	struct delivery d;
	uint64_t over, open;
	enum ll_result r;

	r = db_run(s->db, "UPDATE tries SET open = 0 WHERE try = ?1", "d",
	    attempt);
	if (r == LL_OK && l->known)
		r = delivery_load(s, &l->delivery, &d);
	if (r == LL_OK && l->known)
		r = delivery_record(s, q->now, &d, EVENT_WRONG_CODE, 0, NULL);
	if (r == LL_OK)
		r = tally(s, l, q->now, &over, &open);
	if (r == LL_OK && l->known && over >= ALL_TRIES &&
	    l->state == LINK_OPEN)
		r = freeze(s, q->now, l);
	q->keep = r == LL_OK;
	return r == LL_OK ? LL_AUTH : r;
}

static enum ll_result
token_new(struct store *s, struct request *q, const struct id *delivery)
{
	uint8_t token[HASH_BYTES], hash[HASH_BYTES];
	enum ll_result r;

	randombytes_buf(token, sizeof(token));
	r = derive_bytes(LABEL_TOKEN, NULL, 0, token, sizeof(token), hash);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO tokens (token, delivery,"
		    " factors, created, until) VALUES (?1, ?2, 0, ?3, ?4)",
		    "hdii", hash, delivery, q->now, q->now + TOKEN_SECS);
	msg_put_bytes(q->reply, F_TOKEN, token, sizeof(token));
	sodium_memzero(token, sizeof(token));
	return r;
}

/* The code works: it may be used again for this pair, and nobody needs to
 * read it out any more. */
static enum ll_result
confirm_pair(struct store *s, struct request *q, const struct link *l,
    const struct delivery *d)
{
	enum ll_result r;

	r = db_run(s->db, "INSERT INTO pairs (user, address, box, generation,"
	    " last) SELECT ?2, lower(?3), pair_box, pair_generation, ?4 FROM"
	    " links WHERE locator = ?1 AND pair_box IS NOT NULL ON CONFLICT"
	    " (user, address) DO UPDATE SET box = excluded.box, generation ="
	    " excluded.generation, last = excluded.last", "hdti", l->locator,
	    &d->author, d->address, q->now);
	if (r == LL_OK)
		r = db_run(s->db, "UPDATE links SET code_box = NULL, pair_box"
		    " = NULL WHERE locator = ?1 AND (code_box IS NOT NULL OR"
		    " pair_box IS NOT NULL)", "h", l->locator);
	return r;
}

static enum ll_result
open_link(struct store *s, struct request *q, const struct link *l,
    const struct id *attempt)
{
	uint8_t pepper[KEY_BYTES];
	const uint8_t *wrap;
	struct delivery d;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	/* given back; the row stays a while, for a proof that is shown again
	 * because the answer was lost with a restart */
	r = db_run(s->db, "UPDATE tries SET open = 2 WHERE try = ?1", "d",
	    attempt);
	if (r == LL_OK)
		r = delivery_load(s, &l->delivery, &d);
	if (r == LL_OK)
		r = confirm_pair(s, q, l, &d);
	if (r == LL_OK)
		r = delivery_seen(s, q->now, &d, STATE_OPENED);
	if (r == LL_OK)
		r = token_new(s, q, &d.id);
	if (r == LL_OK)
		r = derive_bytes(LABEL_LINK_PEPPER, s->pepper.data,
		    s->pepper.len, l->locator, HASH_BYTES, pepper);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT wrap FROM links WHERE locator"
		    " = ?1", "h", l->locator);
	if (r != LL_OK)
		return r;
	wrap = db_blob(st, 0, &len);
	if (wrap != NULL)
		msg_put_bytes(q->reply, F_WRAP, wrap, len);
	else
		r = LL_GONE;
	db_end(st);
	msg_put_bytes(q->reply, F_PEPPER, pepper, sizeof(pepper));
	sodium_memzero(pepper, sizeof(pepper));
	msg_put_id(q->reply, F_MESSAGE_ID, &d.message);
	msg_put_id(q->reply, F_DELIVERY_ID, &d.id);
	msg_put_text(q->reply, F_ADDRESS, d.address);
	return r;
}

enum ll_result
link_prove(struct store *s, struct request *q)
{
	const uint8_t *proof = view_hash(q->v, F_PROOF);
	uint8_t locator[HASH_BYTES], verifier[HASH_BYTES], kept[HASH_BYTES];
	struct id attempt;
	sqlite3_stmt *st;
	struct link l;
	enum ll_result r;

	if (proof == NULL || !view_id(q->v, F_TRY_ID, &attempt))
		return LL_USAGE;
	r = db_one(s->db, &st, "SELECT locator FROM tries WHERE try = ?1 AND"
	    " open > 0", "d", &attempt);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_AUTH : r;
	(void)db_hash(st, 0, locator);
	db_end(st);
	r = find(s, q->now, locator, &l);
	if (r == LL_OK)
		r = verifier_of(s, locator, proof, verifier);
	if (r != LL_OK)
		return r;
	randombytes_buf(kept, sizeof(kept));
	r = db_one(s->db, &st, "SELECT verifier FROM links WHERE locator ="
	    " ?1", "h", locator);
	if (r == LL_OK) {
		(void)db_hash(st, 0, kept);
		db_end(st);
	} else if (r != LL_NOTFOUND) {
		return r;
	}
	if (derive_equal(verifier, kept, HASH_BYTES) != 1 || !l.known)
		return wrong(s, q, &l, &attempt);
	if (l.state == LINK_FROZEN)
		return LL_FROZEN;
	if (l.state != LINK_OPEN)
		return LL_GONE;
	return open_link(s, q, &l, &attempt);
}
