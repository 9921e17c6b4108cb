/*
 * id.h - 128-bit identifiers and Crockford's base32.
 *
 * Every object (user, message, draft, delivery, link locator) has a random
 * 128-bit id.  In text it is 26 Crockford base32 symbols, upper case, most
 * significant bits first (the first symbol carries 3 bits).
 */
#ifndef LL_ID_H
#define LL_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define ID_BYTES 16
#define ID_TEXT 26

struct id {
	uint8_t b[ID_BYTES];
};

/* A fresh random id. */
void id_random(struct id *id);

/* Writes 26 symbols and a NUL into text. */
void id_text(const struct id *id, char text[ID_TEXT + 1]);

/* Reads exactly 26 symbols (any case, I L O as 1 1 0).  LL_USAGE otherwise. */
LL_MUST enum ll_result id_parse(const char *text, struct id *id_r);

/* Reads a prefix of 4..26 symbols as the range [low_r, high_r] of ids that
 * begin with it.  LL_USAGE for anything else. */
LL_MUST enum ll_result id_prefix(const char *text, struct id *low_r,
    struct id *high_r);

/* Plain comparison: ids are names, not secrets. */
bool id_equal(const struct id *a, const struct id *b);

/* The value 0..31 of a Crockford symbol (any case; O=0, I=L=1), or -1. */
int crockford_value(char c);

/* The symbol of a value 0..31, upper case. */
char crockford_symbol(unsigned v);

/* The 32 symbols, in order of value. */
extern const char crockford_symbols[33];

/* Writes ceil(8*len/5) symbols, first symbol padded with zero bits on the
 * left, and a NUL.  text must have room. */
void crockford_encode(const uint8_t *bytes, size_t len, char *text);

/* The reverse, for exactly ceil(8*len/5) symbols; LL_USAGE for any other
 * length, a foreign symbol, or padding bits that are set. */
LL_MUST enum ll_result crockford_decode(const char *text, uint8_t *bytes,
    size_t len);

#endif
