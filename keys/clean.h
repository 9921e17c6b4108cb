/*
 * clean.h - foreign text made safe to show.
 *
 * Controls (C0, DEL, C1), bidi controls, invisible and tag characters, and
 * bytes that are not UTF-8 are replaced by visible marks, so that text from
 * outside can neither move a cursor nor reverse or hide what is read.  What is
 * replaced shows as <U+202E> or <0x9B>.  Used before every screen, page, log
 * line and exec output.
 */
#ifndef LL_CLEAN_H
#define LL_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define CLEAN_LINE 0        /* newline and tab are marked as well */
#define CLEAN_BLOCK 1       /* newline and tab stay; CRLF becomes LF */

/* *out_r: malloc'd, NUL-terminated, valid UTF-8.  len may cover NULs. */
LL_MUST enum ll_result clean_text(const char *text, size_t len, int mode,
    char **out_r);

/* True when clean_text would change nothing. */
bool clean_is(const char *text, size_t len, int mode);

/* True for a code point that clean_text replaces. */
bool clean_marks(uint32_t code_point, int mode);

/* A file name from outside: path parts and leading dots go, controls, bidi,
 * invisible characters, slashes, and characters that shells or headers mind
 * become '_'; at most 200 bytes on a character border; never empty. */
LL_MUST enum ll_result clean_file_name(const char *name, size_t len,
    char **out_r);

/* An e-mail address as we accept it: local@domain, printable ASCII in the
 * local part without blanks, quotes or angle brackets, domain of LDH labels
 * (an international one becomes xn--, so that a letter that looks like another
 * is seen), 254 bytes; out_r has 321 bytes and gets the domain in lower case.
 * LL_USAGE with a sentence in *why_r. */
LL_MUST enum ll_result clean_address(const char *typed, char out_r[321],
    const char **why_r);

#endif
