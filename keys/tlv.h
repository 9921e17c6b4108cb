/*
 * tlv.h - type-length-value, the one encoding of this tree.
 *
 * A field is u8 tag, u32 big-endian length, bytes.  It is used for key
 * derivation input and associated data (security requires that no two inputs
 * encode alike), for sealed headers, and for the frames between programs.
 * Numbers are 8 bytes big-endian.  Text carries one terminating NUL that the
 * length counts, so that a reader may point into the buffer.
 */
#ifndef LL_TLV_H
#define LL_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/id.h"
#include "keys/result.h"

/* A growing buffer with a ceiling given at birth.  The first failure sticks
 * (err) and later puts do nothing; check err once at the end. */
struct tlv_out {
	uint8_t *data;
	size_t len, room, ceiling;
	bool guarded;            /* data is in sodium_malloc memory */
	enum ll_result err;
};

/* ceiling: most bytes it may ever hold (1..2^30). */
void tlv_out_init(struct tlv_out *o, size_t ceiling);
/* The same in guarded memory, allocated at once; ceiling at most 65536. */
void tlv_out_init_secret(struct tlv_out *o, size_t ceiling);
/* Makes room for len bytes in all at once, so that what grows large is not
 * held twice on its way.  A failure sticks. */
void tlv_out_reserve(struct tlv_out *o, size_t len);
/* Wipes and frees.  Safe to repeat. */
void tlv_out_finish(struct tlv_out *o);

/* Append one field: raw bytes, a number, text with its NUL, an id. */
void tlv_put_bytes(struct tlv_out *o, uint8_t tag, const void *p, size_t len);
void tlv_put_u64(struct tlv_out *o, uint8_t tag, uint64_t v);
void tlv_put_text(struct tlv_out *o, uint8_t tag, const char *text);
void tlv_put_id(struct tlv_out *o, uint8_t tag, const struct id *id);
/* Appends the whole of another buffer as one field. */
void tlv_put_tlv(struct tlv_out *o, uint8_t tag, const struct tlv_out *inner);
/* Appends raw bytes, no tag (frame headers, padding). */
void tlv_put_raw(struct tlv_out *o, const void *p, size_t len);

#define TLV_HEAD 5

/* The head of a field of len bytes, for who streams a field into a hash. */
void tlv_head(uint8_t tag, size_t len, uint8_t head[TLV_HEAD]);

/* A borrowed view of encoded fields. */
struct tlv_view {
	const uint8_t *data;
	size_t len;
};

struct tlv_field {
	uint8_t tag;
	const uint8_t *data;
	size_t len;
};

/* Steps through the fields: *at starts at 0.  LL_OK with *f_r set, LL_EOF at
 * the exact end, LL_PROTO for a truncated field. */
LL_MUST enum ll_result tlv_next(struct tlv_view v, size_t *at,
    struct tlv_field *f_r);

/* First field with that tag, after *at (start with 0; *at moves past it).
 * LL_NOTFOUND when there is none. */
LL_MUST enum ll_result tlv_find(struct tlv_view v, uint8_t tag, size_t *at,
    struct tlv_field *f_r);

/* Typed reads of one field.  LL_PROTO when the length or content is not of
 * the type (text: exactly one NUL, at the end; valid UTF-8). */
LL_MUST enum ll_result tlv_u64(const struct tlv_field *f, uint64_t *v_r);
LL_MUST enum ll_result tlv_text(const struct tlv_field *f, const char **t_r);
LL_MUST enum ll_result tlv_id(const struct tlv_field *f, struct id *id_r);

/* True when the n bytes are valid UTF-8 (RFC 3629) without NUL. */
bool utf8_valid(const char *text, size_t n);

/* Reads one character of at most n bytes: its length 1..4 and *c_r, or 0 when
 * the bytes are not the shortest UTF-8 form of a code point (RFC 3629; no
 * surrogates).  NUL is a character here. */
size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *c_r);

#endif
