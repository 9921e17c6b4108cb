#include "server/portal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "keys/muc.h"
#include "store/kind.h"
#include "store/loop.h"

#define FORM_HOURS 24              /* a form may lie open that long */
#define RATE_RETRY_SECS 600
#define LOOKS 64
#define LOOK_MS 50

/* The token of the code form: bound to the link, so that no other page can
 * send a code in somebody's name, and to the hour. */
static void
form_token(struct request *q, uint64_t hour, char text_r[CSRF_TEXT + 1])
{
	uint8_t in[2 * ID_BYTES + sizeof(hour)], hash[HASH_BYTES];
	struct id id;

	memcpy(in, q->path.locator.b, ID_BYTES);
	memcpy(in + ID_BYTES, q->path.secret.b, ID_BYTES);
	memcpy(in + 2 * ID_BYTES, &hour, sizeof(hour));
	if (derive_bytes(LABEL_CSRF, q->portal->key.data, q->portal->key.len,
	    in, sizeof(in), hash) != LL_OK)
		randombytes_buf(hash, sizeof(hash));
	memcpy(&id, hash, sizeof(id));
	id_text(&id, text_r);
}

static bool
token_is_good(struct request *q)
{
	uint64_t now = (uint64_t)time(NULL) / 3600, hour;
	char text[CSRF_TEXT + 1];
	int good = 0;

	for (hour = now - FORM_HOURS; hour <= now; hour++) {
		form_token(q, hour, text);
		good |= derive_equal(text, q->csrf, CSRF_TEXT);
	}
	return good != 0;
}

static void
put_form(struct request *q, struct page *p, const char *alarm)
{
	char token[CSRF_TEXT + 1];

	form_token(q, (uint64_t)time(NULL) / 3600, token);
	if (alarm != NULL) {
		page_raw(p, "<p class=\"alarm\" id=\"alarm\" role=\"alert\">");
		page_raw(p, alarm);
		page_raw(p, "</p>\n");
	}
	page_raw(p, "<form method=\"post\" autocomplete=\"off\">\n"
	    "<input type=\"hidden\" name=\"csrf\" value=\"");
	page_text(p, token);
	page_raw(p, "\">\n<label for=\"code\">Message unlock code</label>\n"
	    "<p class=\"hint\" id=\"code-hint\">12 letters and digits, as in "
	    "7KQ4-M9XH-TB2C. Capitals, blanks and dashes do not matter; the "
	    "letter O counts as zero, I and L as one.</p>\n"
	    "<input id=\"code\" name=\"code\" type=\"text\" maxlength=\"40\" "
	    "required autocapitalize=\"characters\" autocomplete=\"off\" "
	    "spellcheck=\"false\" aria-describedby=\"code-hint");
	page_raw(p, alarm != NULL ? " alarm\" aria-invalid=\"true\" autofocus" :
	    "\"");
	page_raw(p, " value=\"");
	page_foreign(p, q->code, strlen(q->code), CLEAN_LINE);
	page_raw(p, "\">\n<div><button type=\"submit\">Open the message"
	    "</button></div>\n</form>\n");
}

/* Page 1: the words that show whose page this is, then the form. */
static enum MHD_Result
show_form(struct request *q, unsigned status, unsigned retry_secs,
    const char *alarm)
{
	struct answer a = { .status = status, .retry_secs = retry_secs };
	char first[SITE_WORD_MAX], second[SITE_WORD_MAX];
	struct page p;

	site_words(&q->path.secret, first, second);
	page_init(&p);
	page_begin(&p, q->portal->org, alarm != NULL ? "Please look again" :
	    "A message for you");
	page_heading(&p, "A message for you");
	page_raw(&p, "<div class=\"words\"><p>The sender reads these two words "
	    "to you:</p>\n<p><strong id=\"site-words\">");
	page_text(&p, first);
	page_raw(&p, " ");
	page_text(&p, second);
	page_raw(&p, "</strong></p>\n<p>If you were told other words, type "
	    "nothing here and tell the sender.</p></div>\n");
	put_form(q, &p, alarm);
	page_raw(&p, "<h2>No code yet?</h2>\n<p>Phone the sender, on a number "
	    "that you already know, and ask for the code of this message. It "
	    "is told by voice or handed over, never sent by e-mail.</p>\n"
	    "<h2>Good to know</h2>\n<p>Looking at this page changes nothing. "
	    "After too many wrong codes the message is frozen, not lost: the "
	    "sender can send a new link.</p>\n<p>The message is stored "
	    "encrypted, and nobody can read it there without this link and the "
	    "code. While you read it in the browser, the running server sees "
	    "the text too.</p>\n");
	page_end(&p);
	return http_answer(q, &a, &p);
}

