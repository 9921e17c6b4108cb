#include "server/portal_session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "keys/seal.h"

struct entry {
	bool used;
	uint8_t cookie[HASH_BYTES];      /* its hash */
	struct id delivery, message;
	uint8_t token[HASH_BYTES];
	uint8_t wrap[SEAL_WRAP_BYTES];
	uint64_t begun_ms, seen_ms;
};

struct sessions {
	pthread_mutex_t lock;
	struct entry entry[SESSIONS_MAX];
};

void
opened_finish(struct opened *o)
{
	secret_finish(&o->key);
	sodium_memzero(o->token, sizeof(o->token));
}

enum ll_result
sessions_create(struct sessions **s_r)
{
	*s_r = calloc(1, sizeof(**s_r));
	if (*s_r == NULL)
		return LL_NOMEM;
	pthread_mutex_init(&(*s_r)->lock, NULL);
	return LL_OK;
}

void
sessions_destroy(struct sessions *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

static bool
is_over(const struct entry *e, uint64_t now_ms)
{
	return now_ms - e->seen_ms > SESSION_IDLE_MS ||
	    now_ms - e->begun_ms > SESSION_TOTAL_MS;
}

static enum ll_result
hash_of(const uint8_t cookie[COOKIE_BYTES], uint8_t hash[HASH_BYTES])
{
	return derive_bytes(LABEL_TOKEN, NULL, 0, cookie, COOKIE_BYTES, hash);
}

static struct seal_context
context(const struct id *message, const struct id *delivery)
{
	struct seal_context ctx;

	memset(&ctx, 0, sizeof(ctx));
	ctx.type = SEAL_COOKIE;
	ctx.owner = *message;
	ctx.object = *delivery;
	return ctx;
}

static struct entry *
find(struct sessions *s, const uint8_t hash[HASH_BYTES],
    const struct id *delivery)
{
	size_t i;

	for (i = 0; i < SESSIONS_MAX; i++)
		if (s->entry[i].used &&
		    sodium_memcmp(s->entry[i].cookie, hash, HASH_BYTES) == 0 &&
		    (delivery == NULL ||
		    id_equal(&s->entry[i].delivery, delivery)))
			return &s->entry[i];
	return NULL;
}

/* A free entry, or the one that was not used for the longest time: of this
 * link's, when it has its share, so that who opens one message over and over
 * closes nobody else's. */
static struct entry *
room(struct sessions *s, const struct id *delivery)
{
	struct entry *spare = NULL, *oldest = NULL, *mine = NULL, *e;
	size_t i, n = 0;

	for (i = 0; i < SESSIONS_MAX; i++) {
		e = &s->entry[i];
		if (!e->used) {
			spare = spare != NULL ? spare : e;
			continue;
		}
		if (oldest == NULL || e->seen_ms < oldest->seen_ms)
			oldest = e;
		if (!id_equal(&e->delivery, delivery))
			continue;
		n++;
		if (mine == NULL || e->seen_ms < mine->seen_ms)
			mine = e;
	}
	if (n >= SESSIONS_LINK_MAX)
		return mine;
	return spare != NULL ? spare : oldest;
}

enum ll_result
session_put(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    const struct opened *o, uint64_t now_ms)
{
	struct seal_context ctx = context(&o->message, &o->delivery);
	struct entry fresh, *e;
	uint8_t kek[KEY_BYTES];
	enum ll_result r;

	memset(&fresh, 0, sizeof(fresh));
	fresh.used = true;
	fresh.delivery = o->delivery;
	fresh.message = o->message;
	fresh.begun_ms = fresh.seen_ms = now_ms;
	memcpy(fresh.token, o->token, sizeof(fresh.token));
	r = hash_of(cookie, fresh.cookie);
	if (r == LL_OK)
		r = derive_bytes(LABEL_COOKIE, cookie, COOKIE_BYTES,
		    &o->delivery, sizeof(o->delivery), kek);
	if (r == LL_OK)
		r = seal_wrap_key(kek, &ctx, o->key.data, fresh.wrap);
	sodium_memzero(kek, sizeof(kek));
	if (r != LL_OK)
		return r;
	pthread_mutex_lock(&s->lock);
	e = find(s, fresh.cookie, &o->delivery);
	if (e == NULL)
		e = room(s, &o->delivery);
	*e = fresh;
	pthread_mutex_unlock(&s->lock);
	return LL_OK;
}

enum ll_result
session_get(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    const struct id *delivery, uint64_t now_ms, struct opened *o_r)
{
	uint8_t hash[HASH_BYTES], kek[KEY_BYTES];
	struct seal_context ctx;
	struct entry copy, *e;
	enum ll_result r;

	memset(o_r, 0, sizeof(*o_r));
	r = hash_of(cookie, hash);
	if (r != LL_OK)
		return r;
	pthread_mutex_lock(&s->lock);
	e = find(s, hash, delivery);
	if (e != NULL && is_over(e, now_ms))
		e = NULL;
	if (e != NULL) {
		e->seen_ms = now_ms;
		copy = *e;
	}
	pthread_mutex_unlock(&s->lock);
	if (e == NULL)
		return LL_NOTFOUND;
	o_r->delivery = copy.delivery;
	o_r->message = copy.message;
	memcpy(o_r->token, copy.token, sizeof(o_r->token));
	ctx = context(&copy.message, delivery);
	r = derive_bytes(LABEL_COOKIE, cookie, COOKIE_BYTES, delivery,
	    sizeof(*delivery), kek);
	if (r == LL_OK)
		r = seal_unwrap_key(kek, &ctx, copy.wrap, sizeof(copy.wrap),
		    &o_r->key);
	sodium_memzero(kek, sizeof(kek));
	return r;
}

bool
session_known(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    uint64_t now_ms)
{
	uint8_t hash[HASH_BYTES];
	struct entry *e;
	bool known;

	if (hash_of(cookie, hash) != LL_OK)
		return false;
	pthread_mutex_lock(&s->lock);
	e = find(s, hash, NULL);
	known = e != NULL && !is_over(e, now_ms);
	pthread_mutex_unlock(&s->lock);
	return known;
}

bool
session_none(struct sessions *s, uint64_t now_ms)
{
	bool none = true;
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < SESSIONS_MAX && none; i++)
		none = !s->entry[i].used || is_over(&s->entry[i], now_ms);
	pthread_mutex_unlock(&s->lock);
	return none;
}

bool
session_end(struct sessions *s, const uint8_t cookie[COOKIE_BYTES],
    const struct id *delivery)
{
	uint8_t hash[HASH_BYTES];
	struct entry *e;

	if (hash_of(cookie, hash) != LL_OK)
		return false;
	pthread_mutex_lock(&s->lock);
	e = find(s, hash, delivery);
	if (e != NULL)
		sodium_memzero(e, sizeof(*e));
	pthread_mutex_unlock(&s->lock);
	return e != NULL;
}

bool
session_sweep(struct sessions *s, uint64_t now_ms,
    uint8_t token_r[HASH_BYTES])
{
	struct entry *e;
	bool found = false;
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < SESSIONS_MAX && !found; i++) {
		e = &s->entry[i];
		if (!e->used || !is_over(e, now_ms))
			continue;
		memcpy(token_r, e->token, HASH_BYTES);
		sodium_memzero(e, sizeof(*e));
		found = true;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}
