#include "server/intake_mail.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"
#include "server/intake_look.h"
#include "server/intake_out.h"

#define IDENTITY_MAX (128u << 10)

static bool
enter(struct intake *x)
{
	bool open;

	pthread_mutex_lock(&x->lock);
	open = !x->closing;
	x->mails += open;
	pthread_mutex_unlock(&x->lock);
	return open;
}

static void
leave(struct intake *x)
{
	pthread_mutex_lock(&x->lock);
	x->mails--;
	pthread_mutex_unlock(&x->lock);
}

/* An address without its angle brackets. */
static void
bare(const char *raw, char *out, size_t room)
{
	size_t n;

	raw += *raw == '<';
	n = strcspn(raw, ">");
	n = n < room ? n : 0;
	memcpy(out, raw, n);
	out[n] = '\0';
}

struct intake_mail *
intake_mail_create(struct intake *x, const char *sender)
{
	struct intake_mail *m;
	char address[1024];

	if (!enter(x))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m != NULL) {
		bare(sender, address, sizeof(address));
		m->sender = strdup(address);
	}
	if (m == NULL || m->sender == NULL) {
		free(m);
		leave(x);
		return NULL;
	}
	m->x = x;
	envelope_init(&m->e);
	(void)crypto_generichash_init(&m->hash, NULL, 0, HASH_BYTES);
	return m;
}

void
intake_mail_destroy(struct intake_mail *m)
{
	size_t i;

	if (m == NULL)
		return;
	upload_abort(m->raw);
	intake_out_destroy(m->out);
	for (i = 0; i < m->to_count; i++)
		free(m->to[i].raw);
	free(m->to);
	if (m->bytes != NULL)
		sodium_memzero(m->bytes, m->len);
	free(m->bytes);
	free(m->sender);
	free(m->readers);
	msg_destroy(m->who);
	secret_finish(&m->key);
	envelope_finish(&m->e);
	leave(m->x);
	free(m);
}

enum ll_result
intake_mail_to(struct intake_mail *m, const char *raw)
{
	struct mail_recipient *more, *one;
	const char *why;
	char text[400];

	if (m->to_count >= MAIL_RECIPIENTS_MAX)
		return LL_FULL;
	if ((m->to_count & (m->to_count - 1)) == 0) {
		more = realloc(m->to, (m->to_count ? 2 * m->to_count : 1) *
		    sizeof(*more));
		if (more == NULL)
			return LL_NOMEM;
		m->to = more;
	}
	one = &m->to[m->to_count];
	memset(one, 0, sizeof(*one));
	one->raw = strdup(raw);
	if (one->raw == NULL)
		return LL_NOMEM;
	m->to_count++;
	bare(raw, text, sizeof(text));
	if (clean_address(text, one->address, &why) != LL_OK)
		one->address[0] = '\0';
	return LL_OK;
}

/* Grown by hand: what a realloc leaves behind would not be wiped. */
static enum ll_result
make_room(struct intake_mail *m, size_t len)
{
	size_t room = m->room > 0 ? m->room : 8192;
	uint8_t *bytes;

	while (room - m->len < len)
		room *= 2;
	if (room == m->room)
		return LL_OK;
	bytes = malloc(room);
	if (bytes == NULL)
		return LL_NOMEM;
	if (m->bytes != NULL) {
		memcpy(bytes, m->bytes, m->len);
		sodium_memzero(m->bytes, m->len);
		free(m->bytes);
	}
	m->bytes = bytes;
	m->room = room;
	return LL_OK;
}

enum ll_result
intake_mail_keep(struct intake_mail *m, const void *p, size_t len)
{
	enum ll_result r;

	if (len == 0)
		return LL_OK;
	r = make_room(m, len);
	if (r != LL_OK)
		return r;
	memcpy(m->bytes + m->len, p, len);
	m->len += len;
	return LL_OK;
}

static enum ll_result
keep_text(struct intake_mail *m, const char *text)
{
	if (strlen(text) > MAIL_HEAD_MAX - m->len)
		return LL_TOOBIG;
	return intake_mail_keep(m, text, strlen(text));
}

/* Folded lines come with a line feed alone. */
static enum ll_result
keep_value(struct intake_mail *m, const char *value)
{
	enum ll_result r = LL_OK;
	const char *end;

	while (r == LL_OK && (end = strchr(value, '\n')) != NULL) {
		size_t n = (size_t)(end - value);

		n -= n > 0 && value[n - 1] == '\r';
		if (n > MAIL_HEAD_MAX - m->len)
			return LL_TOOBIG;
		r = intake_mail_keep(m, value, n);
		if (r == LL_OK)
			r = keep_text(m, "\r\n");
		value = end + 1;
	}
	return r == LL_OK ? keep_text(m, value) : r;
}

void
intake_mail_header(struct intake_mail *m, const char *name, const char *value)
{
	enum ll_result r = m->failed;

	if (r == LL_OK)
		r = keep_text(m, name);
	if (r == LL_OK)
		r = keep_text(m, ":");
	if (r == LL_OK)
		r = keep_value(m, value);
	if (r == LL_OK)
		r = keep_text(m, "\r\n");
	m->failed = r;
}

