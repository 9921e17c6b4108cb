#include "store/desk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "keys/clean.h"
#include "store/loop.h"

#define ANSWER_MS 60000         /* a live peer's time to answer */
#define RETRY_MS 100            /* between two tries to get a channel */
#define QUIET_MS 500            /* between tries made on the side */
#define PENDING_MAX 72
#define ASIDE_MAX 64            /* of those, events put aside by desk_await */

struct config_pair {
	char *key, *value;
	struct config_pair *next;
};

struct desk {
	struct chan *agent;
	struct chan *store;
	int poll_fd;
	int patience_ms;
	bool lost, ended, end_told;
	uint64_t tried_ms, active_ms;
	struct desk_self self;
	char *command;
	char *words;
	struct config_pair *config;
	struct desk_event pending[PENDING_MAX];
	size_t pending_count;
};

static void
push_event(struct desk *d, enum desk_event_kind kind)
{
	struct desk_event *e;

	if (d->pending_count == PENDING_MAX)
		return;
	e = &d->pending[d->pending_count++];
	memset(e, 0, sizeof *e);
	e->kind = kind;
}

static void
watch(struct desk *d, const struct chan *c)
{
	struct epoll_event ev = { .events = EPOLLIN };

	/* A descriptor that can't be watched is still read by desk_event. */
	ev.data.fd = chan_fd(c);
	(void)epoll_ctl(d->poll_fd, EPOLL_CTL_ADD, ev.data.fd, &ev);
}

static void
set_words(struct desk *d, const struct msg *reply)
{
	const char *words = reply ? view_text(msg_view(reply), F_WORDS) : "";

	free(d->words);
	d->words = NULL;
	if (*words && clean_text(words, strlen(words), CLEAN_LINE, &d->words))
		d->words = NULL;
}

static void
drop_store(struct desk *d)
{
	if (!d->store)
		return;
	chan_destroy(d->store);
	d->store = NULL;
	if (!d->lost)
		push_event(d, DESK_LOST);
	d->lost = true;
}

static enum ll_result
take_store(struct desk *d, struct msg *reply)
{
	enum ll_result r;
	int fd = msg_take_fd(reply, 0);

	if (fd < 0)
		return LL_BUSY;
	r = chan_create(fd, &d->store);
	if (r)
		return r;
	watch(d, d->store);
	if (d->lost)
		push_event(d, DESK_RESTORED);
	d->lost = false;
	return LL_OK;
}

/* One try to get a new channel to the store from the session. */
static enum ll_result
ask_store_channel(struct desk *d)
{
	struct msg *m, *reply = NULL;
	enum ll_result r;

	d->tried_ms = loop_now_ms();
	r = msg_create(MSG_REQUEST, OP_AGENT_STORE, &m);
	if (r)
		return r;
	r = chan_call(d->agent, m, ANSWER_MS, &reply);
	if (r == LL_OK)
		r = msg_result(reply);
	else if (r != LL_BUSY)
		d->ended = true;
	if (r == LL_OK)
		r = take_store(d, reply);
	msg_destroy(reply);
	return d->ended ? LL_EOF : r;
}

/* Tries until there is a store or the patience ends. */
static enum ll_result
attach(struct desk *d, uint64_t until_ms)
{
	enum ll_result r;

	while (!d->store) {
		r = ask_store_channel(d);
		if (r == LL_EOF || r == LL_NOMEM)
			return r;
		if (d->store)
			break;
		if (loop_now_ms() >= until_ms)
			return LL_BUSY;
		(void)poll(NULL, 0, RETRY_MS);
	}
	return LL_OK;
}

/* A second copy of a request, since a channel takes what it sends. */
static enum ll_result
copy_request(const struct msg *m, struct msg **copy_r)
{
	uint8_t head[MSG_HEAD];
	struct tlv_view v = msg_view(m);

	*copy_r = NULL;
	if (msg_error(m))
		return msg_error(m);
	msg_encode_head(m, head);
	return msg_decode(head, v.data, v.len, copy_r);
}

/* The answer's own result; *reply_r goes on to the caller on LL_OK only. */
static enum ll_result
settle(struct desk *d, struct msg *reply, struct msg **reply_r)
{
	enum ll_result r = msg_result(reply);

	set_words(d, reply);
	if (r == LL_OK && reply_r)
		*reply_r = reply;
	else
		msg_destroy(reply);
	return r;
}

