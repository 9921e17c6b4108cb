#include "server/relay_store.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
	struct waiting *next;
	uint32_t sequence;
	store_reply_fn *done;
	void *arg;
};

struct relay_store {
	struct loop *loop;
	struct store_user user;
	struct chan *chan;
	uint32_t sequence;
	struct waiting *first, **end;
	bool broken;               /* found out while sending */
};

enum ll_result
store_create(struct loop *loop, const struct store_user *user,
    struct relay_store **s_r)
{
	struct relay_store *s;

	*s_r = NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return LL_NOMEM;
	s->loop = loop;
	s->user = *user;
	s->end = &s->first;
	*s_r = s;
	return LL_OK;
}

static void
drop_channel(struct relay_store *s)
{
	if (s->chan == NULL)
		return;
	loop_fd_remove(s->loop, chan_fd(s->chan));
	chan_destroy(s->chan);
	s->chan = NULL;
}

void
store_destroy(struct relay_store *s)
{
	struct waiting *w, *next;

	if (s == NULL)
		return;
	drop_channel(s);
	for (w = s->first; w != NULL; w = next) {
		next = w->next;
		free(w);
	}
	free(s);
}

/* Whoever waits is told; they may ask again only of the next channel. */
static void
lose(struct relay_store *s)
{
	struct waiting *w = s->first, *next;

	drop_channel(s);
	s->broken = false;
	s->first = NULL;
	s->end = &s->first;
	for (; w != NULL; w = next) {
		next = w->next;
		if (w->done != NULL)
			w->done(w->arg, LL_EOF, NULL);
		free(w);
	}
}

static void
answer(struct relay_store *s, struct msg **m)
{
	struct waiting **at = &s->first, *w;

	while (*at != NULL && (*at)->sequence != msg_sequence(*m))
		at = &(*at)->next;
	w = *at;
	if (w == NULL)
		return;
	*at = w->next;
	if (s->end == &w->next)
		s->end = at;
	if (w->done != NULL)
		w->done(w->arg, msg_result(*m), m);
	free(w);
}

static void
watch(struct relay_store *s);

static void
happened(void *arg, int fd, short revents)
{
	struct relay_store *s = arg;
	struct chan *c = s->chan;
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	(void)fd;
	if ((revents & POLLOUT) != 0 && chan_flush(c) != LL_OK)
		s->broken = true;
	while (s->chan == c && (r = chan_recv(c, &m)) == LL_OK) {
		if (msg_kind(m) == MSG_REPLY)
			answer(s, &m);
		else if (msg_kind(m) == MSG_EVENT)
			s->user.event(s->user.arg, msg_op(m));
		msg_destroy(m);
	}
	if (s->chan != c)
		return;
	if (r != LL_AGAIN || s->broken)
		lose(s);
	else
		watch(s);
}

static void
watch(struct relay_store *s)
{
	short events = POLLIN;

	if (chan_pending(s->chan))
		events |= POLLOUT;
	if (loop_fd(s->loop, chan_fd(s->chan), events, happened, s) != LL_OK)
		s->broken = true;
}

enum ll_result
store_attach(struct relay_store *s, int fd)
{
	enum ll_result r;

	lose(s);
	r = chan_create(fd, &s->chan);
	if (r != LL_OK)
		return r;
	watch(s);
	s->user.attached(s->user.arg);
	return LL_OK;
}

bool
store_is_there(const struct relay_store *s)
{
	return s->chan != NULL && !s->broken;
}

enum ll_result
store_ask(struct relay_store *s, struct msg *request, store_reply_fn *done,
    void *arg)
{
	struct waiting *w = NULL;

	if (store_is_there(s))
		w = calloc(1, sizeof(*w));
	if (w == NULL) {
		msg_destroy(request);
		return store_is_there(s) ? LL_NOMEM : LL_EOF;
	}
	if (++s->sequence == 0)
		s->sequence++;
	w->sequence = s->sequence;
	w->done = done;
	w->arg = arg;
	msg_set_sequence(request, w->sequence);
	/* a failure shows as the channel's end, once we are in the loop */
	if (chan_send(s->chan, request) != LL_OK)
		s->broken = true;
	*s->end = w;
	s->end = &w->next;
	watch(s);
	return LL_OK;
}
