/*
 * keycommand.h - `letterlock key ...`: other people's keys that the whole
 * house relies on.
 */
#ifndef LL_KEYCOMMAND_H
#define LL_KEYCOMMAND_H

#include <stdio.h>

#include "server/command.h"

/* Runs c->words ("key", "add", ...) with --for; an exit code of CONTRACT.md,
 * or -1 when the words make no command. */
int keycommand_run(struct command *c);
/* Writes the usage line of each. */
void keycommand_help(FILE *out, const char *prefix);

#endif
