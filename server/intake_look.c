#include "server/intake_look.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/clean.h"
#include "keys/mime.h"

#define DEPTH_MAX 4
#define PARTS_MAX 32
#define VALUE_MAX 16384
#define SHOWN_MAX 200             /* addresses */
#define DECODED_MAX (2 * LOOK_BODY)
#define AHEAD_SECS 3600

/* --- encrypted? --- */

static bool
has(struct tlv_view v, const void *what, size_t len)
{
	return v.len > 0 && memmem(v.data, v.len, what, len) != NULL;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* The armour of an OpenPGP message, at the begin of a line or right behind a
 * tag. */
static bool
has_armour(struct tlv_view text)
{
	static const char armour[] = "-----BEGIN PGP MESSAGE";
	const uint8_t *p = text.data, *end = text.data + text.len, *b;

	while (p < end && (p = memmem(p, (size_t)(end - p), armour,
	    sizeof(armour) - 1)) != NULL) {
		for (b = p; b > text.data && (b[-1] == ' ' || b[-1] == '\t');)
			b--;
		if (b == text.data || b[-1] == '\n' || b[-1] == '\r' ||
		    p[-1] == '>')
			return true;
		p++;
	}
	return false;
}

static bool
decoded(const struct mime_entity *e, bool (*test)(struct tlv_view))
{
	struct tlv_out o;
	struct tlv_view v;
	bool found;

	tlv_out_init(&o, DECODED_MAX);
	mime_decode(e, &o);
	v.data = o.data;
	v.len = o.len;
	found = v.len > 0 && test(v);
	tlv_out_finish(&o);
	return found;
}

/* ContentInfo's type, near its begin: enveloped or authenticated-enveloped
 * data; or a signature around such a part. */
static bool
has_envelope(struct tlv_view der)
{
	static const uint8_t enveloped[] = { 0x06, 0x09, 0x2a, 0x86, 0x48,
		0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03 };
	static const uint8_t authenticated[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48,
		0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17 };
	struct tlv_view head = der;

	head.len = head.len < 64 ? head.len : 64;
	return has(head, enveloped, sizeof(enveloped)) ||
	    has(head, authenticated, sizeof(authenticated)) ||
	    has(der, "smime-type=enveloped-data", 25);
}

static bool
is_cms(const struct mime_entity *e)
{
	return strcmp(e->type, "application/pkcs7-mime") == 0 ||
	    strcmp(e->type, "application/x-pkcs7-mime") == 0 ||
	    ends_with(e->name, ".p7m");
}

static bool
is_pgp_file(const struct mime_entity *e)
{
	return ends_with(e->name, ".asc") || ends_with(e->name, ".pgp") ||
	    ends_with(e->name, ".gpg");
}

/* Not armored: the first packet says for whom it is encrypted (RFC 9580,
 * 5.1). */
static bool
has_recipient(struct tlv_view file)
{
	return (file.data[0] & 0xfc) == 0x84 || file.data[0] == 0xc1;
}

static bool
part_encrypted(struct tlv_view part, unsigned depth, unsigned *left)
{
	struct mime_entity e;
	struct tlv_view inner;
	size_t at = 0;

	mime_read(part, &e);
	if (strcmp(e.type, "multipart/encrypted") == 0 ||
	    strcmp(e.type, "application/pgp-encrypted") == 0 ||
	    (is_cms(&e) && strstr(e.smime, "enveloped") != NULL))
		return true;
	if (strncmp(e.type, "multipart/", 10) == 0) {
		while (depth < DEPTH_MAX && *left > 0 &&
		    mime_part(e.body, e.boundary, &at, &inner)) {
			(*left)--;
			if (part_encrypted(inner, depth + 1, left))
				return true;
		}
		return false;
	}
	if (is_cms(&e))
		return decoded(&e, has_envelope);
	if (is_pgp_file(&e) && decoded(&e, has_recipient))
		return true;
	return (is_pgp_file(&e) || strncmp(e.type, "text/", 5) == 0) &&
	    decoded(&e, has_armour);
}

/* The fields that tell what it is, however much header stands around them, and
 * the begin of the body. */
static void
put_mail(struct tlv_view head, struct tlv_view body, struct tlv_out *o)
{
	static const char *const fields[] = { "Content-Type",
		"Content-Transfer-Encoding", "Content-Disposition" };
	char value[MIME_FIELD_MAX];
	size_t i;

	tlv_out_init(o, DECODED_MAX);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (mime_field(head, fields[i], 0, value, sizeof(value))) {
			tlv_put_raw(o, fields[i], strlen(fields[i]));
			tlv_put_raw(o, ":", 1);
			tlv_put_raw(o, value, strlen(value));
			tlv_put_raw(o, "\r\n", 2);
		}
	tlv_put_raw(o, "\r\n", 2);
	tlv_put_raw(o, body.data, body.len < LOOK_BODY ? body.len :
	    LOOK_BODY);
}

bool
look_encrypted(struct tlv_view head, struct tlv_view body)
{
	unsigned left = PARTS_MAX;
	struct tlv_view mail;
	struct tlv_out o;
	bool found;

	put_mail(head, body, &o);
	mail.data = o.data;
	mail.len = o.len;
	found = mail.len > 0 && part_encrypted(mail, 0, &left);
	tlv_out_finish(&o);
	return found;
}

struct texts {
	void (*fn)(void *arg, const char *text, size_t len);
	void *arg;
};

static void
each_text(struct tlv_view part, unsigned depth, unsigned *left,
    const struct texts *t)
{
	struct mime_entity e;
	struct tlv_view inner;
	struct tlv_out o;
	size_t at = 0;

	mime_read(part, &e);
	while (strncmp(e.type, "multipart/", 10) == 0 && depth < DEPTH_MAX &&
	    *left > 0 && mime_part(e.body, e.boundary, &at, &inner)) {
		(*left)--;
		each_text(inner, depth + 1, left, t);
	}
	if (strncmp(e.type, "text/", 5) != 0)
		return;
	tlv_out_init(&o, DECODED_MAX);
	mime_decode(&e, &o);
	if (o.len > 0)
		t->fn(t->arg, (const char *)o.data, o.len);
	tlv_out_finish(&o);
}

void
look_texts(struct tlv_view head, struct tlv_view body,
    void (*fn)(void *arg, const char *text, size_t len), void *arg)
{
	const struct texts t = { fn, arg };
	unsigned left = PARTS_MAX;
	struct tlv_view mail;
	struct tlv_out o;

	put_mail(head, body, &o);
	mail.data = o.data;
	mail.len = o.len;
	each_text(mail, 0, &left, &t);
	tlv_out_finish(&o);
}

bool
look_report(struct tlv_view head)
{
	char value[MIME_FIELD_MAX], kind[40];

	return mime_field(head, "Content-Type", 0, value, sizeof(value)) &&
	    strncasecmp(value, "multipart/report", 16) == 0 &&
	    mime_param(value, "report-type", kind, sizeof(kind)) &&
	    strcasecmp(kind, "delivery-status") == 0;
}

/* --- what it answers --- */

/* The next <...> of a value; NULL when there is none. */
static const char *
next_id(const char *p, char id[LOOK_REFERENCE])
{
	size_t n;

	while ((p = strchr(p, '<')) != NULL) {
		n = strcspn(++p, "<> \t");
		if (p[n] != '>' || n == 0 || n >= LOOK_REFERENCE)
			continue;
		memcpy(id, p, n);
		id[n] = '\0';
		if (clean_is(id, n, CLEAN_LINE))
			return p + n;
	}
	return NULL;
}

static size_t
count_ids(const char *value)
{
	char id[LOOK_REFERENCE];
	size_t n = 0;

	while ((value = next_id(value, id)) != NULL)
		n++;
	return n;
}

void
look_references(struct tlv_view head, void (*fn)(void *arg, const char *id),
    void *arg)
{
	static const char *const fields[] = { "In-Reply-To", "References" };
	char id[LOOK_REFERENCE], *value = malloc(VALUE_MAX);
	size_t skip, f, n;
	const char *p;

	for (f = 0; f < 2 && value != NULL; f++) {
		if (!mime_field(head, fields[f], 0, value, VALUE_MAX))
			continue;
		n = count_ids(value);
		skip = n > LOOK_REFERENCES_MAX ? n - LOOK_REFERENCES_MAX : 0;
		for (p = value; (p = next_id(p, id)) != NULL;)
			if (skip > 0)
				skip--;
			else
				fn(arg, id);
	}
	free(value);
}

void
look_message_id(struct tlv_view head, char id_r[200])
{
	char value[MIME_FIELD_MAX], id[LOOK_REFERENCE];

	id_r[0] = '\0';
	if (mime_field(head, "Message-ID", 0, value, sizeof(value)) &&
	    next_id(value, id) != NULL && strlen(id) < 200)
		memcpy(id_r, id, strlen(id) + 1);
}

/* --- what a list shows --- */

/* Cut at most bytes, not within a character. */
static void
cut(char *text, size_t most)
{
	size_t n = strlen(text);

	if (n <= most)
		return;
	for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
		n--;
	text[n] = '\0';
}

/* A header's text, decoded and made safe to show. */
static enum ll_result
shown(const char *value, size_t most, char **text_r)
{
	struct tlv_out o;
	enum ll_result r;

	*text_r = NULL;
	tlv_out_init(&o, 4 * VALUE_MAX);
	mime_words(value, &o);
	r = o.len == 0 ? clean_text("", 0, CLEAN_LINE, text_r) :
	    clean_text((const char *)o.data, o.len, CLEAN_LINE, text_r);
	tlv_out_finish(&o);
	if (r == LL_OK)
		cut(*text_r, most);
	return r;
}

/* The name before the address, without quotes. */
static enum ll_result
name_of(const char *value, char **name_r)
{
	char text[ENVELOPE_NAME_MAX];
	const char *open = strrchr(value, '<');
	size_t n = open != NULL ? (size_t)(open - value) : 0, at = 0, i;

	for (i = 0; i < n && at + 1 < sizeof(text); i++)
		if (value[i] != '"' && value[i] != '\\')
			text[at++] = value[i];
	while (at > 0 && text[at - 1] == ' ')
		at--;
	text[at] = '\0';
	return shown(text, ENVELOPE_NAME_MAX - 1, name_r);
}

bool
look_from(struct tlv_view head, char address_r[321])
{
	char value[MIME_FIELD_MAX], typed[400];
	const char *why;

	return mime_field(head, "From", 0, value, sizeof(value)) &&
	    mime_address(value, typed, sizeof(typed)) &&
	    clean_address(typed, address_r, &why) == LL_OK;
}

static enum ll_result
set_from(const char *value, const char *sender, struct envelope *e)
{
	char typed[400], address[321];
	const char *why;
	bool known;
	enum ll_result r;

	known = mime_address(value, typed, sizeof(typed)) &&
	    clean_address(typed, address, &why) == LL_OK;
	if (known)
		r = name_of(value, &e->from_name);
	else
		r = shown(value, ENVELOPE_NAME_MAX - 1, &e->from_name);
	if (r == LL_OK && !known &&
	    clean_address(sender, address, &why) != LL_OK)
		memcpy(address, "unknown@invalid", 16);
	return r == LL_OK ? envelope_set(&e->from, address) : r;
}

/* Step over one item of an address list into room bytes. */
static const char *
next_item(const char *p, char *item, size_t room)
{
	bool quoted = false, angle = false;
	size_t n = 0;

	for (p += strspn(p, " "); *p != '\0'; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (!quoted && (*p == '<' || *p == '>'))
			angle = *p == '<';
		else if (!quoted && !angle && (*p == ',' || *p == ';'))
			return item[n] = '\0', p + 1;
		if (n + 1 < room)
			item[n++] = *p;
	}
	item[n] = '\0';
	return p;
}

static enum ll_result
add_addresses(const char *value, char ***list, size_t *count)
{
	char item[1000], typed[400], address[321];
	enum ll_result r = LL_OK;
	const char *why;

	while (*value != '\0' && *count < SHOWN_MAX && r == LL_OK) {
		value = next_item(value, item, sizeof(item));
		if (mime_address(item, typed, sizeof(typed)) &&
		    clean_address(typed, address, &why) == LL_OK)
			r = envelope_add(list, count, address);
	}
	return r;
}

/* RFC 5322, section 3.3; 0 when it is no date. */
static uint64_t
date_of(const char *value)
{
	static const char *const forms[] = { "%d %b %Y %H:%M:%S %z",
		"%d %b %Y %H:%M %z", "%d %b %Y %H:%M:%S" };
	const char *comma = strchr(value, ',');
	struct tm tm;
	time_t t;
	size_t i;

	if (comma != NULL)
		value = comma + 1;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		long offset;

		memset(&tm, 0, sizeof(tm));
		if (strptime(value, forms[i], &tm) == NULL)
			continue;
		offset = tm.tm_gmtoff;
		t = timegm(&tm);
		return t > offset ? (uint64_t)(t - offset) : 0;
	}
	return 0;
}

enum ll_result
look_facts(struct tlv_view head, const char *sender, uint64_t now,
    struct envelope *e)
{
	char *value = malloc(VALUE_MAX);
	enum ll_result r;

	if (value == NULL)
		return LL_NOMEM;
	e->date = 0;
	if (mime_field(head, "Date", 0, value, VALUE_MAX))
		e->date = date_of(value);
	if (e->date == 0 || e->date > now + AHEAD_SECS)
		e->date = now;
	(void)mime_field(head, "From", 0, value, VALUE_MAX);
	r = set_from(value, sender, e);
	(void)mime_field(head, "Subject", 0, value, VALUE_MAX);
	if (r == LL_OK)
		r = shown(value, ENVELOPE_SUBJECT_MAX - 1, &e->subject);
	if (r == LL_OK && mime_field(head, "To", 0, value, VALUE_MAX))
		r = add_addresses(value, &e->to, &e->to_count);
	if (r == LL_OK && mime_field(head, "Cc", 0, value, VALUE_MAX))
		r = add_addresses(value, &e->cc, &e->cc_count);
	free(value);
	return r;
}
