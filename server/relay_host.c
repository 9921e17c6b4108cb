#include "server/relay_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS 10000              /* an unused connection is kept so long */
#define DOWN_MS 5000               /* not asked again for so long */
#define ROUTE_KEEP_SECS 300
#define PER_CONNECTION 4           /* rows that justify another one */

struct link {
	struct relay_host *host;
	struct relay_smtp *smtp;
	size_t hop;
	size_t opening;            /* jobs being made ready for it */
	bool was_ready, used;
};

struct relay_host {
	struct host_world *world;
	struct host_settings set;
	char name[DNS_NAME_MAX + 1];
	struct relay_job *first, **end;
	size_t waiting, busy;
	struct link links[HOST_CONNECTIONS];
	size_t link_count;
	struct relay_route *route;
	bool looking;
	bool dirty;                /* a closed connection is to be cleared */
	uint64_t route_until_ms, down_until_ms, more_ms;
	size_t hop;                /* tried next; the one that worked */
	char words[ROUTE_WORDS + WIRE_WORDS];   /* why the last one failed */
	enum queue_outcome fate;   /* of what waits while it is down */
	/* a lookup */
	struct pool_job lookup;
	struct relay_route *found;
};

static void
pump(struct relay_host *h);

enum ll_result
host_create(struct host_world *world, const struct host_settings *s,
    struct relay_host **h_r)
{
	struct relay_host *h;

	*h_r = NULL;
	if (strlen(s->name) > DNS_NAME_MAX)
		return LL_USAGE;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return LL_NOMEM;
	h->world = world;
	h->set = *s;
	memcpy(h->name, s->name, strlen(s->name) + 1);
	h->set.name = h->name;
	h->end = &h->first;
	*h_r = h;
	return LL_OK;
}

void
host_destroy(struct relay_host *h)
{
	size_t i;

	if (h == NULL)
		return;
	for (i = 0; i < HOST_CONNECTIONS; i++)
		smtp_destroy(h->links[i].smtp);
	h->world->connections -= h->link_count;
	free(h->route);
	free(h);
}

const char *
host_name(const struct relay_host *h)
{
	return h->name;
}

size_t
host_waiting(const struct relay_host *h)
{
	return h->waiting;
}

bool
host_is_busy(const struct relay_host *h)
{
	return h->busy > 0;
}

bool
host_is_looking(const struct relay_host *h)
{
	return h->looking;
}

bool
host_is_idle(const struct relay_host *h)
{
	return h->waiting == 0 && h->busy == 0 && h->link_count == 0 &&
	    !h->looking;
}

/* --- the jobs that wait --- */

static void
push(struct relay_host *h, struct relay_job *job)
{
	job->next = NULL;
	*h->end = job;
	h->end = &job->next;
	h->waiting++;
}

static void
push_front(struct relay_host *h, struct relay_job *job)
{
	job->next = h->first;
	if (h->first == NULL)
		h->end = &job->next;
	h->first = job;
	h->waiting++;
}

static struct relay_job *
pop(struct relay_host *h)
{
	struct relay_job *job = h->first;

	h->first = job->next;
	if (h->first == NULL)
		h->end = &h->first;
	h->waiting--;
	job->next = NULL;
	return job;
}

static void
end_job(struct relay_host *h, struct relay_job *job)
{
	h->busy--;
	h->world->ended(h->world->arg, job);
}

/* All that wait have the same fate. */
static void
fail_waiting(struct relay_host *h)
{
	struct relay_job *job;

	while (h->first != NULL) {
		job = pop(h);
		job_fail(job, h->fate, h->words);
		h->busy++;
		end_job(h, job);
	}
}

size_t
host_evict(struct relay_host *h, size_t count)
{
	struct relay_job **at = &h->first, *job, *next;
	size_t keep = h->waiting > count ? h->waiting - count : 0, n = 0;

	for (; keep > 0; keep--)
		at = &(*at)->next;
	job = *at;
	*at = NULL;
	h->end = at;
	for (; job != NULL; job = next) {
		next = job->next;
		h->waiting--;
		h->busy++;
		job->outcome = 0;
		end_job(h, job);
		n++;
	}
	return n;
}

/* --- where to --- */

static void
down(struct relay_host *h, enum queue_outcome fate)
{
	h->fate = fate;
	h->down_until_ms = loop_now_ms() + DOWN_MS;
	h->hop = 0;
	h->route_until_ms = 0;
	fail_waiting(h);
}

static void
look(struct pool_job *work)
{
	struct relay_host *h = (struct relay_host *)((char *)work -
	    offsetof(struct relay_host, lookup));

	h->set.find(h->set.find_arg, h->name, h->found);
}

static void
looked(struct pool_job *work)
{
	struct relay_host *h = (struct relay_host *)((char *)work -
	    offsetof(struct relay_host, lookup));
	uint64_t secs = h->found->good_secs;

	h->looking = false;
	free(h->route);
	h->route = h->found;
	h->found = NULL;
	h->hop = 0;
	if (secs == 0 || secs > ROUTE_KEEP_SECS)
		secs = ROUTE_KEEP_SECS;
	h->route_until_ms = loop_now_ms() + secs * 1000;
	if (h->route->result != LL_OK) {
		snprintf(h->words, sizeof(h->words), "%s", h->route->words);
		down(h, h->route->never ? QUEUE_REFUSED : QUEUE_RETRY);
		return;
	}
	pump(h);
}

