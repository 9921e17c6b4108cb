/*
 * gate.h - what the parts of letterlock-gate share.
 *
 * The gate speaks SSH (libssh) with one client and asks letterlock-session
 * about everything: it signs nothing, believes nothing and decides nothing
 * that the session would not check again.
 */
#ifndef LL_GATE_H
#define LL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "keys/result.h"
#include "server/exitcode.h"
#include "store/chan.h"

#define GATE_CHANNELS 10          /* open at once on one connection */
#define GATE_REQUESTS 32          /* requests of one channel */
#define GATE_BACKLOG 2097152      /* bytes held for a slow worker */
#define GATE_CHUNK 32768
#define GATE_USER_MAX 64
#define GATE_ASK_MS 60000         /* patience with the session's answers */
#define GATE_KEEPALIVE_MS 15000
#define GATE_KEEPALIVE_TRIES 3
#define GATE_LINGER_MS 5000       /* for the client's own goodbye */

struct gate;

/* Bytes that one side did not take yet. */
struct gate_rest {
	uint8_t *data;           /* malloc'd, NULL when empty */
	size_t at, len;
};

struct gate_channel {
	struct gate *gate;
	bool used;
	unsigned number;         /* CHANNEL in messages; unique */
	ssh_channel ssh;
	struct ssh_channel_callbacks_struct callbacks;
	unsigned requests;
	bool pty;                /* pty-req came */
	bool started;            /* shell, exec or subsystem came */
	int io;                  /* worker's pty or socket; -1: none or ended */
	int err;                 /* its standard error; -1: none or ended */
	bool out_done;           /* nothing more comes from io */
	bool in_done;            /* client's end of input was passed on */
	bool exit_known;
	uint32_t exit_status;
	bool end_sent;           /* exit status, eof and close are out */
	struct gate_rest in, out, errors;
};

struct gate {
	struct chan *daemon;
	struct chan *session;
	ssh_bind bind;
	ssh_session ssh;
	ssh_event event;
	struct ssh_server_callbacks_struct callbacks;
	int tcp;
	bool greeted;            /* the session's host key is loaded */
	char user[GATE_USER_MAX + 1]; /* first name the client gave */
	bool first_ok;           /* one factor accepted: codes are asked next */
	bool prompted;           /* a prompt is out, one answer is due */
	bool authed;
	unsigned tries;
	unsigned next_number;
	struct gate_channel channels[GATE_CHANNELS];
	bool bye;                /* disconnect as soon as all is flushed */
	bool over;               /* leave the loop now */
	enum child_exit why;
	uint64_t heard_ms;       /* monotonic: last byte from the client */
	unsigned unanswered;     /* keepalives without one */
};

/* --- gate_hook.c: the two OpenSSL calls of libssh that need a secret --- */

/* Gives the hooks the channel to the session. */
void gate_hook_setup(struct chan *session);
/* True when libssh's calls are bound to ours; else *why_r says what is not. */
bool gate_hook_bound(const char **why_r);
/* The data and signature of the last EVP_DigestVerify, which always says yes:
 * the session is the one to check.  False when there was none since the last
 * call.  Borrowed until the next verification. */
bool gate_hook_verified(const uint8_t **data_r, size_t *data_len_r,
    const uint8_t **sig_r, size_t *sig_len_r);
/* How many signatures libssh asked of us. */
unsigned gate_hook_signed(void);
/* Lets a client and a server of libssh exchange keys in this process and sees
 * whether both hooks were called.  LL_OK, or LL_PROTO with *why_r. */
LL_MUST enum ll_result gate_hook_test(const char **why_r);

/* --- gate_key.c --- */

/* A libssh key with that Ed25519 public half and a private half of noise.
 * The caller frees with ssh_key_free.  LL_NOMEM, LL_PROTO. */
LL_MUST enum ll_result gate_key_create(const uint8_t pk[32], ssh_key *key_r);
/* The SSH wire form of a client's key into blob (room bytes).  LL_DENIED for
 * types and sizes that we do not take, LL_TOOBIG. */
LL_MUST enum ll_result gate_key_blob(ssh_key key, uint8_t *blob, size_t room,
    size_t *len_r);

/* --- gate_transport.c --- */

/* Prepares what can be prepared before a client is there.  LL_NOMEM. */
LL_MUST enum ll_result gate_transport_init(struct gate *g);
/* Takes the host key and the connection g->tcp, sends our first line. */
LL_MUST enum ll_result gate_transport_start(struct gate *g,
    const uint8_t host_pk[32]);
void gate_transport_finish(struct gate *g);

/* --- gate_auth.c --- */

/* Registers the callbacks for logging in. */
void gate_auth_init(struct gate *g);

/* --- gate_channel.c: requests of channels --- */

/* Callback of libssh: a client opens a channel.  NULL refuses it. */
ssh_channel gate_channel_open(ssh_session ssh, void *userdata);
/* The session says how a channel's worker ended. */
void gate_channel_exit(struct gate *g, unsigned number, uint32_t status);
/* Releases a channel and tells the session. */
void gate_channel_release(struct gate_channel *c);

/* --- gate_pump.c: bytes --- */

/* Moves what can be moved now, in both directions, of every channel. */
void gate_pump(struct gate *g);
/* True while a byte read from a worker could be handed to libssh now. */
bool gate_pump_room(const struct gate_channel *c);
/* Keeps text as if the worker had written it to standard error. */
void gate_pump_complain(struct gate_channel *c, const char *text);
void gate_rest_finish(struct gate_rest *r);

/* --- letterlock-gate.c --- */

/* Asks the session and waits; *reply_r is set whatever the answer's result
 * is.  On failure the gate is over and the result says why. */
LL_MUST enum ll_result gate_ask(struct gate *g, struct msg *request,
    struct msg **reply_r);
/* Ends the connection for a breach of the protocol or the like. */
void gate_lost(struct gate *g, enum child_exit why);

#endif
