#include "server/relay_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define JOBS_MAX 512               /* rows of which this process knows */
#define LEASE_ROWS 100
#define HOSTS_MAX 256
#define CONNECTIONS_MAX 200
#define IDLE_MAX_MS 60000
#define TICK_MS 1000
#define AGAIN_MS 1000
#define STOP_MS 7000
#define STALL_MS 2000
#define NO_REQUIRETLS_MS 600000

struct relay_run {
	struct run_settings set;
	struct job_world job;
	struct host_world world;
	struct relay_dir *dir;
	struct relay_host *smart;
	struct relay_host *hosts[HOSTS_MAX];
	size_t host_count;
	struct relay_job *jobs;
	size_t job_count;
	bool leasing, due, more, stopping;
	bool slow_clock;           /* ticks only when the next row is due */
	uint64_t slow_until;
	uint64_t next_ms, ended_ms, stop_ms, no_requiretls_ms;
	uint64_t key_day;          /* pairs exist for this day and the next */
	uint64_t timer;
	const char *helo;
};

static void
lease(struct relay_run *x);

/* --- jobs --- */

static void
keep_job(struct relay_run *x, struct relay_job *job)
{
	job->owner = x;
	job->all_next = x->jobs;
	job->all_at = &x->jobs;
	if (x->jobs != NULL)
		x->jobs->all_at = &job->all_next;
	x->jobs = job;
	x->job_count++;
}

static void
drop_job(struct relay_run *x, struct relay_job *job)
{
	*job->all_at = job->all_next;
	if (job->all_next != NULL)
		job->all_next->all_at = job->all_at;
	x->job_count--;
	job_destroy(job);
}

static bool
has_job(const struct relay_run *x, const struct id *queue)
{
	const struct relay_job *job;

	for (job = x->jobs; job != NULL; job = job->all_next)
		if (memcmp(&job->queue, queue, sizeof(*queue)) == 0)
			return true;
	return false;
}

static void
recorded(void *arg, enum ll_result r, struct msg **reply)
{
	struct relay_job *job = arg;
	struct relay_run *x = job->owner;

	(void)reply;
	if (r == LL_EOF) {
		job->unrecorded = true;
		return;
	}
	drop_job(x, job);
}

static void
record(struct relay_run *x, struct relay_job *job)
{
	struct msg *m = NULL;
	enum ll_result r;

	job->unrecorded = false;
	r = msg_create(MSG_REQUEST, OP_QUEUE_RESULT, &m);
	if (r == LL_OK) {
		msg_put_id(m, F_QUEUE_ID, &job->queue);
		msg_put_u64(m, F_STATE, job->outcome);
		msg_put_text(m, F_DETAIL, job->words);
		r = store_ask(x->job.store, m, recorded, job);
	}
	if (r != LL_OK)
		job->unrecorded = true;
}

static void
job_ended(void *arg, struct relay_job *job)
{
	struct relay_run *x = arg;

	x->ended_ms = loop_now_ms();
	if (job->outcome == 0)
		drop_job(x, job);
	else
		record(x, job);
}

/* --- destinations --- */

static struct relay_host *
host_of(struct relay_run *x, const char *domain)
{
	struct host_settings s = {
		.name = domain, .pool = x->set.pool,
		.find = x->set.find_servers,
		.find_arg = x->set.find_arg, .direct = true,
		.trust = x->set.trust, .user = ""
	};
	size_t i;

	for (i = 0; i < x->host_count; i++)
		if (strcasecmp(host_name(x->hosts[i]), domain) == 0)
			return x->hosts[i];
	if (x->host_count == HOSTS_MAX ||
	    host_create(&x->world, &s, &x->hosts[x->host_count]) != LL_OK)
		return NULL;
	return x->hosts[x->host_count++];
}

static void
submit_direct(struct relay_run *x, struct relay_job *job)
{
	struct relay_host *h = NULL;

	if (x->set.find_servers == NULL) {
		job_fail(job, QUEUE_RETRY, "this relay looks up no servers: "
		    "nothing proves TLS");
		job_ended(x, job);
		return;
	}
	if (job_domain(job)[0] != '\0')
		h = host_of(x, job_domain(job));
	if (h == NULL) {
		/* too many at once: it comes again */
		job->outcome = 0;
		job_ended(x, job);
		return;
	}
	host_submit(h, job);
}

/* Mail that needs proven TLS goes through the server next door only when that
 * promises to demand it too. */
