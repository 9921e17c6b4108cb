/*
 * intake_look.h - what intake must know of a mail: is it encrypted, what does
 * it answer, and what does a list of mails show of it.
 *
 * Only looks: what the mail says is for letterlock-parse to find out.  None of
 * these can fail; what is broken is nothing special.
 */
#ifndef LL_INTAKE_LOOK_H
#define LL_INTAKE_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/envelope.h"
#include "keys/tlv.h"

/* Bytes of a body that are looked at for encryption. */
#define LOOK_BODY 49152
#define LOOK_REFERENCE 1000
#define LOOK_REFERENCES_MAX 24

/* True when a mail is encrypted, by its header and the begin of its body:
 * PGP/MIME, also as some servers deform it, enveloped S/MIME of either kind,
 * or text with an OpenPGP message in it. */
bool look_encrypted(struct tlv_view head, struct tlv_view body);

/* True for a delivery status notification (RFC 3464). */
bool look_report(struct tlv_view head);

/* Calls fn for each Message-ID that In-Reply-To and References name, without
 * brackets, clean: the last LOOK_REFERENCES_MAX of each field. */
void look_references(struct tlv_view head, void (*fn)(void *arg,
    const char *id), void *arg);

/* The one address of From, cleaned; false when there is none or several. */
bool look_from(struct tlv_view head, char address_r[321]);

/* Calls fn for each text part of a mail, decoded, as far as the begin of the
 * body has it. */
void look_texts(struct tlv_view head, struct tlv_view body,
    void (*fn)(void *arg, const char *text, size_t len), void *arg);

/* The Message-ID without brackets; "" when there is none of at most 199
 * bytes. */
void look_message_id(struct tlv_view head, char id[200]);

/* Sender, names, subject, date and recipients as the header has them, cleaned,
 * into e; sender (as the mail server was told) where From has no one address,
 * now where there is no date or it lies ahead. */
LL_MUST enum ll_result look_facts(struct tlv_view head, const char *sender,
    uint64_t now, struct envelope *e);

#endif
