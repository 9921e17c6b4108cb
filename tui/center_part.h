/*
 * center_part.h - what the parts of the message center share; not for the
 * faces.
 */
#ifndef LL_CENTER_PART_H
#define LL_CENTER_PART_H

#include <stdint.h>

#include "keys/seal.h"
#include "store/mail.h"
#include "store/msg.h"
#include "store/outmail.h"
#include "tui/center.h"

struct center {
	struct desk *desk;
	enum ll_result failure;      /* that words belong to */
	char words[400];
	struct center_people people; /* cache of PEOPLE, cleaned */
	uint64_t people_ms;          /* when it was read; 0: never */
};

/* Forgets the words of an earlier failure. */
void center_begin(struct center *c);
/* Sets the sentence for failure r and returns r. */
enum ll_result center_fail(struct center *c, enum ll_result r,
    const char *words);

/* clean_text of a whole string. */
LL_MUST enum ll_result center_clean(const char *text, int mode,
    char **out_r);
/* A request with MESSAGE_ID set. */
LL_MUST enum ll_result center_request(enum op op, const struct id *id,
    struct msg **m_r);
/* Frees a list of strings. */
void center_free_list(char ***list, size_t *count);

/* --- mail that came in (center_opened.c) --- */

/* Body, attachments, subject, signature and m->mail, of a fetched message that
 * came as mail (row.is_mail). */
LL_MUST enum ll_result center_opened_fill(struct center *c,
    const struct mail *mail, struct center_message *m);
/* Wipes and frees m->mail. */
void center_opened_finish(struct center_opened *m);

/* --- links (center_link.c) --- */

/* What a portal link is made for. */
struct center_link_order {
	const char *address;
	struct id message;
	const struct secret *key;    /* the message's */
	uint64_t expires;            /* seconds since 1970 */
	uint64_t queue_day;
	const uint8_t *queue_pk;
	const uint8_t *pair_box;     /* reuse this pair's code, or NULL */
	size_t pair_box_len;
};

struct center_link {
	struct id locator, secret, queue_id;
	char code[MUC_TEXT + 1];
	bool is_known;               /* the pair's confirmed code */
	char words[2][SITE_WORD_MAX];
	uint8_t locator_hash[HASH_BYTES];
	uint8_t proof[HASH_BYTES];
	uint8_t wrap[SEAL_WRAP_BYTES];
	uint64_t memory_mib, passes, queue_day;
	uint8_t *code_box, *pair_box, *payload;
	size_t code_box_len, pair_box_len, payload_len;
	char mail_id[200];
};

/* Makes locator, secret, code and all that is derived and boxed from them; one
 * Argon2id run under the store's lease.  LL_BUSY when no lease was to be
 * had. */
LL_MUST enum ll_result center_link_make(struct center *c,
    const struct center_link_order *o, struct center_link *l_r);
/* Wipes and frees. */
void center_link_finish(struct center_link *l);
/* Puts it into m as a LINK field. */
void center_link_put(struct msg *m, const struct center_link *l);
/* What the sender reads out, into the recipient's row. */
void center_link_tell(const struct center_link *l,
    struct center_recipient *r);
/* Has the agent open a CODE_BOX of one's own and puts its code and words into
 * r; leaves r->has_code false when it does not open. */
void center_code_open(struct center *c, const struct id *message,
    const uint8_t *box, size_t len, struct center_recipient *r);

/* --- own keys (center_own.c) --- */

/* The newest that others can use, or NULL. */
const struct center_own *center_own_find(const struct center_owns *o,
    enum parse_format format);

/* --- mails (center_opened.c) --- */

/* The mails of one message. */
struct center_mails {
	struct outmail_made made[OUTMAIL_FORMATS];
	char id[OUTMAIL_ID];         /* Message-ID of them all */
};

#define CENTER_LARGE 500

/* Whether this recipient gets a mail of ours, not a notification. */
bool center_has_mail(const struct center_planned *row);
/* Whether d's text and attachments are more than one mail may hold; an address
 * that d goes to is told so, and of the way there is, by words. */
bool center_mail_is_large(const struct draft *d, const char *address,
    char words[CENTER_LARGE]);
/* Seals d as mail for every recipient of p that gets one; none: LL_OK with
 * nothing made.  LL_CONFLICT with words when a key may not be used any more. */
LL_MUST enum ll_result center_mails_make(struct center *c,
    const struct draft *d, const struct center_plan *p,
    const struct center_send_options *o, uint64_t date,
    struct center_mails *m_r);
/* Gives up the blobs of mails that were not sent. */
void center_mails_drop(struct center *c, const struct draft *d,
    const struct center_mails *m);
void center_mails_finish(struct center_mails *m);
/* The objects of all mails into a SEND. */
void center_mails_put_objects(struct msg *m, const struct center_mails *all);
/* One recipient's keys and queue row into the open RECIPIENT. */
LL_MUST enum ll_result center_mails_put(struct center *c, struct msg *m,
    const struct center_mails *all, const struct center_plan *p, size_t n,
    const struct id *message, uint64_t expires);

/* --- rows of SEND, STATUS, WITHDRAW, REISSUE answers --- */

/* Reads every RECIPIENT of an answer (codes are opened when message is not
 * NULL and the vault is open). */
LL_MUST enum ll_result center_recipients_read(struct center *c,
    const struct msg *answer, const struct id *message,
    struct center_sent *s);

#endif
