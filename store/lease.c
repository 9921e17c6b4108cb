#include <stdlib.h>

#include "store/lease.h"

#define LINE_MAX_PLACES 16
#define WAIT_MS 10000
#define RUN_MS 60000

enum door { DOOR_SSH, DOOR_PORTAL, DOORS };

/* One request: waiting (reply not NULL) or running. */
struct lease {
	struct lease *next;
	struct peer *peer;
	struct msg *reply;
	enum door door;
	uint64_t until_ms;       /* end of the wait, or of the run */
};

struct lease_queue {
	struct lease *first;     /* oldest first */
	unsigned running[DOORS], waiting[DOORS];
	uint64_t timer;
	bool timer_set;
};

static void on_timer(void *arg);

enum ll_result
lease_create(struct store *s)
{
	s->leases = calloc(1, sizeof(*s->leases));
	return s->leases == NULL ? LL_NOMEM : LL_OK;
}

static void
drop(struct lease_queue *w, struct lease **at)
{
	struct lease *l = *at;

	if (l->reply != NULL) {
		w->waiting[l->door]--;
		msg_destroy(l->reply);
	} else {
		w->running[l->door]--;
		l->peer->leases--;
	}
	*at = l->next;
	free(l);
}

void
lease_destroy(struct store *s)
{
	if (s->leases == NULL)
		return;
	while (s->leases->first != NULL)
		drop(s->leases, &s->leases->first);
	free(s->leases);
	s->leases = NULL;
}

/* Room for one more run behind that door: never the other's last place. */
static bool
has_room(const struct store *s, enum door door)
{
	const struct lease_queue *w = s->leases;
	enum door other = door == DOOR_SSH ? DOOR_PORTAL : DOOR_SSH;
	unsigned total = w->running[DOOR_SSH] + w->running[DOOR_PORTAL];
	unsigned kept = w->running[other] == 0 && s->kdf_runs > 1 ? 1 : 0;

	return total + kept < s->kdf_runs;
}

/* Serves who waits, ends what took too long, sets the next alarm. */
static void
turn(struct store *s)
{
	struct lease_queue *w = s->leases;
	uint64_t now = loop_now_ms(), next = 0;
	struct lease **at = &w->first, *l;
	struct msg *busy;

	while (*at != NULL) {
		l = *at;
		if (l->reply != NULL && has_room(s, l->door)) {
			serve_answer(l->peer, l->reply);
			l->reply = NULL;
			w->waiting[l->door]--;
			w->running[l->door]++;
			l->peer->leases++;
			l->until_ms = now + RUN_MS;
		} else if (l->until_ms <= now) {
			if (l->reply != NULL && msg_create(MSG_REPLY,
			    OP_KDF_LEASE, &busy) == LL_OK) {
				msg_set_sequence(busy,
				    msg_sequence(l->reply));
				msg_put_u64(busy, F_RESULT, LL_BUSY);
				serve_answer(l->peer, busy);
			}
			drop(w, at);
			continue;
		}
		if (next == 0 || l->until_ms < next)
			next = l->until_ms;
		at = &l->next;
	}
	if (w->timer_set)
		loop_timer_remove(s->loop, w->timer);
	w->timer_set = next != 0 && loop_timer(s->loop, next - now, on_timer,
	    s, &w->timer) == LL_OK;
}

static void
on_timer(void *arg)
{
	struct store *s = arg;

	s->leases->timer_set = false;
	turn(s);
}

enum ll_result
lease_take(struct store *s, struct request *q)
{
	struct lease_queue *w = s->leases;
	struct lease *l, **at;
	enum door door;

	door = q->peer->role == PEER_PORTAL ? DOOR_PORTAL : DOOR_SSH;
	if (w->waiting[door] >= LINE_MAX_PLACES)
		return LL_BUSY;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return LL_NOMEM;
	l->peer = q->peer;
	l->door = door;
	l->until_ms = loop_now_ms() + WAIT_MS;
	l->reply = q->reply;
	q->reply = NULL;
	q->later = true;
	w->waiting[door]++;
	for (at = &w->first; *at != NULL; at = &(*at)->next)
		;
	*at = l;
	turn(s);
	return LL_OK;
}

enum ll_result
lease_release(struct store *s, struct request *q)
{
	struct lease **at;

	for (at = &s->leases->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->peer != q->peer || (*at)->reply != NULL)
			continue;
		drop(s->leases, at);
		turn(s);
		return LL_OK;
	}
	/* it had run out: nothing to give back is no failure */
	return LL_OK;
}

void
lease_forget(struct store *s, struct peer *p)
{
	struct lease **at = &s->leases->first;
	bool any = false;

	while (*at != NULL) {
		if ((*at)->peer != p) {
			at = &(*at)->next;
			continue;
		}
		drop(s->leases, at);
		any = true;
	}
	if (any)
		turn(s);
}
