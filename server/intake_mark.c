#include "server/intake_mark.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/mime.h"

#define EXPIRES_MAX 3650

/* A mark begins at p: its length, or 0.  known_r: false when there is no such
 * class; that must not pass as if nothing had been said. */
static size_t
mark_at(const char *p, enum msg_class *class_r, bool *known_r)
{
	const char *q = p + 1;
	char word[16];
	size_t i, n;

	if (*p != '[')
		return 0;
	q += strspn(q, " ");
	if (strncasecmp(q, "secure", 6) != 0)
		return 0;
	q += 6;
	q += strspn(q, " ");
	*class_r = CLASS_NORMAL;
	*known_r = true;
	if (*q == '+') {
		q += 1 + strspn(q + 1, " ");
		n = strcspn(q, " ]");
		for (i = 0; i < n && i + 1 < sizeof(word); i++)
			word[i] = (char)tolower((unsigned char)q[i]);
		word[i] = '\0';
		q += n;
		q += strspn(q, " ");
		*known_r = i == n && *q == ']' &&
		    class_parse(word, class_r) == LL_OK;
	} else if (*q != ']') {
		return 0;
	}
	return (size_t)(q - p) + (*q == ']');
}

static void
raise(struct intake_mark *m, enum msg_class class)
{
	m->secure = true;
	if (class > m->class)
		m->class = class;
}

static void
read_words(const char *subject, struct intake_mark *m)
{
	enum msg_class class;
	bool known;

	for (; *subject != '\0'; subject++) {
		if (mark_at(subject, &class, &known) == 0)
			continue;
		raise(m, known ? class : CLASS_NORMAL);
		if (!known)
			m->wrong = "Subject: the marks are [secure], "
			    "[secure+confidential] and [secure+registered]";
	}
}

/* Some readers show the first of several, some the last. */
static void
read_subjects(struct tlv_view head, struct intake_mark *m)
{
	char value[MIME_FIELD_MAX];
	struct tlv_out o;
	size_t i;

	for (i = 0; mime_field(head, "Subject", i, value, sizeof(value));
	    i++) {
		tlv_out_init(&o, 4 * MIME_FIELD_MAX);
		mime_words(value, &o);
		tlv_put_raw(&o, "", 1);
		if (o.err == LL_OK)
			read_words((const char *)o.data, m);
		tlv_out_finish(&o);
	}
}

static void
read_item(char *item, struct intake_mark *m)
{
	enum msg_class class;
	char *end;

	if (strcasecmp(item, "secure") == 0) {
		raise(m, CLASS_NORMAL);
	} else if (strncasecmp(item, "class=", 6) == 0) {
		if (class_parse(item + 6, &class) == LL_OK)
			raise(m, class);
		else
			m->wrong = "X-Letterlock: class is normal, "
			    "confidential or registered";
	} else if (strncasecmp(item, "expires=", 8) == 0) {
		m->expires_days = strtoull(item + 8, &end, 10);
		if (!isdigit((unsigned char)item[8]) || *end != '\0' ||
		    m->expires_days < 1 || m->expires_days > EXPIRES_MAX)
			m->wrong = "X-Letterlock: expires is a number of days";
	} else if (item[0] != '\0') {
		m->wrong = "X-Letterlock: expected secure; class=...; "
		    "expires=DAYS";
	}
}

static void
read_items(char *value, struct intake_mark *m)
{
	char *item, *save = NULL, *end;

	/* whoever writes that field means it, whatever else is wrong */
	m->secure = true;
	for (item = strtok_r(value, ";", &save); item != NULL;
	    item = strtok_r(NULL, ";", &save)) {
		item += strspn(item, " ");
		for (end = item + strlen(item); end > item && end[-1] == ' ';)
			*--end = '\0';
		read_item(item, m);
	}
}

void
intake_mark_read(struct tlv_view head, struct intake_mark *m_r)
{
	char value[MIME_FIELD_MAX];
	size_t i;

	memset(m_r, 0, sizeof(*m_r));
	m_r->class = CLASS_NORMAL;
	read_subjects(head, m_r);
	for (i = 0; mime_field(head, "X-Letterlock", i, value, sizeof(value));
	    i++)
		read_items(value, m_r);
}

void
intake_mark_strip(char *subject)
{
	enum msg_class class;
	size_t n, before;
	char *at = subject;
	bool known;

	while (*at != '\0') {
		n = mark_at(at, &class, &known);
		if (n == 0) {
			at++;
			continue;
		}
		n += strspn(at + n, " ");
		memmove(at, at + n, strlen(at + n) + 1);
		at = subject;
	}
	before = strspn(subject, " ");
	memmove(subject, subject + before, strlen(subject + before) + 1);
	for (n = strlen(subject); n > 0 && subject[n - 1] == ' ';)
		subject[--n] = '\0';
}

/* --- lists of words --- */

