/*
 * center.h - the message center without a face: what the screens, line mode
 * and the exec verbs all stand on.
 *
 * Every string that comes out of here and was written by somebody else
 * (subjects, names, bodies, file names, other servers' words) has been through
 * clean_text and may be shown as it is; strings are never NULL.  Every
 * function that fails leaves its out-parameters finished
 * (safe to finish again); center_words has the sentence for the person.
 * LL_LOCKED: the passphrase is needed (center_unlock).  LL_BUSY: the store is
 * away or busy, ask again.
 */
#ifndef LL_CENTER_H
#define LL_CENTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/id.h"
#include "keys/muc.h"
#include "keys/parse.h"
#include "keys/result.h"
#include "store/desk.h"
#include "store/draft.h"
#include "store/kind.h"

#define CENTER_FOLDERS 5
#define CENTER_PAGE 50               /* rows of a page that suits a screen */

struct center;

/* Takes over the agent's channel fd.  On failure *c_r is NULL. */
LL_MUST enum ll_result center_open(int fd, struct center **c_r);
/* NULL is fine. */
void center_close(struct center *c);

/* Who works here; user, e-mail, role, locked, limits (store/desk.h). */
const struct desk_self *center_self(const struct center *c);
/* The desk below, for adminverb, enrolment and drafts (store/draft.h). */
struct desk *center_desk(struct center *c);
/* The sentence for the last failure r; never NULL or "". */
const char *center_words(const struct center *c, enum ll_result r);

/* Passphrase typed: LL_OK (center_self()->locked is false from now on),
 * LL_AUTH wrong, LL_RATE or LL_BUSY: wait.  The caller wipes its copy. */
LL_MUST enum ll_result center_unlock(struct center *c, const void *passphrase,
    size_t len);
/* Locks now; this worker too will see DESK_LOCKING and has to exit. */
LL_MUST enum ll_result center_lock(struct center *c);
/* A key was pressed: keeps the idle lock away. */
void center_active(struct center *c);

/* --- events ---
 * for (;;) {
 *	while (center_event(c, &e) == LL_OK) { ... }
 *	poll(center_fd(c), POLLIN ...)
 * }
 * One descriptor for everything; it stays the same while channels come and go.
 * Kinds: store/desk.h (DESK_BOX with folder FOLDER_DRAFTS: a draft changed,
 * e.g. an upload: draft_refresh). */
int center_fd(const struct center *c);
LL_MUST enum ll_result center_event(struct center *c, struct desk_event *e_r);

/* --- folders and lists --- */

struct center_count { uint64_t messages, unread; };
/* counts[FOLDER_x - 1]. */
LL_MUST enum ll_result center_counts(struct center *c,
    struct center_count counts[CENTER_FOLDERS]);

/* Links of this user's messages that are frozen: how many, and the address of
 * the newest ("" when there is none). */
LL_MUST enum ll_result center_frozen(struct center *c, uint64_t *count_r,
    char address_r[321]);

/* One line of a list. */
struct center_row {
	struct id id, thread;
	uint64_t sequence;           /* pass the last one as `before` */
	enum folder folder;
	bool unread;
	uint64_t time;               /* date of the message, since 1970 */
	enum ll_result result;       /* LL_OK, or why it is not readable */
	char *from;                  /* address */
	char *from_name;             /* shown name, "" for none */
	char **to; size_t to_count;  /* to and cc addresses */
	char *subject;
	size_t attachments;          /* is_mail: 0 until it is opened */
	bool is_mail;                /* it came in as mail */
};

struct center_list {
	struct center_row *rows;
	size_t count;
	uint64_t total, unread;      /* of the whole folder */
};

/* Rows of a folder, newest first, below sequence `before` (0: from the top).
 * FOLDER_DRAFTS lists the drafts (sequence 0, all of them).  While locked: rows
 * with result LL_LOCKED (drafts: none). */
LL_MUST enum ll_result center_list(struct center *c, enum folder folder,
    uint64_t before, size_t limit, struct center_list *l_r);
/* One's own messages of a thread, oldest first. */
LL_MUST enum ll_result center_thread(struct center *c,
    const struct id *thread, struct center_list *l_r);
void center_list_finish(struct center_list *l);
/* The thread that a message of one's own belongs to. */
LL_MUST enum ll_result center_thread_of(struct center *c,
    const struct id *message, struct id *thread_r);

