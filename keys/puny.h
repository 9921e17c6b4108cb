/*
 * puny.h - international domain names in ASCII (RFC 3492, RFC 5890), so that
 * letters which look like others are seen.
 */
#ifndef LL_PUNY_H
#define LL_PUNY_H

#include <stddef.h>

#include "keys/result.h"

/* Writes the domain (UTF-8) with each label that is not ASCII in its xn-- form
 * and NUL, at most room bytes; capitals of Latin-1, Greek and Cyrillic become
 * small before.  LL_USAGE for what is no UTF-8, for combining marks and for
 * code points that no domain name has; LL_TOOBIG. */
LL_MUST enum ll_result puny_domain(const char *domain, char *out_r,
    size_t room);

#endif
