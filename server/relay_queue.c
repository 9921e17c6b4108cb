#include "server/relay_queue.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <sodium.h>

#include "keys/seal.h"
#include "store/send.h"

static struct seal_context
context(const struct id *object, uint64_t day)
{
	struct seal_context ctx;

	memset(&ctx, 0, sizeof(ctx));
	ctx.type = SEAL_QUEUE;
	if (object != NULL)
		ctx.object = *object;
	ctx.generation = day;
	return ctx;
}

enum ll_result
queue_key_request(const struct secret *root, uint64_t day, struct msg **m_r)
{
	struct seal_context ctx = context(NULL, day);
	uint8_t pk[crypto_box_PUBLICKEYBYTES];
	struct secret sk = SECRET_NONE;
	uint8_t *wrap = NULL;
	size_t wrap_len = 0;
	struct msg *m = NULL;
	enum ll_result r;

	r = secret_init(&sk, crypto_box_SECRETKEYBYTES);
	if (r != LL_OK)
		return r;
	crypto_box_keypair(pk, sk.data);
	r = seal_bytes(root->data, &ctx, sk.data, sk.len, &wrap, &wrap_len);
	if (r != LL_OK)
		goto out;
	r = msg_create(MSG_REQUEST, OP_QUEUE_KEY, &m);
	if (r != LL_OK)
		goto out;
	msg_put_u64(m, F_QUEUE_DAY, day);
	msg_put_bytes(m, F_QUEUE_PK, pk, sizeof(pk));
	msg_put_bytes(m, F_WRAP, wrap, wrap_len);
out:
	free(wrap);
	secret_finish(&sk);
	*m_r = m;
	return r;
}

/* A text of the payload; "" when it is missing. */
static enum ll_result
text_of(struct tlv_view v, uint8_t tag, const char **text_r)
{
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	*text_r = "";
	r = tlv_find(v, tag, &at, &f);
	if (r == LL_NOTFOUND)
		return LL_OK;
	if (r != LL_OK)
		return r;
	return tlv_text(&f, text_r);
}

static enum ll_result
number_of(struct tlv_view v, uint8_t tag, uint64_t *v_r)
{
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	*v_r = 0;
	r = tlv_find(v, tag, &at, &f);
	if (r == LL_NOTFOUND)
		return LL_OK;
	if (r != LL_OK)
		return r;
	return tlv_u64(&f, v_r);
}

static enum ll_result
bytes_of(struct tlv_view v, uint8_t tag, size_t len, const uint8_t **p_r)
{
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	r = tlv_find(v, tag, &at, &f);
	if (r != LL_OK || f.len != len)
		return LL_PROTO;
	*p_r = f.data;
	return LL_OK;
}

static enum ll_result
id_of(struct tlv_view v, uint8_t tag, struct id *id_r)
{
	struct tlv_field f;
	size_t at = 0;

	if (tlv_find(v, tag, &at, &f) != LL_OK)
		return LL_PROTO;
	return tlv_id(&f, id_r);
}

/* Nobody writes in another's name: the row's sender, which the store took
 * from the author's account, is who the text names. */
static enum ll_result
read_notice(struct tlv_view v, struct tlv_view row, struct notice *n_r)
{
	enum ll_result r;

	n_r->mail_id = view_text(row, F_MAIL_ID);
	n_r->date = (uint64_t)time(NULL);
	r = text_of(v, QT_LINK_PATH, &n_r->link_path);
	if (r == LL_OK)
		r = text_of(v, QT_SENDER_NAME, &n_r->sender_name);
	if (r == LL_OK)
		r = text_of(v, QT_SENDER_EMAIL, &n_r->sender_email);
	if (r == LL_OK)
		r = number_of(v, QT_EXPIRES, &n_r->expires);
	if (r == LL_OK && (strcasecmp(n_r->sender_email,
	    view_text(row, F_EMAIL)) != 0 ||
	    strcmp(n_r->sender_name, view_text(row, F_NAME)) != 0))
		r = LL_PROTO;
	return r;
}

