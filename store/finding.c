#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "store/finding.h"
#include "store/finding_board.h"
#include "store/group.h"
#include "store/handlers.h"
#include "store/send.h"

#define DAY_SECS 86400
#define TAKEN_SECS 300           /* the relay answers within, or lost it */
#define FORGET_SECS DAY_SECS
#define GOOD_MIN_SECS 60
#define KEYS_MAX_SECS (7 * DAY_SECS)
#define TLS_MAX_SECS 31557600    /* RFC 8461's bound on max_age */
#define WANTED_MAX 5000          /* of all users together */
#define LEASE_ROWS 64
#define SEEN_WORDS_MAX 400
#define REPLY_BYTES (1024 * 1024)

unsigned
finding_search(const char *words, const char *keyserver)
{
	static const struct {
		const char *word;
		enum lookup lookup;
	} known[] = {
		{ "wkd", LOOKUP_WKD }, { "keyserver", LOOKUP_SERVER },
		{ "tls", LOOKUP_TLS }
	};
	unsigned bits = 0;
	size_t i, len;

	for (; *words != '\0'; words += len + strspn(words + len, " \t")) {
		len = strcspn(words, " \t");
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].word) == len &&
			    memcmp(known[i].word, words, len) == 0)
				bits |= 1u << known[i].lookup;
	}
	if (keyserver[0] == '\0')
		bits &= ~(1u << LOOKUP_SERVER);
	return bits;
}

static void
tell_relay(struct store *s)
{
	struct peer *p;
	struct msg *m;

	for (p = s->peers; p != NULL; p = p->next) {
		if (p->role != PEER_RELAY || p->dead ||
		    msg_create(MSG_EVENT, OP_EVENT_FIND, &m) != LL_OK)
			continue;
		group_hold(s, p, m);
	}
}

/* --- FINDINGS --- */

const char *
finding_domain(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? at + 1 : address;
}

enum ll_result
finding_under_way(struct store *s, const char *address, uint64_t now,
    uint64_t *n_r)
{
	return db_number(s->db, 0, n_r, "SELECT count(*) FROM findings WHERE"
	    " ((lookup IN (1, 2) AND subject = ?1) OR (lookup = 3 AND subject"
	    " = ?2)) AND wanted = 1 AND asked > ?3 AND NOT (state = ?4 AND"
	    " until > ?5)", "ttiui", address, finding_domain(address),
	    now - FINDING_WAIT_SECS, FIND_FOUND, now);
}

enum ll_result
finding_why(struct store *s, const char *address, uint64_t now, char *words,
    size_t room)
{
	static const char *const whats[] = {
		[LOOKUP_WKD] = "its key directory could not be asked",
		[LOOKUP_SERVER] = "the keyserver could not be asked",
		[LOOKUP_TLS] = "its mail servers' policy could not be had"
	};
	sqlite3_stmt *st;
	enum ll_result r;
	size_t at = 0;

	words[0] = '\0';
	r = db_query(s->db, &st, "SELECT lookup, detail FROM findings WHERE"
	    " ((lookup IN (1, 2) AND subject = lower(?1)) OR (lookup = 3 AND"
	    " subject = lower(?2))) AND state = ?3 AND until > ?4 AND detail"
	    " <> '' ORDER BY lookup", "ttui", address,
	    finding_domain(address), FIND_FAILED, now);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK)
		if (at < room)
			at += (size_t)snprintf(words + at, room - at,
			    "; %s: %.120s", whats[db_u64(st, 0)],
			    db_text(st, 1));
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
finding_refused(struct store *s, const struct id *user, const char *address,
    char *words, size_t room)
{
	sqlite3_stmt *st;
	enum ll_result r;
	size_t at = 0;

	words[0] = '\0';
	r = db_query(s->db, &st, "SELECT n.lookup, n.words FROM findings_seen"
	    " n JOIN findings f ON f.lookup = n.lookup AND f.subject ="
	    " n.subject WHERE n.user = ?1 AND n.lookup IN (1, 2) AND n.subject"
	    " = lower(?2) AND n.words <> '' AND f.state = ?3 ORDER BY"
	    " n.lookup", "dtu", user, address, FIND_FOUND);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK)
		if (at < room)
			at += (size_t)snprintf(words + at, room - at, "%sA key "
			    "was found %s but cannot be used: %.300s",
			    at > 0 ? " " : "", db_u64(st, 0) == LOOKUP_WKD ?
			    "at their domain" : "on the keyserver",
			    db_text(st, 1));
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

