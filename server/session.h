/*
 * session.h - what the parts of letterlock-session share.
 *
 * One session per SSH connection.  It decides who logs in, holds the open
 * vault, opens terminals and starts a worker for each channel; the gate in
 * front of it moves bytes and is not believed.
 */
#ifndef LL_SESSION_H
#define LL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/kdf.h"
#include "keys/parse.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "keys/vault.h"
#include "server/enrol.h"
#include "server/exitcode.h"
#include "store/chan.h"
#include "store/kind.h"
#include "store/loop.h"

#define SESSION_CHANNELS 10
#define SESSION_TRIES 6           /* first factors that may fail */
#define SESSION_CODE_TRIES 3
#define SESSION_PROBES 15         /* keys a client may offer */
#define SESSION_ENV 16            /* variables of one channel */
#define SESSION_CONFIG 32
#define SESSION_FACTORS 4
#define SESSION_PARSERS 4         /* jobs of letterlock-parse at once */
#define SESSION_PLACES (SESSION_PARSERS + 3)
#define SESSION_DELAY_MAX_SECS 15 /* a longer delay is told, not waited for */
#define SESSION_ASK_MS 20000      /* patience with the store */
#define SESSION_LEASE_MS 12000    /* the store itself says busy after 10 s */

/* Bits, so that the table of requests can name several. */
enum session_state {
	STATE_START = 0x01,       /* no name yet */
	STATE_FACTOR1 = 0x02,     /* name pinned, key or passphrase awaited */
	STATE_FACTOR2 = 0x04,     /* first factor stands, code awaited */
	STATE_UNLOCK = 0x08,      /* both stand by key, passphrase optional */
	STATE_OK = 0x10,          /* logged in */
	STATE_ENROL = 0x20,       /* a ticket was given: enrolment only */
	STATE_ENDING = 0x40,
	STATE_LOGIN = STATE_FACTOR1 | STATE_FACTOR2 | STATE_UNLOCK,
	STATE_IN = STATE_OK | STATE_ENROL,
	STATE_ANY = 0x3f          /* but not ENDING */
};

struct session;

struct session_pair {
	char *name, *value;       /* malloc'd */
};

/* One SSH channel and its worker. */
struct session_channel {
	struct session *session;
	bool used;
	unsigned number;
	bool pty;                 /* the client asked for a terminal */
	bool closed;              /* the gate says it is gone */
	bool restart;             /* locked: start a fresh worker after exit */
	enum worker_mode mode;    /* 0: not started */
	int master, slave;        /* terminal; -1: none */
	int io, err;              /* the worker's ends without one; -1: none */
	char term[41];
	unsigned cols, rows;
	struct session_pair env[SESSION_ENV];
	size_t env_count;
	char *command;            /* exec's words, malloc'd */
	pid_t pid;                /* 0: no worker runs */
	uint64_t kill_timer;      /* 0: none */
	struct chan *agent;
};

/* A letterlock-parse: a worker's, who has the other end of its wire, or one
 * that makes a key of the user's own. */
struct session_parser {
	struct session *session;
	struct session_channel *channel;
	pid_t pid;                /* 0: none runs */
	uint64_t timer;           /* of its end; 0: none */
	bool making;              /* or taking one in */
	int fd;                   /* making: our end of the wire */
	uint32_t sequence;        /* of the request that waits */
	enum parse_format format;
};

enum mail_state {
	MAIL_UNKNOWN,             /* whether the user has mail keys */
	MAIL_THERE                /* has, or they are being made */
};

struct session_slot {
	struct id id;
	struct kdf_params params;
	uint8_t wrap[SEAL_WRAP_BYTES];
	size_t wrap_len;
};

struct session {
	struct loop *loop;
	struct chan *daemon, *store, *gate;
	enum session_state state;
	enum child_exit why;
	const char *bin;          /* directory of the workers' programs */
	struct session_pair config[SESSION_CONFIG];
	size_t config_count;
	struct secret host_sk;
	uint8_t host_pk[32];
	bool has_id;              /* id: the first exchange hash we signed */
	uint8_t id[32];

