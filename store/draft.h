/*
 * draft.h - a message being written, as it is journalled.
 *
 * A draft's id becomes the message's id and its random key the message's key,
 * so attachments are sealed once.  The key is boxed to the author's public
 * key (SEAL_DRAFT), so a draft can be written while the vault is locked; the
 * text is sealed under a subkey of it.  Text, recipients and the names of
 * attachments stand only in here.
 */
#ifndef LL_DRAFT_H
#define LL_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/seal.h"
#include "keys/secret.h"
#include "store/desk.h"
#include "store/kind.h"

#define DRAFT_BODY_MAX 262144        /* bytes of text */
#define DRAFT_SUBJECT_MAX 1000
#define DRAFT_RECIPIENTS_MAX 500     /* to and cc together */
#define DRAFT_ATTACHMENTS_MAX 100
#define DRAFT_NAME_MAX 200

struct draft_attachment {
	struct id object;
	char *name;                  /* cleaned (clean_file_name) */
	char *type;                  /* media type */
	uint64_t plain_bytes;
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES];    /* of the ciphertext */
};

/* A route that the author wants for a recipient, above the policy's choice. */
struct draft_via {
	char address[321];
	enum route route;
};

/* All strings malloc'd and never NULL after draft_init. */
struct draft {
	struct id id;
	struct id thread;            /* zero: begins a thread of its own */
	struct id reply_to;          /* zero: none */
	struct secret key;
	char **to; size_t to_count;
	char **cc; size_t cc_count;
	char *subject;
	char *body;                  /* UTF-8, LF line ends, NUL-terminated */
	struct draft_attachment *attachments; size_t attachment_count;
	struct id *removed; size_t removed_count; /* detached, see draft_save */
	uint64_t cursor;             /* byte offset in body */
	uint64_t expires_days;       /* 0: the house's default */
	enum msg_class class;        /* 0: not said, which is normal */
	struct draft_via *vias; size_t via_count;
	uint64_t time;               /* last change, as the store says */
	uint64_t version;            /* as the store counts; 0: never saved */
	bool shown;                  /* in an editor: another writer's words
	                                never replace these */
	uint8_t base[HASH_BYTES];    /* of the words in that version */
	uint8_t tried[2][HASH_BYTES]; /* of those that may have been kept: the
	                                first and the last without an answer */
};

/* A new draft with a fresh id and key. */
LL_MUST enum ll_result draft_init(struct draft *d);
/* Wipes and frees all. */
void draft_finish(struct draft *d);

/* Replaces *member (&d->subject, &d->body) by a copy; the old text is wiped.
 * LL_TOOBIG above the ceilings, LL_USAGE when it is not UTF-8. */
LL_MUST enum ll_result draft_set_subject(struct draft *d, const char *text);
LL_MUST enum ll_result draft_set_body(struct draft *d, const char *text);
/* Empties both recipient lists. */
void draft_clear_recipients(struct draft *d);
/* Appends an address (checked with clean_address, *why_r as there) unless it
 * is there already, in to or cc. */
LL_MUST enum ll_result draft_add_to(struct draft *d, const char *address,
    const char **why_r);
LL_MUST enum ll_result draft_add_cc(struct draft *d, const char *address,
    const char **why_r);
/* The route wanted for address; ROUTE_NONE takes the wish back.  An address
 * that is no recipient (any more) does no harm. */
LL_MUST enum ll_result draft_want(struct draft *d, const char *address,
    enum route route);
/* The route wanted for address, or ROUTE_NONE. */
enum route draft_wanted(const struct draft *d, const char *address);
/* Moves what the author wishes besides words into d: expiry, class, routes. */
void draft_take_wishes(struct draft *d, struct draft *from);
/* Appends a copy; a name that is there already gets a number ("a (2).pdf"). */
LL_MUST enum ll_result draft_add_attachment(struct draft *d,
    const struct draft_attachment *a);

