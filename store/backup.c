#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup.h"

#define FOLDER "backup.tmp"
#define SLICE_PAGES 256          /* a MiB at a time */
#define TURN_MS 1

enum phase { PHASE_DATABASE, PHASE_BLOBS, PHASE_END };

struct backup {
	struct peer *peer;
	struct msg *reply;
	enum phase phase;
	enum ll_result r;
	sqlite3 *to;
	sqlite3_backup *copy;
	DIR *blobs;              /* DIR/blobs, one folder a turn */
	int target;              /* backup.tmp/blobs */
	uint64_t timer;
};

static void on_turn(void *arg);

/* --- folders --- */

/* Empties a folder and those in it; it holds nothing else. */
static void
wipe(int dir, const char *name, unsigned depth)
{
	const struct dirent *e;
	int fd;
	DIR *d;

	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0 && depth > 0)
			wipe(dirfd(d), e->d_name, depth - 1);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

static enum ll_result
sync_folder(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum ll_result r = LL_OK;

	if (fd < 0)
		return LL_IO;
	if (fsync(fd) != 0)
		r = LL_IO;
	(void)close(fd);
	return r;
}

static enum ll_result
make_folders(struct store *s, struct backup *b)
{
	int fd;

	wipe(s->data, FOLDER, 2);
	if (mkdirat(s->data, FOLDER, 0700) != 0 ||
	    mkdirat(s->data, FOLDER "/blobs", 0700) != 0)
		return errno == ENOSPC ? LL_FULL : LL_IO;
	b->target = openat(s->data, FOLDER "/blobs", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	fd = openat(s->blobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->blobs = fd >= 0 ? fdopendir(fd) : NULL;
	return b->target < 0 || b->blobs == NULL ? LL_IO : LL_OK;
}

/* --- the database --- */

static enum ll_result
open_copy(struct store *s, struct backup *b)
{
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/" FOLDER "/letterlock.db",
	    s->path);
	if (sqlite3_open_v2(path, &b->to, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return LL_IO;
	b->copy = sqlite3_backup_init(b->to, "main", db_handle(s->db),
	    "main");
	return b->copy != NULL ? LL_OK : LL_IO;
}

static enum ll_result
close_copy(struct backup *b)
{
	enum ll_result r = LL_OK;

	if (b->copy != NULL && sqlite3_backup_finish(b->copy) != SQLITE_OK)
		r = LL_IO;
	b->copy = NULL;
	/* the copy's header says WAL; alone it shall stand without one */
	if (r == LL_OK && b->to != NULL && sqlite3_exec(b->to,
	    "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
		r = LL_IO;
	if (b->to != NULL && sqlite3_close(b->to) != SQLITE_OK)
		r = LL_IO;
	b->to = NULL;
	return r;
}

void
backup_slice(struct store *s)
{
	struct backup *b = s->backup;
	int code;

	if (b == NULL || b->phase != PHASE_DATABASE)
		return;
	code = sqlite3_backup_step(b->copy, SLICE_PAGES);
	if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return;
	b->phase = PHASE_BLOBS;
	if (code != SQLITE_DONE) {
		b->r = code == SQLITE_FULL ? LL_FULL : LL_IO;
		b->phase = PHASE_END;
	}
	if (close_copy(b) != LL_OK && b->r == LL_OK) {
		b->r = LL_IO;
		b->phase = PHASE_END;
	}
}

/* --- the blobs --- */

/* Where hard links are not to be had, the bytes are copied. */
static enum ll_result
copy_bytes(int from_dir, int to_dir, const char *name)
{
	enum ll_result r = LL_IO;
	char bytes[65536];
	ssize_t n = -1;
	int from, to;

	from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	while (from >= 0 && to >= 0 &&
	    (n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n) {
			n = -1;
			break;
		}
	if (n == 0 && fsync(to) == 0)
		r = LL_OK;
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	return r;
}

static enum ll_result
link_folder(struct backup *b, const char *name)
{
	const struct dirent *e;
	enum ll_result r = LL_OK;
	int from, to;
	DIR *d;

	if (mkdirat(b->target, name, 0700) != 0)
		return errno == ENOSPC ? LL_FULL : LL_IO;
	to = openat(b->target, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	from = openat(dirfd(b->blobs), name, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC | O_NOFOLLOW);
	d = from >= 0 ? fdopendir(from) : NULL;
	if (d == NULL || to < 0)
		r = LL_IO;
	while (r == LL_OK && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strchr(e->d_name, '~') != NULL)
			continue;
		if (linkat(dirfd(d), e->d_name, to, e->d_name, 0) != 0)
			r = copy_bytes(dirfd(d), to, e->d_name);
	}
	if (r == LL_OK && fsync(to) != 0)
		r = LL_IO;
	if (d != NULL)
		(void)closedir(d);
	if (to >= 0)
		(void)close(to);
	return r;
}

/* One folder of blobs a turn. */
static void
blob_turn(struct backup *b)
{
	const struct dirent *e;

	do
		e = readdir(b->blobs);
	while (e != NULL && e->d_name[0] == '.');
	if (e != NULL) {
		b->r = link_folder(b, e->d_name);
		if (b->r != LL_OK)
			b->phase = PHASE_END;
		return;
	}
	if (fsync(b->target) != 0)
		b->r = LL_IO;
	b->phase = PHASE_END;
}

/* --- beginning and end --- */

static void
destroy(struct store *s)
{
	struct backup *b = s->backup;

	(void)close_copy(b);
	if (b->blobs != NULL)
		(void)closedir(b->blobs);
	if (b->target >= 0)
		(void)close(b->target);
	loop_timer_remove(s->loop, b->timer);
	msg_destroy(b->reply);
	free(b);
	s->backup = NULL;
}

static enum ll_result
make_durable(struct store *s)
{
	enum ll_result r;

	r = sync_folder(s->data, FOLDER "/letterlock.db");
	if (r == LL_OK)
		r = sync_folder(s->data, FOLDER);
	if (r == LL_OK)
		r = sync_folder(s->data, ".");
	return r;
}

static void
end(struct store *s)
{
	struct leaf leaf = { .event = EVENT_BACKUP };
	struct backup *b = s->backup;
	struct msg *refusal;
	enum ll_result r = b->r;

	if (r == LL_OK)
		r = make_durable(s);
	if (r == LL_OK)
		r = serve_job(s);
	if (r == LL_OK) {
		r = log_append(s, store_now(), &leaf);
		serve_job_end(s, r);
	}
	if (r == LL_OK) {
		serve_answer(b->peer, b->reply);
		b->reply = NULL;
	} else if (msg_create(MSG_REPLY, OP_BACKUP, &refusal) == LL_OK) {
		msg_set_sequence(refusal, msg_sequence(b->reply));
		msg_put_u64(refusal, F_RESULT, (uint64_t)r);
		serve_answer(b->peer, refusal);
	}
	destroy(s);
}

static void
on_turn(void *arg)
{
	struct store *s = arg;
	struct backup *b = s->backup;

	if (b->phase == PHASE_BLOBS)
		blob_turn(b);
	if (loop_timer(s->loop, TURN_MS, on_turn, s, &b->timer) != LL_OK)
		b->phase = PHASE_END;
	if (b->phase == PHASE_END)
		end(s);
}

enum ll_result
backup_begin(struct store *s, struct request *q)
{
	struct backup *b;
	enum ll_result r;

	if (s->backup != NULL)
		return LL_BUSY;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return LL_NOMEM;
	b->target = -1;
	b->peer = q->peer;
	s->backup = b;
	r = make_folders(s, b);
	if (r == LL_OK)
		r = open_copy(s, b);
	if (r == LL_OK)
		r = loop_timer(s->loop, TURN_MS, on_turn, s, &b->timer);
	if (r != LL_OK) {
		destroy(s);
		return r;
	}
	b->reply = q->reply;
	q->reply = NULL;
	q->later = true;
	return LL_OK;
}

void
backup_forget(struct store *s, const struct peer *p)
{
	if (s->backup != NULL && (p == NULL || s->backup->peer == p))
		destroy(s);
}
