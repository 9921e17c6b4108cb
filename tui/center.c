#include "tui/center.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/clean.h"
#include "store/loop.h"
#include "tui/center_part.h"

#define PEOPLE_FRESH_MS 60000

enum ll_result
center_open(int fd, struct center **c_r)
{
	struct center *c;
	enum ll_result r;

	*c_r = NULL;
	c = calloc(1, sizeof *c);
	if (!c)
		return LL_NOMEM;
	r = desk_open(fd, &c->desk);
	if (r) {
		free(c);
		return r;
	}
	*c_r = c;
	return LL_OK;
}

void
center_close(struct center *c)
{
	if (!c)
		return;
	center_people_finish(&c->people);
	desk_close(c->desk);
	free(c);
}

const struct desk_self *
center_self(const struct center *c)
{
	return desk_self(c->desk);
}

struct desk *
center_desk(struct center *c)
{
	return c->desk;
}

void
center_begin(struct center *c)
{
	c->failure = LL_OK;
}

enum ll_result
center_fail(struct center *c, enum ll_result r, const char *words)
{
	c->failure = r;
	(void)snprintf(c->words, sizeof c->words, "%s", words);
	return r;
}

const char *
center_words(const struct center *c, enum ll_result r)
{
	if (r && c->failure == r)
		return c->words;
	return desk_words(c->desk, r);
}

enum ll_result
center_unlock(struct center *c, const void *passphrase, size_t len)
{
	center_begin(c);
	return desk_unlock(c->desk, passphrase, len);
}

enum ll_result
center_lock(struct center *c)
{
	center_begin(c);
	return desk_lock(c->desk);
}

void
center_active(struct center *c)
{
	desk_active(c->desk);
}

int
center_fd(const struct center *c)
{
	return desk_fd(c->desk);
}

enum ll_result
center_event(struct center *c, struct desk_event *e_r)
{
	return desk_event(c->desk, e_r);
}

enum ll_result
center_clean(const char *text, int mode, char **out_r)
{
	return clean_text(text, strlen(text), mode, out_r);
}

enum ll_result
center_request(enum op op, const struct id *id, struct msg **m_r)
{
	enum ll_result r;

	r = msg_create(MSG_REQUEST, op, m_r);
	if (r == LL_OK)
		msg_put_id(*m_r, F_MESSAGE_ID, id);
	return r;
}

void
center_free_list(char ***list, size_t *count)
{
	size_t i;

	for (i = 0; i < *count; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
	*count = 0;
}

static enum ll_result
ask_counts(struct center *c, struct msg **reply_r)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	r = msg_create(MSG_REQUEST, OP_COUNTS, &m);
	return r ? r : desk_ask(c->desk, m, reply_r);
}

enum ll_result
center_frozen(struct center *c, uint64_t *count_r, char address_r[321])
{
	struct msg *reply;
	enum ll_result r;

	*count_r = 0;
	address_r[0] = '\0';
	r = ask_counts(c, &reply);
	if (r)
		return r;
	*count_r = view_u64(msg_view(reply), F_COUNT);
	(void)snprintf(address_r, 321, "%s",
	    view_text(msg_view(reply), F_ADDRESS));
	msg_destroy(reply);
	return LL_OK;
}

enum ll_result
center_counts(struct center *c, struct center_count counts[CENTER_FOLDERS])
{
	struct msg *reply;
	struct tlv_view row;
	uint64_t folder;
	size_t at = 0;
	enum ll_result r;

	memset(counts, 0, CENTER_FOLDERS * sizeof *counts);
	r = ask_counts(c, &reply);
	if (r)
		return r;
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		folder = view_u64(row, F_FOLDER);
		if (folder < 1 || folder > CENTER_FOLDERS)
			continue;
		counts[folder - 1].messages = view_u64(row, F_COUNT);
		counts[folder - 1].unread = view_u64(row, F_UNREAD);
	}
	msg_destroy(reply);
	return LL_OK;
}

/* --- people --- */

void
center_people_finish(struct center_people *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		free(p->rows[i].address);
		free(p->rows[i].name);
	}
	free(p->rows);
	memset(p, 0, sizeof *p);
}

