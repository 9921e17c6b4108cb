/*
 * relay_mail.h - the notification mail: who wrote, the link alone on a line,
 * and what to do with it.  RFC 5322, text/plain, us-ascii, 7bit, so that no
 * mail server ever has a reason to re-encode or fold the link.
 */
#ifndef LL_RELAY_MAIL_H
#define LL_RELAY_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define MAIL_MAX 16384             /* bytes of one notification */
#define MAIL_LINK_MAX 900          /* RFC 5322: a line has at most 998 */

/* What an opened queue payload says; the strings are the caller's. */
struct notice {
	const char *to;            /* recipient's address */
	const char *link_path;     /* "/m/LOCATOR/SECRET" */
	const char *sender_name;   /* may be "" */
	const char *sender_email;
	uint64_t expires;          /* seconds since 1970; 0: not said */
	const char *mail_id;       /* Message-ID without brackets */
	uint64_t date;             /* seconds since 1970 */
};

struct mail_settings {
	const char *org_name;
	const char *mail_from;     /* address */
	const char *portal_url;    /* origin, no path */
};

/* Builds the mail with LF line ends, 7-bit, into *mail_r (malloc'd, owned by
 * the caller, *len_r bytes and a NUL; it carries the link's secret: wipe it).
 * LL_USAGE, with *why_r a sentence, when an address or the link could not
 * stand in a header or on a line of its own. */
LL_MUST enum ll_result mail_build(const struct notice *n,
    const struct mail_settings *s, char **mail_r, size_t *len_r,
    const char **why_r);

/* A phrase for a header: as it is when it is plain, a quoted-string, or RFC
 * 2047 encoded words; control characters become blanks.  Truncated to room.
 * column: where on the line it begins, for folding. */
void mail_phrase(const char *text, size_t column, char *out, size_t room);

#endif
