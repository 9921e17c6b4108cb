#include <stdio.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/parse.h"
#include "store/handlers.h"
#include "store/peerkey.h"
#include "store/route.h"

#define ADDRESS_KEYS_MAX 20      /* of one owner and address */
#define OWNER_KEYS_MAX 10000
#define LIST_BYTES (1536 * 1024)
#define PREFIX_MIN 8

const struct id peerkey_house;

/* --- keeping --- */

enum ll_result
peerkey_address(const char *typed, char out_r[321], const char **why_r)
{
	const char *at = strchr(typed, '@');
	char full[330];
	enum ll_result r;
	char *c;

	if (at != NULL && at != typed) {
		r = clean_address(typed, out_r, why_r);
	} else {
		/* the domain's form is an address's, without who */
		(void)snprintf(full, sizeof(full), "x@%.320s",
		    at != NULL ? at + 1 : typed);
		r = clean_address(full, out_r, why_r);
		if (r == LL_OK)
			memmove(out_r, out_r + 1, strlen(out_r));
	}
	for (c = out_r; r == LL_OK && *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return r;
}

enum ll_result
peerkey_last(struct store *s, uint64_t *row_r)
{
	return db_number(s->db, 0, row_r, "SELECT coalesce(max(rowid), 0) FROM"
	    " peer_keys", "");
}

static enum ll_result
record(struct store *s, uint64_t now, enum event event, const struct id *owner,
    const char *words, const char *address, const char *fingerprint)
{
	struct leaf leaf = { .event = event, .user = owner };
	char detail[600];

	(void)snprintf(detail, sizeof(detail), "%.20s %.128s %.320s", words,
	    fingerprint, address);
	leaf.detail = detail;
	return log_append(s, now, &leaf);
}

static enum ll_result
has_room(struct store *s, const struct id *owner, const char *address)
{
	uint64_t here, all;
	enum ll_result r;

	r = db_number(s->db, 0, &here, "SELECT count(*) FROM peer_keys WHERE"
	    " owner = ?1 AND address = ?2", "dt", owner, address);
	if (r == LL_OK)
		r = db_number(s->db, 0, &all, "SELECT count(*) FROM peer_keys"
		    " WHERE owner = ?1", "d", owner);
	if (r == LL_OK && (here >= ADDRESS_KEYS_MAX || all >= OWNER_KEYS_MAX))
		r = LL_FULL;
	return r;
}

/* What is known of it already is kept up to date: whoever found it once more
 * may have a later end of its validity, and has asked the authorities anew. */
static enum ll_result
refresh(struct store *s, uint64_t now, const struct id *owner,
    const char *address, struct tlv_view v, enum key_source source,
    enum key_source was)
{
	const bool by_hand = source == KEY_HAND || source == KEY_HOUSE;
	const uint8_t *public;
	size_t len;

	if (route_amount(source, false, false) <
	    route_amount(was, false, false))
		source = was;
	public = view_bytes(v, F_PUBLIC, &len);
	return db_run(s->db, "UPDATE peer_keys SET public = ?4, expires = ?5,"
	    " trusted = ?6, source = ?7, changed = CASE WHEN ?8 THEN 0 ELSE"
	    " changed END, confirmed = CASE WHEN ?8 AND confirmed = 0 THEN ?9"
	    " ELSE confirmed END WHERE owner = ?1 AND address = ?2 AND"
	    " fingerprint = ?3", "dttbiuuui", owner, address,
	    view_text(v, F_FINGERPRINT), public, len,
	    view_u64(v, F_KEY_EXPIRES),
	    (view_u64(v, F_FLAGS) & PEERKEY_TRUSTED) != 0, (unsigned)source,
	    by_hand, now);
}

static enum ll_result
insert(struct store *s, uint64_t now, const struct id *owner,
    const char *address, struct tlv_view v, enum key_source source,
    bool changed)
{
	const bool by_hand = source == KEY_HAND || source == KEY_HOUSE;
	const uint8_t *public;
	enum ll_result r;
	size_t len;

	r = has_room(s, owner, address);
	if (r != LL_OK)
		return r;
	public = view_bytes(v, F_PUBLIC, &len);
	r = db_run(s->db, "INSERT INTO peer_keys (owner, address, format,"
	    " fingerprint, public, algorithm, created, expires, source,"
	    " trusted, changed, confirmed, added) VALUES (?1, ?2, ?3, ?4, ?5,"
	    " ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)", "dtitbtiiuuuii", owner,
	    address, view_u64(v, F_FORMAT), view_text(v, F_FINGERPRINT),
	    public, len, view_text(v, F_ALGORITHM), view_u64(v, F_CREATED),
	    view_u64(v, F_KEY_EXPIRES), (unsigned)source,
	    (view_u64(v, F_FLAGS) & PEERKEY_TRUSTED) != 0, changed,
	    by_hand ? now : (uint64_t)0, now);
	if (r != LL_OK)
		return r;
	return record(s, now, EVENT_PEER_KEY, owner, changed ? "changed" :
	    key_source_name(source), address, view_text(v, F_FINGERPRINT));
}

/* Another key that is in use stood there before.  The house's count for
 * everybody. */
static enum ll_result
is_change(struct store *s, uint64_t now, const struct id *owner,
    const char *address, struct tlv_view v, enum key_source source,
    uint64_t before, bool *changed_r)
{
	uint64_t other;
	enum ll_result r;

	*changed_r = false;
	if (source == KEY_HAND || source == KEY_HOUSE)
		return LL_OK;
	r = db_number(s->db, 0, &other, "SELECT EXISTS (SELECT 1 FROM"
	    " peer_keys WHERE address = ?1 AND format = ?2 AND fingerprint <>"
	    " ?3 AND owner IN (?4, zeroblob(16)) AND changed = 0 AND (expires"
	    " = 0 OR expires > ?5) AND rowid <= ?6)", "titdii", address,
	    view_u64(v, F_FORMAT), view_text(v, F_FINGERPRINT), owner, now,
	    before);
	*changed_r = other != 0;
	return r;
}

/* Who brings the word does not matter: it is signed by the key itself, or by
 * its CA. */
static enum ll_result
drop_revoked(struct store *s, uint64_t now, const struct id *owner,
    const char *address, const char *fingerprint)
{
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM peer_keys WHERE owner = ?1 AND"
	    " fingerprint = ?2", "dt", owner, fingerprint);
	return r != LL_OK || db_changes(s->db) == 0 ? r : record(s, now,
	    EVENT_PEER_KEY_GONE, owner, "revoked", address, fingerprint);
}

