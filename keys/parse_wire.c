#include "keys/parse.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_HEAD 5

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum ll_result
wait_for(const struct parse_wire *w, short events, int64_t deadline)
{
	struct pollfd p = { w->fd, events, 0 };
	int64_t left = deadline - now_ms();
	int n;

	if (left <= 0)
		return LL_BUSY;
	n = poll(&p, 1, (int)left);
	if (n < 0)
		return errno == EINTR ? LL_OK : LL_IO;
	return n == 0 ? LL_BUSY : LL_OK;
}

/* Drops the first done bytes of parts; the number of parts that are empty. */
static size_t
advance(struct iovec *parts, size_t count, size_t done)
{
	size_t i, n;

	for (i = 0; i < count; i++) {
		n = done < parts[i].iov_len ? done : parts[i].iov_len;
		parts[i].iov_base = (uint8_t *)parts[i].iov_base + n;
		parts[i].iov_len -= n;
		done -= n;
		if (parts[i].iov_len > 0)
			break;
	}
	return i;
}

/* Head and bytes in one call: each wakes the reader. */
static enum ll_result
write_all(const struct parse_wire *w, struct iovec *parts, size_t count,
    int64_t deadline)
{
	size_t at = advance(parts, count, 0);
	struct msghdr m;
	enum ll_result r;
	ssize_t n;

	while (at < count) {
		memset(&m, 0, sizeof m);
		m.msg_iov = parts + at;
		m.msg_iovlen = count - at;
		n = sendmsg(w->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			at += advance(parts + at, count - at, (size_t)n);
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return LL_EOF;
		if (errno != EAGAIN && errno != EINTR)
			return LL_IO;
		r = wait_for(w, POLLOUT, deadline);
		if (r != LL_OK)
			return r;
	}
	return LL_OK;
}

/* recv, by way of what was read ahead. */
static ssize_t
take(const struct parse_wire *w, struct parse_ahead *a, uint8_t *p, size_t len)
{
	ssize_t n;

	if (a == NULL || (a->at == a->len && len >= sizeof a->data))
		return recv(w->fd, p, len, MSG_DONTWAIT);
	if (a->at == a->len) {
		n = recv(w->fd, a->data, sizeof a->data, MSG_DONTWAIT);
		if (n <= 0)
			return n;
		a->at = 0;
		a->len = (size_t)n;
	}
	len = len < a->len - a->at ? len : a->len - a->at;
	memcpy(p, a->data + a->at, len);
	explicit_bzero(a->data + a->at, len);
	a->at += len;
	return (ssize_t)len;
}

static enum ll_result
read_all(const struct parse_wire *w, struct parse_ahead *a, uint8_t *p,
    size_t len, int64_t deadline, size_t *got_r)
{
	enum ll_result r;
	ssize_t n;

	for (*got_r = 0; *got_r < len;) {
		n = take(w, a, p + *got_r, len - *got_r);
		if (n > 0) {
			*got_r += (size_t)n;
			continue;
		}
		if (n == 0 || errno == ECONNRESET)
			return LL_EOF;
		if (errno != EAGAIN && errno != EINTR)
			return LL_IO;
		r = wait_for(w, POLLIN, deadline);
		if (r != LL_OK)
			return r;
	}
	return LL_OK;
}

enum ll_result
parse_put(const struct parse_wire *w, char kind, const void *p, size_t len)
{
	union { const void *in; void *out; } bytes = { p };
	uint8_t *at = bytes.out;
	struct iovec parts[2];
	enum ll_result r;
	int64_t deadline;
	size_t n;

	do {
		deadline = now_ms() + w->timeout_ms;
		n = len < PARSE_CHUNK ? len : PARSE_CHUNK;
		uint8_t head[CHUNK_HEAD] = { (uint8_t)kind,
			(uint8_t)(n >> 24), (uint8_t)(n >> 16),
			(uint8_t)(n >> 8), (uint8_t)n };

		parts[0].iov_base = head;
		parts[0].iov_len = sizeof head;
		parts[1].iov_base = at;
		parts[1].iov_len = n;
		r = write_all(w, parts, 2, deadline);
		if (r != LL_OK)
			return r;
		if (n > 0)
			at += n;
		len -= n;
	} while (len > 0);
	return LL_OK;
}

enum ll_result
parse_put_begin(const struct parse_wire *w, uint32_t n)
{
	const uint8_t number[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	return parse_put(w, 'B', number, sizeof number);
}

static uint32_t
number_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

enum ll_result
parse_get(const struct parse_wire *w, struct parse_chunk *c_r)
{
	return parse_get_ahead(w, NULL, c_r);
}

enum ll_result
parse_get_ahead(const struct parse_wire *w, struct parse_ahead *a,
    struct parse_chunk *c_r)
{
	int64_t deadline = now_ms() + w->timeout_ms;
	uint8_t head[CHUNK_HEAD];
	enum ll_result r;
	size_t got;

	c_r->kind = 0;
	c_r->len = 0;
	r = read_all(w, a, head, sizeof head, deadline, &got);
	if (r != LL_OK)
		return r == LL_EOF && got > 0 ? LL_PROTO : r;
	if (head[0] == 0 || strchr("KJBDER", head[0]) == NULL)
		return LL_PROTO;
	if (number_at(head + 1) > PARSE_CHUNK ||
	    (head[0] == 'B' && number_at(head + 1) != 4) ||
	    (head[0] == 'E' && number_at(head + 1) != 0))
		return LL_PROTO;
	c_r->kind = (char)head[0];
	c_r->len = number_at(head + 1);
	c_r->data[c_r->len] = 0;
	r = read_all(w, a, c_r->data, c_r->len, deadline, &got);
	return r == LL_EOF ? LL_PROTO : r;
}

uint32_t
parse_begun(const struct parse_chunk *c)
{
	return c->kind == 'B' && c->len == 4 ? number_at(c->data) : 0;
}

typedef enum ll_result put_fn(void *ctx, uint32_t n, const void *p,
    size_t len);

/* put NULL: an output is a breach. */
static enum ll_result
read_answer(const struct parse_wire *w, struct parse_chunk *c, put_fn *put,
    void *ctx, struct tlv_out *result)
{
	enum ll_result r;
	bool begun = false;
	uint32_t n = 0;

	for (;;) {
		r = parse_get(w, c);
		if (r != LL_OK)
			return r == LL_EOF ? LL_PROTO : r;
		if (c->kind == 'E')
			return result->err != LL_OK ? result->err :
			    result->len == 0 ? LL_PROTO : LL_OK;
		if (c->kind == 'R')
			tlv_put_raw(result, c->data, c->len);
		else if (c->kind == 'B') {
			n = parse_begun(c);
			begun = put != NULL;
		} else if (c->kind == 'D' && begun)
			r = put(ctx, n, c->data, c->len);
		else
			return LL_PROTO;
		if (r != LL_OK)
			return r;
	}
}

enum ll_result
parse_answer(const struct parse_wire *w, put_fn *put, void *ctx,
    struct tlv_out *result_r)
{
	struct parse_chunk c;

	tlv_out_init(result_r, PARSE_RESULT_MAX);
	return read_answer(w, &c, put, ctx, result_r);
}

enum ll_result
parse_answer_secret(const struct parse_wire *w, struct tlv_out *result_r)
{
	struct parse_chunk c;
	enum ll_result r;

	tlv_out_init_secret(result_r, PARSE_CHUNK);
	r = read_answer(w, &c, NULL, NULL, result_r);
	explicit_bzero(&c, sizeof c);
	return r;
}

enum ll_result
parse_result(struct tlv_view answer, const char **words_r)
{
	struct tlv_field f;
	uint64_t result;
	size_t at = 0;

	*words_r = "";
	if (tlv_find(answer, PARSE_F_RESULT, &at, &f) != LL_OK ||
	    tlv_u64(&f, &result) != LL_OK || result >= LL_RESULT_COUNT)
		return LL_PROTO;
	at = 0;
	if (tlv_find(answer, PARSE_F_WORDS, &at, &f) == LL_OK &&
	    tlv_text(&f, words_r) != LL_OK)
		*words_r = "";
	return (enum ll_result)result;
}