enum ll_result
desk_ask(struct desk *d, struct msg *request, struct msg **reply_r)
{
	uint64_t until = loop_now_ms() + (uint64_t)d->patience_ms;
	struct msg *copy, *reply = NULL;
	enum ll_result r;

	if (reply_r)
		*reply_r = NULL;
	set_words(d, NULL);
	for (;;) {
		r = attach(d, until);
		if (r)
			break;
		r = copy_request(request, &copy);
		if (r)
			break;
		r = chan_call(d->store, copy, ANSWER_MS, &reply);
		if (r == LL_OK) {
			r = settle(d, reply, reply_r);
			break;
		}
		if (r == LL_NOMEM || r == LL_TOOBIG || r == LL_BUSY)
			break;
		drop_store(d);
	}
	msg_destroy(request);
	return r;
}

void
desk_tell(struct desk *d, struct msg *request)
{
	if (!d->store) {
		msg_destroy(request);
		return;
	}
	/* Sequence 0 is no call's, so its answer is dropped on arrival. */
	if (chan_send(d->store, request) == LL_EOF)
		drop_store(d);
}

enum ll_result
desk_ask_agent(struct desk *d, struct msg *request, struct msg **reply_r)
{
	struct msg *reply = NULL;
	enum ll_result r;

	if (reply_r)
		*reply_r = NULL;
	set_words(d, NULL);
	r = chan_call(d->agent, request, ANSWER_MS, &reply);
	if (r == LL_OK) {
		r = settle(d, reply, reply_r);
		if (r == LL_LOCKED)
			d->self.locked = true;
		return r;
	}
	if (r == LL_NOMEM || r == LL_TOOBIG || r == LL_BUSY)
		return r;
	d->ended = true;
	return LL_EOF;
}

enum ll_result
desk_parse(struct desk *d, enum parse_job job,
    const enum parse_format *formats, size_t count, int *fd_r)
{
	struct msg *m, *reply;
	enum ll_result r;
	size_t i;

	*fd_r = -1;
	r = msg_create(MSG_REQUEST, OP_AGENT_PARSE, &m);
	if (r)
		return r;
	msg_put_u64(m, F_STATE, job);
	for (i = 0; i < count; i++)
		msg_put_u64(m, F_FORMAT, formats[i]);
	r = desk_ask_agent(d, m, &reply);
	if (r)
		return r;
	*fd_r = msg_take_fd(reply, 0);
	msg_destroy(reply);
	return *fd_r < 0 ? LL_BUSY : LL_OK;
}

static void
copy_text(char *out, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room)
		len = room - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

static enum ll_result
keep_config(struct desk *d, struct tlv_view v)
{
	struct tlv_view inner;
	struct config_pair *p;
	size_t at = 0;

	while (view_nest(v, F_CONFIG, &at, &inner)) {
		p = calloc(1, sizeof *p);
		if (!p)
			return LL_NOMEM;
		p->next = d->config;
		d->config = p;
		p->key = strdup(view_text(inner, F_CONFIG_KEY));
		p->value = strdup(view_text(inner, F_CONFIG_VALUE));
		if (!p->key || !p->value)
			return LL_NOMEM;
	}
	return LL_OK;
}

static uint64_t
config_number(const struct desk *d, const char *key, uint64_t otherwise)
{
	const char *text = desk_config(d, key);
	char *end;
	unsigned long long n;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno || *end ? otherwise : n;
}

/* A session whose store is away is busy for a while. */
static enum ll_result
say_hello(struct desk *d, struct msg **reply_r)
{
	uint64_t until = loop_now_ms() + (uint64_t)d->patience_ms;
	struct msg *m;
	enum ll_result r;

	for (;;) {
		r = msg_create(MSG_REQUEST, OP_AGENT_HELLO, &m);
		if (r)
			return r;
		r = desk_ask_agent(d, m, reply_r);
		if (r != LL_BUSY || loop_now_ms() >= until)
			return r;
		(void)poll(NULL, 0, RETRY_MS);
	}
}

