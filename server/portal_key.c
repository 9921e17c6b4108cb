#include "server/portal_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "store/inspect.h"
#include "store/kind.h"

#define FORM_MAX 2097152           /* what is received, if only to say no */
#define KEY_MAX PARSE_KEY_MAX
#define PARSER_MS 10000            /* to take its first chunk */

/* What came of the form: typed and as a file; the file counts first. */
struct piece {
	uint8_t *data;
	size_t len;
};

struct key_form {
	uint8_t cookie[COOKIE_BYTES];
	struct opened opened;
	struct letter letter;
	char csrf[CSRF_TEXT + 1];
	struct piece typed, file;
	bool changed;              /* it waits for the author's word */
	enum ll_result failed;
	char words[INSPECT_WORDS]; /* the parser's */
};

/* --- the form --- */

static void
put_intro(struct page *p, const struct letter *l)
{
	page_raw(p, "<summary>Do you use encrypted mail (OpenPGP or "
	    "S/MIME)?</summary>\n<p class=\"hint\" id=\"key-hint\">Give ");
	page_foreign(p, l->author_email, strlen(l->author_email), CLEAN_LINE);
	page_raw(p, " your public key or certificate, and messages can come "
	    "to your mailbox, encrypted, without link and code. It must be "
	    "for ");
	page_foreign(p, l->address, strlen(l->address), CLEAN_LINE);
	page_raw(p, ".</p>\n");
}

void
key_form_put(struct page *p, const struct letter *l,
    const uint8_t cookie[COOKIE_BYTES], const struct id *delivery,
    const char *alarm, const char *words)
{
	char csrf[CSRF_TEXT + 1];

	http_csrf(cookie, delivery, csrf);
	if (alarm != NULL) {
		page_raw(p, "<p class=\"alarm\" id=\"key-alarm\" "
		    "role=\"alert\">");
		page_raw(p, alarm);
		page_foreign(p, words, strlen(words), CLEAN_LINE);
		page_raw(p, "</p>\n");
	}
	page_raw(p, alarm != NULL ? "<details open>\n" : "<details>\n");
	put_intro(p, l);
	page_raw(p, "<form method=\"post\" enctype=\"multipart/form-data\" "
	    "action=\"/o/");
	page_id(p, delivery);
	page_raw(p, "/key\">\n<input type=\"hidden\" name=\"csrf\" value=\"");
	page_text(p, csrf);
	page_raw(p, "\">\n<label for=\"keyfile\">Key or certificate file"
	    "</label>\n<input id=\"keyfile\" name=\"keyfile\" type=\"file\" "
	    "accept=\".asc,.gpg,.pgp,.pem,.cer,.crt,.der\" "
	    "aria-describedby=\"key-hint\">\n<label for=\"key\">or its text"
	    "</label>\n<textarea id=\"key\" name=\"key\" rows=\"5\" "
	    "spellcheck=\"false\" autocomplete=\"off\" "
	    "aria-describedby=\"key-hint\"></textarea>\n<button "
	    "type=\"submit\" class=\"plain\">Give the key</button>\n</form>\n"
	    "</details>\n");
}

/* --- refused --- */

#define NOT_TAKEN "<strong>The key was not taken.</strong> "

static const struct {
	enum ll_result result;
	unsigned status;
	const char *alarm;
} failures[] = {
	{ LL_TOOBIG, 413, NOT_TAKEN "It is larger than any key should be. "
	    "Please export it without its photographs and the signatures of "
	    "others." },
	{ LL_USAGE, 400, NOT_TAKEN "Please choose a file or paste the key's "
	    "text." },
	{ LL_CONFLICT, 400, "<strong>That was a private key, and was not "
	    "taken. Do not give it to anybody.</strong> It was thrown away "
	    "here, but it has left your computer: think about replacing it. "
	    "What is needed is the public key." },
	{ LL_PROTO, 400, NOT_TAKEN "What came is neither an OpenPGP key nor a "
	    "certificate that can be read. " },
	{ LL_DENIED, 422, NOT_TAKEN },
	{ LL_AUTH, 403, NOT_TAKEN "The form was not one of this page. Please "
	    "send it again." },
	{ LL_FULL, 409, NOT_TAKEN "There are too many keys of yours here "
	    "already." },
	{ LL_RATE, 429, NOT_TAKEN "Too many keys came for this message. "
	    "Please try again in an hour." },
	{ LL_BUSY, 429, NOT_TAKEN "The server is busy. Please send it again "
	    "in a few seconds." },
};

