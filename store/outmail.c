#include "store/outmail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/seal.h"
#include "keys/whole.h"
#include "store/send.h"

#define WIRE_MS 120000          /* as long as a letterlock-parse may live */
#define INLINE_PLAIN (INLINE_MAX - 256)
#define TEXT_CHUNK 16384

struct sealing {
	const struct outmail *o;
	struct parse_wire wire;
	struct outmail_made *made;
	char *words;
	uint64_t done, all;          /* plaintext bytes that went in */
	/* the output that comes in just now; 0: none yet */
	uint32_t format;
	int blob;                    /* -1: inline so far */
	struct seal_stream stream;
	crypto_hash_sha256_state sha256;
	uint8_t plain[SEAL_CHUNK];
	size_t len;
};

void
outmail_id(const char *from, char text[OUTMAIL_ID])
{
	const char *at = strrchr(from, '@');
	uint8_t random[16];
	char hex[2 * sizeof random + 1];

	randombytes_buf(random, sizeof random);
	sodium_bin2hex(hex, sizeof hex, random, sizeof random);
	(void)snprintf(text, OUTMAIL_ID, "%s@%.90s", hex,
	    at && strlen(at + 1) <= 90 ? at + 1 : "letterlock.invalid");
}

size_t
outmail_der_first(const uint8_t *p, size_t len)
{
	size_t n, bytes, i;

	if (len < 2 || p[0] != 0x30)
		return len;
	if (p[1] < 0x80)
		return 2u + p[1] <= len ? 2u + p[1] : len;
	bytes = p[1] & 0x7fu;
	if (bytes == 0 || bytes > 3 || len < 2 + bytes)
		return len;
	for (n = 0, i = 0; i < bytes; i++)
		n = n << 8 | p[2 + i];
	return n <= len - 2 - bytes ? 2 + bytes + n : len;
}

/* --- what goes in --- */

static void
put_person(struct tlv_out *job, uint8_t tag, const char *address,
    const char *name)
{
	struct tlv_out nest;

	tlv_out_init(&nest, 1024);
	tlv_put_text(&nest, PARSE_F_ADDRESS, address);
	if (name && *name)
		tlv_put_text(&nest, PARSE_F_NAME, name);
	tlv_put_tlv(job, tag, &nest);
	tlv_out_finish(&nest);
}

static void
put_items(struct tlv_out *job, const struct draft *d)
{
	struct tlv_out nest;
	size_t i;

	for (i = 0; i < d->attachment_count; i++) {
		tlv_out_init(&nest, 1024);
		tlv_put_text(&nest, PARSE_F_NAME, d->attachments[i].name);
		tlv_put_text(&nest, PARSE_F_TYPE, d->attachments[i].type);
		tlv_put_tlv(job, PARSE_F_ITEM, &nest);
		tlv_out_finish(&nest);
	}
}

static void
put_keys(struct tlv_out *job, const struct outmail *o)
{
	struct tlv_out nest;
	size_t i;

	for (i = 0; i < o->key_count; i++) {
		tlv_out_init(&nest, PARSE_KEY_MAX + 64);
		tlv_put_u64(&nest, PARSE_F_FORMAT, o->keys[i].format);
		if (o->keys[i].len)
			tlv_put_bytes(&nest, PARSE_F_KEY, o->keys[i].p,
			    o->keys[i].len);
		if (o->keys[i].trusted)
			tlv_put_u64(&nest, PARSE_F_TRUSTED, 1);
		tlv_put_tlv(job, PARSE_F_RECIPIENT, &nest);
		tlv_out_finish(&nest);
	}
}

static void
put_chain(struct tlv_out *job, const struct outmail *o)
{
	size_t at, n;

	for (at = 0; at < o->chain_len; at += n) {
		n = outmail_der_first(o->chain + at, o->chain_len - at);
		tlv_put_bytes(job, PARSE_F_EXTRA, o->chain + at, n);
	}
}

static void
put_reference(struct tlv_out *job, uint8_t tag, const char *mail_id)
{
	char text[1010];

	if (!*mail_id)
		return;
	(void)snprintf(text, sizeof text, "<%s>", mail_id);
	tlv_put_text(job, tag, text);
}

