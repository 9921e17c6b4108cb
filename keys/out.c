#include "keys/out.h"

#include <string.h>

void
out_begin(struct out *o, struct job *job, uint32_t n, uint64_t ceiling)
{
	o->job = job;
	o->total = 0;
	o->ceiling = ceiling;
	o->len = 0;
	o->last = 0;
	o->err = parse_put_begin(&job->wire, n);
}

static void
flush(struct out *o)
{
	if (o->err == LL_OK && o->len > 0)
		o->err = parse_put(&o->job->wire, 'D', o->data, o->len);
	o->len = 0;
}

void
out_put(struct out *o, const void *p, size_t len)
{
	const uint8_t *at = p;
	size_t n;

	if (o->err == LL_OK && len > o->ceiling - o->total)
		o->err = LL_TOOBIG;
	if (o->err != LL_OK)
		return;
	for (o->total += len; len > 0; at += n, len -= n) {
		n = sizeof o->data - o->len;
		n = n < len ? n : len;
		memcpy(o->data + o->len, at, n);
		o->len += n;
		if (o->len == sizeof o->data)
			flush(o);
	}
}

void
out_text(struct out *o, const void *p, size_t len)
{
	const char *at = p, *line;

	while (len > 0) {
		line = memchr(at, '\n', len);
		if (line == NULL) {
			out_put(o, at, len);
			o->last = at[len - 1];
			return;
		}
		if (line > at) {
			out_put(o, at, (size_t)(line - at));
			o->last = line[-1];
		}
		out_put(o, o->last == '\r' ? "\n" : "\r\n",
		    o->last == '\r' ? 1 : 2);
		o->last = '\n';
		len -= (size_t)(line + 1 - at);
		at = line + 1;
	}
}

enum ll_result
out_end(struct out *o)
{
	flush(o);
	return o->err;
}
