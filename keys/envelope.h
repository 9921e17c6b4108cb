/*
 * envelope.h - a message's sealed header and its signed manifest.
 *
 * The header (names, subject, thread, attachment list) is sealed under a
 * subkey of the message key, padded to steps of 1 KiB.  Inside it stands the
 * author's Ed25519 signature over the manifest = TLV(message id, author,
 * key generation, reader ids, hash of the header fields, per object {id, kind,
 * ciphertext hash, length}, commitment): signed inside the seal and naming its
 * readers, so that nobody can forward it as if it had been meant for others.
 */
#ifndef LL_ENVELOPE_H
#define LL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "keys/seal.h"

#define ENVELOPE_READERS_MAX 1000
#define ENVELOPE_OBJECTS_MAX 101        /* body and 100 attachments */
#define ENVELOPE_HEADER_MAX 131072      /* bytes, sealed */
#define ENVELOPE_SUBJECT_MAX 1000
#define ENVELOPE_ADDRESS_MAX 323        /* "m:" and an address */
#define ENVELOPE_NAME_MAX 400           /* a person's or a file's */
#define ENVELOPE_TYPE_MAX 255
#define ENVELOPE_STEP 1024              /* padding */
#define ENVELOPE_SIGNATURE 64

struct envelope_object {
	struct id id;
	enum object_kind kind;
	uint64_t plain_bytes;
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES];   /* of the ciphertext */
	char *name;                 /* cleaned file name; "" for the body */
	char *type;                 /* media type, "text/plain" */
};

/* All strings are owned by the envelope (malloc'd).  A string that was not set
 * is NULL and counts as empty; after envelope_open none is NULL. */
struct envelope {
	struct id message;
	struct id thread;           /* id of the thread's first message */
	struct id reply_to;         /* zero when none */
	struct id author;           /* user id; zero: not a staff member */
	uint64_t author_generation;
	uint64_t date;              /* seconds since 1970, UTC */
	char *from;                 /* address */
	char *from_name;
	char *subject;
	char **to; size_t to_count;   /* addresses as shown */
	char **cc; size_t cc_count;
	char **readers; size_t reader_count; /* "u:ID" staff, "m:ADDRESS" */
	struct envelope_object *objects; size_t object_count; /* [0] = body */
	bool is_signed;
	uint8_t signature[ENVELOPE_SIGNATURE];
};

/* An empty envelope: every string "", every list empty. */
void envelope_init(struct envelope *e);
/* Frees (and wipes) everything; *e is as after envelope_init. */
void envelope_finish(struct envelope *e);

/* Wipes and frees a string member, which becomes NULL. */
void envelope_drop(char **member);
/* Replaces a string member (e.g. &e->subject) by a copy. */
LL_MUST enum ll_result envelope_set(char **member, const char *text);
/* Appends a copy to one of the lists, e.g. (&e->to, &e->to_count, ...). */
LL_MUST enum ll_result envelope_add(char ***list, size_t *count,
    const char *text);
/* Appends an object (copies name and type). */
LL_MUST enum ll_result envelope_add_object(struct envelope *e,
    const struct envelope_object *o);

/* The bytes to be signed: hash of the manifest under LABEL_MANIFEST.
 * commitment: seal_commitment of the message key. */
LL_MUST enum ll_result envelope_manifest(const struct envelope *e,
    const uint8_t commitment[HASH_BYTES], uint8_t out[HASH_BYTES]);

/* What is signed: the 16 bytes of LABEL_MANIFEST's text, then the manifest. */
#define ENVELOPE_SIGNED (16 + HASH_BYTES)
void envelope_signed(const uint8_t manifest[HASH_BYTES],
    uint8_t out[ENVELOPE_SIGNED]);

/* Sealed header out (malloc'd).  LL_USAGE when the envelope breaks one of the
 * maxima, has no body as its first object, or text that is not UTF-8;
 * LL_TOOBIG when the whole is over ENVELOPE_HEADER_MAX.  e->signature is taken
 * along if is_signed. */
LL_MUST enum ll_result envelope_seal(const struct envelope *e,
    const uint8_t message_key[KEY_BYTES], uint8_t **out_r, size_t *len_r);
/* Opens and parses; every count and length is held to the maxima above
 * (LL_PROTO).  Fails with LL_AUTH unless the header belongs to message
 * `message`.  On failure *e_r is as after envelope_init. */
LL_MUST enum ll_result envelope_open(const uint8_t message_key[KEY_BYTES],
    const struct id *message, const void *sealed, size_t len,
    struct envelope *e_r);
/* LL_OK when the signature is good for the manifest under sign_pk; LL_AUTH
 * otherwise (or when the envelope is not signed). */
LL_MUST enum ll_result envelope_verify(const struct envelope *e,
    const uint8_t commitment[HASH_BYTES],
    const uint8_t sign_pk[crypto_sign_PUBLICKEYBYTES]);

#endif
