#include "store/draft.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/seal.h"
#include "keys/whole.h"

#define SAVE_TRIES 8            /* against a writer who is as busy as we are */

/* --- reading --- */

static enum ll_result
ask_id(struct desk *k, enum op op, const struct id *id, struct msg **reply_r)
{
	struct msg *m;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, op, &m);
	if (r)
		return r;
	msg_put_id(m, F_MESSAGE_ID, id);
	return desk_ask(k, m, reply_r);
}

/* The draft's row in a reply to DRAFT_GET. */
static enum ll_result
row_of(const struct msg *reply, struct tlv_view *row_r)
{
	size_t at = 0;

	return view_nest(msg_view(reply), F_ROW, &at, row_r) ? LL_OK :
	    LL_PROTO;
}

static enum ll_result
unseal_row(struct desk *k, struct tlv_view row, struct draft *d)
{
	const uint8_t *sealed;
	size_t len = 0;
	enum ll_result r;

	sealed = view_bytes(row, F_DRAFT, &len);
	if (!sealed)
		return LL_PROTO;
	r = draft_unseal(d, &desk_self(k)->id, view_u64(row, F_GENERATION),
	    sealed, len);
	d->time = view_u64(row, F_TIME);
	d->version = view_u64(row, F_SEQUENCE);
	if (r == LL_OK)
		draft_words_hash(d, d->base);
	return r;
}

/* Has the agent open the box around the draft's key. */
static enum ll_result
open_key(struct desk *k, struct tlv_view row, const struct id *id,
    struct secret *key_r)
{
	const uint8_t *box, *key;
	size_t len = 0;
	struct msg *m, *reply;
	enum ll_result r;

	box = view_bytes(row, F_WRAP, &len);
	if (!box)
		return LL_PROTO;
	if (desk_self(k)->locked)
		return LL_LOCKED;
	r = msg_create(MSG_REQUEST, OP_AGENT_BOX, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_BOX, box, len);
	msg_put_u64(m, F_BOX_TYPE, SEAL_DRAFT);
	msg_put_id(m, F_MESSAGE_ID, id);
	msg_put_u64(m, F_GENERATION, view_u64(row, F_GENERATION));
	r = desk_ask_agent(k, m, &reply);
	if (r)
		return r;
	key = view_bytes(msg_view(reply), F_SECRET, &len);
	r = key && len == KEY_BYTES ? secret_copy(key_r, key, len) : LL_PROTO;
	msg_destroy(reply);
	return r;
}

static enum ll_result
read_row(struct desk *k, struct tlv_view row, struct draft *d_r)
{
	enum ll_result r;

	memset(d_r, 0, sizeof *d_r);
	if (!view_id(row, F_MESSAGE_ID, &d_r->id))
		return LL_PROTO;
	r = open_key(k, row, &d_r->id, &d_r->key);
	if (r == LL_OK)
		r = unseal_row(k, row, d_r);
	if (r)
		draft_finish(d_r);
	return r;
}

enum ll_result
draft_load(struct desk *k, const struct id *id, struct draft *d_r)
{
	struct msg *reply;
	struct tlv_view row;
	enum ll_result r;

	memset(d_r, 0, sizeof *d_r);
	r = ask_id(k, OP_DRAFT_GET, id, &reply);
	if (r)
		return r;
	r = row_of(reply, &row);
	if (r == LL_OK)
		r = read_row(k, row, d_r);
	msg_destroy(reply);
	return r;
}

/* A long text may have been left out of the list. */
static enum ll_result
read_listed(struct desk *k, struct tlv_view row, struct draft *d_r)
{
	struct id id;

	if (!view_has(row, F_DRAFT) && view_id(row, F_MESSAGE_ID, &id))
		return draft_load(k, &id, d_r);
	return read_row(k, row, d_r);
}

static enum ll_result
ask_list(struct desk *k, struct msg **reply_r)
{
	struct msg *m;
	enum ll_result r;

	*reply_r = NULL;
	r = msg_create(MSG_REQUEST, OP_DRAFT_LIST, &m);
	return r ? r : desk_ask(k, m, reply_r);
}

