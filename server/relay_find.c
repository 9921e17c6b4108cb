#include "server/relay_find.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS 8
#define JOBS_MAX THREADS           /* leased at a time: who asks next is not
                                      behind those who asked for much */
#define SUBJECT_ROOM 321

struct job {
	struct job *next;
	enum lookup lookup;
	char subject[SUBJECT_ROOM];
	struct find_answer answer;
};

struct relay_find {
	struct find_settings s;
	struct web web;
	find_ask_fn *ask;
	void *ask_ctx;
	int event;                 /* readable: something is done */
	unsigned jobs;             /* leased and not yet answered */
	bool leasing, more;
	pthread_t threads[THREADS];
	unsigned thread_count;
	/* under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *waiting, **waiting_end, *done;
	unsigned busy;
	bool stop;
};

/* --- threads --- */

static void
run_one(struct relay_find *f, struct job *j)
{
	uint64_t one = 1;

	pthread_mutex_unlock(&f->lock);
	relay_look(&f->s, &f->web, j->lookup, j->subject, &j->answer);
	pthread_mutex_lock(&f->lock);
	j->next = f->done;
	f->done = j;
	/* it only fails when the event is pending already */
	(void)!write(f->event, &one, sizeof(one));
}

static void *
run_thread(void *arg)
{
	struct relay_find *f = arg;
	struct job *j;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		j = f->waiting;
		if (j == NULL) {
			pthread_cond_wait(&f->work, &f->lock);
			continue;
		}
		f->waiting = j->next;
		if (f->waiting == NULL)
			f->waiting_end = &f->waiting;
		f->busy++;
		run_one(f, j);
		f->busy--;
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* One more while there is more work than hands. */
static void
more_threads(struct relay_find *f)
{
	if (f->thread_count < THREADS && f->jobs > f->thread_count &&
	    pthread_create(&f->threads[f->thread_count], NULL, run_thread,
	    f) == 0)
		f->thread_count++;
}

/* --- the store --- */

static void
release(struct job *j)
{
	free(j->answer.data);
	free(j);
}

static void
add_job(struct relay_find *f, struct tlv_view row)
{
	const char *subject = view_text(row, F_ADDRESS);
	struct job *j;

	/* the store gives it out again after a while */
	if (strlen(subject) >= SUBJECT_ROOM)
		return;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return;
	j->lookup = (enum lookup)view_u64(row, F_LOOKUP);
	memcpy(j->subject, subject, strlen(subject) + 1);
	f->jobs++;
	more_threads(f);
	if (f->thread_count == 0) {
		f->jobs--;
		free(j);
		return;
	}
	pthread_mutex_lock(&f->lock);
	*f->waiting_end = j;
	f->waiting_end = &j->next;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
}

static void
on_lease(void *arg, struct msg *reply)
{
	struct relay_find *f = arg;
	struct tlv_view all, row;
	bool again = f->more;
	size_t at = 0;

	f->leasing = f->more = false;
	if (reply == NULL || msg_result(reply) != LL_OK) {
		msg_destroy(reply);
		return;
	}
	all = msg_view(reply);
	while (view_nest(all, F_ROW, &at, &row))
		add_job(f, row);
	if (view_has(all, F_DELAY_SECS))
		again = true;
	msg_destroy(reply);
	if (again)
		relay_find_due(f);
}

void
relay_find_due(struct relay_find *f)
{
	struct msg *m = NULL;

	if (f->leasing || f->jobs >= JOBS_MAX) {
		f->more = true;
		return;
	}
	if (msg_create(MSG_REQUEST, OP_FIND_LEASE, &m) != LL_OK)
		return;
	msg_put_u64(m, F_LIMIT, JOBS_MAX - f->jobs);
	f->leasing = true;
	f->more = false;
	if (f->ask(f->ask_ctx, m, on_lease, f) != LL_OK)
		f->leasing = false;
}

static void
on_kept(void *arg, struct msg *reply)
{
	(void)arg;
	msg_destroy(reply);
}

static void
answer(struct relay_find *f, const struct job *j)
{
	const struct find_answer *a = &j->answer;
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, OP_FIND_RESULT, &m) != LL_OK)
		return;
	msg_put_u64(m, F_LOOKUP, j->lookup);
	msg_put_text(m, F_ADDRESS, j->subject);
	msg_put_u64(m, F_STATE, a->state);
	if (a->state == FIND_FOUND)
		msg_put_bytes(m, F_DATA, a->data, a->len);
	msg_put_text(m, F_DETAIL, a->words);
	if (a->good_secs > 0)
		msg_put_u64(m, F_DELAY_SECS, a->good_secs);
	/* without a store the row is still wanted, and had again */
	if (f->ask(f->ask_ctx, m, on_kept, f) != LL_OK)
		return;
}