static enum ll_result
write_job(struct sealing *s)
{
	const struct outmail *o = s->o;
	const struct draft *d = o->d;
	struct tlv_out job;
	enum ll_result r;
	size_t i;

	tlv_out_init(&job, PARSE_JOB_MAX);
	tlv_put_u64(&job, PARSE_F_JOB, PARSE_SEAL);
	put_person(&job, PARSE_F_FROM, o->from, o->from_name);
	if (o->sender)
		put_person(&job, PARSE_F_SENDER, o->sender, o->sender_name);
	for (i = 0; i < d->to_count; i++)
		put_person(&job, PARSE_F_TO, d->to[i], NULL);
	for (i = 0; i < d->cc_count; i++)
		put_person(&job, PARSE_F_CC, d->cc[i], NULL);
	tlv_put_text(&job, PARSE_F_SUBJECT, d->subject);
	tlv_put_u64(&job, PARSE_F_DATE, o->date);
	put_reference(&job, PARSE_F_MESSAGE_ID, o->mail_id);
	put_reference(&job, PARSE_F_IN_REPLY_TO, o->in_reply_to);
	put_reference(&job, PARSE_F_REFERENCES, o->in_reply_to);
	put_items(&job, d);
	put_keys(&job, o);
	put_chain(&job, o);
	tlv_put_raw(&job, o->authorities.data, o->authorities.len);
	tlv_put_u64(&job, PARSE_F_AUTOCRYPT, 1);
	r = job.err;
	if (r == LL_OK)
		r = parse_put(&s->wire, 'J', job.data, job.len);
	tlv_out_finish(&job);
	return r;
}

static enum ll_result
tell(struct sealing *s, size_t len)
{
	s->done += len;
	if (s->o->host->progress && !s->o->host->progress(s->o->arg, s->done,
	    s->all))
		return LL_AGAIN;
	return LL_OK;
}

/* The text, LF becoming CRLF. */
static enum ll_result
write_text(struct sealing *s)
{
	char chunk[TEXT_CHUNK + 1];
	const char *p = s->o->d->body;
	size_t n = 0;
	enum ll_result r;

	r = parse_put_begin(&s->wire, 0);
	for (; r == LL_OK && *p; p++) {
		if (*p == '\n')
			chunk[n++] = '\r';
		chunk[n++] = *p;
		if (n >= TEXT_CHUNK) {
			r = parse_put(&s->wire, 'D', chunk, n);
			n = 0;
		}
	}
	if (r == LL_OK && n > 0)
		r = parse_put(&s->wire, 'D', chunk, n);
	sodium_memzero(chunk, sizeof chunk);
	return r == LL_OK ? tell(s, strlen(s->o->d->body)) : r;
}

/* One attachment, chunk by chunk from sealed to the wire. */
static enum ll_result
write_chunks(struct sealing *s, const struct draft_attachment *a, int fd,
    struct seal_stream *stream)
{
	uint8_t sealed[SEAL_CHUNK_OUT], plain[SEAL_CHUNK];
	size_t got, len;
	int final = 0;
	enum ll_result r = LL_OK;

	while (r == LL_OK && !final) {
		r = whole_read(fd, sealed, sizeof sealed, &got);
		if (r == LL_OK && got == 0)
			r = LL_AUTH;
		if (r == LL_OK)
			r = seal_stream_pull(stream, sealed, got, plain, &len,
			    &final);
		if (r == LL_OK && len > 0)
			r = parse_put(&s->wire, 'D', plain, len);
		if (r == LL_OK)
			r = tell(s, len);
	}
	if (r == LL_OK && stream->sealed_bytes != a->sealed_bytes)
		r = LL_AUTH;
	sodium_memzero(plain, sizeof plain);
	return r;
}

static enum ll_result
write_attachment(struct sealing *s, size_t n)
{
	const struct draft *d = s->o->d;
	const struct draft_attachment *a = &d->attachments[n];
	uint8_t header[SEAL_STREAM_HEADER], hash[HASH_BYTES];
	struct seal_stream stream;
	size_t got = 0;
	int fd = -1;
	enum ll_result r;

	r = s->o->host->open(s->o->arg, n, &fd);
	if (r)
		return r;
	r = whole_read(fd, header, sizeof header, &got);
	if (r == LL_OK && got != sizeof header)
		r = LL_AUTH;
	if (r == LL_OK)
		r = seal_stream_pull_init(&stream, d->key.data, &d->id,
		    &a->object, OBJECT_ATTACHMENT, header);
	if (r == LL_OK) {
		r = parse_put_begin(&s->wire, (uint32_t)n + 1);
		if (r == LL_OK)
			r = write_chunks(s, a, fd, &stream);
		seal_stream_finish(&stream, hash);
		if (r == LL_OK && !derive_equal(hash, a->hash, HASH_BYTES))
			r = LL_AUTH;
	}
	close(fd);
	return r;
}