static struct answer
make_refusal(struct request *q, struct page *p)
{
	struct key_form *k = q->key;
	size_t n = sizeof(failures) / sizeof(failures[0]), i;
	struct answer a = { 0 };

	for (i = 0; i + 1 < n && failures[i].result != k->failed; i++)
		continue;
	a.status = failures[i].status;
	a.retry_secs = a.status != 429 ? 0 : k->failed == LL_RATE ? 3600 : 10;
	page_init(p);
	page_begin(p, q->portal->org, "The key was not taken");
	page_heading(p, "The key was not taken");
	key_form_put(p, &k->letter, k->cookie, &q->path.delivery,
	    failures[i].alarm, k->words);
	page_raw(p, "<p><a href=\"/o/");
	page_id(p, &q->path.delivery);
	page_raw(p, "\">Back to the message</a></p>\n");
	page_end(p);
	return a;
}

static enum MHD_Result
refuse(struct request *q)
{
	struct answer a;
	struct page p;

	/* without the message there is no form to show */
	if (q->key->failed == LL_NOTFOUND || q->key->failed == LL_GONE ||
	    q->key->letter.address == NULL)
		return http_refuse(q, q->key->failed);
	a = make_refusal(q, &p);
	return http_answer(q, &a, &p);
}

/* Nothing more of it is wanted. */
static enum MHD_Result
refuse_now(struct request *q)
{
	struct page p;
	struct answer a = make_refusal(q, &p);

	http_answer_now(q, &a, &p);
	return MHD_NO;
}

/* --- receiving --- */

void
key_destroy(struct key_form *k)
{
	if (k == NULL)
		return;
	if (k->typed.data != NULL)
		sodium_memzero(k->typed.data, k->typed.len);
	if (k->file.data != NULL)
		sodium_memzero(k->file.data, k->file.len);
	free(k->typed.data);
	free(k->file.data);
	letter_finish(&k->letter);
	opened_finish(&k->opened);
	sodium_memzero(k, sizeof(*k));
	free(k);
}

enum MHD_Result
key_begin(struct request *q)
{
	struct key_form *k;

	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return MHD_NO;
	q->key = k;
	k->failed = http_session(q, k->cookie, &k->opened);
	if (k->failed == LL_OK)
		k->failed = letter_open(q->portal->store, &k->opened,
		    &k->letter);
	else
		k->failed = LL_NOTFOUND;
	if (q->length <= FORM_MAX)
		return MHD_YES;
	if (k->failed != LL_OK)
		return http_refuse(q, k->failed);
	k->failed = LL_TOOBIG;
	/* Who waits for a word before it sends gets it now. */
	if (MHD_lookup_connection_value(q->mhd,
	    MHD_HEADER_KIND, "Expect") != NULL)
		return refuse(q);
	return MHD_YES;
}

static enum ll_result
keep(struct piece *p, const char *data, size_t len)
{
	if (len == 0)
		return LL_OK;
	if (len > KEY_MAX - p->len)
		return LL_TOOBIG;
	if (p->data == NULL)
		p->data = malloc(KEY_MAX);
	if (p->data == NULL)
		return LL_NOMEM;
	memcpy(p->data + p->len, data, len);
	p->len += len;
	return LL_OK;
}

