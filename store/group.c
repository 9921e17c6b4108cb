#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "store/backup.h"
#include "store/group.h"
#include "store/object.h"

/* Pages of write-ahead log after which a checkpoint is due: 16 MiB. */
#define CHECKPOINT_PAGES 4096

struct held {
	struct peer *peer;       /* NULL: a blob file to be removed */
	struct msg *msg;
	struct id blob;
	bool end;                /* the peer is logged out with this */
};

struct group {
	bool open;
	bool failed;             /* the transaction is lost as a whole */
	struct held *held;
	size_t count, room;
	size_t mark;             /* held before the present request */
};

enum ll_result
group_create(struct store *s)
{
	s->group = calloc(1, sizeof(*s->group));
	return s->group == NULL ? LL_NOMEM : LL_OK;
}

static void
drop_from(struct group *g, size_t from)
{
	while (g->count > from)
		msg_destroy(g->held[--g->count].msg);
}

void
group_destroy(struct store *s)
{
	if (s->group == NULL)
		return;
	drop_from(s->group, 0);
	free(s->group->held);
	free(s->group);
	s->group = NULL;
}

enum ll_result
group_save(struct store *s)
{
	struct group *g = s->group;
	enum ll_result r;

	if (g->failed)
		return LL_FULL;
	if (!g->open) {
		r = db_begin(s->db);
		if (r != LL_OK)
			return r;
		g->open = true;
	}
	g->mark = g->count;
	return db_save(s->db);
}

enum ll_result
group_settle(struct store *s, enum ll_result r, bool keep)
{
	struct group *g = s->group;
	enum ll_result done;

	if (keep) {
		done = db_release(s->db);
	} else {
		done = db_undo(s->db);
		drop_from(g, g->mark);
	}
	if (done == LL_OK)
		return r;
	/* The disk was full and SQLite gave up the whole transaction: then
	 * every request of the group is refused. */
	g->failed = true;
	return r != LL_OK ? r : done;
}

static void
hold(struct store *s, const struct held *h)
{
	struct group *g = s->group;
	struct held *grown;

	if (g->count == g->room) {
		grown = realloc(g->held, (g->room * 2 + 64) * sizeof(*grown));
		if (grown == NULL) {
			/* a reply that cannot be held cannot be given */
			if (h->peer != NULL)
				h->peer->dead = true;
			msg_destroy(h->msg);
			return;
		}
		g->held = grown;
		g->room = g->room * 2 + 64;
	}
	g->held[g->count++] = *h;
}

void
group_hold(struct store *s, struct peer *p, struct msg *m)
{
	struct held h = { .peer = p, .msg = m };

	if (s->group->open)
		hold(s, &h);
	else
		serve_send(p, m);
}

void
group_end(struct store *s, struct peer *p, struct msg *m)
{
	struct held h = { .peer = p, .msg = m, .end = true };

	hold(s, &h);
}

void
group_unlink(struct store *s, const struct id *object)
{
	struct held h = { .blob = *object };

	hold(s, &h);
}

/* Nothing of the group happened: each reply becomes a refusal, events are
 * forgotten, and what a login had shown in it counts no more. */
static void
refuse_all(struct store *s)
{
	struct group *g = s->group;
	struct peer *p;
	struct held *h;
	struct msg *m;
	size_t i;

	for (p = s->peers; p != NULL; p = p->next) {
		if (!p->wrote || p->role != PEER_SESSION)
			continue;
		sodium_memzero(&p->login, sizeof(p->login));
		p->bound = false;
	}
	for (i = 0; i < g->count; i++) {
		h = &g->held[i];
		if (h->peer == NULL || msg_kind(h->msg) != MSG_REPLY ||
		    msg_create(MSG_REPLY, msg_op(h->msg), &m) != LL_OK) {
			msg_destroy(h->msg);
			continue;
		}
		msg_set_sequence(m, msg_sequence(h->msg));
		msg_put_u64(m, F_RESULT, LL_FULL);
		msg_put_text(m, F_WORDS, "The disk is full.");
		msg_destroy(h->msg);
		serve_send(h->peer, m);
	}
}

static void
let_go(struct store *s)
{
	struct group *g = s->group;
	struct held *h;
	size_t i;

	for (i = 0; i < g->count; i++) {
		h = &g->held[i];
		if (h->peer == NULL) {
			object_unlink(s, &h->blob);
			continue;
		}
		serve_send(h->peer, h->msg);
		if (h->end)
			h->peer->ended = true;
	}
}

void
serve_after(void *arg)
{
	struct store *s = arg;
	struct group *g = s->group;
	enum ll_result r = LL_OK;
	struct peer *p;

	if (g->open) {
		if (g->failed)
			db_rollback(s->db);
		else
			r = db_commit(s->db);
		if (db_broken(s->db))
			serve_die(s, "the commit failed");
		g->open = false;
		if (g->failed || r != LL_OK)
			refuse_all(s);
		else
			let_go(s);
		g->count = 0;
		g->failed = false;
		for (p = s->peers; p != NULL; p = p->next)
			p->wrote = false;
		if (db_checkpoint(s->db, s->truncate ? 0 : CHECKPOINT_PAGES,
		    s->truncate) == LL_IO)
			serve_die(s, "the checkpoint failed");
		s->truncate = false;
	}
	backup_slice(s);
	serve_reap(s);
}

enum ll_result
serve_job(struct store *s)
{
	return group_save(s);
}

void
serve_job_end(struct store *s, enum ll_result r)
{
	r = group_settle(s, r, r == LL_OK);
	if (db_broken(s->db))
		serve_die(s, "the database failed");
	(void)r;
}