/* --- what comes out --- */

static enum ll_result
begin_output(struct sealing *s, uint32_t format)
{
	struct outmail_made *made;

	if (format < PARSE_OPENPGP || format >= OUTMAIL_FORMATS
	    || s->made[format].made)
		return LL_PROTO;
	made = &s->made[format];
	made->made = true;
	id_random(&made->object);
	s->format = format;
	s->len = 0;
	(void)crypto_hash_sha256_init(&s->sha256);
	return secret_random(&made->key, KEY_BYTES);
}

static enum ll_result
push(struct sealing *s, int final)
{
	uint8_t sealed[SEAL_CHUNK_OUT];
	size_t len;
	enum ll_result r;

	r = seal_stream_push(&s->stream, s->plain, s->len, final, sealed,
	    &len);
	if (r == LL_OK)
		r = whole_write(s->blob, sealed, len);
	s->len = 0;
	return r;
}

/* What came so far is more than a row of the table holds. */
static enum ll_result
begin_blob(struct sealing *s)
{
	struct outmail_made *made = &s->made[s->format];
	uint8_t header[SEAL_STREAM_HEADER];
	enum ll_result r;

	/* base64 and boundaries: what the attachments are, and a third */
	r = s->o->host->blob(s->o->arg, s->all + s->all / 2 + SEAL_CHUNK,
	    &made->object, &s->blob);
	if (r == LL_OK)
		r = seal_stream_push_init(&s->stream, made->key.data,
		    &s->o->d->id, &made->object, OBJECT_MAIL, header);
	if (r == LL_OK)
		r = whole_write(s->blob, header, sizeof header);
	return r;
}

static enum ll_result
end_blob(struct sealing *s, struct outmail_made *made)
{
	enum ll_result r;

	r = s->blob < 0 ? begin_blob(s) : LL_OK;
	if (r == LL_OK)
		r = push(s, 1);
	if (r)
		return r;
	made->sealed_bytes = s->stream.sealed_bytes;
	seal_stream_finish(&s->stream, made->hash);
	if (fsync(s->blob) != 0)
		return LL_IO;
	r = s->o->host->commit(s->o->arg, made);
	close(s->blob);
	s->blob = -1;
	return r;
}

static enum ll_result
end_output(struct sealing *s)
{
	struct outmail_made *made;
	size_t len;
	enum ll_result r;

	if (s->format == 0)
		return LL_OK;
	made = &s->made[s->format];
	(void)crypto_hash_sha256_final(&s->sha256, made->sha256);
	if (s->blob >= 0 || s->len > INLINE_PLAIN) {
		r = end_blob(s, made);
	} else {
		r = seal_object_buffer(made->key.data, &s->o->d->id,
		    &made->object, OBJECT_MAIL, s->plain, s->len, &made->data,
		    &len, made->hash);
		made->sealed_bytes = len;
	}
	s->format = 0;
	return r;
}

static enum ll_result
take(void *ctx, uint32_t n, const void *p, size_t len)
{
	struct sealing *s = ctx;
	const uint8_t *at = p;
	size_t part;
	enum ll_result r = LL_OK;

	if (n != s->format) {
		r = end_output(s);
		if (r == LL_OK)
			r = begin_output(s, n);
		if (r)
			return r;
	}
	(void)crypto_hash_sha256_update(&s->sha256, p, len);
	s->made[n].bytes += len;
	for (; r == LL_OK && len > 0; at += part, len -= part) {
		if (s->len == sizeof s->plain) {
			if (s->blob < 0)
				r = begin_blob(s);
			if (r == LL_OK)
				r = push(s, 0);
			if (r)
				break;
		}
		part = sizeof s->plain - s->len;
		part = part < len ? part : len;
		memcpy(s->plain + s->len, at, part);
		s->len += part;
	}
	return r;
}

static enum ll_result
read_answer(struct sealing *s)
{
	struct tlv_out answer;
	struct tlv_view v;
	const char *words = "";
	enum ll_result r;

	r = parse_answer(&s->wire, take, s, &answer);
	v.data = answer.data;
	v.len = answer.len;
	if (r == LL_OK)
		r = parse_result(v, &words);
	(void)snprintf(s->words, OUTMAIL_WORDS, "%s", words);
	tlv_out_finish(&answer);
	return r == LL_OK ? end_output(s) : r;
}

