#include <stdlib.h>
#include <string.h>

#include "store/finding.h"
#include "store/finding_board.h"
#include "store/group.h"

#define WAITERS_MAX 4096

/* Who is told what came about an address. */
struct waiter {
	struct waiter *next;
	struct id user;
	uint64_t since;
	char address[FINDING_ROOM];
};

/* New addresses of a user, in the hour and the day that began then. */
static const struct {
	uint64_t secs;
	unsigned most;
} spans[] = { { 3600, 200 }, { 86400, 1000 } };

#define SPANS (sizeof(spans) / sizeof(spans[0]))

struct asker {
	struct asker *next;
	struct id user;
	uint64_t begun[SPANS];
	unsigned count[SPANS];
};

struct finding_board {
	struct waiter *waiters;
	struct asker *askers;
	size_t count;            /* of waiters */
};

enum ll_result
board_create(struct store *s)
{
	s->board = calloc(1, sizeof(*s->board));
	return s->board == NULL ? LL_NOMEM : LL_OK;
}

static void
drop_waiter(struct finding_board *b, struct waiter **at)
{
	struct waiter *w = *at;

	*at = w->next;
	free(w);
	b->count--;
}

static void
drop_asker(struct asker **at)
{
	struct asker *a = *at;

	*at = a->next;
	free(a);
}

void
board_destroy(struct store *s)
{
	if (s->board == NULL)
		return;
	while (s->board->waiters != NULL)
		drop_waiter(s->board, &s->board->waiters);
	while (s->board->askers != NULL)
		drop_asker(&s->board->askers);
	free(s->board);
	s->board = NULL;
}

void
board_wait(struct store *s, const struct id *user, const char *address,
    uint64_t now)
{
	struct finding_board *b = s->board;
	struct waiter *w;

	for (w = b->waiters; w != NULL; w = w->next)
		if (id_equal(&w->user, user) &&
		    strcmp(w->address, address) == 0) {
			w->since = now;
			return;
		}
	if (b->count == WAITERS_MAX)
		return;
	/* without memory nobody is told; the next plan shows it all the same */
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return;
	w->user = *user;
	w->since = now;
	memcpy(w->address, address, strlen(address) + 1);
	w->next = b->waiters;
	b->waiters = w;
	b->count++;
}

static struct asker *
asker_of(struct store *s, const struct id *user)
{
	struct asker *a;

	for (a = s->board->askers; a != NULL; a = a->next)
		if (id_equal(&a->user, user))
			return a;
	return NULL;
}

bool
board_may_ask(struct store *s, const struct id *user, uint64_t now)
{
	struct asker *a = asker_of(s, user);
	size_t i;

	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return false;
		a->user = *user;
		a->next = s->board->askers;
		s->board->askers = a;
	}
	for (i = 0; i < SPANS; i++) {
		if (now - a->begun[i] >= spans[i].secs) {
			a->begun[i] = now;
			a->count[i] = 0;
		}
		if (a->count[i] >= spans[i].most)
			return false;
	}
	for (i = 0; i < SPANS; i++)
		a->count[i]++;
	return true;
}

void
board_give_back(struct store *s, const struct id *user)
{
	struct asker *a = asker_of(s, user);
	size_t i;

	for (i = 0; a != NULL && i < SPANS; i++)
		if (a->count[i] > 0)
			a->count[i]--;
}

void
board_tell(struct store *s, enum lookup lookup, const char *subject,
    uint64_t now)
{
	struct waiter **at = &s->board->waiters, *w;
	struct peer *p;
	struct msg *m;
	uint64_t n;

	while ((w = *at) != NULL) {
		if (strcmp(lookup == LOOKUP_TLS ? finding_domain(w->address) :
		    w->address, subject) != 0 ||
		    finding_under_way(s, w->address, now, &n) != LL_OK) {
			at = &w->next;
			continue;
		}
		for (p = s->peers; p != NULL; p = p->next) {
			if ((p->role != PEER_WORKER &&
			    p->role != PEER_SUBMIT) || p->ended || p->dead ||
			    !id_equal(&p->user, &w->user) || msg_create(
			    MSG_EVENT, OP_EVENT_FOUND, &m) != LL_OK)
				continue;
			msg_put_text(m, F_ADDRESS, w->address);
			msg_put_u64(m, F_COUNT, n);
			group_hold(s, p, m);
		}
		if (n == 0)
			drop_waiter(s->board, at);
		else
			at = &w->next;
	}
}

void
board_sweep(struct store *s, uint64_t now)
{
	struct waiter **w = &s->board->waiters;
	struct asker **a = &s->board->askers;

	while (*w != NULL)
		if (now - (*w)->since > FINDING_WAIT_SECS)
			drop_waiter(s->board, w);
		else
			w = &(*w)->next;
	while (*a != NULL)
		if (now - (*a)->begun[SPANS - 1] >= spans[SPANS - 1].secs)
			drop_asker(a);
		else
			a = &(*a)->next;
}
