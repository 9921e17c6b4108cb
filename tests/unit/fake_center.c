/*
 * fake_center.c - tui/center.h with a house of cards behind it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fake_center.h"

struct center {
	struct desk_self self;
	size_t messages;
	size_t read_from;            /* messages above this are read */
	int fifo;
	bool lost;
	bool opened;
	struct draft kept;           /* the one draft */
	bool has_draft;
	uint64_t version;
	size_t rows;
};

static struct center house;

struct center *
fake_center(size_t messages, const char *fifo, enum user_role role,
    bool locked)
{
	memset(&house, 0, sizeof(house));
	house.messages = messages;
	house.fifo = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	house.self.role = role;
	house.self.locked = locked;
	house.self.undo_secs = 30;
	house.self.expiry_days = 30;
	house.self.attachment_max = 512 << 20;
	(void)snprintf(house.self.user, 65, "ada");
	(void)snprintf(house.self.email, 321, "ada@house.example");
	(void)snprintf(house.self.org, 200, "House");
	return &house;
}

size_t
fake_center_rows(void)
{
	return house.rows;
}

static char *
words(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort();
	return s;
}

static char **
one(const char *text)
{
	char **list = calloc(1, sizeof(*list));

	if (!list)
		abort();
	list[0] = words(text);
	return list;
}

/* --- the house --- */

const struct desk_self *
center_self(const struct center *c)
{
	return &c->self;
}

struct desk *
center_desk(struct center *c)
{
	(void)c;
	return NULL;
}

void
desk_patience(struct desk *d, int ms)
{
	(void)d;
	(void)ms;
}

enum ll_result
desk_ask(struct desk *d, struct msg *request, struct msg **reply_r)
{
	enum ll_result r = LL_OK;

	(void)d;
	if (house.lost)
		r = LL_BUSY;
	else if (reply_r)
		r = msg_reply(request, LL_OK, reply_r);
	if (!r && reply_r && msg_op(request) == OP_USER_LIST) {
		msg_begin(*reply_r, F_ROW);
		msg_put_text(*reply_r, F_USER, "bob");
		msg_put_text(*reply_r, F_EMAIL, "bob@house.example");
		msg_put_u64(*reply_r, F_STATE, USER_ACTIVE);
		msg_put_u64(*reply_r, F_ROLE, ROLE_STAFF);
		msg_end(*reply_r);
	}
	msg_destroy(request);
	return r;
}

const char *
center_words(const struct center *c, enum ll_result r)
{
	(void)c;
	return ll_result_text(r);
}

enum ll_result
center_unlock(struct center *c, const void *p, size_t len)
{
	if (len != 6 || memcmp(p, "secret", 6) != 0)
		return LL_AUTH;
	c->self.locked = false;
	return LL_OK;
}

enum ll_result
center_lock(struct center *c)
{
	c->self.locked = true;
	return LL_OK;
}

void
center_active(struct center *c)
{
	(void)c;
}

int
center_fd(const struct center *c)
{
	return c->fifo;
}

static void
id_of(size_t n, struct id *id)
{
	memset(id, 0, sizeof(*id));
	memcpy(id->b, &n, sizeof(n));
}

static size_t
number_of(const struct id *id)
{
	size_t n;

	memcpy(&n, id->b, sizeof(n));
	return n;
}

enum ll_result
center_event(struct center *c, struct desk_event *e)
{
	char b;

	memset(e, 0, sizeof(*e));
	if (read(c->fifo, &b, 1) != 1)
		return LL_AGAIN;
	e->folder = FOLDER_INBOX;
	switch (b) {
	case 'm': c->messages++; e->kind = DESK_BOX; break;
	case 'l': c->lost = true; e->kind = DESK_LOST; break;
	case 'r': c->lost = false; e->kind = DESK_RESTORED; break;
	case 'k': e->kind = DESK_LOCKING; break;
	case 'o': c->opened = true; e->kind = DESK_STATUS; break;
	default: return LL_AGAIN;
	}
	return LL_OK;
}

/* --- lists --- */

enum ll_result
center_counts(struct center *c, struct center_count counts[CENTER_FOLDERS])
{
	memset(counts, 0, CENTER_FOLDERS * sizeof(*counts));
	counts[0].messages = c->messages;
	counts[0].unread = c->messages - c->read_from;
	counts[2].messages = c->has_draft;
	return c->lost ? LL_BUSY : LL_OK;
}

