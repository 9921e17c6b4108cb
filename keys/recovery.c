#include <string.h>

#include "keys/muc.h"
#include "keys/vault.h"

#define RECOVERY_BYTES 20
#define TICKET_SYMBOLS 20
#define GROUP 4

_Static_assert(RECOVERY_BYTES * 8 == RECOVERY_SYMBOLS * 5, "recovery code");
_Static_assert(TICKET_SYMBOLS + (TICKET_SYMBOLS - 1) / GROUP == TICKET_TEXT,
    "ticket");

enum ll_result
recovery_create(char text[RECOVERY_TEXT + 1], struct secret *a_r)
{
	char symbols[RECOVERY_SYMBOLS + 1];
	enum ll_result r;
	size_t i, at = 0;

	r = secret_random(a_r, RECOVERY_BYTES);
	if (r != LL_OK)
		return r;
	crockford_encode(a_r->data, RECOVERY_BYTES, symbols);
	for (i = 0; i < RECOVERY_SYMBOLS; i++) {
		if (i > 0 && i % GROUP == 0)
			text[at++] = '-';
		text[at++] = symbols[i];
	}
	text[at] = 0;
	sodium_memzero(symbols, sizeof symbols);
	return LL_OK;
}

enum ll_result
recovery_parse(const char *text, struct secret *a_r)
{
	char symbols[RECOVERY_SYMBOLS + 1];
	enum ll_result r;

	a_r->len = 0;
	a_r->data = NULL;
	r = code_strip(text, RECOVERY_SYMBOLS, symbols);
	if (r == LL_OK)
		r = secret_init(a_r, RECOVERY_BYTES);
	if (r == LL_OK)
		r = crockford_decode(symbols, a_r->data, RECOVERY_BYTES);
	if (r != LL_OK)
		secret_finish(a_r);
	sodium_memzero(symbols, sizeof symbols);
	return r;
}

void
ticket_create(char text[TICKET_TEXT + 1])
{
	code_create(TICKET_SYMBOLS, text);
}

enum ll_result
ticket_parse(const char *text, uint8_t hash_r[HASH_BYTES])
{
	char symbols[TICKET_SYMBOLS + 1];
	enum ll_result r;

	memset(hash_r, 0, HASH_BYTES);
	r = code_parse(text, TICKET_SYMBOLS, symbols);
	if (r == LL_OK)
		r = derive_bytes(LABEL_TOKEN, NULL, 0, symbols, TICKET_SYMBOLS,
		    hash_r);
	sodium_memzero(symbols, sizeof symbols);
	return r;
}
