#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/control.h"
#include "server/hostkey.h"
#include "server/notify.h"
#include "server/pair.h"
#include "server/parsing.h"
#include "server/root.h"
#include "server/service.h"

#define SOON_MS 2000             /* an end before that counts as failure */
#define BACKOFF_MS 50
#define BACKOFF_MAX_MS 10000
#define STOP_MS 10000            /* for the pairs, relay and portal */
#define STOP_STORE_MS 60000      /* for the store to finish its commits */

/* One line says why a start failed; words are NULL when the program has said
 * it. */
static void
fail_start(struct house *h, enum proc p, const char *words)
{
	if (words != NULL)
		house_say("%s %s", proc_table[p].name, words);
	h->exit_code = 1;
	service_stop(h);
}

/* --- what each service is told --- */

/* The portal's links need the port that was picked for them. */
static enum ll_result
fill_portal_port(struct house *h)
{
	const char *url = config_text(&h->config, CONFIG_portal_url);
	size_t len = strlen(url);
	char filled[400], why[CONFIG_WHY];

	if (len < 2 || strcmp(url + len - 2, ":0") != 0)
		return LL_OK;
	snprintf(filled, sizeof(filled), "%.*s%u", (int)len - 1, url,
	    h->portal.ports[0]);
	return config_set(&h->config, "portal_url", "portal_url", filled, why);
}