static enum ll_result
hello(struct desk *d)
{
	struct desk_self *s = &d->self;
	struct msg *reply;
	struct tlv_view v;
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	r = say_hello(d, &reply);
	if (r)
		return r;
	v = msg_view(reply);
	s->mode = (enum worker_mode)view_u64(v, F_STATE);
	copy_text(s->user, sizeof s->user, view_text(v, F_USER));
	copy_text(s->email, sizeof s->email, view_text(v, F_EMAIL));
	copy_text(s->name, sizeof s->name, view_text(v, F_NAME));
	copy_text(s->org, sizeof s->org, view_text(v, F_ORG));
	s->role = (enum user_role)view_u64(v, F_ROLE);
	s->locked = view_u64(v, F_LOCKED) != 0;
	while (s->factor_count < DESK_FACTORS
	    && view_each(v, F_FACTOR, &at, &f))
		copy_text(s->factors[s->factor_count++],
		    sizeof s->factors[0], (const char *)f.data);
	d->command = strdup(view_text(v, F_COMMAND));
	r = d->command ? keep_config(d, v) : LL_NOMEM;
	s->undo_secs = config_number(d, "undo_seconds", 30);
	s->expiry_days = config_number(d, "expiry_days", 30);
	if (r == LL_OK) {
		enum ll_result taken = take_store(d, reply);

		/* Without one: enrolling, or the store is just away. */
		if (taken == LL_NOMEM)
			r = taken;
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
whoami(struct desk *d)
{
	struct desk_self *s = &d->self;
	struct msg *m, *reply;
	struct tlv_view v;
	const uint8_t *pk;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_WHOAMI, &m);
	if (r)
		return r;
	r = desk_ask(d, m, &reply);
	if (r)
		return r;
	v = msg_view(reply);
	if (!view_id(v, F_USER_ID, &s->id))
		r = LL_PROTO;
	s->generation = view_u64(v, F_GENERATION);
	pk = view_hash(v, F_SEAL_PK);
	if (pk)
		memcpy(s->seal_pk, pk, KEY_BYTES);
	pk = view_hash(v, F_SIGN_PK);
	if (pk)
		memcpy(s->sign_pk, pk, KEY_BYTES);
	if (view_has(v, F_EMAIL))
		copy_text(s->email, sizeof s->email, view_text(v, F_EMAIL));
	if (view_has(v, F_NAME))
		copy_text(s->name, sizeof s->name, view_text(v, F_NAME));
	if (view_has(v, F_ORG))
		copy_text(s->org, sizeof s->org, view_text(v, F_ORG));
	s->attachment_max = view_u64(v, F_LIMIT);
	s->quota = view_u64(v, F_QUOTA);
	msg_destroy(reply);
	return r;
}

enum ll_result
desk_open(int fd, struct desk **d_r)
{
	struct desk *d;
	enum ll_result r;

	*d_r = NULL;
	d = calloc(1, sizeof *d);
	if (!d) {
		close(fd);
		return LL_NOMEM;
	}
	d->patience_ms = DESK_PATIENCE_MS;
	d->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = d->poll_fd < 0 ? LL_IO : LL_OK;
	if (r)
		close(fd);
	else
		r = chan_create(fd, &d->agent);
	if (r)
		goto out;
	watch(d, d->agent);
	r = hello(d);
	if (r)
		goto out;
	if (d->self.mode != WORKER_ENROL && d->self.mode != WORKER_ENROL_LINE)
		r = whoami(d);
out:
	if (r) {
		desk_close(d);
		d = NULL;
	}
	*d_r = d;
	return r;
}

void
desk_close(struct desk *d)
{
	struct config_pair *p;

	if (!d)
		return;
	chan_destroy(d->store);
	chan_destroy(d->agent);
	if (d->poll_fd >= 0)
		close(d->poll_fd);
	while (d->config) {
		p = d->config;
		d->config = p->next;
		free(p->key);
		free(p->value);
		free(p);
	}
	free(d->command);
	free(d->words);
	free(d);
}

const struct desk_self *
desk_self(const struct desk *d)
{
	return &d->self;
}

void
desk_patience(struct desk *d, int ms)
{
	d->patience_ms = ms;
}

const char *
desk_command(const struct desk *d)
{
	return d->command ? d->command : "";
}

const char *
desk_config(const struct desk *d, const char *key)
{
	const struct config_pair *p;

	for (p = d->config; p; p = p->next)
		if (strcmp(p->key, key) == 0)
			return p->value;
	return NULL;
}

struct chan *
desk_store(struct desk *d)
{
	return d->store;
}

struct chan *
desk_agent(struct desk *d)
{
	return d->agent;
}

const char *
desk_words(const struct desk *d, enum ll_result r)
{
	return d->words && r ? d->words : ll_result_text(r);
}

enum ll_result
desk_unlock(struct desk *d, const void *passphrase, size_t len)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_AGENT_UNLOCK, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_PASSPHRASE, passphrase, len);
	r = desk_ask_agent(d, m, NULL);
	if (r == LL_OK)
		d->self.locked = false;
	return r;
}

enum ll_result
desk_lock(struct desk *d)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_AGENT_LOCK, &m);
	if (r)
		return r;
	return desk_ask_agent(d, m, NULL);
}

