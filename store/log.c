#include "store/serve.h"

#include <sodium.h>

/* The tags of a leaf's body, which its commitment hides. */
enum body_tag {
	BT_EVENT = 1, BT_TIME, BT_DELIVERY, BT_MESSAGE, BT_USER, BT_DETAIL
};

#define LEAF_VERSION 1
#define BODY_MAX 2048
#define LIST_MAX 200

static void
encode(struct tlv_out *o, uint64_t now, const struct leaf *leaf)
{
	tlv_out_init(o, BODY_MAX);
	tlv_put_u64(o, BT_EVENT, (uint64_t)leaf->event);
	tlv_put_u64(o, BT_TIME, now);
	if (leaf->delivery != NULL)
		tlv_put_id(o, BT_DELIVERY, leaf->delivery);
	if (leaf->message != NULL)
		tlv_put_id(o, BT_MESSAGE, leaf->message);
	if (leaf->user != NULL)
		tlv_put_id(o, BT_USER, leaf->user);
	if (leaf->detail != NULL)
		tlv_put_text(o, BT_DETAIL, leaf->detail);
}

enum ll_result
log_append(struct store *s, uint64_t now, const struct leaf *leaf)
{
	uint8_t nonce[32], commitment[HASH_BYTES];
	struct tlv_out body;
	enum ll_result r;

	randombytes_buf(nonce, sizeof(nonce));
	encode(&body, now, leaf);
	r = derive(LABEL_LEAF, nonce, sizeof(nonce), &body, commitment);
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO log (version, event, time,"
		    " commitment, delivery, detail, nonce, body) VALUES (?1,"
		    " ?2, ?3, ?4, ?5, ?6, ?7, ?8)", "uuihdthb", LEAF_VERSION,
		    (int)leaf->event, now, commitment, leaf->delivery,
		    leaf->detail != NULL ? leaf->detail : "", nonce,
		    body.data, body.len);
	tlv_out_finish(&body);
	return r;
}

enum ll_result
log_list(struct store *s, struct request *q)
{
	uint64_t before = view_u64(q->v, F_BEFORE);
	uint64_t limit = view_u64(q->v, F_LIMIT);
	uint8_t hash[HASH_BYTES];
	sqlite3_stmt *st;
	enum ll_result r;

	if (before == 0 || before > INT64_MAX)
		before = INT64_MAX;
	if (limit == 0 || limit > LIST_MAX)
		limit = LIST_MAX;
	r = db_query(s->db, &st, "SELECT sequence, time, event, commitment"
	    " FROM log WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2",
	    "ii", before, limit);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		msg_put_u64(q->reply, F_SEQUENCE, db_u64(st, 0));
		msg_put_u64(q->reply, F_TIME, db_u64(st, 1));
		msg_put_text(q->reply, F_NAME,
		    event_log_name((enum event)db_u64(st, 2)));
		if (db_hash(st, 3, hash))
			msg_put_bytes(q->reply, F_HASH, hash, HASH_BYTES);
		msg_end(q->reply);
	}
	return r == LL_EOF ? LL_OK : r;
}
