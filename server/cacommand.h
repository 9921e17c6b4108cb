/*
 * cacommand.h - `letterlock ca ...`: the organisation's own CA, and the list
 * of those it trusts.
 */
#ifndef LL_CACOMMAND_H
#define LL_CACOMMAND_H

#include <stdio.h>

#include "server/command.h"

/* Runs c->words ("ca", "init", ...); an exit code of CONTRACT.md, or -1 when
 * the words make no command. */
int cacommand_run(struct command *c);
/* Writes the usage line of each. */
void cacommand_help(FILE *out, const char *prefix);

#endif
