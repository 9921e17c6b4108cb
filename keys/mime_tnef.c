/*
 * TNEF (MS-OXTNEF), the winmail.dat of some mail programs: a stream of
 * attributes, of which text and attachments are taken out.  Never fails: what
 * is broken ends it.
 */
#include "keys/mime.h"

#include <stdio.h>
#include <string.h>

#define SIGNATURE 0x223e9f78u
#define ATTRIBUTES_MAX 20000
#define PROPERTIES_MAX 5000
#define NAME_MAX_BYTES 600

enum attribute {
	ATT_BODY = 0x0002800c, ATT_CODEPAGE = 0x00069007,
	ATT_PROPERTIES = 0x00069003, ATT_NEW_FILE = 0x00069002,
	ATT_FILE_NAME = 0x00018010, ATT_FILE_DATA = 0x0006800f,
	ATT_FILE_PROPERTIES = 0x00069005
};

enum property {
	PROP_BODY = 0x1000, PROP_HTML = 0x1013, PROP_RTF = 0x1009,
	PROP_LONG_NAME = 0x3707, PROP_SHORT_NAME = 0x3704,
	PROP_DATA = 0x3701
};

enum type { TYPE_STRING = 0x1e, TYPE_UNICODE = 0x1f, TYPE_BINARY = 0x102,
	TYPE_OBJECT = 0x0d };

/* Where reading is; broken once something did not fit. */
struct cursor {
	struct tlv_view v;
	size_t at;
	bool broken;
};

struct tnef {
	mime_tnef_fn *put;
	void *ctx;
	enum ll_result r;
	char codepage[40];
	bool in_file;
	struct tlv_view data;        /* of the file that is being read */
	char name[NAME_MAX_BYTES];
	bool long_name;
};

static uint32_t
number(struct cursor *c, size_t bytes)
{
	uint32_t n = 0;
	size_t i;

	if (c->broken || c->v.len - c->at < bytes) {
		c->broken = true;
		return 0;
	}
	for (i = bytes; i-- > 0;)
		n = n << 8 | c->v.data[c->at + i];
	c->at += bytes;
	return n;
}

static struct tlv_view
take(struct cursor *c, size_t len)
{
	struct tlv_view v = { NULL, 0 };

	if (c->broken || c->v.len - c->at < len) {
		c->broken = true;
		return v;
	}
	v.data = c->v.data + c->at;
	v.len = len;
	c->at += len;
	return v;
}

/* Values stand at multiples of four. */
static void
pad(struct cursor *c, size_t len)
{
	(void)take(c, (4 - len % 4) % 4);
}

static void
put(struct tnef *t, enum mime_tnef what, struct tlv_view content,
    const char *charset)
{
	if (t->r == LL_OK && content.len > 0)
		t->r = t->put(t->ctx, what, t->name, charset, content);
}

static void
file_end(struct tnef *t)
{
	if (t->in_file && (t->data.len > 0 || t->name[0] != 0))
		t->r = t->r != LL_OK ? t->r : t->put(t->ctx, MIME_TNEF_FILE,
		    t->name, "", t->data);
	t->in_file = t->long_name = false;
	t->name[0] = 0;
	t->data.len = 0;
}

static void
set_name(struct tnef *t, struct tlv_view v, const char *charset, bool is_long)
{
	struct tlv_out o;
	size_t len;

	if (t->long_name && !is_long)
		return;
	tlv_out_init(&o, 8192);
	mime_utf8(charset, v, &o);
	for (len = 0; len < o.len && o.data[len] != 0 &&
	    (o.data[len] != 0xef || len + 2 >= o.len ||
	    memcmp(o.data + len, "\xef\xbf\xbd", 3) != 0);)
		len++;
	if (len > 0 && len < sizeof t->name) {
		memcpy(t->name, o.data, len);
		t->name[len] = 0;
		t->long_name = is_long;
	}
	tlv_out_finish(&o);
}

/* Text ends before its NUL. */
static struct tlv_view
text_of(struct tlv_view v, size_t unit)
{
	while (v.len >= unit && v.data[v.len - 1] == 0 &&
	    v.data[v.len - unit] == 0)
		v.len -= unit;
	return v;
}

