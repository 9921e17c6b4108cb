#include "server/relay_sts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RECORD_MAX 1024
#define VERSION "STSv1"

/* A piece of text that is not its own string. */
struct span {
	const char *p;
	size_t len;
};

static struct span
trim(const char *p, size_t len)
{
	struct span s = { p, len };

	while (s.len > 0 && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool
is(struct span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.p, word, s.len) == 0;
}

/* "name<mark>value" with blanks around both. */
static bool
split(struct span line, char mark, struct span *name, struct span *value)
{
	const char *at = line.len > 0 ? memchr(line.p, mark, line.len) : NULL;

	if (at == NULL)
		return false;
	*name = trim(line.p, (size_t)(at - line.p));
	*value = trim(at + 1, line.len - (size_t)(at + 1 - line.p));
	return true;
}

/* --- the TXT record --- */

/* Its character strings joined; 0 when they do not fit or make no sense. */
static size_t
join(const struct dns_row *row, char text[RECORD_MAX])
{
	size_t at = 0, out = 0, n;

	while (at < row->len) {
		n = row->data[at++];
		if (at + n > row->len || out + n > RECORD_MAX)
			return 0;
		memcpy(text + out, row->data + at, n);
		at += n;
		out += n;
	}
	return out;
}

/* Records of other kinds do not matter; one that only begins like it is no
 * record of it: "v=STSv1" ends with blanks and a semicolon. */
static bool
is_record(const char *text, size_t len)
{
	static const char begin[] = "v=" VERSION;
	size_t at = sizeof(begin) - 1;

	if (len < at || memcmp(text, begin, at) != 0)
		return false;
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at < len && text[at] == ';';
}

static enum ll_result
read_id(const char *text, size_t len, char id[STS_ID_MAX + 1])
{
	struct span name, value;
	const char *end = text + len, *next;
	size_t i;

	for (; text < end; text = next + 1) {
		next = memchr(text, ';', (size_t)(end - text));
		if (next == NULL)
			next = end;
		if (!split(trim(text, (size_t)(next - text)), '=', &name,
		    &value) || !is(name, "id"))
			continue;
		if (value.len == 0 || value.len > STS_ID_MAX)
			return LL_PROTO;
		for (i = 0; i < value.len; i++)
			if (!isalnum((unsigned char)value.p[i]))
				return LL_PROTO;
		memcpy(id, value.p, value.len);
		id[value.len] = '\0';
		return LL_OK;
	}
	return LL_PROTO;
}

enum ll_result
sts_record(const struct dns_row *rows, size_t count, char id[STS_ID_MAX + 1])
{
	char text[RECORD_MAX], found[RECORD_MAX];
	size_t i, len, found_len = 0, n = 0;

	id[0] = '\0';
	for (i = 0; i < count; i++) {
		len = join(&rows[i], text);
		if (!is_record(text, len))
			continue;
		memcpy(found, text, len);
		found_len = len;
		n++;
	}
	return n == 1 ? read_id(found, found_len, id) : LL_NOTFOUND;
}

/* --- the policy file --- */

/* What was read of it: of all fields but mx the first counts. */
struct reading {
	struct sts_policy *p;
	bool version, mode, age, bad;
};

static void
read_version(struct reading *r, struct span value)
{
	if (!r->version && !is(value, VERSION))
		r->bad = true;
	r->version = true;
}

static void
read_mode(struct reading *r, struct span value)
{
	if (r->mode)
		return;
	r->mode = true;
	if (is(value, "enforce"))
		r->p->mode = STS_MODE_ENFORCE;
	else if (is(value, "testing"))
		r->p->mode = STS_MODE_TESTING;
	else if (is(value, "none"))
		r->p->mode = STS_MODE_NONE;
	else
		r->bad = true;
}

static void
read_age(struct reading *r, struct span value)
{
	uint64_t n = 0;
	size_t i;

	if (r->age)
		return;
	r->age = true;
	if (value.len == 0 || value.len > 10)
		r->bad = true;
	for (i = 0; i < value.len && !r->bad; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			r->bad = true;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	r->p->max_age_secs = n > STS_AGE_MAX_SECS ? STS_AGE_MAX_SECS : n;
}

static void
read_mx(struct reading *r, struct span value)
{
	char *mx = r->p->mx[r->p->mx_count];
	size_t i, star = 0;

	if (value.len >= 2 && memcmp(value.p, "*.", 2) == 0)
		star = 2;
	if (r->p->mx_count == STS_MX_MAX || value.len - star == 0 ||
	    value.len - star > DNS_NAME_MAX) {
		r->bad = true;
		return;
	}
	for (i = 0; i < value.len; i++)
		mx[i] = (char)tolower((unsigned char)value.p[i]);
	mx[value.len] = '\0';
	if (strlen(mx) != value.len || !dns_name_is_plain(mx + star))
		r->bad = true;
	else
		r->p->mx_count++;
}

static void
read_line(struct reading *r, struct span line)
{
	static const struct {
		const char *name;
		void (*read)(struct reading *r, struct span value);
	} fields[] = {
		{ "version", read_version }, { "mode", read_mode },
		{ "max_age", read_age }, { "mx", read_mx }
	};
	struct span name, value;
	size_t i;

	if (!split(line, ':', &name, &value)) {
		r->bad = r->bad || line.len > 0;
		return;
	}
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (is(name, fields[i].name))
			fields[i].read(r, value);
}

enum ll_result
sts_parse(const char *text, size_t len, struct sts_policy *p_r)
{
	struct reading r = { p_r, false, false, false, false };
	const char *end = text + len, *next;
	size_t n;

	memset(p_r, 0, sizeof(*p_r));
	if (len > STS_POLICY_MAX)
		return LL_PROTO;
	for (; text < end && !r.bad; text = next + 1) {
		next = memchr(text, '\n', (size_t)(end - text));
		if (next == NULL)
			next = end;
		n = (size_t)(next - text);
		if (n > 0 && text[n - 1] == '\r')
			n--;
		read_line(&r, trim(text, n));
	}
	if (r.bad || !r.version || !r.mode || !r.age)
		return LL_PROTO;
	if (p_r->mode != STS_MODE_NONE && p_r->mx_count == 0)
		return LL_PROTO;
	return LL_OK;
}

bool
sts_names(const struct sts_policy *p, const char *host)
{
	const char *dot = strchr(host, '.');
	size_t i;

	for (i = 0; i < p->mx_count; i++) {
		if (strcasecmp(p->mx[i], host) == 0)
			return true;
		if (strncmp(p->mx[i], "*.", 2) == 0 && dot != NULL &&
		    dot != host && strcasecmp(p->mx[i] + 1, dot) == 0)
			return true;
	}
	return false;
}
