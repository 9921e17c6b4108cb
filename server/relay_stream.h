/*
 * relay_stream.h - a finished mail out of the store, opened piece by piece in
 * constant memory.
 *
 * What comes out is exactly what was sealed, or it ends in an error: whoever
 * sends it on must not say that it is whole before LL_EOF came.
 */
#ifndef LL_RELAY_STREAM_H
#define LL_RELAY_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "keys/derive.h"
#include "keys/id.h"
#include "keys/result.h"
#include "keys/seal.h"

#define RELAY_STREAM_HASH 32       /* SHA-256 */

/* What a queue row says about its mail (store/send.h). */
struct queue_mail {
	const uint8_t *key;        /* 32 bytes */
	struct id message, object;
	const uint8_t *hash;       /* SHA-256 of the mail, CRLF line ends */
	uint64_t bytes;
};

struct relay_stream;

/* Opens the sealed object: the len bytes at data (copied), or, when data is
 * NULL, all that descriptor fd has from its offset on.  The stream owns fd,
 * also on failure; -1 for none.  LL_NOMEM, LL_AUTH, LL_IO. */
LL_MUST enum ll_result relay_stream_open(const struct queue_mail *m,
    const uint8_t *data, size_t len, int fd, struct relay_stream **s_r);
/* Wipes, closes, frees.  NULL is fine. */
void relay_stream_close(struct relay_stream *s);

/* The next piece: *p_r points to *len_r > 0 bytes, valid until the next call.
 * LL_EOF: the mail was whole, of the length and hash that were named, with
 * CRLF for every line end and at its own end.  LL_AUTH: it is not the one that
 * was named.  LL_PROTO: a bare CR or LF.  LL_IO. */
LL_MUST enum ll_result relay_stream_next(struct relay_stream *s,
    const uint8_t **p_r, size_t *len_r);

#endif
