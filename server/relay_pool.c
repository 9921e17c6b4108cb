#include "server/relay_pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES (1024 * 1024)

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct pool_job *first, **end;       /* to be done */
	struct pool_job *ended, **ended_end;
	int bell;                            /* rings when one has ended */
};

static struct pool_job *
take(struct pool *p)
{
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	while (p->first == NULL)
		pthread_cond_wait(&p->wake, &p->lock);
	job = p->first;
	p->first = job->next;
	if (p->first == NULL)
		p->end = &p->first;
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *
serve(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;
	uint64_t one = 1;

	for (;;) {
		job = take(p);
		job->work(job);
		pthread_mutex_lock(&p->lock);
		job->next = NULL;
		*p->ended_end = job;
		p->ended_end = &job->next;
		pthread_mutex_unlock(&p->lock);
		while (write(p->bell, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	return NULL;
}

static void
collect(void *arg, int fd, short revents)
{
	struct pool *p = arg;
	struct pool_job *job, *next;
	uint64_t count;

	(void)revents;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&p->lock);
	job = p->ended;
	p->ended = NULL;
	p->ended_end = &p->ended;
	pthread_mutex_unlock(&p->lock);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

enum ll_result
pool_create(struct loop *loop, unsigned threads, struct pool **p_r)
{
	struct pool *p;
	pthread_attr_t attr;
	pthread_t id;
	unsigned i;

	*p_r = NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return LL_NOMEM;
	p->end = &p->first;
	p->ended_end = &p->ended;
	p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->bell < 0 || pthread_mutex_init(&p->lock, NULL) != 0 ||
	    pthread_cond_init(&p->wake, NULL) != 0 ||
	    pthread_attr_init(&attr) != 0 ||
	    loop_fd(loop, p->bell, POLLIN, collect, p) != LL_OK) {
		if (p->bell >= 0)
			close(p->bell);
		free(p);
		return LL_IO;
	}
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (i = 0; i < threads; i++)
		if (pthread_create(&id, &attr, serve, p) != 0 && i == 0)
			return LL_IO;
	pthread_attr_destroy(&attr);
	*p_r = p;
	return LL_OK;
}

void
pool_submit(struct pool *p, struct pool_job *job)
{
	pthread_mutex_lock(&p->lock);
	job->next = NULL;
	*p->end = job;
	p->end = &job->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}
