#include "keys/mime.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the text stands: blanks run together, and lines end once. */
struct page {
	struct tlv_out *o;
	bool blank, start;
	const char *skip;            /* until that end tag nothing is text */
	char link[300];
};

static void
put(struct page *page, const char *p, size_t n)
{
	if (page->blank && !page->start)
		tlv_put_raw(page->o, " ", 1);
	page->blank = page->start = false;
	tlv_put_raw(page->o, p, n);
}

static void
end_line(struct page *page)
{
	if (!page->start)
		tlv_put_raw(page->o, "\n", 1);
	page->start = true;
	page->blank = false;
}

/* A character as UTF-8; its length, 0: a control or none at all. */
static size_t
utf8(long value, char text[5])
{
	size_t len = value < 0x80 ? 1 : value < 0x800 ? 2 :
	    value < 0x10000 ? 3 : 4, i;
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	if (value < 32 || (value > 126 && value < 160) ||
	    (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
		return 0;
	for (i = len - 1; i > 0; i--, value >>= 6)
		text[i] = (char)(0x80 | (value & 0x3f));
	text[0] = (char)(first[len] | value);
	return len;
}

/* What an entity of HTML stands for; its length, 0: none. */
static size_t
put_entity(struct page *page, const char *p, size_t n)
{
	static const struct {
		const char *name, *text;
	} names[] = {
		{ "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" },
		{ "&quot;", "\"" }, { "&apos;", "'" }, { "&nbsp;", " " },
		{ "&auml;", "ä" }, { "&ouml;", "ö" }, { "&uuml;", "ü" },
		{ "&Auml;", "Ä" }, { "&Ouml;", "Ö" }, { "&Uuml;", "Ü" },
		{ "&szlig;", "ß" }, { "&euro;", "€" }, { "&eacute;", "é" },
		{ "&agrave;", "à" }, { "&egrave;", "è" }, { "&ecirc;", "ê" },
		{ "&ccedil;", "ç" }, { "&ntilde;", "ñ" }, { "&pound;", "£" },
		{ "&lsquo;", "‘" }, { "&rsquo;", "’" },
		{ "&ldquo;", "“" }, { "&rdquo;", "”" },
		{ "&laquo;", "«" }, { "&raquo;", "»" },
		{ "&ndash;", "–" }, { "&mdash;", "—" },
		{ "&hellip;", "…" }, { "&bull;", "•" },
		{ "&middot;", "·" }, { "&sect;", "§" },
		{ "&copy;", "©" }, { "&reg;", "®" },
		{ "&deg;", "°" },
	};
	char number[16], *end, text[5];
	size_t i, len;
	long value;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		len = strlen(names[i].name);
		if (n >= len && memcmp(p, names[i].name, len) == 0) {
			put(page, names[i].text, strlen(names[i].text));
			return len;
		}
	}
	if (n < 4 || p[1] != '#')
		return 0;
	len = n - 2 < sizeof number - 1 ? n - 2 : sizeof number - 1;
	memcpy(number, p + 2, len);
	number[len] = 0;
	value = number[0] == 'x' || number[0] == 'X' ?
	    strtol(number + 1, &end, 16) : strtol(number, &end, 10);
	/* Others are shown as written. */
	len = *end == ';' ? utf8(value, text) : 0;
	if (len == 0)
		return 0;
	if (value == 160)
		page->blank = true;
	else
		put(page, text, len);
	return (size_t)(end - number) + 3;
}

static bool
is_tag(const char *p, size_t n, const char *name)
{
	const size_t len = strlen(name);

	return n >= len && strncasecmp(p, name, len) == 0 &&
	    (n == len || !isalnum((unsigned char)p[len]));
}

static void
take_link(struct page *page, const char *p, size_t n)
{
	const char *href = memmem(p, n, "href=", 5), *end = p + n;
	size_t len = 0;
	char quote;

	if (href == NULL || href + 6 >= end)
		return;
	quote = href[5] == '"' || href[5] == '\'' ? href[5] : ' ';
	for (href += quote == ' ' ? 5 : 6; href < end && *href != quote &&
	    len + 1 < sizeof page->link; href++)
		page->link[len++] = *href;
	page->link[len] = 0;
}

/* A tag's inside, without < and >. */
static void
tag(struct page *page, const char *p, size_t n)
{
	static const char *const breaks[] = { "br", "p", "/p", "div", "/div",
		"tr", "/tr", "li", "h1", "/h1", "h2", "/h2", "h3", "/h3",
		"table", "/table", "ul", "/ul", "blockquote", "/blockquote",
		"hr" };
	static const char *const hidden[] = { "script", "style", "head",
		"title" };
	size_t i;

	if (page->skip != NULL) {
		if (n > 0 && p[0] == '/' && is_tag(p + 1, n - 1, page->skip))
			page->skip = NULL;
		return;
	}
	for (i = 0; i < sizeof hidden / sizeof *hidden; i++)
		if (is_tag(p, n, hidden[i]))
			page->skip = hidden[i];
	for (i = 0; i < sizeof breaks / sizeof *breaks; i++)
		if (is_tag(p, n, breaks[i]))
			end_line(page);
	if (is_tag(p, n, "td") || is_tag(p, n, "th"))
		page->blank = true;
	if (is_tag(p, n, "a"))
		take_link(page, p, n);
	if (is_tag(p, n, "/a") && page->link[0] != 0) {
		put(page, " [", 2);
		put(page, page->link, strlen(page->link));
		put(page, "]", 1);
		page->link[0] = 0;
	}
}

void
mime_html(struct tlv_view html, struct tlv_out *o)
{
	const char *p = (const char *)html.data, *end;
	struct page page = { o, false, true, NULL, "" };
	size_t left, n;

	for (left = html.len; left > 0; p += n, left -= n) {
		n = 1;
		if (*p == '<') {
			end = left > 3 && memcmp(p, "<!--", 4) == 0 ?
			    memmem(p, left, "-->", 3) : memchr(p, '>', left);
			end = end != NULL && *end == '-' ? end + 2 : end;
			n = end == NULL ? left : (size_t)(end - p) + 1;
			tag(&page, p + 1, n < 2 ? 0 : n - 2);
		} else if (page.skip != NULL)
			continue;
		else if (isspace((unsigned char)*p))
			page.blank = true;
		else if (*p == '&') {
			n = put_entity(&page, p, left);
			if (n == 0)
				put(&page, p, n = 1);
		} else
			put(&page, p, 1);
	}
	end_line(&page);
}
