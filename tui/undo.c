/*
 * undo.c - the editor's steps back and forth.
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/undo.h"

void
undo_init(struct undo *u, size_t steps_max, size_t bytes_max)
{
	memset(u, 0, sizeof(*u));
	u->steps_max = steps_max;
	u->bytes_max = bytes_max;
}

static void
wipe(char *p, size_t len)
{
	if (p)
		sodium_memzero(p, len);
	free(p);
}

static void
drop(struct undo *u, size_t from, size_t count)
{
	struct undo_step *s;
	size_t i;

	for (i = from; i < from + count; i++) {
		s = &u->steps[i];
		u->bytes -= s->gone_len + s->come_len;
		wipe(s->gone, s->gone_len);
		wipe(s->come, s->come_len);
	}
	memmove(u->steps + from, u->steps + from + count,
	    (u->count - from - count) * sizeof(*u->steps));
	u->count -= count;
	if (u->now > u->count)
		u->now = u->count;
}

void
undo_clear(struct undo *u)
{
	if (u->count)
		drop(u, 0, u->count);
	u->now = 0;
}

void
undo_finish(struct undo *u)
{
	undo_clear(u);
	free(u->steps);
	undo_init(u, u->steps_max, u->bytes_max);
}

/* *p becomes *p (or what stands before it) and more. */
static bool
grow(char **p, size_t *len, const char *more, size_t more_len, bool before)
{
	char *n;

	if (more_len == 0)
		return true;
	n = malloc(*len + more_len);
	if (!n)
		return false;
	if (*len)
		memcpy(n + (before ? more_len : 0), *p, *len);
	memcpy(n + (before ? 0 : *len), more, more_len);
	wipe(*p, *len);
	*p = n;
	*len += more_len;
	return true;
}

/* Whether a change goes on where the last step ended, and by which end. */
static bool
merges(const struct undo_step *s, size_t at, size_t gone_len, size_t come_len,
    bool *before_r)
{
	*before_r = false;
	if (come_len && !gone_len && s->come_len && !s->gone_len)
		return s->at + s->come_len == at;
	if (gone_len && !come_len && s->gone_len && !s->come_len) {
		*before_r = s->at == at + gone_len;
		return *before_r || s->at == at;
	}
	return false;
}

static struct undo_step *
append(struct undo *u)
{
	struct undo_step *n;
	size_t room;

	if (u->count == u->steps_max)
		drop(u, 0, 1);
	if (u->count == u->room) {
		room = u->room ? u->room * 2 : 32;
		n = realloc(u->steps, room * sizeof(*n));
		if (!n)
			return NULL;
		u->steps = n;
		u->room = room;
	}
	n = &u->steps[u->count++];
	memset(n, 0, sizeof(*n));
	u->now = u->count;
	return n;
}

void
undo_note(struct undo *u, size_t at, const char *gone, size_t gone_len,
    const char *come, size_t come_len, bool merge)
{
	struct undo_step *s = NULL;
	bool before = false;

	if (u->now < u->count)
		drop(u, u->now, u->count - u->now);
	if (merge && u->count > 0)
		s = &u->steps[u->count - 1];
	if (s && !merges(s, at, gone_len, come_len, &before))
		s = NULL;
	if (s && before)
		s->at = at;
	if (!s) {
		s = append(u);
		if (s)
			s->at = at;
	}
	if (!s || !grow(&s->gone, &s->gone_len, gone, gone_len, before)) {
		undo_clear(u);
		return;
	}
	u->bytes += gone_len;
	if (!grow(&s->come, &s->come_len, come, come_len, false)) {
		undo_clear(u);
		return;
	}
	u->bytes += come_len;
	while (u->bytes > u->bytes_max && u->count > 0)
		drop(u, 0, 1);
}

const struct undo_step *
undo_back(struct undo *u)
{
	return u->now > 0 ? &u->steps[--u->now] : NULL;
}

const struct undo_step *
undo_forward(struct undo *u)
{
	return u->now < u->count ? &u->steps[u->now++] : NULL;
}