/* One lookup is wanted, unless its answer is still good or on its way. */
static enum ll_result
want(struct store *s, const struct request *q, enum lookup lookup,
    const char *subject, bool *begun_r)
{
	enum ll_result r;

	r = db_run(s->db, "INSERT INTO findings (lookup, subject, state,"
	    " wanted, asked, asker, until, again) VALUES (?1, ?2, ?3, 1, ?4,"
	    " ?5, 0, 0) ON CONFLICT DO UPDATE SET wanted = 1, leased = 0,"
	    " asked = excluded.asked, asker = excluded.asker WHERE wanted = 0"
	    " AND again <= ?4", "utuid", lookup, subject, FIND_ASKED, q->now,
	    &q->peer->user);
	*begun_r |= r == LL_OK && db_changes(s->db) > 0;
	return r;
}

/* A FINDINGS request on its way. */
struct round {
	uint64_t wanted;         /* lookups of the whole house */
	uint64_t count;          /* under way, of the addresses asked for */
	bool begun, refused;
};

/* Whether an address was looked for before: then a refusal to do so once more
 * is nothing to tell. */
static enum ll_result
is_known(struct store *s, const char *address, bool *known_r)
{
	uint64_t n;
	enum ll_result r;

	r = db_number(s->db, 0, &n, "SELECT count(*) FROM findings WHERE"
	    " lookup IN (1, 2) AND subject = ?1", "t", address);
	*known_r = r == LL_OK && n > 0;
	return r;
}

static enum ll_result
begin(struct store *s, struct request *q, const char *address,
    struct round *o)
{
	enum ll_result r = LL_OK;
	bool begun = false, known;
	int l;

	if (s->search == 0)
		return LL_OK;
	if (o->wanted >= WANTED_MAX ||
	    !board_may_ask(s, &q->peer->user, q->now)) {
		r = is_known(s, address, &known);
		o->refused |= r == LL_OK && !known;
		return r;
	}
	for (l = LOOKUP_WKD; r == LL_OK && l <= LOOKUP_TLS; l++)
		if (s->search & (1u << l))
			r = want(s, q, (enum lookup)l, l == LOOKUP_TLS ?
			    finding_domain(address) : address, &begun);
	if (begun)
		o->wanted += 2;
	else
		board_give_back(s, &q->peer->user);
	o->begun |= begun;
	return r;
}

