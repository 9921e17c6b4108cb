#include "server/sftp_serve.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANDLE_BYTES 16
#define NAMES_AT_ONCE 64
#define MODE_FOLDER 040700u
#define MODE_FILE 0100600u
#define ATTR_SIZE 0x1u
#define ATTR_MODE 0x4u
#define ATTR_TIMES 0x8u

enum handle_kind { HANDLE_FREE, HANDLE_FOLDER, HANDLE_READ, HANDLE_WRITE };

struct handle {
	enum handle_kind kind;
	uint8_t name[HANDLE_BYTES];
	struct sftp_listing listing;   /* HANDLE_FOLDER */
	size_t listed;
	struct sftp_file *file;        /* HANDLE_READ, HANDLE_WRITE */
	uint64_t bytes;                /* length; so far, when writing */
	enum ll_result failed;         /* of an earlier write */
};

struct sftp {
	const struct sftp_back *back;
	void *ctx;
	bool greeted;
	uint8_t *in;
	size_t in_len;
	struct sftp_out out;
	struct handle handles[SFTP_HANDLES];
	enum ll_result complained;
	uint32_t id;                   /* of the request being answered */
	struct sftp_in args;
};

/* --- answers --- */

static enum sftp_status
status_of(enum ll_result r)
{
	switch (r) {
	case LL_OK:
		return SFTP_FX_OK;
	case LL_EOF:
		return SFTP_FX_EOF;
	case LL_NOTFOUND:
	case LL_GONE:
		return SFTP_FX_NO_SUCH_FILE;
	case LL_DENIED:
	case LL_LOCKED:
		return SFTP_FX_DENIED;
	case LL_PROTO:
		return SFTP_FX_BAD_MESSAGE;
	default:
		return SFTP_FX_FAILURE;
	}
}

static void
answer_status(struct sftp *s, enum sftp_status status, const char *words)
{
	sftp_begin(&s->out, SFTP_STATUS, s->id);
	sftp_put_u32(&s->out, status);
	sftp_put_text(&s->out, words);
	sftp_put_text(&s->out, "en");
	sftp_end(&s->out);
}

/* Clients print a phrase of their own for a status ("Failure"), so the reason
 * goes to the person by the other way as well, once for each kind. */
static void
answer(struct sftp *s, enum ll_result r)
{
	const char *words = "done";

	if (r == LL_EOF)
		words = "end";
	else if (r != LL_OK)
		words = s->back->words(s->ctx, r);
	if (r != LL_OK && r != LL_EOF && r != LL_NOTFOUND &&
	    r != s->complained) {
		s->complained = r;
		s->back->complain(s->ctx, words);
	}
	answer_status(s, status_of(r), words);
}

static void
put_attrs(struct sftp_out *out, bool folder, const struct sftp_entry *e)
{
	sftp_put_u32(out, ATTR_SIZE | ATTR_MODE | ATTR_TIMES);
	sftp_put_u64(out, e ? e->bytes : 0);
	sftp_put_u32(out, folder ? MODE_FOLDER : MODE_FILE);
	sftp_put_u32(out, e ? (uint32_t)e->time : 0);
	sftp_put_u32(out, e ? (uint32_t)e->time : 0);
}

/* --- handles --- */

static struct handle *
handle_new(struct sftp *s, enum handle_kind kind)
{
	for (size_t i = 0; i < SFTP_HANDLES; i++) {
		struct handle *h = &s->handles[i];

		if (h->kind != HANDLE_FREE)
			continue;
		memset(h, 0, sizeof(*h));
		randombytes_buf(h->name, sizeof(h->name));
		h->kind = kind;
		return h;
	}
	return NULL;
}

static struct handle *
handle_get(struct sftp *s)
{
	size_t len;
	const uint8_t *name = sftp_get_string(&s->args, &len);

	if (!name || len != HANDLE_BYTES)
		return NULL;
	for (size_t i = 0; i < SFTP_HANDLES; i++)
		if (s->handles[i].kind != HANDLE_FREE &&
		    sodium_memcmp(s->handles[i].name, name, len) == 0)
			return &s->handles[i];
	return NULL;
}

