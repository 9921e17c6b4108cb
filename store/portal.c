/*
 * What a reader behind a link may do, once the link was opened: everything
 * here goes by the token that LINK_PROVE gave out.
 */
#include <string.h>

#include "keys/envelope.h"
#include "store/delivery.h"
#include "store/handlers.h"
#include "store/object.h"
#include "store/peerkey.h"
#include "store/vaults.h"

#define REPLY_SECS 3600
#define REPLIES_MAX 30           /* of one link in that time */
#define KEYS_MAX 5               /* the same for uploads of keys */
#define KEY_ROWS_MAX 8           /* in one of them */

/* The delivery that the TOKEN stands for, while its link is open. */
static enum ll_result
by_token(struct store *s, struct request *q, struct delivery *d_r)
{
	const uint8_t *token = view_hash(q->v, F_TOKEN);
	uint8_t hash[HASH_BYTES];
	struct id delivery;
	sqlite3_stmt *st;
	enum ll_result r;
	uint64_t until;

	if (token == NULL)
		return LL_USAGE;
	r = derive_bytes(LABEL_TOKEN, NULL, 0, token, HASH_BYTES, hash);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT delivery, until FROM tokens"
		    " WHERE token = ?1 AND delivery IS NOT NULL", "h", hash);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_AUTH : r;
	(void)db_id(st, 0, &delivery);
	until = db_u64(st, 1);
	db_end(st);
	if (until <= q->now)
		return LL_AUTH;
	r = delivery_load(s, &delivery, d_r);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_GONE : r;
	return d_r->expires > 0 && d_r->expires <= q->now ? LL_GONE : LL_OK;
}

/* --- reading --- */

/* Who wrote it, and the key that an answer is sealed to. */
static enum ll_result
put_author(struct store *s, struct msg *m, const struct delivery *d,
    uint64_t signed_with, const uint8_t *house_pk)
{
	uint8_t seal_pk[32], sign_pk[32], ignored[32];
	uint64_t generation;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT email, name, generation FROM users"
	    " WHERE user = ?1", "d", &d->author);
	if (r != LL_OK)
		return r;
	msg_put_id(m, F_AUTHOR_ID, &d->author);
	msg_put_id(m, F_USER_ID, &d->author);
	msg_put_text(m, F_EMAIL, db_text(st, 0));
	msg_put_text(m, F_NAME, db_text(st, 1));
	generation = db_u64(st, 2);
	db_end(st);
	r = vaults_keys(s, &d->author, signed_with, ignored, sign_pk);
	if (r == LL_OK)
		r = vaults_keys(s, &d->author, generation, seal_pk, ignored);
	if (r != LL_OK)
		return r;
	if (house_pk != NULL)
		msg_put_u64(m, F_FLAGS, FETCH_SUBMITTED);
	msg_put_bytes(m, F_SIGN_PK, house_pk != NULL ? house_pk : sign_pk,
	    sizeof(sign_pk));
	msg_put_bytes(m, F_SEAL_PK, seal_pk, sizeof(seal_pk));
	msg_put_u64(m, F_GENERATION, generation);
	return LL_OK;
}

enum ll_result
portal_fetch(struct store *s, struct request *q)
{
	uint8_t commitment[HASH_BYTES], house_pk[32];
	bool by_house;
	uint64_t generation;
	const uint8_t *header;
	struct delivery d;
	struct id thread;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;

	r = by_token(s, q, &d);
	if (r == LL_OK)
		r = db_one(s->db, &st, "SELECT header, commitment, thread,"
		    " author_generation, house_pk FROM messages WHERE message"
		    " = ?1 AND header IS NOT NULL", "d", &d.message);
	if (r != LL_OK)
		return r == LL_NOTFOUND ? LL_GONE : r;
	header = db_blob(st, 0, &len);
	msg_put_bytes(q->reply, F_HEADER, header, len);
	if (db_hash(st, 1, commitment))
		msg_put_bytes(q->reply, F_COMMITMENT, commitment, HASH_BYTES);
	if (db_id(st, 2, &thread))
		msg_put_id(q->reply, F_THREAD_ID, &thread);
	generation = db_u64(st, 3);
	by_house = db_hash(st, 4, house_pk);
	db_end(st);
	msg_put_id(q->reply, F_MESSAGE_ID, &d.message);
	msg_put_text(q->reply, F_ADDRESS, d.address);
	msg_put_u64(q->reply, F_STATE, (uint64_t)d.state);
	msg_put_u64(q->reply, F_EXPIRES, d.expires);
	msg_put_u64(q->reply, F_LIMIT, s->attachment_max);
	r = put_author(s, q->reply, &d, generation, by_house ? house_pk :
	    NULL);
	return r == LL_OK ? object_put_all(s, q->reply, &d.message) : r;
}

