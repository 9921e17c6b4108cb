#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "store/msg.h"

#define NEST_MAX 4
#define HEAD_REST 12             /* head bytes that the length covers */
#define GUARDED_FIRST 2048       /* first size of a guarded body */

enum type { T_NONE, T_U64, T_BYTES, T_TEXT, T_ID, T_HASH, T_NEST };

struct field_rule {
	enum type type;
	size_t ceiling;
};

static const struct field_rule fields[256] = {
#define FIELD(name, tag, kind, max) [tag] = { T_##kind, max },
#include "store/field.def"
#undef FIELD
};

static const struct {
	const char *text;
	bool guarded;
} ops[] = {
#define OP(name, number, secret) [number] = { #name, secret },
#include "store/op.def"
#undef OP
};

#define OPS (sizeof(ops) / sizeof(ops[0]))

struct msg {
	enum msg_kind kind;
	enum op op;
	uint32_t sequence;
	struct tlv_out body;
	size_t nest[NEST_MAX];   /* where each open NEST's length stands */
	enum field nest_field[NEST_MAX];
	unsigned depth;
	int fds[MSG_FDS_MAX];
	unsigned fd_count;
	enum ll_result err;
};

const char *
op_name(unsigned op)
{
	return op < OPS ? ops[op].text : NULL;
}

static void
put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void
fail(struct msg *m, enum ll_result r)
{
	if (m->err == LL_OK)
		m->err = r;
}

enum ll_result
msg_create(enum msg_kind kind, enum op op, struct msg **m_r)
{
	struct msg *m;

	*m_r = NULL;
	if (op_name((unsigned)op) == NULL)
		return LL_USAGE;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return LL_NOMEM;
	m->kind = kind;
	m->op = op;
	if (ops[op].guarded)
		tlv_out_init_secret(&m->body, GUARDED_FIRST);
	else
		tlv_out_init(&m->body, MSG_MAX - MSG_HEAD);
	if (m->body.err != LL_OK) {
		msg_destroy(m);
		return LL_NOMEM;
	}
	*m_r = m;
	return LL_OK;
}

enum ll_result
msg_reply(const struct msg *request, enum ll_result r, struct msg **m_r)
{
	enum ll_result made;

	made = msg_create(MSG_REPLY, request->op, m_r);
	if (made != LL_OK)
		return made;
	(*m_r)->sequence = request->sequence;
	msg_put_u64(*m_r, F_RESULT, (uint64_t)r);
	return LL_OK;
}

void
msg_destroy(struct msg *m)
{
	unsigned i;

	if (m == NULL)
		return;
	for (i = 0; i < m->fd_count; i++)
		if (m->fds[i] >= 0)
			(void)close(m->fds[i]);
	tlv_out_finish(&m->body);
	free(m);
}

enum msg_kind
msg_kind(const struct msg *m)
{
	return m->kind;
}

enum op
msg_op(const struct msg *m)
{
	return m->op;
}

uint32_t
msg_sequence(const struct msg *m)
{
	return m->sequence;
}

void
msg_set_sequence(struct msg *m, uint32_t sequence)
{
	m->sequence = sequence;
}

enum ll_result
msg_error(const struct msg *m)
{
	if (m->err != LL_OK)
		return m->err;
	if (m->depth > 0)
		return LL_USAGE;
	return m->body.err;
}

/* A guarded body is allocated whole, so it grows by moving into a larger
 * one: most are far below the ceiling, and locked memory is scarce. */
static void
make_room(struct msg *m, size_t need)
{
	struct tlv_out grown;
	size_t ceiling;

	if (!m->body.guarded || m->body.len + need <= m->body.ceiling)
		return;
	ceiling = m->body.ceiling;
	while (ceiling < m->body.len + need && ceiling < MSG_GUARDED_MAX)
		ceiling *= 2;
	if (ceiling > MSG_GUARDED_MAX)
		ceiling = MSG_GUARDED_MAX;
	if (ceiling == m->body.ceiling)
		return;
	tlv_out_init_secret(&grown, ceiling);
	tlv_put_raw(&grown, m->body.data, m->body.len);
	if (grown.err == LL_OK)
		grown.err = m->body.err;
	tlv_out_finish(&m->body);
	m->body = grown;
}

