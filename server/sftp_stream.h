/*
 * sftp_stream.h - one sealed attachment, read from any offset or written from
 * front to end, a 64 KiB chunk in memory at a time.
 */
#ifndef LL_SFTP_STREAM_H
#define LL_SFTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/seal.h"
#include "keys/secret.h"

struct sftp_reader {
	int fd;                  /* of the ciphertext, or -1 */
	uint8_t *data;           /* the ciphertext, when fd is -1 */
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES]; /* of all of it, as the manifest names it */
	struct id message, object;
	struct secret key;       /* the message's */
	struct seal_stream stream;
	bool begun, final;
	uint64_t at;             /* ciphertext read so far */
	uint64_t start;          /* plaintext offset of the chunk held */
	size_t len;              /* plaintext bytes held */
	uint8_t *chunk;          /* SEAL_CHUNK_OUT bytes, sealed */
	uint8_t *plain;          /* SEAL_CHUNK bytes */
};

/* The caller sets fd or data (owned from now on, also on failure),
 * sealed_bytes, hash and the ids in *r before; key is copied. */
LL_MUST enum ll_result sftp_reader_begin(struct sftp_reader *r,
    const struct secret *key);
/* Up to len bytes at offset; *got_r 0 beyond the end.  Going back begins anew
 * from the front.  The last chunk is given out only after the ciphertext's
 * hash and length have agreed with the manifest: LL_AUTH otherwise. */
LL_MUST enum ll_result sftp_reader_read(struct sftp_reader *r,
    uint64_t offset, uint8_t *out, size_t len, size_t *got_r);
/* Wipes, closes, frees.  Safe after a failed begin. */
void sftp_reader_finish(struct sftp_reader *r);

struct sftp_writer {
	int fd;                  /* where the ciphertext goes */
	struct seal_stream stream;
	uint64_t plain_bytes, limit;
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES];  /* after sftp_writer_end */
	size_t len;
	uint8_t *plain;          /* SEAL_CHUNK bytes */
	uint8_t *chunk;
};

/* Takes over fd.  limit: most plaintext bytes. */
LL_MUST enum ll_result sftp_writer_begin(struct sftp_writer *w, int fd,
    const struct secret *key, const struct id *message,
    const struct id *object, uint64_t limit);
/* LL_TOOBIG above the limit; LL_FULL without room on the disk. */
LL_MUST enum ll_result sftp_writer_write(struct sftp_writer *w,
    const uint8_t *data, size_t len);
/* Seals the rest and puts all of it on the disk; hash and sealed_bytes are
 * there then. */
LL_MUST enum ll_result sftp_writer_end(struct sftp_writer *w);
void sftp_writer_finish(struct sftp_writer *w);

#endif
