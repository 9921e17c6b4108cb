/*
 * command.h - the words of the local command.
 */
#ifndef LL_COMMAND_H
#define LL_COMMAND_H

#include <stdbool.h>

#include "server/local.h"

struct command {
	struct local local;
	bool json;
	bool root_passphrase;
	bool without_root;
	const char *org, *password_file, *totp_secret, *root_key;
	const char **sets;       /* --set KEY=VALUE, NULL at the end */
	char **words;            /* the rest, in order */
	int count;
};

struct command_row {
	const char *name;
	int words;               /* its own included */
	int (*run)(struct command *c);
	const char *usage;
};

/* Takes out what every command knows (--data DIR, --json, and the local ones'
 * options); the rest are words.  False when a value is missing, the data
 * directory's name is too long, or there is no word. */
bool command_parse(struct command *c, int argc, char **argv);
void command_finish(struct command *c);

#endif