static void
put(struct msg *m, enum field f, enum type type, const void *p, size_t len)
{
	const struct field_rule *rule = &fields[f & 0xff];
	bool fits = rule->type == type;

	if (type == T_BYTES && rule->type == T_HASH)
		fits = len == 32;
	else if (fits && rule->ceiling > 0)
		fits = len <= rule->ceiling;
	if (!fits) {
		fail(m, rule->type == type ? LL_TOOBIG : LL_USAGE);
		return;
	}
	make_room(m, len + 5);
	tlv_put_bytes(&m->body, (uint8_t)f, p, len);
}

void
msg_put_u64(struct msg *m, enum field f, uint64_t v)
{
	uint8_t b[8];

	put32(b, (uint32_t)(v >> 32));
	put32(b + 4, (uint32_t)v);
	put(m, f, T_U64, b, sizeof(b));
}

void
msg_put_bytes(struct msg *m, enum field f, const void *p, size_t len)
{
	put(m, f, T_BYTES, p, len);
}

void
msg_put_text(struct msg *m, enum field f, const char *text)
{
	size_t len = strlen(text);

	if (!utf8_valid(text, len)) {
		fail(m, LL_PROTO);
		return;
	}
	put(m, f, T_TEXT, text, len + 1);
}

void
msg_put_id(struct msg *m, enum field f, const struct id *id)
{
	put(m, f, T_ID, id->b, sizeof(id->b));
}

void
msg_begin(struct msg *m, enum field f)
{
	if (m->depth == NEST_MAX || fields[f & 0xff].type != T_NEST) {
		fail(m, LL_USAGE);
		return;
	}
	make_room(m, 5);
	tlv_put_bytes(&m->body, (uint8_t)f, "", 0);
	m->nest[m->depth] = m->body.len;
	m->nest_field[m->depth] = f;
	m->depth++;
}

void
msg_end(struct msg *m)
{
	size_t start, len;

	if (m->depth == 0) {
		fail(m, LL_USAGE);
		return;
	}
	m->depth--;
	start = m->nest[m->depth];
	if (m->body.err != LL_OK || m->err != LL_OK)
		return;
	len = m->body.len - start;
	if (len > fields[m->nest_field[m->depth]].ceiling) {
		fail(m, LL_TOOBIG);
		return;
	}
	put32(m->body.data + start - 4, (uint32_t)len);
}

void
msg_put_fd(struct msg *m, int fd)
{
	if (m->fd_count == MSG_FDS_MAX) {
		(void)close(fd);
		fail(m, LL_FULL);
		return;
	}
	m->fds[m->fd_count++] = fd;
}

/* --- reading --- */

struct tlv_view
msg_view(const struct msg *m)
{
	struct tlv_view v = { m->body.data, m->body.len };

	return v;
}

enum ll_result
msg_result(const struct msg *m)
{
	uint64_t value = view_u64(msg_view(m), F_RESULT);

	if (!view_has(msg_view(m), F_RESULT) || value >= LL_RESULT_COUNT)
		return LL_PROTO;
	return (enum ll_result)value;
}

int
msg_take_fd(struct msg *m, unsigned n)
{
	int fd;

	if (n >= m->fd_count)
		return -1;
	fd = m->fds[n];
	m->fds[n] = -1;
	return fd;
}

void
msg_return_fd(struct msg *m, unsigned n, int fd)
{
	if (n < m->fd_count)
		m->fds[n] = fd;
}

/* --- bytes --- */

void
msg_encode_head(const struct msg *m, uint8_t head[MSG_HEAD])
{
	memset(head, 0, MSG_HEAD);
	put32(head, (uint32_t)(m->body.len + HEAD_REST));
	head[4] = MSG_VERSION;
	head[5] = (uint8_t)m->kind;
	head[6] = (uint8_t)((unsigned)m->op >> 8);
	head[7] = (uint8_t)m->op;
	put32(head + 8, m->sequence);
	head[12] = (uint8_t)m->fd_count;
}