enum ll_result
peerkey_keep(struct store *s, uint64_t now, const struct id *owner,
    const char *address, struct tlv_view v, enum key_source source,
    uint64_t before, uint64_t *flags_r)
{
	const char *fingerprint = view_text(v, F_FINGERPRINT);
	uint64_t format = view_u64(v, F_FORMAT), was;
	enum ll_result r;
	bool changed;

	if (fingerprint[0] != '\0' && (view_u64(v, F_FLAGS) &
	    PEERKEY_REVOKED) != 0) {
		*flags_r = 0;
		return drop_revoked(s, now, owner, address, fingerprint);
	}
	if ((format != PARSE_OPENPGP && format != PARSE_SMIME) ||
	    fingerprint[0] == '\0' || !view_has(v, F_PUBLIC))
		return LL_USAGE;
	r = db_number(s->db, 0, &was, "SELECT source FROM peer_keys WHERE"
	    " owner = ?1 AND address = ?2 AND fingerprint = ?3", "dtt", owner,
	    address, fingerprint);
	if (r == LL_OK && was != 0) {
		r = refresh(s, now, owner, address, v, source,
		    (enum key_source)was);
	} else if (r == LL_OK) {
		r = is_change(s, now, owner, address, v, source, before,
		    &changed);
		if (r == LL_OK)
			r = insert(s, now, owner, address, v, source, changed);
	}
	return r != LL_OK ? r : db_number(s->db, 0, flags_r, "SELECT"
	    " trusted + 2 * changed + 4 * (owner = zeroblob(16)) FROM"
	    " peer_keys WHERE owner = ?1 AND address = ?2 AND fingerprint ="
	    " ?3", "dtt", owner, address, fingerprint);
}

