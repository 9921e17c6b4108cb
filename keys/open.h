/*
 * open.h - foreign messages: decrypted, checked, and taken apart.
 */
#ifndef LL_OPEN_H
#define LL_OPEN_H

#include "keys/job.h"
#include "keys/mime.h"

#define OPEN_DEPTH_MAX 20
#define OPEN_PARTS_MAX 500
#define OPEN_LAYERS_MAX 6        /* of encryption and signing, from outside */

/* The job. */
LL_MUST enum ll_result open_job(struct job *job);

/* Puts a SIGNATURE into the result: how it fared (LL_OK: good, by a holder of
 * the sender's address; LL_CONFLICT: good, by somebody else; LL_NOTFOUND: by a
 * key nobody knows; LL_AUTH: does not hold), with words.  holders: HOLDER
 * fields.  Returns its number, from 1. */
uint64_t open_signature(struct job *job, enum parse_format format,
    enum ll_result r, const char *words, const char *fingerprint,
    const struct tlv_out *holders, uint64_t created);
/* Puts a WARNING, the first 20 of them. */
void open_warn(struct job *job, const char *words);
/* Checks a multipart/signed: *content_r is what was signed, *signed_r the
 * number of its SIGNATURE, 0 for none that could be read. */
LL_MUST enum ll_result open_signed(struct job *job,
    const struct mime_entity *e, struct tlv_view *content_r,
    uint64_t *signed_r);
/* An encrypted entity, or signed S/MIME with its content inside. */
bool open_is_sealed(const struct mime_entity *e);
/* Opens one.  plain is initialised here, on failure too; the caller finishes
 * it.  *signed_r as above. */
LL_MUST enum ll_result open_sealed(struct job *job,
    const struct mime_entity *e, struct tlv_out *plain_r, uint64_t *signed_r,
    bool *encrypted_r);
#define FOUND_KEY_MAX 65536      /* larger keys are not passed on */

/* Remembers a key or certificate that came with the message, the first
 * JOB_ATTACHED_MAX; address NULL: not said. */
void open_found(struct job *job, enum parse_format format,
    struct tlv_view key, enum parse_source source, const char *address);
/* Remembers what is attached as keys, before signatures are told. */
void open_collect(struct job *job, struct tlv_view whole);
/* Puts all FOUND into the result; whole: the message as it came. */
void open_put_found(struct job *job, struct tlv_view whole);
/* Puts a REPORT into the result when the entity is one. */
void open_report(struct job *job, struct tlv_view whole);

/* Writes PARTs and outputs of an entity, which SIGNATURE covers. */
LL_MUST enum ll_result open_walk(struct job *job, struct tlv_view whole,
    uint64_t signature);

/* Steps through the armored messages in a text (*at starts at 0): what stands
 * before the next one and, when there is one (true), the block itself. */
bool open_inline_block(struct tlv_view text, size_t *at,
    struct tlv_view *before_r, struct tlv_view *block_r);
/* Nothing but white space. */
bool open_is_blank(struct tlv_view v);

#endif
