/*
 * unit.h - what every unit test includes: cmocka and its prerequisites.
 */
#ifndef LL_UNIT_H
#define LL_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "keys/result.h"

/* Asserts a result by its name's text, so that a failure reads as words. */
#define assert_result(got, want) \
	assert_string_equal(ll_result_text(got), ll_result_text(want))
#define assert_ok(got) assert_result(got, LL_OK)

/* Reads hex (blanks allowed) into at most room bytes; their number. */
static inline size_t
unit_hex(const char *hex, uint8_t *out, size_t room)
{
	size_t len = 0;

	assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), " \n",
	    &len, NULL), 0);
	return len;
}

#endif