/* --- PEERKEY_ADD --- */

/* A user's channel works on that user's keys, the others on the house's. */
static const struct id *
owner_of(const struct peer *p)
{
	return (p->role == PEER_WORKER || p->role == PEER_SUBMIT) &&
	    p->user_role == ROLE_STAFF ?
	    &p->user : &peerkey_house;
}

/* What a user's worker may say of a key; the house's are the house's. */
static enum key_source
source_of(const struct request *q, struct tlv_view v, const char *address)
{
	uint64_t source = view_u64(v, F_KEY_SOURCE);

	if (owner_of(q->peer) == &peerkey_house)
		return KEY_HOUSE;
	if (address[0] == '@' && source != KEY_HAND)
		return 0;
	/* no hand of the user's is at what mail programs hand in */
	if (q->peer->role == PEER_SUBMIT && source < KEY_WKD)
		return 0;
	if (source == KEY_HAND || (source >= KEY_SIGNED_MAIL &&
	    source <= KEY_AUTOCRYPT))
		return (enum key_source)source;
	return 0;
}

static enum ll_result
add_one(struct store *s, struct request *q, const char *address,
    struct tlv_view v, uint64_t before)
{
	enum key_source source = source_of(q, v, address);
	uint64_t flags;
	enum ll_result r;

	if (source == 0)
		return LL_USAGE;
	r = peerkey_keep(s, q->now, owner_of(q->peer), address, v, source,
	    before, &flags);
	if (r == LL_FULL)
		q->words = "There are too many keys of that address: remove "
		    "some.";
	if (r == LL_OK)
		msg_put_u64(q->reply, F_FLAGS, flags);
	return r;
}

enum ll_result
peerkey_add(struct store *s, struct request *q)
{
	char address[321];
	struct tlv_view v;
	uint64_t before;
	enum ll_result r;
	size_t at = 0;

	r = peerkey_address(view_text(q->v, F_ADDRESS), address, &q->words);
	if (r == LL_OK)
		r = peerkey_last(s, &before);
	if (r == LL_OK && view_has(q->v, F_FORMAT))
		return add_one(s, q, address, q->v, before);
	if (r == LL_OK && !view_has(q->v, F_ROW))
		return LL_USAGE;
	while (r == LL_OK && view_nest(q->v, F_ROW, &at, &v))
		r = add_one(s, q, address, v, before);
	return r;
}

/* --- PEERKEY_LIST, PEERKEY_GET --- */

#define COLUMNS "SELECT address, format, fingerprint, algorithm, created," \
	" expires, source, confirmed, added, trusted, changed, owner =" \
	" zeroblob(16), public FROM peer_keys "

static void
put_fields(struct msg *m, sqlite3_stmt *st)
{
	uint64_t flags = 0;

	msg_put_text(m, F_ADDRESS, db_text(st, 0));
	msg_put_u64(m, F_FORMAT, db_u64(st, 1));
	msg_put_text(m, F_FINGERPRINT, db_text(st, 2));
	msg_put_text(m, F_ALGORITHM, db_text(st, 3));
	msg_put_u64(m, F_CREATED, db_u64(st, 4));
	msg_put_u64(m, F_KEY_EXPIRES, db_u64(st, 5));
	msg_put_u64(m, F_KEY_SOURCE, db_u64(st, 6));
	msg_put_u64(m, F_CONFIRMED, db_u64(st, 7));
	msg_put_u64(m, F_TIME, db_u64(st, 8));
	flags |= db_u64(st, 9) ? PEERKEY_TRUSTED : 0;
	flags |= db_u64(st, 10) ? PEERKEY_CHANGED : 0;
	flags |= db_u64(st, 11) ? PEERKEY_HOUSE : 0;
	msg_put_u64(m, F_FLAGS, flags);
}