enum ll_result
msg_decode_head(const uint8_t head[MSG_HEAD], size_t *body_len_r,
    bool *guarded_r, unsigned *fds_r)
{
	size_t len = get32(head);
	unsigned op = (unsigned)head[6] << 8 | head[7];

	if (head[4] != MSG_VERSION)
		return LL_NEWER;
	if (head[5] < MSG_REQUEST || head[5] > MSG_EVENT)
		return LL_PROTO;
	if (op_name(op) == NULL || head[12] > MSG_FDS_MAX)
		return LL_PROTO;
	if (head[13] != 0 || head[14] != 0 || head[15] != 0)
		return LL_PROTO;
	if (len < HEAD_REST || len > MSG_MAX - 4)
		return LL_PROTO;
	len -= HEAD_REST;
	if (ops[op].guarded && len > MSG_GUARDED_MAX)
		return LL_PROTO;
	*body_len_r = len;
	*guarded_r = ops[op].guarded;
	*fds_r = head[12];
	return LL_OK;
}

static enum ll_result check_fields(struct tlv_view v, unsigned depth);

static enum ll_result
check_field(const struct tlv_field *f, unsigned depth)
{
	const struct field_rule *rule = &fields[f->tag];
	struct tlv_view inner = { f->data, f->len };
	const char *text;
	uint64_t value;

	if (rule->ceiling > 0 && f->len > rule->ceiling)
		return LL_PROTO;
	switch (rule->type) {
	case T_U64:
		return tlv_u64(f, &value);
	case T_TEXT:
		return tlv_text(f, &text);
	case T_ID:
		return f->len == ID_BYTES ? LL_OK : LL_PROTO;
	case T_HASH:
		return f->len == 32 ? LL_OK : LL_PROTO;
	case T_BYTES:
		return LL_OK;
	case T_NEST:
		return depth == NEST_MAX ? LL_PROTO :
		    check_fields(inner, depth + 1);
	case T_NONE:
		break;
	}
	return LL_PROTO;
}

static enum ll_result
check_fields(struct tlv_view v, unsigned depth)
{
	struct tlv_field f;
	enum ll_result r;
	size_t at = 0;

	for (;;) {
		r = tlv_next(v, &at, &f);
		if (r == LL_EOF)
			return LL_OK;
		if (r == LL_OK)
			r = check_field(&f, depth);
		if (r != LL_OK)
			return r;
	}
}

enum ll_result
msg_decode(const uint8_t head[MSG_HEAD], const uint8_t *body, size_t len,
    struct msg **m_r)
{
	struct tlv_view v = { body, len };
	enum ll_result r;
	struct msg *m;
	unsigned fds;
	bool guarded;
	size_t body_len;

	*m_r = NULL;
	r = msg_decode_head(head, &body_len, &guarded, &fds);
	if (r != LL_OK)
		return r;
	if (body_len != len)
		return LL_PROTO;
	r = check_fields(v, 0);
	if (r != LL_OK)
		return r;
	r = msg_create((enum msg_kind)head[5],
	    (enum op)((unsigned)head[6] << 8 | head[7]), &m);
	if (r != LL_OK)
		return r;
	m->sequence = get32(head + 8);
	make_room(m, len);
	tlv_put_raw(&m->body, body, len);
	if (m->body.err != LL_OK) {
		r = m->body.err;
		msg_destroy(m);
		return r;
	}
	*m_r = m;
	return LL_OK;
}

enum ll_result
msg_repeat(const struct msg *request, struct tlv_view view, struct msg **m_r)
{
	uint8_t head[MSG_HEAD];
	enum ll_result r;
	struct msg *m;

	r = msg_reply(request, LL_OK, &m);
	if (r != LL_OK)
		return r;
	msg_encode_head(m, head);
	msg_destroy(m);
	put32(head, (uint32_t)(view.len + HEAD_REST));
	return msg_decode(head, view.data, view.len, m_r);
}
