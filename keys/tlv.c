#include "keys/tlv.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "keys/secret.h"

#define TLV_CEILING_MAX ((size_t)1 << 30)
#define TLV_FIRST_ROOM 256

void
tlv_out_init(struct tlv_out *o, size_t ceiling)
{
	memset(o, 0, sizeof *o);
	o->ceiling = ceiling;
	if (ceiling == 0 || ceiling > TLV_CEILING_MAX)
		o->err = LL_USAGE;
}

void
tlv_out_init_secret(struct tlv_out *o, size_t ceiling)
{
	struct secret s = SECRET_NONE;

	memset(o, 0, sizeof *o);
	o->guarded = true;
	o->ceiling = ceiling;
	o->err = secret_init(&s, ceiling);
	if (o->err == LL_OK) {
		o->data = s.data;
		o->room = ceiling;
	}
}

void
tlv_out_finish(struct tlv_out *o)
{
	if (o->guarded) {
		sodium_free(o->data);
	} else if (o->data != NULL) {
		sodium_memzero(o->data, o->room);
		free(o->data);
	}
	memset(o, 0, sizeof *o);
	o->err = LL_USAGE;
}

/* realloc would leave an unwiped copy behind. */
static uint8_t *
grow(struct tlv_out *o, size_t more)
{
	size_t room = o->room == 0 ? TLV_FIRST_ROOM : o->room;
	uint8_t *p;

	if (more > o->ceiling - o->len) {
		o->err = LL_TOOBIG;
		return NULL;
	}
	if (o->data != NULL && more <= o->room - o->len)
		return o->data + o->len;
	while (room < o->len + more)
		room *= 2;
	if (room > o->ceiling)
		room = o->ceiling;
	p = malloc(room);
	if (p == NULL) {
		o->err = LL_NOMEM;
		return NULL;
	}
	if (o->data != NULL) {
		memcpy(p, o->data, o->len);
		sodium_memzero(o->data, o->room);
		free(o->data);
	}
	o->data = p;
	o->room = room;
	return p + o->len;
}

void
tlv_out_reserve(struct tlv_out *o, size_t len)
{
	if (o->err == LL_OK && o->data == NULL && len <= o->ceiling) {
		o->data = malloc(len);
		o->room = len;
		o->err = o->data == NULL ? LL_NOMEM : LL_OK;
	}
}

void
tlv_put_raw(struct tlv_out *o, const void *p, size_t len)
{
	uint8_t *at;

	if (o->err != LL_OK || len == 0)
		return;
	at = grow(o, len);
	if (at == NULL)
		return;
	memcpy(at, p, len);
	o->len += len;
}

void
tlv_head(uint8_t tag, size_t len, uint8_t head[TLV_HEAD])
{
	head[0] = tag;
	head[1] = (uint8_t)(len >> 24);
	head[2] = (uint8_t)(len >> 16);
	head[3] = (uint8_t)(len >> 8);
	head[4] = (uint8_t)len;
}

void
tlv_put_bytes(struct tlv_out *o, uint8_t tag, const void *p, size_t len)
{
	uint8_t *at;

	if (o->err != LL_OK)
		return;
	if (len > TLV_CEILING_MAX) {
		o->err = LL_TOOBIG;
		return;
	}
	at = grow(o, TLV_HEAD + len);
	if (at == NULL)
		return;
	tlv_head(tag, len, at);
	if (len > 0)
		memcpy(at + TLV_HEAD, p, len);
	o->len += TLV_HEAD + len;
}

void
tlv_put_u64(struct tlv_out *o, uint8_t tag, uint64_t v)
{
	uint8_t b[8];
	int i;

	for (i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (56 - 8 * i));
	tlv_put_bytes(o, tag, b, sizeof b);
}

void
tlv_put_text(struct tlv_out *o, uint8_t tag, const char *text)
{
	tlv_put_bytes(o, tag, text, strlen(text) + 1);
}