int
relay_find_fd(const struct relay_find *f)
{
	return f->event;
}

void
relay_find_ready(struct relay_find *f)
{
	struct job *j, *next;
	uint64_t n;

	(void)!read(f->event, &n, sizeof(n));
	pthread_mutex_lock(&f->lock);
	j = f->done;
	f->done = NULL;
	pthread_mutex_unlock(&f->lock);
	for (; j != NULL; j = next) {
		next = j->next;
		f->jobs--;
		answer(f, j);
		release(j);
	}
	if (f->more && !f->leasing)
		relay_find_due(f);
}

/* --- beginning and end --- */

/* The resolver with DNSSEC in the web getter's words. */
static enum ll_result
resolve(void *ctx, const char *host, struct net_addr *list, size_t room,
    size_t *n_r)
{
	struct dns_addresses a;
	enum ll_result r;
	size_t i;

	*n_r = 0;
	r = dns_addresses(ctx, host, 443, &a);
	for (i = 0; r == LL_OK && i < a.count && *n_r < room; i++)
		if (net_addr_of(&a.at[i], &list[*n_r]))
			(*n_r)++;
	return r;
}

static void
release_all(struct job *j)
{
	struct job *next;

	for (; j != NULL; j = next) {
		next = j->next;
		release(j);
	}
}

/* When there is no thread, or none any more. */
static void
forget(struct relay_find *f)
{
	release_all(f->waiting);
	release_all(f->done);
	if (f->event >= 0)
		(void)close(f->event);
	silent_destroy(f->web.silent);
	free(f);
}

enum ll_result
relay_find_open(const struct find_settings *s, find_ask_fn *ask,
    void *ask_ctx, struct relay_find **f_r, const char **why_r)
{
	struct relay_find *f;

	*f_r = NULL;
	*why_r = "out of memory";
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return LL_NOMEM;
	f->s = *s;
	f->ask = ask;
	f->ask_ctx = ask_ctx;
	f->waiting_end = &f->waiting;
	f->web.ca = s->ca;
	f->web.resolve = s->dns != NULL ? resolve : NULL;
	f->web.resolve_ctx = s->dns;
	f->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->event < 0 || web_start() != LL_OK ||
	    silent_create(&f->web.silent) != LL_OK ||
	    pthread_mutex_init(&f->lock, NULL) != 0 ||
	    pthread_cond_init(&f->work, NULL) != 0) {
		forget(f);
		return LL_NOMEM;
	}
	if (net_list_parse(s->networks, &f->web.networks) != LL_OK) {
		*why_r = "find_networks: networks as 10.0.0.0/8";
		forget(f);
		return LL_USAGE;
	}
	*f_r = f;
	return LL_OK;
}

void
relay_find_close(struct relay_find *f)
{
	bool busy;
	unsigned i;

	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	busy = f->busy > 0;
	pthread_cond_broadcast(&f->work);
	pthread_mutex_unlock(&f->lock);
	/* one that waits for a stranger's server is not waited for: the
	 * process ends next, and what the thread uses stays until then */
	if (busy)
		return;
	for (i = 0; i < f->thread_count; i++)
		(void)pthread_join(f->threads[i], NULL);
	(void)pthread_cond_destroy(&f->work);
	(void)pthread_mutex_destroy(&f->lock);
	forget(f);
}
