#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

#include "store/backup.h"
#include "store/group.h"
#include "store/lease.h"
#include "store/object.h"
#include "store/serve.h"
#include "store/sweep.h"

/* Requests of one peer in a row before the others get their turn. */
#define TURN 16
#define DAY_SECS 86400

uint64_t
store_now(void)
{
	return (uint64_t)time(NULL);
}

void
serve_die(struct store *s, const char *what)
{
	(void)fprintf(stderr, "letterlock-store: %s: %s\n", what,
	    s->db != NULL ? db_words(s->db) : "no database");
	_exit(1);
}

/* --- sending --- */

void
serve_send(struct peer *p, struct msg *m)
{
	struct store *s = p->store;

	if (p->dead) {
		msg_destroy(m);
		return;
	}
	if (chan_send(p->chan, m) != LL_OK)
		p->dead = true;
	else if (chan_pending(p->chan) && loop_fd(s->loop, chan_fd(p->chan),
	    POLLIN | POLLOUT, serve_ready, p) != LL_OK)
		p->dead = true;
}

void
serve_answer(struct peer *p, struct msg *reply)
{
	group_hold(p->store, p, reply);
}

/* A refusal, with what the person needs to know. */
static void
refuse(struct request *q, enum ll_result r)
{
	struct msg *m;

	msg_destroy(q->reply);
	q->reply = NULL;
	if (msg_reply(q->msg, r, &m) != LL_OK) {
		q->peer->dead = true;
		return;
	}
	if (q->words != NULL)
		msg_put_text(m, F_WORDS, q->words);
	if (q->delay_secs > 0)
		msg_put_u64(m, F_DELAY_SECS, q->delay_secs);
	q->reply = m;
}

/* --- one request --- */

/* Who an idempotency key belongs to: a user, or the role of a server. */
static void
scope_of(const struct peer *p, struct id *scope_r)
{
	if (p->bound) {
		*scope_r = p->user;
		return;
	}
	memset(scope_r, 0, sizeof(*scope_r));
	scope_r->b[0] = (uint8_t)p->role;
}

/* LL_OK: answered as before.  LL_NOTFOUND: it is new. */
static enum ll_result
answer_again(struct store *s, struct request *q)
{
	struct tlv_view old;
	sqlite3_stmt *st;
	enum ll_result r;
	struct id scope;
	struct msg *m;

	scope_of(q->peer, &scope);
	r = db_one(s->db, &st, "SELECT op, reply FROM idempotency"
	    " WHERE day IN (?3, ?3 - 1) AND scope = ?1 AND key = ?2", "dhi",
	    &scope, view_hash(q->v, F_IDEMPOTENCY), q->now / DAY_SECS);
	if (r != LL_OK)
		return r;
	old.data = db_blob(st, 1, &old.len);
	r = db_u64(st, 0) == (uint64_t)msg_op(q->msg) ? LL_OK : LL_CONFLICT;
	if (r == LL_OK)
		r = msg_repeat(q->msg, old, &m);
	db_end(st);
	if (r != LL_OK)
		return r;
	msg_destroy(q->reply);
	q->reply = m;
	return LL_OK;
}

enum ll_result
serve_remember(struct store *s, const struct request *q, enum op op,
    const uint8_t *key, const struct msg *reply)
{
	struct tlv_view v = msg_view(reply);
	struct id scope;

	scope_of(q->peer, &scope);
	return db_run(s->db, "INSERT INTO idempotency (day, scope, key, op,"
	    " reply) VALUES (?1, ?2, ?3, ?4, ?5)", "idhub", q->now / DAY_SECS,
	    &scope, key, (int)op, v.data, v.len);
}

static enum ll_result
run_once(struct store *s, struct request *q, const struct op_rule *rule)
{
	enum ll_result r;

	if (!(rule->flags & OP_ONCE) || view_hash(q->v, F_IDEMPOTENCY) == NULL)
		return rule->handler(s, q);
	r = answer_again(s, q);
	if (r != LL_NOTFOUND)
		return r;
	r = rule->handler(s, q);
	if (r == LL_OK)
		r = msg_error(q->reply);
	if (r == LL_OK && !(rule->flags & OP_RECALLS))
		r = serve_remember(s, q, rule->op, view_hash(q->v,
		    F_IDEMPOTENCY), q->reply);
	return r;
}

static enum ll_result
run_rule(struct store *s, struct request *q, const struct op_rule *rule)
{
	enum ll_result r;

	if (!(rule->flags & OP_WRITES))
		return rule->handler(s, q);
	r = group_save(s);
	if (r != LL_OK)
		return r;
	q->peer->wrote = true;
	r = run_once(s, q, rule);
	if (r == LL_OK && q->reply != NULL)
		r = msg_error(q->reply);
	return group_settle(s, r, r == LL_OK || q->keep);
}

static void
handle(struct peer *p, struct msg *m)
{
	struct request q = { .peer = p, .msg = m, .v = msg_view(m) };
	struct store *s = p->store;
	const struct op_rule *rule;
	enum ll_result r;

	if (msg_reply(m, LL_OK, &q.reply) != LL_OK) {
		p->dead = true;
		msg_destroy(m);
		return;
	}
	q.now = store_now();
	r = op_permit(p, msg_op(m), &rule);
	if (r == LL_OK)
		r = run_rule(s, &q, rule);
	if (db_broken(s->db))
		serve_die(s, "the database failed");
	if (r == LL_OK && q.reply != NULL)
		r = msg_error(q.reply);
	if (r != LL_OK && !q.later)
		refuse(&q, r);
	if (q.reply != NULL)
		group_hold(s, p, q.reply);
	msg_destroy(m);
}