void
tlv_put_id(struct tlv_out *o, uint8_t tag, const struct id *id)
{
	tlv_put_bytes(o, tag, id->b, sizeof id->b);
}

void
tlv_put_tlv(struct tlv_out *o, uint8_t tag, const struct tlv_out *inner)
{
	if (o->err == LL_OK && inner->err != LL_OK)
		o->err = inner->err;
	tlv_put_bytes(o, tag, inner->data, inner->len);
}

enum ll_result
tlv_next(struct tlv_view v, size_t *at, struct tlv_field *f_r)
{
	const uint8_t *p;
	size_t left, len;

	if (*at == v.len)
		return LL_EOF;
	if (*at > v.len)
		return LL_PROTO;
	left = v.len - *at;
	if (left < TLV_HEAD)
		return LL_PROTO;
	p = v.data + *at;
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 |
	    p[4];
	if (len > left - TLV_HEAD)
		return LL_PROTO;
	f_r->tag = p[0];
	f_r->data = p + TLV_HEAD;
	f_r->len = len;
	*at += TLV_HEAD + len;
	return LL_OK;
}

enum ll_result
tlv_find(struct tlv_view v, uint8_t tag, size_t *at, struct tlv_field *f_r)
{
	enum ll_result r;

	while ((r = tlv_next(v, at, f_r)) == LL_OK)
		if (f_r->tag == tag)
			return LL_OK;
	return r == LL_EOF ? LL_NOTFOUND : r;
}

enum ll_result
tlv_u64(const struct tlv_field *f, uint64_t *v_r)
{
	uint64_t v = 0;
	int i;

	if (f->len != 8)
		return LL_PROTO;
	for (i = 0; i < 8; i++)
		v = v << 8 | f->data[i];
	*v_r = v;
	return LL_OK;
}

enum ll_result
tlv_text(const struct tlv_field *f, const char **t_r)
{
	if (f->len == 0 || f->data[f->len - 1] != 0)
		return LL_PROTO;
	if (!utf8_valid((const char *)f->data, f->len - 1))
		return LL_PROTO;
	*t_r = (const char *)f->data;
	return LL_OK;
}

enum ll_result
tlv_id(const struct tlv_field *f, struct id *id_r)
{
	if (f->len != ID_BYTES)
		return LL_PROTO;
	memcpy(id_r->b, f->data, ID_BYTES);
	return LL_OK;
}

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

bool
utf8_valid(const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t at = 0, len;
	uint64_t eight;
	uint32_t c;

	while (at < n) {
		/* eight at once as long as each is 0x01 to 0x7f */
		if (n - at >= sizeof eight) {
			memcpy(&eight, p + at, sizeof eight);
			if (((eight | (eight - ONES)) & HIGH) == 0) {
				at += sizeof eight;
				continue;
			}
		}
		len = utf8_decode(p + at, n - at, &c);
		if (len == 0 || c == 0)
			return false;
		at += len;
	}
	return true;
}

/* Lead bytes by length: the bits that mark it, the mask of its value bits, and
 * the least code point that may be written so long. */
struct utf8_row {
	uint8_t mark, mask;
	uint32_t least;
};

static const struct utf8_row utf8_rows[] = {
	{ 0x00, 0x7f, 0 },
	{ 0xc0, 0x1f, 0x80 },
	{ 0xe0, 0x0f, 0x800 },
	{ 0xf0, 0x07, 0x10000 },
};

size_t
utf8_decode(const uint8_t *p, size_t n, uint32_t *c_r)
{
	const struct utf8_row *row;
	size_t len, i;
	uint32_t c;

	if (n == 0)
		return 0;
	for (len = 1; len <= 4; len++) {
		row = &utf8_rows[len - 1];
		if ((p[0] & (uint8_t)~row->mask) == row->mark)
			break;
	}
	if (len > 4 || len > n)
		return 0;
	c = p[0] & row->mask;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < row->least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*c_r = c;
	return len;
}
