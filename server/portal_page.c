#include "server/portal_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "keys/id.h"

void
page_init(struct page *p)
{
	memset(p, 0, sizeof(*p));
}

void
page_finish(struct page *p)
{
	if (p->data != NULL)
		sodium_memzero(p->data, p->room);
	free(p->data);
	page_init(p);
}

/* Grows by copying, so that the old place can be wiped. */
static bool
grow(struct page *p, size_t need)
{
	size_t room = p->room == 0 ? 8192 : p->room;
	char *data;

	while (room < need)
		room *= 2;
	if (room > PAGE_MAX)
		return false;
	data = malloc(room);
	if (data == NULL)
		return false;
	if (p->len > 0)
		memcpy(data, p->data, p->len);
	if (p->data != NULL)
		sodium_memzero(p->data, p->room);
	free(p->data);
	p->data = data;
	p->room = room;
	return true;
}

static void
put(struct page *p, const char *data, size_t len)
{
	if (p->failed || len == 0)
		return;
	if (p->room - p->len < len && !grow(p, p->len + len)) {
		p->failed = true;
		return;
	}
	memcpy(p->data + p->len, data, len);
	p->len += len;
}

void
page_raw(struct page *p, const char *markup)
{
	put(p, markup, strlen(markup));
}

static const char *
entity(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

void
page_text(struct page *p, const char *text)
{
	const char *from = text, *e;

	for (; *text != '\0'; text++) {
		e = entity(*text);
		if (e == NULL)
			continue;
		put(p, from, (size_t)(text - from));
		page_raw(p, e);
		from = text + 1;
	}
	put(p, from, (size_t)(text - from));
}

void
page_foreign(struct page *p, const char *text, size_t len, int mode)
{
	char *clean = NULL;

	if (clean_text(text, len, mode, &clean) != LL_OK) {
		p->failed = true;
		return;
	}
	page_text(p, clean);
	sodium_memzero(clean, strlen(clean));
	free(clean);
}

void
page_number(struct page *p, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	page_raw(p, text);
}

void
page_size(struct page *p, uint64_t bytes)
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	double value = (double)bytes / 1000;
	char text[32];
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(text, sizeof(text), "%u bytes", (unsigned)bytes);
		page_raw(p, text);
		return;
	}
	while (value >= 999.5 && i < 3) {
		value /= 1000;
		i++;
	}
	snprintf(text, sizeof(text), value < 9.95 ? "%.1f %s" : "%.0f %s",
	    value, units[i]);
	page_raw(p, text);
}

void
page_time(struct page *p, uint64_t secs)
{
	time_t when = (time_t)secs;
	char text[128];
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL)
		return;
	strftime(text, sizeof(text), "<time datetime=\"%Y-%m-%dT%H:%M:%SZ\">"
	    "%e %B %Y, %H:%M UTC</time>", &tm);
	page_raw(p, text);
}

void
page_id(struct page *p, const struct id *id)
{
	char text[ID_TEXT + 1];

	id_text(id, text);
	page_raw(p, text);
}

void
page_begin(struct page *p, const char *org, const char *title)
{
	page_raw(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n"
	    "<title>");
	page_text(p, title);
	if (org[0] != '\0') {
		page_raw(p, " \xc2\xb7 ");
		page_text(p, org);
	}
	page_raw(p, "</title>\n<link rel=\"stylesheet\" "
	    "href=\"/style.css\">\n</head>\n<body>\n<header>"
	    "<p class=\"org\">");
	page_text(p, org[0] != '\0' ? org : "Secure messages");
	page_raw(p, "</p></header>\n<main>\n");
}

void
page_heading(struct page *p, const char *text)
{
	page_raw(p, "<h1 id=\"subject\">");
	page_foreign(p, text, strlen(text), CLEAN_LINE);
	page_raw(p, "</h1>\n");
}

void
page_end(struct page *p)
{
	page_raw(p, "</main>\n<footer><p>This page uses no scripts, loads "
	    "nothing from elsewhere and keeps no track of you.</p></footer>\n"
	    "</body>\n</html>\n");
}