struct tlv_view
intake_mail_fields(const struct intake_mail *m)
{
	struct tlv_view v = { m->bytes, m->head_len - 2 };

	return v;
}

/* --- who is it for --- */

static void
put_reference(void *arg, const char *id)
{
	msg_put_text(arg, F_REFERENCE, id);
}

static enum ll_result
ask_who(struct intake_mail *m)
{
	char from[321];
	struct msg *q;
	enum ll_result r;
	size_t i;

	r = msg_create(MSG_REQUEST, OP_INTAKE_WHO, &q);
	if (r != LL_OK)
		return r;
	for (i = 0; i < m->to_count; i++)
		if (m->to[i].address[0] != '\0')
			msg_put_text(q, F_ADDRESS, m->to[i].address);
	look_references(intake_mail_fields(m), put_reference, q);
	if (m->x->submits && look_from(intake_mail_fields(m), from))
		msg_put_text(q, F_EMAIL, from);
	return portal_store_ask(m->x->store, q, &m->who);
}

static enum ll_result
read_reader(struct intake_mail *m, struct tlv_view row)
{
	struct mail_reader *o = &m->readers[m->reader_count];
	size_t i;

	memset(o, 0, sizeof(*o));
	o->seal_pk = view_hash(row, F_SEAL_PK);
	o->generation = view_u64(row, F_GENERATION);
	o->answers = view_id(row, F_THREAD_ID, &o->thread);
	(void)view_id(row, F_REPLY_TO, &o->reply_to);
	if (!view_id(row, F_USER_ID, &o->user) || o->seal_pk == NULL)
		return LL_PROTO;
	/* two addresses of one person */
	for (i = 0; i < m->reader_count; i++)
		if (id_equal(&m->readers[i].user, &o->user))
			return LL_OK;
	m->reader_count++;
	m->answer_count += o->answers;
	return LL_OK;
}

static enum ll_result
read_who(struct intake_mail *m)
{
	struct tlv_view v = msg_view(m->who), row;
	enum ll_result r = LL_OK;
	size_t at = 0, n = 0;

	while (view_nest(v, F_ROW, &at, &row))
		n++;
	m->readers = calloc(n + 1, sizeof(*m->readers));
	if (m->readers == NULL)
		return LL_NOMEM;
	for (at = 0; r == LL_OK && n > 0 && view_nest(v, F_ROW, &at, &row);
	    n--)
		r = read_reader(m, row);
	return r;
}

enum ll_result
intake_mail_head(struct intake_mail *m)
{
	enum ll_result r = m->failed;
	size_t i;

	if (r == LL_OK)
		r = intake_mail_keep(m, "\r\n", 2);
	if (r != LL_OK)
		return r;
	m->head_len = m->total = m->len;
	for (i = 0; i < m->to_count; i++)
		if (strcasecmp(m->to[i].address, m->x->bounces) == 0)
			m->report = look_report(intake_mail_fields(m));
	r = ask_who(m);
	return r == LL_OK ? read_who(m) : r;
}

/* --- a mail that comes again --- */

enum identity_tag { ID_MAIL = 1, ID_HEAD, ID_SENDER, ID_READER, ID_BODY };

static int
by_address(const void *a, const void *b)
{
	const struct mail_recipient *const *x = a, *const *y = b;

	return strcasecmp((*x)->address, (*y)->address);
}

/* The order of recipients is no part of it. */
static enum ll_result
put_recipients(struct intake_mail *m, bool all, struct tlv_out *o)
{
	const struct mail_recipient **sorted;
	size_t i, n = 0;

	sorted = calloc(m->to_count + 1, sizeof(*sorted));
	if (sorted == NULL)
		return LL_NOMEM;
	for (i = 0; i < m->to_count; i++)
		if (all || m->to[i].taken)
			sorted[n++] = &m->to[i];
	qsort(sorted, n, sizeof(*sorted), by_address);
	for (i = 0; i < n; i++)
		tlv_put_text(o, ID_READER, sorted[i]->address);
	free(sorted);
	return LL_OK;
}

/* Header lines that servers on the way add may differ the second time. */
enum ll_result
intake_mail_identity(struct intake_mail *m, bool all, uint8_t out[HASH_BYTES])
{
	crypto_generichash_state body_state = m->hash;
	uint8_t body[HASH_BYTES];
	char mail_id[200];
	struct tlv_out o;
	enum ll_result r;

	(void)crypto_generichash_final(&body_state, body, sizeof(body));
	look_message_id(intake_mail_fields(m), mail_id);
	tlv_out_init(&o, IDENTITY_MAX + MAIL_HEAD_MAX);
	if (mail_id[0] != '\0')
		tlv_put_text(&o, ID_MAIL, mail_id);
	else
		tlv_put_bytes(&o, ID_HEAD, m->bytes, m->head_len);
	tlv_put_text(&o, ID_SENDER, m->sender);
	tlv_put_bytes(&o, ID_BODY, body, sizeof(body));
	r = put_recipients(m, all, &o);
	if (r == LL_OK)
		r = o.err;
	if (r == LL_OK)
		r = derive_bytes(LABEL_IDEMPOTENCY, NULL, 0, o.data, o.len,
		    out);
	tlv_out_finish(&o);
	return r;
}
