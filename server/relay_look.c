#include "server/relay_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/relay_wkd.h"

static void
say(struct find_answer *a, enum find_state state, const char *words)
{
	a->state = state;
	snprintf(a->words, sizeof(a->words), "%s", words);
}

/* Not more than a look at the beginning: who wants the key takes it apart, in
 * a sandbox.  A page that says "not found" with status 200 is none. */
static bool
like_a_key(const struct web_page *p)
{
	static const char armor[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
	size_t at = 0;

	if (p->len > 0 && (p->body[0] & 0x80) != 0)
		return true;
	while (at < p->len && strchr(" \t\r\n", p->body[at]) != NULL &&
	    p->body[at] != '\0')
		at++;
	return p->len - at > sizeof(armor) && memcmp(p->body + at, armor,
	    sizeof(armor) - 1) == 0;
}

static void
judge_page(struct web_page *p, struct find_answer *a)
{
	char words[60];

	if (p->status == 404 || p->status == 410 ||
	    (p->status == 200 && p->len == 0)) {
		say(a, FIND_NOTHING, "the server has no key");
	} else if (p->status >= 300 && p->status < 400) {
		say(a, FIND_FAILED, "the web server sends elsewhere: not "
		    "followed");
	} else if (p->status != 200) {
		snprintf(words, sizeof(words), "the web server answers %ld",
		    p->status);
		say(a, FIND_FAILED, words);
	} else if (!like_a_key(p)) {
		say(a, FIND_FAILED, "what the web server has is no OpenPGP "
		    "key");
	} else {
		a->state = FIND_FOUND;
		a->data = p->body;
		a->len = p->len;
		p->body = NULL;
	}
}

static enum ll_result
fetch(const struct web *web, const char *url, struct find_answer *a)
{
	struct web_page p;
	enum ll_result r;

	r = web_get(web, url, FIND_BYTES, &p);
	if (r == LL_OK)
		judge_page(&p, a);
	else
		say(a, r == LL_NOTFOUND ? FIND_NOTHING : FIND_FAILED,
		    p.words[0] != '\0' ? p.words : ll_result_text(r));
	if (r == LL_BUSY)
		a->good_secs = SILENT_SECS;
	web_page_finish(&p);
	return r;
}

/* The direct method is for domains without a host openpgpkey. */
static void
look_wkd(const struct web *web, const char *address, struct find_answer *a)
{
	char url[WKD_URL];

	if (wkd_advanced(address, url) != LL_OK) {
		say(a, FIND_FAILED, "no address");
		return;
	}
	if (fetch(web, url, a) != LL_NOTFOUND)
		return;
	if (wkd_direct(address, url) != LL_OK ||
	    fetch(web, url, a) == LL_NOTFOUND)
		say(a, FIND_NOTHING, "the domain has no web key directory");
}

static void
look_tls(const struct find_settings *s, const char *domain,
    struct find_answer *a)
{
	enum ll_result r;

	if (s->tls == NULL) {
		say(a, FIND_NOTHING, "");
		return;
	}
	a->data = malloc(FIND_BYTES);
	if (a->data == NULL) {
		say(a, FIND_FAILED, "out of memory");
		return;
	}
	r = s->tls(s->tls_ctx, domain, a->data, FIND_BYTES, &a->len, a->words,
	    &a->good_secs);
	a->state = r == LL_OK ? FIND_FOUND : r == LL_NOTFOUND ? FIND_NOTHING :
	    FIND_FAILED;
}

void
relay_look(const struct find_settings *s, const struct web *web,
    enum lookup lookup, const char *subject, struct find_answer *a_r)
{
	char url[WKD_URL];

	memset(a_r, 0, sizeof(*a_r));
	switch (lookup) {
	case LOOKUP_WKD:
		look_wkd(web, subject, a_r);
		return;
	case LOOKUP_SERVER:
		if (wkd_keyserver(s->keyserver, subject, url) != LL_OK)
			say(a_r, FIND_FAILED, "there is no keyserver");
		else
			(void)!fetch(web, url, a_r);
		return;
	case LOOKUP_TLS:
		look_tls(s, subject, a_r);
		return;
	default:
		say(a_r, FIND_FAILED, "an unknown lookup");
	}
}