/* The message (not a draft) whose id begins with prefix.  LL_NOTFOUND; LL_USAGE
 * for less than 4 symbols, foreign symbols, or more than one. */
LL_MUST enum ll_result center_find(struct center *c, const char *prefix,
    struct id *id_r);

/* --- one message --- */

struct center_attachment {
	unsigned n;                  /* 1, 2, ... */
	char *name;
	char *type;
	uint64_t bytes;
	char *path;                  /* for scp/sftp: "/m/ID/name" */
};

/* A place in the body where something begins that is not what came before. */
struct center_section {
	size_t at;                   /* in body */
	char *title;                 /* our words, to stand where no body can */
};

/* What there is to say about a message that came in as mail.  All of it is to
 * be shown outside the message area. */
struct center_opened {
	bool opened;                 /* false: sealed as it came, one file */
	char *reason;                /* why the signature counts, or not; why it
	                                was not opened: a sentence */
	char *encrypted;             /* how; "": it was not */
	char *fingerprint;           /* of the key that signed, "" for none */
	char *parts;                 /* which parts are signed: "all", "none",
	                                "1 of 3: ..." */
	bool subject_outside;        /* the subject was not protected */
	bool no_quote;               /* its text must not go into an answer by
	                                itself */
	char **notes; size_t note_count;  /* further sentences */
	struct center_section *sections; size_t section_count;
};

struct center_message {
	struct center_row row;
	struct id reply_to;          /* zero: none */
	char **tos; size_t tos_count;   /* to, without cc */
	char **cc; size_t cc_count;
	char *body;                  /* LF line ends */
	size_t body_len;
	bool valid;                  /* signed by `signer`, and it holds */
	char *signer;                /* address; not valid: who should have
	                                signed, "" when it came by a link */
	struct center_attachment *attachments; size_t attachment_count;
	struct center_opened mail;     /* when row.is_mail; there signer is who
	                                holds the key that signed, "" for none;
	                                valid: one good signature by a checked
	                                key of the sender covers all */
};

/* Fetches, opens, verifies.  A mail that can't be opened is no failure: see
 * center_opened.  LL_GONE: withdrawn or expired.  LL_AUTH: sealed
 * for an older key of one's own, or damaged. */
LL_MUST enum ll_result center_message(struct center *c, const struct id *id,
    struct center_message *m_r);
/* center_find, then center_message. */
LL_MUST enum ll_result center_message_of(struct center *c,
    const char *prefix, struct center_message *m_r);
void center_message_finish(struct center_message *m);

/* To be called once the whole body was shown: unread mark and, for a
 * recipient, the delivery's state "read". */
LL_MUST enum ll_result center_mark_read(struct center *c,
    const struct id *id);
LL_MUST enum ll_result center_mark_unread(struct center *c,
    const struct id *id);
/* Into inbox, archive or trash. */
LL_MUST enum ll_result center_move(struct center *c, const struct id *id,
    enum folder folder);
/* Out of the trash for good: one's own key to it is destroyed. */
LL_MUST enum ll_result center_purge(struct center *c, const struct id *id);

/* --- people --- */

struct center_person { char *address; char *name; };
struct center_people { struct center_person *rows; size_t count; };
/* Whom one has written to, and staff, most recent first, whose address or name
 * (any word of it) begins with prefix (any case; "" for all).  The store's list
 * is kept for 60 seconds, so this may be called at each key. */
LL_MUST enum ll_result center_people(struct center *c, const char *prefix,
    struct center_people *p_r);
void center_people_finish(struct center_people *p);

/* --- drafts: store/draft.h has struct draft and its operations --- */

/* A draft that answers message m: recipient, "Re: ", thread, quoted text;
 * all: also everybody else it was sent to. */
LL_MUST enum ll_result center_reply(struct center *c,
    const struct center_message *m, bool all, struct draft *d_r);
/* What to show the person who wants to attach a file: the place for scp and
 * sftp, "/d/ID/" (CONTRACT.md). */
#define CENTER_UPLOAD_PATH (ID_TEXT + 5)
void center_upload_path(const struct draft *d,
    char text[CENTER_UPLOAD_PATH]);

/* --- plan and send --- */

/* A key that this recipient's mail is encrypted to. */
struct center_plan_key {
	enum parse_format format;
	char fingerprint[129];
	char address[321];           /* the recipient's, or "@domain" */
};