static void
handle_close(struct sftp *s, struct handle *h)
{
	if (h->file)
		s->back->close(s->ctx, h->file);
	free(h->listing.entries);
	memset(h, 0, sizeof(*h));
}

static void
answer_handle(struct sftp *s, const struct handle *h)
{
	sftp_begin(&s->out, SFTP_HANDLE, s->id);
	sftp_put_string(&s->out, h->name, sizeof(h->name));
	sftp_end(&s->out);
}

/* --- paths --- */

static enum ll_result
get_path(struct sftp *s, struct sftp_path *p_r)
{
	size_t len;
	const uint8_t *text = sftp_get_string(&s->args, &len);

	if (s->args.bad)
		return LL_PROTO;
	return sftp_path_parse(text, len, p_r);
}

/* The folders /d and /m name nothing: ids are no file names. */
static enum ll_result
list(struct sftp *s, const struct sftp_path *path,
    struct sftp_listing *listing_r)
{
	struct sftp_path folder = *path;

	listing_r->entries = NULL;
	listing_r->count = 0;
	folder.name[0] = '\0';
	if (folder.box != SFTP_BOX_NEWEST && !folder.id[0])
		return LL_OK;
	return s->back->list(s->ctx, &folder, listing_r);
}

static enum ll_result
find(struct sftp *s, const struct sftp_path *path, struct sftp_entry *e_r)
{
	struct sftp_listing listing;
	enum ll_result r = list(s, path, &listing);

	memset(e_r, 0, sizeof(*e_r));
	if (r == LL_OK && !sftp_path_is_folder(path)) {
		r = LL_NOTFOUND;
		for (size_t i = 0; i < listing.count; i++)
			if (strcmp(listing.entries[i].name, path->name) == 0) {
				*e_r = listing.entries[i];
				r = LL_OK;
			}
	}
	free(listing.entries);
	return r;
}

/* --- requests; each reads its arguments from s->args and answers --- */

static enum ll_result
do_realpath(struct sftp *s)
{
	char text[SFTP_PATH_TEXT];
	struct sftp_path path;
	enum ll_result r = get_path(s, &path);

	if (r)
		return r;
	sftp_path_text(&path, text);
	sftp_begin(&s->out, SFTP_NAME, s->id);
	sftp_put_u32(&s->out, 1);
	sftp_put_text(&s->out, text);
	sftp_put_text(&s->out, text);
	put_attrs(&s->out, sftp_path_is_folder(&path), NULL);
	sftp_end(&s->out);
	return LL_AGAIN;
}

static enum ll_result
do_stat(struct sftp *s)
{
	struct sftp_path path;
	struct sftp_entry entry;
	enum ll_result r = get_path(s, &path);

	memset(&entry, 0, sizeof(entry));
	/* "/" is there also for who may not look into it (locked). */
	if (r == LL_OK && (path.box != SFTP_BOX_NEWEST || path.name[0]))
		r = find(s, &path, &entry);
	if (r)
		return r;
	sftp_begin(&s->out, SFTP_ATTRS, s->id);
	put_attrs(&s->out, sftp_path_is_folder(&path), &entry);
	sftp_end(&s->out);
	return LL_AGAIN;
}

static enum ll_result
do_fstat(struct sftp *s)
{
	struct handle *h = handle_get(s);
	struct sftp_entry entry;

	if (!h)
		return LL_PROTO;
	memset(&entry, 0, sizeof(entry));
	entry.bytes = h->bytes;
	sftp_begin(&s->out, SFTP_ATTRS, s->id);
	put_attrs(&s->out, h->kind == HANDLE_FOLDER, &entry);
	sftp_end(&s->out);
	return LL_AGAIN;
}

