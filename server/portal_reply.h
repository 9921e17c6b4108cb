/*
 * portal_reply.h - an answer on its way: the form, what was received of it,
 * and how it is sealed for the author.
 */
#ifndef LL_PORTAL_REPLY_H
#define LL_PORTAL_REPLY_H

#include "server/portal.h"
#include "server/portal_letter.h"
#include "server/portal_upload.h"

#define REPLY_TEXT_MAX 262144      /* bytes of a reply's text */
#define REPLY_FILES_MAX 20

struct reply_form {
	uint64_t limit;            /* attachment_max; 0: unknown */
	const char *to;            /* the author's address, NULL: unknown */
	const char *text;          /* what was typed before, or NULL */
	size_t text_len;
	const char *alarm;         /* markup: why it was not sent, or NULL */
};

/* Puts the form.  Text stands before the files in it, so that the text is
 * there when files have to be refused. */
void reply_form_put(struct page *p, const struct reply_form *f,
    const uint8_t cookie[COOKIE_BYTES], const struct id *delivery);

/* What is received, and what becomes of it. */
struct reply {
	uint8_t cookie[COOKIE_BYTES];
	struct opened opened;
	struct letter letter;
	struct id message;
	struct secret key;
	struct envelope e;
	char csrf[CSRF_TEXT + 1], once[CSRF_TEXT + 1];
	char *text;
	size_t text_len;
	struct upload *file;
	uint64_t file_bytes;
	unsigned files;
	enum ll_result failed;     /* the first reason not to send it */
};

/* Where its objects go to. */
struct upload_target reply_target(struct request *q);

/* Seals text, header and key for the author and hands all to the store.  A
 * form that comes twice is one reply. */
LL_MUST enum ll_result reply_send(struct request *q);

#endif
