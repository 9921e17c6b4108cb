/*
 * outmail.h - one message as mail: sealed by letterlock-parse in every format
 * that its recipients need, and put into objects for the relay.
 *
 * Text and attachments are streamed in, finished mails are streamed out into
 * sealed objects (store/send.h); no file is ever held whole.  Nothing here
 * knows a desk: who seals gives the wire and the places for blobs.
 */
#ifndef LL_OUTMAIL_H
#define LL_OUTMAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/parse.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "store/draft.h"
#include "store/kind.h"
#include "store/msg.h"

#define OUTMAIL_FORMATS (PARSE_PLAIN + 1)   /* index: enum parse_format */
#define OUTMAIL_ID 128                      /* of a Message-ID, with NUL */
#define OUTMAIL_WORDS 400

/* A finished mail in one format. */
struct outmail_made {
	bool made;
	struct id object;
	struct secret key;           /* opens the object */
	uint64_t bytes;              /* of the mail */
	uint8_t sha256[HASH_BYTES];  /* of the mail */
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES];    /* of the sealed object */
	uint8_t *data;               /* sealed, when inline; else a blob */
};

/* Where sealed bytes come from and go to; arg is outmail's. */
struct outmail_host {
	/* The sealed bytes of attachment n, from offset 0; closed here. */
	enum ll_result (*open)(void *arg, size_t n, int *fd_r);
	/* A new blob of the message; *fd_r takes it and is closed here. */
	enum ll_result (*blob)(void *arg, uint64_t expected,
	    struct id *object_r, int *fd_r);
	/* It is whole and on disk. */
	enum ll_result (*commit)(void *arg, const struct outmail_made *made);
	/* So many bytes of all are through; false: give up, LL_AGAIN.  May be
	 * NULL. */
	bool (*progress)(void *arg, uint64_t done, uint64_t all);
};

struct outmail_key {
	enum parse_format format;
	const uint8_t *p;            /* none for PARSE_PLAIN */
	size_t len;
	bool trusted;                /* must still lead to one of the CAs */
};

/* All of it is borrowed.  Addresses, subject, text: as the draft has them. */
struct outmail {
	const struct draft *d;       /* id and key are the message's */
	const char *from, *from_name;
	const char *sender, *sender_name; /* who hands it in and signs; NULL:
	                                     the author does */
	uint64_t date;
	const char *mail_id;         /* without brackets, as are these */
	const char *in_reply_to;     /* "" for none */
	const struct outmail_key *keys;   /* the sender's own too */
	size_t key_count;
	const uint8_t *chain;        /* certificates above the sender's, DER one
	                                after the other */
	size_t chain_len;
	struct tlv_view authorities; /* CA and CRL fields; empty: none asked */
	const struct outmail_host *host;
	void *arg;
};

/* Bytes of the first of several DER values; len when it is none. */
size_t outmail_der_first(const uint8_t *p, size_t len);

/* A fresh Message-ID of the sender's domain, without brackets. */
void outmail_id(const char *from, char text[OUTMAIL_ID]);

/* Runs one SEAL over the wire fd (taken over).  made has a row for each
 * format; words (never NULL) the sentence of a refusal: LL_DENIED for a key
 * that must not be used any more, LL_LOCKED without the sender's own,
 * LL_TOOBIG, LL_IO when letterlock-parse broke off.  Finish made in any
 * case. */
LL_MUST enum ll_result outmail_seal(int fd, const struct outmail *o,
    struct outmail_made made[OUTMAIL_FORMATS], char words[OUTMAIL_WORDS]);
void outmail_finish(struct outmail_made made[OUTMAIL_FORMATS]);

/* Puts the object of a finished mail into a SEND as OBJECT. */
void outmail_put_object(struct msg *m, const struct outmail_made *made);

/* Who gets a finished mail, for the queue. */
struct outmail_row {
	const char *to, *from, *from_name;
	const char *mail_id;
	struct id message;
	uint64_t queue_day;
	const uint8_t *queue_pk;
	uint64_t expires;            /* seconds since 1970 */
};

/* Puts MAIL { ... } for one recipient into m, the payload boxed to the queue's
 * key. */
LL_MUST enum ll_result outmail_put_row(struct msg *m,
    const struct outmail_made *made, const struct outmail_row *row);

#endif