enum ll_result
center_frozen(struct center *c, uint64_t *count_r, char address_r[321])
{
	*count_r = 0;
	*address_r = '\0';
	return c->lost ? LL_BUSY : LL_OK;
}

static void
fill_row(struct center *c, struct center_row *r, size_t n)
{
	char text[200];

	memset(r, 0, sizeof(*r));
	id_of(n, &r->id);
	r->sequence = n;
	r->folder = FOLDER_INBOX;
	r->unread = n > c->read_from;
	r->time = 1700000000 + n * 60;
	r->result = c->self.locked ? LL_LOCKED : LL_OK;
	r->from = words(n % 3 ? "bob@house.example" : "carol@else.example");
	r->from_name = words(n % 3 ? "Bob" : "");
	r->to = one("ada@house.example");
	r->to_count = 1;
	r->attachments = n % 5 == 0;
	(void)snprintf(text, sizeof(text), "Message number %zu, caf\303\251",
	    n);
	r->subject = words(text);
}

static void
row_finish(struct center_row *r)
{
	size_t i;

	free(r->from);
	free(r->from_name);
	free(r->subject);
	for (i = 0; i < r->to_count; i++)
		free(r->to[i]);
	free(r->to);
}

enum ll_result
center_list(struct center *c, enum folder folder, uint64_t before,
    size_t limit, struct center_list *l)
{
	size_t n = before ? before - 1 : c->messages;

	memset(l, 0, sizeof(*l));
	if (c->lost)
		return LL_BUSY;
	if (folder != FOLDER_INBOX)
		return LL_OK;
	l->rows = calloc(limit, sizeof(*l->rows));
	if (!l->rows)
		return LL_NOMEM;
	for (; l->count < limit && n > 0; n--)
		fill_row(c, &l->rows[l->count++], n);
	l->total = c->messages;
	l->unread = c->messages - c->read_from;
	c->rows += l->count;
	return LL_OK;
}

enum ll_result
center_thread(struct center *c, const struct id *thread,
    struct center_list *l)
{
	(void)thread;
	return center_list(c, FOLDER_INBOX, 4, 3, l);
}

void
center_list_finish(struct center_list *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		row_finish(&l->rows[i]);
	free(l->rows);
	memset(l, 0, sizeof(*l));
}

enum ll_result
center_message(struct center *c, const struct id *id,
    struct center_message *m)
{
	static const char line[] = "Line of the body with a mark "
	    "<U+202E> in it.\n";
	size_t i;

	memset(m, 0, sizeof(*m));
	if (c->lost)
		return LL_BUSY;
	fill_row(c, &m->row, number_of(id));
	m->tos = one("ada@house.example");
	m->tos_count = 1;
	m->body = calloc(60, sizeof(line));
	if (!m->body)
		return LL_NOMEM;
	for (i = 0; i < (number_of(id) % 2 ? 5 : 60); i++)
		memcpy(m->body + i * (sizeof(line) - 1), line,
		    sizeof(line) - 1);
	m->body_len = strlen(m->body);
	m->valid = number_of(id) % 3 != 0;
	m->signer = words(m->valid ? "bob@house.example" : "");
	if (number_of(id) % 5 == 0) {
		m->attachments = calloc(1, sizeof(*m->attachments));
		if (!m->attachments)
			return LL_NOMEM;
		m->attachment_count = 1;
		m->attachments[0] = (struct center_attachment){ 1,
		    words("report.pdf"), words("application/pdf"), 123456,
		    words("/m/7F3K/report.pdf") };
	}
	return LL_OK;
}

void
center_message_finish(struct center_message *m)
{
	size_t i;

	row_finish(&m->row);
	for (i = 0; i < m->tos_count; i++)
		free(m->tos[i]);
	free(m->tos);
	free(m->body);
	free(m->signer);
	for (i = 0; i < m->attachment_count; i++) {
		free(m->attachments[i].name);
		free(m->attachments[i].type);
		free(m->attachments[i].path);
	}
	free(m->attachments);
	memset(m, 0, sizeof(*m));
}

enum ll_result
center_mark_read(struct center *c, const struct id *id)
{
	if (number_of(id) == c->read_from + 1)
		c->read_from++;
	return LL_OK;
}

enum ll_result
center_mark_unread(struct center *c, const struct id *id)
{
	(void)c;
	(void)id;
	return LL_OK;
}

enum ll_result
center_move(struct center *c, const struct id *id, enum folder folder)
{
	(void)id;
	c->messages += folder == FOLDER_INBOX ? 1 : (size_t)-1;
	return LL_OK;
}

