/*
 * adminverb.h - the admin's verbs as one table: user add | list | disable |
 * enable | reset, server-status, queue, log.
 *
 * One body for two faces: the local command, and `ssh admin@host VERB` with
 * role admin (the store decides who may).  Plain lines for people, --json for
 * scripts.  Users of these link with -ljansson.
 */
#ifndef LL_ADMINVERB_H
#define LL_ADMINVERB_H

#include <stdbool.h>
#include <stdio.h>

#include "keys/result.h"
#include "keys/vault.h"
#include "store/chan.h"
#include "store/msg.h"

/* What an enrolment at once gives; texts for showing once. */
struct adminverb_codes {
	char recovery[RECOVERY_TEXT + 1];
	char backup[BACKUP_CODES][16];
};

/* Enrols a user that was just added.  The local command has one. */
typedef enum ll_result adminverb_enrol_fn(void *arg, const char *user,
    struct adminverb_codes *codes_r);

struct adminverb {
	struct chan *store;      /* PEER_LOCAL, or a worker's of role admin */
	FILE *out, *err;         /* answers; words about failures */
	bool json;               /* --json among the words sets it, too */
	bool files;              /* --ssh-key may name a file (local only) */
	adminverb_enrol_fn *enrol;  /* NULL: a ticket is given */
	void *enrol_arg;
	/* more rows for server-status, before the store's; NULL: none */
	const struct msg *more_status;
	bool said;               /* inside: words about a failure went out */
};

/* True when the words begin with an admin verb ("user", "queue", ...). */
bool adminverb_knows(int argc, char *const argv[]);

/* Runs the words.  Returns the exit code of CONTRACT.md: 0 done, 1 refused,
 * 2 usage, 3 not found, 75 try later.  On failure nothing went to out. */
int adminverb_run(struct adminverb *v, int argc, char *const argv[]);

/* Writes the usage line of each verb, with the prefix before it. */
void adminverb_help(FILE *out, const char *prefix);

/* Reads one line of an authorized_keys or .pub file ("ssh-ed25519 AAAA...")
 * into a key blob of at most room bytes and its comment (which points into
 * line, or is "").  LL_USAGE when it is none. */
LL_MUST enum ll_result adminverb_ssh_key(const char *line, uint8_t *blob,
    size_t room, size_t *len_r, const char **comment_r);

#endif
