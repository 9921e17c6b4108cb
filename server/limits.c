#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "server/limits.h"

#define BUCKETS 1024
#define PENALTY_MIN_MS 15000     /* enforced from here on */
#define PENALTY_MAX_MS 600000

struct source {
	struct source *next;
	struct net_addr addr;
	unsigned startups;
	uint64_t until_ms;       /* sum of penalties, as a point in time */
	bool active;             /* reached the minimum; until it is over */
};

struct limits {
	unsigned start, rate, full;
	unsigned per_source, sessions_max, accept_rate;
	struct net_list exempt;
	unsigned sessions, startups;
	uint64_t tokens;      /* accepts saved up, in thousandths */
	uint64_t last_ms;
	unsigned count;
	struct source *buckets[BUCKETS];
	uint8_t key[crypto_shorthash_KEYBYTES];
};

static const uint64_t fault_ms[FAULT_COUNT] = {
	[FAULT_CRASH] = 90000, [FAULT_AUTH] = 5000, [FAULT_GRACE] = 10000,
	[FAULT_NO_AUTH] = 1000, [FAULT_VIOLATION] = 30000
};

static const char *const verdict_texts[] = {
	[LIMITS_TAKE] = "taken",
	[LIMITS_STARTUPS] = "too many connections are logging in",
	[LIMITS_SOURCE] = "too many connections from there are logging in",
	[LIMITS_PENALTY] = "under penalty",
	[LIMITS_SESSIONS] = "too many connections"
};

const char *
limits_verdict_text(enum limits_verdict v)
{
	return verdict_texts[v];
}

void
limits_configure(struct limits *l, const struct config *c)
{
	config_startups(c, &l->start, &l->rate, &l->full);
	l->per_source = (unsigned)config_number(c, CONFIG_source_startups);
	l->sessions_max = (unsigned)config_number(c, CONFIG_max_sessions);
	l->accept_rate = (unsigned)config_number(c, CONFIG_accept_rate);
	if (net_list_parse(config_text(c, CONFIG_source_exempt),
	    &l->exempt) != LL_OK)
		l->exempt.count = 0;
}

enum ll_result
limits_create(const struct config *c, struct limits **l_r)
{
	struct limits *l = calloc(1, sizeof(*l));

	*l_r = l;
	if (l == NULL)
		return LL_NOMEM;
	crypto_shorthash_keygen(l->key);
	limits_configure(l, c);
	l->tokens = 1000u * l->accept_rate;
	return LL_OK;
}

void
limits_destroy(struct limits *l)
{
	struct source *s;
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < BUCKETS; i++)
		while ((s = l->buckets[i]) != NULL) {
			l->buckets[i] = s->next;
			free(s);
		}
	free(l);
}

/* Keyed, so that nobody can choose addresses that all meet in one bucket. */
static struct source **
bucket_of(struct limits *l, const struct net_addr *source)
{
	uint8_t hash[crypto_shorthash_BYTES];

	(void)crypto_shorthash(hash, source->b, sizeof(source->b), l->key);
	return &l->buckets[(hash[0] | (unsigned)hash[1] << 8) % BUCKETS];
}

static struct source *
find(struct limits *l, const struct net_addr *a)
{
	struct net_addr source;
	struct source *s;

	net_source(a, &source);
	for (s = *bucket_of(l, &source); s != NULL; s = s->next)
		if (memcmp(&s->addr, &source, sizeof(source)) == 0)
			return s;
	return NULL;
}

static void
forget_one(struct limits *l, struct source **at)
{
	struct source *s = *at;

	*at = s->next;
	free(s);
	l->count--;
}

/* Frees what says nothing any more; when all say something, the penalty that
 * would end first. */
static void
make_room(struct limits *l, uint64_t now_ms)
{
	struct source **at, **first = NULL;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		for (at = &l->buckets[i]; *at != NULL;)
			if ((*at)->startups == 0 && (*at)->until_ms <= now_ms)
				forget_one(l, at);
			else
				at = &(*at)->next;
	if (l->count < LIMITS_SOURCES)
		return;
	for (i = 0; i < BUCKETS; i++)
		for (at = &l->buckets[i]; *at != NULL; at = &(*at)->next)
			if ((*at)->startups == 0 && (first == NULL ||
			    (*at)->until_ms < (*first)->until_ms))
				first = at;
	if (first != NULL)
		forget_one(l, first);
}