static enum ll_result
add_listeners(struct house *h, struct msg *m)
{
	size_t i;
	int fd;

	for (i = 0; i < h->portal.count; i++) {
		fd = fcntl(h->portal.fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return LL_IO;
		msg_put_fd(m, fd);
	}
	return LL_OK;
}

/* CONFIGURE with a store channel (owned from now on). */
static void
configure(struct child *c, int store_fd)
{
	struct house *h = c->house;
	struct msg *m;

	if (proc_configure(c->proc, OP_CONFIGURE, &h->config, &h->root,
	    &h->host_seed, &m) != LL_OK) {
		(void)close(store_fd);
		(void)kill(c->pid, SIGKILL);
		return;
	}
	msg_put_fd(m, store_fd);
	if (c->proc == PROC_PORTAL && add_listeners(h, m) != LL_OK) {
		msg_destroy(m);
		(void)kill(c->pid, SIGKILL);
		return;
	}
	c->configured = true;
	house_send(c, m);
}

/* A store channel for any other service, at its start or after a restart. */
static void
store_arrived(void *arg, int fd)
{
	struct child *c = arg;
	struct msg *m;

	if (fd < 0)
		return;
	if (!c->configured) {
		configure(c, fd);
	} else if (msg_create(MSG_EVENT, OP_NEW_STORE, &m) == LL_OK) {
		msg_put_fd(m, fd);
		house_send(c, m);
	} else {
		(void)close(fd);
	}
}

static void restart_later(struct service *s, bool soon);

static enum ll_result
start_store(struct house *h, struct child *c)
{
	enum ll_result r;
	int fds[2];

	r = chan_pair(fds);
	if (r)
		return r;
	configure(c, fds[1]);
	return house_store_open(h, fds[0]);
}

/* --- start and restart --- */

static void
service_start(struct service *s)
{
	struct house *h = s->house;
	enum ll_result r;
	char why[120];

	if (h->stopping || !proc_wanted(s->proc, &h->config))
		return;
	r = house_child(h, s->proc, &s->child);
	if (r == LL_OK && s->proc == PROC_STORE)
		r = start_store(h, s->child);
	else if (r == LL_OK)
		r = house_ask_store(h, proc_table[s->proc].role,
		    store_arrived, s->child);
	if (r == LL_OK)
		return;
	if (s->child != NULL && s->child->pid > 0) {
		(void)kill(s->child->pid, SIGKILL);
		return;
	}
	snprintf(why, sizeof(why), "cannot be started: %s", r == LL_IO ?
	    strerror(errno) : ll_result_text(r));
	if (!h->announced)
		fail_start(h, s->proc, why);
	else
		restart_later(s, true);
}

static void
service_again(void *arg)
{
	struct service *s = arg;

	s->timer = 0;
	service_start(s);
}

static void
restart_later(struct service *s, bool soon)
{
	uint64_t wait_ms = 0;

	s->failures = soon ? s->failures + 1 : 0;
	if (s->failures > 1)
		wait_ms = s->failures > 9 ? BACKOFF_MAX_MS :
		    (uint64_t)BACKOFF_MS << (s->failures - 2);
	if (loop_timer(s->house->loop, wait_ms, service_again, s,
	    &s->timer) != LL_OK)
		house_say("%s: not restarted: out of memory",
		    proc_table[s->proc].name);
}

static void
describe_end(int status, char *text, size_t room)
{
	if (WIFSIGNALED(status))
		snprintf(text, room, "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, room, "ended with exit status %d",
		    WEXITSTATUS(status));
}

void
service_ended(struct child *c, int status)
{
	struct house *h = c->house;
	struct service *s = &h->services[c->proc];
	bool soon = loop_now_ms() - c->started_ms < SOON_MS;
	char how[120];

	s->child = NULL;
	if (c->proc == PROC_STORE)
		house_store_lost(h);
	if (h->stopping)
		return;
	describe_end(status, how, sizeof(how));
	if (!h->announced && !s->was_ready) {
		fail_start(h, c->proc, WIFEXITED(status) && status != 0 &&
		    WEXITSTATUS(status) != PROC_EXIT_FAILED ? NULL : how);
		return;
	}
	house_say("%s %s", proc_table[c->proc].name, how);
	/* the others take up a new configuration by ending */
	restart_later(s, soon && status != 0);
}

static void
announce(struct house *h)
{
	char ssh[LISTEN_MAX * (NET_TEXT + 1)] = "";
	char portal[LISTEN_MAX * (NET_TEXT + 1)] = "";
	size_t i, at;

	for (i = 0, at = 0; i < h->ssh.count; i++)
		at += (size_t)snprintf(ssh + at, sizeof(ssh) - at, "%s%s",
		    i > 0 ? "," : "", h->ssh.texts[i]);
	for (i = 0, at = 0; i < h->portal.count; i++)
		at += (size_t)snprintf(portal + at, sizeof(portal) - at,
		    "%s%s", i > 0 ? "," : "", h->portal.texts[i]);
	h->announced = true;
	house_say("ready ssh=%s portal=%s", ssh, portal);
	notify_send("READY=1");
}

static void
store_ready(struct house *h)
{
	enum proc p;

	house_store_ready(h);
	pair_store_back(h);
	for (p = PROC_RELAY; p < PROC_GATE; p++)
		if (h->services[p].child != NULL) {
			house_ask_cancel(h, h->services[p].child);
			if (house_ask_store(h, proc_table[p].role,
			    store_arrived, h->services[p].child) != LL_OK)
				(void)kill(h->services[p].child->pid, SIGKILL);
		} else if (h->services[p].timer == 0) {
			service_start(&h->services[p]);
		}
}

void
service_message(struct child *c, struct msg *m)
{
	struct house *h = c->house;
	enum proc p;

	if (msg_op(m) == OP_SUBMITTER && c->proc == PROC_INTAKE)
		parsing_start(c, m);
	if (msg_op(m) == OP_PARSER && (c->proc == PROC_INTAKE ||
	    c->proc == PROC_PORTAL))
		parsing_start(c, m);
	if (msg_op(m) != OP_READY || c->ready)
		return;
	c->ready = true;
	h->services[c->proc].was_ready = true;
	if (c->proc == PROC_STORE)
		store_ready(h);
	if (h->announced)
		return;
	for (p = 0; p < PROC_GATE; p++)
		if (proc_wanted(p, &h->config) &&
		    (h->services[p].child == NULL ||
		    !h->services[p].child->ready))
			return;
	if (pair_listen(h) != LL_OK)
		fail_start(h, PROC_GATE, "cannot be started: out of memory");
	else
		announce(h);
}

enum ll_result
service_begin(struct house *h)
{
	enum ll_result r = fill_portal_port(h);
	enum proc p;

	if (r)
		return r;
	for (p = 0; p < PROC_GATE; p++) {
		h->services[p].house = h;
		h->services[p].proc = p;
	}
	service_start(&h->services[PROC_STORE]);
	return LL_OK;
}

/* --- reload --- */

/* Values that were taken at start, or whose paths the sandbox was told, stay
 * until the next one. */
static void
keep_fixed(struct house *h, struct config *fresh)
{
	static const enum config_key fixed[] = {
		CONFIG_data, CONFIG_user, CONFIG_ssh_listen,
		CONFIG_portal_listen, CONFIG_intake_listen, CONFIG_relay,
		CONFIG_relay_ca,
		CONFIG_relay_password_file, CONFIG_portal_cert,
		CONFIG_portal_key, CONFIG_find_ca, CONFIG_dns_anchor
	};
	char why[CONFIG_WHY];
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(config_text(fresh, fixed[i]),
		    config_text(&h->config, fixed[i])) == 0)
			continue;
		house_say("%s: a change takes a restart",
		    config_name(fixed[i]));
		if (config_set(fresh, "reload", config_name(fixed[i]),
		    config_text(&h->config, fixed[i]), why) != LL_OK)
			house_say("%s", why);
	}
}

