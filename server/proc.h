/*
 * proc.h - the programs that letterlockd starts, as one table: who each runs
 * as, which channel to the store it gets, which keys of the configuration and
 * which derived secrets it may know.
 */
#ifndef LL_PROC_H
#define LL_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "keys/derive.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "server/config.h"
#include "store/kind.h"
#include "store/msg.h"

enum proc {
	PROC_STORE, PROC_RELAY, PROC_PORTAL,   /* one of each, restarted */
	PROC_INTAKE,                           /* likewise, where configured */
	PROC_GATE, PROC_SESSION,               /* a pair per connection */
	PROC_PARSE, PROC_SUBMIT,               /* one per job, for intake */
	PROC_COUNT
};

struct proc_row {
	const char *name;              /* program, and its user if it exists */
	bool service;
	enum peer_role role;           /* of its store channel; 0: none */
	const enum label *labels;      /* derived keys, up to LABEL_COUNT */
	const enum config_key *config; /* up to CONFIG_COUNT */
};

extern const struct proc_row proc_table[PROC_COUNT];

/* False for a program that the configuration does without. */
bool proc_wanted(enum proc p, const struct config *c);

/* Where a program of ours lies: beside the running one (build/), else in
 * LL_LIBEXECDIR.  path has 1200 bytes.  LL_NOTFOUND with the two places
 * looked at in path. */
LL_MUST enum ll_result proc_find(const char *name, char *path);

/* What a program of ours may have to lock.  Root's own programs drop the
 * capability that would spare them the limit. */
#define PROC_MEMLOCK_BYTES (1024 * 1024)

/* Raises RLIMIT_MEMLOCK as far as it goes.  LL_FULL when that is less than
 * PROC_MEMLOCK_BYTES; why (CONFIG_WHY bytes) has a line for the person. */
LL_MUST enum ll_result proc_memlock(char *why);

/* Whom a child becomes; keep when it stays as it is. */
struct proc_owner {
	bool keep;
	uid_t uid;
	gid_t gid;
};

/* The owner of a program: as root with the key `user`, the user letterlock-x
 * where there is one, else that user.  LL_NOTFOUND when the user of the
 * configuration does not exist. */
LL_MUST enum ll_result proc_owner(const char *name, const struct config *c,
    struct proc_owner *owner_r);

/* Exit status of a child that could not become the program.  A program that
 * ends with another one has said why itself (the dynamic loader: 127). */
#define PROC_EXIT_FAILED 126

/* Starts a program with fd as its descriptor 3 (not closed here), descriptors
 * 0 and 1 as ours, no other ones, signals as at birth, and an environment of
 * a few harmless variables.  It is no copy of this process (vfork), so memory
 * of ours costs nothing. */
LL_MUST enum ll_result proc_spawn(const char *path,
    const struct proc_owner *owner, int fd, pid_t *pid_r);

/* The same with wire as descriptors 0 and 1 (told: and 2), fd as descriptor 3
 * or none (-1), and one argument (NULL: none). */
LL_MUST enum ll_result proc_spawn_wire(const char *path,
    const struct proc_owner *owner, const char *argument, int fd, int wire,
    bool told, pid_t *pid_r);

/* Starts it with the one argument and waits: exit status in *status_r (255
 * for a signal). */
LL_MUST enum ll_result proc_run(const char *path,
    const struct proc_owner *owner, const char *argument, int *status_r);

/* The CONFIGURE (or RELOAD) message of a program: its keys of the
 * configuration and its derived secrets.  The caller adds descriptors.
 * host_seed is what LABEL_ROOT_HOST stands for. */
LL_MUST enum ll_result proc_configure(enum proc p, enum op op,
    const struct config *c, const struct secret *root,
    const struct secret *host_seed, struct msg **m_r);
/* One more CONFIG pair. */
void proc_add_config(struct msg *m, const char *key, const char *value);

#endif
