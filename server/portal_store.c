#include "server/portal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/chan.h"

/* One request on its way; lives on its thread's stack. */
struct waiter {
	struct waiter *next;
	struct msg *request;       /* kept for sending again */
	struct msg *reply;
	pthread_cond_t wake;
};

struct portal_store {
	pthread_mutex_t lock;
	struct chan *chan;         /* NULL while there is none */
	struct waiter *first;
	uint32_t sequence;
	int wake[2];               /* tells the polling thread of output */
	bool stopped;
};

enum ll_result
portal_store_create(struct portal_store **s_r)
{
	struct portal_store *s;

	*s_r = NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return LL_NOMEM;
	if (pipe2(s->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
		free(s);
		return LL_IO;
	}
	pthread_mutex_init(&s->lock, NULL);
	*s_r = s;
	return LL_OK;
}

void
portal_store_destroy(struct portal_store *s)
{
	if (s == NULL)
		return;
	chan_destroy(s->chan);
	close(s->wake[0]);
	close(s->wake[1]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct msg *
copy_of(const struct msg *m)
{
	struct tlv_view body = msg_view(m);
	uint8_t head[MSG_HEAD];
	struct msg *copy = NULL;

	msg_encode_head(m, head);
	if (msg_decode(head, body.data, body.len, &copy) != LL_OK)
		return NULL;
	return copy;
}

static void
poke(struct portal_store *s)
{
	/* A full pipe wakes just as well. */
	if (write(s->wake[1], "", 1) < 0 && errno != EAGAIN)
		s->stopped = true;
}

static void
drop_chan(struct portal_store *s)
{
	chan_destroy(s->chan);
	s->chan = NULL;
}

static void
send_copy(struct portal_store *s, const struct waiter *w)
{
	struct msg *m = copy_of(w->request);

	if (m == NULL)
		return;
	if (chan_send(s->chan, m) != LL_OK)
		drop_chan(s);
}

void
portal_store_attach(struct portal_store *s, int fd)
{
	struct waiter *w;

	pthread_mutex_lock(&s->lock);
	drop_chan(s);
	if (chan_create(fd, &s->chan) != LL_OK)
		s->chan = NULL;
	for (w = s->first; w != NULL && s->chan != NULL; w = w->next)
		if (w->reply == NULL)
			send_copy(s, w);
	pthread_mutex_unlock(&s->lock);
}

void
portal_store_poll(struct portal_store *s, struct pollfd p[2])
{
	pthread_mutex_lock(&s->lock);
	p[0].fd = s->wake[0];
	p[0].events = POLLIN;
	p[1].fd = s->chan != NULL ? chan_fd(s->chan) : -1;
	p[1].events = POLLIN;
	if (s->chan != NULL && chan_pending(s->chan))
		p[1].events |= POLLOUT;
	pthread_mutex_unlock(&s->lock);
}

static void
give(struct portal_store *s, struct msg *m)
{
	struct waiter *w;

	for (w = s->first; w != NULL; w = w->next) {
		if (w->reply != NULL || msg_kind(m) != MSG_REPLY ||
		    msg_sequence(m) != msg_sequence(w->request))
			continue;
		w->reply = m;
		pthread_cond_signal(&w->wake);
		return;
	}
	msg_destroy(m);
}

void
portal_store_pump(struct portal_store *s)
{
	char drain[64];
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	while (read(s->wake[0], drain, sizeof(drain)) > 0)
		continue;
	pthread_mutex_lock(&s->lock);
	if (s->chan != NULL && chan_pending(s->chan))
		r = chan_flush(s->chan);
	if (r == LL_AGAIN)
		r = LL_OK;
	while (s->chan != NULL && r == LL_OK) {
		r = chan_recv(s->chan, &m);
		if (r == LL_OK)
			give(s, m);
	}
	if (s->chan != NULL && r != LL_AGAIN)
		drop_chan(s);
	pthread_mutex_unlock(&s->lock);
}

static void
unlink_waiter(struct portal_store *s, struct waiter *w)
{
	struct waiter **at;

	for (at = &s->first; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}

static void
await(struct portal_store *s, struct waiter *w)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PORTAL_STORE_MS / 1000;
	while (w->reply == NULL && !s->stopped)
		if (pthread_cond_timedwait(&w->wake, &s->lock, &until) != 0)
			return;
}

enum ll_result
portal_store_ask(struct portal_store *s, struct msg *request,
    struct msg **reply_r)
{
	struct waiter w = { NULL, request, NULL, PTHREAD_COND_INITIALIZER };
	pthread_condattr_t attr;
	enum ll_result r = msg_error(request);

	if (reply_r != NULL)
		*reply_r = NULL;
	if (r != LL_OK) {
		msg_destroy(request);
		return r;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w.wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_lock(&s->lock);
	msg_set_sequence(request, ++s->sequence);
	w.next = s->first;
	s->first = &w;
	if (s->chan != NULL)
		send_copy(s, &w);
	if (s->chan == NULL || chan_pending(s->chan))
		poke(s);
	await(s, &w);
	unlink_waiter(s, &w);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&w.wake);
	msg_destroy(request);
	r = w.reply == NULL ? LL_BUSY : msg_result(w.reply);
	if (r == LL_OK && reply_r != NULL)
		*reply_r = w.reply;
	else
		msg_destroy(w.reply);
	return r;
}

void
portal_store_stop(struct portal_store *s)
{
	struct waiter *w;

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	for (w = s->first; w != NULL; w = w->next)
		pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&s->lock);
}
