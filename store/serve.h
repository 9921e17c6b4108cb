/*
 * serve.h - letterlock-store's inside: peers, requests, the group that
 * commits together, and what handlers may use.  Only for the program.
 *
 * A handler reads q->v, works on s->db, puts its answer into q->reply and
 * returns the result.  Whatever it changed is undone when it fails, unless it
 * sets q->keep (a wrong password must stay counted).  The answer and the
 * events leave after the commit of the group.
 */
#ifndef LL_SERVE_H
#define LL_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "store/chan.h"
#include "store/db.h"
#include "store/kind.h"
#include "store/loop.h"
#include "store/msg.h"

/* What a login has shown so far (peers of role PEER_SESSION). */
struct login {
	bool begun;
	bool known;              /* such a user exists */
	bool enabled;            /* and may log in */
	bool key, password, totp, backup, ticket;
	char name[65];
	uint8_t name_hash[HASH_BYTES];
	uint8_t ticket_hash[HASH_BYTES]; /* as the row had it, with ticket */
	struct id user, slot;    /* slot: the user's, or the decoy */
};

struct peer {
	struct peer *next;
	struct store *store;
	struct chan *chan;
	enum peer_role role;
	bool dead;               /* to be reaped after the round */
	bool ended;              /* logged out: nothing is answered any more */
	bool wrote;              /* has a part in the open group */
	bool bound;              /* user, user_role, token are set */
	struct id user;
	enum user_role user_role;
	uint8_t token[HASH_BYTES]; /* hash of the login it hangs on */
	uint8_t house_pk[32];    /* PEER_SUBMIT: what its messages are signed
	                            with */
	struct id draft;         /* PEER_SUBMIT: of all drafts the one it has to
	                            do with */
	struct login login;
	unsigned leases;         /* Argon2id runs it may be doing */
};

struct request {
	struct peer *peer;
	struct msg *msg;
	struct tlv_view v;
	struct msg *reply;       /* OK so far; taken (NULL) by who answers
	                            later */
	const char *words;       /* for a refusal: a sentence, static */
	uint64_t delay_secs;     /* for a refusal */
	bool keep;               /* commit in spite of the refusal */
	bool later;              /* the answer comes later */
	uint64_t now;            /* seconds since 1970 */
};

struct store {
	struct db *db;
	struct loop *loop;
	struct chan *parent;
	struct peer *peers;
	struct group *group;
	struct lease_queue *leases;
	struct object_upload *uploads;
	struct backup *backup;
	struct finding_board *board;
	int data, blobs, lock;   /* descriptors: DIR, DIR/blobs, DIR/lock */
	struct secret pepper, totp_key;
	uint64_t next_release_ms; /* when the sweep is to look, 0: not set */
	uint64_t sweep_timer;
	const struct peer *sender; /* whose SEND is being done: its answer has
	                            what events of it would say */
	bool truncate;           /* empty the write-ahead log soon */
	/* configuration */
	char path[4097];
	char org[200];
	uint64_t undo_secs, expiry_days, attachment_max, quota;
	unsigned search;         /* bits 1 << enum lookup */
	unsigned floors[4];      /* enum msg_class: a key's least worth */
	char tls_domains[4097];  /* domains that policy asks TLS of */
	char words[400];         /* room for a request's words with a name */
	unsigned kdf_memory_mib, kdf_passes, muc_memory_mib, kdf_runs;
};

/* --- the table of operations (optable.c) --- */

enum op_need {
	NEED_NOTHING,
	NEED_BEGUN,              /* AUTH_BEGIN was answered */
	NEED_FACTOR,             /* key or password is recorded */
	NEED_TICKET,             /* a ticket was accepted */
	NEED_BOUND               /* logged in, or attached */
};

/* OP_WRITES: runs inside the group's transaction.  OP_ONCE: a request with an
 * IDEMPOTENCY that was seen before answers as the first did. */
#define OP_WRITES 1u
#define OP_ONCE 2u
#define OP_RECALLS 4u            /* the handler knows itself what it answered:
	                            nothing is written down for it */

struct op_rule {
	enum op op;
	unsigned peers;          /* bits 1 << enum peer_role */
	unsigned roles;          /* bits 1 << enum user_role; 0: no user */
	enum op_need need;
	unsigned flags;
	const char *unlogged;    /* why it leaves no leaf; NULL: it does */
	enum ll_result (*handler)(struct store *s, struct request *q);
};

extern const struct op_rule op_rules[];
extern const size_t op_rule_count;

/* LL_OK when the peer may ask that now; *rule_r is its row. */
LL_MUST enum ll_result op_permit(const struct peer *p, enum op op,
    const struct op_rule **rule_r);

/* --- serve.c --- */

/* A new peer on fd (taken over). */
LL_MUST enum ll_result serve_add(struct store *s, int fd,
    enum peer_role role, struct peer **p_r);
/* A socketpair: one end becomes a peer, the other is *fd_r. */
LL_MUST enum ll_result serve_pair(struct store *s, enum peer_role role,
    struct peer **p_r, int *fd_r);
void serve_drop(struct peer *p);
/* Ends every login of a user (token NULL), or one login, and says so to its
 * channels: STATE state. */
void serve_end_logins(struct store *s, const struct id *user,
    const uint8_t *token, enum user_state state);
/* Keeps reply as the answer to the peer's op with that idempotency key. */
LL_MUST enum ll_result serve_remember(struct store *s,
    const struct request *q, enum op op, const uint8_t *key,
    const struct msg *reply);
/* A reply that was put off. */
void serve_answer(struct peer *p, struct msg *reply);
/* The loop's after: commits, then lets answers and events go. */
void serve_after(void *arg);
/* Opens the group's transaction for work that no request asked for (timers).
 * Pair it with serve_job_end(s, r), which undoes it when r is a failure. */
LL_MUST enum ll_result serve_job(struct store *s);
void serve_job_end(struct store *s, enum ll_result r);
/* Writes down what broke, and ends the process: nothing is acknowledged. */
void serve_die(struct store *s, const char *what) __attribute__((noreturn));

/* --- events; they leave with the group --- */

/* except: no event for that peer, may be NULL. */
void event_box(struct store *s, const struct id *user,
    const struct id *message, enum folder folder, const struct peer *except);
void event_status(struct store *s, const struct id *user,
    const struct id *message, const char *address, enum delivery_state state,
    enum event event);
void event_queue(struct store *s);

/* --- log.c --- */

struct leaf {
	enum event event;
	const struct id *delivery, *message, *user;  /* NULL: none */
	const char *detail;                          /* NULL: none */
};

/* Appends the leaf and keeps its nonce and body beside it. */
LL_MUST enum ll_result log_append(struct store *s, uint64_t now,
    const struct leaf *leaf);
/* Handler of LOG_LIST: newest first. */
enum ll_result log_list(struct store *s, struct request *q);

/* Seconds since 1970. */
uint64_t store_now(void);

#endif