enum ll_result
draft_list(struct desk *k, struct draft **list_r, size_t *count_r)
{
	struct draft *grown, *list = NULL;
	struct msg *reply;
	struct tlv_view row;
	size_t at = 0, count = 0;
	enum ll_result r;

	*list_r = NULL;
	*count_r = 0;
	r = ask_list(k, &reply);
	if (r)
		return r;
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		grown = realloc(list, (count + 1) * sizeof *grown);
		r = grown ? LL_OK : LL_NOMEM;
		if (r)
			break;
		list = grown;
		r = read_listed(k, row, &list[count]);
		if (r == LL_OK)
			count++;
		else if (r != LL_AUTH && r != LL_NEWER && r != LL_PROTO
		    && r != LL_NOTFOUND)
			break;
		r = LL_OK;
	}
	msg_destroy(reply);
	if (r) {
		draft_list_finish(list, count);
		return r;
	}
	*list_r = list;
	*count_r = count;
	return LL_OK;
}

void
draft_list_finish(struct draft *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		draft_finish(&list[i]);
	free(list);
}

enum ll_result
draft_find(struct desk *k, const char *prefix, struct id *id_r)
{
	struct id low, high, id;
	struct msg *reply;
	struct tlv_view row;
	size_t at = 0, found = 0;
	enum ll_result r;

	r = id_prefix(prefix, &low, &high);
	if (r == LL_OK)
		r = ask_list(k, &reply);
	if (r)
		return r;
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		if (!view_id(row, F_MESSAGE_ID, &id)
		    || memcmp(id.b, low.b, ID_BYTES) < 0
		    || memcmp(id.b, high.b, ID_BYTES) > 0)
			continue;
		*id_r = id;
		found++;
	}
	msg_destroy(reply);
	if (found > 1)
		return LL_USAGE;
	return found ? LL_OK : LL_NOTFOUND;
}

/* --- writing --- */

static bool
has_object(const struct draft *d, const struct id *object)
{
	size_t i;

	for (i = 0; i < d->attachment_count; i++)
		if (id_equal(&d->attachments[i].object, object))
			return true;
	for (i = 0; i < d->removed_count; i++)
		if (id_equal(&d->removed[i], object))
			return true;
	return false;
}

static enum ll_result
merge(struct draft *d, const struct draft *other, bool *changed_r)
{
	enum ll_result r;
	size_t i;

	for (i = 0; i < other->attachment_count; i++) {
		if (has_object(d, &other->attachments[i].object))
			continue;
		r = draft_add_attachment(d, &other->attachments[i]);
		if (r)
			return r;
		*changed_r = true;
	}
	return LL_OK;
}

static bool
same(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES])
{
	return memcmp(a, b, HASH_BYTES) == 0;
}

/* Whether d may be put in the place of other: only over words that it was
 * made from, or that are its own.  LL_CONFLICT: both were written on. */
static enum ll_result
succeed(struct draft *d, struct draft *other)
{
	uint8_t own[HASH_BYTES];

	draft_words_hash(d, own);
	if (!same(other->base, d->base) && !same(other->base, own) &&
	    !same(other->base, d->tried[0]) &&
	    !same(other->base, d->tried[1])) {
		if (d->shown || !same(own, d->base))
			return LL_CONFLICT;
		draft_swap_words(d, other);
	}
	memcpy(d->base, other->base, HASH_BYTES);
	d->version = other->version;
	d->time = other->time;
	return LL_OK;
}

static enum ll_result
refresh(struct desk *k, struct draft *d, bool *changed_r)
{
	struct draft other;
	struct msg *reply;
	struct tlv_view row;
	enum ll_result r;

	*changed_r = false;
	r = ask_id(k, OP_DRAFT_GET, &d->id, &reply);
	if (r)
		return r;
	memset(&other, 0, sizeof other);
	other.id = d->id;
	r = row_of(reply, &row);
	if (r == LL_OK)
		r = secret_copy(&other.key, d->key.data, d->key.len);
	if (r == LL_OK)
		r = unseal_row(k, row, &other);
	if (r == LL_OK)
		r = merge(d, &other, changed_r);
	if (r == LL_OK)
		r = succeed(d, &other);
	draft_finish(&other);
	msg_destroy(reply);
	return r;
}

enum ll_result
draft_refresh(struct desk *k, struct draft *d, bool *changed_r)
{
	enum ll_result r = refresh(k, d, changed_r);

	/* two texts are for the next draft_save to tell */
	return r == LL_CONFLICT ? LL_OK : r;
}