static enum ll_result
read_mail(struct tlv_view v, struct queue_mail *m_r)
{
	enum ll_result r;

	r = bytes_of(v, QT_KEY, KEY_BYTES, &m_r->key);
	if (r == LL_OK)
		r = bytes_of(v, QT_HASH, RELAY_STREAM_HASH, &m_r->hash);
	if (r == LL_OK)
		r = id_of(v, QT_MESSAGE, &m_r->message);
	if (r == LL_OK)
		r = id_of(v, QT_OBJECT, &m_r->object);
	if (r == LL_OK)
		r = number_of(v, QT_BYTES, &m_r->bytes);
	return r;
}

static enum ll_result
read_payload(struct tlv_view row, struct queue_row *q)
{
	struct tlv_view v = { q->payload.data, q->payload.len };
	uint64_t kind = 0;
	enum ll_result r;

	r = number_of(v, QT_KIND, &kind);
	if (r == LL_OK)
		r = text_of(v, QT_TO, &q->to);
	/* the row's address is what the sender and the log are told of */
	if (r == LL_OK && strcasecmp(q->to, view_text(row, F_ADDRESS)) != 0)
		r = LL_PROTO;
	if (r != LL_OK)
		return r;
	q->notice.to = q->to;
	q->is_mail = kind == QUEUE_MAIL;
	if (q->is_mail)
		return read_mail(v, &q->mail);
	if (kind != 0 && kind != QUEUE_NOTIFICATION)
		return LL_PROTO;
	return read_notice(v, row, &q->notice);
}

void
queue_keys_init(struct queue_keys *k, const struct secret *root)
{
	memset(k, 0, sizeof(*k));
	k->root = root;
	k->sk = (struct secret)SECRET_NONE;
}

void
queue_keys_finish(struct queue_keys *k)
{
	secret_finish(&k->sk);
	k->day = 0;
}

static enum ll_result
day_key(struct queue_keys *k, struct tlv_view row, const uint8_t *pk)
{
	uint64_t day = view_u64(row, F_QUEUE_DAY);
	struct seal_context ctx = context(NULL, day);
	const uint8_t *p;
	size_t len;
	enum ll_result r;

	if (k->sk.data != NULL && k->day == day &&
	    memcmp(k->pk, pk, sizeof(k->pk)) == 0)
		return LL_OK;
	queue_keys_finish(k);
	p = view_bytes(row, F_WRAP, &len);
	if (p == NULL)
		return LL_PROTO;
	r = seal_open_secret(k->root->data, &ctx, p, len, &k->sk);
	if (r == LL_OK && k->sk.len != crypto_box_SECRETKEYBYTES)
		r = LL_PROTO;
	if (r != LL_OK) {
		queue_keys_finish(k);
		return r;
	}
	k->day = day;
	memcpy(k->pk, pk, sizeof(k->pk));
	return LL_OK;
}

enum ll_result
queue_row_open(struct queue_keys *keys, struct tlv_view row,
    struct queue_row *q_r)
{
	struct seal_context ctx;
	const uint8_t *p, *pk = view_hash(row, F_QUEUE_PK);
	struct id id;
	size_t len;
	enum ll_result r;

	memset(q_r, 0, sizeof(*q_r));
	q_r->payload = (struct secret)SECRET_NONE;
	if (pk == NULL || !view_id(row, F_QUEUE_ID, &id))
		return LL_PROTO;
	r = day_key(keys, row, pk);
	if (r != LL_OK)
		return r;
	ctx = context(&id, keys->day);
	p = view_bytes(row, F_PAYLOAD, &len);
	r = p == NULL ? LL_PROTO :
	    seal_box_open(pk, keys->sk.data, &ctx, p, len, &q_r->payload);
	return r == LL_OK ? read_payload(row, q_r) : r;
}

void
queue_row_finish(struct queue_row *q)
{
	secret_finish(&q->payload);
	memset(q, 0, sizeof(*q));
}
