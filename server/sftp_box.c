#include "server/sftp_box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/clean.h"
#include "server/sftp_stream.h"
#include "store/draft.h"
#include "store/mail.h"
#include "store/opened.h"

#define HELD_MAX OPENED_FILE_MAX
#define WORDS_ROOM 200
#define MEDIA_TYPE "application/octet-stream"

struct sftp_box {
	struct desk *desk;
	/* The message looked at last: a client asks for its folder, then for
	 * each file, and each time the agent would have to open it. */
	bool has_mail;
	struct mail mail;
	/* Its files, when it came as mail: letterlock-parse has told them. */
	struct sftp_listing files;
	uint32_t *numbers;           /* of their parts */
	uint64_t held;               /* bytes of open files of such mail */
	char words[WORDS_ROOM];
};

/* A file is the one or the other, or all of it is here (plain). */
struct sftp_file {
	bool writing;
	uint8_t *plain;
	size_t plain_len;
	bool begun, attached;        /* a blob is open; it is in the draft */
	struct sftp_reader reader;
	struct sftp_writer writer;
	struct id draft, object;
	char name[SFTP_NAME_ROOM];
};

/* --- drafts --- */

/* The draft that a path means; made when it means the newest and there is
 * none and `make` says so. */
static enum ll_result
load_newest(struct sftp_box *b, bool make, struct draft *d_r)
{
	struct draft *list;
	struct id id;
	size_t count;
	enum ll_result r;

	if (desk_self(b->desk)->locked)
		return LL_LOCKED;
	r = draft_list(b->desk, &list, &count);
	if (r)
		return r;
	if (count > 0)
		id = list[0].id;
	draft_list_finish(list, count);
	if (count > 0)
		return draft_load(b->desk, &id, d_r);
	if (!make)
		return LL_NOTFOUND;
	r = draft_init(d_r);
	if (r)
		return r;
	r = draft_save(b->desk, d_r);
	if (r)
		draft_finish(d_r);
	return r;
}

static enum ll_result
load_draft(struct sftp_box *b, const struct sftp_path *path, bool make,
    struct draft *d_r)
{
	struct id id;
	enum ll_result r;

	if (path->box == SFTP_BOX_NEWEST)
		return load_newest(b, make, d_r);
	r = draft_find(b->desk, path->id, &id);
	return r ? r : draft_load(b->desk, &id, d_r);
}

static enum ll_result
list_draft(struct sftp_box *b, const struct sftp_path *path,
    struct sftp_listing *listing_r)
{
	struct draft d;
	enum ll_result r = load_draft(b, path, false, &d);

	/* no draft yet: "/" is empty */
	if (r == LL_NOTFOUND && path->box == SFTP_BOX_NEWEST)
		return LL_OK;
	if (r)
		return r;
	listing_r->entries = calloc(d.attachment_count + 1,
	    sizeof(*listing_r->entries));
	if (!listing_r->entries)
		r = LL_NOMEM;
	for (size_t i = 0; r == LL_OK && i < d.attachment_count; i++) {
		struct sftp_entry *e = &listing_r->entries[i];

		snprintf(e->name, sizeof(e->name), "%s",
		    d.attachments[i].name);
		e->bytes = d.attachments[i].plain_bytes;
		e->time = d.time;
		listing_r->count++;
	}
	draft_finish(&d);
	return r;
}

static enum ll_result
attachment_of(const struct draft *d, const char *name, size_t *n_r)
{
	for (size_t i = 0; i < d->attachment_count; i++)
		if (strcmp(d->attachments[i].name, name) == 0) {
			*n_r = i;
			return LL_OK;
		}
	return LL_NOTFOUND;
}

/* --- messages --- */

static void
forget_mail(struct sftp_box *b)
{
	if (b->has_mail)
		mail_finish(&b->mail);
	b->has_mail = false;
	free(b->files.entries);
	free(b->numbers);
	b->files.entries = NULL;
	b->numbers = NULL;
	b->files.count = 0;
}

