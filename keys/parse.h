/*
 * parse.h - the wire to letterlock-parse, one process for one job.
 *
 * letterlock-parse seals outgoing mail, makes and inspects keys and opens
 * foreign messages.  It is started for one job, its one AF_UNIX stream socket
 * being descriptors 0 and 1, and ends after the answer.  Only after SEAL it
 * waits for another job (J ... E, no K again) until the end of the stream: for
 * many messages of the one sender whose keys K has, PARSE_BATCH_MAX at most,
 * and the next may be written before the last one's answer was read.  Keys are
 * read once then.  Both directions are chunks { u8 kind, u32 big-endian
 * length <= PARSE_CHUNK, bytes }:
 *
 *   to it      K  private keys, TLV; by who holds them, before the socket is
 *                 handed on; exactly one chunk first of all, possibly empty
 *              J  the job, TLV; one or more, joined
 *              B  u32: data item n begins (0, 1, 2 ... in this order)
 *              D  bytes of that item
 *              E  (empty) the end of the job
 *   from it    B  u32: output n begins
 *              D  bytes of that output
 *              R  the result, TLV; one or more, joined
 *              E  (empty) the end
 *
 * It writes nothing before it has read E.  A result other than LL_OK may
 * follow outputs: these must be thrown away then.
 */
#ifndef LL_PARSE_H
#define LL_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "keys/tlv.h"

#define PARSE_CHUNK 65536
#define PARSE_JOB_MAX (8u << 20)         /* all J together */
#define PARSE_RESULT_MAX (4u << 20)      /* all R together */
#define PARSE_DATA_MAX (64u << 20)       /* all D to it together */
#define PARSE_ITEMS_MAX 256              /* body and attachments */
#define PARSE_KEY_MAX (256u << 10)       /* one foreign key or certificate */
#define PARSE_RECIPIENTS_MAX 500         /* keys sealed to, each format */
#define PARSE_BATCH_MAX 1000             /* SEALs of one process */

enum parse_job {
	PARSE_MAKE = 1,    /* a key pair for an address */
	PARSE_INSPECT,     /* what a public key or certificate is good for */
	PARSE_SEAL,        /* a message, encrypted and signed */
	PARSE_OPEN,        /* a foreign message, opened and taken apart */
	PARSE_IMPORT       /* a PKCS#12 file or secret OpenPGP key */
};

/* Formats; also the number of SEAL's output in that format.  PLAIN: not
 * encrypted, for a way that is (enforced TLS); S/MIME-signed when there is a
 * key to sign with. */
enum parse_format { PARSE_OPENPGP = 1, PARSE_SMIME = 2, PARSE_PLAIN = 3 };

