#include "server/sftp_wire.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *
take(struct sftp_in *in, size_t len)
{
	const uint8_t *at = in->data;

	if (in->bad || len > in->len) {
		in->bad = true;
		return NULL;
	}
	in->data += len;
	in->len -= len;
	return at;
}

uint8_t
sftp_get_u8(struct sftp_in *in)
{
	const uint8_t *p = take(in, 1);

	return p ? p[0] : 0;
}

uint32_t
sftp_get_u32(struct sftp_in *in)
{
	const uint8_t *p = take(in, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t
sftp_get_u64(struct sftp_in *in)
{
	uint64_t high = sftp_get_u32(in);

	return high << 32 | sftp_get_u32(in);
}

const uint8_t *
sftp_get_string(struct sftp_in *in, size_t *len_r)
{
	const uint8_t *p;

	*len_r = sftp_get_u32(in);
	p = take(in, *len_r);
	if (!p)
		*len_r = 0;
	return p;
}

enum ll_result
sftp_out_init(struct sftp_out *out)
{
	memset(out, 0, sizeof(*out));
	out->data = malloc(SFTP_OUT_ROOM);
	return out->data ? LL_OK : LL_NOMEM;
}

void
sftp_out_finish(struct sftp_out *out)
{
	/* Pieces of attachments went through here. */
	if (out->data)
		explicit_bzero(out->data, SFTP_OUT_ROOM);
	free(out->data);
	memset(out, 0, sizeof(*out));
}

bool
sftp_out_fits(struct sftp_out *out)
{
	if (out->start == out->end) {
		out->start = 0;
		out->end = 0;
	} else if (out->start >= SFTP_OUT_ROOM / 2) {
		memmove(out->data, out->data + out->start,
		    out->end - out->start);
		out->end -= out->start;
		out->start = 0;
	}
	return SFTP_OUT_ROOM - out->end > SFTP_PACKET_MAX + 64;
}

static void
put_raw(struct sftp_out *out, const void *p, size_t len)
{
	if (len > SFTP_OUT_ROOM - out->end)
		return;
	if (len > 0)
		memcpy(out->data + out->end, p, len);
	out->end += len;
}

static void
write_u32(uint8_t at[4], uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

void
sftp_begin(struct sftp_out *out, enum sftp_type type, uint32_t id)
{
	const uint8_t kind = (uint8_t)type;

	out->packet = out->end;
	sftp_put_u32(out, 0);
	put_raw(out, &kind, 1);
	sftp_put_u32(out, id);
}

void
sftp_end(struct sftp_out *out)
{
	write_u32(out->data + out->packet,
	    (uint32_t)(out->end - out->packet - 4));
}

void
sftp_put_u32(struct sftp_out *out, uint32_t v)
{
	uint8_t b[4];

	write_u32(b, v);
	put_raw(out, b, sizeof(b));
}

void
sftp_put_u64(struct sftp_out *out, uint64_t v)
{
	sftp_put_u32(out, (uint32_t)(v >> 32));
	sftp_put_u32(out, (uint32_t)v);
}

void
sftp_put_string(struct sftp_out *out, const void *p, size_t len)
{
	sftp_put_u32(out, (uint32_t)len);
	put_raw(out, p, len);
}

void
sftp_put_text(struct sftp_out *out, const char *text)
{
	sftp_put_string(out, text, strlen(text));
}

uint8_t *
sftp_put_reserve(struct sftp_out *out)
{
	return out->data + out->end + 4;
}

void
sftp_put_reserved(struct sftp_out *out, size_t used)
{
	sftp_put_u32(out, (uint32_t)used);
	out->end += used;
}