/* What letterlock-parse finds in it, asked once. */
static enum ll_result
look_inside(struct sftp_box *b)
{
	struct opened o;
	enum ll_result r;

	if (b->numbers)
		return LL_OK;
	r = opened_read(b->desk, &b->mail, &o);
	if (r)
		return r;
	b->files.entries = calloc(o.file_count + 1,
	    sizeof(*b->files.entries));
	b->numbers = calloc(o.file_count + 1, sizeof(*b->numbers));
	if (!b->files.entries || !b->numbers)
		r = LL_NOMEM;
	for (size_t i = 0; r == LL_OK && i < o.file_count; i++) {
		struct sftp_entry *e = &b->files.entries[i];

		snprintf(e->name, sizeof(e->name), "%s", o.files[i].name);
		e->bytes = o.files[i].bytes;
		e->time = b->mail.row.envelope.date;
		b->numbers[i] = o.files[i].number;
		b->files.count++;
	}
	opened_finish(&o);
	if (r)
		forget_mail(b);
	return r;
}

static enum ll_result
list_inside(struct sftp_box *b, struct sftp_listing *listing_r)
{
	enum ll_result r = look_inside(b);

	if (r)
		return r;
	listing_r->entries = calloc(b->files.count + 1,
	    sizeof(*listing_r->entries));
	if (!listing_r->entries)
		return LL_NOMEM;
	memcpy(listing_r->entries, b->files.entries,
	    b->files.count * sizeof(*listing_r->entries));
	listing_r->count = b->files.count;
	return LL_OK;
}

/* Opened whole before the first byte goes out: what could not be opened to its
 * end is not given. */
static enum ll_result
open_inside(struct sftp_box *b, const char *name, struct sftp_file *file,
    uint64_t *bytes_r)
{
	enum ll_result r = look_inside(b);
	size_t i = 0;

	if (r)
		return r;
	while (i < b->files.count &&
	    strcmp(b->files.entries[i].name, name) != 0)
		i++;
	if (i == b->files.count)
		return LL_NOTFOUND;
	if (b->files.entries[i].bytes > HELD_MAX - b->held)
		return LL_BUSY;
	r = opened_file(b->desk, &b->mail, b->numbers[i], &file->plain,
	    &file->plain_len);
	if (r)
		return r;
	b->held += file->plain_len;
	*bytes_r = file->plain_len;
	return LL_OK;
}

static enum ll_result
look_at_mail(struct sftp_box *b, const char *prefix)
{
	struct id id, low, high;
	enum ll_result r = id_prefix(prefix, &low, &high);

	if (r)
		return LL_NOTFOUND;
	if (b->has_mail && memcmp(b->mail.row.id.b, low.b, ID_BYTES) >= 0 &&
	    memcmp(b->mail.row.id.b, high.b, ID_BYTES) <= 0)
		return LL_OK;
	forget_mail(b);
	r = mail_find(b->desk, prefix, &id);
	if (r == LL_OK)
		r = mail_fetch(b->desk, &id, &b->mail);
	b->has_mail = r == LL_OK;
	return r;
}

static bool
is_taken(const struct sftp_listing *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->entries[i].name, name) == 0)
			return true;
	return false;
}

/* Names from outside may be the same; the second "a.pdf" is "a (2).pdf". */
static void
give_name(const struct sftp_listing *l, const char *name,
    char out[SFTP_NAME_ROOM])
{
	const char *dot = strrchr(name, '.');
	size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	snprintf(out, SFTP_NAME_ROOM, "%s", name);
	for (unsigned n = 2; is_taken(l, out); n++)
		snprintf(out, SFTP_NAME_ROOM, "%.*s (%u)%s", (int)stem, name,
		    n, name + stem);
}

/* Entry i is object i + 1 of the message: the body is no file. */
static enum ll_result
list_mail(struct sftp_box *b, const struct sftp_path *path,
    struct sftp_listing *listing_r)
{
	const struct envelope *e = &b->mail.row.envelope;
	enum ll_result r = look_at_mail(b, path->id);

	if (r)
		return r;
	if (opened_object(e) > 0)
		return list_inside(b, listing_r);
	listing_r->entries = calloc(e->object_count + 1,
	    sizeof(*listing_r->entries));
	if (!listing_r->entries)
		return LL_NOMEM;
	for (size_t i = 1; i < e->object_count; i++) {
		struct sftp_entry *entry =
		    &listing_r->entries[listing_r->count];
		const char *name = e->objects[i].name;
		char *clean;

		r = clean_file_name(name, strlen(name), &clean);
		if (r)
			return r;
		give_name(listing_r, clean, entry->name);
		free(clean);
		entry->bytes = e->objects[i].plain_bytes;
		entry->time = e->date;
		listing_r->count++;
	}
	return LL_OK;
}