static const struct {
	enum link_state state;
	unsigned status;
	const char *title, *markup;
} ends[] = {
	{ LINK_FROZEN, 423, "This message is frozen",
	    "<p>Too many wrong codes were typed for this message. It is not "
	    "lost: the sender has been told and can send you a new link with a "
	    "new code. Please phone the sender.</p>\n" },
	{ LINK_WITHDRAWN, 410, "This message was withdrawn",
	    "<p>The sender has withdrawn the message. Its key no longer "
	    "exists, so nobody can open it here any more. If you expected it, "
	    "please ask the sender.</p>\n" },
	{ LINK_EXPIRED, 410, "This message has expired",
	    "<p>The time in which the message could be opened is over. Its key "
	    "no longer exists. If you still need it, please ask the sender to "
	    "send it again.</p>\n" },
	{ LINK_REPLACED, 410, "There is a newer link",
	    "<p>The sender has issued a new link for this message; this one no "
	    "longer opens it. Please use the newest notification mail and the "
	    "code that belongs to it.</p>\n" },
};

static enum MHD_Result
show_end(struct request *q, enum link_state state)
{
	size_t i, n = sizeof(ends) / sizeof(ends[0]);
	struct answer a = { 0 };

	for (i = 0; i + 1 < n && ends[i].state != state; i++)
		continue;
	a.status = ends[i].status;
	return http_words(q, &a, ends[i].title, ends[i].markup);
}

/* What the store said of a link a moment ago.  Pages that are asked for in
 * great numbers, by scanners or a flood, then cost it nothing; a code that is
 * sent is always looked up afresh. */
static struct {
	pthread_mutex_t lock;
	struct {
		uint8_t hash[HASH_BYTES];
		enum link_state state;
		uint64_t until_ms;
	} row[LOOKS];
} looks = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
remembered(const uint8_t hash[HASH_BYTES], enum link_state *state_r)
{
	size_t i = hash[0] % LOOKS;
	bool found;

	pthread_mutex_lock(&looks.lock);
	found = looks.row[i].until_ms > loop_now_ms() &&
	    memcmp(looks.row[i].hash, hash, HASH_BYTES) == 0;
	if (found)
		*state_r = looks.row[i].state;
	pthread_mutex_unlock(&looks.lock);
	return found;
}

static void
remember(const uint8_t hash[HASH_BYTES], enum link_state state)
{
	size_t i = hash[0] % LOOKS;

	pthread_mutex_lock(&looks.lock);
	memcpy(looks.row[i].hash, hash, HASH_BYTES);
	looks.row[i].state = state;
	looks.row[i].until_ms = loop_now_ms() + LOOK_MS;
	pthread_mutex_unlock(&looks.lock);
}

/* An unknown link looks open: whether it exists is told to nobody. */
static enum ll_result
look(struct request *q, enum link_state *state_r)
{
	uint8_t hash[HASH_BYTES];
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	*state_r = LINK_OPEN;
	link_locator_hash(&q->path.locator, hash);
	if (!q->post && remembered(hash, state_r))
		return LL_OK;
	r = msg_create(MSG_REQUEST, OP_LINK_LOOK, &m);
	if (r != LL_OK)
		return r;
	msg_put_bytes(m, F_LOCATOR_HASH, hash, sizeof(hash));
	r = portal_store_ask(q->portal->store, m, &reply);
	if (r != LL_OK)
		return r;
	*state_r = (enum link_state)view_u64(msg_view(reply), F_STATE);
	msg_destroy(reply);
	remember(hash, *state_r);
	return LL_OK;
}

static const char frozen[] = "<strong>This message is frozen.</strong> Too "
    "many wrong codes were typed. It is not lost: please phone the sender, who "
    "can send you a new link with a new code.";

enum MHD_Result
link_get(struct request *q)
{
	enum link_state state;
	enum ll_result r = look(q, &state);

	if (r != LL_OK)
		return http_refuse(q, r);
	/* A frozen message is still there, and so is its form. */
	if (state == LINK_FROZEN)
		return show_form(q, MHD_HTTP_OK, 0, frozen);
	if (state != LINK_OPEN)
		return show_end(q, state);
	return show_form(q, MHD_HTTP_OK, 0, NULL);
}