static void
submit(struct relay_run *x, struct relay_job *job)
{
	if (job->tls_only && (x->smart == NULL ||
	    !smart_is_checked(x->set.smart) ||
	    loop_now_ms() < x->no_requiretls_ms))
		submit_direct(x, job);
	else if (x->dir != NULL)
		dir_submit(x->dir, job);
	else
		host_submit(x->smart, job);
}

static void
elsewhere(void *arg, struct relay_job *job)
{
	struct relay_run *x = arg;

	x->no_requiretls_ms = loop_now_ms() + NO_REQUIRETLS_MS;
	submit_direct(x, job);
}

/* --- leases --- */

static void
provided(void *arg, enum ll_result r, struct msg **reply)
{
	struct relay_run *x = arg;

	(void)reply;
	if (r != LL_OK && r != LL_CONFLICT && r != LL_USED)
		x->key_day = 0;
}

/* Today's and tomorrow's key pairs; the store keeps the first of a day. */
static void
provide_keys(struct relay_run *x)
{
	uint64_t today = (uint64_t)time(NULL) / QUEUE_DAY_SECS, day;
	struct msg *m = NULL;

	if (x->key_day == today)
		return;
	x->key_day = today;
	for (day = today; day <= today + 1; day++)
		if (queue_key_request(x->set.root, day, &m) != LL_OK ||
		    store_ask(x->job.store, m, provided, x) != LL_OK)
			x->key_day = 0;
}

static void
take_row(struct relay_run *x, struct tlv_view row)
{
	struct relay_job *job = NULL;
	struct id id;

	x->more = true;
	if (!view_id(row, F_QUEUE_ID, &id) || has_job(x, &id) ||
	    job_create(row, &job) != LL_OK)
		return;
	keep_job(x, job);
	submit(x, job);
}

static void
leased(void *arg, enum ll_result r, struct msg **reply)
{
	struct relay_run *x = arg;
	uint64_t delay = AGAIN_MS;
	struct tlv_view all, row;
	size_t at = 0;

	x->leasing = x->more = false;
	if (r == LL_EOF)
		return;
	if (r == LL_OK) {
		all = msg_view(*reply);
		while (view_nest(all, F_ROW, &at, &row))
			take_row(x, row);
		delay = view_has(all, F_DELAY_SECS) ?
		    view_u64(all, F_DELAY_SECS) * 1000 : IDLE_MAX_MS;
		if (delay == 0 && !x->more)
			delay = AGAIN_MS;
	}
	x->next_ms = loop_now_ms() + (delay < IDLE_MAX_MS ? delay :
	    IDLE_MAX_MS);
	x->due = x->due || x->more;
}

static void
lease(struct relay_run *x)
{
	struct msg *m = NULL;

	if (x->leasing || x->stopping || !store_is_there(x->job.store) ||
	    x->job_count + LEASE_ROWS > JOBS_MAX)
		return;
	if (!x->due && loop_now_ms() < x->next_ms)
		return;
	provide_keys(x);
	x->due = false;
	if (msg_create(MSG_REQUEST, OP_QUEUE_LEASE, &m) != LL_OK)
		return;
	msg_put_u64(m, F_LIMIT, LEASE_ROWS);
	x->leasing = store_ask(x->job.store, m, leased, x) == LL_OK;
}

void
run_due(struct relay_run *x)
{
	x->due = true;
	lease(x);
}

void
run_attached(struct relay_run *x)
{
	struct relay_job *job, *next;

	x->key_day = 0;
	x->leasing = false;
	for (job = x->jobs; job != NULL; job = next) {
		next = job->all_next;
		if (job->unrecorded)
			record(x, job);
	}
	run_due(x);
}

/* --- the clock --- */

/* Rows of one that does not move leave room for others'. */
static void
make_room(struct relay_run *x, uint64_t now)
{
	struct relay_host *worst = x->smart;
	size_t i;

	if (x->job_count + LEASE_ROWS <= JOBS_MAX ||
	    now - x->ended_ms < STALL_MS)
		return;
	for (i = 0; i < x->host_count; i++)
		if (worst == NULL ||
		    host_waiting(x->hosts[i]) > host_waiting(worst))
			worst = x->hosts[i];
	if (worst != NULL)
		(void)host_evict(worst, host_waiting(worst) / 2 + 1);
}

/* With nothing under way the next row's time is all that is waited for. */
static bool
is_quiet(const struct relay_run *x)
{
	return x->job_count == 0 && x->world.connections == 0 &&
	    !x->stopping;
}