/* NULL when memory or room is refused: then the source is not held to its
 * limits, as OpenSSH's overflow mode "permissive". */
static struct source *
find_or_add(struct limits *l, const struct net_addr *a, uint64_t now_ms)
{
	struct source *s = find(l, a), **bucket;

	if (s != NULL)
		return s;
	if (l->count >= LIMITS_SOURCES)
		make_room(l, now_ms);
	if (l->count >= LIMITS_SOURCES)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	net_source(a, &s->addr);
	bucket = bucket_of(l, &s->addr);
	s->next = *bucket;
	*bucket = s;
	l->count++;
	return s;
}

uint64_t
limits_wait(struct limits *l, uint64_t now_ms)
{
	uint64_t passed = l->last_ms == 0 ? 0 : now_ms - l->last_ms;

	l->last_ms = now_ms;
	if (passed > 1000)
		passed = 1000;
	/* one connection costs 1000 units; each ms brings accept_rate */
	l->tokens += passed * l->accept_rate;
	if (l->tokens > 1000u * l->accept_rate)
		l->tokens = 1000u * l->accept_rate;
	if (l->tokens >= 1000u) {
		l->tokens -= 1000u;
		return 0;
	}
	return (1000u - l->tokens) / l->accept_rate + 1;
}

/* As sshd: from start on with rate percent, linearly up to all at full. */
static bool
drop_startup(const struct limits *l)
{
	uint64_t percent;

	if (l->startups < l->start)
		return false;
	if (l->startups >= l->full)
		return true;
	percent = l->rate + (100u - l->rate) *
	    (uint64_t)(l->startups - l->start) / (l->full - l->start);
	return randombytes_uniform(100) < percent;
}

static bool
is_penalised(struct source *s, uint64_t now_ms)
{
	if (s->until_ms <= now_ms)
		s->active = false;
	return s->active;
}

enum limits_verdict
limits_accept(struct limits *l, const struct net_addr *a, uint64_t now_ms)
{
	bool exempt = net_list_has(&l->exempt, a);
	struct source *s;

	if (l->sessions >= l->sessions_max)
		return LIMITS_SESSIONS;
	s = exempt ? NULL : find_or_add(l, a, now_ms);
	if (s != NULL && is_penalised(s, now_ms))
		return LIMITS_PENALTY;
	if (s != NULL && s->startups >= l->per_source)
		return LIMITS_SOURCE;
	if (drop_startup(l))
		return LIMITS_STARTUPS;
	if (s != NULL)
		s->startups++;
	l->startups++;
	l->sessions++;
	return LIMITS_TAKE;
}

void
limits_authenticated(struct limits *l, const struct net_addr *a)
{
	struct source *s = find(l, a);

	if (s != NULL && s->startups > 0)
		s->startups--;
	if (l->startups > 0)
		l->startups--;
}

void
limits_gone(struct limits *l, const struct net_addr *a, bool authenticated)
{
	if (!authenticated)
		limits_authenticated(l, a);
	if (l->sessions > 0)
		l->sessions--;
}

bool
limits_fault(struct limits *l, const struct net_addr *a, enum limits_fault f,
    uint64_t now_ms)
{
	struct source *s;
	bool was;

	if (net_list_has(&l->exempt, a))
		return false;
	s = find_or_add(l, a, now_ms);
	if (s == NULL)
		return false;
	was = is_penalised(s, now_ms);
	if (s->until_ms < now_ms)
		s->until_ms = now_ms;
	s->until_ms += fault_ms[f];
	if (s->until_ms > now_ms + PENALTY_MAX_MS)
		s->until_ms = now_ms + PENALTY_MAX_MS;
	if (s->until_ms >= now_ms + PENALTY_MIN_MS)
		s->active = true;
	return s->active && !was;
}

void
limits_counts(const struct limits *l, uint64_t now_ms, unsigned *sessions_r,
    unsigned *startups_r, unsigned *penalties_r)
{
	const struct source *s;
	size_t i;

	*sessions_r = l->sessions;
	*startups_r = l->startups;
	*penalties_r = 0;
	for (i = 0; i < BUCKETS; i++)
		for (s = l->buckets[i]; s != NULL; s = s->next)
			if (s->active && s->until_ms > now_ms)
				(*penalties_r)++;
}
