#include "keys/totp.h"

#include <string.h>

#include <nettle/hmac.h>
#include <sodium.h>

#define CODE_RANGE 1000000

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* RFC 4226 section 5.3: four bytes from where the last byte's low half says,
 * without an address that depends on it. */
static uint32_t
truncate_mac(const uint8_t mac[SHA1_DIGEST_SIZE])
{
	uint32_t at = mac[SHA1_DIGEST_SIZE - 1] & 0x0f, n = 0, i, four, mask;

	for (i = 0; i < 16; i++) {
		four = (mac[i] & 0x7fu) << 24 | (uint32_t)mac[i + 1] << 16 |
		    (uint32_t)mac[i + 2] << 8 | mac[i + 3];
		mask = 0 - (((i ^ at) - 1) >> 31);
		n |= four & mask;
	}
	return n;
}

void
totp_code(const void *seed, size_t len, uint64_t step,
    char code[TOTP_DIGITS + 1])
{
	uint8_t counter[8], mac[SHA1_DIGEST_SIZE];
	struct hmac_sha1_ctx ctx;
	uint32_t n;
	int i;

	for (i = 0; i < 8; i++)
		counter[i] = (uint8_t)(step >> (56 - 8 * i));
	hmac_sha1_set_key(&ctx, len, seed);
	hmac_sha1_update(&ctx, sizeof counter, counter);
	hmac_sha1_digest(&ctx, sizeof mac, mac);
	n = truncate_mac(mac) % CODE_RANGE;
	for (i = TOTP_DIGITS - 1; i >= 0; i--) {
		code[i] = (char)('0' + n % 10);
		n /= 10;
	}
	code[TOTP_DIGITS] = 0;
	sodium_memzero(&ctx, sizeof ctx);
	sodium_memzero(mac, sizeof mac);
}

static enum ll_result
read_digits(const char *typed, char code[TOTP_DIGITS])
{
	size_t n = 0;

	for (; *typed != 0; typed++) {
		if (*typed == ' ' || *typed == '\t')
			continue;
		if (*typed < '0' || *typed > '9' || n == TOTP_DIGITS)
			return LL_AUTH;
		code[n++] = *typed;
	}
	return n == TOTP_DIGITS ? LL_OK : LL_AUTH;
}

enum ll_result
totp_verify(const void *seed, size_t len, const char *typed,
    uint64_t unix_time, uint64_t last_step, uint64_t *step_r)
{
	uint64_t now = unix_time / TOTP_STEP_SECS, step;
	char want[TOTP_DIGITS + 1], have[TOTP_DIGITS];
	enum ll_result r = LL_AUTH;
	int i, equal;

	*step_r = 0;
	if (read_digits(typed, have) != LL_OK)
		return LL_AUTH;
	/* All three are computed and compared, whichever matches. */
	for (i = -1; i <= 1; i++) {
		if (i < 0 && now == 0)
			continue;
		step = now + (uint64_t)(int64_t)i;
		totp_code(seed, len, step, want);
		equal = sodium_memcmp(want, have, TOTP_DIGITS) == 0;
		if (equal && step > last_step) {
			*step_r = step;
			r = LL_OK;
		} else if (equal && r == LL_AUTH) {
			r = LL_USED;
		}
	}
	sodium_memzero(want, sizeof want);
	sodium_memzero(have, sizeof have);
	return r;
}

void
totp_base32(const void *seed, size_t len, char *text)
{
	const uint8_t *p = seed;
	size_t i, bits = 0;
	uint32_t have = 0;

	for (i = 0; i < len; i++) {
		have = (have & 0x1f) << 8 | p[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*text++ = base32[have >> (bits - 5) & 0x1f];
	}
	if (bits > 0)
		*text++ = base32[have << (5 - bits) & 0x1f];
	*text = 0;
	sodium_memzero(&have, sizeof have);
}

static int
base32_value(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	at = c == 0 ? NULL : strchr(base32, c);
	return at == NULL ? -1 : (int)(at - base32);
}

/* Other tools draw seeds of any length as base32 and drop the odd bits at the
 * end, so those are dropped here too. */
enum ll_result
totp_parse(const char *text, struct secret *seed_r)
{
	uint8_t b[TOTP_SEED_MAX];
	size_t symbols = 0, len = 0, bits = 0;
	uint32_t have = 0;
	enum ll_result r = LL_USAGE;
	int v, padding = 0;

	seed_r->len = 0;
	seed_r->data = NULL;
	for (; *text != 0; text++) {
		if (*text == ' ' || *text == '\t' || *text == '-')
			continue;
		padding |= *text == '=';
		v = base32_value(*text);
		if (padding && *text == '=')
			continue;
		if (padding || v < 0)
			goto out;
		symbols++;
		have = (have & 0xff) << 5 | (uint32_t)v;
		bits += 5;
		if (bits < 8)
			continue;
		bits -= 8;
		if (len == sizeof b)
			goto out;
		b[len++] = (uint8_t)(have >> bits);
	}
	/* 1, 3 or 6 symbols over make no whole byte: something is missing. */
	if (symbols % 8 == 1 || symbols % 8 == 3 || symbols % 8 == 6)
		goto out;
	if (len < TOTP_SEED_MIN)
		goto out;
	r = secret_copy(seed_r, b, len);
out:
	sodium_memzero(b, sizeof b);
	sodium_memzero(&have, sizeof have);
	return r;
}

static int
unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != 0 && strchr("-._~", c) != NULL);
}

/* Appends text, percent-encoded (RFC 3986); false when there is no room. */
static int
append(char uri[TOTP_URI_MAX], size_t *at, const char *text, int encode)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t need;
	uint8_t c;

	for (; *text != 0; text++) {
		c = (uint8_t)*text;
		need = !encode || unreserved(*text) ? 1 : 3;
		if (*at + need >= TOTP_URI_MAX)
			return 0;
		if (need == 1) {
			uri[(*at)++] = *text;
			continue;
		}
		uri[(*at)++] = '%';
		uri[(*at)++] = hex[c >> 4];
		uri[(*at)++] = hex[c & 15];
	}
	uri[*at] = 0;
	return 1;
}

enum ll_result
totp_uri(const void *seed, size_t len, const char *issuer, const char *user,
    char text[TOTP_URI_MAX])
{
	char secret[TOTP_BASE32_MAX];
	size_t at = 0;
	int fits;

	text[0] = 0;
	if (len > TOTP_SEED_MAX)
		return LL_TOOBIG;
	totp_base32(seed, len, secret);
	fits = append(text, &at, "otpauth://totp/", 0) &&
	    append(text, &at, issuer, 1) && append(text, &at, ":", 0) &&
	    append(text, &at, user, 1) && append(text, &at, "?secret=", 0) &&
	    append(text, &at, secret, 0) && append(text, &at, "&issuer=", 0) &&
	    append(text, &at, issuer, 1);
	sodium_memzero(secret, sizeof secret);
	if (fits)
		return LL_OK;
	sodium_memzero(text, TOTP_URI_MAX);
	return LL_TOOBIG;
}
