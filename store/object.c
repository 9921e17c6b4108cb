#include <string.h>

#include "keys/seal.h"
#include "store/group.h"
#include "store/handlers.h"
#include "store/object.h"
#include "store/send.h"

#define TOGETHER_MAX (1024 * 1024)  /* bytes of a reply that carries data */
#define OBJECTS_MAX 101
#define MAILS_MAX 8              /* one for each format */
#define UNUSED_SECS 86400
#define CHARGED_MIN 4096

/* --- what a message consists of --- */

/* What is no larger than a row of the table is no burden worth counting. */
enum ll_result
object_charge(struct store *s, const struct id *owner, uint64_t bytes,
    bool add)
{
	if (bytes < CHARGED_MIN)
		return LL_OK;
	if (add)
		return db_run(s->db, "UPDATE users SET bytes = bytes + ?2"
		    " WHERE user = ?1", "di", owner, bytes);
	return db_run(s->db, "UPDATE users SET bytes = max(0, bytes - ?2)"
	    " WHERE user = ?1", "di", owner, bytes);
}

enum ll_result
object_put_all(struct store *s, struct msg *m, const struct id *message)
{
	const uint8_t *data;
	uint8_t hash[HASH_BYTES];
	sqlite3_stmt *st;
	struct id object;
	enum ll_result r;
	size_t len;

	r = db_query(s->db, &st, "SELECT object, kind, sealed_bytes, hash,"
	    " data FROM objects WHERE message = ?1 AND kind <> ?2 ORDER BY"
	    " position", "du", message, OBJECT_MAIL);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		if (!db_id(st, 0, &object) || !db_hash(st, 3, hash))
			continue;
		msg_begin(m, F_OBJECT);
		msg_put_id(m, F_OBJECT_ID, &object);
		msg_put_u64(m, F_OBJECT_KIND, db_u64(st, 1));
		msg_put_u64(m, F_SEALED_BYTES, db_u64(st, 2));
		msg_put_bytes(m, F_HASH, hash, HASH_BYTES);
		data = db_blob(st, 4, &len);
		if (data != NULL && msg_view(m).len + len < TOGETHER_MAX)
			msg_put_bytes(m, F_DATA, data, len);
		msg_end(m);
	}
	return r == LL_EOF ? LL_OK : r;
}

static enum ll_result
insert(struct store *s, struct request *q, const struct object_place *place,
    struct tlv_view o, unsigned position)
{
	const uint8_t *hash = view_hash(o, F_HASH), *data;
	enum ll_result r = LL_OK;
	struct id object;
	uint64_t left;
	size_t len;

	data = view_bytes(o, F_DATA, &len);
	if (!view_id(o, F_OBJECT_ID, &object) || hash == NULL || data == NULL ||
	    len != view_u64(o, F_SEALED_BYTES) || len > 2 * INLINE_MAX)
		return LL_USAGE;
	if (len >= CHARGED_MIN)
		r = object_fits(s, q, &place->owner, (enum object_kind)
		    view_u64(o, F_OBJECT_KIND), len, &left);
	if (r != LL_OK)
		return r;
	r = db_run(s->db, "INSERT INTO objects (object, message, owner,"
	    " delivery, kind, position, sealed_bytes, hash, created, data)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", "ddddiuihib",
	    &object, &place->message, &place->owner, place->delivery,
	    view_u64(o, F_OBJECT_KIND), (int)position, len, hash, q->now, data,
	    len);
	return r == LL_OK ? object_charge(s, &place->owner, len, true) : r;
}

/* One that was uploaded: everything said about it must be as committed. */
static enum ll_result
confirm(struct store *s, const struct object_place *place, struct tlv_view o,
    unsigned position)
{
	const uint8_t *hash = view_hash(o, F_HASH);
	struct id object;
	enum ll_result r;

	if (!view_id(o, F_OBJECT_ID, &object) || hash == NULL)
		return LL_USAGE;
	r = db_run(s->db, "UPDATE objects SET position = ?1, kind = ?2,"
	    " staged = 0 WHERE object = ?3 AND message = ?4 AND owner = ?5 AND"
	    " sealed_bytes = ?6 AND hash = ?7 AND delivery IS ?8", "uidddihd",
	    (int)position, view_u64(o, F_OBJECT_KIND), &object,
	    &place->message, &place->owner, view_u64(o, F_SEALED_BYTES), hash,
	    place->delivery);
	if (r == LL_OK && db_changes(s->db) != 1)
		r = LL_CONFLICT;
	return r;
}

