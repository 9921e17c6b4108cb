#include "server/relay_wkd.h"

#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include <nettle/sha1.h>

#define ESCAPED (3 * 254 + 1)

void
wkd_hash(const char *local, size_t len, char hash_r[WKD_HASH])
{
	static const char symbols[] = "ybndrfg8ejkmcpqxot1uwisza345h769";
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx ctx;
	unsigned bits = 0, have = 0, i, n = 0;
	uint8_t lower;

	sha1_init(&ctx);
	for (; len > 0; len--, local++) {
		lower = (uint8_t)*local;
		if (lower >= 'A' && lower <= 'Z')
			lower = (uint8_t)(lower - 'A' + 'a');
		sha1_update(&ctx, 1, &lower);
	}
	sha1_digest(&ctx, sizeof(digest), digest);
	/* 160 bits are 32 symbols of five */
	for (i = 0; i < sizeof(digest); i++) {
		bits = (bits << 8 | digest[i]) & 0xfff;
		for (have += 8; have >= 5; have -= 5)
			hash_r[n++] = symbols[bits >> (have - 5) & 31];
	}
	hash_r[n] = '\0';
}

/* Percent-encodes all but what RFC 3986 leaves alone. */
static void
escape(const char *text, size_t len, char out[ESCAPED])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	size_t n = 0, i;

	for (i = 0; i < len && n + 4 < ESCAPED; i++)
		if (strchr(plain, text[i]) != NULL)
			out[n++] = text[i];
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X",
			    (unsigned)(uint8_t)text[i]);
	out[n] = '\0';
}

static enum ll_result
done(int n)
{
	return n > 0 && n < WKD_URL ? LL_OK : LL_USAGE;
}

enum ll_result
wkd_advanced(const char *address, char url_r[WKD_URL])
{
	const char *at = strrchr(address, '@');
	char hash[WKD_HASH], local[ESCAPED];

	if (at == NULL || at == address)
		return LL_USAGE;
	wkd_hash(address, (size_t)(at - address), hash);
	escape(address, (size_t)(at - address), local);
	return done(snprintf(url_r, WKD_URL, "https://openpgpkey.%s/"
	    ".well-known/openpgpkey/%s/hu/%s?l=%s", at + 1, at + 1, hash,
	    local));
}

enum ll_result
wkd_direct(const char *address, char url_r[WKD_URL])
{
	const char *at = strrchr(address, '@');
	char hash[WKD_HASH], local[ESCAPED];

	if (at == NULL || at == address)
		return LL_USAGE;
	wkd_hash(address, (size_t)(at - address), hash);
	escape(address, (size_t)(at - address), local);
	return done(snprintf(url_r, WKD_URL, "https://%s/.well-known/"
	    "openpgpkey/hu/%s?l=%s", at + 1, hash, local));
}

enum ll_result
wkd_keyserver(const char *server, const char *address, char url_r[WKD_URL])
{
	const char *host = strstr(server, "://");
	char escaped[ESCAPED];

	if (host == NULL || strchr(address, '@') == NULL)
		return LL_USAGE;
	escape(address, strlen(address), escaped);
	if (strncmp(server, "hkps://", 7) == 0)
		return done(snprintf(url_r, WKD_URL, "https://%s/pks/lookup"
		    "?op=get&options=mr&search=%s", host + 3, escaped));
	return done(snprintf(url_r, WKD_URL, "https://%s/vks/v1/by-email/%s",
	    host + 3, escaped));
}