/*
 * Fields (text, numbers and bytes as tlv.h says; * may be repeated).
 *
 * K: PRIVATE* { FORMAT, SECRET, for S/MIME also KEY (the certificate, DER,
 *    and those above it after it) }; the first that can do it signs
 *    SECRET: OpenPGP transferable secret key without passphrase, or PKCS#8 DER
 * MAKE: FORMAT ADDRESS [NAME] [BITS] (S/MIME: RSA of 2,048 to 4,096 bits;
 *    absent or 0: P-256)
 *    R: SECRET KEY (OpenPGP: transferable public key; S/MIME: a certification
 *       request, DER) FINGERPRINT ALGORITHM CREATED
 * INSPECT: ADDRESS ("@domain": any address in it) KEY [CA*] [CRL*] [EXTRA*]
 *    (KEY may hold several OpenPGP keys: then R has one KEYS nest for each,
 *    with the fields below and its own RESULT and WORDS, and is LL_OK when one
 *    of them is.  Of several certificates the first counts, the others may be
 *    those between it and the CA.)
 *    R: FORMAT KEY (minimal, binary) FINGERPRINT ALGORITHM BITS CREATED
 *       EXPIRES (0: never) HOLDER* (addresses in it) TRUSTED (1: the chain
 *       ends at a CA and no CRL names it; only when CA was given) [REVOKED]
 *       (1: a CRL names it, or its owner revoked it).  ALGORITHM of a
 *       certificate also names the cipher that its owner's programs read:
 *       AES-256-GCM or AES-256-CBC.
 *       RESULT LL_DENIED and WORDS when it must not be used, fields are there.
 * SEAL: FROM {ADDRESS [NAME]} [SENDER {..}: who signs and hands it in for
 *       FROM] TO* {..} CC* {..} [SUBJECT] DATE MESSAGE_ID
 *       [IN_REPLY_TO] [REFERENCES] ITEM* {NAME TYPE} (one for each attachment)
 *       RECIPIENT* {FORMAT KEY [TRUSTED]} (the sender's own too; PLAIN:
 *       {FORMAT}) [CA*] [CRL*] (a certificate with TRUSTED 1 must lead to a
 *       CA, and none may be in a CRL: else LL_DENIED)
 *       [EXTRA*] certificates between the sender's and the CA, [AUTOCRYPT]
 *       (1: header wanted);
 *       item 0 = text (UTF-8), n = attachment n
 *    outputs FORMAT: a whole RFC 5322 message, CRLF lines
 *    R: ALGORITHM* {FORMAT TEXT BYTES}
 * OPEN: [ADDRESS] (whom the mail says it is from; else its From) PEER*
 *       {FORMAT KEY} [CA*] [CRL*] [EXTRA*]; item 0 = the raw message
 *    outputs n = content of PART n, from 1 (text as UTF-8)
 *    R: ENCRYPTED (text: how; absent: it was not) WARNING* HEADER fields
 *       (all text as written: SUBJECT FROM TO CC TEXT (the date) MESSAGE_ID
 *       IN_REPLY_TO REPLY_TO; PROTECTED 1: they come from inside)
 *       [WEAK 1: encrypted so that a change on the way does not show]
 *       SIGNATURE* {FORMAT RESULT WORDS FINGERPRINT HOLDER* CREATED}
 *       PART* {WHAT NAME TYPE BYTES DEPTH SIGNED (number of a SIGNATURE, from
 *       1; 0: unsigned)}
 *       FOUND* {FORMAT KEY SOURCE (enum parse_source) [ADDRESS]}: keys that
 *       came with it, as they came: to be inspected before any use
 *       [REPORT {[MESSAGE_ID of what came back, without brackets] REPORTED*
 *       {[ADDRESS] TEXT (action: failed, delayed, relayed, delivered,
 *       expanded) [WORDS] (status and diagnostic)}}]: it is a delivery
 *       status notification, RFC 3464
 * IMPORT: item 0 = PKCS#12 or OpenPGP secret key; [PASSWORD] (bytes) ADDRESS
 *    R: FORMAT SECRET KEY FINGERPRINT ALGORITHM CREATED EXPIRES EXTRA* (what
 *    came with a certificate and stands above it).  LL_AUTH: that is not its
 *    passphrase.
 * Every R begins with RESULT and, unless that is LL_OK, WORDS: a sentence.
 */
enum parse_field {
	PARSE_F_JOB = 1, PARSE_F_FORMAT = 3, PARSE_F_ADDRESS,
	PARSE_F_NAME, PARSE_F_SECRET, PARSE_F_KEY, PARSE_F_FINGERPRINT,
	PARSE_F_ALGORITHM, PARSE_F_BITS, PARSE_F_CREATED, PARSE_F_EXPIRES,
	PARSE_F_HOLDER, PARSE_F_TRUSTED, PARSE_F_CA, PARSE_F_CRL,
	PARSE_F_EXTRA, PARSE_F_PRIVATE, PARSE_F_RESULT, PARSE_F_WORDS,
	PARSE_F_FROM, PARSE_F_TO, PARSE_F_CC, PARSE_F_SUBJECT, PARSE_F_DATE,
	PARSE_F_MESSAGE_ID, PARSE_F_IN_REPLY_TO, PARSE_F_REFERENCES,
	PARSE_F_ITEM, PARSE_F_TYPE, PARSE_F_RECIPIENT, PARSE_F_AUTOCRYPT,
	PARSE_F_TEXT, PARSE_F_BYTES, PARSE_F_PEER, PARSE_F_ENCRYPTED,
	PARSE_F_WARNING, PARSE_F_PROTECTED, PARSE_F_SIGNATURE, PARSE_F_PART,
	PARSE_F_WHAT, PARSE_F_DEPTH, PARSE_F_SIGNED, PARSE_F_KEYS,
	PARSE_F_FOUND, PARSE_F_SOURCE, PARSE_F_REPORT, PARSE_F_REPORTED,
	PARSE_F_PASSWORD, PARSE_F_REPLY_TO, PARSE_F_WEAK, PARSE_F_REVOKED,
	PARSE_F_SENDER
};

