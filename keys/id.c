#include "keys/id.h"

#include <string.h>

#include <sodium.h>

#define PREFIX_MIN 4

const char crockford_symbols[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Codes are secrets: neither a branch nor an address depends on a symbol. */
static uint32_t
is_equal(uint32_t a, uint32_t b)
{
	return ((a ^ b) - 1) >> 31;
}

/* 1 when a is over b; both below 2^31. */
static uint32_t
is_over(uint32_t a, uint32_t b)
{
	return (b - a) >> 31;
}

int
crockford_value(char c)
{
	uint32_t u = (uint8_t)c, value = 0, i;

	u -= 32 * (is_over(u, 'a' - 1) & is_over('z' + 1, u));
	u -= is_equal(u, 'O') * ('O' - '0');
	u -= is_equal(u, 'I') * ('I' - '1');
	u -= is_equal(u, 'L') * ('L' - '1');
	for (i = 0; i < 32; i++)
		value += is_equal(u, (uint8_t)crockford_symbols[i]) * (i + 1);
	return (int)value - 1;
}

/* The letters go on at 10 and leave out I, L, O and U. */
char
crockford_symbol(unsigned v)
{
	return (char)('0' + v + 7 * is_over(v, 9) + is_over(v, 17) +
	    is_over(v, 19) + is_over(v, 21) + is_over(v, 26));
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
			text[at++] = crockford_symbol(
			    have >> (bits - 5) & 0x1f);
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
