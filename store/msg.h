/*
 * msg.h - messages between our programs.
 *
 * A frame is: u32 length of what follows (at most MSG_MAX), u8 version (1),
 * u8 kind, u16 operation, u32 sequence, u8 descriptors, 3 zero bytes, then TLV
 * fields (keys/tlv.h) with the tags of field.def.  The decoder holds each
 * field to its type and ceiling before anything else sees it; an unknown
 * operation, tag or version ends the channel, never the program.
 */
#ifndef LL_MSG_H
#define LL_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/id.h"
#include "keys/result.h"
#include "keys/secret.h"
#include "keys/tlv.h"

#define MSG_VERSION 1
#define MSG_MAX 2097152           /* bytes of one frame */
#define MSG_GUARDED_MAX 65536     /* of one that carries secrets */
#define MSG_FDS_MAX 4
#define MSG_HEAD 16

enum msg_kind { MSG_REQUEST = 1, MSG_REPLY = 2, MSG_EVENT = 3 };

enum field {
#define FIELD(name, tag, type, ceiling) F_##name = tag,
#include "store/field.def"
#undef FIELD
};

enum op {
#define OP(name, number, guarded) OP_##name = number,
#include "store/op.def"
#undef OP
};

/* The name of an operation ("AUTH_BEGIN"), or NULL when there is none. */
const char *op_name(unsigned op);

struct msg;

/* A new message.  Puts never fail visibly: the first error sticks and
 * chan_send or msg_error reports it. */
LL_MUST enum ll_result msg_create(enum msg_kind kind, enum op op,
    struct msg **m_r);
/* The reply to a request, with RESULT set first. */
LL_MUST enum ll_result msg_reply(const struct msg *request, enum ll_result r,
    struct msg **m_r);
/* A reply made of the fields (msg_view) of an earlier one, checked as if they
 * had come from a peer. */
LL_MUST enum ll_result msg_repeat(const struct msg *request,
    struct tlv_view fields, struct msg **m_r);
/* Wipes, closes descriptors not taken, frees.  NULL is fine. */
void msg_destroy(struct msg *m);

/* The head's fields; the sequence pairs a reply with its request.  msg_error
 * is the first put's failure, or LL_OK. */
enum msg_kind msg_kind(const struct msg *m);
enum op msg_op(const struct msg *m);
uint32_t msg_sequence(const struct msg *m);
void msg_set_sequence(struct msg *m, uint32_t sequence);
enum ll_result msg_error(const struct msg *m);

/* Append one field of the type that field.def gives it; text and bytes are
 * copied. */
void msg_put_u64(struct msg *m, enum field f, uint64_t v);
void msg_put_bytes(struct msg *m, enum field f, const void *p, size_t len);
void msg_put_text(struct msg *m, enum field f, const char *text);
void msg_put_id(struct msg *m, enum field f, const struct id *id);
/* Opens a NEST field: puts until msg_end go into it.  Up to 4 deep. */
void msg_begin(struct msg *m, enum field f);
void msg_end(struct msg *m);
/* Passes a descriptor along; the message owns it from now on. */
void msg_put_fd(struct msg *m, int fd);

/* --- reading --- */

/* All fields of the message, or of a NEST field. */
struct tlv_view msg_view(const struct msg *m);

/* First field f of the view; absent gives 0, "", NULL, false.  The view was
 * checked when the frame was decoded (nested ones too), so these can't fail. */
uint64_t view_u64(struct tlv_view v, enum field f);
const char *view_text(struct tlv_view v, enum field f);
const uint8_t *view_bytes(struct tlv_view v, enum field f, size_t *len_r);
bool view_id(struct tlv_view v, enum field f, struct id *id_r);
/* 32 bytes, or NULL. */
const uint8_t *view_hash(struct tlv_view v, enum field f);
bool view_has(struct tlv_view v, enum field f);
/* Iterates over repeated fields: *at starts at 0; false at the end. */
bool view_each(struct tlv_view v, enum field f, size_t *at,
    struct tlv_field *field_r);
/* For NEST fields: the same, giving the inner view. */
bool view_nest(struct tlv_view v, enum field f, size_t *at,
    struct tlv_view *inner_r);

/* Result code of a reply (LL_PROTO when it has none). */
enum ll_result msg_result(const struct msg *m);

/* Takes descriptor n (0-based) out of a received message; -1 when absent. */
int msg_take_fd(struct msg *m, unsigned n);
/* Puts descriptor n back that msg_take_fd took out of it (a send that could
 * not be begun). */
void msg_return_fd(struct msg *m, unsigned n, int fd);

/* --- bytes, for the channel, the fuzzer and tests --- */

/* Encodes the 16-byte head; the body is msg_view's bytes. */
void msg_encode_head(const struct msg *m, uint8_t head[MSG_HEAD]);
/* Reads and checks a head: *body_len_r bytes of body follow, in guarded memory
 * when *guarded_r, with *fds_r descriptors. */
LL_MUST enum ll_result msg_decode_head(const uint8_t head[MSG_HEAD],
    size_t *body_len_r, bool *guarded_r, unsigned *fds_r);
/* Makes a message of a head and a body (copied); every field is checked. */
LL_MUST enum ll_result msg_decode(const uint8_t head[MSG_HEAD],
    const uint8_t *body, size_t len, struct msg **m_r);

#endif