enum ll_result
portal_object(struct store *s, struct request *q)
{
	struct delivery d;
	struct id object;
	enum ll_result r;

	if (!view_id(q->v, F_OBJECT_ID, &object))
		return LL_USAGE;
	r = by_token(s, q, &d);
	return r == LL_OK ? object_give(s, q->reply, &d.message, &object) : r;
}

enum ll_result
portal_read(struct store *s, struct request *q)
{
	struct delivery d;
	enum ll_result r;

	r = by_token(s, q, &d);
	return r == LL_OK ? delivery_seen(s, q->now, &d, STATE_READ) : r;
}

enum ll_result
portal_end(struct store *s, struct request *q)
{
	const uint8_t *token = view_hash(q->v, F_TOKEN);
	uint8_t hash[HASH_BYTES];
	enum ll_result r;

	if (token == NULL)
		return LL_USAGE;
	r = derive_bytes(LABEL_TOKEN, NULL, 0, token, HASH_BYTES, hash);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM tokens WHERE token = ?1 AND"
		    " delivery IS NOT NULL", "h", hash);
	return r;
}

/* --- answering --- */

/* The answer's id must be new: no message's, nobody's draft. */
static enum ll_result
place(struct store *s, struct request *q, struct delivery *d_r,
    struct object_place *p_r)
{
	uint64_t taken;
	enum ll_result r;

	*p_r = (struct object_place){ .delivery = &d_r->id };
	if (!view_id(q->v, F_MESSAGE_ID, &p_r->message))
		return LL_USAGE;
	r = by_token(s, q, d_r);
	if (r != LL_OK)
		return r;
	p_r->owner = d_r->author;
	r = db_number(s->db, 0, &taken, "SELECT EXISTS (SELECT 1 FROM drafts"
	    " WHERE message = ?1) OR EXISTS (SELECT 1 FROM messages WHERE"
	    " message = ?1) OR EXISTS (SELECT 1 FROM objects WHERE message ="
	    " ?1 AND delivery IS NOT ?2)", "dd", &p_r->message, &d_r->id);
	return r == LL_OK && taken ? LL_CONFLICT : r;
}

enum ll_result
portal_blob(struct store *s, struct request *q)
{
	struct object_place where;
	struct delivery d;
	enum ll_result r;

	r = place(s, q, &d, &where);
	return r == LL_OK ? object_upload_new(s, q, &where) : r;
}

enum ll_result
portal_commit(struct store *s, struct request *q)
{
	struct object_place where;
	struct delivery d;
	enum ll_result r;

	r = place(s, q, &d, &where);
	return r == LL_OK ? object_upload_end(s, q, &where) : r;
}

/* By the object alone: the token may have ended meanwhile. */
enum ll_result
portal_drop(struct store *s, struct request *q)
{
	struct id object;

	if (!view_id(q->v, F_OBJECT_ID, &object))
		return LL_USAGE;
	return object_upload_cancel(s, q->peer, &object) ? LL_OK :
	    LL_NOTFOUND;
}

/* Small answers count in no quota: their number is bounded. */
static enum ll_result
may_again(struct store *s, struct request *q, const struct delivery *d,
    enum event event, uint64_t most)
{
	uint64_t n;
	enum ll_result r;

	r = db_number(s->db, 0, &n, "SELECT count(*) FROM log WHERE delivery"
	    " = ?1 AND event = ?2 AND time > ?3", "dui", &d->id, event,
	    q->now - REPLY_SECS);
	return r == LL_OK && n >= most ? LL_RATE : r;
}