/* Modes and times of an attachment are nobody's business: accepted, because
 * clients give up a transfer otherwise, and not kept. */
static enum ll_result
do_setstat(struct sftp *s)
{
	(void)s;
	return LL_OK;
}

static enum ll_result
do_opendir(struct sftp *s)
{
	struct sftp_path path;
	struct handle *h;
	enum ll_result r = get_path(s, &path);

	if (r)
		return r;
	if (!sftp_path_is_folder(&path))
		return LL_NOTFOUND;
	h = handle_new(s, HANDLE_FOLDER);
	if (!h)
		return LL_FULL;
	r = list(s, &path, &h->listing);
	if (r) {
		handle_close(s, h);
		return r;
	}
	answer_handle(s, h);
	return LL_AGAIN;
}

static void
put_name(struct sftp_out *out, const struct sftp_entry *e)
{
	char line[SFTP_NAME_ROOM + 96], date[24];
	time_t when = (time_t)e->time;
	struct tm tm;

	if (!gmtime_r(&when, &tm) ||
	    !strftime(date, sizeof(date), "%b %e  %Y", &tm))
		date[0] = '\0';
	snprintf(line, sizeof(line), "-rw-------    1 letter   letter   "
	    "%12llu %12s %s", (unsigned long long)e->bytes, date, e->name);
	sftp_put_text(out, e->name);
	sftp_put_text(out, line);
	put_attrs(out, false, e);
}

