/*
 * fuzz_address.c - what is accepted as an address can break out of no header,
 * no SMTP command, and is accepted again as it stands.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char out[321], again[321], *typed;
	const char *why, *p;

	typed = malloc(len + 1);
	if (typed == NULL)
		return 0;
	memcpy(typed, data, len);
	typed[len] = 0;
	if (clean_address(typed, out, &why) == LL_OK) {
		if (why != NULL || strlen(out) > 254)
			abort();
		for (p = out; *p != 0; p++)
			if (*p <= ' ' || *p > '~' ||
			    strchr("<>\"(),:;[]\\", *p) != NULL)
				abort();
		if (strchr(out, '@') == NULL ||
		    strchr(out, '@') != strrchr(out, '@'))
			abort();
		if (clean_address(out, again, &why) != LL_OK ||
		    strcmp(out, again) != 0)
			abort();
	} else if (why == NULL || out[0] != 0) {
		abort();
	}
	free(typed);
	return 0;
}
