#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/parse.h"
#include "tui/exec.h"
#include "tui/line_part.h"

/* What is pasted, up to a line with a single dot or the end of the block. */
static enum ll_result
read_pasted(struct line *l, const char *what, char **text_r)
{
	char *line, *grown;
	size_t len = 0, n;
	bool end = false;
	enum ll_result r = LL_OK;

	*text_r = strdup("");
	if (!*text_r)
		return LL_NOMEM;
	teletype_say(l->t, "Paste the %s, from -----BEGIN to -----END; a line "
	    "with a single dot ends it too.\n", what);
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
		r = read_pasted(l, "key or certificate", &text);
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

/* Base64 with or without lines around it becomes the file; an armored OpenPGP
 * key is one already. */
static bool
unpack(char *text, size_t *len_r)
{
	char *line, *from = strdup(text), *next;
	size_t room = strlen(text), len;
	bool good = from != NULL;

	*len_r = room;
	if (strncmp(text, "-----BEGIN PGP", 14) == 0 || !from) {
		free(from);
		return good;
	}
	line = strtok_r(from, "\n", &next);
	for (len = 0; line; line = strtok_r(NULL, "\n", &next))
		if (strncmp(line, "-----", 5) != 0) {
			memcpy(text + len, line, strlen(line));
			len += strlen(line);
		}
	text[len] = '\0';
	memcpy(from, text, len);
	good = len > 0 && sodium_base642bin((uint8_t *)text, room, from, len,
	    " \t\r", len_r, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
	sodium_memzero(from, room);
	free(from);
	return good;
}

static enum ll_result
ask_password(struct line *l, struct secret *password_r)
{
	struct secret typed = SECRET_NONE;
	size_t len;
	enum ll_result r;

	r = teletype_secret(l->t, "The file's password (Enter: none): ",
	    &typed, &len);
	if (r == LL_OK)
		r = secret_init(password_r, len + 1);
	if (r == LL_OK) {
		memcpy(password_r->data, typed.data, len);
		password_r->data[len] = '\0';
	}
	secret_finish(&typed);
	return r;
}

static enum ll_result
import_pasted(struct line *l, struct verb_call *call)
{
	struct secret password = SECRET_NONE;
	char *text = NULL;
	size_t len = 0, room;
	enum ll_result r;

	r = ask_password(l, &password);
	if (r == LL_OK)
		r = read_pasted(l, "file (PKCS#12 as base64, or an armored "
		    "OpenPGP key)", &text);
	room = text ? strlen(text) : 0;
	if (r == LL_OK && !unpack(text, &len))
		r = verb_fail(call, LL_USAGE, "that is no base64: openssl "
		    "base64 -in FILE.p12 makes it");
	if (r == LL_OK)
		r = center_key_import(l->c, text, len,
		    (const char *)password.data);
	if (r == LL_OK)
		teletype_say(l->t, "imported: key list shows it\n");
	if (text)
		sodium_memzero(text, room);
	free(text);
	secret_finish(&password);
	return r;
}

enum ll_result
line_key(struct line *l, struct verb_call *call)
{
	const char *part = call->word_count == 1 ? call->words[0] : "";

	if (center_self(l->c)->locked
	    && center_self(l->c)->role == ROLE_STAFF)
		return line_run(l, call);
	if (strcmp(part, "add") == 0)
		return add_pasted(l, call);
	if (strcmp(part, "import") == 0
	    && center_self(l->c)->role == ROLE_STAFF)
		return import_pasted(l, call);
	return line_run(l, call);
}