static enum ll_result
box_list(void *ctx, const struct sftp_path *path,
    struct sftp_listing *listing_r)
{
	struct sftp_box *b = ctx;
	enum ll_result r;

	listing_r->entries = NULL;
	listing_r->count = 0;
	if (path->box == SFTP_BOX_MESSAGE)
		r = list_mail(b, path, listing_r);
	else
		r = list_draft(b, path, listing_r);
	if (r) {
		free(listing_r->entries);
		listing_r->entries = NULL;
		listing_r->count = 0;
	}
	return r;
}

/* --- reading --- */

/* The ciphertext of one object: a descriptor, or bytes when it is small. */
static enum ll_result
open_object(struct sftp_box *b, struct sftp_reader *reader)
{
	struct msg *m, *reply;
	const uint8_t *data;
	size_t len = 0;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_OBJECT_OPEN, &m);
	if (r)
		return r;
	msg_put_id(m, F_MESSAGE_ID, &reader->message);
	msg_put_id(m, F_OBJECT_ID, &reader->object);
	r = desk_ask(b->desk, m, &reply);
	if (r)
		return r;
	reader->fd = msg_take_fd(reply, 0);
	data = view_bytes(msg_view(reply), F_DATA, &len);
	if (reader->fd < 0 && data && len == reader->sealed_bytes) {
		reader->data = malloc(len + 1);
		if (reader->data)
			memcpy(reader->data, data, len);
		else
			r = LL_NOMEM;
	} else if (reader->fd < 0) {
		r = LL_AUTH;
	}
	msg_destroy(reply);
	return r;
}

static enum ll_result
pick_from_draft(struct sftp_box *b, const struct sftp_path *path,
    struct sftp_reader *reader, struct secret *key_r, uint64_t *bytes_r)
{
	struct draft d;
	size_t n;
	enum ll_result r = load_draft(b, path, false, &d);

	if (r)
		return r;
	r = attachment_of(&d, path->name, &n);
	if (r == LL_OK) {
		reader->message = d.id;
		reader->object = d.attachments[n].object;
		reader->sealed_bytes = d.attachments[n].sealed_bytes;
		memcpy(reader->hash, d.attachments[n].hash, HASH_BYTES);
		*bytes_r = d.attachments[n].plain_bytes;
		r = secret_copy(key_r, d.key.data, d.key.len);
	}
	draft_finish(&d);
	return r;
}

static enum ll_result
pick_from_mail(struct sftp_box *b, const struct sftp_path *path,
    struct sftp_reader *reader, struct secret *key_r, uint64_t *bytes_r)
{
	const struct envelope_object *o = NULL;
	struct sftp_listing listing;
	enum ll_result r = box_list(b, path, &listing);

	if (r)
		return r;
	for (size_t i = 0; i < listing.count; i++)
		if (strcmp(listing.entries[i].name, path->name) == 0)
			o = &b->mail.row.envelope.objects[i + 1];
	free(listing.entries);
	if (!o)
		return LL_NOTFOUND;
	reader->message = b->mail.row.id;
	reader->object = o->id;
	reader->sealed_bytes = o->sealed_bytes;
	memcpy(reader->hash, o->hash, HASH_BYTES);
	*bytes_r = o->plain_bytes;
	return secret_copy(key_r, b->mail.key.data, b->mail.key.len);
}

/* Tells the store that an upload came to nothing; what it says does not
 * matter: the end of the channel would say the same. */
static void
give_up(struct sftp_box *b, const struct sftp_file *file)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_OBJECT_DELETE, &m);
	if (r)
		return;
	msg_put_id(m, F_MESSAGE_ID, &file->draft);
	msg_put_id(m, F_OBJECT_ID, &file->object);
	r = desk_ask(b->desk, m, NULL);
	(void)r;
}

