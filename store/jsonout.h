/*
 * jsonout.h - JSON for scripts (CONTRACT.md), through libjansson; every text
 * passes clean_text on its way.
 *
 * Users of these link with -ljansson.
 */
#ifndef LL_JSONOUT_H
#define LL_JSONOUT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "keys/result.h"

/* A new string value of foreign text, controls and invisible characters
 * marked; newlines stay.  NULL when memory is refused (jansson's setters then
 * fail too). */
json_t *jsonout_text(const char *text);
/* RFC 3339 in UTC; JSON null for 0. */
json_t *jsonout_time(uint64_t unix_time);
/* RFC 3339 in UTC as text; "-" for 0. */
void jsonout_time_text(uint64_t unix_time, char text[24]);
/* Writes value on one line and drops the reference.  LL_NOMEM for NULL, LL_IO
 * when out refuses it. */
LL_MUST enum ll_result jsonout_print(FILE *out, json_t *value);

#endif
