#include <stdlib.h>
#include <string.h>

#include "server/command.h"

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
		{ "--root-key", &c->root_key }
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
