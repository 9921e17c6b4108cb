#include "server/portal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
/* One request on its way; lives on its thread's stack.  Who posts `done` has
 * taken it off the list before and touches it no more. */
struct waiter {
	struct waiter *next;
	struct msg *request;       /* kept for sending again */
	struct msg *_Atomic reply;
	sem_t done;
};

struct portal_store {
	pthread_mutex_t lock;
	struct chan *chan;         /* NULL while there is none */
	struct waiter *first;
	uint32_t sequence;
	portal_event_fn *event;    /* NULL: what is no reply is dropped */
	void *event_arg;
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

static void
send_again(struct portal_store *s)
{
	struct waiter *w;

	for (w = s->first; w != NULL && s->chan != NULL; w = w->next)
		send_copy(s, w);
}

void
portal_store_attach(struct portal_store *s, int fd)
{
	pthread_mutex_lock(&s->lock);
	drop_chan(s);
	if (chan_create(fd, &s->chan) != LL_OK)
		s->chan = NULL;
	send_again(s);
	pthread_mutex_unlock(&s->lock);
}

void
portal_store_serve(struct portal_store *s, struct chan *c,
    portal_event_fn *fn, void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->chan = c;
	s->event = fn;
	s->event_arg = arg;
	send_again(s);
	pthread_mutex_unlock(&s->lock);
}

bool
portal_store_alive(struct portal_store *s)
{
	bool alive;

	pthread_mutex_lock(&s->lock);
	alive = s->chan != NULL;
	pthread_mutex_unlock(&s->lock);
	return alive;
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
	struct waiter **at, *w;

	for (at = &s->first; *at != NULL; at = &(*at)->next) {
		w = *at;
		if (msg_kind(m) != MSG_REPLY ||
		    msg_sequence(m) != msg_sequence(w->request))
			continue;
		*at = w->next;
		w->reply = m;
		sem_post(&w->done);
		return;
	}
	if (msg_kind(m) != MSG_REPLY && s->event != NULL)
		s->event(s->event_arg, m);
	msg_destroy(m);
}

void
portal_store_pump(struct portal_store *s, const struct pollfd p[2])
{
	char drain[64];
	struct msg *m = NULL;
	enum ll_result r = LL_OK;

	while (p[0].revents != 0 && read(s->wake[0], drain,
	    sizeof(drain)) == sizeof(drain))
		continue;
	if (p[1].revents == 0)
		return;
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
	int failed;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PORTAL_STORE_MS / 1000;
	do
		failed = sem_clockwait(&w->done, CLOCK_MONOTONIC, &until);
	while (failed != 0 && errno == EINTR);
	if (failed == 0)
		return;
	pthread_mutex_lock(&s->lock);
	unlink_waiter(s, w);
	pthread_mutex_unlock(&s->lock);
}

static bool
join(struct portal_store *s, struct waiter *w)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	open = !s->stopped;
	if (open) {
		msg_set_sequence(w->request, ++s->sequence);
		w->next = s->first;
		s->first = w;
		if (s->chan != NULL)
			send_copy(s, w);
		if (s->chan == NULL || chan_pending(s->chan))
			poke(s);
	}
	pthread_mutex_unlock(&s->lock);
	return open;
}

enum ll_result
portal_store_ask(struct portal_store *s, struct msg *request,
    struct msg **reply_r)
{
	struct waiter w = { .request = request };
	struct msg *reply;
	enum ll_result r = msg_error(request);

	if (reply_r != NULL)
		*reply_r = NULL;
	if (r != LL_OK) {
		msg_destroy(request);
		return r;
	}
	sem_init(&w.done, 0, 0);
	if (join(s, &w))
		await(s, &w);
	reply = w.reply;
	sem_destroy(&w.done);
	msg_destroy(request);
	r = reply == NULL ? LL_BUSY : msg_result(reply);
	if (r == LL_OK && reply_r != NULL)
		*reply_r = reply;
	else
		msg_destroy(reply);
	return r;
}

void
portal_store_stop(struct portal_store *s)
{
	struct waiter *w;

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	while (s->first != NULL) {
		w = s->first;
		s->first = w->next;
		sem_post(&w->done);
	}
	pthread_mutex_unlock(&s->lock);
}