#define CENTER_OTHERS 8

struct center_planned {
	char address[321];
	enum route route;            /* ROUTE_NONE when held */
	enum route wanted;           /* by the sender; ROUTE_NONE: none */
	enum route others[CENTER_OTHERS]; size_t other_count; /* would do too */
	struct center_plan_key *keys; size_t key_count;
	bool held;
	char *warning;               /* a key changed; "" for none */
	char *reason;                /* why this route, or why held */
	char *trust;                 /* why that key is trusted */
	char *evidence;              /* what will be provable */
	bool code_known;             /* portal-muc: the confirmed code is
	                                used again unless new_codes */
	/* what sealing needs */
	struct id user;
	uint8_t seal_pk[KEY_BYTES];
	uint64_t generation;
	uint8_t *pair_box; size_t pair_box_len;
};

struct center_plan {
	struct center_planned *rows; size_t count;
	enum msg_class class;        /* planned for */
	size_t looking;              /* lookups of keys still under way */
	char *warning;               /* about all of it; NULL for none */
	uint8_t hash[HASH_BYTES];    /* to be shown and held to */
	uint64_t queue_day;
	uint8_t queue_pk[KEY_BYTES];
	uint64_t expires_days;       /* the house's default */
};

/* Plans for the draft's recipients (to and cc).  LL_USAGE without any.
 * LL_DENIED: a wanted route is not to be had; center_words says why. */
LL_MUST enum ll_result center_plan(struct center *c, const struct draft *d,
    struct center_plan *p_r);
/* The same after a look for keys of the recipients outside: what was found is
 * inspected and kept first, and lookups under way are waited for, at most
 * wait_ms altogether.  p_r->looking are those that go on: plan again at
 * DESK_FOUND. */
LL_MUST enum ll_result center_plan_look(struct center *c,
    const struct draft *d, int wait_ms, struct center_plan *p_r);
void center_plan_finish(struct center_plan *p);

/* One recipient of a sent message, as the sender sees it. */
struct center_event_row {
	enum event event;
	uint64_t time;
	char *detail;                /* "" for none */
};

struct center_recipient {
	char address[321];
	enum route route;
	enum delivery_state state;
	char *reason;
	uint64_t expires;            /* since 1970, 0: never */
	bool has_code;               /* what to tell the recipient: */
	char code[MUC_TEXT + 1];     /* XXXX-XXXX-XXXX */
	char phonetic[MUC_PHONETIC_MAX];
	char words[2][SITE_WORD_MAX];
	struct center_event_row *events; size_t event_count; /* status only */
	bool was_read;               /* withdraw only */
};

struct center_sent {
	struct id id, thread;
	enum delivery_state state;   /* of the whole: the least advanced */
	uint64_t undo_until;         /* since 1970; 0: cannot be undone */
	struct center_recipient *rows; size_t count;
};

struct center_send_options {
	uint64_t delay_secs;         /* countdown for undo; 0 for exec verbs */
	bool new_codes;              /* no reuse of confirmed codes */
	/* Called before each step that takes long: what ("Making link") is
	 * being done, step of steps.  May be NULL.  Returning false gives up:
	 * LL_AGAIN. */
	bool (*progress)(void *arg, const char *what, size_t step,
	    size_t steps);
	void *arg;
	uint8_t idempotency[HASH_BYTES]; /* all zero: a fresh one is put here;
	                                reuse the struct to repeat after
	                                LL_BUSY without a second message */
};

/* Seals and sends the draft by this plan.  LL_CONFLICT: an address or key
 * changed since the plan was shown: plan again.  LL_BUSY: try again with the
 * same options.  A held recipient is no failure. */
LL_MUST enum ll_result center_send(struct center *c, const struct draft *d,
    const struct center_plan *p, struct center_send_options *o,
    struct center_sent *s_r);
void center_sent_finish(struct center_sent *s);

/* Takes back a message whose deliveries all are pending still; the draft is
 * there again (draft_load).  LL_CONFLICT: too late. */
LL_MUST enum ll_result center_undo(struct center *c, const struct id *id);
/* Recipient by recipient with events; codes of links not opened yet. */
LL_MUST enum ll_result center_status(struct center *c, const struct id *id,
    struct center_sent *s_r);
/* Destroys what is not opened yet (all recipients, or address when not NULL);
 * rows have state and was_read. */
