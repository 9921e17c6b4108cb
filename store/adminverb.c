#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "store/adminverb_state.h"
#include "store/kind.h"

#define WORDS_MAX 1024

/* --- words: options run to the next `--` word --- */

static const char *const option_names[OPT_COUNT] = {
	[OPT_EMAIL] = "--email", [OPT_NAME] = "--name", [OPT_ROLE] = "--role",
	[OPT_SSH_KEY] = "--ssh-key", [OPT_LIMIT] = "--limit"
};

static void
words_finish(struct adminverb_words *w)
{
	int i;

	for (i = 0; i < OPT_COUNT; i++) {
		free(w->options[i]);
		w->options[i] = NULL;
	}
}

static enum ll_result
append(char **text, const char *word)
{
	size_t old = *text == NULL ? 0 : strlen(*text), add = strlen(word);
	char *grown;

	if (old + add > 8192)
		return LL_TOOBIG;
	grown = realloc(*text, old + add + 2);
	if (grown == NULL)
		return LL_NOMEM;
	if (old > 0)
		grown[old++] = ' ';
	memcpy(grown + old, word, add + 1);
	*text = grown;
	return LL_OK;
}

static enum ll_result
take_word(struct adminverb_words *w, const char *word, int *option,
    bool *json)
{
	int i;

	if (strcmp(word, "--json") == 0) {
		*json = true;
		*option = -1;
		return LL_OK;
	}
	if (strncmp(word, "--", 2) == 0) {
		for (i = 0; i < OPT_COUNT; i++)
			if (strcmp(option_names[i], word) == 0)
				break;
		if (i == OPT_COUNT || w->options[i] != NULL)
			return LL_USAGE;
		*option = i;
		return append(&w->options[i], "");
	}
	if (*option >= 0)
		return append(&w->options[*option], word);
	if (w->count == ADMINVERB_PLAIN_MAX)
		return LL_USAGE;
	w->plain[w->count++] = word;
	return LL_OK;
}

static enum ll_result
parse_words(struct adminverb *v, int argc, char *const argv[],
    struct adminverb_words *w)
{
	enum ll_result r = LL_OK;
	int i, option = -1;

	memset(w, 0, sizeof(*w));
	for (i = 0; r == LL_OK && i < argc; i++)
		r = take_word(w, argv[i], &option, &v->json);
	for (i = 0; r == LL_OK && i < OPT_COUNT; i++)
		if (w->options[i] != NULL && w->options[i][0] == '\0')
			r = LL_USAGE;
	return r;
}

/* --- saying what failed --- */

enum ll_result
adminverb_fail(struct adminverb *v, enum ll_result r, const char *format, ...)
{
	char words[WORDS_MAX], *clean = NULL;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(words, sizeof(words), format, ap);
	va_end(ap);
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) == LL_OK)
		fprintf(v->err, "%s\n", clean);
	free(clean);
	v->said = true;
	return r;
}

enum ll_result
adminverb_ask(struct adminverb *v, struct msg *request, struct msg **reply_r)
{
	char words[WORDS_MAX] = "";
	enum ll_result r;

	r = chan_ask(v->store, request, reply_r, words, sizeof(words));
	if (r != LL_OK && words[0] != '\0')
		return adminverb_fail(v, r, "%s", words);
	return r;
}

/* --- the table --- */

static const struct adminverb_row rows[] = {
	{ { "user", "add" }, 1, adminverb_user_add,
	    "user add NAME --email E [--name N] [--role staff|admin|auditor] "
	    "[--ssh-key KEY]" },
	{ { "user", "list" }, 0, adminverb_user_list, "user list" },
	{ { "user", "disable" }, 1, adminverb_user_disable,
	    "user disable NAME" },
	{ { "user", "enable" }, 1, adminverb_user_enable,
	    "user enable NAME" },
	{ { "user", "reset" }, 1, adminverb_user_reset, "user reset NAME" },
	{ { "server-status", NULL }, 0, adminverb_server_status,
	    "server-status" },
	{ { "queue", NULL }, 0, adminverb_queue, "queue" },
	{ { "log", NULL }, 0, adminverb_log, "log [--limit N]" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

bool
adminverb_knows(int argc, char *const argv[])
{
	size_t i;

	for (i = 0; argc > 0 && i < ROWS; i++)
		if (strcmp(rows[i].words[0], argv[0]) == 0)
			return true;
	return false;
}

static const struct adminverb_row *
find_row(const struct adminverb_words *w, int *used_r)
{
	size_t i;

	for (i = 0; w->count > 0 && i < ROWS; i++) {
		if (strcmp(rows[i].words[0], w->plain[0]) != 0)
			continue;
		if (rows[i].words[1] == NULL) {
			*used_r = 1;
			return &rows[i];
		}
		if (w->count > 1 && strcmp(rows[i].words[1],
		    w->plain[1]) == 0) {
			*used_r = 2;
			return &rows[i];
		}
	}
	return NULL;
}

void
adminverb_help(FILE *out, const char *prefix)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		fprintf(out, "%s%s [--json]\n", prefix, rows[i].usage);
}

int
adminverb_run(struct adminverb *v, int argc, char *const argv[])
{
	const struct adminverb_row *row = NULL;
	struct adminverb_words w;
	enum ll_result r;
	int used = 0;

	v->said = false;
	r = parse_words(v, argc, argv, &w);
	if (r == LL_OK) {
		row = find_row(&w, &used);
		if (row == NULL || w.count - used != row->operands)
			r = LL_USAGE;
	}
	if (r == LL_OK) {
		w.operand = row->operands > 0 ? w.plain[used] : NULL;
		r = row->fn(v, &w);
	} else if (row != NULL) {
		(void)!adminverb_fail(v, r, "usage: %s", row->usage);
	} else {
		fputs("usage:\n", v->err);
		adminverb_help(v->err, "  ");
		v->said = true;
	}
	if (r && !v->said)
		(void)!adminverb_fail(v, r, "%s", ll_result_text(r));
	words_finish(&w);
	return ll_result_exit(r);
}

/* --- an SSH key's line --- */

enum ll_result
adminverb_ssh_key(const char *line, uint8_t *blob, size_t room,
    size_t *len_r, const char **comment_r)
{
	size_t kind_len = strcspn(line, " \t"), text_len, n;
	const char *text, *end;

	if (kind_len < 7 || kind_len > 64 || line[kind_len] == '\0')
		return LL_USAGE;
	text = line + kind_len + strspn(line + kind_len, " \t");
	text_len = strcspn(text, " \t\r\n");
	if (sodium_base642bin(blob, room, text, text_len, NULL, len_r, &end,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || end != text + text_len)
		return LL_USAGE;
	/* the blob begins with the kind's name again */
	if (*len_r < 4 + kind_len + 4 || blob[0] != 0 || blob[1] != 0 ||
	    blob[2] != 0 || blob[3] != kind_len ||
	    memcmp(blob + 4, line, kind_len) != 0)
		return LL_USAGE;
	n = strspn(text + text_len, " \t");
	*comment_r = text + text_len + n;
	return LL_OK;
}
