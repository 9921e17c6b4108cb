/*
 * command.h - the words of the local command.
 */
#ifndef LL_COMMAND_H
#define LL_COMMAND_H

#include <stdbool.h>

#include "keys/secret.h"
#include "server/config.h"
#include "server/local.h"

struct command {
	struct local local;
	bool json;
	bool root_passphrase;
	bool without_root;
	const char *org, *password_file, *totp_secret, *root_key, *address;
	const char **sets;       /* --set KEY=VALUE, NULL at the end */
	char **words;            /* the rest, in order */
	int count;
};

struct command_row {
	const char *name;
	int words;               /* its own included; 0: it counts them */
	int (*run)(struct command *c);
	const char *usage;
};

/* Takes out what every command knows (--data DIR, --json, and the local ones'
 * options); the rest are words.  False when a value is missing, the data
 * directory's name is too long, or there is no word. */
bool command_parse(struct command *c, int argc, char **argv);
void command_finish(struct command *c);

/* Says words on standard error (cleaned; "" when they were said) and gives the
 * exit code of r. */
int command_fail(enum ll_result r, const char *words);
/* Reads a file, or standard input for "-", whole: at most max bytes.  why
 * (CONFIG_WHY bytes) has a line on failure.  The caller frees. */
LL_MUST enum ll_result command_read(const char *path, size_t max,
    uint8_t **data_r, size_t *len_r, char *why);
/* Loads the configuration of the data directory; config_finish it, also after
 * a failure (then why has a line). */
LL_MUST enum ll_result command_config(const struct command *c,
    struct config *config_r, char *why);
/* Loads the configuration and the root secret of the data directory. */
LL_MUST enum ll_result command_root(struct command *c, struct config *config_r,
    struct secret *root_r, char *why);

#endif