void
service_reload(struct house *h)
{
	struct config fresh;
	char why[CONFIG_WHY];
	struct msg *m;
	enum proc p;

	if (h->stopping)
		return;
	if (config_load(&fresh, h->config.file, why) != LL_OK) {
		house_say("not reloaded: %s", why);
		return;
	}
	keep_fixed(h, &fresh);
	config_finish(&h->config);
	h->config = fresh;
	if (fill_portal_port(h) != LL_OK)
		house_say("portal_url: out of memory");
	limits_configure(h->limits, &h->config);
	for (p = 0; p < PROC_GATE; p++)
		if (h->services[p].child != NULL &&
		    proc_configure(p, OP_RELOAD, &h->config, &h->root,
		    &h->host_seed, &m) == LL_OK)
			house_send(h->services[p].child, m);
	pair_stop(h, false);
	house_say("reloaded");
}

/* --- stop --- */

static void
stop_child(struct child *c)
{
	struct msg *m;

	if (c == NULL || c->chan == NULL)
		return;
	if (msg_create(MSG_EVENT, OP_STOP, &m) == LL_OK)
		house_send(c, m);
}

/* Somebody did not end when asked. */
static void
stop_hard(void *arg)
{
	struct house *h = arg;
	bool only_store = h->children != NULL && h->children->next == NULL &&
	    h->children->proc == PROC_STORE;

	h->stop_timer = 0;
	house_say("some programs did not stop and are killed");
	house_kill_all(h, only_store);
}

static void
arm_stop(struct house *h, uint64_t ms)
{
	if (h->stop_timer != 0)
		loop_timer_remove(h->loop, h->stop_timer);
	h->stop_timer = 0;
	if (loop_timer(h->loop, ms, stop_hard, h, &h->stop_timer) != LL_OK)
		house_kill_all(h, false);
}

void
service_stop(struct house *h)
{
	enum proc p;

	if (h->stopping)
		return;
	h->stopping = true;
	notify_send("STOPPING=1");
	pair_unlisten(h);
	pair_stop(h, true);
	for (p = PROC_RELAY; p < PROC_GATE; p++)
		stop_child(h->services[p].child);
	arm_stop(h, STOP_MS);
	service_stop_step(h);
}

void
service_stop_step(struct house *h)
{
	struct child *store = h->services[PROC_STORE].child;
	const struct child *c;

	for (c = h->children; c != NULL; c = c->next)
		if (c->proc != PROC_STORE)
			return;
	if (store == NULL) {
		control_close(h);
		loop_stop(h->loop);
		return;
	}
	if (store->stopping)
		return;
	stop_child(store);
	store->stopping = true;
	arm_stop(h, STOP_STORE_MS);
}