	/* logging in */
	char user[65];
	bool begun;               /* the store knows whom we ask about */
	struct session_slot slot; /* passphrase slot, or a decoy */
	uint8_t backup_salt[KDF_SALT_BYTES];
	uint64_t delay_until_ms;
	struct msg *waiting;      /* request that waits for the delay */
	struct msg *late;         /* refusal that waits for its time */
	uint64_t asked_ms;        /* when the gate's last request came */
	struct secret a;          /* Argon2id's output, until the vault opens */
	unsigned tries, code_tries, unlock_tries, probes;
	uint8_t ticket[HASH_BYTES]; /* hash of the one that was given */
	char hint[200];           /* instruction of the next prompt */
	uint8_t offered[SESSION_PROBES][1100];
	size_t offered_len[SESSION_PROBES];
	size_t offered_count;

	/* logged in */
	struct secret token, pepper;
	struct vault_public pub;
	bool has_slot;            /* slot and pub are this user's own */
	struct vault *vault;      /* NULL: locked */
	char email[321], name[401];
	enum user_role role;
	char factors[SESSION_FACTORS][65];
	size_t factor_count;
	struct enrol *enrol;

	struct session_channel channels[SESSION_CHANNELS];
	/* the workers' jobs, each format to be made, an import */
	struct session_parser parsers[SESSION_PLACES];
	enum mail_state mail_state;
	uint64_t mail_timer;
	uint64_t smime_rsa_bits;  /* of the S/MIME key to be made */
	uint64_t active_ms;       /* last sign of a person at the keys */
	uint64_t login_ms;
};

/* --- letterlock-session.c --- */

/* Ends the connection: the client is told words (NULL: none), workers are hung
 * up, and when they are gone the loop stops. */
void session_end(struct session *s, enum child_exit why, const char *words);
/* A configuration value, or NULL. */
const char *session_config(const struct session *s, const char *key);

/* --- session_gate.c --- */

/* Hands a request to its handler, if it is one for the state we are in; else
 * the session ends: only a gate that is not itself any more does that. */
void session_gate_request(struct session *s, struct msg *m);
/* Sends the reply r to a request of the gate (no more fields). */
void session_answer(struct session *s, const struct msg *request,
    enum ll_result r);
/* The same with a sentence for the person. */
void session_answer_words(struct session *s, const struct msg *request,
    enum ll_result r, const char *words);
/* Sends a prepared reply or event to the gate; NULL ends the session. */
void session_send(struct session *s, struct msg *m);

/* --- session_store.c --- */

/* Asks the store; waits.  LL_EOF when it is away; else the answer's result,
 * with *reply_r set whatever it is (NULL pointer: not wanted). */
LL_MUST enum ll_result session_ask(struct session *s, struct msg *request,
    int timeout_ms, struct msg **reply_r);
/* An operation without fields. */
LL_MUST enum ll_result session_ask_plain(struct session *s, enum op op,
    int timeout_ms, struct msg **reply_r);
/* Takes a fresh store channel; attaches with the token when logged in. */
void session_store_new(struct session *s, int fd);
/* Watches the store's channel for events. */
void session_store_watch(struct session *s);
/* A store channel for a worker, or -1 with *r_r. */
int session_store_worker(struct session *s, enum ll_result *r_r);
/* Reads AUTH_DONE's or AUTH_ATTACH's answer into the session. */
LL_MUST enum ll_result session_store_identity(struct session *s,
    const struct msg *reply);

/* --- session_auth.c: one handler for each request of the gate --- */

/* GATE_SIGN: signs an exchange hash; the first one is the session id. */
void session_auth_sign(struct session *s, struct msg *m);
/* GATE_PROBE: would that key do? */
void session_auth_probe(struct session *s, struct msg *m);
/* GATE_KEY: a first factor, checked here and then by the store. */
void session_auth_key(struct session *s, struct msg *m);
/* GATE_PASSWORD: a first factor, or a ticket. */
void session_auth_password(struct session *s, struct msg *m);
/* GATE_PROMPT: what is asked next. */
void session_auth_prompt(struct session *s, struct msg *m);
/* GATE_ANSWER: a code, or the passphrase after a key. */
void session_auth_answer(struct session *s, struct msg *m);
/* Names the user to the store. */
LL_MUST enum ll_result session_auth_begin(struct session *s);
/* Shows the store the ticket that was given. */
LL_MUST enum ll_result session_auth_ticket(struct session *s);

/* --- session_key.c --- */