static void
tick(void *arg);

static void
set_clock(struct relay_run *x)
{
	uint64_t now = loop_now_ms(), ms = TICK_MS;

	x->slow_clock = is_quiet(x);
	if (x->slow_clock && x->next_ms > now + TICK_MS)
		ms = x->next_ms - now;
	if (loop_timer(x->set.loop, ms, tick, x, &x->timer) != LL_OK)
		loop_stop(x->set.loop);
}

static bool
is_busy(const struct relay_run *x)
{
	size_t i;

	if (x->smart != NULL && host_is_busy(x->smart))
		return true;
	for (i = 0; i < x->host_count; i++)
		if (host_is_busy(x->hosts[i]))
			return true;
	return false;
}

static void
check_stop(struct relay_run *x)
{
	if (x->stopping && (!is_busy(x) || loop_now_ms() >= x->stop_ms))
		loop_stop(x->set.loop);
}

/* After each batch of events. */
static void
after(void *arg)
{
	struct relay_run *x = arg;
	size_t i;

	if (x->smart != NULL)
		host_reap(x->smart);
	for (i = 0; i < x->host_count; i++)
		host_reap(x->hosts[i]);
	lease(x);
	check_stop(x);
	/* work began, or the next row's time became known */
	if (x->slow_clock && (!is_quiet(x) || x->next_ms != x->slow_until)) {
		loop_timer_remove(x->set.loop, x->timer);
		set_clock(x);
	}
	x->slow_until = x->next_ms;
}

static void
tick(void *arg)
{
	struct relay_run *x = arg;
	uint64_t now = loop_now_ms();
	size_t i;

	if (x->smart != NULL)
		host_tick(x->smart, now);
	for (i = 0; i < x->host_count;) {
		host_tick(x->hosts[i], now);
		if (!host_is_idle(x->hosts[i])) {
			i++;
			continue;
		}
		host_destroy(x->hosts[i]);
		x->hosts[i] = x->hosts[--x->host_count];
	}
	make_room(x, now);
	set_clock(x);
}

void
run_stop(struct relay_run *x)
{
	if (x->stopping)
		return;
	x->stopping = true;
	x->stop_ms = loop_now_ms() + STOP_MS;
}

/* --- open and close --- */

/* Mail servers are greeted by the name of mail_from's domain. */
static void
fill_worlds(struct relay_run *x)
{
	const char *at = strchr(x->set.mail.mail_from, '@');

	x->job.store = x->set.store;
	queue_keys_init(&x->job.keys, x->set.root);
	x->job.mail = x->set.mail;
	x->world.loop = x->set.loop;
	x->world.job = &x->job;
	x->world.helo = at != NULL ? at + 1 : "localhost";
	x->world.connections_max = CONNECTIONS_MAX;
	x->world.ended = job_ended;
	x->world.elsewhere = elsewhere;
	x->world.arg = x;
}

enum ll_result
run_open(const struct run_settings *s, struct relay_run **x_r,
    const char **why_r)
{
	struct host_settings host;
	struct relay_run *x;
	enum ll_result r = LL_OK;

	*x_r = NULL;
	*why_r = "out of memory";
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return LL_NOMEM;
	x->set = *s;
	fill_worlds(x);
	if (s->dir != NULL) {
		*why_r = "relay: the directory cannot be opened";
		r = dir_open(s->dir, &x->job, job_ended, x, &x->dir);
	} else {
		smart_host(s->smart, &host);
		host.pool = s->smart_pool;
		r = host_create(&x->world, &host, &x->smart);
	}
	if (r == LL_OK)
		r = loop_timer(s->loop, TICK_MS, tick, x, &x->timer);
	if (r != LL_OK) {
		run_close(x);
		return r;
	}
	loop_after(s->loop, after, x);
	*x_r = x;
	return LL_OK;
}

void
run_close(struct relay_run *x)
{
	size_t i;

	if (x == NULL)
		return;
	for (i = 0; i < x->host_count; i++)
		if (!host_is_looking(x->hosts[i]))
			host_destroy(x->hosts[i]);
	if (x->smart != NULL && !host_is_looking(x->smart))
		host_destroy(x->smart);
	while (x->jobs != NULL)
		drop_job(x, x->jobs);
	dir_close(x->dir);
	queue_keys_finish(&x->job.keys);
	loop_timer_remove(x->set.loop, x->timer);
	free(x);
}
