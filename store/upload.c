/*
 * Blob files.  The store opens a file without a name, the writer fills it and
 * makes it durable, and only then the file gets its name and its row: a crash
 * in between leaves nothing, or a file without a row that the next start
 * removes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/seal.h"
#include "store/backup.h"
#include "store/handlers.h"
#include "store/object.h"

#define UPLOADS_MAX 16           /* at once, of one peer */
/* Portal and intake are one peer each for all outsiders: at the portal they are
 * counted by the link that was opened, so that nobody's uploads keep the
 * others waiting. */
#define LINK_UPLOADS_MAX 4
#define OUTSIDE_UPLOADS_MAX 128
#define OUTSIDE_UPLOAD_SECS 4000  /* a little longer than its token is good */
#define OBJECTS_MAX 200          /* of one draft; some may be given up */

struct object_upload {
	struct object_upload *next;
	struct peer *peer;
	struct id object, message, owner;
	struct id delivery;      /* portal: the link's; zero otherwise */
	uint64_t since;
	int fd;
	bool named;              /* no O_TMPFILE here: it has a passing name */
};

void
object_path(const struct id *object, char path[OBJECT_PATH])
{
	char text[ID_TEXT + 1];

	id_text(object, text);
	(void)snprintf(path, OBJECT_PATH, "%.2s/%s", text, text);
}

static void
passing_path(const struct id *object, char path[OBJECT_PATH])
{
	object_path(object, path);
	(void)memcpy(path + 2 + 1 + ID_TEXT - 1, "~", 2);
}

void
object_unlink(struct store *s, const struct id *object)
{
	char path[OBJECT_PATH];

	/* a backup may still want it: the next start finds it unused */
	if (s->backup != NULL)
		return;
	object_path(object, path);
	(void)unlinkat(s->blobs, path, 0);
}

