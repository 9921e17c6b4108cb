/*
 * recipients.c - lists of addresses as one types them.
 */
#include <stdio.h>
#include <string.h>

#include "tui/recipients.h"

#define SEPARATORS ",; \t\n"

enum ll_result
recipients_parse(struct draft *d, bool cc, const char *text, char *bad_r,
    size_t bad_room, const char **why_r)
{
	char word[400];
	const char *why = NULL;
	enum ll_result r;
	size_t n;

	bad_r[0] = '\0';
	*why_r = NULL;
	for (;;) {
		text += strspn(text, SEPARATORS);
		n = strcspn(text, SEPARATORS);
		if (n == 0)
			return LL_OK;
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, text);
		text += n;
		r = cc ? draft_add_cc(d, word, &why) :
		    draft_add_to(d, word, &why);
		if (r == LL_USAGE) {
			if (!*bad_r) {
				(void)snprintf(bad_r, bad_room, "%s", word);
				*why_r = why ? why : "is no e-mail address";
			}
		} else if (r) {
			return r;
		}
	}
}

bool
recipients_text(char *const *list, size_t count, char *text, size_t room)
{
	size_t i, n = 0, len;

	text[0] = '\0';
	for (i = 0; i < count; i++) {
		len = strlen(list[i]) + (i ? 2 : 0);
		if (n + len + 1 > room)
			return false;
		(void)snprintf(text + n, room - n, "%s%s", i ? ", " : "",
		    list[i]);
		n += len;
	}
	return true;
}

size_t
recipients_word(const char *text, size_t at)
{
	while (at > 0 && !strchr(SEPARATORS, text[at - 1]))
		at--;
	return at;
}