static void
start_look(struct relay_host *h)
{
	h->found = calloc(1, sizeof(*h->found));
	if (h->found == NULL) {
		snprintf(h->words, sizeof(h->words), "out of memory");
		down(h, QUEUE_RETRY);
		return;
	}
	h->looking = true;
	h->lookup.work = look;
	h->lookup.done = looked;
	pool_submit(h->set.pool, &h->lookup);
}

/* --- connections --- */

static size_t
ready_links(const struct relay_host *h)
{
	size_t i, n = 0;

	for (i = 0; i < HOST_CONNECTIONS; i++)
		if (h->links[i].smtp != NULL && smtp_is_ready(h->links[i].smtp))
			n++;
	return n;
}

static void
on_ready(void *arg, struct relay_smtp *c)
{
	struct link *l = arg;

	(void)c;
	l->was_ready = true;
	pump(l->host);
}

/* Of a server that was never ready the next one is tried; when there is none,
 * and nobody else is being spoken to, all that wait are put off. */
static void
on_closed(void *arg, struct relay_smtp *c, const char *words)
{
	struct link *l = arg;
	struct relay_host *h = l->host;

	(void)c;
	h->dirty = true;
	if (l->was_ready)
		return;
	if (h->route != NULL && l->hop < h->route->count)
		snprintf(h->words, sizeof(h->words), "%s: %s",
		    h->route->hops[l->hop].name, words);
	h->more_ms = loop_now_ms() + DOWN_MS;
	if (ready_links(h) > 0)
		return;
	if (l->hop == h->hop)
		h->hop++;
	if (h->route == NULL || h->hop >= h->route->count)
		down(h, QUEUE_RETRY);
}

static void
proof_words(const struct link *l, char *out, size_t room)
{
	const struct route_hop *hop = &l->host->route->hops[l->hop];
	enum route_policy policy = l->host->set.direct ? hop->policy :
	    POLICY_REQUIRETLS;
	struct wire_proof proof;

	smtp_proof(l->smtp, &proof);
	snprintf(out, room, "MX %s %s certificate sha256:%s policy %s",
	    hop->name, proof.version, proof.certificate,
	    route_policy_name(policy));
}

static void
on_done(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	struct relay_job *job = (struct relay_job *)((char *)m -
	    offsetof(struct relay_job, mail));
	struct link *l = arg;

	(void)c;
	if (m->outcome == QUEUE_SENT)
		job_sent(job, m->words, job->how);
	else
		job_fail(job, m->outcome, m->words);
	job_shut(job);
	end_job(l->host, job);
	pump(l->host);
}

static void
on_back(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	struct relay_job *job = (struct relay_job *)((char *)m -
	    offsetof(struct relay_job, mail));
	struct link *l = arg;

	(void)c;
	job_shut(job);
	l->host->busy--;
	push_front(l->host, job);
}

/* What the hop's certificate must be; false when its policy names nothing
 * that could be checked. */
static bool
peer_of(const struct relay_host *h, const struct route_hop *hop,
    struct smtp_server *s)
{
	s->peer.name = hop->cert_name;
	s->tls = h->set.tls;
	s->tls_first = h->set.tls_first;
	s->peer.check = h->set.check ? WIRE_BY_CA : WIRE_UNCHECKED;
	if (!h->set.direct)
		return true;
	s->tls = SMTP_TLS_REQUIRED;
	s->tls_first = false;
	s->peer.check = hop->policy == POLICY_DANE ? WIRE_BY_DANE :
	    WIRE_BY_CA;
	s->peer.domain = h->name;
	s->peer.tlsa = hop->tlsa;
	s->peer.tlsa_count = hop->tlsa_count;
	return hop->policy == POLICY_DANE ? hop->tlsa_count > 0 :
	    hop->policy == POLICY_STS || hop->policy == POLICY_LIST;
}

static struct link *
free_link(struct relay_host *h)
{
	size_t i;

	for (i = 0; i < HOST_CONNECTIONS; i++)
		if (!h->links[i].used)
			return &h->links[i];
	return NULL;
}

static void
connect_one(struct relay_host *h)
{
	const struct smtp_user user = { on_ready, on_done, on_back, on_closed,
	    NULL };
	struct smtp_server s;
	struct smtp_user mine = user;
	struct link *l = free_link(h);

	if (l == NULL || h->world->connections >= h->world->connections_max)
		return;
	memset(&s, 0, sizeof(s));
	s.at = h->route->hops[h->hop].at;
	s.trust = h->set.trust;
	s.helo = h->world->helo;
	s.user = h->set.user;
	s.password = h->set.password;
	memset(l, 0, sizeof(*l));
	l->host = h;
	l->hop = h->hop;
	l->used = true;
	mine.arg = l;
	h->link_count++;
	h->world->connections++;
	if (!peer_of(h, &h->route->hops[h->hop], &s) ||
	    smtp_create(h->world->loop, &s, &mine, &l->smtp) != LL_OK) {
		l->used = false;
		h->link_count--;
		h->world->connections--;
		snprintf(h->words, sizeof(h->words), "no connection");
		down(h, QUEUE_RETRY);
	}
}