/* Without an answer the words may be kept or not. */
static void
note_put(struct draft *d, enum ll_result r)
{
	uint8_t words[HASH_BYTES];

	draft_words_hash(d, words);
	if (r == LL_OK) {
		memcpy(d->base, words, HASH_BYTES);
		memset(d->tried, 0, sizeof d->tried);
	} else if (r != LL_CONFLICT && r != LL_NOTFOUND) {
		if (sodium_is_zero(d->tried[0], HASH_BYTES))
			memcpy(d->tried[0], words, HASH_BYTES);
		memcpy(d->tried[1], words, HASH_BYTES);
	}
}

static enum ll_result
put(struct desk *k, struct draft *d)
{
	const struct desk_self *self = desk_self(k);
	struct seal_context ctx = { SEAL_DRAFT, self->id, d->id,
	    self->generation };
	uint8_t *box = NULL, *sealed = NULL;
	size_t box_len, sealed_len;
	struct msg *m = NULL, *reply;
	enum ll_result r;

	r = seal_box(self->seal_pk, &ctx, d->key.data, d->key.len, &box,
	    &box_len);
	if (r == LL_OK)
		r = draft_seal(d, &self->id, self->generation, &sealed,
		    &sealed_len);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_DRAFT_PUT, &m);
	if (r)
		goto out;
	msg_put_id(m, F_MESSAGE_ID, &d->id);
	msg_put_bytes(m, F_WRAP, box, box_len);
	msg_put_bytes(m, F_DRAFT, sealed, sealed_len);
	msg_put_u64(m, F_GENERATION, self->generation);
	msg_put_u64(m, F_SEQUENCE, d->version);
	r = desk_ask(k, m, &reply);
	note_put(d, r);
	if (r)
		goto out;
	d->version = view_u64(msg_view(reply), F_SEQUENCE);
	msg_destroy(reply);
out:
	free(box);
	free(sealed);
	return r;
}

enum ll_result
draft_save(struct desk *k, struct draft *d)
{
	enum ll_result r;
	bool changed;
	int i;

	for (i = 0; i < SAVE_TRIES; i++) {
		r = put(k, d);
		if (r != LL_CONFLICT)
			return r;
		r = refresh(k, d, &changed);
		if (r)
			return r;
	}
	return LL_BUSY;
}

enum ll_result
draft_fork(struct desk *k, struct draft *d)
{
	struct draft fresh;
	enum ll_result r = draft_init(&fresh);

	if (r)
		return r;
	fresh.thread = d->thread;
	fresh.reply_to = d->reply_to;
	draft_take_wishes(&fresh, d);
	fresh.shown = d->shown;
	draft_swap_words(&fresh, d);
	draft_finish(d);
	*d = fresh;
	return draft_save(k, d);
}

enum ll_result
draft_delete(struct desk *k, const struct id *id)
{
	struct msg *reply;
	enum ll_result r;

	r = ask_id(k, OP_DRAFT_DELETE, id, &reply);
	msg_destroy(reply);
	return r;
}

/* --- attachments --- */

enum ll_result
draft_blob_new(struct desk *k, const struct id *id, uint64_t expected,
    struct id *object_r, int *fd_r, uint64_t *room_r)
{
	struct msg *m, *reply;
	enum ll_result r;

	*fd_r = -1;
	r = msg_create(MSG_REQUEST, OP_BLOB_NEW, &m);
	if (r)
		return r;
	msg_put_u64(m, F_SEALED_BYTES, expected);
	msg_put_id(m, F_MESSAGE_ID, id);
	r = desk_ask(k, m, &reply);
	if (r)
		return r;
	*fd_r = msg_take_fd(reply, 0);
	*room_r = view_has(msg_view(reply), F_LIMIT) ?
	    view_u64(msg_view(reply), F_LIMIT) : UINT64_MAX;
	if (*fd_r < 0 || !view_id(msg_view(reply), F_OBJECT_ID, object_r))
		r = LL_PROTO;
	msg_destroy(reply);
	return r;
}