/* --- the code --- */

/* One try at the code. */
struct attempt {
	uint8_t locator[HASH_BYTES];
	char code[MUC_SYMBOLS + 1];
	struct id try_id;
	struct secret x;           /* Argon2id's output */
	struct opened opened;
};

static enum ll_result
ask_try(struct request *q, struct attempt *t, uint32_t *memory_mib_r,
    uint32_t *passes_r)
{
	uint8_t once[HASH_BYTES];
	struct msg *m = NULL, *reply = NULL;
	struct tlv_view v;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_LINK_TRY, &m);
	if (r != LL_OK)
		return r;
	randombytes_buf(once, sizeof(once));
	msg_put_bytes(m, F_LOCATOR_HASH, t->locator, sizeof(t->locator));
	msg_put_text(m, F_ORIGIN, q->origin);
	msg_put_bytes(m, F_IDEMPOTENCY, once, sizeof(once));
	r = portal_store_ask(q->portal->store, m, &reply);
	if (r != LL_OK)
		return r;
	v = msg_view(reply);
	if (!view_id(v, F_TRY_ID, &t->try_id))
		r = LL_PROTO;
	*memory_mib_r = (uint32_t)view_u64(v, F_MEMORY_MIB);
	*passes_r = (uint32_t)view_u64(v, F_PASSES);
	msg_destroy(reply);
	return r;
}

/* The try was ours to spoil: it is given back. */
static void
cancel(struct request *q, struct attempt *t)
{
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, OP_LINK_CANCEL, &m) != LL_OK)
		return;
	msg_put_id(m, F_TRY_ID, &t->try_id);
	/* Unheard, the lease's end gives the try back as well. */
	if (portal_store_ask(q->portal->store, m, NULL) != LL_OK)
		return;
}

/* What the store released for a right code, opened. */
static enum ll_result
unwrap(struct request *q, struct attempt *t, struct tlv_view v)
{
	struct seal_context ctx;
	struct secret kek = SECRET_NONE;
	const uint8_t *pepper = view_hash(v, F_PEPPER), *wrap, *token;
	size_t len;
	enum ll_result r;

	token = view_hash(v, F_TOKEN);
	wrap = view_bytes(v, F_WRAP, &len);
	if (pepper == NULL || token == NULL || wrap == NULL ||
	    !view_id(v, F_MESSAGE_ID, &t->opened.message) ||
	    !view_id(v, F_DELIVERY_ID, &t->opened.delivery))
		return LL_PROTO;
	memcpy(t->opened.token, token, sizeof(t->opened.token));
	memset(&ctx, 0, sizeof(ctx));
	ctx.type = SEAL_LINK;
	memcpy(ctx.owner.b, t->locator, ID_BYTES);
	ctx.object = t->opened.message;
	r = link_key(pepper, &q->path.secret, &t->x, &kek);
	if (r == LL_OK)
		r = seal_unwrap_key(kek.data, &ctx, wrap, len,
		    &t->opened.key);
	secret_finish(&kek);
	return r == LL_AUTH ? LL_PROTO : r;
}

static enum ll_result
prove(struct request *q, struct attempt *t)
{
	uint8_t proof[HASH_BYTES];
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	r = link_proof(&q->path.secret, &t->x, proof);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_LINK_PROVE, &m);
	if (r != LL_OK)
		return r;
	msg_put_id(m, F_TRY_ID, &t->try_id);
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	sodium_memzero(proof, sizeof(proof));
	r = portal_store_ask(q->portal->store, m, &reply);
	if (r != LL_OK)
		return r;
	r = unwrap(q, t, msg_view(reply));
	msg_destroy(reply);
	return r;
}

static enum ll_result
ask_plain(struct request *q, enum op op)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	return r == LL_OK ? portal_store_ask(q->portal->store, m, NULL) : r;
}

/* Argon2id, when the store lets us: never more than the leased runs of it hold
 * memory, however many connections there are. */
static enum ll_result
leased_stretch(struct request *q, struct attempt *t, uint32_t memory_mib,
    uint32_t passes)
{
	enum ll_result r;

	if (ask_plain(q, OP_KDF_LEASE) != LL_OK)
		return LL_BUSY;
	r = link_stretch(t->code, t->locator, memory_mib, passes, &t->x);
	/* A lost release ends with the lease's time. */
	(void)!ask_plain(q, OP_KDF_RELEASE);
	return r;
}

