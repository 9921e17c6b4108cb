#include "server/relay_mail.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "keys/clean.h"

struct mail {
	char *text;
	size_t len;
	bool full;
};

static void __attribute__((format(printf, 2, 3)))
add(struct mail *m, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(m->text + m->len, MAIL_MAX - m->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= MAIL_MAX - m->len)
		m->full = true;
	else
		m->len += (size_t)n;
}

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* atext and blank: may stand in a header without quotes. */
static bool
is_plain(const char *text)
{
	static const char specials[] = "()<>[]:;@\\,.\"";

	if (*text == '\0' || strstr(text, "=?") != NULL)
		return false;
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e ||
		    strchr(specials, *text) != NULL)
			return false;
	return true;
}

static void
quoted(const char *text, char *out, size_t room)
{
	size_t at = 0;

	out[at++] = '"';
	for (; *text != '\0' && at + 4 < room; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at++] = '"';
	out[at] = '\0';
}

/* Bytes of the UTF-8 character at p; 1 for what is none. */
static size_t
char_bytes(const char *p)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1, i;

	for (i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

/* RFC 2047: words of at most 75 characters, cut between characters. */
static void
encoded(const char *text, size_t column, char *out, size_t room)
{
	char piece[48], word[80], b64[sizeof(piece) * 2];
	size_t at = 0, n, step, cap;
	int len;

	out[0] = '\0';
	while (*text != '\0') {
		cap = at == 0 && column > 30 ? 12 : 36;
		for (n = 0; text[n] != '\0'; n += step) {
			step = char_bytes(text + n);
			if (n + step > cap)
				break;
		}
		memcpy(piece, text, n);
		text += n;
		sodium_bin2base64(b64, sizeof(b64), (unsigned char *)piece, n,
		    sodium_base64_VARIANT_ORIGINAL);
		len = snprintf(word, sizeof(word), "%s=?UTF-8?B?%s?=",
		    at == 0 ? "" : "\n ", b64);
		if (len < 0 || at + (size_t)len + 1 > room)
			return;
		memcpy(out + at, word, (size_t)len + 1);
		at += (size_t)len;
	}
}

void
mail_phrase(const char *text, size_t column, char *out, size_t room)
{
	char flat[402];
	size_t i;

	snprintf(flat, sizeof(flat), "%s", text);
	for (i = 0; flat[i] != '\0'; i++)
		if ((unsigned char)flat[i] < 0x20 || flat[i] == 0x7f)
			flat[i] = ' ';
	if (is_plain(flat))
		snprintf(out, room, "%s", flat);
	else if (is_ascii(flat))
		quoted(flat, out, room);
	else
		encoded(flat, column, out, room);
}

static void
add_head(struct mail *m, const struct notice *n, const struct mail_settings *s)
{
	char phrase[1300], date[64];
	time_t when = (time_t)n->date;
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	mail_phrase(s->org_name, 6, phrase, sizeof(phrase));
	if (s->org_name[0] != '\0')
		add(m, "From: %s\n <%s>\n", phrase, s->mail_from);
	else
		add(m, "From: <%s>\n", s->mail_from);
	add(m, "To: <%s>\n"
	    "Subject: A secure message is waiting for you\n"
	    "Date: %s\n"
	    "Message-ID: <%s>\n"
	    "Auto-Submitted: auto-generated\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=us-ascii\n"
	    "Content-Transfer-Encoding: 7bit\n"
	    "\n", n->to, date, n->mail_id);
}

static void
add_sender(struct mail *m, const struct notice *n,
    const struct mail_settings *s)
{
	bool name = n->sender_name[0] != '\0' && is_ascii(n->sender_name);
	bool org = s->org_name[0] != '\0' && is_ascii(s->org_name);

	if (name)
		add(m, "%s\n", n->sender_name);
	add(m, "<%s>\n", n->sender_email);
	add(m, "has a confidential message for you, kept in the message "
	    "center of\n%s.\n\n", org ? s->org_name : s->portal_url);
}

static void
add_body(struct mail *m, const struct notice *n, const struct mail_settings *s)
{
	time_t when = (time_t)n->expires;
	char day[40];
	struct tm tm;

	add_sender(m, n, s);
	add(m, "Open it with this link:\n\n%s%s\n\n", s->portal_url,
	    n->link_path);
	add(m, "Opening the link changes nothing and uses nothing up. Only "
	    "the unlock\ncode opens the message.\n\n"
	    "THE CODE has 12 letters and digits. The sender tells it to you "
	    "by phone\nor in person; it never comes by e-mail. No code yet? "
	    "Phone the sender, on\na number that you already know.\n\n"
	    "THE TWO WORDS: the page shows two words before it asks for the "
	    "code. The\nsender reads the same two words to you. If they are "
	    "not the same, type\nnothing and tell the sender.\n\n");
	if (n->expires != 0) {
		gmtime_r(&when, &tm);
		strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", &tm);
		add(m, "The message can be opened until %s.\n\n", day);
	}
	add(m, "Please do not answer this mail: answer on the page, once "
	    "you have read the\nmessage. Nobody will ever ask you for the "
	    "code by e-mail.\n");
}

static bool
url_is_safe(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text > 0x7e || *text == '<' ||
		    *text == '>' || *text == '"')
			return false;
	return true;
}

static bool
mail_id_is_safe(const char *text)
{
	return text[0] != '\0' && strlen(text) < 200 && url_is_safe(text) &&
	    strchr(text, '@') != NULL;
}

static const char *
refuse(const struct notice *n, const struct mail_settings *s)
{
	char address[321];
	const char *why;

	if (clean_address(n->to, address, &why) != LL_OK)
		return "The recipient's address cannot stand in a mail.";
	if (clean_address(n->sender_email, address, &why) != LL_OK)
		return "The sender's address cannot stand in a mail.";
	if (clean_address(s->mail_from, address, &why) != LL_OK)
		return "mail_from is no usable address.";
	if (!mail_id_is_safe(n->mail_id))
		return "The Message-ID cannot stand in a header.";
	if (!url_is_safe(s->portal_url) || !url_is_safe(n->link_path) ||
	    n->link_path[0] != '/' ||
	    strlen(s->portal_url) + strlen(n->link_path) > MAIL_LINK_MAX)
		return "The link cannot stand on a line of its own.";
	return NULL;
}

enum ll_result
mail_build(const struct notice *n, const struct mail_settings *s,
    char **mail_r, size_t *len_r, const char **why_r)
{
	struct mail m = { NULL, 0, false };

	*mail_r = NULL;
	*len_r = 0;
	*why_r = refuse(n, s);
	if (*why_r != NULL)
		return LL_USAGE;
	m.text = malloc(MAIL_MAX);
	if (m.text == NULL)
		return LL_NOMEM;
	add_head(&m, n, s);
	add_body(&m, n, s);
	if (m.full) {
		sodium_memzero(m.text, MAIL_MAX);
		free(m.text);
		return LL_TOOBIG;
	}
	*mail_r = m.text;
	*len_r = m.len;
	return LL_OK;
}
