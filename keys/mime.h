/*
 * mime.h - reads foreign MIME in place: nothing is copied that need not be.
 */
#ifndef LL_MIME_H
#define LL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/tlv.h"

#define MIME_HEAD_MAX 65536       /* what follows is not looked at */
#define MIME_FIELD_MAX 4096       /* one unfolded field, cut there */

/* An entity: all text NUL-terminated, cut at its room. */
struct mime_entity {
	struct tlv_view head, body;
	char type[100];               /* lower case; text/plain when unsaid */
	char encoding[24];            /* lower case */
	char charset[60], boundary[200], protocol[80], smime[40];
	char name[600];               /* file name, UTF-8, not cleaned */
	bool attachment;              /* Content-Disposition says so */
	bool protecting;              /* its header counts (RFC 9788) */
};

/* Takes an entity apart.  Never fails: what is broken is text. */
void mime_read(struct tlv_view whole, struct mime_entity *e_r);
/* The nth (from 0) field of that name, unfolded and cut at room. */
bool mime_field(struct tlv_view head, const char *name, size_t nth,
    char *value, size_t room);
/* A parameter of a field's value (RFC 2045, 2231), cut at room. */
bool mime_param(const char *value, const char *name, char *out, size_t room);
/* Steps through the parts of a multipart body: *at starts at 0. */
bool mime_part(struct tlv_view body, const char *boundary, size_t *at,
    struct tlv_view *part_r);
/* The body without its Content-Transfer-Encoding. */
void mime_decode(const struct mime_entity *e, struct tlv_out *o);
/* Text of a charset as UTF-8, CRLF as LF; what has no meaning becomes
 * U+FFFD. */
void mime_utf8(const char *charset, struct tlv_view text, struct tlv_out *o);
/* Once, before the sandbox: what the C library reads of charsets. */
void mime_charset_setup(void);
/* The one name (lower case) of a charset that has several. */
const char *mime_charset(const char *charset);
/* Its letters from 0x80 on, 128 of them; NULL when it is not of one byte a
 * letter or not known. */
const uint16_t *mime_table(const char *charset);
/* Text of one with several bytes a letter as UTF-8; false when it is none that
 * is known. */
bool mime_multi(const char *charset, struct tlv_view text, struct tlv_out *o);
/* Whether the letters of that charset are known; "" counts as UTF-8. */
bool mime_charset_known(const char *charset);
/* A header value with its encoded words (RFC 2047) as UTF-8. */
void mime_words(const char *value, struct tlv_out *o);
/* The one address of a From value into room bytes; false when there is none
 * or more than one. */
bool mime_address(const char *value, char *address, size_t room);
enum mime_tnef { MIME_TNEF_TEXT, MIME_TNEF_HTML, MIME_TNEF_FILE };

/* One thing inside: text (name "") or a file, whose name is UTF-8, not cleaned,
 * perhaps empty.  Anything but LL_OK ends the reading. */
typedef enum ll_result mime_tnef_fn(void *ctx, enum mime_tnef what,
    const char *name, const char *charset, struct tlv_view content);
/* Takes TNEF apart; LL_PROTO when it is none, else what put gave. */
LL_MUST enum ll_result mime_tnef(struct tlv_view data, mime_tnef_fn *put,
    void *ctx);
/* HTML as plain text; links show where they lead. */
void mime_html(struct tlv_view html, struct tlv_out *o);

#endif
