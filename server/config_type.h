/*
 * config_type.h - the types of configuration values: what each takes and the
 * words about what it does not.
 */
#ifndef LL_CONFIG_TYPE_H
#define LL_CONFIG_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/config.h"

enum config_type {
	TYPE_TEXT, TYPE_WORD, TYPE_PATH, TYPE_NUMBER, TYPE_SIZE, TYPE_BOOL,
	TYPE_LISTEN, TYPE_URL, TYPE_NETS, TYPE_RELAY, TYPE_ADDRESS,
	TYPE_CHOICE, TYPE_MILTER, TYPE_RULES, TYPE_STARTUPS,
	TYPE_SEARCH, TYPE_KEYSERVER, TYPE_SERVER
};

/* A row of config.def. */
struct config_row {
	const char *name;
	enum config_type type;
	const char *preset;
	uint64_t low, high;
	const char *help;
};

/* NULL when value is good, with *n_r its number (NUMBER, SIZE, BOOL; else
 * unchanged); otherwise what was expected, valid until the next call. */
const char *config_type_check(const struct config_row *row,
    const char *value, uint64_t *n_r);

/* START:RATE:FULL into n; false when it is not that. */
bool config_type_startups(const char *value, unsigned n[3]);

#endif