/* Uploads that the message does not name stand behind position 1000. */
static enum ll_result
drop_unnamed(struct store *s, const struct id *message)
{
	sqlite3_stmt *st;
	struct id object;
	enum ll_result r;

	for (;;) {
		r = db_one(s->db, &st, "SELECT object FROM objects WHERE"
		    " message = ?1 AND position >= 1000 LIMIT 1", "d",
		    message);
		if (r != LL_OK)
			return r == LL_NOTFOUND ? LL_OK : r;
		(void)db_id(st, 0, &object);
		db_end(st);
		r = object_drop(s, message, &object);
		if (r != LL_OK)
			return r;
	}
}

enum ll_result
object_attach(struct store *s, struct request *q,
    struct object_place *place)
{
	unsigned position = 0, mails = 0;
	struct tlv_view o;
	uint64_t uploads;
	enum ll_result r;
	size_t at = 0;

	r = db_run(s->db, "UPDATE objects SET position = position + 1000"
	    " WHERE message = ?1 AND position < 1000", "d", &place->message);
	uploads = db_changes(s->db);
	while (r == LL_OK && view_nest(q->v, F_OBJECT, &at, &o)) {
		if (view_u64(o, F_OBJECT_KIND) == OBJECT_MAIL && ++mails > 0 &&
		    !place->mails)
			return LL_USAGE;
		if (position - mails >= OBJECTS_MAX || mails > MAILS_MAX)
			return LL_TOOBIG;
		if (view_has(o, F_DATA))
			r = insert(s, q, place, o, position);
		else
			r = confirm(s, place, o, position);
		position++;
	}
	place->mails_seen = mails > 0;
	if (r == LL_OK && position == mails) {
		q->words = "A message has a body.";
		r = LL_USAGE;
	}
	if (r != LL_OK || uploads == 0)
		return r;
	return drop_unnamed(s, &place->message);
}

/* --- removal --- */

enum ll_result
object_drop(struct store *s, const struct id *message,
    const struct id *object)
{
	uint64_t bytes, file;
	sqlite3_stmt *st;
	struct id owner;
	enum ll_result r;

	r = db_one(s->db, &st, "SELECT owner, sealed_bytes, data IS NULL"
	    " FROM objects WHERE object = ?1 AND message = ?2", "dd", object,
	    message);
	if (r != LL_OK)
		return r;
	(void)db_id(st, 0, &owner);
	bytes = db_u64(st, 1);
	file = db_u64(st, 2);
	db_end(st);
	r = object_charge(s, &owner, bytes, false);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM objects WHERE object = ?1 AND"
		    " message = ?2", "dd", object, message);
	if (r == LL_OK && file)
		group_unlink(s, object);
	return r;
}

enum ll_result
object_drop_all(struct store *s, const struct id *message)
{
	enum ll_result r;

	r = db_run(s->db, "UPDATE objects SET position = position + 1000"
	    " WHERE message = ?1 AND position < 1000", "d", message);
	return r == LL_OK ? drop_unnamed(s, message) : r;
}

enum ll_result
object_sweep(struct store *s, uint64_t now)
{
	sqlite3_stmt *st;
	struct id object, message;
	enum ll_result r;
	unsigned n;

	for (n = 0; n < 100; n++) {
		r = db_one(s->db, &st, "SELECT object, message FROM objects o"
		    " WHERE staged = 1 AND created < ?1 AND (kind = ?2 OR NOT"
		    " EXISTS (SELECT 1 FROM drafts d WHERE d.message ="
		    " o.message)) LIMIT 1", "iu", now - UNUSED_SECS,
		    OBJECT_MAIL);
		if (r != LL_OK)
			return r == LL_NOTFOUND ? LL_OK : r;
		(void)db_id(st, 0, &object);
		(void)db_id(st, 1, &message);
		db_end(st);
		r = object_drop(s, &message, &object);
		if (r != LL_OK)
			return r;
	}
	return LL_OK;
}
