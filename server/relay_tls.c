#include "server/relay_tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/relay_sts.h"

#define SERVERS_MAX 10             /* MX records that are looked at */
#define CACHE_MAX 2048             /* policies kept */
#define REFRESH_SECS 86400
#define ROUTE_SECS 300
#define ROUTE_MIN_SECS 5
#define DANE_GOOD_SECS 21600
#define TLSA_HEAD 3

/* A policy as it was fetched; it counts until it ends, whatever happens to
 * the domain's web server meanwhile. */
struct cached {
	struct cached *next;
	char domain[DNS_NAME_MAX + 1];
	char id[STS_ID_MAX + 1];
	time_t fetched, until;
	struct sts_policy policy;
};

struct relay_tls {
	struct tls_settings set;
	struct web web;
	pthread_mutex_t lock;
	struct cached *first;
	size_t count;
};

/* One look at a domain. */
struct look {
	struct relay_tls *t;
	const char *domain;
	struct relay_route *route;
	bool listed;
	char listed_name[DNS_NAME_MAX + 1];
	enum ll_result sts;        /* LL_OK: policy is there, whatever mode */
	struct sts_policy policy;
	bool mx_secure;
	bool unsure;               /* something could not be found out */
	unsigned ttl_secs;
};

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

enum ll_result
tls_open(const struct tls_settings *s, struct relay_tls **t_r)
{
	struct relay_tls *t;
	enum ll_result r;

	*t_r = NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return LL_NOMEM;
	t->set = *s;
	t->web.ca = s->ca;
	t->web.resolve = resolve;
	t->web.resolve_ctx = s->dns;
	r = net_list_parse(s->networks, &t->web.networks);
	if (r == LL_OK && pthread_mutex_init(&t->lock, NULL) != 0)
		r = LL_NOMEM;
	if (r != LL_OK)
		free(t);
	else
		*t_r = t;
	return r;
}

bool
tls_is_listed(const char *domains, const char *domain,
    char name[DNS_NAME_MAX + 1])
{
	size_t len, own, i;

	for (; *domains != '\0'; domains += len) {
		domains += strspn(domains, " \t,");
		len = strcspn(domains, " \t,");
		own = strcspn(domains, "= \t,");
		if (own != strlen(domain) ||
		    strncasecmp(domains, domain, own) != 0)
			continue;
		name[0] = '\0';
		if (own < len && len - own - 1 <= DNS_NAME_MAX) {
			for (i = 0; i < len - own - 1; i++)
				name[i] = domains[own + 1 + i];
			name[i] = '\0';
		}
		return true;
	}
	return false;
}

/* --- MTA-STS --- */

static struct cached *
find_cached(struct relay_tls *t, const char *domain)
{
	struct cached *c;

	for (c = t->first; c != NULL; c = c->next)
		if (strcasecmp(c->domain, domain) == 0)
			return c;
	return NULL;
}

