/*
 * write.h - outgoing messages: header, MIME entity, and the two formats.
 */
#ifndef LL_WRITE_H
#define LL_WRITE_H

#include "keys/job.h"

/* Everything that is sealed, built in memory: base64 of PARSE_DATA_MAX. */
#define WRITE_ENTITY_MAX (96u << 20)

/* ADDRESS and NAME of a nest, checked: no controls, no line feed, a good
 * address.  name is "" when there is none.  False with job's words set. */
bool write_person(struct job *job, struct tlv_view nest,
    const char **address_r, const char **name_r);

/* The header field "Name: " and text as RFC 2047 wants it, folded. */
void write_field(struct tlv_out *o, const char *name, const char *text);
/* A header field of the TO or CC addresses in the job, nothing when none. */
LL_MUST enum ll_result write_people(struct job *job, struct tlv_out *o,
    const char *name, uint8_t tag);
/* Puts printf text, no tag. */
__attribute__((format(printf, 2, 3)))
void write_line(struct tlv_out *o, const char *format, ...);
/* Base64 in lines of 76 characters with CRLF. */
void write_base64(struct tlv_out *o, const uint8_t *p, size_t len);
/* A boundary that no content has by chance; room 40. */
void write_boundary(char boundary[40]);

/* The fields common to the outer header and the protected one: From, To, Cc,
 * Date, Message-ID and references, Subject as given. */
LL_MUST enum ll_result write_head(struct job *job, struct tlv_out *o,
    const char *subject);
/* How an entity repeats the message's header (RFC 9788). */
enum write_protect {
	WRITE_HIDDEN,        /* the real one, and what the way sees of it */
	WRITE_SIGNED,        /* the real one, which the way sees too */
	WRITE_BARE           /* not at all */
};

/* The entity: its header, body and attachments. */
LL_MUST enum ll_result write_entity(struct job *job, struct tlv_out *o,
    enum write_protect protect);

/* The result's word on how a format was encrypted. */
void write_told(struct job *job, enum parse_format format, const char *how,
    uint64_t bytes);

/* The job. */
LL_MUST enum ll_result write_seal(struct job *job);

#endif
