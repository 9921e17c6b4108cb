/*
 * intake_mail.h - one mail on its way through the milter.
 *
 * Its header and the beginning of its body are kept in memory until it is
 * clear what becomes of it; from then on a mail that is taken over streams
 * into a sealed file of the store, in chunks.
 */
#ifndef LL_INTAKE_MAIL_H
#define LL_INTAKE_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "keys/envelope.h"
#include "server/intake.h"
#include "server/portal_upload.h"

#define MAIL_HEAD_MAX (2u << 20)      /* bytes of header fields */
#define MAIL_RECIPIENTS_MAX 200      /* as many as the store looks at */
#define MAIL_REPORT_MAX 262144        /* of a bounce; the rest says no more */

/* Who it is sealed to; at: the recipient's place in the envelope. */
struct mail_reader {
	struct id user;
	const uint8_t *seal_pk;       /* in who */
	uint64_t generation;
	bool answers;                 /* a message of theirs, or to them */
	struct id thread, reply_to;
};

struct mail_recipient {
	char *raw;                    /* as the mail server wrote it */
	char address[321];            /* "" when it is none of our kind */
	bool taken;
};

struct intake_out;

struct intake_mail {
	struct intake *x;
	char *sender;                 /* of the envelope; "" for bounces */
	struct mail_recipient *to;
	size_t to_count;
	uint8_t *bytes;               /* header, empty line, body so far */
	size_t len, room, head_len;
	enum ll_result failed;        /* while no answer can be given */
	bool report;                  /* a bounce to us */
	bool passes;                  /* nothing of ours: it goes on as it is */
	struct msg *who;              /* INTAKE_WHO's answer */
	struct mail_reader *readers;  /* of who; all that are staff */
	size_t reader_count, answer_count;
	uint64_t total;               /* bytes of the mail */
	crypto_generichash_state hash;    /* of the body */
	/* taken over */
	bool taking, encrypted;
	struct id message;
	struct secret key;
	struct envelope e;
	struct upload *raw;           /* NULL while it is all in bytes */
	/* handed in by staff */
	char login[321];              /* as the mail server says, or "" */
	struct id author;             /* whose drafts these become */
	bool scan;                    /* the text decides */
	struct intake_out *out;       /* NULL: it is none of these */
	char words[200];              /* why it is refused */
};

/* A new mail from that sender; NULL when memory is short or the program is
 * about to end. */
struct intake_mail *intake_mail_create(struct intake *x, const char *sender);
/* Gives up what was not committed, wipes, frees.  NULL is fine. */
void intake_mail_destroy(struct intake_mail *m);

/* One more recipient, as the mail server wrote it.  LL_FULL: too many. */
LL_MUST enum ll_result intake_mail_to(struct intake_mail *m, const char *raw);
/* One header field; failures stay in m->failed. */
void intake_mail_header(struct intake_mail *m, const char *name,
    const char *value);
/* The header is complete: asks the store who of the recipients is staff. */
LL_MUST enum ll_result intake_mail_head(struct intake_mail *m);

/* Appends to bytes. */
LL_MUST enum ll_result intake_mail_keep(struct intake_mail *m, const void *p,
    size_t len);
/* A hash of what a repeated mail has in common with the first: Message-ID (else
 * the header), sender, body, and those recipients that are taken, or all. */
LL_MUST enum ll_result intake_mail_identity(struct intake_mail *m, bool all,
    uint8_t out[HASH_BYTES]);
/* The header, without the empty line. */
struct tlv_view intake_mail_fields(const struct intake_mail *m);

#endif
