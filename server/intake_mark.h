/*
 * intake_mark.h - whether a mail that staff hand in from a mail program is to
 * go by letterlock: marks of its author, domains that the house names, and
 * patterns in its text.
 *
 * Marks in the subject: [secure], [secure+confidential], [secure+registered].
 * Or a header: X-Letterlock: secure; class=registered; expires=14
 */
#ifndef LL_INTAKE_MARK_H
#define LL_INTAKE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/tlv.h"
#include "store/kind.h"

struct intake_mark {
	bool secure;
	enum msg_class class;
	uint64_t expires_days;       /* 0: not said */
	const char *wrong;           /* what of it makes no sense, or NULL */
};

/* What the header says. */
void intake_mark_read(struct tlv_view head, struct intake_mark *m_r);

/* Takes the marks and the blanks around them out of a subject. */
void intake_mark_strip(char *subject);

/* True when the address, or its domain (a name without @; subdomains only when
 * it begins with a dot), stands in a list of words. */
bool intake_mark_listed(const char *list, const char *address);

/* The first rule of the list (words: iban ahv ssn mrn) that text breaks: a
 * sentence, or NULL. */
const char *intake_mark_rule(const char *list, const char *text, size_t len);

#endif