static void
box_close(void *ctx, struct sftp_file *file)
{
	if (file->writing && file->begun && !file->attached)
		give_up(ctx, file);
	if (file->writing)
		sftp_writer_finish(&file->writer);
	else
		sftp_reader_finish(&file->reader);
	if (file->plain) {
		explicit_bzero(file->plain, file->plain_len);
		((struct sftp_box *)ctx)->held -= file->plain_len;
	}
	free(file->plain);
	free(file);
}

static enum ll_result
box_open_read(void *ctx, const struct sftp_path *path,
    struct sftp_file **file_r, uint64_t *bytes_r)
{
	struct sftp_box *b = ctx;
	struct secret key = SECRET_NONE;
	struct sftp_file *file = calloc(1, sizeof(*file));
	enum ll_result r;

	*file_r = NULL;
	if (!file)
		return LL_NOMEM;
	file->reader.fd = -1;
	if (path->box == SFTP_BOX_MESSAGE) {
		r = look_at_mail(b, path->id);
		if (r == LL_OK && opened_object(&b->mail.row.envelope) > 0)
			r = open_inside(b, path->name, file, bytes_r);
		if (r || file->plain)
			goto out;
	}
	r = path->box == SFTP_BOX_MESSAGE ?
	    pick_from_mail(b, path, &file->reader, &key, bytes_r) :
	    pick_from_draft(b, path, &file->reader, &key, bytes_r);
	if (r == LL_OK)
		r = open_object(b, &file->reader);
	if (r == LL_OK)
		r = sftp_reader_begin(&file->reader, &key);
out:
	secret_finish(&key);
	if (r)
		box_close(b, file);
	else
		*file_r = file;
	return r;
}

static enum ll_result
box_read(void *ctx, struct sftp_file *file, uint64_t offset, uint8_t *data,
    size_t len, size_t *got_r)
{
	size_t left;

	(void)ctx;
	if (file->plain) {
		left = offset < file->plain_len ? file->plain_len -
		    (size_t)offset : 0;
		*got_r = len < left ? len : left;
		if (*got_r > 0)
			memcpy(data, file->plain + offset, *got_r);
		return LL_OK;
	}
	return sftp_reader_read(&file->reader, offset, data, len, got_r);
}

/* --- writing --- */

static enum ll_result
begin_upload(struct sftp_box *b, struct draft *d, struct sftp_file *file)
{
	uint64_t limit = desk_self(b->desk)->attachment_max, room;
	enum ll_result r;
	int fd;

	if (d->attachment_count >= DRAFT_ATTACHMENTS_MAX)
		return LL_FULL;
	r = draft_blob_new(b->desk, &d->id, SEAL_STREAM_HEADER, &file->object,
	    &fd, &room);
	if (r) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	file->begun = true;
	file->draft = d->id;
	return sftp_writer_begin(&file->writer, fd, &d->key, &d->id,
	    &file->object, room < limit ? room : limit);
}

static enum ll_result
box_open_write(void *ctx, const struct sftp_path *path,
    struct sftp_file **file_r)
{
	struct sftp_box *b = ctx;
	struct sftp_file *file = calloc(1, sizeof(*file));
	struct draft d;
	enum ll_result r;

	*file_r = NULL;
	if (!file)
		return LL_NOMEM;
	file->writing = true;
	file->writer.fd = -1;
	snprintf(file->name, sizeof(file->name), "%s", path->name);
	r = load_draft(b, path, true, &d);
	if (r == LL_OK) {
		r = begin_upload(b, &d, file);
		draft_finish(&d);
	}
	if (r)
		box_close(b, file);
	else
		*file_r = file;
	return r;
}

static enum ll_result
box_write(void *ctx, struct sftp_file *file, const uint8_t *data, size_t len)
{
	(void)ctx;
	return sftp_writer_write(&file->writer, data, len);
}

/* The draft may have grown, or been sent, while the upload ran. */
static enum ll_result
enter_in_draft(struct sftp_box *b, const struct sftp_file *file,
    const struct draft_attachment *a)
{
	struct draft d;
	enum ll_result r;

	r = draft_load(b->desk, &file->draft, &d);
	if (r)
		return r;
	r = draft_add_attachment(&d, a);
	if (r == LL_OK)
		r = draft_save(b->desk, &d);
	draft_finish(&d);
	return r;
}

