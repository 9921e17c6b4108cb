#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "store/send.h"
#include "tui/center_part.h"

#define LEASE_TRIES 3           /* the store waits 10 s each time */

/* --- codes in their boxes --- */

static enum ll_result
read_code(struct tlv_view v, struct center_recipient *r)
{
	char symbols[MUC_SYMBOLS + 1];
	struct tlv_field f;
	const char *text;
	size_t at = 0;
	enum ll_result res;

	for (;;) {
		res = tlv_next(v, &at, &f);
		if (res)
			break;
		res = tlv_text(&f, &text);
		if (res)
			return res;
		if (f.tag == CT_CODE && muc_parse(text, symbols) == LL_OK)
			(void)snprintf(r->code, sizeof r->code,
			    "%.4s-%.4s-%.4s", symbols, symbols + 4,
			    symbols + 8);
		else if (f.tag == CT_WORD1 || f.tag == CT_WORD2)
			(void)snprintf(r->words[f.tag - CT_WORD1],
			    sizeof r->words[0], "%s", text);
	}
	sodium_memzero(symbols, sizeof symbols);
	return res == LL_EOF && r->code[0] ? LL_OK : LL_PROTO;
}

/* Opens a SEAL_CODE or SEAL_PAIR box of one's own. */
static enum ll_result
open_box(struct center *c, enum seal_type type, const struct id *message,
    const uint8_t *box, size_t len, struct center_recipient *r)
{
	struct msg *m, *reply;
	struct tlv_view v;
	enum ll_result res;

	res = msg_create(MSG_REQUEST, OP_AGENT_BOX, &m);
	if (res)
		return res;
	msg_put_bytes(m, F_BOX, box, len);
	msg_put_u64(m, F_BOX_TYPE, type);
	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_u64(m, F_GENERATION, center_self(c)->generation);
	res = desk_ask_agent(c->desk, m, &reply);
	if (res)
		return res;
	v.data = view_bytes(msg_view(reply), F_SECRET, &v.len);
	res = v.data ? read_code(v, r) : LL_PROTO;
	msg_destroy(reply);
	return res;
}

void
center_code_open(struct center *c, const struct id *message,
    const uint8_t *box, size_t len, struct center_recipient *r)
{
	if (open_box(c, SEAL_CODE, message, box, len, r) != LL_OK)
		return;
	muc_phonetic(r->code, r->phonetic, sizeof r->phonetic);
	r->has_code = true;
}

/* --- making a link --- */

/* The pair's confirmed code if there is one that opens, else a fresh one. */
static void
choose_code(struct center *c, const struct center_link_order *o,
    struct center_link *l)
{
	static const struct id none;
	struct center_recipient known;

	memset(&known, 0, sizeof known);
	l->is_known = o->pair_box && open_box(c, SEAL_PAIR, &none,
	    o->pair_box, o->pair_box_len, &known) == LL_OK;
	if (l->is_known)
		memcpy(l->code, known.code, sizeof l->code);
	else
		muc_create(l->code);
	sodium_memzero(&known, sizeof known);
}

static enum ll_result
ask_pepper(struct center *c, struct center_link *l, struct secret *pepper_r)
{
	struct msg *m, *reply;
	struct tlv_view v;
	const uint8_t *p;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_LINK_PEPPER, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_LOCATOR_HASH, l->locator_hash, HASH_BYTES);
	r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	v = msg_view(reply);
	p = view_hash(v, F_PEPPER);
	l->memory_mib = view_u64(v, F_MEMORY_MIB);
	l->passes = view_u64(v, F_PASSES);
	r = p ? secret_copy(pepper_r, p, KEY_BYTES) : LL_PROTO;
	msg_destroy(reply);
	return r;
}

static enum ll_result
lease(struct center *c, enum op op)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, op, &m);
	return r ? r : desk_ask(c->desk, m, NULL);
}

/* The one slow step; the store bounds how many run at once. */
static enum ll_result
stretch(struct center *c, const struct center_link *l, struct secret *x_r)
{
	char symbols[MUC_SYMBOLS + 1];
	enum ll_result r, released;
	int tries;

	r = muc_parse(l->code, symbols);
	if (r)
		return r;
	for (tries = 0; tries < LEASE_TRIES; tries++) {
		r = lease(c, OP_KDF_LEASE);
		if (r != LL_BUSY)
			break;
	}
	if (r == LL_OK) {
		r = link_stretch(symbols, l->locator_hash,
		    (uint32_t)l->memory_mib, (uint32_t)l->passes, x_r);
		/* A lease that could not be given back ends with the
		 * channel. */
		released = lease(c, OP_KDF_RELEASE);
		if (released == LL_EOF && r == LL_OK)
			r = released;
	}
	sodium_memzero(symbols, sizeof symbols);
	return r;
}

static enum ll_result
wrap_key(const struct center_link_order *o, struct center_link *l,
    const struct secret *pepper, const struct secret *x)
{
	struct seal_context ctx = { .type = SEAL_LINK, .object = o->message };
	struct secret key = SECRET_NONE;
	enum ll_result r;

	memcpy(ctx.owner.b, l->locator_hash, ID_BYTES);
	r = link_proof(&l->secret, x, l->proof);
	if (r == LL_OK)
		r = link_key(pepper->data, &l->secret, x, &key);
	if (r == LL_OK)
		r = seal_wrap_key(key.data, &ctx, o->key->data, l->wrap);
	secret_finish(&key);
	return r;
}

