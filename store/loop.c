#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "store/loop.h"

#define BATCH 64
#define SIGNALS_MAX 8

/* generation tells a descriptor from an earlier one of the same number, whose
 * event may still stand in the batch being worked on. */
struct watch {
	loop_fd_fn *fn;
	void *arg;
	uint32_t generation;
	short events;
	bool always;             /* a file that epoll refuses: always ready */
};

struct timer {
	struct timer *next;
	uint64_t id, at_ms;
	loop_timer_fn *fn;
	void *arg;
};

struct loop_signal {
	int signo;
	loop_signal_fn *fn;
	void *arg;
};

struct loop {
	int epoll, signals;
	bool stop;
	struct watch *watches;   /* by descriptor */
	size_t watch_count, always_count;
	uint32_t generation;
	struct timer *timers;    /* soonest first */
	uint64_t timer_id;
	struct loop_signal signal[SIGNALS_MAX];
	size_t signal_count;
	sigset_t mask;
	loop_timer_fn *after;
	void *after_arg;
};

uint64_t
loop_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

enum ll_result
loop_create(struct loop **l_r)
{
	struct loop *l;

	*l_r = NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return LL_NOMEM;
	l->signals = -1;
	(void)sigemptyset(&l->mask);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return LL_IO;
	}
	*l_r = l;
	return LL_OK;
}

void
loop_destroy(struct loop *l)
{
	struct timer *t;

	if (l == NULL)
		return;
	while (l->timers != NULL) {
		t = l->timers;
		l->timers = t->next;
		free(t);
	}
	if (l->signals >= 0)
		(void)close(l->signals);
	(void)close(l->epoll);
	free(l->watches);
	free(l);
}

static enum ll_result
watch_room(struct loop *l, int fd)
{
	struct watch *grown;
	size_t count = l->watch_count, i;

	if ((size_t)fd < count)
		return LL_OK;
	count = ((size_t)fd + 64) & ~(size_t)63;
	grown = realloc(l->watches, count * sizeof(*grown));
	if (grown == NULL)
		return LL_NOMEM;
	for (i = l->watch_count; i < count; i++)
		grown[i] = (struct watch){ 0 };
	l->watches = grown;
	l->watch_count = count;
	return LL_OK;
}

enum ll_result
loop_fd(struct loop *l, int fd, short events, loop_fd_fn *fn, void *arg)
{
	struct epoll_event e = { 0 };
	struct watch *w;
	enum ll_result r;
	bool known;

	if (fd < 0 || fn == NULL)
		return LL_USAGE;
	r = watch_room(l, fd);
	if (r != LL_OK)
		return r;
	w = &l->watches[fd];
	known = w->fn != NULL;
	if (!known)
		w->generation = ++l->generation;
	if (!w->always && (!known || w->events != events)) {
		e.events = (uint32_t)(unsigned short)events;
		e.data.u64 = (uint64_t)w->generation << 32 | (uint32_t)fd;
		if (epoll_ctl(l->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		    fd, &e) != 0) {
			if (errno != EPERM)
				return LL_IO;
			w->always = true;
			l->always_count++;
		}
	}
	w->fn = fn;
	w->arg = arg;
	w->events = events;
	return LL_OK;
}

void
loop_fd_remove(struct loop *l, int fd)
{
	struct watch *w;

	if (fd < 0 || (size_t)fd >= l->watch_count)
		return;
	w = &l->watches[fd];
	if (w->fn == NULL)
		return;
	if (w->always)
		l->always_count--;
	else
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
	*w = (struct watch){ 0 };
}

enum ll_result
loop_timer(struct loop *l, uint64_t ms, loop_timer_fn *fn, void *arg,
    uint64_t *id_r)
{
	struct timer *t, **at;

	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return LL_NOMEM;
	t->id = ++l->timer_id;
	t->at_ms = loop_now_ms() + ms;
	t->fn = fn;
	t->arg = arg;
	at = &l->timers;
	while (*at != NULL && (*at)->at_ms <= t->at_ms)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	if (id_r != NULL)
		*id_r = t->id;
	return LL_OK;
}

void
loop_timer_remove(struct loop *l, uint64_t id)
{
	struct timer **at, *t;

	for (at = &l->timers; *at != NULL; at = &(*at)->next) {
		if ((*at)->id != id)
			continue;
		t = *at;
		*at = t->next;
		free(t);
		return;
	}
}

static void
on_signal(void *arg, int fd, short revents)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;
	size_t i;

	(void)revents;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (i = 0; i < l->signal_count; i++)
			if ((uint32_t)l->signal[i].signo == info.ssi_signo)
				l->signal[i].fn(l->signal[i].arg,
				    l->signal[i].signo);
}

enum ll_result
loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg)
{
	int fd;

	if (l->signal_count == SIGNALS_MAX)
		return LL_FULL;
	(void)sigaddset(&l->mask, signo);
	if (sigprocmask(SIG_BLOCK, &l->mask, NULL) != 0)
		return LL_IO;
	fd = signalfd(l->signals, &l->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return LL_IO;
	l->signals = fd;
	l->signal[l->signal_count].signo = signo;
	l->signal[l->signal_count].fn = fn;
	l->signal[l->signal_count].arg = arg;
	l->signal_count++;
	return loop_fd(l, fd, POLLIN, on_signal, l);
}

void
loop_after(struct loop *l, loop_timer_fn *fn, void *arg)
{
	l->after = fn;
	l->after_arg = arg;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

/* Milliseconds until the first timer; -1 when there is none. */
static int
next_timeout(const struct loop *l)
{
	uint64_t now;

	if (l->always_count > 0)
		return 0;
	if (l->timers == NULL)
		return -1;
	now = loop_now_ms();
	if (l->timers->at_ms <= now)
		return 0;
	if (l->timers->at_ms - now > 60000)
		return 60000;
	return (int)(l->timers->at_ms - now);
}

static void
run_timers(struct loop *l)
{
	uint64_t now = loop_now_ms();
	struct timer *t;

	while (l->timers != NULL && l->timers->at_ms <= now) {
		t = l->timers;
		l->timers = t->next;
		t->fn(t->arg);
		free(t);
	}
}

static void
run_event(struct loop *l, const struct epoll_event *e)
{
	uint32_t generation = (uint32_t)(e->data.u64 >> 32);
	int fd = (int)(e->data.u64 & 0xffffffffu);
	const struct watch *w;

	if ((size_t)fd >= l->watch_count)
		return;
	w = &l->watches[fd];
	if (w->fn != NULL && w->generation == generation)
		w->fn(w->arg, fd, (short)e->events);
}

static void
run_always(struct loop *l)
{
	const struct watch *w;
	size_t fd;

	for (fd = 0; l->always_count > 0 && fd < l->watch_count; fd++) {
		w = &l->watches[fd];
		if (w->fn != NULL && w->always)
			w->fn(w->arg, (int)fd, w->events);
	}
}

enum ll_result
loop_run(struct loop *l)
{
	struct epoll_event batch[BATCH];
	int n, i;

	l->stop = false;
	while (!l->stop) {
		n = epoll_wait(l->epoll, batch, BATCH, next_timeout(l));
		if (n < 0 && errno != EINTR)
			return LL_IO;
		for (i = 0; i < n; i++)
			run_event(l, &batch[i]);
		run_always(l);
		run_timers(l);
		if (l->after != NULL)
			l->after(l->after_arg);
	}
	return LL_OK;
}