enum ll_result
peerkey_list(struct store *s, struct request *q)
{
	char address[321] = "";
	sqlite3_stmt *st;
	enum ll_result r = LL_OK;

	if (view_has(q->v, F_ADDRESS))
		r = peerkey_address(view_text(q->v, F_ADDRESS), address,
		    &q->words);
	if (r == LL_OK)
		r = db_query(s->db, &st, COLUMNS "WHERE owner IN (?1,"
		    " zeroblob(16)) AND (?2 = '' OR address = ?2) ORDER BY"
		    " address, added DESC", "dt", owner_of(q->peer), address);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		put_fields(q->reply, st);
		msg_end(q->reply);
		if (msg_view(q->reply).len > LIST_BYTES)
			break;
	}
	db_end(st);
	return r == LL_EOF ? LL_OK : r;
}

/* One of the keys that a typed beginning of a fingerprint means. */
struct match {
	char address[321], fingerprint[129];
	uint64_t format;
	bool changed;
};

/* What a request names, bound to a query: lives as long as that. */
struct wanted {
	char pattern[132], address[321];
};

/* The pattern for LIKE; blanks and colons are how people group digits. */
static enum ll_result
pattern_of(struct request *q, char pattern[132])
{
	const char *c = view_text(q->v, F_FINGERPRINT);
	size_t n = 0;

	for (; *c != '\0' && n < 128; c++) {
		if (*c == ' ' || *c == ':')
			continue;
		if (strchr("0123456789abcdefABCDEF", *c) == NULL)
			break;
		pattern[n++] = *c;
	}
	if (*c != '\0' || n < PREFIX_MIN) {
		q->words = "Give the fingerprint, or its first 8 digits or "
		    "more.";
		return LL_USAGE;
	}
	memcpy(pattern + n, "%", 2);
	return LL_OK;
}

#define MATCHING "WHERE owner IN (?1, ?2) AND fingerprint LIKE ?3 AND (?4 =" \
	" '' OR address = ?4)"

/* Whether it means one key, at however many addresses.  house: the
 * administration's will do, too. */
static enum ll_result
is_clear(struct store *s, struct request *q, const char *pattern,
    const char *address, bool house)
{
	const struct id *owner = owner_of(q->peer);
	uint64_t count, theirs;
	enum ll_result r;

	r = db_number(s->db, 0, &count, "SELECT count(DISTINCT"
	    " upper(fingerprint)) FROM peer_keys " MATCHING, "ddtt", owner,
	    house ? &peerkey_house : owner, pattern, address);
	if (r != LL_OK || count == 1)
		return r;
	if (count > 1) {
		q->words = "Several keys begin like that: give more digits.";
		return LL_CONFLICT;
	}
	q->words = "There is no such key.";
	r = db_number(s->db, 0, &theirs, "SELECT count(*) FROM peer_keys "
	    MATCHING, "ddtt", &peerkey_house, &peerkey_house, pattern,
	    address);
	if (r == LL_OK && theirs > 0)
		q->words = "That key is the administration's.";
	return r == LL_OK ? LL_NOTFOUND : r;
}

static enum ll_result
find(struct store *s, struct request *q, bool house, struct wanted *w,
    sqlite3_stmt **st_r)
{
	const struct id *owner = owner_of(q->peer);
	enum ll_result r;

	w->address[0] = '\0';
	r = pattern_of(q, w->pattern);
	if (r == LL_OK && view_has(q->v, F_ADDRESS))
		r = peerkey_address(view_text(q->v, F_ADDRESS), w->address,
		    &q->words);
	if (r == LL_OK)
		r = is_clear(s, q, w->pattern, w->address, house);
	return r != LL_OK ? r : db_query(s->db, st_r, COLUMNS MATCHING
	    " ORDER BY owner DESC", "ddtt", owner,
	    house ? &peerkey_house : owner, w->pattern, w->address);
}

