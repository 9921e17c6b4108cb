#include "store/delivery.h"
#include "store/finding.h"
#include "store/link.h"
#include "store/object.h"
#include "store/queue.h"
#include "store/sweep.h"

#define HOUSE_MS 60000           /* expiry and clearing up, once a minute */
#define SOON_MS 50               /* the next batch of what expired */
#define DAY_SECS 86400
#define FAILURE_SECS (30 * 86400)

static void on_release(void *arg);

static void
arm(struct store *s, uint64_t ms)
{
	uint64_t at = loop_now_ms() + ms;

	if (s->next_release_ms != 0 && s->next_release_ms <= at)
		return;
	if (s->next_release_ms != 0)
		loop_timer_remove(s->loop, s->sweep_timer);
	s->next_release_ms = loop_timer(s->loop, ms, on_release, s,
	    &s->sweep_timer) == LL_OK ? at : 0;
}

void
sweep_at(struct store *s, uint64_t secs)
{
	arm(s, secs * 1000);
}

static void
on_release(void *arg)
{
	struct store *s = arg;
	uint64_t now = store_now(), next = 0;
	enum ll_result r;

	s->next_release_ms = 0;
	r = serve_job(s);
	if (r == LL_OK) {
		r = delivery_release(s, now, &next);
		serve_job_end(s, r);
	}
	if (r != LL_OK)
		arm(s, 5000);
	else if (next != 0)
		arm(s, next > now ? (next - now) * 1000 : 10);
}

static enum ll_result
clear_up(struct store *s, uint64_t now)
{
	enum ll_result r;

	r = db_run(s->db, "DELETE FROM tokens WHERE until < ?1", "i", now);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM idempotency WHERE day < ?1",
		    "i", now / DAY_SECS - 1);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM failures WHERE last < ?1 AND"
		    " until < ?2", "ii", now - FAILURE_SECS, now);
	if (r == LL_OK)
		r = link_sweep(s, now);
	if (r == LL_OK)
		r = queue_sweep(s, now);
	if (r == LL_OK)
		r = object_sweep(s, now);
	if (r == LL_OK)
		r = finding_sweep(s, now);
	object_upload_expire(s, now);
	return r;
}

static void
on_house(void *arg)
{
	struct store *s = arg;
	uint64_t now = store_now();
	bool more = false;
	enum ll_result r;

	r = serve_job(s);
	if (r == LL_OK)
		serve_job_end(s, delivery_expire(s, now, &more));
	r = serve_job(s);
	if (r == LL_OK)
		serve_job_end(s, clear_up(s, now));
	/* what was shredded shall not live on in the log for long */
	s->truncate = true;
	if (loop_timer(s->loop, more ? SOON_MS : HOUSE_MS, on_house, s,
	    NULL) != LL_OK)
		serve_die(s, "out of memory");
}

static void
on_relay_gone(void *arg)
{
	struct store *s = arg;
	enum ll_result r;

	if (serve_job(s) != LL_OK)
		return;
	r = queue_return(s, store_now());
	if (r == LL_OK)
		r = finding_return(s);
	serve_job_end(s, r);
	event_queue(s);
}

void
sweep_relay_gone(struct store *s)
{
	/* not at once: the peers are being reaped, outside any group.  Without
	 * a timer the leases run out by themselves. */
	if (loop_timer(s->loop, 0, on_relay_gone, s, NULL) != LL_OK)
		return;
}

enum ll_result
sweep_start(struct store *s)
{
	enum ll_result r;

	/* what the relay had is back before anything expires */
	r = loop_timer(s->loop, 0, on_relay_gone, s, NULL);
	if (r == LL_OK)
		r = loop_timer(s->loop, 0, on_house, s, NULL);
	if (r == LL_OK)
		arm(s, 0);
	return r;
}
