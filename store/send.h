/*
 * send.h - the fields of OP_SEND and OP_REISSUE.
 *
 * SEND: IDEMPOTENCY, MESSAGE_ID (the draft's id becomes the message's: the
 * draft's key is the message's key, so attachments need no second sealing),
 * THREAD_ID, [REPLY_TO], PLAN_HASH (as PLAN gave it; the store computes it
 * again inside the transaction: CONFLICT when an address or key changed),
 * HEADER, COMMITMENT, GENERATION (author's), SELF_WRAP (author's own copy),
 * EXPIRES (days), DELAY_SECS (0..undo_seconds),
 * OBJECT* { OBJECT_ID OBJECT_KIND SEALED_BYTES HASH [DATA] }: without DATA it
 *   is a blob committed to this draft before,
 * RECIPIENT* { ADDRESS ROUTE
 *   internal: WRAP (box of the message key, context type
 *     SEAL_HEADER, owner = reader's id, object = message id, generation =
 *     reader's key generation) GENERATION
 *   portal-muc: LINK { LOCATOR_HASH PROOF WRAP MEMORY_MIB PASSES CODE_BOX
 *     PAIR_BOX QUEUE_DAY PAYLOAD MAIL_ID QUEUE_ID }, [FLAGS = 1: the pair's
 *     confirmed code is used again]
 *   smime, openpgp, domain, tls: FINGERPRINT* (the keys it is encrypted to, as
 *     PLAN named them; none for tls), MAIL { QUEUE_ID QUEUE_DAY PAYLOAD MAIL_ID
 *     OBJECT_ID } }.
 * -> MESSAGE_ID THREAD_ID RECIPIENT* { ADDRESS ROUTE STATE REASON EXPIRES }.
 * [CLASS], as PLAN had it; PLAN's RECIPIENT* { ADDRESS ROUTE } with a wanted
 * route is repeated by SEND's own RECIPIENTs: the hash covers what was wished.
 *
 * A finished mail (one for each format, whoever many recipients it has) is an
 * object of the message, of kind OBJECT_MAIL: inline or a blob, listed among
 * the OBJECTs, not in the envelope, never fetched by a reader.  It is sealed
 * as seal_object_* does under a random key of its own, which the payloads of
 * its queue rows carry; context: the message's id, the object's id,
 * OBJECT_MAIL.  It goes when its last queue row is done.
 * A second SEND with the same IDEMPOTENCY answers as the first did.
 *
 * The context of every public-key wrap of a message key: type SEAL_HEADER,
 * owner = reader, object = message, generation = reader's.  CODE_BOX and
 * PAIR_BOX: type SEAL_CODE / SEAL_PAIR, owner = sender, object = message id
 * (CODE_BOX) or zero (PAIR_BOX), generation = sender's.  Draft key box: type
 * SEAL_DRAFT, owner = author, object = draft id.  Link wrap (seal_wrap_key):
 * type SEAL_LINK, owner = first 16 bytes of the locator hash, object =
 * message id, generation 0.  Queue payload box: type SEAL_QUEUE, owner zero,
 * object = QUEUE_ID, generation = QUEUE_DAY; the queue's private key is
 * wrapped (seal_bytes) under LABEL_ROOT_QUEUE's key, type SEAL_QUEUE, owner
 * and object zero, generation = QUEUE_DAY.
 */
#ifndef LL_SEND_H
#define LL_SEND_H

/* TLV inside a queue payload (after opening the box). */
enum queue_tag {
	QT_TO = 1,            /* recipient address */
	QT_LINK_PATH,         /* "/m/LOCATOR/SECRET" */
	QT_SENDER_NAME,       /* shown in the notification's text */
	QT_SENDER_EMAIL,
	QT_EXPIRES,           /* u64, seconds since 1970 */
	QT_KIND,              /* u64, enum queue_kind; absent: notification */
	QT_KEY,               /* mail: 32 bytes, opens the object */
	QT_MESSAGE,           /* mail: id, context of the object */
	QT_OBJECT,            /* mail: id */
	QT_HASH,              /* mail: SHA-256 of it, CRLF line ends */
	QT_BYTES              /* mail: u64, its length */
};

enum queue_kind { QUEUE_NOTIFICATION = 1, QUEUE_MAIL = 2 };

/* TLV inside CODE_BOX and PAIR_BOX. */
enum code_tag { CT_CODE = 1, CT_WORD1, CT_WORD2 };

#define INLINE_MAX 65536      /* sealed bytes kept in the row, else a blob */
#define RECIPIENTS_MAX 500

#endif