enum ll_result
center_purge(struct center *c, const struct id *id)
{
	(void)c;
	(void)id;
	return LL_OK;
}

/* --- people --- */

enum ll_result
center_people(struct center *c, const char *prefix, struct center_people *p)
{
	static const char *const known[] = { "bob@house.example",
	    "bea@house.example", "carol@else.example" };
	size_t i;

	(void)c;
	memset(p, 0, sizeof(*p));
	p->rows = calloc(3, sizeof(*p->rows));
	if (!p->rows)
		return LL_NOMEM;
	for (i = 0; i < 3; i++) {
		if (strncmp(known[i], prefix, strlen(prefix)) != 0)
			continue;
		p->rows[p->count].address = words(known[i]);
		p->rows[p->count++].name = words("");
	}
	return LL_OK;
}

void
center_people_finish(struct center_people *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		free(p->rows[i].address);
		free(p->rows[i].name);
	}
	free(p->rows);
	memset(p, 0, sizeof(*p));
}

/* --- drafts: one is kept --- */

static void
copy(struct draft *to, const struct draft *from)
{
	const char *why;
	size_t i;

	to->id = from->id;
	to->version = from->version;
	to->cursor = from->cursor;
	to->time = (uint64_t)time(NULL) - 180;
	draft_clear_recipients(to);
	for (i = 0; i < from->to_count; i++)
		if (draft_add_to(to, from->to[i], &why))
			abort();
	if (draft_set_subject(to, from->subject) ||
	    draft_set_body(to, from->body))
		abort();
}

enum ll_result
draft_save(struct desk *k, struct draft *d)
{
	(void)k;
	if (house.lost)
		return LL_BUSY;
	d->version = ++house.version;
	if (!house.has_draft && draft_init(&house.kept))
		return LL_NOMEM;
	house.has_draft = true;
	copy(&house.kept, d);
	return LL_OK;
}

enum ll_result
draft_load(struct desk *k, const struct id *id, struct draft *d)
{
	enum ll_result r;

	(void)k;
	(void)id;
	if (!house.has_draft)
		return LL_NOTFOUND;
	r = draft_init(d);
	if (!r)
		copy(d, &house.kept);
	return r;
}

enum ll_result
draft_refresh(struct desk *k, struct draft *d, bool *changed_r)
{
	(void)k;
	(void)d;
	*changed_r = false;
	return LL_OK;
}

enum ll_result
draft_list(struct desk *k, struct draft **list_r, size_t *count_r)
{
	struct id none = { { 0 } };

	*count_r = 0;
	*list_r = calloc(1, sizeof(**list_r));
	if (!*list_r)
		return LL_NOMEM;
	if (draft_load(k, &none, *list_r) == LL_OK)
		*count_r = 1;
	return LL_OK;
}

void
draft_list_finish(struct draft *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		draft_finish(&list[i]);
	free(list);
}

enum ll_result
draft_delete(struct desk *k, const struct id *id)
{
	(void)k;
	(void)id;
	if (house.has_draft)
		draft_finish(&house.kept);
	house.has_draft = false;
	return LL_OK;
}

enum ll_result
draft_detach(struct desk *k, struct draft *d, size_t n)
{
	(void)k;
	(void)d;
	(void)n;
	return LL_OK;
}

enum ll_result
center_reply(struct center *c, const struct center_message *m, bool all,
    struct draft *d)
{
	const char *why;
	enum ll_result r = draft_init(d);

	(void)c;
	(void)all;
	if (!r)
		r = draft_add_to(d, m->row.from, &why);
	if (!r)
		r = draft_set_subject(d, "Re: it");
	if (!r)
		r = draft_set_body(d, "> quoted\n");
	return r;
}

void
center_upload_path(const struct draft *d, char text[CENTER_UPLOAD_PATH])
{
	(void)d;
	(void)snprintf(text, CENTER_UPLOAD_PATH, "/d/7F3K/");
}

/* --- sending --- */

