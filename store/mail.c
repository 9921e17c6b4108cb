#include "store/mail.h"

#include <stdlib.h>
#include <string.h>

#define KEY_BATCH 50            /* rows per AGENT_KEYS: a screen's page, and
                                   a frame of secrets stays small */

/* A row as it came, while its key is on the way. */
struct raw_row {
	struct tlv_view view;
	bool wrapped;            /* by the reader's own key: no re-wrap */
};

/* --- keys from the agent --- */

static void
put_wrap(struct msg *m, struct tlv_view row, const struct id *id)
{
	const uint8_t *p;
	size_t len = 0;

	msg_begin(m, F_ROW);
	msg_put_id(m, F_MESSAGE_ID, id);
	p = view_bytes(row, F_SELF_WRAP, &len);
	if (p && len) {
		msg_put_bytes(m, F_SELF_WRAP, p, len);
	} else {
		p = view_bytes(row, F_WRAP, &len);
		if (p)
			msg_put_bytes(m, F_WRAP, p, len);
		msg_put_u64(m, F_GENERATION, view_u64(row, F_GENERATION));
	}
	msg_end(m);
}

/* A key met for the first time comes back wrapped for oneself; that it could
 * not be kept only costs time at the next look. */
static void
keep_self_wrap(struct desk *k, const struct id *id, struct tlv_view answer)
{
	const uint8_t *p;
	size_t len = 0;
	struct msg *m;

	p = view_bytes(answer, F_SELF_WRAP, &len);
	if (!p || !len || msg_create(MSG_REQUEST, OP_MARK, &m))
		return;
	msg_put_id(m, F_MESSAGE_ID, id);
	msg_put_bytes(m, F_SELF_WRAP, p, len);
	desk_tell(k, m);
}

static enum ll_result
key_of(struct tlv_view answer, struct secret *key_r)
{
	enum ll_result r = (enum ll_result)view_u64(answer, F_RESULT);
	const uint8_t *p;
	size_t len = 0;

	if (r)
		return r;
	p = view_bytes(answer, F_SECRET, &len);
	if (!p || len != KEY_BYTES)
		return LL_PROTO;
	return secret_copy(key_r, p, len);
}

/* --- rows --- */

static void
read_plain_part(struct tlv_view v, struct mail_row *row)
{
	memset(row, 0, sizeof *row);
	envelope_init(&row->envelope);
	row->result = view_id(v, F_MESSAGE_ID, &row->id) ? LL_LOCKED :
	    LL_PROTO;
	row->sequence = view_u64(v, F_SEQUENCE);
	row->folder = (enum folder)view_u64(v, F_FOLDER);
	row->unread = view_u64(v, F_UNREAD) != 0;
	row->time = view_u64(v, F_TIME);
	if (!view_has(v, F_WRAP) && !view_has(v, F_SELF_WRAP))
		row->result = LL_GONE;
}

static void
open_row(const struct secret *key, struct tlv_view v, struct mail_row *row)
{
	const uint8_t *header, *given;
	uint8_t commitment[HASH_BYTES];
	size_t len = 0;

	header = view_bytes(v, F_HEADER, &len);
	given = view_hash(v, F_COMMITMENT);
	row->result = header && given ? LL_OK : LL_PROTO;
	if (row->result == LL_OK)
		row->result = seal_commitment(key->data, &row->id,
		    commitment);
	if (row->result == LL_OK
	    && !derive_equal(commitment, given, HASH_BYTES))
		row->result = LL_AUTH;
	if (row->result == LL_OK)
		row->result = envelope_open(key->data, &row->id, header, len,
		    &row->envelope);
}