static enum ll_result
box_commit(void *ctx, struct sftp_file *file)
{
	static char type[] = MEDIA_TYPE;
	struct draft_attachment a = { .object = file->object,
	    .name = file->name, .type = type };
	struct sftp_box *b = ctx;
	enum ll_result r = sftp_writer_end(&file->writer);

	if (r == LL_OK) {
		a.plain_bytes = file->writer.plain_bytes;
		a.sealed_bytes = file->writer.sealed_bytes;
		memcpy(a.hash, file->writer.hash, HASH_BYTES);
		r = draft_blob_commit(b->desk, &file->draft,
		    OBJECT_ATTACHMENT, &a);
	}
	if (r == LL_OK)
		r = enter_in_draft(b, file, &a);
	file->attached = r == LL_OK;
	/* "no such file" would tell the person nothing */
	return r == LL_NOTFOUND ? LL_CONFLICT : r;
}

/* --- the rest --- */

static enum ll_result
box_remove(void *ctx, const struct sftp_path *path)
{
	struct sftp_box *b = ctx;
	struct draft d;
	size_t n;
	enum ll_result r = load_draft(b, path, false, &d);

	if (r)
		return r;
	r = attachment_of(&d, path->name, &n);
	if (r == LL_OK)
		r = draft_detach(b->desk, &d, n);
	draft_finish(&d);
	return r;
}

static enum ll_result
box_rename(void *ctx, const struct sftp_path *from,
    const struct sftp_path *to)
{
	struct sftp_box *b = ctx;
	struct draft d;
	char *name = strdup(to->name);
	size_t n, other;
	enum ll_result r;

	if (!name)
		return LL_NOMEM;
	r = load_draft(b, from, false, &d);
	if (r) {
		free(name);
		return r;
	}
	r = attachment_of(&d, from->name, &n);
	if (r == LL_OK && attachment_of(&d, to->name, &other) == LL_OK)
		r = LL_CONFLICT;
	if (r == LL_OK) {
		free(d.attachments[n].name);
		d.attachments[n].name = name;
		name = NULL;
		r = draft_save(b->desk, &d);
	}
	free(name);
	draft_finish(&d);
	return r;
}

static const char *
box_words(void *ctx, enum ll_result r)
{
	struct sftp_box *b = ctx;
	uint64_t most = desk_self(b->desk)->attachment_max;

	if (r == LL_TOOBIG)
		snprintf(b->words, sizeof(b->words),
		    "too large: an attachment may have %llu bytes here, "
		    "and your quota must have room",
		    (unsigned long long)most);
	else if (r == LL_LOCKED)
		snprintf(b->words, sizeof(b->words),
		    "locked: passphrase needed (log in with it, or unlock on "
		    "the screen of this connection)");
	else if (r == LL_CONFLICT)
		snprintf(b->words, sizeof(b->words),
		    "the draft was sent or deleted meanwhile, or the server "
		    "was restarted, or there is such a name: look and try "
		    "again");
	else if (r == LL_USAGE)
		snprintf(b->words, sizeof(b->words),
		    "a file is sent whole, from its first byte to its last");
	else
		snprintf(b->words, sizeof(b->words), "%s",
		    desk_words(b->desk, r));
	return b->words;
}

static void
box_complain(void *ctx, const char *words)
{
	(void)ctx;
	dprintf(STDERR_FILENO, "letterlock: %s\r\n", words);
}

enum ll_result
sftp_box_create(struct desk *desk, struct sftp_box **b_r)
{
	struct sftp_box *b = calloc(1, sizeof(*b));

	*b_r = b;
	if (!b)
		return LL_NOMEM;
	b->desk = desk;
	return LL_OK;
}

void
sftp_box_destroy(struct sftp_box *b)
{
	if (!b)
		return;
	forget_mail(b);
	free(b);
}

const struct sftp_back sftp_box_back = {
	.list = box_list, .open_read = box_open_read,
	.open_write = box_open_write, .read = box_read, .write = box_write,
	.commit = box_commit, .close = box_close, .remove = box_remove,
	.rename = box_rename, .words = box_words, .complain = box_complain,
};
