/*
 * sftp_wire.h - the numbers and strings of SFTP version 3
 * (draft-ietf-secsh-filexfer-02), read and written with limits.
 */
#ifndef LL_SFTP_WIRE_H
#define LL_SFTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

#define SFTP_VERSION 3
#define SFTP_PACKET_MAX 262144         /* bytes of one packet's body */
#define SFTP_DATA_MAX (SFTP_PACKET_MAX - 1024) /* of one read or write */
#define SFTP_PATH_MAX 1024
#define SFTP_OUT_ROOM (4 * SFTP_PACKET_MAX)

enum sftp_type {
	SFTP_INIT = 1, SFTP_VERSION_REPLY = 2, SFTP_OPEN = 3, SFTP_CLOSE = 4,
	SFTP_READ = 5, SFTP_WRITE = 6, SFTP_LSTAT = 7, SFTP_FSTAT = 8,
	SFTP_SETSTAT = 9, SFTP_FSETSTAT = 10, SFTP_OPENDIR = 11,
	SFTP_READDIR = 12, SFTP_REMOVE = 13, SFTP_MKDIR = 14, SFTP_RMDIR = 15,
	SFTP_REALPATH = 16, SFTP_STAT = 17, SFTP_RENAME = 18,
	SFTP_READLINK = 19, SFTP_SYMLINK = 20, SFTP_STATUS = 101,
	SFTP_HANDLE = 102, SFTP_DATA = 103, SFTP_NAME = 104, SFTP_ATTRS = 105,
	SFTP_EXTENDED = 200, SFTP_EXTENDED_REPLY = 201
};

enum sftp_status {
	SFTP_FX_OK = 0, SFTP_FX_EOF = 1, SFTP_FX_NO_SUCH_FILE = 2,
	SFTP_FX_DENIED = 3, SFTP_FX_FAILURE = 4, SFTP_FX_BAD_MESSAGE = 5,
	SFTP_FX_UNSUPPORTED = 8
};

/* Bits of OPEN's pflags. */
enum sftp_open_flag {
	SFTP_OPEN_READ = 1, SFTP_OPEN_WRITE = 2, SFTP_OPEN_APPEND = 4,
	SFTP_OPEN_CREATE = 8, SFTP_OPEN_TRUNCATE = 16, SFTP_OPEN_EXCLUSIVE = 32
};

/* A cursor over one packet's body.  The first get beyond the end sets bad and
 * that and all later gets give 0 or NULL; check bad once. */
struct sftp_in {
	const uint8_t *data;
	size_t len;
	bool bad;
};

/* Big-endian numbers. */
uint8_t sftp_get_u8(struct sftp_in *in);
uint32_t sftp_get_u32(struct sftp_in *in);
uint64_t sftp_get_u64(struct sftp_in *in);
/* A borrowed string of *len_r bytes, not terminated. */
const uint8_t *sftp_get_string(struct sftp_in *in, size_t *len_r);

/* What waits to be sent: SFTP_OUT_ROOM bytes, allocated once. */
struct sftp_out {
	uint8_t *data;
	size_t start, end;       /* bytes [start, end) wait */
	size_t packet;           /* where the open packet's length stands */
};

/* LL_NOMEM.  finish wipes and frees; safe on zeroes. */
LL_MUST enum ll_result sftp_out_init(struct sftp_out *out);
void sftp_out_finish(struct sftp_out *out);
/* True when one more packet of the largest kind fits. */
bool sftp_out_fits(struct sftp_out *out);
/* One packet: begin, puts, end.  A packet holds at most SFTP_PACKET_MAX + 64
 * bytes; the caller asked sftp_out_fits before. */
void sftp_begin(struct sftp_out *out, enum sftp_type type, uint32_t id);
void sftp_end(struct sftp_out *out);
void sftp_put_u32(struct sftp_out *out, uint32_t v);
void sftp_put_u64(struct sftp_out *out, uint64_t v);
void sftp_put_string(struct sftp_out *out, const void *p, size_t len);
void sftp_put_text(struct sftp_out *out, const char *text);
/* Room for a string of up to len bytes; sftp_put_reserved then says how many
 * of them were used. */
uint8_t *sftp_put_reserve(struct sftp_out *out);
void sftp_put_reserved(struct sftp_out *out, size_t used);

#endif
