#include "keys/secret.h"

#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#define SECRET_MAX 65536

enum ll_result
secret_setup(size_t need_bytes)
{
	void *trial;
	int locked;

	if (sodium_init() < 0)
		return LL_IO;
	if (need_bytes == 0)
		return LL_OK;
	trial = sodium_malloc(need_bytes);
	if (trial == NULL)
		return LL_FULL;
	locked = mlock(trial, need_bytes) == 0;
	sodium_free(trial);
	return locked ? LL_OK : LL_FULL;
}

enum ll_result
secret_init(struct secret *s, size_t len)
{
	s->len = 0;
	s->data = NULL;
	if (len == 0)
		return LL_USAGE;
	if (len > SECRET_MAX)
		return LL_TOOBIG;
	s->data = sodium_malloc(len);
	if (s->data == NULL)
		return LL_NOMEM;
	/* sodium_malloc has tried to lock these pages and said nothing. */
	if (mlock(s->data, len) != 0) {
		sodium_free(s->data);
		s->data = NULL;
		return LL_NOMEM;
	}
	memset(s->data, 0, len);
	s->len = len;
	return LL_OK;
}

enum ll_result
secret_copy(struct secret *s, const void *src, size_t len)
{
	enum ll_result r;

	r = secret_init(s, len);
	if (r == LL_OK)
		memcpy(s->data, src, len);
	return r;
}

enum ll_result
secret_random(struct secret *s, size_t len)
{
	enum ll_result r;

	r = secret_init(s, len);
	if (r == LL_OK)
		randombytes_buf(s->data, len);
	return r;
}

void
secret_finish(struct secret *s)
{
	sodium_free(s->data);
	s->data = NULL;
	s->len = 0;
}