static void
property(struct tnef *t, uint32_t id, uint32_t type, struct tlv_view v)
{
	const bool unicode = type == TYPE_UNICODE;
	const char *charset = unicode ? "utf-16le" : t->codepage;

	if (unicode || type == TYPE_STRING)
		v = text_of(v, unicode ? 2 : 1);
	if (!t->in_file && id == PROP_BODY && type != TYPE_BINARY)
		put(t, MIME_TNEF_TEXT, v, charset);
	else if (!t->in_file && id == PROP_HTML)
		put(t, MIME_TNEF_HTML, v, type == TYPE_BINARY ? t->codepage :
		    charset);
	else if (t->in_file && (id == PROP_LONG_NAME ||
	    id == PROP_SHORT_NAME) && type != TYPE_BINARY)
		set_name(t, v, charset, id == PROP_LONG_NAME);
	else if (t->in_file && id == PROP_DATA && t->data.len == 0 &&
	    type == TYPE_BINARY)
		t->data = v;
}

/* Bytes of a value of fixed length, as it is padded; 0: variable. */
static size_t
fixed(uint32_t type)
{
	static const struct {
		uint16_t type, bytes;
	} sizes[] = { { 1, 4 }, { 2, 4 }, { 3, 4 }, { 4, 4 }, { 5, 8 },
		{ 6, 8 }, { 7, 8 }, { 0x0a, 4 }, { 0x0b, 4 }, { 0x14, 8 },
		{ 0x40, 8 }, { 0x48, 16 } };
	size_t i;

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (sizes[i].type == type)
			return sizes[i].bytes;
	return 0;
}

static void
values(struct tnef *t, struct cursor *c, uint32_t id, uint32_t type)
{
	const bool several = (type & 0x1000) != 0;
	const size_t size = fixed(type & 0xfff);
	struct tlv_view v;
	uint32_t n = 1, i, len;

	type &= 0xfff;
	if (size == 0 && type != TYPE_STRING && type != TYPE_UNICODE &&
	    type != TYPE_BINARY && type != TYPE_OBJECT) {
		c->broken = true;
		return;
	}
	if (several || size == 0)
		n = number(c, 4);
	for (i = 0; i < n && !c->broken; i++) {
		len = size > 0 ? (uint32_t)size : number(c, 4);
		v = take(c, len);
		if (size == 0)
			pad(c, len);
		if (!c->broken && size == 0 && i == 0)
			property(t, id, type, v);
	}
}

/* A name instead of a number: passed over. */
static void
skip_name(struct cursor *c)
{
	uint32_t len;

	(void)take(c, 16);
	if (number(c, 4) == 0) {
		(void)take(c, 4);
		return;
	}
	len = number(c, 4);
	(void)take(c, len);
	pad(c, len);
}

static void
properties(struct tnef *t, struct tlv_view v)
{
	struct cursor c = { v, 0, false };
	uint32_t n = number(&c, 4), i, type, id;

	for (i = 0; i < n && i < PROPERTIES_MAX && !c.broken; i++) {
		type = number(&c, 2);
		id = number(&c, 2);
		if (id >= 0x8000)
			skip_name(&c);
		if (!c.broken)
			values(t, &c, id, type);
	}
}

static void
attribute(struct tnef *t, uint32_t id, struct tlv_view v)
{
	struct cursor c = { v, 0, false };

	switch (id) {
	case ATT_CODEPAGE:
		snprintf(t->codepage, sizeof t->codepage, "windows-%u",
		    number(&c, 4));
		break;
	case ATT_BODY:
		put(t, MIME_TNEF_TEXT, text_of(v, 1), t->codepage);
		break;
	case ATT_PROPERTIES:
	case ATT_FILE_PROPERTIES:
		properties(t, v);
		break;
	case ATT_NEW_FILE:
		file_end(t);
		t->in_file = true;
		break;
	case ATT_FILE_NAME:
		set_name(t, text_of(v, 1), t->codepage, false);
		break;
	case ATT_FILE_DATA:
		t->data = v;
		break;
	}
}

enum ll_result
mime_tnef(struct tlv_view data, mime_tnef_fn *put_part, void *ctx)
{
	struct cursor c = { data, 0, false };
	struct tnef t = { .put = put_part, .ctx = ctx,
		.codepage = "windows-1252" };
	struct tlv_view v;
	uint32_t id, n = 0;

	if (number(&c, 4) != SIGNATURE)
		return LL_PROTO;
	(void)number(&c, 2);
	while (!c.broken && c.at < data.len && n++ < ATTRIBUTES_MAX &&
	    t.r == LL_OK) {
		(void)number(&c, 1);
		id = number(&c, 4);
		v = take(&c, number(&c, 4));
		(void)number(&c, 2);
		if (v.data != NULL)
			attribute(&t, id, v);
	}
	file_end(&t);
	return t.r;
}
