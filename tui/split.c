#include "tui/split.h"

#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/tlv.h"

void
split_finish(struct split *w)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		sodium_memzero(w->w[i].text, strlen(w->w[i].text));
		free(w->w[i].text);
	}
	free(w->w);
	memset(w, 0, sizeof *w);
}

/* One word begins at p: its text without quotes goes to out (which has room
 * for all of it).  Returns where it ends; NULL for a quote left open. */
static const char *
take_word(const char *p, char *out, bool *quoted_r)
{
	char quote = '\0';

	for (; *p; p++) {
		if (!quote && (*p == ' ' || *p == '\t' || *p == '\n'))
			break;
		if (quote && *p == quote) {
			quote = '\0';
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
			*quoted_r = true;
		} else if (*p == '\\' && quote != '\'' && p[1]
		    && (!quote || strchr("$`\"\\\n", p[1]))) {
			*quoted_r = true;
			/* A backslash before a line's end joins lines. */
			if (*++p != '\n')
				*out++ = *p;
		} else if (*p == '\\' && !quote && !p[1]) {
			return NULL;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
	return quote ? NULL : p;
}

static enum ll_result
add_word(struct split *w, const char *text, bool quoted)
{
	struct split_word *grown;
	char *copy;

	if (w->count == SPLIT_MAX)
		return LL_TOOBIG;
	copy = strdup(text);
	grown = copy ? realloc(w->w, (w->count + 1) * sizeof *grown) : NULL;
	if (!grown) {
		free(copy);
		return LL_NOMEM;
	}
	w->w = grown;
	grown[w->count].text = copy;
	grown[w->count++].quoted = quoted;
	return LL_OK;
}

static enum ll_result
split(const char *p, char *room, struct split *w, const char **why_r)
{
	enum ll_result r;
	bool quoted;

	for (;;) {
		p += strspn(p, " \t\n");
		if (!*p)
			return LL_OK;
		quoted = false;
		p = take_word(p, room, &quoted);
		if (!p) {
			*why_r = "a quote is not closed";
			return LL_USAGE;
		}
		r = add_word(w, room, quoted);
		if (r) {
			*why_r = "too many words";
			return r;
		}
	}
}

enum ll_result
split_command(const char *text, struct split *w_r, const char **why_r)
{
	size_t len = strlen(text);
	char *room;
	enum ll_result r;

	memset(w_r, 0, sizeof *w_r);
	*why_r = NULL;
	if (len > SPLIT_TEXT_MAX) {
		*why_r = "the command is too long";
		return LL_TOOBIG;
	}
	if (!utf8_valid(text, len)) {
		*why_r = "the command is not valid UTF-8";
		return LL_USAGE;
	}
	room = malloc(len + 1);
	if (!room)
		return LL_NOMEM;
	r = split(text, room, w_r, why_r);
	sodium_memzero(room, len + 1);
	free(room);
	if (r)
		split_finish(w_r);
	return r;
}

enum ll_result
split_join(const struct split *w, size_t first, size_t count, char **text_r)
{
	size_t i, len, at = 0, room = 1;

	*text_r = NULL;
	for (i = first; i < first + count; i++)
		room += strlen(w->w[i].text) + 1;
	*text_r = malloc(room);
	if (!*text_r)
		return LL_NOMEM;
	for (i = first; i < first + count; i++) {
		len = strlen(w->w[i].text);
		if (i > first)
			(*text_r)[at++] = ' ';
		memcpy(*text_r + at, w->w[i].text, len);
		at += len;
	}
	(*text_r)[at] = '\0';
	return LL_OK;
}