/* Opens count rows (at most KEY_BATCH) with one question to the agent. */
static enum ll_result
open_batch(struct desk *k, const struct raw_row *raw, struct mail_row *rows,
    size_t count)
{
	struct msg *m, *reply;
	struct tlv_view answer;
	struct secret key = SECRET_NONE;
	size_t at = 0, i, asked = 0;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_AGENT_KEYS, &m);
	if (r)
		return r;
	for (i = 0; i < count; i++)
		if (rows[i].result == LL_LOCKED) {
			put_wrap(m, raw[i].view, &rows[i].id);
			asked++;
		}
	if (asked == 0) {
		msg_destroy(m);
		return LL_OK;
	}
	r = desk_ask_agent(k, m, &reply);
	if (r)
		return r == LL_LOCKED ? LL_OK : r;
	for (i = 0; i < count; i++) {
		if (rows[i].result != LL_LOCKED)
			continue;
		if (!view_nest(msg_view(reply), F_ROW, &at, &answer)) {
			r = LL_PROTO;
			break;
		}
		rows[i].result = key_of(answer, &key);
		if (rows[i].result == LL_OK)
			open_row(&key, raw[i].view, &rows[i]);
		if (rows[i].result == LL_OK && !raw[i].wrapped)
			keep_self_wrap(k, &rows[i].id, answer);
		secret_finish(&key);
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
open_rows(struct desk *k, const struct raw_row *raw, struct mail_page *p)
{
	enum ll_result r = LL_OK;
	size_t i, n;

	if (desk_self(k)->locked)
		return LL_OK;
	for (i = 0; i < p->count && r == LL_OK; i += n) {
		n = p->count - i < KEY_BATCH ? p->count - i : KEY_BATCH;
		r = open_batch(k, raw + i, p->rows + i, n);
	}
	return r;
}

/* All rows of a reply. */
static enum ll_result
read_page(struct desk *k, const struct msg *reply, struct mail_page *p)
{
	struct tlv_view v = msg_view(reply), row;
	struct raw_row *raw = NULL;
	size_t at = 0, count = 0;
	enum ll_result r = LL_OK;

	while (view_nest(v, F_ROW, &at, &row))
		count++;
	p->total = view_u64(v, F_COUNT);
	p->unread = view_u64(v, F_UNREAD);
	if (count == 0)
		return LL_OK;
	p->rows = calloc(count, sizeof *p->rows);
	raw = calloc(count, sizeof *raw);
	if (!p->rows || !raw)
		r = LL_NOMEM;
	at = 0;
	while (r == LL_OK && view_nest(v, F_ROW, &at, &row)) {
		raw[p->count].view = row;
		raw[p->count].wrapped = view_has(row, F_SELF_WRAP);
		read_plain_part(row, &p->rows[p->count++]);
	}
	if (r == LL_OK)
		r = open_rows(k, raw, p);
	free(raw);
	return r;
}

static enum ll_result
ask_page(struct desk *k, struct msg *request, struct mail_page *p_r)
{
	struct msg *reply;
	enum ll_result r;

	memset(p_r, 0, sizeof *p_r);
	r = desk_ask(k, request, &reply);
	if (r)
		return r;
	r = read_page(k, reply, p_r);
	msg_destroy(reply);
	if (r)
		mail_page_finish(p_r);
	return r;
}

enum ll_result
mail_list(struct desk *k, enum folder folder, uint64_t before, size_t limit,
    struct mail_page *p_r)
{
	struct msg *m;
	enum ll_result r;

	memset(p_r, 0, sizeof *p_r);
	r = msg_create(MSG_REQUEST, OP_LIST, &m);
	if (r)
		return r;
	msg_put_u64(m, F_FOLDER, folder);
	if (before)
		msg_put_u64(m, F_BEFORE, before);
	msg_put_u64(m, F_LIMIT, limit < MAIL_PAGE_MAX ? limit :
	    MAIL_PAGE_MAX);
	return ask_page(k, m, p_r);
}

enum ll_result
mail_thread(struct desk *k, const struct id *thread, struct mail_page *p_r)
{
	struct msg *m;
	enum ll_result r;

	memset(p_r, 0, sizeof *p_r);
	r = msg_create(MSG_REQUEST, OP_THREAD, &m);
	if (r)
		return r;
	msg_put_id(m, F_THREAD_ID, thread);
	return ask_page(k, m, p_r);
}

void
mail_page_finish(struct mail_page *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		envelope_finish(&p->rows[i].envelope);
	free(p->rows);
	memset(p, 0, sizeof *p);
}

enum ll_result
mail_find(struct desk *k, const char *prefix, struct id *id_r)
{
	struct id low, high;
	struct msg *m, *reply;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	r = id_prefix(prefix, &low, &high);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_FIND, &m);
	if (r)
		return r;
	msg_put_id(m, F_MESSAGE_ID, &low);
	msg_put_id(m, F_REPLY_TO, &high);
	r = desk_ask(k, m, &reply);
	if (r)
		return r;
	if (!view_nest(msg_view(reply), F_ROW, &at, &row)
	    || !view_id(row, F_MESSAGE_ID, id_r))
		r = LL_NOTFOUND;
	else if (view_nest(msg_view(reply), F_ROW, &at, &row))
		r = LL_USAGE;
	msg_destroy(reply);
	return r;
}

