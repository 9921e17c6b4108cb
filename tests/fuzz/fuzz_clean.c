/*
 * fuzz_clean.c - foreign text and file names: valid UTF-8 comes out, nothing
 * hidden is in it, and a second pass changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_text(const char *text, size_t len, int mode)
{
	char *once, *twice;
	size_t n;

	if (clean_text(text, len, mode, &once) != LL_OK)
		abort();
	n = strlen(once);
	if (!utf8_valid(once, n) || !clean_is(once, n, mode))
		abort();
	if (clean_is(text, len, mode) &&
	    (n != len || (len > 0 && memcmp(once, text, len) != 0)))
		abort();
	if (clean_text(once, n, mode, &twice) != LL_OK ||
	    strcmp(once, twice) != 0)
		abort();
	free(once);
	free(twice);
}

static void
check_name(const char *text, size_t len)
{
	char *name, *again;

	if (clean_file_name(text, len, &name) != LL_OK)
		return;
	if (name[0] == 0 || name[0] == '.' || name[0] == '-' ||
	    strlen(name) > 200 || strpbrk(name, "/\\\"\r\n") != NULL ||
	    !clean_is(name, strlen(name), CLEAN_LINE))
		abort();
	if (clean_file_name(name, strlen(name), &again) != LL_OK)
		abort();
	free(name);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;

	check_text(text, len, CLEAN_LINE);
	check_text(text, len, CLEAN_BLOCK);
	check_name(text, len);
	return 0;
}
