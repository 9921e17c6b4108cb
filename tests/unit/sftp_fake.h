/*
 * sftp_fake.h - a back end of plain memory for the sftp server, and a client
 * that writes packets: shared by the unit test and the fuzzer.
 */
#ifndef LL_SFTP_FAKE_H
#define LL_SFTP_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/sftp_serve.h"

#define FAKE_FILES 8
#define FAKE_LIMIT 300000u

struct sftp_file {
	char name[SFTP_NAME_ROOM];
	uint8_t *data;
	size_t len;
	bool attached;           /* one of the fake's own */
};

struct fake {
	struct sftp_file files[FAKE_FILES];
	size_t count;
	enum ll_result refuse;   /* what every call answers, when set */
	unsigned open;           /* files not closed yet */
	unsigned complaints;
};

static enum ll_result
fake_list(void *ctx, const struct sftp_path *path,
    struct sftp_listing *listing_r)
{
	struct fake *f = ctx;

	(void)path;
	if (f->refuse)
		return f->refuse;
	listing_r->entries = calloc(FAKE_FILES, sizeof(struct sftp_entry));
	listing_r->count = f->count;
	if (!listing_r->entries)
		return LL_NOMEM;
	for (size_t i = 0; i < f->count; i++) {
		struct sftp_entry *e = &listing_r->entries[i];

		snprintf(e->name, sizeof(e->name), "%s", f->files[i].name);
		e->bytes = f->files[i].len;
		e->time = 1700000000;
	}
	return LL_OK;
}

static enum ll_result
fake_open_read(void *ctx, const struct sftp_path *path,
    struct sftp_file **file_r, uint64_t *bytes_r)
{
	struct fake *f = ctx;

	if (f->refuse)
		return f->refuse;
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->files[i].name, path->name) == 0) {
			*file_r = &f->files[i];
			*bytes_r = f->files[i].len;
			f->open++;
			return LL_OK;
		}
	return LL_NOTFOUND;
}

static enum ll_result
fake_open_write(void *ctx, const struct sftp_path *path,
    struct sftp_file **file_r)
{
	struct fake *f = ctx;
	struct sftp_file *file;

	if (f->refuse)
		return f->refuse;
	file = calloc(1, sizeof(*file));
	if (!file)
		return LL_NOMEM;
	snprintf(file->name, sizeof(file->name), "%s", path->name);
	*file_r = file;
	f->open++;
	return LL_OK;
}

static enum ll_result
fake_read(void *ctx, struct sftp_file *file, uint64_t offset, uint8_t *data,
    size_t len, size_t *got_r)
{
	(void)ctx;
	*got_r = 0;
	if (offset >= file->len)
		return LL_OK;
	*got_r = file->len - offset < len ? file->len - offset : len;
	memcpy(data, file->data + offset, *got_r);
	return LL_OK;
}

static enum ll_result
fake_write(void *ctx, struct sftp_file *file, const uint8_t *data,
    size_t len)
{
	uint8_t *grown;

	(void)ctx;
	if (file->len + len > FAKE_LIMIT)
		return LL_TOOBIG;
	grown = realloc(file->data, file->len + len + 1);
	if (!grown)
		return LL_NOMEM;
	if (len > 0)
		memcpy(grown + file->len, data, len);
	file->data = grown;
	file->len += len;
	return LL_OK;
}

static enum ll_result
fake_commit(void *ctx, struct sftp_file *file)
{
	struct fake *f = ctx;

	if (f->count == FAKE_FILES)
		return LL_FULL;
	f->files[f->count] = *file;
	f->files[f->count].attached = true;
	f->count++;
	file->data = NULL;
	return LL_OK;
}

static void
fake_close(void *ctx, struct sftp_file *file)
{
	struct fake *f = ctx;

	f->open--;
	if (file->attached)
		return;
	free(file->data);
	free(file);
}

static enum ll_result
fake_remove(void *ctx, const struct sftp_path *path)
{
	(void)ctx;
	return strcmp(path->name, "kept") == 0 ? LL_OK : LL_NOTFOUND;
}

static enum ll_result
fake_rename(void *ctx, const struct sftp_path *from,
    const struct sftp_path *to)
{
	(void)ctx;
	(void)to;
	return strcmp(from->name, "kept") == 0 ? LL_OK : LL_NOTFOUND;
}

static const char *
fake_words(void *ctx, enum ll_result r)
{
	(void)ctx;
	return ll_result_text(r);
}

static void
fake_complain(void *ctx, const char *words)
{
	struct fake *f = ctx;

	(void)words;
	f->complaints++;
}

static const struct sftp_back fake_back = {
	.list = fake_list, .open_read = fake_open_read,
	.open_write = fake_open_write, .read = fake_read,
	.write = fake_write, .commit = fake_commit, .close = fake_close,
	.remove = fake_remove, .rename = fake_rename, .words = fake_words,
	.complain = fake_complain,
};

static inline void
fake_finish(struct fake *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->files[i].data);
}

#endif
