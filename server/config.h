/*
 * config.h - letterlock.conf: lines `key = value`, # comments.
 *
 * All keys stand in config.def; the last of several lines with one key wins.
 * Every mistake is one line, FILE:LINE: what was expected.
 */
#ifndef LL_CONFIG_H
#define LL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "keys/result.h"

#define CONFIG_WHY 1200          /* room for an error line */
#define CONFIG_LINE_MAX 4096
#define CONFIG_FILE_MAX 262144

enum config_key {
#define CONFIG(name, type, preset, low, high, help) CONFIG_##name,
#include "server/config.def"
#undef CONFIG
	CONFIG_COUNT
};

struct config {
	char *file;                      /* path it was read from */
	char *values[CONFIG_COUNT];      /* as written; not NULL once loaded */
	uint64_t numbers[CONFIG_COUNT];  /* of NUMBER, SIZE and BOOL keys */
	unsigned lines[CONFIG_COUNT];    /* 0: the default */
};

/* All defaults, no file.  Release with config_finish. */
LL_MUST enum ll_result config_init(struct config *c);
void config_finish(struct config *c);

/* Defaults, then the file, then the checks between keys.  On failure *c is
 * empty and why has the line for the person. */
LL_MUST enum ll_result config_load(struct config *c, const char *file,
    char why[CONFIG_WHY]);

/* Sets one key from a command line or a test; where (at most 200 bytes) begins
 * the error line. */
LL_MUST enum ll_result config_set(struct config *c, const char *where,
    const char *name, const char *value, char why[CONFIG_WHY]);
/* The checks that need more than one key, and paths that follow from data. */
LL_MUST enum ll_result config_check(struct config *c, char why[CONFIG_WHY]);

/* A key's value as written, as number (NUMBER, SIZE in bytes, BOOL as 0 and 1;
 * else 0), and its name.  The texts live as long as *c is unchanged. */
const char *config_text(const struct config *c, enum config_key key);
uint64_t config_number(const struct config *c, enum config_key key);
const char *config_name(enum config_key key);
/* max_startups' three numbers. */
void config_startups(const struct config *c, unsigned *start_r,
    unsigned *rate_r, unsigned *full_r);

/* Writes every key with its help as comment; a key that equals its default is
 * commented out.  c may be NULL: defaults only. */
void config_print(const struct config *c, FILE *out);

#endif
