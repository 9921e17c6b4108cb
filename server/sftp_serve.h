/*
 * sftp_serve.h - an SFTP version 3 server without a file system.
 *
 * The protocol stands here; what the paths lead to stands behind struct
 * sftp_back, so that the protocol can be tested and fuzzed alone.  Bytes go in
 * and out through buffers of fixed size; the caller does the waiting.
 */
#ifndef LL_SFTP_SERVE_H
#define LL_SFTP_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/sftp_path.h"
#include "server/sftp_wire.h"

#define SFTP_HANDLES 16

struct sftp_entry {
	char name[SFTP_NAME_ROOM];
	uint64_t bytes;
	uint64_t time;               /* seconds since 1970 */
};

struct sftp_listing {
	struct sftp_entry *entries;  /* malloc'd */
	size_t count;
};

/* One open file of the back end. */
struct sftp_file;

/* What stands behind the paths.  Every path given to a file function names a
 * file, every one given to list a folder with an id, or "/". */
struct sftp_back {
	/* The files of a folder; the caller frees listing_r->entries. */
	enum ll_result (*list)(void *ctx, const struct sftp_path *path,
	    struct sftp_listing *listing_r);
	/* Opens for reading; *bytes_r is the file's length. */
	enum ll_result (*open_read)(void *ctx, const struct sftp_path *path,
	    struct sftp_file **file_r, uint64_t *bytes_r);
	/* Opens a new file for writing. */
	enum ll_result (*open_write)(void *ctx, const struct sftp_path *path,
	    struct sftp_file **file_r);
	/* Up to len bytes at offset; *got_r 0 at the end. */
	enum ll_result (*read)(void *ctx, struct sftp_file *file,
	    uint64_t offset, uint8_t *data, size_t len, size_t *got_r);
	/* Appends. */
	enum ll_result (*write)(void *ctx, struct sftp_file *file,
	    const uint8_t *data, size_t len);
	/* Makes what was written an attachment. */
	enum ll_result (*commit)(void *ctx, struct sftp_file *file);
	/* Frees the file; what was not committed is gone. */
	void (*close)(void *ctx, struct sftp_file *file);
	enum ll_result (*remove)(void *ctx, const struct sftp_path *path);
	enum ll_result (*rename)(void *ctx, const struct sftp_path *from,
	    const struct sftp_path *to);
	/* A sentence for the last failure; the person sees it. */
	const char *(*words)(void *ctx, enum ll_result r);
	/* The same sentence by a way that clients show (standard error),
	 * for they do not show status messages. */
	void (*complain)(void *ctx, const char *words);
};

struct sftp;

/* A server that has not been greeted yet.  ctx goes to every function of back
 * and must outlive the server.  LL_NOMEM. */
LL_MUST enum ll_result sftp_create(const struct sftp_back *back, void *ctx,
    struct sftp **s_r);
/* Closes all files, uncommitted.  NULL is fine. */
void sftp_destroy(struct sftp *s);

/* Where the next bytes of the client go, and how many fit (0: sftp_work
 * first). */
uint8_t *sftp_input(struct sftp *s, size_t *room_r);
/* Says that len bytes were put there. */
void sftp_fed(struct sftp *s, size_t len);
/* Answers whole packets as long as the answers find room.  LL_OK, or LL_PROTO:
 * the client is no sftp client; end. */
LL_MUST enum ll_result sftp_work(struct sftp *s);
/* What waits to be written (valid until the next call); sftp_sent says how
 * much of it went. */
const uint8_t *sftp_output(const struct sftp *s, size_t *len_r);
void sftp_sent(struct sftp *s, size_t len);

#endif
