#include "keys/mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static struct tlv_view
view(const uint8_t *p, size_t len)
{
	struct tlv_view v = { p, len };

	return v;
}

/* The length of the line at p with its line feed. */
static size_t
line_length(const uint8_t *p, size_t len)
{
	const uint8_t *end = memchr(p, '\n', len);

	return end == NULL ? len : (size_t)(end - p) + 1;
}

static bool
blank_line(const uint8_t *p, size_t n)
{
	return (n == 1 && p[0] == '\n') ||
	    (n == 2 && p[0] == '\r' && p[1] == '\n');
}

/* Whether a line may begin a header: "name:", or blank, or what goes on. */
static bool
header_line(const uint8_t *p, size_t n)
{
	size_t i = 0;

	if (n == 0 || *p == ' ' || *p == '\t' || blank_line(p, n) ||
	    (n >= 5 && memcmp(p, "From ", 5) == 0) ||
	    (n >= 6 && memcmp(p, ">From ", 6) == 0))
		return true;
	while (i < n && p[i] > 32 && p[i] < 127 && p[i] != ':')
		i++;
	if (i == 0)
		return false;
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i < n && p[i] == ':';
}

static void
split(struct tlv_view whole, struct mime_entity *e)
{
	size_t at = 0, n;

	/* Some programs encrypt a text without any header. */
	if (!header_line(whole.data, line_length(whole.data, whole.len))) {
		e->head = view(whole.data, 0);
		e->body = whole;
		return;
	}
	while (at < whole.len && at < MIME_HEAD_MAX) {
		n = line_length(whole.data + at, whole.len - at);
		if (blank_line(whole.data + at, n)) {
			e->head = view(whole.data, at);
			e->body = view(whole.data + at + n,
			    whole.len - at - n);
			return;
		}
		at += n;
	}
	/* No end of the header: its fields still count, and all is body. */
	e->head = view(whole.data, at < whole.len ? at : whole.len);
	e->body = at < whole.len ? view(whole.data + at, whole.len - at) :
	    view(whole.data, 0);
}

static void
append(char *value, size_t room, size_t *len, const uint8_t *p, size_t n)
{
	for (; n > 0 && *len + 1 < room; p++, n--)
		if (*p != '\r' && *p != '\n' && *p != 0)
			value[(*len)++] = *p == '\t' ? ' ' : (char)*p;
	value[*len] = 0;
}

bool
mime_field(struct tlv_view head, const char *name, size_t nth, char *value,
    size_t room)
{
	const size_t name_len = strlen(name);
	size_t at = 0, n, len = 0;
	bool within = false;

	value[0] = 0;
	for (; at < head.len; at += n) {
		const uint8_t *p = head.data + at;

		n = line_length(p, head.len - at);
		if (within && (p[0] == ' ' || p[0] == '\t')) {
			append(value, room, &len, p, n);
			continue;
		}
		if (within)
			return true;
		if (n <= name_len || p[name_len] != ':' ||
		    strncasecmp((const char *)p, name, name_len) != 0 ||
		    nth-- > 0)
			continue;
		within = true;
		for (p += name_len + 1; p < head.data + at + n && *p == ' ';)
			p++;
		append(value, room, &len, p,
		    (size_t)(head.data + at + n - p));
	}
	return within;
}

#define PARAM_NAME 80