/* Every format that was asked for is there. */
static enum ll_result
check_made(const struct sealing *s)
{
	size_t i;

	for (i = 0; i < s->o->key_count; i++)
		if (!s->made[s->o->keys[i].format].made)
			return LL_PROTO;
	return LL_OK;
}

enum ll_result
outmail_seal(int fd, const struct outmail *o,
    struct outmail_made made[OUTMAIL_FORMATS], char words[OUTMAIL_WORDS])
{
	struct sealing *s = calloc(1, sizeof *s);
	enum ll_result r;
	size_t i;

	memset(made, 0, OUTMAIL_FORMATS * sizeof *made);
	words[0] = '\0';
	if (!s) {
		close(fd);
		return LL_NOMEM;
	}
	s->o = o;
	s->wire.fd = fd;
	s->wire.timeout_ms = WIRE_MS;
	s->made = made;
	s->words = words;
	s->blob = -1;
	s->all = strlen(o->d->body);
	for (i = 0; i < o->d->attachment_count; i++)
		s->all += o->d->attachments[i].plain_bytes;
	r = write_job(s);
	if (r == LL_OK)
		r = write_text(s);
	for (i = 0; r == LL_OK && i < o->d->attachment_count; i++)
		r = write_attachment(s, i);
	if (r == LL_OK)
		r = parse_put(&s->wire, 'E', NULL, 0);
	if (r == LL_OK)
		r = read_answer(s);
	if (r == LL_OK)
		r = check_made(s);
	if (s->blob >= 0)
		close(s->blob);
	close(fd);
	sodium_memzero(s, sizeof *s);
	free(s);
	/* It ended by itself: not the end of whoever asked for this. */
	if (r != LL_EOF && (r != LL_PROTO || *words))
		return r;
	(void)snprintf(words, OUTMAIL_WORDS, "sealing the mail broke off: "
	    "try again");
	return LL_IO;
}

void
outmail_finish(struct outmail_made made[OUTMAIL_FORMATS])
{
	size_t i;

	for (i = 0; i < OUTMAIL_FORMATS; i++) {
		secret_finish(&made[i].key);
		free(made[i].data);
	}
	memset(made, 0, OUTMAIL_FORMATS * sizeof *made);
}

/* --- into the request --- */

void
outmail_put_object(struct msg *m, const struct outmail_made *made)
{
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &made->object);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_MAIL);
	msg_put_u64(m, F_SEALED_BYTES, made->sealed_bytes);
	msg_put_bytes(m, F_HASH, made->hash, HASH_BYTES);
	if (made->data)
		msg_put_bytes(m, F_DATA, made->data, made->sealed_bytes);
	msg_end(m);
}

enum ll_result
outmail_put_row(struct msg *m, const struct outmail_made *made,
    const struct outmail_row *row)
{
	struct seal_context ctx = { .type = SEAL_QUEUE,
	    .generation = row->queue_day };
	uint8_t *payload = NULL;
	struct tlv_out t;
	size_t len = 0;
	enum ll_result r;

	id_random(&ctx.object);
	tlv_out_init_secret(&t, 4096);
	tlv_put_text(&t, QT_TO, row->to);
	tlv_put_text(&t, QT_SENDER_NAME, row->from_name);
	tlv_put_text(&t, QT_SENDER_EMAIL, row->from);
	tlv_put_u64(&t, QT_EXPIRES, row->expires);
	tlv_put_u64(&t, QT_KIND, QUEUE_MAIL);
	tlv_put_bytes(&t, QT_KEY, made->key.data, made->key.len);
	tlv_put_id(&t, QT_MESSAGE, &row->message);
	tlv_put_id(&t, QT_OBJECT, &made->object);
	tlv_put_bytes(&t, QT_HASH, made->sha256, HASH_BYTES);
	tlv_put_u64(&t, QT_BYTES, made->bytes);
	r = t.err;
	if (r == LL_OK)
		r = seal_box(row->queue_pk, &ctx, t.data, t.len, &payload,
		    &len);
	tlv_out_finish(&t);
	if (r)
		return r;
	msg_begin(m, F_MAIL);
	msg_put_id(m, F_QUEUE_ID, &ctx.object);
	msg_put_u64(m, F_QUEUE_DAY, row->queue_day);
	msg_put_bytes(m, F_PAYLOAD, payload, len);
	msg_put_text(m, F_MAIL_ID, row->mail_id);
	msg_put_id(m, F_OBJECT_ID, &made->object);
	msg_end(m);
	free(payload);
	return r;
}