/* Where in a message a key was FOUND. */
enum parse_source {
	PARSE_S_SIGNER = 1,  /* certificate of a signature, or the OpenPGP key
	                        attached to mail that it signed */
	PARSE_S_ATTACHED,
	PARSE_S_AUTOCRYPT
};

/* What a PART is. */
enum parse_what {
	PARSE_W_TEXT = 1,  /* shown as it is */
	PARSE_W_HTML,      /* made plain text of HTML */
	PARSE_W_FILE,      /* attachment */
	PARSE_W_MESSAGE    /* a message inside, its header lines as text; the
	                      outermost as a FILE, too; its parts follow, one
	                      deeper */
};

/* One end of the wire.  timeout_ms: longest wait for the peer in one call. */
struct parse_wire {
	int fd;
	int timeout_ms;
};

struct parse_chunk {
	char kind;
	size_t len;
	uint8_t data[PARSE_CHUNK + 1];   /* a NUL follows what len counts */
};

/* Writes bytes as chunks of that kind, several when len > PARSE_CHUNK, one
 * empty chunk when len is 0.  LL_EOF: the peer is gone; LL_BUSY: it does not
 * read; LL_IO. */
LL_MUST enum ll_result parse_put(const struct parse_wire *w, char kind,
    const void *p, size_t len);
/* Writes 'B': data item or output n begins. */
LL_MUST enum ll_result parse_put_begin(const struct parse_wire *w, uint32_t n);
/* Reads one chunk.  LL_EOF: the peer closed between chunks; LL_PROTO: an
 * unknown kind, a length above PARSE_CHUNK, a B that is not 4 bytes, an E
 * that is not empty, or the end within a chunk; LL_BUSY: nothing came. */
LL_MUST enum ll_result parse_get(const struct parse_wire *w,
    struct parse_chunk *c_r);
/* Bytes read but not yet asked for; all zero at first. */
struct parse_ahead {
	size_t at, len;
	uint8_t data[PARSE_CHUNK];
};
/* The same, with few system calls: for the one reader of a wire, from its
 * first chunk to its last.  a NULL: as parse_get. */
LL_MUST enum ll_result parse_get_ahead(const struct parse_wire *w,
    struct parse_ahead *a, struct parse_chunk *c_r);
/* The number in a 'B' chunk that parse_get gave. */
uint32_t parse_begun(const struct parse_chunk *c);

/* The job's answer: calls put for the bytes of each output (n as B said; on
 * anything but LL_OK from it the reading stops with that), and joins R into
 * *result_r (initialised here; the caller finishes it, always).  Returns how
 * the wire did; the job's own result is parse_result's. */
LL_MUST enum ll_result parse_answer(const struct parse_wire *w,
    enum ll_result (*put)(void *ctx, uint32_t n, const void *p, size_t len),
    void *ctx, struct tlv_out *result_r);
/* The answer of a job that has no outputs and whose result is a secret: into
 * guarded memory, at most 64 KiB; else as parse_answer. */
LL_MUST enum ll_result parse_answer_secret(const struct parse_wire *w,
    struct tlv_out *result_r);
/* RESULT of an answer (LL_PROTO when it has none); *words_r points into it or
 * is an empty text. */
LL_MUST enum ll_result parse_result(struct tlv_view answer,
    const char **words_r);

#endif
