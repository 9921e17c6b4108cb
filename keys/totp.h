/*
 * totp.h - time-based one-time passwords (RFC 6238, SHA-1, 6 digits, 30 s).
 *
 * SHA-1 and HMAC are libsodium's business only for SHA-2, so the few lines of
 * SHA-1 come from nettle.
 */
#ifndef LL_TOTP_H
#define LL_TOTP_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "keys/secret.h"

#define TOTP_SEED_BYTES 20
#define TOTP_SEED_MIN 10                /* bytes: 80 bits */
#define TOTP_SEED_MAX 64
#define TOTP_DIGITS 6
#define TOTP_STEP_SECS 30
#define TOTP_BASE32_MAX 104             /* text of a 64-byte seed, and NUL */
#define TOTP_URI_MAX 600

/* The code of one step (unix time / 30) as 6 digits and NUL. */
void totp_code(const void *seed, size_t len, uint64_t step,
    char code[TOTP_DIGITS + 1]);

/* Compares a typed code (blanks ignored) with steps now-1, now, now+1 in
 * constant time.  LL_OK with the matching step in *step_r; LL_USED when it
 * matches but step <= last_step; LL_AUTH otherwise. */
LL_MUST enum ll_result totp_verify(const void *seed, size_t len,
    const char *typed, uint64_t unix_time, uint64_t last_step,
    uint64_t *step_r);

/* RFC 4648 base32 without padding; text has TOTP_BASE32_MAX bytes. */
void totp_base32(const void *seed, size_t len, char *text);
/* Any case, blanks, dashes, padding ignored; 10..64 bytes.  LL_USAGE. */
LL_MUST enum ll_result totp_parse(const char *text, struct secret *seed_r);

/* otpauth://totp/ISSUER:USER?secret=...&issuer=ISSUER, kept short so that the
 * QR code fits 24 rows.  LL_TOOBIG. */
LL_MUST enum ll_result totp_uri(const void *seed, size_t len,
    const char *issuer, const char *user, char text[TOTP_URI_MAX]);

#endif