static enum ll_result
do_readdir(struct sftp *s)
{
	struct handle *h = handle_get(s);
	size_t count;

	if (!h || h->kind != HANDLE_FOLDER)
		return LL_PROTO;
	count = h->listing.count - h->listed;
	if (count == 0)
		return LL_EOF;
	if (count > NAMES_AT_ONCE)
		count = NAMES_AT_ONCE;
	sftp_begin(&s->out, SFTP_NAME, s->id);
	sftp_put_u32(&s->out, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		put_name(&s->out, &h->listing.entries[h->listed++]);
	sftp_end(&s->out);
	return LL_AGAIN;
}

static enum ll_result
open_as(struct sftp *s, const struct sftp_path *path, uint32_t flags,
    struct handle *h)
{
	if (h->kind == HANDLE_READ)
		return s->back->open_read(s->ctx, path, &h->file, &h->bytes);
	if (path->box == SFTP_BOX_MESSAGE)
		return LL_DENIED;
	if (flags & (SFTP_OPEN_READ | SFTP_OPEN_APPEND))
		return LL_USAGE;
	return s->back->open_write(s->ctx, path, &h->file);
}

static enum ll_result
do_open(struct sftp *s)
{
	struct sftp_path path;
	struct handle *h;
	enum ll_result r = get_path(s, &path);
	uint32_t flags = sftp_get_u32(&s->args);

	if (s->args.bad)
		return LL_PROTO;
	if (r)
		return r;
	if (sftp_path_is_folder(&path))
		return LL_DENIED;
	h = handle_new(s, flags & SFTP_OPEN_WRITE ? HANDLE_WRITE : HANDLE_READ);
	if (!h)
		return LL_FULL;
	r = open_as(s, &path, flags, h);
	if (r) {
		handle_close(s, h);
		return r;
	}
	answer_handle(s, h);
	return LL_AGAIN;
}

static enum ll_result
do_read(struct sftp *s)
{
	struct handle *h = handle_get(s);
	uint64_t offset = sftp_get_u64(&s->args);
	uint32_t len = sftp_get_u32(&s->args);
	size_t got = 0, mark = s->out.end;
	enum ll_result r;

	if (s->args.bad || !h || h->kind != HANDLE_READ)
		return LL_PROTO;
	if (len > SFTP_DATA_MAX)
		len = SFTP_DATA_MAX;
	sftp_begin(&s->out, SFTP_DATA, s->id);
	r = s->back->read(s->ctx, h->file, offset,
	    sftp_put_reserve(&s->out), len, &got);
	if (r == LL_OK && got == 0 && len > 0)
		r = LL_EOF;
	if (r) {
		s->out.end = mark;
		return r;
	}
	sftp_put_reserved(&s->out, got);
	sftp_end(&s->out);
	return LL_AGAIN;
}

static enum ll_result
do_write(struct sftp *s)
{
	struct handle *h = handle_get(s);
	uint64_t offset = sftp_get_u64(&s->args);
	size_t len;
	const uint8_t *data = sftp_get_string(&s->args, &len);

	if (s->args.bad || !h || h->kind != HANDLE_WRITE)
		return LL_PROTO;
	/* A sealed stream has no middle to write into. */
	if (h->failed == LL_OK && offset != h->bytes)
		h->failed = LL_USAGE;
	if (h->failed == LL_OK)
		h->failed = s->back->write(s->ctx, h->file, data, len);
	if (h->failed == LL_OK)
		h->bytes += len;
	return h->failed;
}

static enum ll_result
do_close(struct sftp *s)
{
	struct handle *h = handle_get(s);
	enum ll_result r = LL_OK;

	if (!h)
		return LL_PROTO;
	if (h->kind == HANDLE_WRITE)
		r = h->failed ? h->failed : s->back->commit(s->ctx, h->file);
	/* answered before the handle goes: words may name what failed */
	answer(s, r);
	handle_close(s, h);
	return LL_AGAIN;
}

static enum ll_result
do_remove(struct sftp *s)
{
	struct sftp_path path;
	enum ll_result r = get_path(s, &path);

	if (r)
		return r;
	if (path.box == SFTP_BOX_MESSAGE || sftp_path_is_folder(&path))
		return LL_DENIED;
	return s->back->remove(s->ctx, &path);
}

static enum ll_result
do_rename(struct sftp *s)
{
	struct sftp_path from, to;
	enum ll_result r = get_path(s, &from);

	if (r == LL_OK)
		r = get_path(s, &to);
	if (r)
		return r;
	if (from.box == SFTP_BOX_MESSAGE || sftp_path_is_folder(&from) ||
	    sftp_path_is_folder(&to) || from.box != to.box ||
	    strcmp(from.id, to.id) != 0)
		return LL_DENIED;
	return s->back->rename(s->ctx, &from, &to);
}

static enum ll_result
do_denied(struct sftp *s)
{
	(void)s;
	return LL_DENIED;
}

static enum ll_result
do_unsupported(struct sftp *s)
{
	answer_status(s, SFTP_FX_UNSUPPORTED, "not offered here");
	return LL_AGAIN;
}

static enum ll_result
do_extended(struct sftp *s)
{
	static const char limits[] = "limits@openssh.com";
	size_t len;
	const uint8_t *name = sftp_get_string(&s->args, &len);

	if (!name || len != strlen(limits) || memcmp(name, limits, len) != 0)
		return do_unsupported(s);
	sftp_begin(&s->out, SFTP_EXTENDED_REPLY, s->id);
	sftp_put_u64(&s->out, SFTP_PACKET_MAX);
	sftp_put_u64(&s->out, SFTP_DATA_MAX);
	sftp_put_u64(&s->out, SFTP_DATA_MAX);
	sftp_put_u64(&s->out, SFTP_HANDLES);
	sftp_end(&s->out);
	return LL_AGAIN;
}

typedef enum ll_result request_fn(struct sftp *s);

/* LL_AGAIN from one of these: it has answered by itself. */
static request_fn *const requests[256] = {
	[SFTP_OPEN] = do_open, [SFTP_CLOSE] = do_close,
	[SFTP_READ] = do_read, [SFTP_WRITE] = do_write,
	[SFTP_LSTAT] = do_stat, [SFTP_STAT] = do_stat,
	[SFTP_FSTAT] = do_fstat, [SFTP_SETSTAT] = do_setstat,
	[SFTP_FSETSTAT] = do_setstat, [SFTP_OPENDIR] = do_opendir,
	[SFTP_READDIR] = do_readdir, [SFTP_REMOVE] = do_remove,
	[SFTP_MKDIR] = do_denied, [SFTP_RMDIR] = do_denied,
	[SFTP_REALPATH] = do_realpath, [SFTP_RENAME] = do_rename,
	[SFTP_READLINK] = do_unsupported, [SFTP_SYMLINK] = do_unsupported,
	[SFTP_EXTENDED] = do_extended,
};

/* --- packets --- */

static enum ll_result
greet(struct sftp *s)
{
	uint32_t version = sftp_get_u32(&s->args);

	if (s->args.bad || version < SFTP_VERSION)
		return LL_PROTO;
	s->greeted = true;
	/* the version stands where other packets have their id */
	sftp_begin(&s->out, SFTP_VERSION_REPLY, SFTP_VERSION);
	sftp_put_text(&s->out, "limits@openssh.com");
	sftp_put_text(&s->out, "1");
	sftp_end(&s->out);
	return LL_OK;
}

static enum ll_result
packet(struct sftp *s, const uint8_t *body, size_t len)
{
	request_fn *fn;
	enum ll_result r;
	uint8_t type;

	s->args = (struct sftp_in){ body, len, false };
	type = sftp_get_u8(&s->args);
	if (type == SFTP_INIT && !s->greeted)
		return greet(s);
	s->id = sftp_get_u32(&s->args);
	if (s->args.bad || !s->greeted || type == SFTP_INIT)
		return LL_PROTO;
	fn = requests[type] ? requests[type] : do_unsupported;
	r = fn(s);
	if (r != LL_AGAIN)
		answer(s, r);
	return LL_OK;
}

enum ll_result
sftp_work(struct sftp *s)
{
	size_t at = 0;
	enum ll_result r = LL_OK;

	while (r == LL_OK && s->in_len - at >= 4 && sftp_out_fits(&s->out)) {
		struct sftp_in head = { s->in + at, 4, false };
		size_t len = sftp_get_u32(&head);

		if (len < 1 || len > SFTP_PACKET_MAX)
			r = LL_PROTO;
		else if (s->in_len - at - 4 < len)
			break;
		else
			r = packet(s, s->in + at + 4, len);
		at += 4 + len;
	}
	if (r == LL_OK && at > 0) {
		memmove(s->in, s->in + at, s->in_len - at);
		s->in_len -= at;
	}
	return r;
}

/* --- the caller's side --- */

#define IN_ROOM (2 * (SFTP_PACKET_MAX + 4))

enum ll_result
sftp_create(const struct sftp_back *back, void *ctx, struct sftp **s_r)
{
	struct sftp *s = calloc(1, sizeof(*s));

	*s_r = NULL;
	if (!s)
		return LL_NOMEM;
	s->back = back;
	s->ctx = ctx;
	s->in = malloc(IN_ROOM);
	if (!s->in || sftp_out_init(&s->out)) {
		sftp_destroy(s);
		return LL_NOMEM;
	}
	*s_r = s;
	return LL_OK;
}

void
sftp_destroy(struct sftp *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SFTP_HANDLES; i++)
		if (s->handles[i].kind != HANDLE_FREE)
			handle_close(s, &s->handles[i]);
	if (s->in)
		explicit_bzero(s->in, IN_ROOM);
	free(s->in);
	sftp_out_finish(&s->out);
	free(s);
}

uint8_t *
sftp_input(struct sftp *s, size_t *room_r)
{
	*room_r = IN_ROOM - s->in_len;
	return s->in + s->in_len;
}

void
sftp_fed(struct sftp *s, size_t len)
{
	s->in_len += len;
}

const uint8_t *
sftp_output(const struct sftp *s, size_t *len_r)
{
	*len_r = s->out.end - s->out.start;
	return s->out.data + s->out.start;
}

void
sftp_sent(struct sftp *s, size_t len)
{
	s->out.start += len;
}