/* The folder xx, made and made durable when it is not there. */
static enum ll_result
folder(struct store *s, const struct id *object, int *fd_r)
{
	char path[OBJECT_PATH];

	object_path(object, path);
	path[2] = '\0';
	*fd_r = openat(s->blobs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (*fd_r >= 0)
		return LL_OK;
	if (errno != ENOENT)
		return LL_IO;
	if (mkdirat(s->blobs, path, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? LL_FULL : LL_IO;
	if (fsync(s->blobs) != 0)
		serve_die(s, "the folder of attachments could not be synced");
	*fd_r = openat(s->blobs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	return *fd_r >= 0 ? LL_OK : LL_IO;
}

/* --- uploads --- */

static void
forget(struct store *s, struct object_upload **at)
{
	struct object_upload *u = *at;
	char path[OBJECT_PATH];

	if (u->named) {
		passing_path(&u->object, path);
		(void)unlinkat(s->blobs, path, 0);
	}
	(void)close(u->fd);
	*at = u->next;
	free(u);
}

void
object_forget(struct store *s, struct peer *p)
{
	struct object_upload **at = &s->uploads;

	while (*at != NULL) {
		if (p == NULL || (*at)->peer == p)
			forget(s, at);
		else
			at = &(*at)->next;
	}
}

static enum ll_result
open_file(struct store *s, struct object_upload *u)
{
	char path[OBJECT_PATH];
	enum ll_result r;
	int dir;

	r = folder(s, &u->object, &dir);
	if (r != LL_OK)
		return r;
	u->fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (u->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR ||
	    errno == ENOENT)) {
		passing_path(&u->object, path);
		u->named = true;
		u->fd = openat(dir, path + 3, O_RDWR | O_CREAT | O_EXCL |
		    O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (u->fd < 0)
		r = errno == ENOSPC || errno == EDQUOT ? LL_FULL : LL_IO;
	(void)close(dir);
	return r;
}

#define MAIL_MAX (128ull * 1024 * 1024)

/* Sealed bytes of the largest attachment: each chunk grows by a tag.  A whole
 * mail has several of them, coded for transport. */
static uint64_t
sealed_max(const struct store *s, enum object_kind kind)
{
	uint64_t bytes = s->attachment_max;

	if ((kind == OBJECT_MAIL || kind == OBJECT_RAW) && bytes < MAIL_MAX)
		bytes = MAIL_MAX;
	return bytes + (bytes / SEAL_CHUNK + 2) *
	    (SEAL_CHUNK_OUT - SEAL_CHUNK) + SEAL_STREAM_HEADER;
}

/* How much the owner may still put here. */
static enum ll_result
room_left(struct store *s, const struct id *owner, enum object_kind kind,
    uint64_t *left_r)
{
	uint64_t used;
	enum ll_result r;

	*left_r = sealed_max(s, kind);
	if (s->quota == 0)
		return LL_OK;
	r = db_number(s->db, 0, &used, "SELECT bytes FROM users WHERE user ="
	    " ?1", "d", owner);
	if (r == LL_OK && used >= s->quota)
		*left_r = 0;
	else if (r == LL_OK && s->quota - used < *left_r)
		*left_r = s->quota - used;
	return r;
}

enum ll_result
object_fits(struct store *s, struct request *q, const struct id *owner,
    enum object_kind kind, uint64_t bytes, uint64_t *left_r)
{
	enum ll_result r;

	if (bytes > sealed_max(s, kind)) {
		q->words = "The file is above the limit for attachments.";
		return LL_TOOBIG;
	}
	r = room_left(s, owner, kind, left_r);
	if (r == LL_OK && bytes > *left_r) {
		q->words = "The mailbox's quota is used up.";
		r = LL_FULL;
	}
	return r;
}

static bool
is_outside(const struct peer *p)
{
	return p->role == PEER_PORTAL || p->role == PEER_INTAKE;
}

static bool
may_upload(const struct store *s, const struct peer *p,
    const struct id *delivery)
{
	const struct object_upload *u;
	unsigned all = 0, here = 0;

	for (u = s->uploads; u != NULL; u = u->next) {
		if (u->peer != p)
			continue;
		all++;
		here += delivery != NULL && id_equal(&u->delivery, delivery);
	}
	return here < LINK_UPLOADS_MAX &&
	    all < (is_outside(p) ? OUTSIDE_UPLOADS_MAX : UPLOADS_MAX);
}

/* Intake brings whole mails, nothing else. */
static enum object_kind
kind_of(const struct request *q)
{
	if (q->peer->role == PEER_INTAKE)
		return OBJECT_RAW;
	return (enum object_kind)view_u64(q->v, F_OBJECT_KIND);
}

enum ll_result
object_upload_new(struct store *s, struct request *q,
    const struct object_place *place)
{
	struct object_upload *u;
	enum ll_result r;
	uint64_t left;
	int copy;

	if (!may_upload(s, q->peer, place->delivery))
		return LL_BUSY;
	r = object_fits(s, q, &place->owner, kind_of(q),
	    view_u64(q->v, F_SEALED_BYTES), &left);
	if (r != LL_OK)
		return r;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return LL_NOMEM;
	id_random(&u->object);
	u->message = place->message;
	u->owner = place->owner;
	if (place->delivery != NULL)
		u->delivery = *place->delivery;
	u->since = q->now;
	u->peer = q->peer;
	r = open_file(s, u);
	if (r != LL_OK) {
		free(u);
		return r;
	}
	u->next = s->uploads;
	s->uploads = u;
	copy = fcntl(u->fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		forget(s, &s->uploads);
		return LL_IO;
	}
	msg_put_id(q->reply, F_OBJECT_ID, &u->object);
	msg_put_u64(q->reply, F_LIMIT, left);
	msg_put_fd(q->reply, copy);
	return LL_OK;
}

bool
object_upload_cancel(struct store *s, const struct peer *p,
    const struct id *object)
{
	struct object_upload **at;

	for (at = &s->uploads; *at != NULL; at = &(*at)->next)
		if ((*at)->peer == p && id_equal(&(*at)->object, object)) {
			forget(s, at);
			return true;
		}
	return false;
}

void
object_upload_expire(struct store *s, uint64_t now)
{
	struct object_upload **at = &s->uploads;

	while (*at != NULL) {
		if (is_outside((*at)->peer) &&
		    (*at)->since + OUTSIDE_UPLOAD_SECS < now)
			forget(s, at);
		else
			at = &(*at)->next;
	}
}

/* Gives the file its name for good. */
static enum ll_result
link_file(struct store *s, struct object_upload *u)
{
	char path[OBJECT_PATH], from[64];
	enum ll_result r;
	int dir, done;

	r = folder(s, &u->object, &dir);
	if (r != LL_OK)
		return r;
	object_path(&u->object, path);
	if (u->named) {
		passing_path(&u->object, from);
		done = renameat(dir, from + 3, dir, path + 3);
	} else {
		(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", u->fd);
		done = linkat(AT_FDCWD, from, dir, path + 3,
		    AT_SYMLINK_FOLLOW);
	}
	if (done != 0)
		r = errno == ENOSPC || errno == EDQUOT ? LL_FULL : LL_IO;
	else if (fsync(dir) != 0)
		serve_die(s, "the folder of attachments could not be synced");
	u->named = false;
	(void)close(dir);
	return r;
}

static enum ll_result
insert_file(struct store *s, struct request *q,
    const struct object_place *place, const struct id *object, uint64_t bytes)
{
	uint64_t count;
	enum ll_result r;

	r = db_number(s->db, 0, &count, "SELECT count(*) FROM objects WHERE"
	    " message = ?1", "d", &place->message);
	if (r == LL_OK && count >= OBJECTS_MAX) {
		q->words = "There are too many attachments.";
		r = LL_TOOBIG;
	}
	if (r == LL_OK)
		r = db_run(s->db, "INSERT INTO objects (object, message,"
		    " owner, delivery, kind, position, sealed_bytes, hash,"
		    " created, staged) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
		    " ?9, 1)", "ddddiiihi", object, &place->message,
		    &place->owner, place->delivery,
		    view_u64(q->v, F_OBJECT_KIND), count + 1, bytes,
		    view_hash(q->v, F_HASH), q->now);
	return r == LL_OK ? object_charge(s, &place->owner, bytes, true) : r;
}

/* The upload of that peer that OBJECT_ID names; NULL behind it when none is. */
static struct object_upload **
find_upload(struct store *s, const struct request *q)
{
	struct object_upload **at;
	struct id object;

	if (!view_id(q->v, F_OBJECT_ID, &object))
		memset(&object, 0, sizeof(object));
	for (at = &s->uploads; *at != NULL; at = &(*at)->next)
		if ((*at)->peer == q->peer &&
		    id_equal(&(*at)->object, &object))
			break;
	return at;
}

bool
object_upload_owner(struct store *s, const struct request *q,
    struct id *owner_r)
{
	struct object_upload *const *at = find_upload(s, q);

	if (*at != NULL)
		*owner_r = (*at)->owner;
	return *at != NULL;
}

enum ll_result
object_upload_end(struct store *s, struct request *q,
    const struct object_place *place)
{
	struct object_upload **at;
	struct id object;
	struct stat st;
	enum ll_result r;
	uint64_t left;

	if (!view_id(q->v, F_OBJECT_ID, &object) ||
	    view_hash(q->v, F_HASH) == NULL)
		return LL_USAGE;
	at = find_upload(s, q);
	if (*at == NULL || !id_equal(&(*at)->message, &place->message))
		return LL_NOTFOUND;
	if (fstat((*at)->fd, &st) != 0)
		return LL_IO;
	if (!S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != view_u64(q->v, F_SEALED_BYTES))
		return LL_CONFLICT;
	r = object_fits(s, q, &place->owner, kind_of(q),
	    (uint64_t)st.st_size, &left);
	if (r == LL_OK)
		r = link_file(s, *at);
	if (r == LL_OK)
		r = insert_file(s, q, place, &object, (uint64_t)st.st_size);
	if (r == LL_OK)
		forget(s, at);
	return r;
}

static enum ll_result
give(struct store *s, struct msg *m, const struct id *message,
    const struct id *object, bool mail)
{
	uint8_t hash[HASH_BYTES];
	char path[OBJECT_PATH];
	const uint8_t *data;
	sqlite3_stmt *st;
	enum ll_result r;
	size_t len;
	int fd;

	r = db_one(s->db, &st, "SELECT data, sealed_bytes, hash FROM objects"
	    " WHERE object = ?1 AND message = ?2 AND (kind = ?3) = ?4", "dduu",
	    object, message, OBJECT_MAIL, mail);
	if (r != LL_OK)
		return r;
	if (mail && db_hash(st, 2, hash))
		msg_put_bytes(m, F_HASH, hash, sizeof(hash));
	data = db_blob(st, 0, &len);
	msg_put_u64(m, F_SEALED_BYTES, db_u64(st, 1));
	if (data != NULL)
		msg_put_bytes(m, F_DATA, data, len);
	db_end(st);
	if (data != NULL)
		return LL_OK;
	object_path(object, path);
	fd = openat(s->blobs, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? LL_GONE : LL_IO;
	msg_put_fd(m, fd);
	return LL_OK;
}

enum ll_result
object_give(struct store *s, struct msg *m, const struct id *message,
    const struct id *object)
{
	return give(s, m, message, object, false);
}

enum ll_result
object_give_mail(struct store *s, struct msg *m, const struct id *message,
    const struct id *object)
{
	return give(s, m, message, object, true);
}

/* --- at start --- */

/* Whether this database may say which files are wanted: one that was made anew
 * (the old one was lost, or its file system is not there) knows of none. */
static enum ll_result
may_clean(struct store *s)
{
	uint64_t used;
	enum ll_result r;

	r = db_number(s->db, 0, &used, "SELECT EXISTS (SELECT 1 FROM log)",
	    "");
	return r == LL_OK && used == 0 ? LL_CONFLICT : r;
}

static enum ll_result
clean_folder(struct store *s, int dir)
{
	const struct dirent *e;
	uint64_t found;
	struct id object;
	enum ll_result r = LL_OK;
	DIR *d;

	d = fdopendir(dir);
	if (d == NULL) {
		(void)close(dir);
		return LL_IO;
	}
	while (r == LL_OK && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		found = 0;
		if (id_parse(e->d_name, &object) == LL_OK)
			r = db_number(s->db, 0, &found, "SELECT 1 FROM objects"
			    " WHERE object = ?1 AND data IS NULL", "d",
			    &object);
		if (r == LL_OK && found == 0)
			r = may_clean(s);
		if (r == LL_OK && found == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	(void)closedir(d);
	return r;
}

enum ll_result
object_clean(struct store *s)
{
	const struct dirent *e;
	enum ll_result r = LL_OK;
	int dir, sub;
	DIR *d;

	dir = openat(s->blobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = dir >= 0 ? fdopendir(dir) : NULL;
	if (d == NULL)
		return LL_IO;
	while (r == LL_OK && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		sub = openat(s->blobs, e->d_name, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			r = clean_folder(s, sub);
	}
	(void)closedir(d);
	return r;
}
