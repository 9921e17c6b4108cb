#include <string.h>
#include <sodium.h>

#include "store/handlers.h"
#include "store/sshkeys.h"

#define KEYS_MAX 50
#define FINGERPRINT_MAX 64

/* "SHA256:..." as ssh-keygen -l shows it. */
static void
fingerprint(const uint8_t *key, size_t len, char text[FINGERPRINT_MAX])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(hash, key, len);
	memcpy(text, "SHA256:", 7);
	(void)sodium_bin2base64(text + 7, FINGERPRINT_MAX - 7, hash,
	    sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

static enum ll_result
add(struct store *s, struct request *q, const struct id *user,
    const uint8_t *key, size_t len)
{
	struct leaf leaf = { .event = EVENT_SSH_KEY, .user = user };
	char text[FINGERPRINT_MAX];
	uint64_t count;
	enum ll_result r;

	if (len < 16)
		return LL_USAGE;
	r = db_number(s->db, 0, &count, "SELECT count(*) FROM ssh_keys"
	    " WHERE user = ?1", "d", user);
	if (r == LL_OK && count >= KEYS_MAX)
		r = LL_FULL;
	if (r != LL_OK)
		return r;
	fingerprint(key, len, text);
	r = db_run(s->db, "INSERT INTO ssh_keys (user, fingerprint, key, name,"
	    " created) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
	    "dtbti", user, text, key, len, view_text(q->v, F_NAME), q->now);
	leaf.detail = text;
	if (r == LL_OK && db_changes(s->db) == 1)
		r = log_append(s, q->now, &leaf);
	return r;
}

enum ll_result
sshkeys_keep(struct store *s, struct request *q, const struct id *user)
{
	struct tlv_field key;
	enum ll_result r = LL_OK;
	size_t at = 0;

	while (r == LL_OK && view_each(q->v, F_KEY, &at, &key))
		r = add(s, q, user, key.data, key.len);
	return r;
}

enum ll_result
sshkeys_add(struct store *s, struct request *q)
{
	if (!view_has(q->v, F_KEY))
		return LL_USAGE;
	return sshkeys_keep(s, q, &q->peer->user);
}

enum ll_result
sshkeys_list(struct store *s, struct request *q)
{
	sqlite3_stmt *st;
	enum ll_result r;
	const uint8_t *key;
	size_t len;

	r = db_query(s->db, &st, "SELECT fingerprint, name, key, created"
	    " FROM ssh_keys WHERE user = ?1 ORDER BY created", "d",
	    &q->peer->user);
	if (r != LL_OK)
		return r;
	while ((r = db_next(s->db, st)) == LL_OK) {
		msg_begin(q->reply, F_ROW);
		msg_put_text(q->reply, F_FINGERPRINT, db_text(st, 0));
		msg_put_text(q->reply, F_NAME, db_text(st, 1));
		key = db_blob(st, 2, &len);
		msg_put_bytes(q->reply, F_KEY, key, len);
		msg_put_u64(q->reply, F_TIME, db_u64(st, 3));
		msg_end(q->reply);
	}
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
sshkeys_remove(struct store *s, struct request *q)
{
	const char *text = view_text(q->v, F_FINGERPRINT);
	struct leaf leaf = { .event = EVENT_SSH_KEY, .user = &q->peer->user,
	    .detail = text };
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM ssh_keys WHERE user = ?1 AND"
	    " fingerprint = ?2", "dt", &q->peer->user, text);
	if (r == LL_OK && db_changes(s->db) != 1)
		r = LL_NOTFOUND;
	if (r == LL_OK)
		r = log_append(s, q->now, &leaf);
	return r;
}
