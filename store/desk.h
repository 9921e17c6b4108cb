/*
 * desk.h - a worker's two channels: to the session (its key agent) and to the
 * store.
 *
 * Used by letterlock-tui and letterlock-sftp.  A store that was restarted is
 * no matter of theirs: desk_ask gets a new channel from the session
 * (AGENT_STORE) and asks again, for as long as its patience (desk_patience).
 */
#ifndef LL_DESK_H
#define LL_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/parse.h"
#include "keys/result.h"
#include "store/chan.h"
#include "store/kind.h"
#include "store/msg.h"

#define DESK_PATIENCE_MS 20000  /* default of desk_patience */
#define DESK_FACTORS 4

struct desk;

/* Who works here: AGENT_HELLO's answer and, unless enrolling, WHOAMI's.
 * Strings are never NULL. */
struct desk_self {
	enum worker_mode mode;
	char user[65];
	char email[321];
	char name[401];              /* shown name; may be "" */
	char org[200];
	enum user_role role;
	struct id id;
	uint64_t generation;         /* of the user's key pairs */
	uint8_t seal_pk[KEY_BYTES];
	uint8_t sign_pk[KEY_BYTES];
	uint64_t attachment_max;     /* bytes of one attachment */
	uint64_t quota;              /* bytes of blobs, 0: none */
	uint64_t undo_secs;          /* configured countdown */
	uint64_t expiry_days;
	char factors[DESK_FACTORS][65];
	size_t factor_count;
	bool locked;                 /* passphrase needed; see desk_unlock */
};

/* Takes over the agent's channel (descriptor 3 in a worker), says AGENT_HELLO
 * and, with a store channel, WHOAMI.  On failure *d_r is NULL. */
LL_MUST enum ll_result desk_open(int fd, struct desk **d_r);
/* Closes both channels.  NULL is fine. */
void desk_close(struct desk *d);

/* Who works here; lives as long as the desk. */
const struct desk_self *desk_self(const struct desk *d);
/* How long one desk_ask may wait for a store that is away (a screen wants
 * about a second, a script many). */
void desk_patience(struct desk *d, int ms);
/* The exec command's words as ssh sent them; "" for none. */
const char *desk_command(const struct desk *d);
/* A CONFIG value that came with AGENT_HELLO, or NULL. */
const char *desk_config(const struct desk *d, const char *key);
/* The store's channel, for adminverb; NULL when enrolling.  Not to be kept:
 * it changes when the store was restarted. */
struct chan *desk_store(struct desk *d);
/* The agent's channel. */
struct chan *desk_agent(struct desk *d);

/* Asks the store (request is taken over).  LL_OK with *reply_r (which may be
 * NULL when only the result counts), or the answer's own failure; LL_BUSY when
 * the store did not come back in time, LL_EOF when the session is gone.  The
 * request is sent again after a restart of the store: it must be one that may
 * be repeated (reads, or with IDEMPOTENCY, or setting a state). */
LL_MUST enum ll_result desk_ask(struct desk *d, struct msg *request,
    struct msg **reply_r);
/* Sends the store a request whose answer nobody waits for (taken over; lost if
 * the store is away): for what only saves work later. */
void desk_tell(struct desk *d, struct msg *request);
/* The same as desk_ask for the agent (never repeated). */
LL_MUST enum ll_result desk_ask_agent(struct desk *d, struct msg *request,
    struct msg **reply_r);
/* Has the session start a letterlock-parse for one job, with the private keys
 * of those formats (enum parse_format): *fd_r is the wire, the caller's.
 * LL_LOCKED unless the vault is open or no key is needed; LL_BUSY when too many
 * run. */
LL_MUST enum ll_result desk_parse(struct desk *d, enum parse_job job,
    const enum parse_format *formats, size_t count, int *fd_r);
/* The sentence that came with the last failure, or ll_result_text's phrase
 * for r.  Valid until the next call. */
const char *desk_words(const struct desk *d, enum ll_result r);

/* Opens the vault in the session: LL_OK, LL_AUTH, LL_BUSY, LL_RATE. */
LL_MUST enum ll_result desk_unlock(struct desk *d, const void *passphrase,
    size_t len);
/* Tells the session that a key was pressed (at most once a second counts). */
void desk_active(struct desk *d);
/* Locks the vault now: every worker of the connection gets DESK_LOCKING. */
LL_MUST enum ll_result desk_lock(struct desk *d);

/* --- events --- */

enum desk_event_kind {
	DESK_BOX = 1,     /* message in folder came, went or changed */
	DESK_STATUS,      /* delivery of message to address is in state */
	DESK_LOCKING,     /* journal and exit now */
	DESK_END,         /* the session is gone: exit */
	DESK_ACCOUNT,     /* disabled or reset: exit */
	DESK_LOST,        /* the store is away; calls return LL_BUSY */
	DESK_RESTORED,    /* it is back: look at everything again */
	DESK_FOUND        /* lookups of keys for address came to an end; count
	                     of them go on */
};

struct desk_event {
	enum desk_event_kind kind;
	struct id message;
	enum folder folder;
	enum delivery_state state;
	enum event event;
	char address[321];
	uint64_t count;
};

/* One descriptor to poll for POLLIN.  Events may also have come while a reply
 * was awaited: call desk_event until LL_AGAIN before each poll. */
int desk_fd(const struct desk *d);
/* The next event, never blocking for long: LL_OK, LL_AGAIN.  While the store is
 * lost each call (at most twice a second) also asks for it, so call this at
 * least once a second then. */
LL_MUST enum ll_result desk_event(struct desk *d, struct desk_event *e_r);
/* Waits up to ms for an event of that kind and takes it out; others stay for
 * desk_event.  LL_OK, LL_AGAIN: none came. */
LL_MUST enum ll_result desk_await(struct desk *d, enum desk_event_kind kind,
    int ms, struct desk_event *e_r);

#endif
