#include "server/relay_silent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 64
#define HOST_ROOM 256

struct silent {
	pthread_mutex_t lock;
	struct {
		uint64_t until_ms;
		char host[HOST_ROOM];
	} hosts[HOSTS_MAX];
};

enum ll_result
silent_create(struct silent **s_r)
{
	struct silent *s = calloc(1, sizeof(*s));

	*s_r = NULL;
	if (s == NULL)
		return LL_NOMEM;
	if (pthread_mutex_init(&s->lock, NULL) != 0) {
		free(s);
		return LL_NOMEM;
	}
	*s_r = s;
	return LL_OK;
}

void
silent_destroy(struct silent *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void
silent_add(struct silent *s, const char *host, uint64_t now_ms)
{
	size_t i, at = 0, len = strlen(host);

	if (len >= HOST_ROOM)
		return;
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < HOSTS_MAX; i++) {
		if (strcmp(s->hosts[i].host, host) == 0) {
			at = i;
			break;
		}
		if (s->hosts[i].until_ms < s->hosts[at].until_ms)
			at = i;
	}
	memcpy(s->hosts[at].host, host, len + 1);
	s->hosts[at].until_ms = now_ms + SILENT_SECS * 1000;
	pthread_mutex_unlock(&s->lock);
}

bool
silent_is(struct silent *s, const char *host, uint64_t now_ms)
{
	bool is = false;
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < HOSTS_MAX && !is; i++)
		is = s->hosts[i].until_ms > now_ms &&
		    strcmp(s->hosts[i].host, host) == 0;
	pthread_mutex_unlock(&s->lock);
	return is;
}
