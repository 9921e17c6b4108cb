/*
 * fuzz_muc.c - everything a person may type as a code: unlock codes, tickets,
 * recovery codes, identifiers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/id.h"
#include "keys/muc.h"
#include "keys/vault.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_setup(0) == LL_OK ? 0 : 1;
}

static void
check_muc(const char *typed)
{
	char code[MUC_SYMBOLS + 1], again[MUC_SYMBOLS + 1];
	char line[MUC_PHONETIC_MAX];

	if (muc_parse(typed, code) != LL_OK) {
		if (code[0] != 0)
			abort();
		return;
	}
	if (strlen(code) != MUC_SYMBOLS || muc_parse(code, again) != LL_OK ||
	    strcmp(code, again) != 0)
		abort();
	muc_phonetic(code, line, sizeof line);
	if (strlen(line) < MUC_SYMBOLS * 4)
		abort();
}

static void
check_ids(const char *typed)
{
	struct id id, low, high;
	char text[ID_TEXT + 1];

	if (id_parse(typed, &id) == LL_OK) {
		id_text(&id, text);
		if (id_prefix(text, &low, &high) != LL_OK ||
		    !id_equal(&low, &id) || !id_equal(&high, &id))
			abort();
	}
	if (id_prefix(typed, &low, &high) == LL_OK &&
	    memcmp(low.b, high.b, ID_BYTES) > 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t hash[HASH_BYTES];
	char line[40], *typed;
	struct secret a;

	typed = malloc(len + 1);
	if (typed == NULL)
		return 0;
	memcpy(typed, data, len);
	typed[len] = 0;
	check_muc(typed);
	check_ids(typed);
	muc_phonetic(typed, line, sizeof line);
	if (recovery_parse(typed, &a) == LL_OK && a.len != 20)
		abort();
	secret_finish(&a);
	if (ticket_parse(typed, hash) == LL_OK && len < 20)
		abort();
	free(typed);
	return 0;
}