/* --- peers --- */

void
serve_ready(void *arg, int fd, short revents)
{
	struct peer *p = arg;
	enum ll_result r;
	struct msg *m;
	unsigned n;

	if (p->dead)
		return;
	if ((revents & POLLOUT) && (chan_flush(p->chan) != LL_OK ||
	    (!chan_pending(p->chan) && loop_fd(p->store->loop, fd, POLLIN,
	    serve_ready, p) != LL_OK)))
		p->dead = true;
	if (!(revents & (POLLIN | POLLHUP | POLLERR)))
		return;
	for (n = 0; n < TURN && !p->dead; n++) {
		r = chan_recv(p->chan, &m);
		if (r == LL_AGAIN)
			return;
		if (r != LL_OK || msg_kind(m) != MSG_REQUEST) {
			if (r == LL_OK)
				msg_destroy(m);
			p->dead = true;
			return;
		}
		handle(p, m);
	}
}

enum ll_result
serve_add(struct store *s, int fd, enum peer_role role, struct peer **p_r)
{
	enum ll_result r;
	struct peer *p;

	*p_r = NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		(void)close(fd);
		return LL_NOMEM;
	}
	p->store = s;
	p->role = role;
	r = chan_create(fd, &p->chan);
	if (r == LL_OK)
		r = loop_fd(s->loop, fd, POLLIN, serve_ready, p);
	if (r != LL_OK) {
		chan_destroy(p->chan);
		free(p);
		return r;
	}
	p->next = s->peers;
	s->peers = p;
	*p_r = p;
	return LL_OK;
}

enum ll_result
serve_pair(struct store *s, enum peer_role role, struct peer **p_r, int *fd_r)
{
	enum ll_result r;
	int fds[2];

	*fd_r = -1;
	r = chan_pair(fds);
	if (r != LL_OK)
		return r;
	r = serve_add(s, fds[0], role, p_r);
	if (r != LL_OK) {
		(void)close(fds[1]);
		return r;
	}
	*fd_r = fds[1];
	return LL_OK;
}

void
serve_drop(struct peer *p)
{
	p->dead = true;
}

void
serve_reap(struct store *s)
{
	struct peer **at = &s->peers, *p;

	while (*at != NULL) {
		p = *at;
		if (!p->dead) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		lease_forget(s, p);
		object_forget(s, p);
		backup_forget(s, p);
		if (p->role == PEER_RELAY)
			sweep_relay_gone(s);
		loop_fd_remove(s->loop, chan_fd(p->chan));
		chan_destroy(p->chan);
		sodium_memzero(p, sizeof(*p));
		free(p);
	}
}

void
serve_end_logins(struct store *s, const struct id *user,
    const uint8_t *token, enum user_state state)
{
	struct peer *p;
	struct msg *m;

	for (p = s->peers; p != NULL; p = p->next) {
		if (!p->bound || !id_equal(&p->user, user) || p->ended)
			continue;
		if (token != NULL && memcmp(p->token, token, HASH_BYTES) != 0)
			continue;
		if (msg_create(MSG_EVENT, OP_EVENT_ACCOUNT, &m) != LL_OK) {
			p->dead = true;
			continue;
		}
		msg_put_id(m, F_USER_ID, user);
		msg_put_u64(m, F_STATE, (uint64_t)state);
		group_end(s, p, m);
	}
}

/* --- events --- */

static struct msg *
event_message(enum op op, const struct id *message)
{
	struct msg *m;

	if (msg_create(MSG_EVENT, op, &m) != LL_OK)
		return NULL;
	if (message != NULL)
		msg_put_id(m, F_MESSAGE_ID, message);
	return m;
}

static bool
concerns(const struct peer *p, const struct id *user)
{
	return p->role == PEER_WORKER && !p->ended && !p->dead &&
	    id_equal(&p->user, user);
}

void
event_box(struct store *s, const struct id *user, const struct id *message,
    enum folder folder, const struct peer *except)
{
	struct peer *p;
	struct msg *m;

	for (p = s->peers; p != NULL; p = p->next) {
		if (p == except || !concerns(p, user))
			continue;
		m = event_message(OP_EVENT_BOX, message);
		if (m == NULL)
			continue;
		msg_put_u64(m, F_FOLDER, (uint64_t)folder);
		group_hold(s, p, m);
	}
}

void
event_status(struct store *s, const struct id *user, const struct id *message,
    const char *address, enum delivery_state state, enum event event)
{
	struct peer *p;
	struct msg *m;

	for (p = s->peers; p != NULL; p = p->next) {
		if (p == s->sender || !concerns(p, user))
			continue;
		m = event_message(OP_EVENT_STATUS, message);
		if (m == NULL)
			continue;
		msg_put_text(m, F_ADDRESS, address);
		msg_put_u64(m, F_STATE, (uint64_t)state);
		msg_put_u64(m, F_EVENT_KIND, (uint64_t)event);
		group_hold(s, p, m);
	}
}

void
event_queue(struct store *s)
{
	struct peer *p;
	struct msg *m;

	for (p = s->peers; p != NULL; p = p->next) {
		if (p->role != PEER_RELAY || p->dead)
			continue;
		m = event_message(OP_EVENT_QUEUE, NULL);
		if (m != NULL)
			group_hold(s, p, m);
	}
}
