#include "server/portal_conn.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "store/loop.h"

struct conn {
	int fd;                    /* -1: free */
	uint64_t until_ms;
};

struct conns {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_t thread;
	bool stop;
	void (*on_second)(void *arg);
	void *arg;
	struct conn conn[CONNS_MAX];
};

static void
cut_off(struct conns *c)
{
	uint64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < CONNS_MAX; i++)
		if (c->conn[i].fd >= 0 && c->conn[i].until_ms < now)
			(void)shutdown(c->conn[i].fd, SHUT_RDWR);
}

static void *
watch(void *arg)
{
	struct conns *c = arg;
	struct timespec next;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		cut_off(c);
		pthread_mutex_unlock(&c->lock);
		c->on_second(c->arg);
		pthread_mutex_lock(&c->lock);
		clock_gettime(CLOCK_MONOTONIC, &next);
		next.tv_sec++;
		if (!c->stop)
			pthread_cond_timedwait(&c->ended, &c->lock, &next);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

enum ll_result
conns_create(void (*on_second)(void *arg), void *arg, struct conns **c_r)
{
	pthread_condattr_t attr;
	struct conns *c;
	size_t i;

	*c_r = NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return LL_NOMEM;
	for (i = 0; i < CONNS_MAX; i++)
		c->conn[i].fd = -1;
	c->on_second = on_second;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->ended, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&c->thread, NULL, watch, c) != 0) {
		free(c);
		return LL_NOMEM;
	}
	*c_r = c;
	return LL_OK;
}

void
conns_destroy(struct conns *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct conn *
conn_begin(struct conns *c, int fd)
{
	struct conn *one = NULL;
	size_t i;

	pthread_mutex_lock(&c->lock);
	for (i = 0; i < CONNS_MAX && one == NULL; i++)
		if (c->conn[i].fd < 0)
			one = &c->conn[i];
	if (one != NULL) {
		one->fd = fd;
		one->until_ms = loop_now_ms() + CONN_HEAD_MS;
	}
	pthread_mutex_unlock(&c->lock);
	return one;
}

void
conn_end(struct conns *c, struct conn *one)
{
	if (one == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	one->fd = -1;
	pthread_mutex_unlock(&c->lock);
}

void
conn_allow(struct conns *c, struct conn *one, uint64_t ms)
{
	if (one == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	one->until_ms = loop_now_ms() + ms;
	pthread_mutex_unlock(&c->lock);
}
