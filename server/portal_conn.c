#include "server/portal_conn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/portal_path.h"
#include "store/loop.h"

#define HURRY_MS 500               /* nobody makes room before that */

/* fd and address are held by the lock; the rest each thread sets alone, many
 * times in a request, and the watcher only looks. */
struct conn {
	int fd;                    /* -1: free */
	_Atomic uint64_t until_ms;
	_Atomic uint64_t since_ms; /* waits for its client since then */
	atomic_bool shielded;
	char address[ORIGIN_MAX];
};

struct conns {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_t thread;
	bool stop;
	void (*on_second)(void *arg);
	void *arg;
	size_t per_address;
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

/* Of all, or of one address: how many, and who waits longest. */
static size_t
count(struct conns *c, const char *address, struct conn **longest_r)
{
	struct conn *one;
	size_t i, n = 0;

	*longest_r = NULL;
	for (i = 0; i < CONNS_MAX; i++) {
		one = &c->conn[i];
		if (one->fd < 0 || (address != NULL &&
		    strcmp(one->address, address) != 0))
			continue;
		n++;
		if (!one->shielded && (*longest_r == NULL ||
		    one->since_ms < (*longest_r)->since_ms))
			*longest_r = one;
	}
	return n;
}

/* Ends the one that waits longest when there are `most` of them; false when
 * there are fewer, or nobody waits long enough. */
static bool
make_room(struct conns *c, const char *address, size_t most)
{
	struct conn *longest;

	if (count(c, address, &longest) < most || longest == NULL ||
	    loop_now_ms() - longest->since_ms < HURRY_MS)
		return false;
	(void)shutdown(longest->fd, SHUT_RDWR);
	longest->shielded = true;
	return true;
}

static void *
watch(void *arg)
{
	struct conns *c = arg;
	struct timespec next;
	size_t i;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		cut_off(c);
		/* A crowd that came at once is thinned out here. */
		for (i = 0; i < CONNS_MAX - CONNS_CROWD && make_room(c, NULL,
		    CONNS_CROWD); i++)
			continue;
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
conns_create(void (*on_second)(void *arg), void *arg, size_t per_address,
    struct conns **c_r)
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
	c->per_address = per_address;
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
conn_begin(struct conns *c, int fd, const struct sockaddr *peer)
{
	static const struct proxy_list nobody;
	char address[ORIGIN_MAX];
	struct conn *one = NULL;
	size_t i;

	path_origin(peer, NULL, &nobody, address);
	pthread_mutex_lock(&c->lock);
	if (!make_room(c, address, c->per_address))
		(void)make_room(c, NULL, CONNS_CROWD);
	for (i = 0; i < CONNS_MAX && one == NULL; i++)
		if (c->conn[i].fd < 0)
			one = &c->conn[i];
	if (one != NULL) {
		one->fd = fd;
		one->since_ms = loop_now_ms();
		one->until_ms = one->since_ms + CONN_HEAD_MS;
		one->shielded = false;
		memcpy(one->address, address, sizeof(address));
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
conn_allow(struct conn *one, uint64_t ms)
{
	if (one != NULL)
		one->until_ms = loop_now_ms() + ms;
}

void
conn_shield(struct conn *one, bool on)
{
	if (one == NULL)
		return;
	one->shielded = on;
	one->since_ms = loop_now_ms();
}
