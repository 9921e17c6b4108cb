/*
 * storekit.h - a real letterlock-store for tests, and users in it.
 */
#ifndef LL_STOREKIT_H
#define LL_STOREKIT_H

#include <sys/types.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "store/chan.h"
#include "store/kind.h"
#include "store/msg.h"

struct kit {
	char dir[64];
	pid_t pid;
	struct chan *control;    /* descriptor 3's other end */
	struct chan *daemon;     /* the first channel */
	unsigned undo_secs;
	const char *preload;     /* LD_PRELOAD for the store, or NULL */
	uint64_t quota, attachment_max;
	const char *tls_domains; /* or NULL */
	const char *search;      /* key_search, NULL: off */
};

struct kit_user {
	struct id id, slot;
	char name[32], email[64];
	uint8_t seed[20], proof[32], backup[32], seal_pk[32];
	uint64_t step;           /* last TOTP step given */
	uint8_t token[32];
	struct chan *session, *worker;
};

/* Makes an empty directory and starts a store on it; fails the test. */
void kit_begin(struct kit *k);
/* Starts a store on what is there. */
void kit_start(struct kit *k);
/* Starts a store that ends before it serves; returns its exit status. */
int kit_try(struct kit *k);
/* STOP and wait; returns the exit status. */
int kit_stop(struct kit *k);
/* SIGKILL. */
void kit_kill(struct kit *k);
/* Stops and removes everything. */
void kit_end(struct kit *k);

/* A channel of a role, from the daemon's channel. */
struct chan *kit_channel(struct kit *k, enum peer_role role);

/* Adds a user through a local channel and enrols it. */
void kit_user(struct kit *k, const char *name, enum user_role role,
    struct kit_user *u_r);
/* Resets a user, whose channels end, and enrols it again: with the old vault,
 * or the one of the next generation. */
void kit_reset(struct chan *local, struct kit_user *u, uint64_t generation);
/* Logs in with passphrase and TOTP; session and worker are set. */
void kit_login(struct kit *k, struct kit_user *u);
void kit_logout(struct kit_user *u);
/* A code that is good now and was not given before. */
void kit_code(struct kit_user *u, char code[7]);

/* Sends and waits; the request is used up.  *reply_r (may be NULL) also on
 * refusal; the caller destroys it. */
enum ll_result kit_ask(struct chan *c, struct msg *request,
    struct msg **reply_r);
struct msg *kit_request(enum op op);

/* A SEND of a small message to addresses (NULL-terminated list), planned
 * before.  *message_r: its id. */
enum ll_result kit_send(struct kit_user *u, const char *const *to,
    uint64_t delay_secs, struct id *message_r);
/* The request only: fresh id, planned. */
struct msg *kit_send_request(struct kit_user *u, const char *const *to,
    uint64_t delay_secs, struct id *message_r);

/* Someone else's key, as PEERKEY_ADD has it. */
struct kit_key {
	const char *address, *fingerprint;
	unsigned format;         /* enum parse_format */
	enum key_source source;  /* 0: the house's own channels */
	uint64_t expires, flags;
};
void kit_add_key(struct chan *c, const struct kit_key *key);
void kit_confirm_key(struct kit_user *u, const char *fingerprint);

/* Whom to write to, and by which way (0: the store's choice). */
struct kit_to {
	const char *address;
	enum route route;
};
/* kit_send_request with wishes (ended by a NULL address) and a class.  Mail
 * routes get one mail for each format, inline; see kit_mail_of. */
struct msg *kit_send_to(struct kit_user *u, const struct kit_to *to,
    enum msg_class class, uint64_t delay_secs, struct id *message_r);
/* The PLAN for that; *plan_r also on refusal. */
enum ll_result kit_plan(struct kit_user *u, const struct kit_to *to,
    enum msg_class class, struct msg **plan_r);
/* The object that such a SEND has the mail of a format (enum parse_format)
 * in: KIT_MAIL_BYTES, each one the format. */
#define KIT_MAIL_BYTES 5000
/* As kit_send_to, for a message whose one mail was uploaded. */
struct msg *kit_send_blob(struct kit_user *u, const struct kit_to *to,
    const struct id *message, const struct id *mail, uint64_t bytes);
void kit_mail_of(const struct id *message, unsigned format,
    struct id *object_r);

/* The LINK fields (locator i of the test) into m. */
void kit_put_link(struct msg *m, const uint8_t locator[32],
    const uint8_t proof[32]);
/* The locator and proof that kit_send used for recipient n of a message. */
void kit_link_of(const struct id *message, unsigned n, uint8_t locator[32],
    uint8_t proof[32]);
/* Today's and tomorrow's queue keys. */
void kit_queue_keys(struct kit *k);

/* State of recipient n of a message. */
enum delivery_state kit_state(struct kit_user *u, const struct id *message,
    unsigned n);
/* One number from the database of a stopped store. */
long long kit_sql(struct kit *k, const char *sql);

#endif
