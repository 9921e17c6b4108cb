#include <sodium.h>
#include <string.h>
#include <time.h>

#include "keys/totp.h"
#include "server/enrol_state.h"

/* Fills a reply that already carries LL_OK; another result replaces it. */
typedef enum ll_result answer_fn(struct enrol *e, struct tlv_view v,
    struct msg *reply, const char **words_r);

static enum ll_result
answer_state(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	size_t i;

	(void)v;
	(void)words_r;
	msg_put_u64(reply, F_FLAGS, e->has_old ? 1 : 0);
	for (i = 0; i < e->key_count; i++) {
		msg_begin(reply, F_ROW);
		msg_put_text(reply, F_FINGERPRINT, e->keys[i].fingerprint);
		msg_put_bytes(reply, F_KEY, e->keys[i].blob, e->keys[i].len);
		msg_end(reply);
	}
	return LL_OK;
}

static enum ll_result
answer_pass(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	const uint8_t *p;
	size_t len = 0;

	(void)reply;
	p = view_bytes(v, F_PASSPHRASE, &len);
	return enrol_passphrase(e, p != NULL ? (const char *)p : "", len,
	    words_r);
}

static enum ll_result
answer_old(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	enum ll_result r = enrol_old(e, view_text(v, F_CODE));

	(void)reply;
	if (r == LL_USAGE)
		*words_r = "A recovery code has 32 letters and digits.";
	else if (r == LL_AUTH)
		*words_r = "That is not the recovery code of this mailbox.";
	return r;
}

static enum ll_result
answer_totp(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	char uri[TOTP_URI_MAX];
	enum ll_result r;

	(void)v;
	(void)words_r;
	if (e->seed.data == NULL) {
		r = secret_random(&e->seed, TOTP_SEED_BYTES);
		if (r)
			return r;
		e->confirmed = false;
	}
	r = totp_uri(e->seed.data, e->seed.len, e->org, e->user, uri);
	if (r == LL_OK) {
		msg_put_bytes(reply, F_SECRET, e->seed.data, e->seed.len);
		msg_put_text(reply, F_DETAIL, uri);
	}
	sodium_memzero(uri, sizeof(uri));
	return r;
}

static enum ll_result
answer_confirm(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	enum ll_result r;

	(void)reply;
	if (e->seed.data == NULL)
		return LL_CONFLICT;
	r = totp_verify(e->seed.data, e->seed.len, view_text(v, F_CODE),
	    (uint64_t)time(NULL), 0, &e->step);
	e->confirmed = r == LL_OK;
	if (r == LL_AUTH)
		*words_r = "That code is not right; is the clock of your "
		    "device?";
	return r;
}

static enum ll_result
answer_keys(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0, i;

	(void)reply;
	(void)words_r;
	for (i = 0; i < e->key_count; i++)
		e->keys[i].keep = false;
	while (view_each(v, F_FINGERPRINT, &at, &f)) {
		if (tlv_text(&f, &text) != LL_OK)
			return LL_PROTO;
		for (i = 0; i < e->key_count; i++)
			if (strcmp(e->keys[i].fingerprint, text) == 0)
				e->keys[i].keep = true;
	}
	return LL_OK;
}

static enum ll_result
answer_finish(struct enrol *e, struct tlv_view v, struct msg *reply,
    const char **words_r)
{
	struct enrol_codes codes;
	enum ll_result r = enrol_finish(e, &codes);
	size_t i;

	(void)v;
	if (r == LL_CONFLICT)
		*words_r = "A step is missing: passphrase, code, or the "
		    "decision about the old mailbox.";
	if (r)
		return r;
	msg_put_text(reply, F_CODE, codes.recovery);
	for (i = 0; i < BACKUP_CODES; i++) {
		msg_begin(reply, F_ROW);
		msg_put_text(reply, F_CODE, codes.backup[i]);
		msg_end(reply);
	}
	sodium_memzero(&codes, sizeof(codes));
	return LL_OK;
}

static const struct {
	enum op op;
	answer_fn *fn;
} answers[] = {
	{ OP_ENROL_STATE, answer_state }, { OP_ENROL_PASS, answer_pass },
	{ OP_ENROL_OLD, answer_old }, { OP_ENROL_TOTP, answer_totp },
	{ OP_ENROL_CONFIRM, answer_confirm }, { OP_ENROL_KEYS, answer_keys },
	{ OP_ENROL_FINISH, answer_finish },
};

enum ll_result
enrol_answer(struct enrol *e, const struct msg *request,
    struct msg **reply_r)
{
	const char *words = "";
	answer_fn *fn = NULL;
	struct msg *reply;
	enum ll_result r;
	size_t i;

	*reply_r = NULL;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].op == msg_op(request))
			fn = answers[i].fn;
	if (fn == NULL)
		return LL_USAGE;
	r = msg_reply(request, LL_OK, &reply);
	if (r)
		return r;
	r = fn(e, msg_view(request), reply, &words);
	if (r == LL_OK) {
		*reply_r = reply;
		return LL_OK;
	}
	msg_destroy(reply);
	r = msg_reply(request, r, &reply);
	if (r)
		return r;
	if (words[0] != '\0')
		msg_put_text(reply, F_WORDS, words);
	*reply_r = reply;
	return LL_OK;
}
