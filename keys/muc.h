/*
 * muc.h - message unlock codes, site words, and the two-channel key.
 *
 * A MUC is 12 Crockford symbols XXXX-XXXX-XXXX: 11 random ones d0..d10 and a
 * check symbol, the sum of a^i * d_i over GF(32) with a^5 = a^2 + 1 (i = 1 for
 * d0), which catches every single wrong symbol and every swap of two.
 */
#ifndef LL_MUC_H
#define LL_MUC_H

#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/kdf.h"
#include "keys/result.h"
#include "keys/seal.h"

#define MUC_SYMBOLS 12
#define MUC_TEXT 14                     /* with two dashes */
#define MUC_PHONETIC_MAX 160
#define SITE_WORD_MAX 12

/* --- codes with a check symbol: the MUC's and the ticket's --- */

#define CODE_SYMBOLS_MAX 31             /* where the check still holds */

/* symbols - 1 random symbols and the check symbol, in groups of four with
 * dashes: text has room for symbols + (symbols - 1) / 4 + 1 bytes. */
void code_create(size_t symbols, char *text);

/* Normalises (case, blanks, dashes, O=0, I=L=1) to exactly `symbols` symbols
 * and a NUL; LL_USAGE otherwise.  The check symbol is not looked at. */
LL_MUST enum ll_result code_strip(const char *typed, size_t symbols,
    char *code_r);

/* code_strip, and LL_AUTH when the check symbol is wrong.  On failure code_r
 * is wiped. */
LL_MUST enum ll_result code_parse(const char *typed, size_t symbols,
    char *code_r);

/* A fresh code, text with dashes. */
void muc_create(char text[MUC_TEXT + 1]);

/* Check symbol (0..31) of count values 0..31; count at most 30. */
int muc_check_symbol(const uint8_t *values, size_t count);

/* Normalises what a person typed: any case; blanks and dashes ignored; O=0,
 * I=L=1.  LL_USAGE: not 12 symbols.  LL_AUTH: the check symbol is wrong (a
 * typo; costs no try).  code_r: the 12 symbols without dashes. */
LL_MUST enum ll_result muc_parse(const char *typed,
    char code_r[MUC_SYMBOLS + 1]);

/* "Seven Kilo Quebec Four, ...": the line a sender reads out.  code: with or
 * without dashes; text has room bytes (MUC_PHONETIC_MAX always suffices). */
void muc_phonetic(const char *code, char *text, size_t room);

/* The two site words of a link secret, from a table of 256 short words. */
void site_words(const struct id *link_secret, char first[SITE_WORD_MAX],
    char second[SITE_WORD_MAX]);

/* H(locator): what the store keeps; its first 16 bytes are the Argon2 salt. */
void link_locator_hash(const struct id *locator, uint8_t out[HASH_BYTES]);

/* X = Argon2id(code, salt from locator hash); errors are kdf_run's. */
LL_MUST enum ll_result link_stretch(const char code[MUC_SYMBOLS + 1],
    const uint8_t locator_hash[HASH_BYTES], uint32_t memory_mib,
    uint32_t passes, struct secret *x_r);

/* Verifier derive(LINK_PROOF, link secret, X): what the portal shows. */
LL_MUST enum ll_result link_proof(const struct id *link_secret,
    const struct secret *x, uint8_t out[HASH_BYTES]);

/* The key that wraps the message key: derive(LINK_KEY, pepper, secret, X). */
LL_MUST enum ll_result link_key(const uint8_t pepper[KEY_BYTES],
    const struct id *link_secret, const struct secret *x,
    struct secret *key_r);

#endif