static enum ll_result
keep_reply(struct store *s, struct request *q, const struct delivery *d,
    const struct id *reply)
{
	size_t header_len, wrap_len;
	const uint8_t *header = view_bytes(q->v, F_HEADER, &header_len);
	const uint8_t *wrap = view_bytes(q->v, F_WRAP, &wrap_len);
	const uint8_t *commitment = view_hash(q->v, F_COMMITMENT);
	uint64_t generation = view_u64(q->v, F_GENERATION), current;
	enum ll_result r;

	if (header == NULL || wrap == NULL || commitment == NULL)
		return LL_USAGE;
	r = db_number(s->db, 0, &current, "SELECT generation FROM users WHERE"
	    " user = ?1", "d", &d->author);
	if (r == LL_OK && current != generation)
		r = LL_CONFLICT;
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO messages (message, thread,"
		    " reply_to, author_generation, time, expires, header,"
		    " commitment) SELECT ?1, thread, message, 0, ?3, 0, ?4, ?5"
		    " FROM messages WHERE message = ?2", "ddibh", reply,
		    &d->message, q->now, header, header_len, commitment);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO boxes (user, message, thread,"
		    " folder, unread, time, wrap, generation) SELECT ?1, ?2,"
		    " thread, ?3, 1, ?4, ?5, ?6 FROM messages WHERE message ="
		    " ?2", "dduibi", &d->author, reply, FOLDER_INBOX, q->now,
		    wrap, wrap_len, generation);
	return r;
}

enum ll_result
portal_reply(struct store *s, struct request *q)
{
	struct leaf leaf = { .event = EVENT_REPLY_RECEIVED };
	struct object_place where;
	struct delivery d;
	enum ll_result r;

	r = place(s, q, &d, &where);
	if (r == LL_OK)
		r = may_again(s, q, &d, EVENT_REPLIED, REPLIES_MAX);
	if (r == LL_OK)
		r = keep_reply(s, q, &d, &where.message);
	if (r == LL_OK)
		r = object_attach(s, q, &where);
	leaf.message = &where.message;
	leaf.user = &d.author;
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	if (r == LL_OK)
		r = delivery_seen(s, q->now, &d, STATE_READ);
	if (r == LL_OK)
		r = delivery_record(s, q->now, &d, EVENT_REPLIED,
		    STATE_REPLIED, NULL);
	if (r == LL_OK)
		event_box(s, &d.author, &where.message, FOLDER_INBOX, NULL);
	return r;
}

/* --- the reader's own key --- */

static enum ll_result
keep_key(struct store *s, struct request *q, struct delivery *d,
    struct tlv_view v, uint64_t before, uint64_t *flags)
{
	char address[321];
	const char *why;
	uint64_t f;
	enum ll_result r;

	r = peerkey_address(d->address, address, &why);
	if (r == LL_OK)
		r = peerkey_keep(s, q->now, &d->author, address, v, KEY_PORTAL,
		    before, &f);
	if (r == LL_OK)
		*flags |= f;
	return r == LL_OK ? delivery_record(s, q->now, d,
	    view_u64(v, F_FLAGS) & PEERKEY_REVOKED ? EVENT_PEER_KEY_GONE :
	    EVENT_PEER_KEY, 0, view_text(v, F_FINGERPRINT)) : r;
}

enum ll_result
portal_key(struct store *s, struct request *q)
{
	uint64_t before, flags = 0;
	struct delivery d;
	struct tlv_view v;
	enum ll_result r;
	unsigned n = 0;
	size_t at = 0;

	r = by_token(s, q, &d);
	if (r == LL_OK)
		r = may_again(s, q, &d, EVENT_PEER_KEY, KEYS_MAX);
	if (r == LL_OK)
		r = peerkey_last(s, &before);
	while (r == LL_OK && view_nest(q->v, F_ROW, &at, &v))
		r = ++n > KEY_ROWS_MAX ? LL_TOOBIG :
		    keep_key(s, q, &d, v, before, &flags);
	if (r == LL_OK && n == 0)
		return LL_USAGE;
	msg_put_u64(q->reply, F_FLAGS, flags);
	return r;
}

enum ll_result
portal_authorities(struct store *s, struct request *q)
{
	struct delivery d;
	enum ll_result r;

	r = by_token(s, q, &d);
	return r == LL_OK ? authority_list(s, q) : r;
}
