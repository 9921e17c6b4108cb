#include "keys/id.h"

#include <string.h>

#include <sodium.h>

#define PREFIX_MIN 4

const char crockford_symbols[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int
crockford_value(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	if (c == 0)
		return -1;
	at = strchr(crockford_symbols, c);
	return at == NULL ? -1 : (int)(at - crockford_symbols);
}

void
crockford_encode(const uint8_t *bytes, size_t len, char *text)
{
	size_t symbols = (8 * len + 4) / 5, bits = 5 * symbols - 8 * len;
	size_t i, at = 0;
	uint32_t have = 0;

	for (i = 0; i < len; i++) {
		have = (have & 0x1f) << 8 | bytes[i];
		for (bits += 8; bits >= 5; bits -= 5)
			text[at++] =
			    crockford_symbols[have >> (bits - 5) & 0x1f];
	}
	text[at] = 0;
}

enum ll_result
crockford_decode(const char *text, uint8_t *bytes, size_t len)
{
	size_t symbols = (8 * len + 4) / 5, pad = 5 * symbols - 8 * len;
	size_t i, at = 0, bits = 0;
	uint32_t have = 0;
	int v;

	if (strlen(text) != symbols)
		return LL_USAGE;
	for (i = 0; i < symbols; i++) {
		v = crockford_value(text[i]);
		if (v < 0)
			return LL_USAGE;
		if (i == 0 && v >> (5 - pad) != 0)
			return LL_USAGE;
		have = (have & 0xff) << 5 | (uint32_t)v;
		bits += i == 0 ? 5 - pad : 5;
		if (bits >= 8) {
			bits -= 8;
			bytes[at++] = (uint8_t)(have >> bits);
		}
	}
	return LL_OK;
}

void
id_random(struct id *id)
{
	randombytes_buf(id->b, sizeof id->b);
}

void
id_text(const struct id *id, char text[ID_TEXT + 1])
{
	crockford_encode(id->b, sizeof id->b, text);
}

enum ll_result
id_parse(const char *text, struct id *id_r)
{
	return crockford_decode(text, id_r->b, sizeof id_r->b);
}

enum ll_result
id_prefix(const char *text, struct id *low_r, struct id *high_r)
{
	char low[ID_TEXT + 1], high[ID_TEXT + 1];
	size_t len = strlen(text);
	enum ll_result r;

	if (len < PREFIX_MIN || len > ID_TEXT)
		return LL_USAGE;
	memset(low, '0', ID_TEXT);
	memset(high, 'Z', ID_TEXT);
	memcpy(low, text, len);
	memcpy(high, text, len);
	low[ID_TEXT] = high[ID_TEXT] = 0;
	r = id_parse(low, low_r);
	if (r == LL_OK)
		r = id_parse(high, high_r);
	return r;
}

bool
id_equal(const struct id *a, const struct id *b)
{
	return sodium_memcmp(a->b, b->b, ID_BYTES) == 0;
}
