#include "keys/muc.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#define GROUP 4

static const char *const phonetic[32] = {
	"Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven",
	"Eight", "Nine", "Alfa", "Bravo", "Charlie", "Delta", "Echo",
	"Foxtrot", "Golf", "Hotel", "Juliett", "Kilo", "Mike", "November",
	"Papa", "Quebec", "Romeo", "Sierra", "Tango", "Victor", "Whiskey",
	"X-ray", "Yankee", "Zulu"
};

/* v * a in GF(32), a^5 = a^2 + 1, without a branch on v. */
static unsigned
times_a(unsigned v)
{
	v <<= 1;
	return (v ^ (0x25u & (0u - (v >> 5)))) & 0x1f;
}

/* Horner: ((d_n-1 * a + d_n-2) * a + ...) * a */
int
muc_check_symbol(const uint8_t *values, size_t count)
{
	unsigned sum = 0;

	while (count > 0)
		sum = times_a(sum ^ (values[--count] & 0x1fu));
	return (int)sum;
}

void
code_create(size_t symbols, char *text)
{
	uint8_t values[CODE_SYMBOLS_MAX];
	size_t i, at = 0;

	randombytes_buf(values, symbols - 1);
	for (i = 0; i < symbols - 1; i++)
		values[i] &= 0x1f;
	values[symbols - 1] = (uint8_t)muc_check_symbol(values, symbols - 1);
	for (i = 0; i < symbols; i++) {
		if (i > 0 && i % GROUP == 0)
			text[at++] = '-';
		text[at++] = crockford_symbol(values[i]);
	}
	text[at] = 0;
	sodium_memzero(values, sizeof values);
}

/* Bytes of a blank or dash at the start of p: ASCII ones, the no-break space,
 * and the dashes U+2010..2015 that telephones put in by themselves. */
static size_t
filler(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;

	if (*p == ' ' || *p == '-' || (*p >= '\t' && *p <= '\r'))
		return 1;
	if (u[0] == 0xc2 && u[1] == 0xa0)
		return 2;
	if (u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0x90 && u[2] <= 0x95)
		return 3;
	return 0;
}

enum ll_result
code_strip(const char *typed, size_t symbols, char *code_r)
{
	size_t n = 0, skip;
	int v;

	code_r[0] = 0;
	while (*typed != 0) {
		skip = filler(typed);
		typed += skip;
		if (skip > 0)
			continue;
		v = crockford_value(*typed++);
		if (v < 0 || n == symbols)
			goto refuse;
		code_r[n++] = crockford_symbol((unsigned)v);
	}
	if (n != symbols)
		goto refuse;
	code_r[n] = 0;
	return LL_OK;
refuse:
	sodium_memzero(code_r, n);
	return LL_USAGE;
}

enum ll_result
code_parse(const char *typed, size_t symbols, char *code_r)
{
	uint8_t values[CODE_SYMBOLS_MAX];
	enum ll_result r;
	size_t i;

	r = code_strip(typed, symbols, code_r);
	if (r != LL_OK)
		return r;
	for (i = 0; i < symbols; i++)
		values[i] = (uint8_t)crockford_value(code_r[i]);
	if (values[symbols - 1] != muc_check_symbol(values, symbols - 1)) {
		sodium_memzero(code_r, symbols);
		r = LL_AUTH;
	}
	sodium_memzero(values, sizeof values);
	return r;
}

void
muc_create(char text[MUC_TEXT + 1])
{
	code_create(MUC_SYMBOLS, text);
}

enum ll_result
muc_parse(const char *typed, char code_r[MUC_SYMBOLS + 1])
{
	return code_parse(typed, MUC_SYMBOLS, code_r);
}

void
muc_phonetic(const char *code, char *text, size_t room)
{
	size_t at = 0, n = 0;
	int v, wrote;

	if (room == 0)
		return;
	text[0] = 0;
	for (; *code != 0; code++) {
		v = crockford_value(*code);
		if (v < 0)
			continue;
		wrote = snprintf(text + at, room - at, "%s%s", n == 0 ? "" :
		    n % GROUP == 0 ? ", " : " ", phonetic[v]);
		if (wrote < 0 || (size_t)wrote >= room - at)
			return;
		at += (size_t)wrote;
		n++;
	}
}

void
link_locator_hash(const struct id *locator, uint8_t out[HASH_BYTES])
{
	/* Can't fail: the label is known, there is no key, the input short. */
	if (derive_bytes(LABEL_LOCATOR, NULL, 0, locator->b, ID_BYTES, out) !=
	    LL_OK)
		memset(out, 0, HASH_BYTES);
}

enum ll_result
link_stretch(const char code[MUC_SYMBOLS + 1],
    const uint8_t locator_hash[HASH_BYTES], uint32_t memory_mib,
    uint32_t passes, struct secret *x_r)
{
	struct kdf_params p = { memory_mib, passes, { 0 } };

	memcpy(p.salt, locator_hash, sizeof p.salt);
	return kdf_run(code, MUC_SYMBOLS, &p, x_r);
}

enum ll_result
link_proof(const struct id *link_secret, const struct secret *x,
    uint8_t out[HASH_BYTES])
{
	return derive_bytes(LABEL_LINK_PROOF, x->data, x->len, link_secret->b,
	    ID_BYTES, out);
}

enum ll_result
link_key(const uint8_t pepper[KEY_BYTES], const struct id *link_secret,
    const struct secret *x, struct secret *key_r)
{
	struct tlv_out input;
	enum ll_result r;

	tlv_out_init_secret(&input, 2 * TLV_HEAD + ID_BYTES + x->len);
	tlv_put_id(&input, 1, link_secret);
	tlv_put_bytes(&input, 2, x->data, x->len);
	r = secret_init(key_r, KEY_BYTES);
	if (r == LL_OK)
		r = derive(LABEL_LINK_KEY, pepper, KEY_BYTES, &input,
		    key_r->data);
	if (r != LL_OK)
		secret_finish(key_r);
	tlv_out_finish(&input);
	return r;
}