/* A copy of what is kept and has not ended; LL_NOTFOUND. */
static enum ll_result
get_cached(struct relay_tls *t, const char *domain, struct cached *c_r)
{
	enum ll_result r = LL_NOTFOUND;
	struct cached *c;

	pthread_mutex_lock(&t->lock);
	c = find_cached(t, domain);
	if (c != NULL && time(NULL) < c->until) {
		*c_r = *c;
		r = LL_OK;
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

static void
put_cached(struct relay_tls *t, const char *domain, const char *id,
    const struct sts_policy *p)
{
	struct cached *c;

	pthread_mutex_lock(&t->lock);
	c = find_cached(t, domain);
	if (c == NULL && t->count < CACHE_MAX) {
		c = calloc(1, sizeof(*c));
		if (c != NULL) {
			snprintf(c->domain, sizeof(c->domain), "%s", domain);
			c->next = t->first;
			t->first = c;
			t->count++;
		}
	}
	if (c != NULL) {
		snprintf(c->id, sizeof(c->id), "%s", id);
		c->fetched = time(NULL);
		c->until = c->fetched + (time_t)p->max_age_secs;
		c->policy = *p;
	}
	pthread_mutex_unlock(&t->lock);
}

static enum ll_result
fetch(struct look *l, const char *id, struct sts_policy *p_r)
{
	struct web_page page;
	char url[DNS_NAME_MAX + 60], why[120] = "";
	enum ll_result r;

	snprintf(url, sizeof(url),
	    "https://mta-sts.%s/.well-known/mta-sts.txt", l->domain);
	r = web_get(&l->t->web, url, STS_POLICY_MAX, &page);
	if (r != LL_OK)
		snprintf(why, sizeof(why), "%.100s", page.words[0] != '\0' ?
		    page.words : ll_result_text(r));
	else if (page.status >= 300 && page.status < 400)
		snprintf(why, sizeof(why),
		    "the web server sends elsewhere: not followed");
	else if (page.status != 200)
		snprintf(why, sizeof(why), "the web server answers %ld",
		    page.status);
	else if (strcasecmp(page.type, "text/plain") != 0)
		snprintf(why, sizeof(why), "it is not text/plain");
	else if (sts_parse((const char *)page.body, page.len, p_r) != LL_OK)
		snprintf(why, sizeof(why), "it makes no sense");
	web_page_finish(&page);
	if (why[0] == '\0') {
		put_cached(l->t, l->domain, id, p_r);
		return LL_OK;
	}
	snprintf(l->route->words, sizeof(l->route->words),
	    "the MTA-STS policy of %.80s cannot be had: %s", l->domain, why);
	return LL_BUSY;
}

/* The policy in force: fetched when the record names another than the one
 * that is kept, or that one is a day old; what is kept stays in force over
 * every failure until it ends (RFC 8461 5.1). */
static enum ll_result
look_sts(struct look *l)
{
	char name[DNS_NAME_MAX + 1], id[STS_ID_MAX + 1] = "";
	struct cached kept;
	struct dns_answer a;
	enum ll_result had, r;

	had = get_cached(l->t, l->domain, &kept);
	if (snprintf(name, sizeof(name), "_mta-sts.%s", l->domain) >
	    DNS_NAME_MAX)
		return LL_NOTFOUND;
	r = dns_ask(l->t->set.dns, name, DNS_TXT, &a);
	if (r == LL_OK)
		r = sts_record(a.rows, a.count, id);
	else if (r != LL_NOTFOUND)
		snprintf(l->route->words, sizeof(l->route->words),
		    "%s whether %.80s has an MTA-STS policy", r == LL_AUTH ?
		    "DNSSEC does not confirm" :
		    "the name servers do not say", l->domain);
	dns_answer_finish(&a);
	if (r == LL_OK && (had != LL_OK || strcmp(id, kept.id) != 0 ||
	    time(NULL) - kept.fetched > REFRESH_SECS))
		r = fetch(l, id, &l->policy);
	else
		r = r == LL_OK || had == LL_OK || r == LL_BUSY ||
		    r == LL_AUTH ? LL_BUSY : LL_NOTFOUND;
	if (r == LL_OK)
		return LL_OK;
	if (had == LL_OK) {
		l->route->words[0] = '\0';
		l->policy = kept.policy;
		return LL_OK;
	}
	return r;
}

/* --- DANE --- */

size_t
tls_usable(const struct dns_row *rows, size_t count,
    struct wire_tlsa list[WIRE_TLSA_MAX])
{
	static const size_t lengths[] = { 0, 32, 64 };
	size_t i, n = 0, len;
	const uint8_t *p;

	for (i = 0; i < count && n < WIRE_TLSA_MAX; i++) {
		p = rows[i].data;
		if (rows[i].len <= TLSA_HEAD || p[0] < 2 || p[0] > 3 ||
		    p[1] > 1 || p[2] > 2)
			continue;
		len = rows[i].len - TLSA_HEAD;
		if (len > WIRE_TLSA_BYTES || (p[2] > 0 && len != lengths[p[2]]))
			continue;
		list[n].usage = p[0];
		list[n].selector = p[1];
		list[n].match = p[2];
		list[n].len = len;
		memcpy(list[n].data, p + TLSA_HEAD, len);
		n++;
	}
	return n;
}

static void
note_ttl(struct look *l, unsigned ttl_secs)
{
	if (ttl_secs < l->ttl_secs)
		l->ttl_secs = ttl_secs;
}

/* LL_OK: usable records; LL_NOTFOUND: DANE says nothing of this server; else
 * it may, and the server must not be used. */
static enum ll_result
look_dane(struct look *l, const char *host, struct wire_tlsa *list,
    size_t *count_r)
{
	char name[DNS_NAME_MAX + 1];
	struct dns_answer a;
	enum ll_result r;

	*count_r = 0;
	if (snprintf(name, sizeof(name), "_%u._tcp.%s", l->t->set.port, host) >
	    DNS_NAME_MAX)
		return LL_NOTFOUND;
	r = dns_ask(l->t->set.dns, name, DNS_TLSA, &a);
	if (r == LL_OK && a.secure) {
		*count_r = tls_usable(a.rows, a.count, list);
		note_ttl(l, a.ttl_secs);
	}
	dns_answer_finish(&a);
	if (r == LL_OK && *count_r == 0)
		r = LL_NOTFOUND;
	return r;
}

/* --- the servers --- */

static void
explain(struct look *l, const char *host, const char *why)
{
	/* the first reason is the best server's */
	if (l->route->words[0] == '\0')
		snprintf(l->route->words, sizeof(l->route->words),
		    "%.120s: %s", host, why);
}

static void
add_hops(struct look *l, const char *host, enum route_policy policy,
    const struct dns_addresses *at, const struct wire_tlsa *tlsa, size_t count)
{
	struct relay_route *r = l->route;
	const char *name = host;
	struct route_hop *hop;
	size_t i, len = strlen(host), own = strlen(l->domain);

	/* An MX record that nobody vouches for could name anybody's server:
	 * then the certificate must be the domain's. */
	if (policy == POLICY_LIST && l->listed_name[0] != '\0')
		name = l->listed_name;
	else if (policy == POLICY_LIST && !l->mx_secure && !(len > own &&
	    host[len - own - 1] == '.' &&
	    strcasecmp(host + len - own, l->domain) == 0))
		name = l->domain;
	for (i = 0; i < at->count && r->count < ROUTE_HOPS_MAX; i++) {
		hop = &r->hops[r->count++];
		snprintf(hop->name, sizeof(hop->name), "%s", host);
		snprintf(hop->cert_name, sizeof(hop->cert_name), "%s", name);
		hop->at = at->at[i];
		hop->policy = policy;
		hop->tlsa_count = count;
		memcpy(hop->tlsa, tlsa, count * sizeof(*tlsa));
	}
}

/* Which policy speaks for this server without DANE. */
static enum route_policy
other_policy(struct look *l, const char *host)
{
	if (l->listed)
		return POLICY_LIST;
	if (l->sts != LL_OK) {
		explain(l, l->domain, "it publishes no policy that demands "
		    "TLS (MTA-STS, DANE)");
		return POLICY_NONE;
	}
	if (l->policy.mode != STS_MODE_ENFORCE) {
		explain(l, l->domain, "its MTA-STS policy is not enforced");
		return POLICY_NONE;
	}
	if (!sts_names(&l->policy, host)) {
		explain(l, host, "the domain's MTA-STS policy does not name "
		    "this server");
		l->unsure = true;
		return POLICY_NONE;
	}
	return POLICY_STS;
}

static void
look_server(struct look *l, const char *host)
{
	struct wire_tlsa tlsa[WIRE_TLSA_MAX];
	enum route_policy policy = POLICY_DANE;
	struct dns_addresses at;
	enum ll_result r, dane = LL_NOTFOUND;
	size_t count = 0;

	r = dns_addresses(l->t->set.dns, host, l->t->set.port, &at);
	if (r != LL_OK) {
		explain(l, host, r == LL_DENIED ?
		    "its address is not of the public Internet" :
		    r == LL_AUTH ? "DNSSEC does not confirm its address" :
		    "it has no address");
		l->unsure = true;
		return;
	}
	if (l->mx_secure && at.secure)
		dane = look_dane(l, host, tlsa, &count);
	if (dane != LL_OK && dane != LL_NOTFOUND) {
		explain(l, host, dane == LL_AUTH ?
		    "DNSSEC does not confirm its TLSA records" :
		    "its TLSA records cannot be had");
		l->unsure = true;
		return;
	}
	if (dane != LL_OK)
		policy = other_policy(l, host);
	if (policy != POLICY_NONE)
		add_hops(l, host, policy, &at, tlsa, count);
}

struct server {
	unsigned preference;
	char host[DNS_NAME_MAX + 1];
};

/* By preference, as they come within one. */
static void
insert(struct server *list, size_t *n, const struct server *s)
{
	size_t at = *n;

	while (at > 0 && list[at - 1].preference > s->preference)
		at--;
	if (at == SERVERS_MAX)
		return;
	if (*n == SERVERS_MAX)
		(*n)--;
	memmove(&list[at + 1], &list[at], (*n - at) * sizeof(*list));
	list[at] = *s;
	(*n)++;
}

/* No try later can change what the domain's own DNS says. */
static void
never(struct look *l, const char *why)
{
	l->route->never = true;
	snprintf(l->route->words, sizeof(l->route->words), "%.120s: %s",
	    l->domain, why);
}

/* RFC 7505 3: one record, of preference 0 by rights, that names the root. */
static bool
is_null_mx(const struct dns_answer *a)
{
	char host[DNS_NAME_MAX + 1];

	return a->count == 1 && a->rows[0].len >= 3 &&
	    dns_name(a->rows[0].data + 2, a->rows[0].len - 2, host) == LL_OK &&
	    host[0] == '\0';
}

/* The domain's MX records, or the domain itself where there are none (RFC 5321
 * 5.1), unless it is none. */
static enum ll_result
look_mx(struct look *l, struct server *list, size_t *n_r)
{
	struct server s;
	struct dns_answer a;
	enum ll_result r;
	size_t i;

	*n_r = 0;
	r = dns_ask(l->t->set.dns, l->domain, DNS_MX, &a);
	l->mx_secure = a.secure;
	if (r == LL_OK || r == LL_NOTFOUND)
		note_ttl(l, a.ttl_secs);
	for (i = 0; r == LL_OK && i < a.count; i++) {
		if (a.rows[i].len < 3 || dns_name(a.rows[i].data + 2,
		    a.rows[i].len - 2, s.host) != LL_OK || s.host[0] == '\0')
			continue;
		s.preference = (unsigned)a.rows[i].data[0] << 8 |
		    a.rows[i].data[1];
		insert(list, n_r, &s);
	}
	if (r == LL_OK && is_null_mx(&a))
		never(l, "the domain takes no mail (null MX)");
	else if (r == LL_NOTFOUND && a.no_name)
		never(l, "the domain does not exist");
	dns_answer_finish(&a);
	if (l->route->never)
		return LL_OK;
	if (r == LL_NOTFOUND) {
		snprintf(list[0].host, sizeof(list[0].host), "%s", l->domain);
		*n_r = 1;
		return LL_OK;
	}
	if (r == LL_OK && *n_r == 0)
		explain(l, l->domain, "its MX records name no server");
	else if (r != LL_OK)
		explain(l, l->domain, r == LL_AUTH ? "DNSSEC does not confirm "
		    "the domain's mail servers" :
		    "the domain's mail servers cannot be had from DNS");
	return r;
}

static void
judge(struct look *l)
{
	struct relay_route *r = l->route;

	r->good_secs = l->ttl_secs < ROUTE_MIN_SECS ? ROUTE_MIN_SECS :
	    l->ttl_secs;
	if (r->count > 0) {
		r->result = LL_OK;
		r->words[0] = '\0';
		return;
	}
	if (r->never)
		r->result = LL_NOTFOUND;
	else
		r->result = l->unsure || (l->sts != LL_OK &&
		    l->sts != LL_NOTFOUND) ? LL_BUSY : LL_NOTFOUND;
	if (r->words[0] == '\0')
		snprintf(r->words, sizeof(r->words),
		    "no server of %.100s proves itself", l->domain);
}

static void
look(struct look *l)
{
	struct server list[SERVERS_MAX + 1];
	size_t n = 0, i;

	l->ttl_secs = ROUTE_SECS;
	l->listed = tls_is_listed(l->t->set.domains, l->domain,
	    l->listed_name);
	l->sts = look_sts(l);
	if (look_mx(l, list, &n) != LL_OK)
		l->unsure = true;
	for (i = 0; i < n; i++)
		look_server(l, list[i].host);
	judge(l);
}

void
tls_route(struct relay_tls *t, const char *domain, struct relay_route *route_r)
{
	struct look l;

	memset(route_r, 0, sizeof(*route_r));
	memset(&l, 0, sizeof(l));
	l.t = t;
	l.domain = domain;
	l.route = route_r;
	look(&l);
}

static uint64_t
sts_good_secs(const struct sts_policy *p)
{
	if (p->max_age_secs > REFRESH_SECS)
		return REFRESH_SECS;
	return p->max_age_secs < ROUTE_SECS ? ROUTE_SECS : p->max_age_secs;
}

enum ll_result
relay_tls_find(void *t, const char *domain, uint8_t *data, size_t room,
    size_t *len_r, char *words, uint64_t *good_secs_r)
{
	struct relay_route *route = calloc(1, sizeof(*route));
	enum route_policy policy;
	enum ll_result r;
	struct look l;
	const char *word;

	*len_r = 0;
	*good_secs_r = 0;
	words[0] = '\0';
	if (route == NULL)
		return LL_NOMEM;
	memset(&l, 0, sizeof(l));
	l.t = t;
	l.domain = domain;
	l.route = route;
	look(&l);
	r = route->result;
	snprintf(words, WEB_WORDS, "%s", route->words);
	if (r == LL_OK) {
		policy = route->hops[0].policy;
		word = route_policy_name(policy);
		*len_r = strlen(word) < room ? strlen(word) : room;
		memcpy(data, word, *len_r);
		*good_secs_r = policy == POLICY_DANE ? DANE_GOOD_SECS :
		    policy == POLICY_STS ? sts_good_secs(&l.policy) : 0;
	}
	free(route);
	return r;
}
