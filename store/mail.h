/*
 * mail.h - messages of one's own box, opened with the agent's help.
 *
 * Nothing here is cleaned for showing: names, subjects and bodies are foreign
 * text (keys/clean.h).
 */
#ifndef LL_MAIL_H
#define LL_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/envelope.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "store/desk.h"
#include "store/kind.h"

#define MAIL_PAGE_MAX 200            /* rows of one mail_list */
#define MAIL_BODY_MAX 4194304        /* bytes of a body that is read whole */

/* One line of a box. */
struct mail_row {
	struct id id;
	uint64_t sequence;           /* arrival order; what BEFORE counts */
	enum folder folder;
	bool unread;
	uint64_t time;               /* arrival, seconds since 1970 */
	enum ll_result result;       /* LL_OK: envelope is open; else why not:
	                                LL_LOCKED, LL_AUTH (older keys), ... */
	struct envelope envelope;
};

struct mail_page {
	struct mail_row *rows;
	size_t count;
	uint64_t total, unread;      /* of the whole folder (mail_list) */
};

/* Up to limit rows of a folder, newest first, below sequence `before` (0: from
 * the top).  Keys come from the agent in batches and a key met for the first
 * time is stored re-wrapped.  While locked the rows come unopened. */
LL_MUST enum ll_result mail_list(struct desk *k, enum folder folder,
    uint64_t before, size_t limit, struct mail_page *p_r);
/* All own messages of a thread, oldest first. */
LL_MUST enum ll_result mail_thread(struct desk *k, const struct id *thread,
    struct mail_page *p_r);
void mail_page_finish(struct mail_page *p);

/* The one own message whose id begins with prefix.  LL_NOTFOUND; LL_USAGE when
 * prefix is none (under 4 symbols) or ambiguous (desk_words says which). */
LL_MUST enum ll_result mail_find(struct desk *k, const char *prefix,
    struct id *id_r);

/* One message with its key. */
struct mail {
	struct mail_row row;
	struct secret key;
	uint8_t commitment[HASH_BYTES];
	bool is_signed;              /* by a staff member's key */
	bool valid;                  /* and the signature holds */
	bool submitted;              /* the house signed: its author handed it
	                                in from a mail program */
	const char *author;          /* the store's word for who sent it, in
	                                answer; "": it came from outside */
	struct msg *answer;          /* keeps inline objects */
};

/* Fetches and opens.  For a recipient this is what makes the delivery
 * "opened".  LL_LOCKED, LL_NOTFOUND, LL_GONE (withdrawn, expired), LL_AUTH. */
LL_MUST enum ll_result mail_fetch(struct desk *k, const struct id *id,
    struct mail *m_r);
void mail_finish(struct mail *m);
/* Whose signature stands or should stand there: never "" for what one of our
 * own sent, whatever its header claims; "" only for what came by a web link.
 * Lives as long as m. */
const char *mail_signer(const struct mail *m);

/* Object n of m->row.envelope (0: the body) whole, malloc'd with a NUL that
 * *len_r does not count; the caller wipes and frees.  Ciphertext hash and
 * length are held against the signed manifest: LL_AUTH.  LL_TOOBIG above
 * MAIL_BODY_MAX. */
LL_MUST enum ll_result mail_read(struct desk *k, const struct mail *m,
    size_t n, char **text_r, size_t *len_r);

/* The same in pieces, in constant memory and of any length.  put gets them
 * before the whole was held against the manifest: what it did with them must
 * be undone when this fails.  Stops at anything but LL_OK from put. */
typedef enum ll_result mail_piece_fn(void *ctx, const void *p, size_t len);
LL_MUST enum ll_result mail_pieces(struct desk *k, const struct mail *m,
    size_t n, mail_piece_fn *put, void *ctx);

#endif
