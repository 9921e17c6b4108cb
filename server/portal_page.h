/*
 * portal_page.h - HTML in a growing buffer.  What is put as text is escaped;
 * what comes from outside is cleaned first (keys/clean.h).
 */
#ifndef LL_PORTAL_PAGE_H
#define LL_PORTAL_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/clean.h"

#define PAGE_MAX 8388608

/* The first failure sticks; page_take or page_ok tells it. */
struct page {
	char *data;
	size_t len, room;
	bool failed;
};

/* An empty page; no allocation. */
void page_init(struct page *p);
/* Wipes and frees. */
void page_finish(struct page *p);

/* Our own markup, as it is. */
void page_raw(struct page *p, const char *markup);
/* Text, escaped for elements and for quoted attributes. */
void page_text(struct page *p, const char *text);
/* Foreign text: cleaned (mode of clean.h), then escaped. */
void page_foreign(struct page *p, const char *text, size_t len, int mode);
void page_number(struct page *p, uint64_t n);
/* "4.2 MB", decimal units. */
void page_size(struct page *p, uint64_t bytes);
/* <time> with "23 November 2026, 15:04 UTC". */
void page_time(struct page *p, uint64_t secs);
/* Crockford text of an id. */
struct id;
void page_id(struct page *p, const struct id *id);

/* The layout around each page: org may be "".  The title is what a browser's
 * history keeps; page_heading, which follows it, is only on the page. */
void page_begin(struct page *p, const char *org, const char *title);
void page_heading(struct page *p, const char *text);
void page_end(struct page *p);

/* The style sheet, and its bytes. */
extern const char portal_style[];

#endif
