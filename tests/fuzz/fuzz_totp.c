/*
 * fuzz_totp.c - typed codes and seeds: nothing but the right six digits
 * verifies, and a seed that was read encodes to one that reads the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/totp.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_setup(0) == LL_OK ? 0 : 1;
}

static const char seed[] = "12345678901234567890";

static void
check_code(const char *typed)
{
	char code[TOTP_DIGITS + 1];
	size_t n = 0;
	uint64_t step;
	const char *p;

	if (totp_verify(seed, sizeof seed - 1, typed, 59, 0, &step) != LL_OK)
		return;
	totp_code(seed, sizeof seed - 1, step, code);
	for (p = typed; *p != 0; p++) {
		if (*p == ' ' || *p == '\t')
			continue;
		if (n >= TOTP_DIGITS || *p != code[n++])
			abort();
	}
	if (n != TOTP_DIGITS)
		abort();
}

static void
check_seed(const char *typed)
{
	char text[TOTP_BASE32_MAX], uri[TOTP_URI_MAX];
	struct secret s, again;

	if (totp_parse(typed, &s) != LL_OK) {
		if (s.data != NULL)
			abort();
		return;
	}
	totp_base32(s.data, s.len, text);
	if (totp_parse(text, &again) != LL_OK || again.len != s.len ||
	    memcmp(again.data, s.data, s.len) != 0)
		abort();
	if (totp_uri(s.data, s.len, typed, "ada", uri) == LL_OK &&
	    strpbrk(uri, " \"<>\n") != NULL)
		abort();
	secret_finish(&s);
	secret_finish(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *typed;

	typed = malloc(len + 1);
	if (typed == NULL)
		return 0;
	memcpy(typed, data, len);
	typed[len] = 0;
	check_code(typed);
	check_seed(typed);
	free(typed);
	return 0;
}
