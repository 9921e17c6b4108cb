#include "server/intake_bounce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"
#include "keys/parse.h"
#include "server/intake_wire.h"
#include "store/kind.h"

#define REPORTED_MAX 200
#define DETAIL_MAX 1000

/* RFC 3464's actions; what is relayed or delivered beyond is one to us. */
static const struct {
	const char *action;
	enum delivery_state state;
} actions[] = {
	{ "failed", STATE_FAILED }, { "delayed", STATE_DEFERRED },
	{ "relayed", STATE_RELAYED }, { "delivered", STATE_RELAYED },
	{ "expanded", STATE_RELAYED },
};

static uint64_t
state_of(const char *action)
{
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcasecmp(actions[i].action, action) == 0)
			return actions[i].state;
	return 0;
}

static const char *
text_of(struct tlv_view v, enum parse_field tag)
{
	struct tlv_field f;
	const char *text;
	size_t at = 0;

	return tlv_find(v, (uint8_t)tag, &at, &f) == LL_OK &&
	    tlv_text(&f, &text) == LL_OK ? text : "";
}

static enum ll_result
put_detail(struct msg *q, const char *words)
{
	char *clean, *end;
	enum ll_result r;

	r = clean_text(words, strlen(words), CLEAN_LINE, &clean);
	if (r != LL_OK)
		return r;
	if (strlen(clean) > DETAIL_MAX) {
		for (end = clean + DETAIL_MAX; ((unsigned char)*end & 0xc0) ==
		    0x80;)
			end--;
		*end = '\0';
	}
	msg_put_text(q, F_DETAIL, clean);
	free(clean);
	return LL_OK;
}

/* One recipient of the report; *known_r: it was about a mail of ours. */
static enum ll_result
tell(struct intake_mail *m, const char *mail_id, struct tlv_view one,
    bool *known_r)
{
	const uint64_t state = state_of(text_of(one, PARSE_F_TEXT));
	struct msg *q, *reply = NULL;
	char address[321];
	const char *why;
	enum ll_result r;

	if (state == 0)
		return LL_OK;
	r = msg_create(MSG_REQUEST, OP_INTAKE_BOUNCE, &q);
	if (r != LL_OK)
		return r;
	msg_put_text(q, F_MAIL_ID, mail_id);
	if (clean_address(text_of(one, PARSE_F_ADDRESS), address, &why) ==
	    LL_OK)
		msg_put_text(q, F_ADDRESS, address);
	msg_put_u64(q, F_STATE, state);
	r = put_detail(q, text_of(one, PARSE_F_WORDS));
	if (r != LL_OK) {
		msg_destroy(q);
		return r;
	}
	r = portal_store_ask(m->x->store, q, &reply);
	if (r == LL_OK && view_u64(msg_view(reply), F_COUNT) > 0)
		*known_r = true;
	msg_destroy(reply);
	return r;
}

static enum ll_result
tell_all(struct intake_mail *m, struct tlv_view answer, bool *known_r)
{
	struct tlv_view report, one;
	char mail_id[200];
	struct tlv_field f;
	enum ll_result r = LL_OK;
	size_t at = 0, n = 0;

	if (tlv_find(answer, PARSE_F_REPORT, &at, &f) != LL_OK)
		return LL_OK;
	report = (struct tlv_view){ f.data, f.len };
	snprintf(mail_id, sizeof(mail_id), "%s",
	    text_of(report, PARSE_F_MESSAGE_ID));
	if (!clean_is(mail_id, strlen(mail_id), CLEAN_LINE))
		return LL_OK;
	for (at = 0; r == LL_OK && n < REPORTED_MAX && tlv_find(report,
	    PARSE_F_REPORTED, &at, &f) == LL_OK; n++) {
		one = (struct tlv_view){ f.data, f.len };
		r = tell(m, mail_id, one, known_r);
	}
	return r;
}

/* A report that cannot be taken apart is left to whoever reads that mailbox;
 * only what hinders us now makes the mail server come again. */
enum ll_result
intake_bounce(struct intake_mail *m)
{
	struct tlv_out job, result;
	struct tlv_view v;
	const char *words;
	bool known = false;
	enum ll_result r;
	size_t i;

	tlv_out_init(&job, 1024);
	tlv_put_u64(&job, PARSE_F_JOB, PARSE_OPEN);
	r = intake_wire_run(m->x, &job, m->bytes, m->len, &result);
	tlv_out_finish(&job);
	v = (struct tlv_view){ result.data, result.len };
	if (r == LL_OK && parse_result(v, &words) == LL_OK)
		r = tell_all(m, v, &known);
	else if (r == LL_EOF || r == LL_PROTO)
		r = LL_OK;
	tlv_out_finish(&result);
	m->passes = !known;
	for (i = 0; known && i < m->to_count; i++)
		m->to[i].taken = strcasecmp(m->to[i].address,
		    m->x->bounces) == 0;
	return r;
}
