#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/puny.h"
#include "keys/tlv.h"

#define NAME_BYTES 200
#define SUFFIX_BYTES 16         /* of ".tar.gz" and the like, kept when cut */
#define NAME_READ_MAX 65536
#define LOCAL_MAX 64
#define LABEL_MAX 63
#define ADDRESS_MAX 254

static const char unnamed[] = "unnamed";

/* Shells, headers, and other systems' file names mind these.  Round brackets
 * stay: our own numbers of doubles, "a (2).pdf", have them. */
static const char minded[] = "!\"#$&'*:;<>?[\\]^`{|}~/";

/* Copies the name's characters, '_' for those that won't do; at most what was
 * read, since no replacement is longer than what it stands for. */
static size_t
copy_name(const uint8_t *p, size_t len, char *out)
{
	size_t at = 0, sum = 0, took;
	uint32_t c;

	while (at < len) {
		took = utf8_decode(p + at, len - at, &c);
		if (took == 0 || clean_marks(c, CLEAN_LINE) ||
		    (c < 128 && strchr(minded, (int)c) != NULL)) {
			out[sum++] = '_';
		} else {
			memcpy(out + sum, p + at, took);
			sum += took;
		}
		at += took == 0 ? 1 : took;
	}
	return sum;
}

/* The longest prefix of at most room bytes that ends on a character border. */
static size_t
border(const char *text, size_t len, size_t room)
{
	if (len <= room)
		return len;
	while (room > 0 && ((uint8_t)text[room] & 0xc0) == 0x80)
		room--;
	return room;
}

/* Cuts in the middle, so that the suffix survives. */
static size_t
shorten(char *name, size_t len)
{
	size_t suffix = 0, stem, i;

	if (len <= NAME_BYTES)
		return len;
	for (i = 1; i <= SUFFIX_BYTES; i++)
		if (name[len - i] == '.')
			suffix = i;
	stem = border(name, len, NAME_BYTES - suffix);
	memmove(name + stem, name + len - suffix, suffix);
	return stem + suffix;
}

enum ll_result
clean_file_name(const char *name, size_t len, char **out_r)
{
	size_t at, n, skip = 0;
	char *out;

	*out_r = NULL;
	if (len > NAME_READ_MAX)
		return LL_TOOBIG;
	for (at = len; at > 0; at--)
		if (name[at - 1] == '/' || name[at - 1] == '\\')
			break;
	out = malloc(len - at + sizeof unnamed);
	if (out == NULL)
		return LL_NOMEM;
	n = copy_name((const uint8_t *)name + at, len - at, out);
	while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
		n--;
	while (skip < n && (out[skip] == '.' || out[skip] == ' '))
		skip++;
	n -= skip;
	memmove(out, out + skip, n);
	n = shorten(out, n);
	if (n == 0) {
		n = sizeof unnamed - 1;
		memcpy(out, unnamed, n);
	}
	/* A leading dash would be taken for an option. */
	if (out[0] == '-')
		out[0] = '_';
	out[n] = 0;
	*out_r = out;
	return LL_OK;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* RFC 5321 Dot-string. */
static const char *
check_local(const char *p, size_t len)
{
	static const char also[] = "!#$%&'*+-/=?^_`{|}~.";
	size_t i;

	if (len == 0)
		return "there is nothing before the @";
	if (len > LOCAL_MAX)
		return "the part before the @ is over 64 characters";
	for (i = 0; i < len; i++) {
		if (is_alnum(p[i]))
			continue;
		if (p[i] == 0 || strchr(also, p[i]) == NULL)
			return "the part before the @ has a character that "
			    "addresses may not have";
		if (p[i] == '.' && (i == 0 || i == len - 1 || p[i - 1] == '.'))
			return "a dot stands at the wrong place before the @";
	}
	return NULL;
}

/* Letters, digits, hyphens (RFC 1123); the last label not only digits. */
static const char *
check_domain(const char *p)
{
	size_t label = 0;
	bool digits = true;
	char before = '.';

	if (*p == 0)
		return "there is nothing after the @";
	for (;; before = *p++) {
		if (*p == '.' || *p == 0) {
			if (label == 0 || before == '-')
				return "the part after the @ is no domain name";
			if (label > LABEL_MAX)
				return "a part of the domain name is over 63 "
				    "characters";
			if (*p == 0)
				break;
			label = 0;
			digits = true;
			continue;
		}
		if (!is_alnum(*p) && (*p != '-' || label == 0))
			return "the part after the @ is no domain name";
		digits = digits && *p >= '0' && *p <= '9';
		label++;
	}
	return digits ? "the part after the @ must be a name, not a number" :
	    NULL;
}

/* An international domain becomes what stands in DNS. */
static bool
with_ascii_domain(char address[321], const char **why_r)
{
	char *at = strrchr(address, '@'), domain[321];
	enum ll_result r;
	size_t i;

	for (i = 0; address[i] != 0 && ((uint8_t)address[i] & 0x80) == 0; i++)
		;
	if (at == NULL || address[i] == 0 || address + i < at)
		return true;
	r = puny_domain(at + 1, domain, sizeof domain);
	if (r == LL_OK && (size_t)(at + 1 - address) + strlen(domain) <=
	    ADDRESS_MAX) {
		memcpy(at + 1, domain, strlen(domain) + 1);
		return true;
	}
	if (r == LL_USAGE)
		*why_r = "write that international domain name in its xn-- "
		    "form";
	address[0] = 0;
	return false;
}

enum ll_result
clean_address(const char *typed, char out_r[321], const char **why_r)
{
	const char *why, *at;
	size_t len, i;

	out_r[0] = 0;
	while (*typed == ' ' || *typed == '\t')
		typed++;
	len = strlen(typed);
	while (len > 0 && (typed[len - 1] == ' ' || typed[len - 1] == '\t'))
		len--;
	*why_r = "the address is over 254 characters";
	if (len > ADDRESS_MAX)
		return LL_USAGE;
	memcpy(out_r, typed, len);
	out_r[len] = 0;
	if (!with_ascii_domain(out_r, why_r))
		return LL_USAGE;
	len = strlen(out_r);
	at = strrchr(out_r, '@');
	why = at == NULL ? "an address has an @: name@example.org" :
	    check_local(out_r, (size_t)(at - out_r));
	if (why == NULL)
		why = check_domain(at + 1);
	*why_r = why;
	if (why != NULL) {
		out_r[0] = 0;
		return LL_USAGE;
	}
	for (i = (size_t)(at - out_r); i < len; i++)
		if (out_r[i] >= 'A' && out_r[i] <= 'Z')
			out_r[i] = (char)(out_r[i] - 'A' + 'a');
	return LL_OK;
}
