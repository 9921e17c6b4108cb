/*
 * seal.h - authenticated encryption of everything at rest.
 *
 * XChaCha20-Poly1305-IETF with random nonces and associated data
 * TLV(suite, object type, owner, object id, generation); beside every wrapped
 * key a commitment, checked first, because these AEADs do not commit to their
 * key.  Streams use libsodium's secretstream in 64 KiB chunks.
 */
#ifndef LL_SEAL_H
#define LL_SEAL_H

#include <stddef.h>
#include <stdint.h>
#include <sodium.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "keys/tlv.h"

#define SEAL_SUITE 0x01
#define SEAL_OVERHEAD (1 + 24 + 16)           /* suite, nonce, tag */
#define SEAL_WRAP_BYTES (32 + SEAL_OVERHEAD + 32) /* commitment, key */
#define SEAL_BOX_OVERHEAD 48                  /* crypto_box_SEALBYTES */
#define SEAL_BOX_PAYLOAD_MAX 65450            /* with its context: 65536 */

enum seal_type {
	SEAL_VAULT = 1,    /* key pair blob under the vault key */
	SEAL_SLOT,         /* vault key under a slot's key */
	SEAL_SELF,         /* message key under the reader's own key */
	SEAL_LINK,         /* message key under a portal link's key */
	SEAL_HEADER,
	SEAL_OBJECT,
	SEAL_DRAFT,        /* draft text under the draft's key */
	SEAL_TOTP,         /* TOTP seed under the store's key */
	SEAL_QUEUE,        /* queue row; queue private key under the root's */
	SEAL_CODE,         /* MUC and site words, for the sender only */
	SEAL_COOKIE,       /* portal: message key under the cookie's key */
	SEAL_HOST,         /* host key file under a root-derived key */
	SEAL_PAIR,         /* confirmed code of a sender-recipient pair */
	SEAL_MAILKEY,      /* OpenPGP or S/MIME secret key, reader's own key */
	SEAL_AUTHORITY,    /* the CA's private key under a root-derived key */
	SEAL_HOUSE_KEY     /* the organisation's mail keys, likewise */
};

/* What an AEAD's associated data binds: owner and object are ids (zero when
 * there is none), generation a counter. */
struct seal_context {
	enum seal_type type;
	struct id owner;
	struct id object;
	uint64_t generation;
};

#define SEAL_CONTEXT_BYTES 81

/* A context as the fields that go into associated data, commitments, and the
 * head of a box: suite, type, owner, object, generation. */
void seal_put_context(struct tlv_out *o, const struct seal_context *ctx);

/* *out_r (malloc'd, *len_r bytes = len + SEAL_OVERHEAD) becomes the sealed
 * form of plain.  The caller frees.  key: 32 bytes. */
LL_MUST enum ll_result seal_bytes(const uint8_t key[KEY_BYTES],
    const struct seal_context *ctx, const void *plain, size_t len,
    uint8_t **out_r, size_t *len_r);

/* The reverse, into guarded memory, for plaintext of at most 65536 bytes
 * (LL_TOOBIG above; an empty one gives SECRET_NONE).  LL_AUTH for anything that
 * does not open, LL_NEWER for an unknown suite. */
LL_MUST enum ll_result seal_open_secret(const uint8_t key[KEY_BYTES],
    const struct seal_context *ctx, const void *sealed, size_t len,
    struct secret *out_r);

/* The reverse into plain malloc'd memory (headers, drafts).  The caller wipes
 * and frees.  A NUL that *len_r does not count follows the bytes. */
LL_MUST enum ll_result seal_open(const uint8_t key[KEY_BYTES],
    const struct seal_context *ctx, const void *sealed, size_t len,
    uint8_t **out_r, size_t *len_r);

/* Wraps a 32-byte key under another, with a commitment before it.  Unwrapping
 * gives LL_AUTH or LL_NEWER as above. */
LL_MUST enum ll_result seal_wrap_key(const uint8_t kek[KEY_BYTES],
    const struct seal_context *ctx, const uint8_t key[KEY_BYTES],
    uint8_t out[SEAL_WRAP_BYTES]);
LL_MUST enum ll_result seal_unwrap_key(const uint8_t kek[KEY_BYTES],
    const struct seal_context *ctx, const void *wrap, size_t len,
    struct secret *key_r);

/* The commitment of a message key: derive(COMMIT, key, object id). */
LL_MUST enum ll_result seal_commitment(const uint8_t key[KEY_BYTES],
    const struct id *object, uint8_t out[HASH_BYTES]);

/* --- public-key wraps: crypto_box_seal over TLV(suite, type, owner, object,
 * generation, payload); after opening every field is compared. --- */

/* Payload up to SEAL_BOX_PAYLOAD_MAX (LL_TOOBIG above).  *out_r is malloc'd.
 * LL_AUTH for a public key that is no good one. */
LL_MUST enum ll_result seal_box(const uint8_t pk[crypto_box_PUBLICKEYBYTES],
    const struct seal_context *ctx, const void *payload, size_t len,
    uint8_t **out_r, size_t *len_r);
