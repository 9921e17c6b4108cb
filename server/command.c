#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/command.h"
#include "server/file.h"
#include "server/root.h"

#define DATA_DEFAULT "/var/lib/letterlock"

/* The value of --NAME VALUE or --NAME=VALUE; NULL when argv[*i] is neither. */
static const char *
option_value(const char *name, int argc, char **argv, int *i, bool *missing)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0')
		return NULL;
	if (*i + 1 == argc) {
		*missing = true;
		return NULL;
	}
	return argv[++*i];
}

/* True when argv[*i] was an option of ours, *i at its last word. */
static bool
take_option(struct command *c, int argc, char **argv, int *i,
    const char **data, size_t *set_count, bool *missing)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = {
		{ "--data", data }, { "--org", &c->org },
		{ "--password-file", &c->password_file },
		{ "--totp-secret", &c->totp_secret },
		{ "--root-key", &c->root_key }, { "--for", &c->address }
	};
	const char *value;
	size_t n;

	if (strcmp(argv[*i], "--root-passphrase") == 0) {
		c->root_passphrase = true;
		return true;
	}
	if (strcmp(argv[*i], "--without-root") == 0) {
		c->without_root = true;
		return true;
	}
	for (n = 0; n < sizeof(options) / sizeof(options[0]); n++) {
		value = option_value(options[n].name, argc, argv, i, missing);
		if (value != NULL)
			*options[n].value = value;
		if (value != NULL || *missing)
			return true;
	}
	value = option_value("--set", argc, argv, i, missing);
	if (value != NULL)
		c->sets[(*set_count)++] = value;
	return value != NULL || *missing;
}

bool
command_parse(struct command *c, int argc, char **argv)
{
	const char *data = DATA_DEFAULT;
	size_t set_count = 0;
	bool missing = false;
	int i;

	memset(c, 0, sizeof(*c));
	c->words = calloc((size_t)argc + 1, sizeof(*c->words));
	c->sets = calloc((size_t)argc + 1, sizeof(*c->sets));
	if (c->words == NULL || c->sets == NULL) {
		command_finish(c);
		return false;
	}
	for (i = 1; i < argc && !missing; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (!take_option(c, argc, argv, &i, &data, &set_count,
		    &missing))
			c->words[c->count++] = argv[i];
	}
	if (missing || c->count == 0 ||
	    local_init(&c->local, data) != LL_OK) {
		command_finish(c);
		return false;
	}
	return true;
}

void
command_finish(struct command *c)
{
	free(c->words);
	free(c->sets);
	c->words = NULL;
	c->sets = NULL;
}

int
command_fail(enum ll_result r, const char *words)
{
	char *clean = NULL;

	if (words[0] != '\0' && clean_text(words, strlen(words), CLEAN_LINE,
	    &clean) == LL_OK)
		fprintf(stderr, "letterlock: %s\n", clean);
	free(clean);
	return ll_result_exit(r);
}

static enum ll_result
read_all(FILE *in, size_t max, uint8_t **data_r, size_t *len_r)
{
	uint8_t *data = malloc(max + 1);
	size_t n;

	if (data == NULL)
		return LL_NOMEM;
	n = fread(data, 1, max + 1, in);
	if (ferror(in) || n > max) {
		free(data);
		return n > max ? LL_TOOBIG : LL_IO;
	}
	*data_r = data;
	*len_r = n;
	return LL_OK;
}

enum ll_result
command_read(const char *path, size_t max, uint8_t **data_r, size_t *len_r,
    char *why)
{
	const bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	enum ll_result r = LL_IO;

	*data_r = NULL;
	*len_r = 0;
	if (in != NULL)
		r = read_all(in, max, data_r, len_r);
	if (r)
		(void)snprintf(why, CONFIG_WHY, "%.900s: %s", path,
		    r == LL_IO ? strerror(errno) : r == LL_TOOBIG ?
		    "larger than such a file is" : ll_result_text(r));
	if (in != NULL && !standard)
		(void)fclose(in);
	return r == LL_IO ? LL_DENIED : r;
}

enum ll_result
command_config(const struct command *c, struct config *config_r, char *why)
{
	char path[FILE_PATH_MAX];
	enum ll_result r;

	memset(config_r, 0, sizeof(*config_r));
	r = file_path(c->local.data, "letterlock.conf", path);
	return r ? r : config_load(config_r, path, why);
}

enum ll_result
command_root(struct command *c, struct config *config_r,
    struct secret *root_r, char *why)
{
	enum ll_result r;

	*root_r = (struct secret)SECRET_NONE;
	r = command_config(c, config_r, why);
	return r ? r : root_load(config_r, root_r, why);
}