/* --- one message --- */

/* Whether the signed list names this user: a message signed for others that
 * was put into this box is not signed for us. */
static bool
names_reader(const struct envelope *e, const struct id *self)
{
	char name[ID_TEXT + 3] = "u:";
	size_t i;

	if (id_equal(&e->author, self))
		return true;
	id_text(self, name + 2);
	for (i = 0; i < e->reader_count; i++)
		if (strcmp(e->readers[i], name) == 0)
			return true;
	return false;
}

static void
check_signature(const struct desk *k, struct mail *m, struct tlv_view top,
    struct tlv_view row)
{
	struct tlv_view v = view_has(row, F_SIGN_PK) ? row : top;
	const struct envelope *e = &m->row.envelope;
	const uint8_t *pk = view_hash(v, F_SIGN_PK);
	const char *email = view_text(v, F_EMAIL);
	struct id author;

	m->is_signed = e->is_signed;
	m->author = email;
	m->submitted = (view_u64(v, F_FLAGS) & FETCH_SUBMITTED) != 0;
	if (!e->is_signed || !pk || !view_id(v, F_AUTHOR_ID, &author))
		return;
	m->valid = id_equal(&author, &e->author)
	    && names_reader(e, &desk_self(k)->id)
	    && envelope_verify(e, m->commitment, pk) == LL_OK
	    && (!*email || strcasecmp(email, e->from) == 0);
}

const char *
mail_signer(const struct mail *m)
{
	const char *from = m->row.envelope.from;

	if (!m->valid && m->author != NULL && *m->author)
		return m->author;
	return m->is_signed && from != NULL ? from : "";
}

static enum ll_result
open_mail(struct desk *k, struct tlv_view row, struct mail *m)
{
	struct msg *q, *reply;
	struct tlv_view answer;
	const uint8_t *commitment;
	size_t at = 0;
	enum ll_result r;

	read_plain_part(row, &m->row);
	if (m->row.result != LL_LOCKED)
		return m->row.result;
	if (desk_self(k)->locked)
		return LL_LOCKED;
	r = msg_create(MSG_REQUEST, OP_AGENT_KEYS, &q);
	if (r)
		return r;
	put_wrap(q, row, &m->row.id);
	r = desk_ask_agent(k, q, &reply);
	if (r)
		return r;
	if (!view_nest(msg_view(reply), F_ROW, &at, &answer))
		r = LL_PROTO;
	else
		r = key_of(answer, &m->key);
	if (r == LL_OK) {
		open_row(&m->key, row, &m->row);
		r = m->row.result;
	}
	if (r == LL_OK && !view_has(row, F_SELF_WRAP))
		keep_self_wrap(k, &m->row.id, answer);
	commitment = view_hash(row, F_COMMITMENT);
	if (r == LL_OK)
		memcpy(m->commitment, commitment, HASH_BYTES);
	msg_destroy(reply);
	return r;
}

enum ll_result
mail_fetch(struct desk *k, const struct id *id, struct mail *m_r)
{
	struct msg *q;
	struct tlv_view top, row;
	size_t at = 0;
	enum ll_result r;

	memset(m_r, 0, sizeof *m_r);
	envelope_init(&m_r->row.envelope);
	r = msg_create(MSG_REQUEST, OP_FETCH, &q);
	if (r)
		goto out;
	msg_put_id(q, F_MESSAGE_ID, id);
	r = desk_ask(k, q, &m_r->answer);
	if (r)
		goto out;
	top = msg_view(m_r->answer);
	if (!view_nest(top, F_ROW, &at, &row))
		r = LL_PROTO;
	else
		r = open_mail(k, row, m_r);
	if (r == LL_OK)
		check_signature(k, m_r, top, row);
out:
	if (r)
		mail_finish(m_r);
	return r;
}

void
mail_finish(struct mail *m)
{
	secret_finish(&m->key);
	envelope_finish(&m->row.envelope);
	msg_destroy(m->answer);
	memset(m, 0, sizeof *m);
}