static enum ll_result
box_codes(struct center *c, const struct center_link_order *o,
    struct center_link *l)
{
	const struct desk_self *self = center_self(c);
	struct seal_context ctx = { SEAL_CODE, self->id, o->message,
	    self->generation };
	struct tlv_out t;
	enum ll_result r;

	tlv_out_init_secret(&t, 256);
	tlv_put_text(&t, CT_CODE, l->code);
	r = t.err;
	if (r == LL_OK) {
		/* The pair's box: the code alone, for no one message. */
		ctx.type = SEAL_PAIR;
		memset(&ctx.object, 0, sizeof ctx.object);
		r = seal_box(self->seal_pk, &ctx, t.data, t.len,
		    &l->pair_box, &l->pair_box_len);
	}
	tlv_put_text(&t, CT_WORD1, l->words[0]);
	tlv_put_text(&t, CT_WORD2, l->words[1]);
	if (r == LL_OK)
		r = t.err;
	if (r == LL_OK) {
		ctx.type = SEAL_CODE;
		ctx.object = o->message;
		r = seal_box(self->seal_pk, &ctx, t.data, t.len,
		    &l->code_box, &l->code_box_len);
	}
	tlv_out_finish(&t);
	return r;
}

/* The notification's row, which only the relay opens. */
static enum ll_result
box_payload(struct center *c, const struct center_link_order *o,
    struct center_link *l)
{
	const struct desk_self *self = center_self(c);
	struct seal_context ctx = { .type = SEAL_QUEUE,
	    .object = l->queue_id, .generation = o->queue_day };
	char locator[ID_TEXT + 1], secret[ID_TEXT + 1];
	char path[2 * ID_TEXT + 8];
	struct tlv_out t;
	enum ll_result r;

	id_text(&l->locator, locator);
	id_text(&l->secret, secret);
	(void)snprintf(path, sizeof path, "/m/%s/%s", locator, secret);
	tlv_out_init_secret(&t, 2048);
	tlv_put_text(&t, QT_TO, o->address);
	tlv_put_text(&t, QT_LINK_PATH, path);
	tlv_put_text(&t, QT_SENDER_NAME, self->name);
	tlv_put_text(&t, QT_SENDER_EMAIL, self->email);
	tlv_put_u64(&t, QT_EXPIRES, o->expires);
	tlv_put_u64(&t, QT_KIND, 1);
	r = t.err;
	if (r == LL_OK)
		r = seal_box(o->queue_pk, &ctx, t.data, t.len, &l->payload,
		    &l->payload_len);
	tlv_out_finish(&t);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(path, sizeof path);
	return r;
}

/* Under the sender's domain, which says no more than the mail's From. */
static void
name_mail(const struct center *c, struct center_link *l)
{
	const char *at = strrchr(center_self(c)->email, '@');
	char id[ID_TEXT + 1];

	id_text(&l->queue_id, id);
	(void)snprintf(l->mail_id, sizeof l->mail_id, "%s@%.160s", id,
	    at ? at + 1 : "letterlock.invalid");
}

enum ll_result
center_link_make(struct center *c, const struct center_link_order *o,
    struct center_link *l_r)
{
	struct secret pepper = SECRET_NONE, x = SECRET_NONE;
	enum ll_result r;

	memset(l_r, 0, sizeof *l_r);
	id_random(&l_r->locator);
	id_random(&l_r->secret);
	id_random(&l_r->queue_id);
	l_r->queue_day = o->queue_day;
	link_locator_hash(&l_r->locator, l_r->locator_hash);
	site_words(&l_r->secret, l_r->words[0], l_r->words[1]);
	name_mail(c, l_r);
	choose_code(c, o, l_r);
	r = ask_pepper(c, l_r, &pepper);
	if (r == LL_OK)
		r = stretch(c, l_r, &x);
	if (r == LL_OK)
		r = wrap_key(o, l_r, &pepper, &x);
	if (r == LL_OK)
		r = box_codes(c, o, l_r);
	if (r == LL_OK)
		r = box_payload(c, o, l_r);
	secret_finish(&pepper);
	secret_finish(&x);
	if (r)
		center_link_finish(l_r);
	return r;
}

void
center_link_finish(struct center_link *l)
{
	free(l->code_box);
	free(l->pair_box);
	free(l->payload);
	sodium_memzero(l, sizeof *l);
}

void
center_link_put(struct msg *m, const struct center_link *l)
{
	msg_begin(m, F_LINK);
	msg_put_bytes(m, F_LOCATOR_HASH, l->locator_hash, HASH_BYTES);
	msg_put_bytes(m, F_PROOF, l->proof, HASH_BYTES);
	msg_put_bytes(m, F_WRAP, l->wrap, sizeof l->wrap);
	msg_put_u64(m, F_MEMORY_MIB, l->memory_mib);
	msg_put_u64(m, F_PASSES, l->passes);
	msg_put_bytes(m, F_CODE_BOX, l->code_box, l->code_box_len);
	msg_put_bytes(m, F_PAIR_BOX, l->pair_box, l->pair_box_len);
	msg_put_u64(m, F_QUEUE_DAY, l->queue_day);
	msg_put_bytes(m, F_PAYLOAD, l->payload, l->payload_len);
	msg_put_text(m, F_MAIL_ID, l->mail_id);
	msg_put_id(m, F_QUEUE_ID, &l->queue_id);
	msg_end(m);
}

void
center_link_tell(const struct center_link *l, struct center_recipient *r)
{
	memcpy(r->code, l->code, sizeof r->code);
	memcpy(r->words, l->words, sizeof r->words);
	muc_phonetic(r->code, r->phonetic, sizeof r->phonetic);
	r->has_code = true;
}