/* The keys of an address that this user has not looked at. */
static enum ll_result
put_found(struct store *s, struct request *q, const char *address)
{
	uint8_t hash[crypto_hash_sha256_BYTES], seen[32];
	const uint8_t *data;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = db_query(s->db, &st, "SELECT f.lookup, f.data, n.hash FROM"
	    " findings f LEFT JOIN findings_seen n ON n.user = ?2 AND n.lookup"
	    " = f.lookup AND n.subject = f.subject WHERE f.lookup IN (1, 2)"
	    " AND f.subject = ?1 AND f.state = ?3", "tdu", address,
	    &q->peer->user, FIND_FOUND);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK &&
	    msg_view(q->reply).len < REPLY_BYTES) {
		data = db_blob(st, 1, &len);
		(void)crypto_hash_sha256(hash, data, len);
		if (db_hash(st, 2, seen) && memcmp(seen, hash, 32) == 0)
			continue;
		msg_begin(q->reply, F_ROW);
		msg_put_text(q->reply, F_ADDRESS, address);
		msg_put_u64(q->reply, F_LOOKUP, db_u64(st, 0));
		msg_put_u64(q->reply, F_KEY_SOURCE, db_u64(st, 0) ==
		    LOOKUP_WKD ? KEY_WKD : KEY_SERVER);
		msg_put_bytes(q->reply, F_DATA, data, len);
		msg_end(q->reply);
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

/* One of our own needs no key. */
static enum ll_result
one_address(struct store *s, struct request *q, const char *typed,
    struct round *o)
{
	char address[FINDING_ROOM];
	const char *why = NULL;
	uint64_t ours, n = 0;
	enum ll_result r;
	size_t i;

	r = clean_address(typed, address, &why);
	if (r != LL_OK) {
		q->words = why != NULL ? why : "That is no e-mail address.";
		return LL_USAGE;
	}
	for (i = 0; address[i] != '\0'; i++)
		if (address[i] >= 'A' && address[i] <= 'Z')
			address[i] = (char)(address[i] - 'A' + 'a');
	r = db_number(s->db, 0, &ours, "SELECT 1 FROM users WHERE email = ?1",
	    "t", address);
	if (r != LL_OK || ours)
		return r;
	r = begin(s, q, address, o);
	if (r == LL_OK)
		r = put_found(s, q, address);
	if (r == LL_OK)
		r = finding_under_way(s, address, q->now, &n);
	if (r == LL_OK && n > 0)
		board_wait(s, &q->peer->user, address, q->now);
	o->count += n;
	return r;
}

enum ll_result
finding_list(struct store *s, struct request *q)
{
	struct round o = { 0 };
	const char *typed;
	struct tlv_field f;
	enum ll_result r;
	unsigned n = 0;
	size_t at = 0;

	r = db_number(s->db, 0, &o.wanted, "SELECT count(*) FROM findings"
	    " WHERE wanted = 1", "");
	while (r == LL_OK && view_each(q->v, F_ADDRESS, &at, &f)) {
		r = ++n > RECIPIENTS_MAX ? LL_TOOBIG : tlv_text(&f, &typed);
		if (r == LL_OK)
			r = one_address(s, q, typed, &o);
	}
	msg_put_u64(q->reply, F_COUNT, o.count);
	if (o.refused)
		msg_put_text(q->reply, F_WORDS, "You asked for many new "
		    "addresses: keys of some of them are not looked for yet. "
		    "Plan again in an hour.");
	if (r == LL_OK && o.begun)
		tell_relay(s);
	return r;
}

/* --- FINDING_SEEN --- */

enum ll_result
finding_seen(struct store *s, struct request *q)
{
	const uint8_t *hash = view_hash(q->v, F_HASH);
	const char *words = view_text(q->v, F_WORDS);
	uint64_t there;
	enum ll_result r;

	if (hash == NULL || strlen(words) > SEEN_WORDS_MAX)
		return LL_USAGE;
	r = db_number(s->db, 0, &there, "SELECT 1 FROM findings WHERE lookup ="
	    " ?1 AND subject = lower(?2)", "it", view_u64(q->v, F_LOOKUP),
	    view_text(q->v, F_ADDRESS));
	if (r == LL_OK && !there)
		r = LL_NOTFOUND;
	if (r != LL_OK)
		return r;
	return db_run(s->db, "INSERT INTO findings_seen (user, lookup,"
	    " subject, hash, words) VALUES (?1, ?2, lower(?3), ?4, ?5) ON"
	    " CONFLICT DO UPDATE SET hash = excluded.hash, words ="
	    " excluded.words", "ditht", &q->peer->user,
	    view_u64(q->v, F_LOOKUP), view_text(q->v, F_ADDRESS), hash,
	    words);
}

/* --- FIND_LEASE --- */

struct taken {
	uint64_t lookup;
	char subject[FINDING_ROOM];
};

static enum ll_result
collect(struct store *s, struct request *q, struct taken *t, size_t room,
    size_t *n_r)
{
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	*n_r = 0;
	/* each user in turn: one with many holds up nobody else's few */
	r = db_query(s->db, &st, "SELECT lookup, subject FROM (SELECT lookup,"
	    " subject, asked, leased, row_number() OVER (PARTITION BY asker"
	    " ORDER BY asked, lookup, subject) AS turn FROM findings WHERE"
	    " wanted = 1) WHERE leased <= ?1 ORDER BY turn, asked, lookup,"
	    " subject", "i", q->now - TAKEN_SECS);
	if (r != LL_OK)
		return r;
	while (*n_r < room && (r = db_next(s->db, st)) == LL_OK) {
		len = strlen(db_text(st, 1));
		if (len >= FINDING_ROOM)
			continue;
		t[*n_r].lookup = db_u64(st, 0);
		memcpy(t[(*n_r)++].subject, db_text(st, 1), len + 1);
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
finding_lease(struct store *s, struct request *q)
{
	uint64_t limit = view_u64(q->v, F_LIMIT), more;
	struct taken t[LEASE_ROWS];
	enum ll_result r;
	size_t i, n;

	if (limit == 0 || limit > LEASE_ROWS)
		limit = LEASE_ROWS;
	r = collect(s, q, t, (size_t)limit, &n);
	for (i = 0; r == LL_OK && i < n; i++) {
		msg_begin(q->reply, F_ROW);
		msg_put_u64(q->reply, F_LOOKUP, t[i].lookup);
		msg_put_text(q->reply, F_ADDRESS, t[i].subject);
		msg_end(q->reply);
		r = db_run(s->db, "UPDATE findings SET leased = ?3 WHERE"
		    " lookup = ?1 AND subject = ?2", "iti", t[i].lookup,
		    t[i].subject, q->now);
	}
	if (r == LL_OK)
		r = db_number(s->db, 0, &more, "SELECT count(*) FROM findings"
		    " WHERE wanted = 1 AND leased <= ?1", "i",
		    q->now - TAKEN_SECS);
	if (r == LL_OK && more > 0)
		msg_put_u64(q->reply, F_DELAY_SECS, 0);
	return r;
}

/* --- FIND_RESULT --- */

/* How long an answer holds, and when the next is due. */
static void
times_of(struct request *q, uint64_t lookup, uint64_t state,
    uint64_t *until_r, uint64_t *again_r)
{
	static const uint64_t usual[] = { [FIND_FOUND] = DAY_SECS,
	    [FIND_NOTHING] = DAY_SECS / 4, [FIND_FAILED] = 900 };
	uint64_t most = lookup == LOOKUP_TLS ? TLS_MAX_SECS : KEYS_MAX_SECS;
	uint64_t good = view_u64(q->v, F_DELAY_SECS);

	if (good == 0)
		good = usual[state];
	if (good < GOOD_MIN_SECS)
		good = GOOD_MIN_SECS;
	if (good > most)
		good = most;
	*until_r = q->now + good;
	*again_r = q->now + (good < usual[state] ? good : usual[state]);
}

enum ll_result
finding_result(struct store *s, struct request *q)
{
	uint64_t lookup = view_u64(q->v, F_LOOKUP), until, again;
	uint64_t state = view_u64(q->v, F_STATE);
	const char *subject = view_text(q->v, F_ADDRESS);
	const uint8_t *data;
	enum ll_result r;
	size_t len;

	data = view_bytes(q->v, F_DATA, &len);
	if (state < FIND_FOUND || state > FIND_FAILED || (data != NULL) !=
	    (state == FIND_FOUND) || (data != NULL && len > FINDING_BYTES))
		return LL_USAGE;
	times_of(q, lookup, state, &until, &again);
	/* a failed try takes nothing away that still holds */
	r = db_run(s->db, "UPDATE findings SET wanted = 0, leased = 0, again ="
	    " ?4, detail = ?5 WHERE lookup = ?1 AND subject = ?2 AND wanted ="
	    " 1 AND ?3 = ?6 AND state = ?7 AND until > ?8", "itiituui", lookup,
	    subject, state, again, view_text(q->v, F_DETAIL), FIND_FAILED,
	    FIND_FOUND, q->now);
	if (r == LL_OK && db_changes(s->db) == 0) {
		r = db_run(s->db, "UPDATE findings SET wanted = 0, leased ="
		    " 0, state = ?3, until = ?4, again = ?5, data = ?6,"
		    " detail = ?7 WHERE lookup = ?1 AND subject = ?2 AND"
		    " wanted = 1", "itiiibt", lookup, subject, state, until,
		    again, data, len, view_text(q->v, F_DETAIL));
		if (r == LL_OK && db_changes(s->db) == 0)
			r = LL_NOTFOUND;
	}
	if (r == LL_OK)
		board_tell(s, (enum lookup)lookup, subject, q->now);
	return r;
}

/* --- clearing up --- */

enum ll_result
finding_return(struct store *s)
{
	enum ll_result r;

	r = db_run(s->db, "UPDATE findings SET leased = 0 WHERE wanted = 1",
	    "");
	if (r == LL_OK)
		tell_relay(s);
	return r;
}

enum ll_result
finding_sweep(struct store *s, uint64_t now)
{
	enum ll_result r;

	board_sweep(s, now);
	r = db_run(s->db, "DELETE FROM findings WHERE until < ?1 AND asked <"
	    " ?1", "i", now - FORGET_SECS);
	if (r == LL_OK && db_changes(s->db) > 0)
		r = db_run(s->db, "DELETE FROM findings_seen WHERE NOT EXISTS"
		    " (SELECT 1 FROM findings f WHERE f.lookup ="
		    " findings_seen.lookup AND f.subject ="
		    " findings_seen.subject)", "");
	return r;
}
