#include "keys/write.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include "keys/clean.h"

#define NAME_MAX_BYTES 200
#define WORD_BYTES 42          /* source bytes of one encoded word */
#define PLAIN_MAX 900          /* a line has at most 998 */

void
write_line(struct tlv_out *o, const char *format, ...)
{
	char line[2048];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof line) {
		if (o->err == LL_OK)
			o->err = LL_TOOBIG;
		return;
	}
	tlv_put_raw(o, line, (size_t)n);
}

static bool
has_control(const char *text)
{
	for (; *text != 0; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

bool
write_person(struct job *job, struct tlv_view nest, const char **address_r,
    const char **name_r)
{
	const char *why = NULL;
	char address[321];

	*name_r = NULL;
	if (job_text(nest, PARSE_F_ADDRESS, address_r) != LL_OK ||
	    *address_r == NULL || job_text(nest, PARSE_F_NAME, name_r) != LL_OK)
		return job_fail(job, LL_USAGE, "An address is missing or is "
		    "no text."), false;
	if (clean_address(*address_r, address, &why) != LL_OK)
		return job_fail(job, LL_USAGE, "An address can't be used: %s",
		    why != NULL ? why : "it is no e-mail address"), false;
	if (*name_r == NULL)
		*name_r = "";
	if (has_control(*name_r) || strlen(*name_r) > NAME_MAX_BYTES)
		return job_fail(job, LL_USAGE, "The name of %s has a line feed "
		    "or control character in it, or is too long.", address),
		    false;
	return true;
}

static bool
needs_words(const char *text)
{
	const char *p;

	for (p = text; *p != 0; p++)
		if ((unsigned char)*p >= 0x80)
			return true;
	return p - text > PLAIN_MAX || strstr(text, "=?") != NULL;
}

/* RFC 2047: encoded words of whole characters, each on a line of its own. */
static void
put_words(struct tlv_out *o, const char *text)
{
	char word[80];
	size_t left = strlen(text), n;
	bool first = true;

	for (; left > 0; left -= n, text += n, first = false) {
		n = left < WORD_BYTES ? left : WORD_BYTES;
		while (n < left && n > 1 && ((unsigned char)text[n] & 0xc0) ==
		    0x80)
			n--;
		sodium_bin2base64(word, sizeof word, (const uint8_t *)text, n,
		    sodium_base64_VARIANT_ORIGINAL);
		write_line(o, "%s=?utf-8?B?%s?=", first ? "" : "\r\n ", word);
	}
}

/* Blanks are where a long line may be folded. */
static void
put_folded(struct tlv_out *o, const char *text, size_t column)
{
	const char *end;

	while (*text != 0) {
		end = text + 1;
		while (*end != 0 && *end != ' ')
			end++;
		if (*text == ' ' && end > text + 1 &&
		    column + (size_t)(end - text) > 76) {
			tlv_put_raw(o, "\r\n", 2);
			column = 0;
		}
		tlv_put_raw(o, text, (size_t)(end - text));
		column += (size_t)(end - text);
		text = end;
	}
}

void
write_field(struct tlv_out *o, const char *name, const char *text)
{
	write_line(o, "%s: ", name);
	if (needs_words(text))
		put_words(o, text);
	else
		put_folded(o, text, strlen(name) + 2);
	tlv_put_raw(o, "\r\n", 2);
}

static void
put_name(struct tlv_out *o, const char *name)
{
	if (needs_words(name)) {
		put_words(o, name);
		return;
	}
	tlv_put_raw(o, "\"", 1);
	for (; *name != 0; name++) {
		if (*name == '"' || *name == '\\')
			tlv_put_raw(o, "\\", 1);
		tlv_put_raw(o, name, 1);
	}
	tlv_put_raw(o, "\"", 1);
}

enum ll_result
write_people(struct job *job, struct tlv_out *o, const char *name,
    uint8_t tag)
{
	const char *address, *called;
	struct tlv_view nest;
	size_t at = 0, n = 0;

	while (job_each(job_view(&job->fields), tag, &at, &nest)) {
		if (!write_person(job, nest, &address, &called))
			return LL_USAGE;
		if (n++ == 0)
			write_line(o, "%s: ", name);
		else
			tlv_put_raw(o, ",\r\n ", 4);
		if (called[0] != 0) {
			put_name(o, called);
			write_line(o, " <%s>", address);
		} else
			write_line(o, "%s", address);
	}
	if (n > 0)
		tlv_put_raw(o, "\r\n", 2);
	return o->err;
}

void
write_base64(struct tlv_out *o, const uint8_t *p, size_t len)
{
	char line[80];
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len < 57 ? len : 57;
		(void)EVP_EncodeBlock((unsigned char *)line, p, (int)n);
		tlv_put_raw(o, line, strlen(line));
		tlv_put_raw(o, "\r\n", 2);
	}
}

void
write_boundary(char boundary[40])
{
	uint8_t chance[16];

	/* "=_" is in no base64 and no quoted-printable text. */
	memcpy(boundary, "=_", 2);
	randombytes_buf(chance, sizeof chance);
	sodium_bin2hex(boundary + 2, 38, chance, sizeof chance);
}