enum ll_result
center_plan(struct center *c, const struct draft *d, struct center_plan *p)
{
	struct center_planned *r;
	size_t i;

	memset(p, 0, sizeof(*p));
	if (c->lost)
		return LL_BUSY;
	p->rows = calloc(d->to_count, sizeof(*p->rows));
	p->expires_days = 30;
	for (i = 0; p->rows && i < d->to_count; i++) {
		r = &p->rows[p->count++];
		(void)snprintf(r->address, sizeof(r->address), "%s",
		    d->to[i]);
		r->route = strstr(d->to[i], "@house.") ? ROUTE_INTERNAL :
		    strstr(d->to[i], "@held.") ? ROUTE_NONE :
		    ROUTE_PORTAL_MUC;
		r->held = r->route == ROUTE_NONE;
		r->reason = words(r->held ? "no safe way to this address" :
		    "the address is one of this house's own");
		r->trust = words("registered here");
		r->evidence = words("that the person opened it, and when");
		r->warning = words(strstr(d->to[i], "@changed.") ?
		    "the OpenPGP key changed on 2026-11-01" : "");
		r->wanted = draft_wanted(d, d->to[i]);
	}
	p->class = d->class ? d->class : CLASS_NORMAL;
	return LL_OK;
}

enum ll_result
center_plan_look(struct center *c, const struct draft *d, int wait_ms,
    struct center_plan *p)
{
	(void)wait_ms;
	return center_plan(c, d, p);
}

void
center_plan_finish(struct center_plan *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		free(p->rows[i].reason);
		free(p->rows[i].trust);
		free(p->rows[i].evidence);
		free(p->rows[i].warning);
	}
	free(p->rows);
	memset(p, 0, sizeof(*p));
}

static enum ll_result
sent(struct center *c, struct center_sent *s)
{
	struct center_recipient *r;

	memset(s, 0, sizeof(*s));
	if (c->lost)
		return LL_BUSY;
	s->rows = calloc(2, sizeof(*s->rows));
	if (!s->rows)
		return LL_NOMEM;
	s->count = 2;
	r = &s->rows[0];
	(void)snprintf(r->address, 321, "bob@house.example");
	r->route = ROUTE_INTERNAL;
	r->state = STATE_PENDING;
	r->reason = words("");
	r = &s->rows[1];
	(void)snprintf(r->address, 321, "carol@else.example");
	r->route = ROUTE_PORTAL_MUC;
	r->state = c->opened ? STATE_OPENED : STATE_NOTIFIED;
	r->reason = words("");
	r->has_code = !c->opened;
	(void)snprintf(r->code, sizeof(r->code), "7KQ4-9XWT-2MBH");
	muc_phonetic("7KQ49XWT2MBH", r->phonetic, sizeof(r->phonetic));
	(void)snprintf(r->words[0], SITE_WORD_MAX, "amber");
	(void)snprintf(r->words[1], SITE_WORD_MAX, "otter");
	r->events = calloc(1, sizeof(*r->events));
	if (!r->events)
		return LL_NOMEM;
	r->event_count = 1;
	r->events[0].event = EVENT_NOTIFIED;
	r->events[0].time = 1700000000;
	r->events[0].detail = words("250 queued");
	return LL_OK;
}

enum ll_result
center_send(struct center *c, const struct draft *d,
    const struct center_plan *p, struct center_send_options *o,
    struct center_sent *s)
{
	enum ll_result r = sent(c, s);

	(void)d;
	(void)p;
	s->undo_until = (uint64_t)time(NULL) + o->delay_secs;
	return r;
}

void
center_sent_finish(struct center_sent *s)
{
	size_t i, j;

	for (i = 0; i < s->count; i++) {
		free(s->rows[i].reason);
		for (j = 0; j < s->rows[i].event_count; j++)
			free(s->rows[i].events[j].detail);
		free(s->rows[i].events);
	}
	free(s->rows);
	memset(s, 0, sizeof(*s));
}

enum ll_result
center_undo(struct center *c, const struct id *id)
{
	(void)c;
	(void)id;
	return LL_OK;
}

enum ll_result
center_status(struct center *c, const struct id *id, struct center_sent *s)
{
	(void)id;
	return sent(c, s);
}

enum ll_result
center_withdraw(struct center *c, const struct id *id, const char *address,
    const char *reason, struct center_sent *s)
{
	enum ll_result r = sent(c, s);

	(void)id;
	(void)address;
	(void)reason;
	if (!r)
		s->rows[1].state = STATE_WITHDRAWN;
	return r;
}

enum ll_result
center_reissue(struct center *c, const struct id *id, const char *address,
    struct center_send_options *o, struct center_sent *s)
{
	(void)id;
	(void)address;
	(void)o;
	return sent(c, s);
}

const char *
center_state_sentence(enum delivery_state s)
{
	(void)s;
	return "told by mail, not opened yet";
}

const char *
center_route_sentence(enum route r)
{
	return r == ROUTE_INTERNAL ? "logs in here" :
	    "opens the link with the code you tell them";
}
