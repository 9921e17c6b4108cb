/*
 * verb.h - everything one can do, as one table with four faces: a key on the
 * screen, words in the palette, the prompt of line mode, and
 * `ssh HOST VERB --json`.
 */
#ifndef LL_VERB_H
#define LL_VERB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "keys/id.h"
#include "keys/result.h"
#include "tui/center.h"
#include "tui/split.h"

#define VERB_EXEC 0x1u           /* as `ssh HOST VERB` */
#define VERB_LINE 0x2u           /* at the prompt of line mode */
#define VERB_SCREEN 0x4u         /* on the screen, by key or palette */
#define VERB_UNLOCKED 0x10u      /* works with an open vault only */
#define VERB_RAW 0x20u           /* reads its words by itself */

#define VERB_STAFF 0x1u
#define VERB_ADMIN 0x2u
#define VERB_AUDITOR 0x4u
#define VERB_ALL 0x7u

#define VERB_POSITIONAL_MAX 16

/* Where a verb can be typed: exec, line or both say how it is run. */
struct verb_call;
struct line;

struct verb {
	const char *name;        /* what is typed */
	const char *key;         /* on the screen; "" for none */
	const char *palette;     /* more words it is found by */
	const char *arguments;   /* for the usage line */
	const char *options;     /* long options it takes: "to+ subject" ("+":
	                            may repeat, "!": takes no value) */
	const char *help;        /* one sentence */
	unsigned roles;          /* VERB_STAFF... */
	unsigned flags;          /* VERB_EXEC... */
	enum ll_result (*run)(struct verb_call *call);   /* exec and line */
	enum ll_result (*line)(struct line *l,
	    struct verb_call *call);        /* line mode's own, or NULL */
};

struct verb_option {
	const char *name;
	char *value;             /* "" for a flag */
};

/* One verb as typed, and what its run gives back. */
struct verb_call {
	struct center *c;
	const struct verb *verb;
	const struct split *raw; /* all words, the verb's name first */
	char *words[VERB_POSITIONAL_MAX];  /* before the first option */
	size_t word_count;
	struct verb_option *options;
	size_t option_count;
	bool json;
	int in;                  /* the body's descriptor, or -1 */
	FILE *out;               /* shown only if run succeeds */
	char why[512];           /* sentence for a failure; "" : the center's */
	struct id shown;         /* message whose body out holds: marked read */
	bool was_shown;          /* after it was written in full */
};

/* The whole table, in the order of the help; count in *count_r. */
const struct verb *verb_table(size_t *count_r);
/* A verb by name for this role and face (VERB_EXEC or VERB_LINE): LL_USAGE
 * when there is none, LL_DENIED when it is another role's.  In line mode a
 * unique beginning of the name will do. */
LL_MUST enum ll_result verb_find(const char *name, enum user_role role,
    unsigned face, const struct verb **v_r);
/* Whether the role may use it. */
bool verb_allowed(const struct verb *v, enum user_role role);

/* Reads the words after the verb into call (verb set by the caller).
 * LL_USAGE with call->why. */
LL_MUST enum ll_result verb_parse(struct verb_call *call,
    const struct split *w, size_t first);
/* Frees words and options. */
void verb_call_finish(struct verb_call *call);

/* Value of the first option of that name, or NULL. */
const char *verb_option(const struct verb_call *call, const char *name);
/* Sets the sentence and returns r. */
enum ll_result verb_fail(struct verb_call *call, enum ll_result r,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Cleaned text, cut to at most max bytes on a character's border, for such a
 * sentence; malloc'd, NULL without memory. */
char *verb_quote(const char *text, size_t max);

/* "usage: send --to ADDRESS ..." for one verb, or all a role has. */
void verb_print_usage(FILE *out, const struct verb *v);
void verb_print_help(FILE *out, enum user_role role, unsigned face);

#endif