/* Whether sig over data is key's (an SSH blob) for logging in as user on the
 * connection with that session id: LL_OK, LL_AUTH, LL_DENIED for kinds of keys
 * we do not take (ed25519, sk-ed25519, RSA from 3072 bits are taken). */
LL_MUST enum ll_result session_key_verify(const uint8_t id[32],
    const char *user, struct tlv_view key, struct tlv_view data,
    struct tlv_view sig);

/* --- session_vault.c --- */

/* A = Argon2id(passphrase) under a lease of the store.  LL_BUSY, LL_NOMEM. */
LL_MUST enum ll_result session_vault_stretch(struct session *s,
    const void *passphrase, size_t len, struct secret *a_r);
/* Opens the vault with A.  LL_OK, LL_AUTH, LL_LOCKED when there is none. */
LL_MUST enum ll_result session_vault_open(struct session *s,
    const struct secret *a);
/* Stretches and opens, with a count of failures: LL_OK, LL_AUTH, LL_BUSY,
 * LL_RATE after too many. */
LL_MUST enum ll_result session_vault_unlock(struct session *s,
    const void *passphrase, size_t len);
/* Wipes the vault; workers with a person before them journal, end and are
 * started again in front of a closed door. */
void session_vault_lock(struct session *s);

/* --- session_channel.c: handlers, after the login --- */

/* GATE_CHANNEL: a place for one more, or LL_DENIED. */
void session_channel_open(struct session *s, struct msg *m);
/* GATE_PTY: the terminal's name and size, both held to bounds. */
void session_channel_pty(struct session *s, struct msg *m);
/* GATE_ENV: keeps what is harmless, refuses the rest. */
void session_channel_env(struct session *s, struct msg *m);
/* GATE_START_SHELL: a screen, or line mode. */
void session_channel_shell(struct session *s, struct msg *m);
/* GATE_EXEC: one verb. */
void session_channel_exec(struct session *s, struct msg *m);
/* GATE_SUBSYSTEM: sftp. */
void session_channel_subsystem(struct session *s, struct msg *m);
/* GATE_RESIZE: the window changed. */
void session_channel_resize(struct session *s, struct msg *m);
/* GATE_CLOSED: hangs up the worker. */
void session_channel_closed(struct session *s, struct msg *m);

/* --- session_worker.c --- */

/* Gives the channel its terminal or sockets; the gate's ends go to fds_r (-1:
 * none). */
LL_MUST enum ll_result session_worker_open(struct session_channel *c,
    int fds_r[2]);
/* Starts the program of c->mode. */
LL_MUST enum ll_result session_worker_start(struct session_channel *c);
/* Collects workers that ended. */
void session_worker_reap(struct session *s);
/* The worker was told to end: SIGKILL if it is still there in five seconds. */
void session_worker_expire(struct session_channel *c);
/* The client closed the channel: the worker finds the end of its input, and
 * may finish with what came before. */
void session_worker_drain(struct session_channel *c);
/* SIGHUP now, SIGKILL for what is still there in five seconds. */
void session_worker_hangup(struct session_channel *c);
/* Forgets a channel without a worker. */
void session_worker_release(struct session_channel *c);
/* True while a worker runs. */
bool session_worker_any(const struct session *s);

/* --- session_mail.c --- */

/* The vault was opened: mail keys that the user lacks are made, later. */
void session_mail_unlocked(struct session *s);
/* AGENT_PARSE, as the handlers of session_agent.c. */
LL_MUST enum ll_result session_mail_parse(struct session_channel *c,
    const struct msg *request, struct msg **reply_r);
/* AGENT_IMPORT: LL_AGAIN when the answer follows. */
LL_MUST enum ll_result session_mail_import(struct session_channel *c,
    const struct msg *request);
/* Collects those that ended. */
void session_mail_reap(struct session *s);
/* Kills the jobs of that channel's worker (NULL: of all). */
void session_mail_hangup(struct session *s, const struct session_channel *c);
/* Ends all of them. */
void session_mail_finish(struct session *s);

/* --- session_agent.c --- */

/* Serves the worker's requests from now on. */
LL_MUST enum ll_result session_agent_watch(struct session_channel *c);
/* Sends (and owns) an answer that its worker waits for. */
void session_agent_send(struct session_channel *c, struct msg *m);

#endif