enum ll_result
draft_blob_commit(struct desk *k, const struct id *id, enum object_kind kind,
    const struct draft_attachment *a)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_BLOB_COMMIT, &m);
	if (r)
		return r;
	msg_put_id(m, F_OBJECT_ID, &a->object);
	msg_put_u64(m, F_SEALED_BYTES, a->sealed_bytes);
	msg_put_bytes(m, F_HASH, a->hash, HASH_BYTES);
	msg_put_id(m, F_MESSAGE_ID, id);
	msg_put_u64(m, F_OBJECT_KIND, kind);
	return desk_ask(k, m, NULL);
}

static uint64_t
expected_bytes(int in)
{
	struct stat st;

	if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	return (uint64_t)st.st_size;
}

/* Seals `in` into a new blob of message id; all of *a_r but the words. */
static enum ll_result
fill_blob(struct desk *k, const struct id *id, const struct secret *key,
    enum object_kind kind, int in, struct draft_attachment *a_r)
{
	uint64_t room;
	int fd;
	enum ll_result r;

	memset(a_r, 0, sizeof *a_r);
	r = draft_blob_new(k, id, expected_bytes(in), &a_r->object, &fd,
	    &room);
	if (r == LL_OK)
		r = seal_object_fd(key->data, id, &a_r->object, kind, in, fd,
		    desk_self(k)->attachment_max, &a_r->plain_bytes,
		    &a_r->sealed_bytes, a_r->hash);
	if (r == LL_OK && fsync(fd) != 0)
		r = LL_IO;
	if (r == LL_OK)
		r = draft_blob_commit(k, id, kind, a_r);
	if (fd >= 0)
		close(fd);
	return r;
}

enum ll_result
draft_attach(struct desk *k, struct draft *d, const char *name,
    const char *type, int in)
{
	struct draft_attachment a;
	char *clean = NULL, *media = NULL;
	enum ll_result r;

	if (d->attachment_count >= DRAFT_ATTACHMENTS_MAX)
		return LL_TOOBIG;
	r = clean_file_name(name, strlen(name), &clean);
	if (r == LL_OK)
		r = clean_text(type, strlen(type), CLEAN_LINE, &media);
	if (r == LL_OK)
		r = fill_blob(k, &d->id, &d->key, OBJECT_ATTACHMENT, in, &a);
	if (r == LL_OK) {
		a.name = clean;
		a.type = media;
		r = draft_add_attachment(d, &a);
	}
	free(clean);
	free(media);
	return r;
}

enum ll_result
draft_store_body(struct desk *k, const struct draft *d,
    struct draft_attachment *a_r)
{
	size_t len = strlen(d->body), sealed_len;
	uint8_t *sealed = NULL;
	uint64_t room;
	int fd;
	enum ll_result r;

	memset(a_r, 0, sizeof *a_r);
	r = draft_blob_new(k, &d->id, len, &a_r->object, &fd, &room);
	if (r == LL_OK)
		r = seal_object_buffer(d->key.data, &d->id, &a_r->object,
		    OBJECT_BODY, d->body, len, &sealed, &sealed_len,
		    a_r->hash);
	if (r == LL_OK) {
		a_r->plain_bytes = len;
		a_r->sealed_bytes = sealed_len;
		r = whole_write(fd, sealed, sealed_len);
	}
	if (r == LL_OK && fsync(fd) != 0)
		r = LL_IO;
	if (r == LL_OK)
		r = draft_blob_commit(k, &d->id, OBJECT_BODY, a_r);
	free(sealed);
	if (fd >= 0)
		close(fd);
	return r;
}

enum ll_result
draft_detach(struct desk *k, struct draft *d, size_t n)
{
	struct draft_attachment *a;
	struct id *grown;
	struct msg *m;
	enum ll_result r;

	if (n >= d->attachment_count)
		return LL_NOTFOUND;
	a = &d->attachments[n];
	grown = realloc(d->removed, (d->removed_count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	d->removed = grown;
	d->removed[d->removed_count++] = a->object;
	r = msg_create(MSG_REQUEST, OP_OBJECT_DELETE, &m);
	if (r)
		return r;
	msg_put_id(m, F_MESSAGE_ID, &d->id);
	msg_put_id(m, F_OBJECT_ID, &a->object);
	r = desk_ask(k, m, NULL);
	if (r && r != LL_NOTFOUND)
		return r;
	free(a->name);
	free(a->type);
	memmove(a, a + 1, (--d->attachment_count - n) * sizeof *a);
	return draft_save(k, d);
}