/* One that is not open yet is enough to find out whether the server is
 * there. */
static bool
wants_more(const struct relay_host *h)
{
	size_t ready = ready_links(h), opening = h->link_count - ready;

	if (h->waiting == 0)
		return false;
	if (h->link_count == 0)
		return true;
	if (opening > 0 || h->link_count >= HOST_CONNECTIONS ||
	    loop_now_ms() < h->more_ms)
		return false;
	return h->waiting > ready * PER_CONNECTION;
}

/* --- handing over --- */

static void
opened(void *arg, struct relay_job *job, enum ll_result r)
{
	struct link *l = arg;
	struct relay_host *h = l->host;

	l->opening--;
	if (r != LL_OK) {
		job_shut(job);
		end_job(h, job);
	} else if (l->smtp == NULL || !smtp_has_room(l->smtp)) {
		job_shut(job);
		h->busy--;
		push_front(h, job);
		pump(h);
	} else {
		job->how[0] = '\0';
		if (job->tls_only)
			proof_words(l, job->how, sizeof(job->how));
		job->mail.require_tls = job->tls_only && !h->set.direct;
		smtp_send(l->smtp, &job->mail);
	}
}

static bool
suits(const struct link *l, const struct relay_job *job)
{
	struct wire_proof proof;

	if (!job->tls_only)
		return true;
	smtp_proof(l->smtp, &proof);
	return proof.proven &&
	    (l->host->set.direct || smtp_offers_requiretls(l->smtp));
}

/* The link with the least to do that may take one more. */
static struct link *
best_link(struct relay_host *h)
{
	struct link *best = NULL, *l;
	size_t i, load, least = SMTP_AT_ONCE;

	for (i = 0; i < HOST_CONNECTIONS; i++) {
		l = &h->links[i];
		if (l->smtp == NULL || !smtp_is_ready(l->smtp))
			continue;
		load = smtp_load(l->smtp) + l->opening;
		if (load < least) {
			least = load;
			best = l;
		}
	}
	return best;
}

/* A policy that has ended proves nothing of connections made under it. */
static bool
has_ended(struct relay_host *h)
{
	size_t i;

	if (!h->set.direct || loop_now_ms() < h->route_until_ms)
		return false;
	for (i = 0; i < HOST_CONNECTIONS; i++)
		if (h->links[i].smtp != NULL && h->links[i].opening == 0 &&
		    smtp_is_ready(h->links[i].smtp) &&
		    smtp_load(h->links[i].smtp) == 0)
			smtp_leave(h->links[i].smtp, "the policy has ended");
	return true;
}

static void
assign(struct relay_host *h)
{
	struct relay_job *job;
	struct link *l;

	if (has_ended(h))
		return;
	while (h->first != NULL && (l = best_link(h)) != NULL) {
		job = pop(h);
		if (!suits(l, job)) {
			h->world->elsewhere(h->world->arg, job);
			continue;
		}
		h->busy++;
		l->opening++;
		job_open(h->world->job, job, true, opened, l);
	}
}

static void
pump(struct relay_host *h)
{
	uint64_t now = loop_now_ms();

	if (h->waiting == 0)
		return;
	assign(h);
	if (h->looking || h->waiting == 0)
		return;
	if (now < h->down_until_ms && h->link_count == 0) {
		fail_waiting(h);
		return;
	}
	if (h->route == NULL || h->route->result != LL_OK ||
	    now >= h->route_until_ms) {
		/* names of open links' hops point into the route */
		if (h->link_count == 0)
			start_look(h);
		return;
	}
	if (wants_more(h) && h->hop < h->route->count)
		connect_one(h);
}

void
host_submit(struct relay_host *h, struct relay_job *job)
{
	push(h, job);
	pump(h);
}

/* Closed connections are cleared here and nowhere else: their functions may
 * still have been running before. */
void
host_reap(struct relay_host *h)
{
	size_t i;

	if (!h->dirty)
		return;
	h->dirty = false;
	for (i = 0; i < HOST_CONNECTIONS; i++) {
		struct link *l = &h->links[i];

		if (!l->used || l->smtp == NULL ||
		    !smtp_is_closed(l->smtp))
			continue;
		if (l->opening > 0) {
			h->dirty = true;
			continue;
		}
		smtp_destroy(l->smtp);
		memset(l, 0, sizeof(*l));
		h->link_count--;
		h->world->connections--;
	}
	pump(h);
}

void
host_tick(struct relay_host *h, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < HOST_CONNECTIONS; i++)
		if (h->links[i].smtp != NULL)
			smtp_tick(h->links[i].smtp, now_ms, IDLE_MS);
	pump(h);
}
