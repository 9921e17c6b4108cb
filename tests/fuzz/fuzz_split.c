/*
 * fuzz_split.c - a command as ssh sent it: words, then each verb's options.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/tlv.h"
#include "tui/verb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
parse(const struct split *w, enum user_role role, unsigned face)
{
	struct verb_call call;
	size_t i;

	memset(&call, 0, sizeof call);
	if (verb_find(w->w[0].text, role, face, &call.verb))
		return;
	if (verb_parse(&call, w, 1) == LL_OK) {
		for (i = 0; i < call.option_count; i++)
			if (!verb_option(&call, call.options[i].name))
				abort();
	} else if (!utf8_valid(call.why, strlen(call.why))) {
		abort();
	}
	verb_call_finish(&call);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *joined;
	struct split w;
	const char *why;

	if (!text)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	if (split_command(text, &w, &why) == LL_OK) {
		if (split_join(&w, 0, w.count, &joined) != LL_OK)
			abort();
		/* Splitting only takes away. */
		if (strlen(joined) > strlen(text))
			abort();
		free(joined);
		if (w.count > 0) {
			parse(&w, ROLE_STAFF, VERB_EXEC);
			parse(&w, ROLE_ADMIN, VERB_LINE);
		}
		split_finish(&w);
	}
	free(text);
	return 0;
}
