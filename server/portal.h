/*
 * portal.h - what the parts of letterlock-portal share: the program's state,
 * one request, and how it is answered.
 */
#ifndef LL_PORTAL_H
#define LL_PORTAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "keys/derive.h"
#include "keys/secret.h"
#include "server/child.h"
#include "server/portal_conn.h"
#include "server/portal_page.h"
#include "server/portal_path.h"
#include "server/portal_session.h"
#include "server/portal_store.h"

#define LISTEN_MAX 3
#define SMALL_FORM_MAX 8192        /* bytes of a form without files */
#define CODE_MAX 64                /* bytes that are read of a typed code */
#define CSRF_TEXT 26

struct portal {
	struct child child;
	struct portal_store *store;
	struct portal_store *master; /* letterlockd, asked in the same way */
	struct sessions *sessions;
	struct conns *conns;
	struct secret key;         /* root-derived: forms' tokens */
	struct proxy_list trusted;
	const char *org;
	bool tls;                  /* we speak TLS ourselves */
	bool https;                /* browsers see https (cookie's name) */
	int listen[LISTEN_MAX];
	size_t listen_count;
	struct MHD_Daemon *daemon[LISTEN_MAX];
	bool stop;
	uint64_t renew_ms;         /* a reload was asked for: by then */
};

struct reply;
struct key_form;

struct request {
	struct portal *portal;
	struct MHD_Connection *mhd;
	struct conn *conn;
	struct portal_path path;
	char origin[ORIGIN_MAX];
	bool post, head;
	bool dead;                 /* the answer was written by hand */
	uint64_t length, received; /* bytes of the body */
	uint64_t begun_ms;
	struct MHD_PostProcessor *form;
	char code[CODE_MAX + 1], csrf[CSRF_TEXT + 1];
	struct reply *reply;
	struct key_form *key;
	bool mark_read;            /* once the page is out */
	uint8_t token[HASH_BYTES];
};

/* What goes with a page besides its bytes; zero members are left out. */
struct answer {
	unsigned status;
	const char *location;
	const char *set_cookie;
	const char *allow;
	unsigned retry_secs;
};

/* --- portal_http.c --- */

/* Answers with a page, whose memory is taken over (also on failure). */
LL_MUST enum MHD_Result http_answer(struct request *q, const struct answer *a,
    struct page *p);
/* The same in the midst of an upload, where libmicrohttpd cannot answer: the
 * bytes are written to the connection, which then ends.  q->dead is set. */
void http_answer_now(struct request *q, const struct answer *a,
    struct page *p);
/* A short page: title and one paragraph of our own markup. */
LL_MUST enum MHD_Result http_words(struct request *q, const struct answer *a,
    const char *title, const char *markup);
/* The headers that every response bears, put on r; policy: a
 * Content-Security-Policy, NULL for that of pages. */
void http_headers(const struct request *q, struct MHD_Response *r,
    const char *policy);

/* Reads the cookie and opens the delivery of the path. */
LL_MUST enum ll_result http_session(struct request *q,
    uint8_t cookie_r[COOKIE_BYTES], struct opened *o_r);
/* The cookie that came, when it is a known one; else a fresh one. */
void http_cookie(struct request *q, uint8_t cookie_r[COOKIE_BYTES]);
/* A form's token, bound to the cookie and the path's delivery. */
void http_csrf(const uint8_t cookie[COOKIE_BYTES], const struct id *delivery,
    char text_r[CSRF_TEXT + 1]);
/* A page for a result of the store that a reader of messages meets. */
LL_MUST enum MHD_Result http_refuse(struct request *q, enum ll_result r);

/* libmicrohttpd's callbacks. */
enum MHD_Result http_access(void *cls, struct MHD_Connection *mhd,
    const char *url, const char *method, const char *version,
    const char *upload_data, size_t *upload_size, void **context);
void http_completed(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_RequestTerminationCode code);
void http_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code);

/* --- portal_link.c: /m/LOCATOR/SECRET --- */

/* Shows site words and form, or how the link ended; changes nothing. */
LL_MUST enum MHD_Result link_get(struct request *q);
/* Tries the code that was sent. */
LL_MUST enum MHD_Result link_post(struct request *q);

/* --- portal_message.c: /o/DELIVERY, /o/DELIVERY/close --- */

/* Shows the opened message. */
LL_MUST enum MHD_Result message_get(struct request *q);
/* Forgets its key. */
LL_MUST enum MHD_Result message_close(struct request *q);

/* --- portal_file.c: /o/DELIVERY/f/N --- */

/* Streams an attachment. */
LL_MUST enum MHD_Result file_get(struct request *q);

/* --- portal_reply.c: /o/DELIVERY/reply --- */

/* When the head of the POST is there.  MHD_YES: go on and receive. */
LL_MUST enum MHD_Result reply_begin(struct request *q);
/* A piece of a form field. */
LL_MUST enum MHD_Result reply_field(struct request *q, const char *name,
    const char *file_name, const char *type, const char *data, uint64_t at,
    size_t len);
/* The whole body is there. */
LL_MUST enum MHD_Result reply_end(struct request *q);
/* Wipes and frees.  NULL is fine. */
void reply_destroy(struct reply *r);

/* --- portal_key.c: /o/DELIVERY/key --- */

/* When the head of the POST is there.  MHD_YES: go on and receive. */
LL_MUST enum MHD_Result key_begin(struct request *q);
/* A piece of a form field; what is too much is passed over. */
LL_MUST enum MHD_Result key_field(struct request *q, const char *name,
    const char *data, uint64_t at, size_t len);
/* The whole body is there: it is looked at, and handed in or refused. */
LL_MUST enum MHD_Result key_end(struct request *q);
/* Wipes and frees.  NULL is fine. */
void key_destroy(struct key_form *k);

#endif