enum MHD_Result
key_field(struct request *q, const char *name, const char *data, uint64_t at,
    size_t len)
{
	struct key_form *k = q->key;
	enum ll_result r = LL_OK;

	if (q->dead)
		return MHD_NO;
	if (q->length > FORM_MAX && len > 0)
		return refuse_now(q);
	if (name == NULL || k->failed != LL_OK)
		return MHD_YES;
	if (strcmp(name, "csrf") == 0 && at + len <= CSRF_TEXT)
		memcpy(k->csrf + at, data, len);
	else if (strcmp(name, "key") == 0)
		r = keep(&k->typed, data, len);
	else if (strcmp(name, "keyfile") == 0)
		r = keep(&k->file, data, len);
	k->failed = r;
	return MHD_YES;
}

/* --- looked at --- */

static bool
is_blank(const struct piece *p)
{
	size_t i;

	for (i = 0; i < p->len; i++)
		if (strchr(" \t\r\n", p->data[i]) == NULL ||
		    p->data[i] == '\0')
			return false;
	return true;
}

/* A secret key's first packet, or the words above an armored one.  It goes no
 * further than here. */
static bool
is_private(const struct piece *p)
{
	static const char words[] = "PRIVATE KEY";
	const uint8_t first = p->len > 0 ? p->data[0] : 0;

	return (first & 0xfc) == 0x94 || first == 0xc5 || memmem(p->data,
	    p->len, words, sizeof(words) - 1) != NULL;
}

/* The wire to a letterlock-parse, which is given no key of ours. */
static enum ll_result
ask_parser(struct request *q, int *fd_r)
{
	struct parse_wire w = { -1, PARSER_MS };
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	*fd_r = -1;
	r = msg_create(MSG_REQUEST, OP_PARSER, &m);
	if (r == LL_OK)
		r = portal_store_ask(q->portal->master, m, &reply);
	if (r != LL_OK)
		return LL_BUSY;
	w.fd = msg_take_fd(reply, 0);
	msg_destroy(reply);
	if (w.fd < 0 || parse_put(&w, 'K', NULL, 0) != LL_OK) {
		if (w.fd >= 0)
			(void)close(w.fd);
		return LL_BUSY;
	}
	*fd_r = w.fd;
	return LL_OK;
}

/* Whom the house trusts, for letterlock-parse; a CA whose list of revoked
 * certificates is not at hand is left out. */
static enum ll_result
put_authorities(struct request *q, struct tlv_out *out)
{
	struct msg *m = NULL, *reply = NULL;
	struct tlv_view row;
	const uint8_t *p;
	size_t at = 0, len;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_PORTAL_CAS, &m);
	if (r != LL_OK)
		return r;
	msg_put_bytes(m, F_TOKEN, q->key->opened.token, HASH_BYTES);
	r = portal_store_ask(q->portal->store, m, &reply);
	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		if (view_u64(row, F_FLAGS) & CA_CRL_ELSEWHERE)
			continue;
		p = view_bytes(row, F_CERTIFICATE, &len);
		tlv_put_bytes(out, PARSE_F_CA, p, len);
		p = view_bytes(row, F_CRL, &len);
		if (p != NULL)
			tlv_put_bytes(out, PARSE_F_CRL, p, len);
	}
	msg_destroy(reply);
	return r == LL_OK ? out->err : r;
}

static enum ll_result
inspect(struct request *q, const struct piece *p, struct inspection *i_r)
{
	struct tlv_out trusted;
	struct tlv_view v;
	enum ll_result r;
	int fd;

	memset(i_r, 0, sizeof(*i_r));
	tlv_out_init(&trusted, PARSE_JOB_MAX);
	r = put_authorities(q, &trusted);
	if (r == LL_OK)
		r = ask_parser(q, &fd);
	v.data = trusted.data;
	v.len = trusted.len;
	if (r == LL_OK)
		r = inspect_run(fd, q->key->letter.address, p->data, p->len,
		    v, i_r);
	tlv_out_finish(&trusted);
	return r;
}

