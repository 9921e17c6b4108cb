/* Delivery status notifications (RFC 3464): what became of our own mail. */
#include "keys/open.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys/clean.h"

#define REPORTED_MAX 100
#define WORDS_MAX 900
#define VALUE_MAX 1200

/* What follows "type;" of a field, without blanks around. */
static bool
typed_value(struct tlv_view block, const char *name, char value[VALUE_MAX])
{
	char *p, *end;

	if (!mime_field(block, name, 0, value, VALUE_MAX))
		return false;
	p = strchr(value, ';');
	p = p == NULL ? value : p + 1;
	p += strspn(p, " ");
	memmove(value, p, strlen(p) + 1);
	end = value + strlen(value);
	while (end > value && end[-1] == ' ')
		*--end = 0;
	return value[0] != 0;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext (RFC 3461, section 4) in place. */
static void
unxtext(char *text)
{
	char *to = text;

	for (; *text != 0; text++)
		if (*text == '+' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
			*to++ = (char)(hex(text[1]) << 4 | hex(text[2]));
			text += 2;
		} else
			*to++ = *text;
	*to = 0;
}

/* Whom we wrote to comes before where it was passed on to. */
static void
put_address(struct tlv_view block, struct tlv_out *o)
{
	char value[VALUE_MAX], address[321];
	const char *why;

	if (typed_value(block, "Original-Recipient", value)) {
		unxtext(value);
		if (clean_address(value, address, &why) == LL_OK) {
			tlv_put_text(o, PARSE_F_ADDRESS, address);
			return;
		}
	}
	if (typed_value(block, "Final-Recipient", value) &&
	    clean_address(value, address, &why) == LL_OK)
		tlv_put_text(o, PARSE_F_ADDRESS, address);
}

static void
put_clean(struct tlv_out *o, uint8_t tag, char *text)
{
	char *clean = NULL;
	size_t n = strlen(text) < WORDS_MAX ? strlen(text) : WORDS_MAX;

	while (n > 0 && n < strlen(text) &&
	    ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	if (clean_text(text, n, CLEAN_LINE, &clean) == LL_OK)
		tlv_put_text(o, tag, clean);
	free(clean);
}

static void
put_words(struct tlv_view block, struct tlv_out *o)
{
	char words[2 * VALUE_MAX + 2], value[VALUE_MAX];
	size_t len = 0;

	words[0] = 0;
	if (mime_field(block, "Status", 0, value, sizeof value))
		len = (size_t)snprintf(words, sizeof words, "%s",
		    value);
	if (typed_value(block, "Diagnostic-Code", value))
		snprintf(words + len, sizeof words - len, "%s%s",
		    len > 0 ? " " : "", value);
	if (words[0] != 0)
		put_clean(o, PARSE_F_WORDS, words);
}

static bool
put_recipient(struct tlv_view block, struct tlv_out *report)
{
	char action[VALUE_MAX];
	struct tlv_out o;
	size_t i;

	if (!mime_field(block, "Action", 0, action, sizeof action))
		return false;
	for (i = 0; isalpha((unsigned char)action[i]); i++)
		action[i] = (char)tolower((unsigned char)action[i]);
	action[i] = 0;
	tlv_out_init(&o, 8192);
	put_address(block, &o);
	tlv_put_text(&o, PARSE_F_TEXT, action);
	put_words(block, &o);
	tlv_put_tlv(report, PARSE_F_REPORTED, &o);
	tlv_out_finish(&o);
	return true;
}

/* Blocks between blank lines; the first is about the message. */
static size_t
put_status(struct tlv_view text, struct tlv_out *report)
{
	struct tlv_view block = text;
	size_t at = 0, start = 0, count = 0, n;
	const uint8_t *end;

	if (text.len == 0)
		return 0;
	while (at < text.len && count < REPORTED_MAX) {
		end = memchr(text.data + at, '\n', text.len - at);
		n = end == NULL ? text.len - at :
		    (size_t)(end - text.data) + 1 - at;
		if (n <= 2 && (text.data[at] == '\n' ||
		    text.data[at] == '\r')) {
			block.data = text.data + start;
			block.len = at - start;
			count += put_recipient(block, report);
			start = at + n;
		}
		at += n;
	}
	block.data = text.data + start;
	block.len = text.len - start;
	if (block.len > 0 && count < REPORTED_MAX)
		count += put_recipient(block, report);
	return count;
}

/* The Message-ID of the mail that came back, without its brackets. */
static void
put_returned(const struct mime_entity *e, struct tlv_out *report)
{
	char value[VALUE_MAX], *p, *end;
	struct mime_entity inner;
	struct tlv_out text;

	tlv_out_init(&text, JOB_OPENED_MAX);
	mime_decode(e, &text);
	mime_read(job_view(&text), &inner);
	if (text.err == LL_OK && mime_field(inner.head, "Message-ID", 0,
	    value, sizeof value)) {
		p = strchr(value, '<');
		p = p == NULL ? value : p + 1;
		end = strchr(p, '>');
		if (end != NULL)
			*end = 0;
		put_clean(report, PARSE_F_MESSAGE_ID, p);
	}
	tlv_out_finish(&text);
}

static void
read_part(const struct mime_entity *e, struct tlv_out *report, size_t *count)
{
	struct tlv_out text;

	if (strcmp(e->type, "message/delivery-status") == 0 ||
	    strcmp(e->type, "message/global-delivery-status") == 0) {
		tlv_out_init(&text, PARSE_RESULT_MAX);
		mime_decode(e, &text);
		*count += put_status(job_view(&text), report);
		tlv_out_finish(&text);
	} else if (strcmp(e->type, "message/rfc822") == 0 ||
	    strcmp(e->type, "message/global") == 0 ||
	    strcmp(e->type, "text/rfc822-headers") == 0)
		put_returned(e, report);
}

void
open_report(struct job *job, struct tlv_view whole)
{
	char value[MIME_FIELD_MAX], kind[60];
	struct mime_entity e, one;
	struct tlv_out report;
	struct tlv_view part;
	size_t at = 0, count = 0, n = 0;

	mime_read(whole, &e);
	if (strcmp(e.type, "multipart/report") != 0 ||
	    !mime_field(e.head, "Content-Type", 0, value, sizeof value) ||
	    !mime_param(value, "report-type", kind, sizeof kind) ||
	    strcasecmp(kind, "delivery-status") != 0)
		return;
	tlv_out_init(&report, PARSE_RESULT_MAX / 4);
	while (n++ < 20 && mime_part(e.body, e.boundary, &at, &part)) {
		mime_read(part, &one);
		read_part(&one, &report, &count);
	}
	if (count > 0 && report.err == LL_OK)
		tlv_put_tlv(&job->result, PARSE_F_REPORT, &report);
	tlv_out_finish(&report);
}