/* --- the sealed form --- */

/* The text's TLV, sealed for `author` (malloc'd, caller frees). */
LL_MUST enum ll_result draft_seal(const struct draft *d,
    const struct id *author, uint64_t generation, uint8_t **out_r,
    size_t *len_r);
/* The reverse: d->id and d->key are set by the caller; the rest is replaced. */
LL_MUST enum ll_result draft_unseal(struct draft *d, const struct id *author,
    uint64_t generation, const void *sealed, size_t len);

/* Hash of what people write: recipients, subject, text. */
void draft_words_hash(const struct draft *d, uint8_t hash_r[HASH_BYTES]);
/* Gives d the words of other, which gets those of d. */
void draft_swap_words(struct draft *d, struct draft *other);

/* --- with the store (and the agent, to read) --- */

/* Journals d.  Another writer's change since d was loaded (an upload by sftp)
 * is merged: attachments of theirs that d does not name in removed are
 * added to d, and their words taken over when d's are unchanged and not shown.
 * Works while locked.  LL_NOTFOUND when the draft was sent or deleted meanwhile
 * (and was saved before); LL_CONFLICT when both changed the words: nothing is
 * overwritten, draft_fork keeps these. */
LL_MUST enum ll_result draft_save(struct desk *k, struct draft *d);
/* Makes d, without its attachments, a draft of its own, and saves that. */
LL_MUST enum ll_result draft_fork(struct desk *k, struct draft *d);
/* Reads one draft.  LL_LOCKED, LL_NOTFOUND.  d need not be initialised. */
LL_MUST enum ll_result draft_load(struct desk *k, const struct id *id,
    struct draft *d_r);
/* Takes over attachments that another writer added since; *changed_r tells
 * whether anything did.  Needs no open vault. */
LL_MUST enum ll_result draft_refresh(struct desk *k, struct draft *d,
    bool *changed_r);
/* All drafts, newest first: malloc'd array, each to be finished.  A draft that
 * does not open (older key generation) is left out. */
LL_MUST enum ll_result draft_list(struct desk *k, struct draft **list_r,
    size_t *count_r);
void draft_list_finish(struct draft *list, size_t count);
LL_MUST enum ll_result draft_delete(struct desk *k, const struct id *id);
/* Finds a draft by an id prefix of 4 symbols and more.  LL_USAGE with words
 * when it is ambiguous or no prefix. */
LL_MUST enum ll_result draft_find(struct desk *k, const char *prefix,
    struct id *id_r);

/* Seals what `in` yields up to its end into a new blob of d and lists it in d
 * (draft_save follows from the caller).  d must have been saved once.
 * LL_TOOBIG above attachment_max, LL_FULL above the quota. */
LL_MUST enum ll_result draft_attach(struct desk *k, struct draft *d,
    const char *name, const char *type, int in);
/* Seals d->body into a new blob (for a body above INLINE_MAX); object, sizes
 * and hash in *a_r, no words.  d need not have been saved. */
LL_MUST enum ll_result draft_store_body(struct desk *k,
    const struct draft *d, struct draft_attachment *a_r);
/* A new blob of the draft with this id, of about `expected` sealed bytes (0:
 * not known).  *fd_r takes them and is the caller's, after a failure too
 * unless -1; *room_r is how many the quota leaves.  LL_FULL above it. */
LL_MUST enum ll_result draft_blob_new(struct desk *k, const struct id *id,
    uint64_t expected, struct id *object_r, int *fd_r, uint64_t *room_r);
/* The blob is whole: object, sealed bytes and hash of a. */
LL_MUST enum ll_result draft_blob_commit(struct desk *k, const struct id *id,
    enum object_kind kind, const struct draft_attachment *a);
/* Takes attachment n (0-based) away, in d and in the store. */
LL_MUST enum ll_result draft_detach(struct desk *k, struct draft *d,
    size_t n);

#endif