enum ll_result
peerkey_get(struct store *s, struct request *q)
{
	const uint8_t *public;
	struct wanted wanted;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = find(s, q, true, &wanted, &st);
	if (r == LL_OK)
		r = db_next(s->db, st);
	if (r != LL_OK)
		return r == LL_EOF ? LL_NOTFOUND : r;
	public = db_blob(st, 12, &len);
	msg_put_bytes(q->reply, F_PUBLIC, public, len);
	put_fields(q->reply, st);
	db_end(st);
	return LL_OK;
}

/* --- PEERKEY_CONFIRM, PEERKEY_REMOVE --- */

static enum ll_result
remove_one(struct store *s, struct request *q, const struct match *k,
    const char *why)
{
	const struct id *owner = owner_of(q->peer);
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM peer_keys WHERE owner = ?1 AND address"
	    " = ?2 AND fingerprint = ?3", "dtt", owner, k->address,
	    k->fingerprint);
	return r != LL_OK ? r : record(s, q->now, EVENT_PEER_KEY_GONE, owner,
	    why, k->address, k->fingerprint);
}

/* Those in whose place a confirmed one comes; what a hand gave, a hand takes
 * away. */
static enum ll_result
retire_others(struct store *s, struct request *q, const struct match *k)
{
	struct match old = *k;
	sqlite3_stmt *st;
	enum ll_result r;

	for (;;) {
		r = db_one(s->db, &st, "SELECT fingerprint FROM peer_keys"
		    " WHERE owner = ?1 AND address = ?2 AND format = ?3 AND"
		    " fingerprint <> ?4 AND source NOT IN (?5, ?6) LIMIT 1",
		    "dtituu", owner_of(q->peer), k->address, k->format,
		    k->fingerprint, KEY_HAND, KEY_HOUSE);
		if (r != LL_OK)
			return r == LL_NOTFOUND ? LL_OK : r;
		(void)snprintf(old.fingerprint, sizeof(old.fingerprint), "%s",
		    db_text(st, 0));
		db_end(st);
		r = remove_one(s, q, &old, "replaced");
		if (r != LL_OK)
			return r;
	}
}

static enum ll_result
confirm_one(struct store *s, struct request *q, const struct match *k)
{
	const struct id *owner = owner_of(q->peer);
	enum ll_result r;

	r = db_run(s->db, "UPDATE peer_keys SET confirmed = ?4, changed = 0"
	    " WHERE owner = ?1 AND address = ?2 AND fingerprint = ?3", "dtti",
	    owner, k->address, k->fingerprint, q->now);
	if (r == LL_OK && k->changed)
		r = retire_others(s, q, k);
	return r != LL_OK ? r : record(s, q->now, EVENT_PEER_KEY, owner,
	    "confirmed", k->address, k->fingerprint);
}

/* Does it to every row the request means, and answers with them. */
static enum ll_result
change(struct store *s, struct request *q, bool confirm)
{
	struct match *k, keys[ADDRESS_KEYS_MAX];
	struct wanted wanted;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t n = 0, i;

	r = find(s, q, false, &wanted, &st);
	if (r != LL_OK)
		return r;
	while (n < ADDRESS_KEYS_MAX && (r = db_next(s->db, st)) == LL_OK) {
		k = &keys[n++];
		(void)snprintf(k->address, sizeof(k->address), "%s",
		    db_text(st, 0));
		k->format = db_u64(st, 1);
		(void)snprintf(k->fingerprint, sizeof(k->fingerprint), "%s",
		    db_text(st, 2));
		k->changed = db_u64(st, 10) != 0;
		msg_begin(q->reply, F_ROW);
		put_fields(q->reply, st);
		msg_end(q->reply);
	}
	db_end(st);
	r = r == LL_EOF ? LL_OK : r;
	for (i = 0; r == LL_OK && i < n; i++)
		r = confirm ? confirm_one(s, q, &keys[i]) :
		    remove_one(s, q, &keys[i], "removed");
	return r;
}

enum ll_result
peerkey_confirm(struct store *s, struct request *q)
{
	return change(s, q, true);
}

enum ll_result
peerkey_remove(struct store *s, struct request *q)
{
	return change(s, q, false);
}
