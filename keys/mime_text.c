#include "keys/mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int
hex(int c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
put_quoted(struct tlv_view v, bool word, struct tlv_out *o)
{
	const uint8_t *p = v.data;
	uint8_t c;
	size_t i, skip;

	for (i = 0; i < v.len; i++) {
		c = p[i];
		if (word && c == '_')
			c = ' ';
		if (c != '=') {
			tlv_put_raw(o, &c, 1);
			continue;
		}
		skip = i + 1;
		while (skip < v.len && (p[skip] == ' ' || p[skip] == '\r'))
			skip++;
		if (skip < v.len && p[skip] == '\n')
			i = skip;
		else if (i + 2 < v.len && hex(p[i + 1]) >= 0 &&
		    hex(p[i + 2]) >= 0) {
			c = (uint8_t)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
			tlv_put_raw(o, &c, 1);
			i += 2;
		} else
			tlv_put_raw(o, &c, 1);
	}
}

static int
base64_value(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ?
	    c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 :
	    c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whatever is no symbol is passed over, as RFC 2045 wants. */
static void
put_base64(struct tlv_view v, struct tlv_out *o)
{
	uint8_t block[768];
	uint32_t bits = 0;
	size_t i, n = 0;
	int have = 0, value;

	for (i = 0; i < v.len && v.data[i] != '='; i++) {
		value = base64_value(v.data[i]);
		if (value < 0)
			continue;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		block[n++] = (uint8_t)(bits >> have);
		if (n == sizeof block) {
			tlv_put_raw(o, block, n);
			n = 0;
		}
	}
	tlv_put_raw(o, block, n);
}

void
mime_decode(const struct mime_entity *e, struct tlv_out *o)
{
	if (strcmp(e->encoding, "base64") == 0)
		put_base64(e->body, o);
	else if (strcmp(e->encoding, "quoted-printable") == 0)
		put_quoted(e->body, false, o);
	else
		tlv_put_raw(o, e->body.data, e->body.len);
}

static void
put_code(struct tlv_out *o, uint32_t c)
{
	uint8_t b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd, n = 3;
	for (i = n; i-- > 0; c >>= 6)
		b[i] = (uint8_t)(i == 0 ? lead[n] | c : 0x80 | (c & 0x3f));
	tlv_put_raw(o, b, n);
}

/* Windows-1252, of which ISO 8859-1 in mail is a part in practice. */
static uint32_t
western(uint8_t c)
{
	static const uint16_t high[32] = {
		0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
		0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
		0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
		0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178
	};

	return c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c;
}

static void
put_utf8(struct tlv_view text, struct tlv_out *o)
{
	uint32_t c;
	size_t i, n;

	for (i = 0; i < text.len; i += n) {
		n = utf8_decode(text.data + i, text.len - i, &c);
		c = n == 0 ? 0xfffd : c;
		n = n == 0 ? 1 : n;
		if (c != '\r' || i + 1 >= text.len ||
		    text.data[i + 1] != '\n')
			put_code(o, c);
	}
}

static void
put_single(const uint16_t *table, struct tlv_view text, struct tlv_out *o)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < text.len; i++) {
		c = text.data[i];
		if (c == '\r' && i + 1 < text.len && text.data[i + 1] == '\n')
			continue;
		put_code(o, c < 0x80 ? c : table != NULL ? table[c - 0x80] :
		    western(c));
	}
}

void
mime_utf8(const char *charset, struct tlv_view text, struct tlv_out *o)
{
	struct tlv_out utf8;
	struct tlv_view v;
	const uint16_t *table;
	bool west;

	charset = mime_charset(charset);
	table = mime_table(charset);
	west = strcmp(charset, "iso-8859-1") == 0 ||
	    strcmp(charset, "windows-1252") == 0;
	tlv_out_init(&utf8, o->ceiling);
	if (mime_multi(charset, text, &utf8)) {
		v.data = utf8.data;
		v.len = utf8.len;
		put_utf8(v, o);
		if (utf8.err != LL_OK && o->err == LL_OK)
			o->err = utf8.err;
	} else if (table == NULL && !west && (strcmp(charset, "utf-8") == 0 ||
	    utf8_valid((const char *)text.data, text.len)))
		/* An unknown charset is UTF-8 where that fits, else western. */
		put_utf8(text, o);
	else
		put_single(table, text, o);
	tlv_out_finish(&utf8);
}

/* One encoded word at p: what follows it, or NULL. */
static const char *
put_word(const char *p, struct tlv_out *o)
{
	const char *charset = p + 2, *how, *text, *end;
	struct tlv_out bytes;
	struct tlv_view v;
	char name[60];
	size_t n;

	if (p[0] != '=' || p[1] != '?')
		return NULL;
	how = strchr(charset, '?');
	text = how == NULL || how[1] == 0 || how[2] != '?' ? NULL : how + 3;
	end = text == NULL ? NULL : strstr(text, "?=");
	if (end == NULL || end - text > 1000)
		return NULL;
	n = strcspn(charset, "?*");
	if (n == 0 || n >= sizeof name)
		return NULL;
	memcpy(name, charset, n);
	name[n] = 0;
	for (n = 0; name[n] != 0; n++)
		name[n] = (char)tolower((unsigned char)name[n]);
	v.data = (const uint8_t *)text;
	v.len = (size_t)(end - text);
	tlv_out_init(&bytes, 4096);
	if (tolower((unsigned char)how[1]) == 'b')
		put_base64(v, &bytes);
	else
		put_quoted(v, true, &bytes);
	v.data = bytes.data;
	v.len = bytes.len;
	if (bytes.len > 0)
		mime_utf8(name, v, o);
	tlv_out_finish(&bytes);
	return end + 2;
}

void
mime_words(const char *value, struct tlv_out *o)
{
	struct tlv_view v;
	const char *next, *p = value, *gap;

	while (*p != 0) {
		next = put_word(p, o);
		if (next == NULL) {
			gap = strstr(p + 1, "=?");
			v.data = (const uint8_t *)p;
			v.len = gap == NULL ? strlen(p) : (size_t)(gap - p);
			mime_utf8("", v, o);
			p += v.len;
			continue;
		}
		/* Blanks between two encoded words are none. */
		p = next;
		gap = next + strspn(next, " ");
		if (gap[0] == '=' && gap[1] == '?')
			p = gap;
	}
}

bool
mime_address(const char *value, char *address, size_t room)
{
	const char *open = NULL, *p, *end;
	size_t at = 0, n;
	bool quoted = false;

	for (p = value; *p != 0; p++) {
		if (*p == '\\' && quoted && p[1] != 0) {
			p++;
			continue;
		}
		quoted = quoted != (*p == '"');
		if (quoted)
			continue;
		if (*p == ',' || *p == ';')
			return false;
		if (*p == '<' && open != NULL)
			return false;
		if (*p == '<')
			open = p + 1;
		at += *p == '@';
	}
	p = open == NULL ? value : open;
	end = open == NULL ? p + strlen(p) : strchr(p, '>');
	n = end == NULL ? 0 : (size_t)(end - p);
	if (n == 0 || n >= room || at == 0 || memchr(p, '@', n) == NULL)
		return false;
	memcpy(address, p, n);
	address[n] = 0;
	return strpbrk(address, " \"<>") == NULL;
}
