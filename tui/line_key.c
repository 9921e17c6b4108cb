#include <stdlib.h>
#include <string.h>

#include "keys/parse.h"
#include "tui/exec.h"
#include "tui/line_part.h"

/* What is pasted, up to a line with a single dot or the end of the block. */
static enum ll_result
read_pasted(struct line *l, char **text_r)
{
	char *line, *grown;
	size_t len = 0, n;
	bool end = false;
	enum ll_result r = LL_OK;

	*text_r = strdup("");
	if (!*text_r)
		return LL_NOMEM;
	teletype_say(l->t, "Paste the key or certificate, from -----BEGIN to "
	    "-----END; a line with a single dot ends it too.\n");
	while (!end && r == LL_OK) {
		r = teletype_line(l->t, "", &line);
		if (r)
			break;
		n = strlen(line);
		end = strcmp(line, ".") == 0;
		grown = end ? NULL : realloc(*text_r, len + n + 2);
		if (!end && (!grown || len + n > PARSE_KEY_MAX))
			r = grown ? LL_TOOBIG : LL_NOMEM;
		if (grown) {
			*text_r = grown;
			if (r == LL_OK) {
				memcpy(grown + len, line, n);
				len += n;
				grown[len++] = '\n';
				grown[len] = '\0';
			}
		}
		end = end || strncmp(line, "-----END ", 9) == 0;
		free(line);
	}
	return r;
}

static enum ll_result
add_pasted(struct line *l, struct verb_call *call)
{
	char address[321], *text = NULL, *shown = NULL;
	size_t len = 0;
	enum ll_result r;

	r = exec_for(call, address);
	if (r == LL_OK && !*address)
		r = verb_fail(call, LL_USAGE,
		    "whose key is it? key add --for ADDRESS");
	if (r == LL_OK)
		r = read_pasted(l, &text);
	if (r == LL_OK && !*text)
		r = verb_fail(call, LL_USAGE, "nothing was pasted");
	if (r == LL_OK) {
		call->out = open_memstream(&shown, &len);
		r = call->out ? exec_key_keep(call, address, text,
		    strlen(text)) : LL_NOMEM;
		if (call->out && fclose(call->out) == 0 && r == LL_OK)
			teletype_put(l->t, shown, len);
	}
	free(shown);
	free(text);
	return r;
}

enum ll_result
line_key(struct line *l, struct verb_call *call)
{
	if (call->word_count == 1 && strcmp(call->words[0], "add") == 0
	    && !(center_self(l->c)->locked
	    && center_self(l->c)->role == ROLE_STAFF))
		return add_pasted(l, call);
	return line_run(l, call);
}