void
desk_active(struct desk *d)
{
	uint64_t now = loop_now_ms();
	struct msg *m;

	if (d->ended || (d->active_ms && now - d->active_ms < 1000))
		return;
	d->active_ms = now;
	if (msg_create(MSG_EVENT, OP_AGENT_ACTIVE, &m))
		return;
	if (chan_send(d->agent, m) == LL_EOF)
		d->ended = true;
}

int
desk_fd(const struct desk *d)
{
	return d->poll_fd;
}

struct event_row {
	enum op op;
	enum desk_event_kind kind;
};

static const struct event_row event_rows[] = {
	{ OP_EVENT_BOX, DESK_BOX },
	{ OP_EVENT_STATUS, DESK_STATUS },
	{ OP_EVENT_ACCOUNT, DESK_ACCOUNT },
	{ OP_EVENT_FOUND, DESK_FOUND },
	{ OP_AGENT_LOCKING, DESK_LOCKING },
	{ OP_STOP, DESK_LOCKING },
};

/* False for a message that is no event of ours (a reply that came late). */
static bool
read_event(const struct msg *m, struct desk_event *e)
{
	struct tlv_view v = msg_view(m);
	size_t i;

	memset(e, 0, sizeof *e);
	for (i = 0; i < sizeof event_rows / sizeof event_rows[0]; i++) {
		if (event_rows[i].op != msg_op(m) || msg_kind(m) == MSG_REPLY)
			continue;
		e->kind = event_rows[i].kind;
		(void)view_id(v, F_MESSAGE_ID, &e->message);
		e->folder = (enum folder)view_u64(v, F_FOLDER);
		e->state = (enum delivery_state)view_u64(v, F_STATE);
		e->event = (enum event)view_u64(v, F_EVENT_KIND);
		e->count = view_u64(v, F_COUNT);
		copy_text(e->address, sizeof e->address,
		    view_text(v, F_ADDRESS));
		return true;
	}
	return false;
}

/* The next event of one channel: LL_OK, LL_AGAIN, else the channel is over. */
static enum ll_result
chan_event(struct chan *c, struct desk_event *e)
{
	struct msg *m;
	enum ll_result r;
	bool found = false;

	while (!found) {
		r = chan_recv(c, &m);
		if (r)
			return r;
		found = read_event(m, e);
		msg_destroy(m);
	}
	return LL_OK;
}

/* An event that a channel has, not one that waits here. */
static enum ll_result
live_event(struct desk *d, struct desk_event *e_r)
{
	enum ll_result r;

	memset(e_r, 0, sizeof *e_r);
	if (!d->ended) {
		r = chan_event(d->agent, e_r);
		if (r == LL_OK)
			return LL_OK;
		d->ended = r != LL_AGAIN;
	}
	if (d->ended) {
		e_r->kind = DESK_END;
		r = d->end_told ? LL_AGAIN : LL_OK;
		d->end_told = true;
		return r;
	}
	if (d->store) {
		r = chan_event(d->store, e_r);
		if (r == LL_OK)
			return LL_OK;
		if (r != LL_AGAIN)
			drop_store(d);
	}
	if (d->lost && loop_now_ms() - d->tried_ms >= QUIET_MS)
		(void)ask_store_channel(d);
	return LL_AGAIN;
}

enum ll_result
desk_event(struct desk *d, struct desk_event *e_r)
{
	if (live_event(d, e_r) == LL_OK)
		return LL_OK;
	if (d->ended || d->pending_count == 0)
		return LL_AGAIN;
	*e_r = d->pending[0];
	memmove(d->pending, d->pending + 1,
	    --d->pending_count * sizeof d->pending[0]);
	return LL_OK;
}

enum ll_result
desk_await(struct desk *d, enum desk_event_kind kind, int ms,
    struct desk_event *e_r)
{
	uint64_t now = loop_now_ms(), until = now + (uint64_t)ms;
	struct pollfd p = { d->poll_fd, POLLIN, 0 };

	for (;;) {
		while (live_event(d, e_r) == LL_OK) {
			if (e_r->kind == kind)
				return LL_OK;
			/* The end is told again by the channel itself. */
			if (e_r->kind == DESK_END)
				d->end_told = false;
			else if (d->pending_count < ASIDE_MAX)
				d->pending[d->pending_count++] = *e_r;
			if (d->ended)
				return LL_AGAIN;
		}
		now = loop_now_ms();
		if (now >= until || d->lost)
			return LL_AGAIN;
		if (poll(&p, 1, (int)(until - now)) < 0 && errno != EINTR)
			return LL_AGAIN;
	}
}