/* Steps over one "; name=value"; both cut at their room. */
static const char *
next_param(const char *p, char name[PARAM_NAME], char value[MIME_FIELD_MAX])
{
	size_t n = 0, m = 0;
	bool quoted;

	p = strchr(p, ';');
	if (p == NULL)
		return NULL;
	for (p++; *p == ' ';)
		p++;
	for (; *p != 0 && *p != '=' && *p != ';' && *p != ' '; p++)
		if (n + 1 < PARAM_NAME)
			name[n++] = (char)tolower((unsigned char)*p);
	name[n] = 0;
	while (*p == ' ')
		p++;
	value[0] = 0;
	if (*p != '=')
		return p;
	for (p++; *p == ' ';)
		p++;
	quoted = *p == '"';
	for (p += quoted; *p != 0 && (quoted ? *p != '"' : *p != ';' &&
	    *p != ' '); p++) {
		if (quoted && *p == '\\' && p[1] != 0)
			p++;
		if (m + 1 < MIME_FIELD_MAX)
			value[m++] = *p;
	}
	value[m] = 0;
	return p + (quoted && *p == '"');
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2231: charset'language'percent-encoded, taken as UTF-8. */
static void
put_percent(const char *p, bool first, char *out, size_t room, size_t *len)
{
	const char *quote = first ? strchr(p, '\'') : NULL;

	quote = quote == NULL ? NULL : strchr(quote + 1, '\'');
	for (p = quote == NULL ? p : quote + 1; *p != 0 && *len + 1 < room;
	    p++)
		if (*p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
			out[(*len)++] = (char)(hex(p[1]) << 4 | hex(p[2]));
			p += 2;
		} else
			out[(*len)++] = *p;
	out[*len] = 0;
}

bool
mime_param(const char *value, const char *name, char *out, size_t room)
{
	char found[PARAM_NAME], text[MIME_FIELD_MAX];
	const size_t n = strlen(name);
	size_t len = 0, piece = 0;
	const char *rest;

	out[0] = 0;
	for (;;) {
		value = next_param(value, found, text);
		if (value == NULL)
			return piece > 0;
		if (strncmp(found, name, n) != 0)
			continue;
		rest = found + n;
		if (*rest == 0 && piece == 0) {
			strncat(out, text, room - 1);
			return true;
		}
		if (*rest != '*')
			continue;
		put_percent(text, piece == 0, out, room, &len);
		piece++;
	}
}

static void
lower(char *text)
{
	for (; *text != 0; text++)
		*text = (char)tolower((unsigned char)*text);
}

static void
read_type(struct mime_entity *e)
{
	char value[MIME_FIELD_MAX], word[40];
	size_t n;

	if (!mime_field(e->head, "Content-Type", 0, value, sizeof value))
		return;
	n = strcspn(value, "; ");
	if (n > 0 && n < sizeof e->type && memchr(value, '/', n) != NULL) {
		memcpy(e->type, value, n);
		e->type[n] = 0;
		lower(e->type);
	}
	(void)mime_param(value, "charset", e->charset, sizeof e->charset);
	(void)mime_param(value, "boundary", e->boundary, sizeof e->boundary);
	(void)mime_param(value, "protocol", e->protocol, sizeof e->protocol);
	(void)mime_param(value, "smime-type", e->smime, sizeof e->smime);
	(void)mime_param(value, "name", e->name, sizeof e->name);
	lower(e->protocol);
	lower(e->smime);
	lower(e->charset);
	e->protecting = mime_param(value, "hp", word, sizeof word) ||
	    mime_param(value, "protected-headers", word, sizeof word);
}

void
mime_read(struct tlv_view whole, struct mime_entity *e_r)
{
	char value[MIME_FIELD_MAX], name[sizeof e_r->name];
	size_t n;

	memset(e_r, 0, sizeof *e_r);
	memcpy(e_r->type, "text/plain", sizeof "text/plain");
	split(whole, e_r);
	read_type(e_r);
	if (mime_field(e_r->head, "Content-Transfer-Encoding", 0, value,
	    sizeof value)) {
		n = strcspn(value, " ;");
		n = n < sizeof e_r->encoding ? n : 0;
		memcpy(e_r->encoding, value, n);
		lower(e_r->encoding);
	}
	if (!mime_field(e_r->head, "Content-Disposition", 0, value,
	    sizeof value))
		return;
	e_r->attachment = strncasecmp(value, "attachment", 10) == 0;
	if (mime_param(value, "filename", name, sizeof name))
		memcpy(e_r->name, name, sizeof name);
}

/* A delimiter line at p: 1 another part follows, 2 the last one. */
static int
delimiter(const uint8_t *p, size_t n, const char *boundary, size_t len)
{
	int kind = 1;
	size_t at = 2 + len;

	if (n < at || p[0] != '-' || p[1] != '-' ||
	    memcmp(p + 2, boundary, len) != 0)
		return 0;
	if (n >= at + 2 && p[at] == '-' && p[at + 1] == '-') {
		kind = 2;
		at += 2;
	}
	for (; at < n; at++)
		if (!isspace(p[at]))
			return 0;
	return kind;
}

static int
find_delimiter(struct tlv_view body, size_t from, const char *boundary,
    size_t *start_r, size_t *next_r)
{
	const size_t len = strlen(boundary);
	size_t n;
	int kind;

	for (; from < body.len; from += n) {
		n = line_length(body.data + from, body.len - from);
		kind = delimiter(body.data + from, n, boundary, len);
		if (kind != 0) {
			*start_r = from;
			*next_r = from + n;
			return kind;
		}
	}
	*start_r = *next_r = body.len;
	return 0;
}

bool
mime_part(struct tlv_view body, const char *boundary, size_t *at,
    struct tlv_view *part_r)
{
	size_t start = *at, end, next;
	int kind;

	if (boundary[0] == 0 || *at > body.len)
		return false;
	if (*at == 0 && find_delimiter(body, 0, boundary, &end, &start) != 1)
		return false;
	kind = find_delimiter(body, start, boundary, &end, &next);
	*at = kind == 1 ? next : body.len + 1;
	if (kind != 0 && end > start && body.data[end - 1] == '\n')
		end--;
	if (kind != 0 && end > start && body.data[end - 1] == '\r')
		end--;
	*part_r = view(body.data + start, end - start);
	return true;
}
