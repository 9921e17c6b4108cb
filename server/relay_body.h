/*
 * relay_body.h - what is handed over: a notification's text, or a finished
 * mail's stream.
 */
#ifndef LL_RELAY_BODY_H
#define LL_RELAY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/relay_stream.h"

struct relay_body;

/* A body of text with LF line ends (copied; at most a few KB).  crlf: its
 * pieces have CRLF. */
LL_MUST enum ll_result body_of_text(const char *text, size_t len, bool crlf,
    struct relay_body **b_r);
/* A body of a stream, which it owns from now on, also on failure; hash is
 * that of its mail. */
LL_MUST enum ll_result body_of_stream(struct relay_stream *stream,
    const uint8_t hash[RELAY_STREAM_HASH], uint64_t bytes,
    struct relay_body **b_r);
/* Wipes and frees.  NULL is fine. */
void body_destroy(struct relay_body *b);

/* Pieces as relay_stream_next gives them. */
LL_MUST enum ll_result body_next(struct relay_body *b, const uint8_t **p_r,
    size_t *len_r);
/* Bytes in all. */
uint64_t body_bytes(const struct relay_body *b);
/* SHA-256 of a finished mail, NULL for a notification. */
const uint8_t *body_hash(const struct relay_body *b);

#endif