LL_MUST enum ll_result center_withdraw(struct center *c, const struct id *id,
    const char *address, const char *reason, struct center_sent *s_r);
/* A new link and code for one portal recipient; the one row has them. */
LL_MUST enum ll_result center_reissue(struct center *c, const struct id *id,
    const char *address, struct center_send_options *o,
    struct center_sent *s_r);

/* --- keys --- */

/* Another person's (or domain's) key. */
struct center_key {
	char address[321];           /* "@domain" for a whole domain */
	enum parse_format format;
	char fingerprint[129];
	char *algorithm;
	uint64_t created, expires;   /* since 1970; expires 0: never */
	enum key_source source;
	uint64_t confirmed, added;   /* when; confirmed 0: by nobody */
	bool trusted, changed, house; /* PEERKEY_* */
};
struct center_keys { struct center_key *rows; size_t count; };

/* One's own and the house's, of address or (NULL) of all. */
LL_MUST enum ll_result center_keys(struct center *c, const char *address,
    struct center_keys *k_r);
void center_keys_finish(struct center_keys *k);

/* What became of one key of those given. */
struct center_added {
	char fingerprint[129];
	enum parse_format format;
	char *algorithm;
	bool added, changed, trusted;
	char *words;                 /* why not, or ""; cleaned */
};
struct center_addition { struct center_added *rows; size_t count; };
/* Inspects bytes (OpenPGP keys, armored or not, or a certificate) and keeps the
 * good ones for address ("@domain" for a whole one) as given by hand.  LL_OK
 * when at least one is kept; LL_DENIED with the first one's words. */
LL_MUST enum ll_result center_key_add(struct center *c, const char *address,
    const void *key, size_t len, struct center_addition *a_r);
void center_addition_finish(struct center_addition *a);

/* By fingerprint or a beginning of 8 digits and more, in any case, blanks and
 * colons ignored; address may be NULL.  LL_NOTFOUND, LL_CONFLICT: more than
 * one begins so.  k_r: what was confirmed or removed. */
LL_MUST enum ll_result center_key_confirm(struct center *c,
    const char *fingerprint, const char *address, struct center_keys *k_r);
LL_MUST enum ll_result center_key_remove(struct center *c,
    const char *fingerprint, const char *address, struct center_keys *k_r);

/* One's own public keys, newest first. */
struct center_own {
	enum parse_format format;
	char fingerprint[129];
	char *algorithm;
	uint64_t created;
	bool usable;                 /* S/MIME: has a certificate */
	uint8_t *key; size_t key_len; /* OpenPGP public key, certificate, or
	                                the request for one, all binary */
};
struct center_owns { struct center_own *rows; size_t count; };
LL_MUST enum ll_result center_own_keys(struct center *c,
    struct center_owns *o_r);
void center_own_keys_finish(struct center_owns *o);
/* The newest of that format as others take it: armored OpenPGP key, or PEM of
 * the certificate (chain behind it); malloc'd.  LL_NOTFOUND with words. */
LL_MUST enum ll_result center_key_export(struct center *c,
    enum parse_format format, char **text_r);
/* Takes over a PKCS#12 file or secret OpenPGP key as one's own. */
LL_MUST enum ll_result center_key_import(struct center *c, const void *file,
    size_t len, const char *password);

/* A fingerprint in groups of 4, as people compare it. */
#define CENTER_FINGERPRINT 200
void center_fingerprint_text(const char *fingerprint,
    char text[CENTER_FINGERPRINT]);
/* "OpenPGP", "S/MIME" */
const char *center_format_name(enum parse_format f);
/* Whether a key is used, in words ("checked by you", "changed: not used before
 * it is confirmed"). */
const char *center_key_sentence(const struct center_key *k);

/* --- words for people --- */

/* "2026-11-23T15:04:05Z" */
#define CENTER_TIME_TEXT 24
void center_time_text(uint64_t time, char text[CENTER_TIME_TEXT]);
/* A sentence for a delivery's state ("told by mail, not opened yet"). */
const char *center_state_sentence(enum delivery_state s);
/* Why a row can't be read ("sealed for keys that you no longer have"). */
const char *center_row_sentence(enum ll_result r);
/* What the recipient must do, by route ("logs in here", "opens the link with
 * the code you tell them"). */
const char *center_route_sentence(enum route r);
/* What a class asks of the routes. */
const char *center_class_sentence(enum msg_class class);

#endif