/* Count, then hash, then prove: in this order, so that no try is evaluated that
 * was not counted before.  The lease comes after the count, so that who has no
 * tries left cannot fill the line for one; who waits in vain gets the try
 * back. */
static enum ll_result
attempt(struct request *q, struct attempt *t)
{
	uint32_t memory_mib = 0, passes = 0;
	enum ll_result r;

	link_locator_hash(&q->path.locator, t->locator);
	r = ask_try(q, t, &memory_mib, &passes);
	if (r != LL_OK)
		return r;
	r = leased_stretch(q, t, memory_mib, passes);
	if (r != LL_OK) {
		cancel(q, t);
		return LL_BUSY;
	}
	return prove(q, t);
}

static enum MHD_Result
unlocked(struct request *q, struct attempt *t)
{
	struct answer a = { .status = MHD_HTTP_SEE_OTHER };
	uint8_t cookie[COOKIE_BYTES];
	char text[COOKIE_TEXT + 1], set[160], where[64], id[ID_TEXT + 1];
	enum ll_result r;

	http_cookie(q, cookie);
	r = session_put(q->portal->sessions, cookie, &t->opened,
	    loop_now_ms());
	if (r != LL_OK)
		return http_refuse(q, LL_BUSY);
	crockford_encode(cookie, sizeof(cookie), text);
	snprintf(set, sizeof(set), "%s=%s; Path=/; HttpOnly; SameSite=Strict"
	    "%s", q->portal->https ? "__Host-ll" : "ll", text,
	    q->portal->https ? "; Secure" : "");
	id_text(&t->opened.delivery, id);
	snprintf(where, sizeof(where), "/o/%s", id);
	a.location = where;
	a.set_cookie = set;
	sodium_memzero(cookie, sizeof(cookie));
	return http_words(q, &a, "Opened", "<p>The message is open.</p>\n");
}

static enum MHD_Result
tell(struct request *q, enum ll_result r)
{
	enum link_state state = LINK_OPEN;

	switch (r) {
	case LL_AUTH:
	case LL_NOTFOUND:
	case LL_USED:
		return show_form(q, 403, 0, "<strong>That code does not open "
		    "this message.</strong> Compare it with the sender once "
		    "more.");
	case LL_RATE:
		return show_form(q, 429, RATE_RETRY_SECS, "<strong>Too many "
		    "codes in a short time.</strong> Please wait ten minutes, "
		    "then try again. Your code was not looked at.");
	case LL_GONE:
		if (look(q, &state) == LL_OK && state != LINK_OPEN)
			return show_end(q, state);
		return show_end(q, LINK_WITHDRAWN);
	case LL_FROZEN:
		return show_end(q, LINK_FROZEN);
	case LL_PROTO:
		return http_refuse(q, r);
	default:
		return show_form(q, 429, 10, "<strong>The server is busy."
		    "</strong> Please try again in a few seconds. That cost "
		    "you no try.");
	}
}

static const char typo[] = "<strong>There is a typing mistake in the code."
    "</strong> Its last symbol does not fit the others. That cost you no try.";
static const char not_twelve[] = "<strong>That is not a whole code.</strong> "
    "It has 12 letters and digits, without the letter U. That cost you no "
    "try.";
static const char stale[] = "<strong>This form had grown old.</strong> Please "
    "send the code once more. That cost you no try.";

enum MHD_Result
link_post(struct request *q)
{
	struct attempt t;
	enum link_state state;
	enum MHD_Result sent;
	enum ll_result r;

	memset(&t, 0, sizeof(t));
	r = look(q, &state);
	if (r != LL_OK)
		return tell(q, r);
	if (state != LINK_OPEN)
		return show_end(q, state);
	if (!token_is_good(q))
		return show_form(q, 403, 0, stale);
	r = muc_parse(q->code, t.code);
	if (r != LL_OK)
		return show_form(q, 403, 0, r == LL_AUTH ? typo : not_twelve);
	r = attempt(q, &t);
	sent = r == LL_OK ? unlocked(q, &t) : tell(q, r);
	opened_finish(&t.opened);
	secret_finish(&t.x);
	sodium_memzero(&t, sizeof(t));
	return sent;
}