/* LL_AUTH unless it opens and its context is ctx.  An empty payload gives
 * SECRET_NONE. */
LL_MUST enum ll_result seal_box_open(
    const uint8_t pk[crypto_box_PUBLICKEYBYTES],
    const uint8_t sk[crypto_box_SECRETKEYBYTES],
    const struct seal_context *ctx, const void *sealed, size_t len,
    struct secret *payload_r);

/* --- streams: body (object 0) and attachments --- */

#define SEAL_CHUNK 65536                 /* plaintext bytes per chunk */
#define SEAL_CHUNK_OUT \
    (SEAL_CHUNK + crypto_secretstream_xchacha20poly1305_ABYTES)
#define SEAL_STREAM_HEADER crypto_secretstream_xchacha20poly1305_HEADERBYTES

enum object_kind {
	OBJECT_BODY = 0, OBJECT_ATTACHMENT = 1,
	OBJECT_MAIL = 2,       /* a finished mail on its way out */
	OBJECT_RAW = 3         /* a mail as it came in */
};

/* One direction of one stream; wipe with seal_stream_finish.  The running
 * hash (BLAKE2b-256 over the ciphertext, header included) and length are what
 * the signed manifest names. */
struct seal_stream {
	crypto_secretstream_xchacha20poly1305_state state;
	crypto_generichash_state hash;
	uint64_t sealed_bytes;
	uint8_t ad[64];
	size_t ad_len;
	int done;
};

/* The key of object `object` of message `message`: derive(OBJECT, message
 * key, ids, kind) is made inside.  header: SEAL_STREAM_HEADER bytes out. */
LL_MUST enum ll_result seal_stream_push_init(struct seal_stream *s,
    const uint8_t message_key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind,
    uint8_t header[SEAL_STREAM_HEADER]);
/* Seals one chunk of exactly SEAL_CHUNK bytes, or the last one (final=1,
 * 0..SEAL_CHUNK bytes).  out has room for len + ABYTES. */
LL_MUST enum ll_result seal_stream_push(struct seal_stream *s,
    const uint8_t *plain, size_t len, int final, uint8_t *out,
    size_t *out_len_r);

/* The other direction, with the header that push_init gave. */
LL_MUST enum ll_result seal_stream_pull_init(struct seal_stream *s,
    const uint8_t message_key[KEY_BYTES], const struct id *message,
    const struct id *object, enum object_kind kind,
    const uint8_t header[SEAL_STREAM_HEADER]);
/* Opens one chunk; *final_r tells the last.  LL_AUTH for a changed chunk, a
 * short one that is not the last, or anything after the last.  Who runs out of
 * input before *final_r was set has a truncated stream: LL_AUTH as well. */
LL_MUST enum ll_result seal_stream_pull(struct seal_stream *s,
    const uint8_t *sealed, size_t len, uint8_t *plain, size_t *len_r,
    int *final_r);

/* The hash so far into hash (both directions; NULL: not wanted); wipes the
 * state. */
void seal_stream_finish(struct seal_stream *s, uint8_t hash[HASH_BYTES]);

/* Bytes that an object of so many plaintext bytes has when the functions below
 * have sealed it: SEAL_STREAM_HEADER, full chunks, and a shorter last one
 * (which is empty when the chunks come out even). */
uint64_t seal_object_bytes(uint64_t plain_bytes);

/* Whole-buffer and descriptor forms, made of the above.  Buffers out are
 * malloc'd; a NUL that *len_r does not count follows an opened one.  *_fd read
 * from the current offset of `in` to its end and write to `out` in constant
 * memory; LL_IO with errno, LL_FULL when disk or quota are full.  limit: most
 * plaintext bytes (LL_TOOBIG above).  open_fd writes each chunk once it is
 * verified; on failure the caller discards what was written. */
LL_MUST enum ll_result seal_object_buffer(const uint8_t key[KEY_BYTES],
    const struct id *message, const struct id *object, enum object_kind kind,
    const void *plain, size_t len, uint8_t **out_r, size_t *out_len_r,
    uint8_t hash[HASH_BYTES]);
LL_MUST enum ll_result seal_object_open_buffer(const uint8_t key[KEY_BYTES],
    const struct id *message, const struct id *object, enum object_kind kind,
    const void *sealed, size_t len, uint8_t **plain_r, size_t *len_r,
    uint8_t hash[HASH_BYTES]);
LL_MUST enum ll_result seal_object_fd(const uint8_t key[KEY_BYTES],
    const struct id *message, const struct id *object, enum object_kind kind,
    int in, int out, uint64_t limit, uint64_t *plain_bytes_r,
    uint64_t *sealed_bytes_r, uint8_t hash[HASH_BYTES]);
LL_MUST enum ll_result seal_object_open_fd(const uint8_t key[KEY_BYTES],
    const struct id *message, const struct id *object, enum object_kind kind,
    int in, int out, uint64_t *plain_bytes_r, uint8_t hash[HASH_BYTES]);

#endif