/* Of several keys in one file those count that are for this address, and
 * those that were taken back. */
static enum ll_result
hand_in(struct request *q, const struct inspection *i)
{
	struct key_form *k = q->key;
	struct msg *m = NULL, *reply = NULL;
	const struct inspected *one;
	enum ll_result r;
	size_t n;

	r = msg_create(MSG_REQUEST, OP_PORTAL_KEY, &m);
	if (r != LL_OK)
		return r;
	msg_put_bytes(m, F_TOKEN, k->opened.token, HASH_BYTES);
	for (n = 0; n < i->count; n++) {
		one = &i->keys[n];
		if (one->revoked && one->fingerprint[0] != '\0') {
			msg_begin(m, F_ROW);
			msg_put_text(m, F_FINGERPRINT, one->fingerprint);
			msg_put_u64(m, F_FLAGS, PEERKEY_REVOKED);
			msg_end(m);
		}
		if (one->result != LL_OK || one->key == NULL)
			continue;
		msg_begin(m, F_ROW);
		msg_put_u64(m, F_FORMAT, (uint64_t)one->format);
		msg_put_bytes(m, F_PUBLIC, one->key, one->key_len);
		msg_put_text(m, F_FINGERPRINT, one->fingerprint);
		msg_put_text(m, F_ALGORITHM, one->algorithm);
		msg_put_u64(m, F_CREATED, one->created);
		msg_put_u64(m, F_KEY_EXPIRES, one->expires);
		msg_put_u64(m, F_FLAGS, one->trusted ? PEERKEY_TRUSTED : 0);
		msg_end(m);
	}
	r = portal_store_ask(q->portal->store, m, &reply);
	k->changed = r == LL_OK && (view_u64(msg_view(reply), F_FLAGS) &
	    PEERKEY_CHANGED) != 0;
	msg_destroy(reply);
	/* the store knows the token no more */
	return r == LL_AUTH ? LL_NOTFOUND : r;
}

static enum ll_result
take(struct request *q, const struct piece *p)
{
	struct key_form *k = q->key;
	bool good = false, revoked = false;
	struct inspection i;
	enum ll_result r;
	size_t n;

	r = inspect(q, p, &i);
	for (n = 0; r == LL_OK && n < i.count; n++) {
		good |= i.keys[n].result == LL_OK;
		revoked |= i.keys[n].revoked;
	}
	snprintf(k->words, sizeof(k->words), "%s", r == LL_OK && !good ?
	    i.keys[0].words : i.words);
	if (r == LL_OK && (good || revoked))
		r = hand_in(q, &i);
	if (r == LL_OK && !good)
		r = LL_DENIED;
	inspect_finish(&i);
	return r;
}

static enum ll_result
judge(struct request *q)
{
	struct key_form *k = q->key;
	const struct piece *p = k->file.len > 0 ? &k->file : &k->typed;
	char csrf[CSRF_TEXT + 1];

	http_csrf(k->cookie, &q->path.delivery, csrf);
	if (!derive_equal(csrf, k->csrf, CSRF_TEXT))
		return LL_AUTH;
	if (is_blank(p))
		return LL_USAGE;
	return is_private(p) ? LL_CONFLICT : take(q, p);
}

enum MHD_Result
key_end(struct request *q)
{
	struct answer a = { .status = MHD_HTTP_SEE_OTHER };
	struct key_form *k = q->key;
	char where[64], id[ID_TEXT + 1];

	if (k->failed == LL_OK)
		k->failed = judge(q);
	if (k->failed != LL_OK)
		return refuse(q);
	id_text(&q->path.delivery, id);
	snprintf(where, sizeof(where), "/o/%s?key=%d", id, k->changed ? 2 : 1);
	a.location = where;
	return http_words(q, &a, "Taken", "<p>Your key has been taken.</p>\n");
}