static const char *
next_word(const char *p, size_t *len_r)
{
	p += strspn(p, " \t,");
	*len_r = strcspn(p, " \t,");
	return *len_r > 0 ? p : NULL;
}

bool
intake_mark_listed(const char *list, const char *address)
{
	const char *domain = strrchr(address, '@'), *p = list, *have;
	size_t len, n;

	for (; domain != NULL && (p = next_word(p, &len)) != NULL; p += len) {
		have = memchr(p, '@', len) != NULL && p[0] != '@' ? address :
		    domain + 1;
		n = strlen(have);
		if (p[0] == '@')
			p++, len--;
		if (p[0] == '.' && n > len)
			have += n - len, n = len;
		if (n == len && strncasecmp(have, p, len) == 0)
			return true;
	}
	return false;
}

/* --- patterns --- */

static bool
digits(const char *p, const char *end, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p + i >= end || !isdigit((unsigned char)p[i]))
			return false;
	return true;
}

static bool
word_ends(const char *p, const char *end)
{
	return p >= end || !isalnum((unsigned char)*p);
}

/* ISO 13616: the first four characters behind the others, letters as numbers,
 * give 1 modulo 97.  Written in groups or in one. */
static bool
is_iban(const char *p, const char *end)
{
	char plain[34];
	size_t n = 0, i;
	unsigned rest = 0;

	if (end - p < 15 || !isupper((unsigned char)p[0]) ||
	    !isupper((unsigned char)p[1]) || !digits(p + 2, end, 2))
		return false;
	while (p < end && n < sizeof(plain)) {
		if (isdigit((unsigned char)*p) || isupper((unsigned char)*p))
			plain[n++] = *p++;
		else if (*p == ' ' && n % 4 == 0 && p + 1 < end &&
		    isalnum((unsigned char)p[1]))
			p++;
		else
			break;
	}
	/* a word that follows a blank may be none of it */
	for (; n >= 15; n--) {
		for (rest = 0, i = 0; i < n; i++) {
			char c = plain[(i + 4) % n];

			rest = isdigit((unsigned char)c) ?
			    (rest * 10 + (unsigned)(c - '0')) % 97 :
			    (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
		}
		if (rest == 1)
			return true;
	}
	return false;
}

/* Swiss social insurance: 756, thirteen digits, EAN-13's check digit. */
static bool
is_ahv(const char *p, const char *end)
{
	static const char form[] = "ddd.dddd.dddd.dd";
	unsigned sum = 0, n = 0;
	size_t i;

	if (end - p < 13 || strncmp(p, "756", 3) != 0)
		return false;
	for (i = 0; form[i] != '\0'; i++) {
		if (form[i] == '.') {
			p += p < end && *p == '.';
			continue;
		}
		if (!digits(p, end, 1))
			return false;
		sum += (unsigned)(*p++ - '0') * (n++ % 2 == 0 ? 1 : 3);
	}
	return sum % 10 == 0 && word_ends(p, end);
}

/* United States: AAA-GG-SSSS without the numbers that are never given. */
static bool
is_ssn(const char *p, const char *end)
{
	return end - p >= 11 && digits(p, end, 3) && p[3] == '-' &&
	    digits(p + 4, end, 2) && p[6] == '-' && digits(p + 7, end, 4) &&
	    word_ends(p + 11, end) && p[0] != '9' &&
	    strncmp(p, "000", 3) != 0 && strncmp(p, "666", 3) != 0 &&
	    strncmp(p + 4, "00", 2) != 0 && strncmp(p + 7, "0000", 4) != 0;
}

/* A medical record's number: the word, and five digits or more. */
static bool
is_mrn(const char *p, const char *end)
{
	size_t gap = 0;

	if (end - p < 8 || strncasecmp(p, "MRN", 3) != 0)
		return false;
	for (p += 3; p < end && gap < 4 && strchr(" :#.-=", *p) != NULL &&
	    *p != '\0'; gap++)
		p++;
	return digits(p, end, 5);
}

static const struct {
	const char *name;
	bool (*test)(const char *p, const char *end);
	const char *words;
} rules[] = {
	{ "iban", is_iban, "a bank account number (IBAN)" },
	{ "ahv", is_ahv, "a social insurance number (AHV)" },
	{ "ssn", is_ssn, "a social security number" },
	{ "mrn", is_mrn, "a medical record number" },
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

static size_t
rule_named(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < RULES; i++)
		if (strlen(rules[i].name) == len &&
		    strncasecmp(rules[i].name, p, len) == 0)
			break;
	return i;
}

const char *
intake_mark_rule(const char *list, const char *text, size_t len)
{
	const char *end = text + len, *p;
	size_t n, i;

	for (; (list = next_word(list, &n)) != NULL; list += n) {
		i = rule_named(list, n);
		if (i == RULES)
			continue;
		for (p = text; p < end; p++)
			if ((p == text || !isalnum((unsigned char)p[-1])) &&
			    rules[i].test(p, end))
				return rules[i].words;
	}
	return NULL;
}
