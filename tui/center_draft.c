#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/center_part.h"

#define QUOTE_MAX (DRAFT_BODY_MAX / 2)

void
center_upload_path(const struct draft *d, char text[CENTER_UPLOAD_PATH])
{
	char id[ID_TEXT + 1];

	id_text(&d->id, id);
	(void)snprintf(text, CENTER_UPLOAD_PATH, "/d/%s/", id);
}

static enum ll_result
reply_subject(const struct center_message *m, struct draft *d)
{
	char text[DRAFT_SUBJECT_MAX + 1];
	const char *s = m->row.subject;
	size_t len = strlen(s);

	if (strncasecmp(s, "re:", 3) == 0)
		return draft_set_subject(d, s);
	/* Room for the prefix, cut on a character's border. */
	if (len > DRAFT_SUBJECT_MAX - 4)
		len = DRAFT_SUBJECT_MAX - 4;
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	(void)snprintf(text, sizeof text, "Re: %.*s", (int)len, s);
	return draft_set_subject(d, text);
}

/* "> " before each line; the answer's text stands above it. */
static enum ll_result
reply_body(const struct center_message *m, struct draft *d)
{
	char when[CENTER_TIME_TEXT];
	const char *p = m->body, *end;
	struct tlv_out o;
	char *text;
	enum ll_result r;

	center_time_text(m->row.time, when);
	if (asprintf(&text, "\n\nOn %.10s %.5s UTC, %s wrote:\n", when,
	    when + 11, *m->row.from_name ? m->row.from_name : m->row.from)
	    < 0)
		return LL_NOMEM;
	tlv_out_init(&o, DRAFT_BODY_MAX);
	tlv_put_raw(&o, text, strlen(text));
	sodium_memzero(text, strlen(text));
	free(text);
	while (*p) {
		end = p + strcspn(p, "\n");
		if (o.len + (size_t)(end - p) > QUOTE_MAX)
			break;
		tlv_put_raw(&o, *p == '>' ? ">" : "> ", *p == '>' ? 1 : 2);
		tlv_put_raw(&o, p, (size_t)(end - p));
		tlv_put_raw(&o, "\n", 1);
		p = *end ? end + 1 : end;
	}
	tlv_put_raw(&o, "", 1);
	r = o.err;
	if (r == LL_OK)
		r = draft_set_body(d, (const char *)o.data);
	tlv_out_finish(&o);
	return r;
}

/* An address that our own rules refuse can't be answered; it is left out. */
static enum ll_result
add_others(struct draft *d, char *const *list, size_t count,
    const char *self, bool to)
{
	const char *why;
	enum ll_result r;
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcasecmp(list[i], self) == 0)
			continue;
		r = to ? draft_add_to(d, list[i], &why) :
		    draft_add_cc(d, list[i], &why);
		if (r && r != LL_USAGE)
			return r;
	}
	return LL_OK;
}

static enum ll_result
reply_recipients(const struct center_message *m, const char *self, bool all,
    struct draft *d)
{
	const char *why;
	enum ll_result r;

	if (strcasecmp(m->row.from, self) == 0)
		r = add_others(d, m->tos, m->tos_count, "", true);
	else
		r = draft_add_to(d, m->row.from, &why);
	if (r == LL_USAGE)
		r = LL_OK;
	if (r == LL_OK && all)
		r = add_others(d, m->tos, m->tos_count, self, true);
	if (r == LL_OK && all)
		r = add_others(d, m->cc, m->cc_count, self, false);
	return r;
}

/* Text that may have been changed on the way, or that nobody could open, goes
 * into no answer by itself: an answer may go to where the change wants it. */
static bool
may_quote(const struct center_message *m)
{
	return !m->row.is_mail || !m->mail.no_quote;
}

enum ll_result
center_reply(struct center *c, const struct center_message *m, bool all,
    struct draft *d_r)
{
	enum ll_result r;

	center_begin(c);
	r = draft_init(d_r);
	if (r)
		return r;
	d_r->thread = m->row.thread;
	d_r->reply_to = m->row.id;
	r = reply_recipients(m, center_self(c)->email, all, d_r);
	if (r == LL_OK)
		r = reply_subject(m, d_r);
	if (r == LL_OK && may_quote(m))
		r = reply_body(m, d_r);
	if (r)
		draft_finish(d_r);
	return r;
}