static enum ll_result
add_person(struct center_people *p, const char *address, const char *name)
{
	struct center_person *grown;
	char *a = NULL, *n = NULL;
	enum ll_result r;

	grown = realloc(p->rows, (p->count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	p->rows = grown;
	r = center_clean(address, CLEAN_LINE, &a);
	if (r == LL_OK)
		r = center_clean(name, CLEAN_LINE, &n);
	if (r) {
		free(a);
		return r;
	}
	grown[p->count].address = a;
	grown[p->count++].name = n;
	return LL_OK;
}

static enum ll_result
read_people(struct center *c)
{
	struct msg *m, *reply;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	if (c->people_ms && loop_now_ms() - c->people_ms < PEOPLE_FRESH_MS)
		return LL_OK;
	r = msg_create(MSG_REQUEST, OP_PEOPLE, &m);
	if (r == LL_OK)
		r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	center_people_finish(&c->people);
	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row))
		r = add_person(&c->people, view_text(row, F_ADDRESS),
		    view_text(row, F_NAME));
	msg_destroy(reply);
	c->people_ms = r ? 0 : loop_now_ms();
	return r;
}

/* Prefix of the address, or of any word of the name. */
static bool
person_matches(const struct center_person *p, const char *prefix)
{
	size_t len = strlen(prefix);
	const char *word = p->name;

	if (strncasecmp(p->address, prefix, len) == 0)
		return true;
	while (*word) {
		if (strncasecmp(word, prefix, len) == 0)
			return true;
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	return false;
}

enum ll_result
center_people(struct center *c, const char *prefix,
    struct center_people *p_r)
{
	enum ll_result r;
	size_t i;

	center_begin(c);
	memset(p_r, 0, sizeof *p_r);
	r = read_people(c);
	for (i = 0; r == LL_OK && i < c->people.count; i++)
		if (person_matches(&c->people.rows[i], prefix))
			r = add_person(p_r, c->people.rows[i].address,
			    c->people.rows[i].name);
	if (r)
		center_people_finish(p_r);
	return r;
}

/* --- words for people --- */

void
center_time_text(uint64_t when, char text[CENTER_TIME_TEXT])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!gmtime_r(&t, &tm)
	    || strftime(text, CENTER_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ",
	    &tm) == 0)
		(void)snprintf(text, CENTER_TIME_TEXT,
		    "1970-01-01T00:00:00Z");
}

static const char *const state_sentences[] = {
	[STATE_PENDING] = "waiting: can still be taken back",
	[STATE_HELD] = "held: no safe way to reach this address",
	[STATE_QUEUED] = "notification is about to be mailed",
	[STATE_DEFERRED] = "mail server could not take it yet, trying again",
	[STATE_DELIVERED] = "in the mailbox, not opened yet",
	[STATE_RELAYED] = "taken by the other mail server",
	[STATE_NOTIFIED] = "told by mail, not opened yet",
	[STATE_OPENED] = "opened",
	[STATE_READ] = "read",
	[STATE_REPLIED] = "answered",
	[STATE_FROZEN] =
	    "frozen after too many wrong codes: reissue or withdraw",
	[STATE_REFUSED] = "refused",
	[STATE_EXPIRED] = "expired: its key is destroyed",
	[STATE_WITHDRAWN] = "withdrawn: its key is destroyed",
	[STATE_FAILED] = "failed for good",
};

const char *
center_state_sentence(enum delivery_state s)
{
	if ((unsigned)s >= sizeof state_sentences / sizeof *state_sentences
	    || !state_sentences[s])
		return "unknown";
	return state_sentences[s];
}

const char *
center_row_sentence(enum ll_result r)
{
	switch (r) {
	case LL_LOCKED:
		return "locked";
	case LL_AUTH:
		return "sealed for keys that you no longer have, or damaged";
	case LL_GONE:
		return "expired or withdrawn: its key is destroyed";
	default:
		return ll_result_text(r);
	}
}

static const char *const route_sentences[] = {
	[ROUTE_INTERNAL] = "logs in here",
	[ROUTE_PORTAL_ENROLLED] = "opens the link and gives the passphrase",
	[ROUTE_PORTAL_MUC] =
	    "opens the mailed link with the code that you tell them",
	[ROUTE_SMIME] = "reads it in their own mail program (S/MIME)",
	[ROUTE_OPENPGP] = "reads it in their own mail program (OpenPGP)",
	[ROUTE_DOMAIN] = "reads it behind their own mail gateway",
	[ROUTE_TLS] = "reads it as mail, carried over enforced TLS",
	[ROUTE_NONE] = "gets nothing: no safe route",
};

const char *
center_route_sentence(enum route r)
{
	if ((unsigned)r >= sizeof route_sentences / sizeof *route_sentences
	    || !route_sentences[r])
		return "unknown";
	return route_sentences[r];
}

const char *
center_class_sentence(enum msg_class class)
{
	switch (class) {
	case CLASS_CONFIDENTIAL:
		return "Confidential: only keys that were checked, no mail "
		    "over TLS alone";
	case CLASS_REGISTERED:
		return "Registered: only routes that prove it was opened";
	default:
		return "Normal: every safe route will do";
	}
}
