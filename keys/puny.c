#include "keys/puny.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/tlv.h"

#define LABEL_POINTS 63

/* RFC 3492, section 5. */
#define BASE 36
#define TMIN 1
#define TMAX 26
#define SKEW 38
#define DAMP 700
#define BIAS_FIRST 72
#define POINT_FIRST 0x80

struct text {
	char *at;
	size_t room, len;
	bool full;
};

static void
put(struct text *t, char c)
{
	if (t->len + 1 < t->room)
		t->at[t->len++] = c;
	else
		t->full = true;
}

static char
digit(uint32_t d)
{
	return (char)(d < 26 ? 'a' + d : '0' + (d - 26));
}

static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	for (delta += delta / points; delta > (BASE - TMIN) * TMAX / 2;
	    k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static void
put_number(struct text *t, uint32_t q, uint32_t bias)
{
	uint32_t k, limit;

	for (k = BASE;; k += BASE) {
		limit = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
		if (q < limit)
			break;
		put(t, digit(limit + (q - limit) % (BASE - limit)));
		q = (q - limit) / (BASE - limit);
	}
	put(t, digit(q));
}

/* The least code point that is at least n. */
static uint32_t
next_point(const uint32_t *points, size_t count, uint32_t n)
{
	uint32_t least = UINT32_MAX;
	size_t i;

	for (i = 0; i < count; i++)
		if (points[i] >= n && points[i] < least)
			least = points[i];
	return least;
}

/* RFC 3492, section 6.3; 63 points of 21 bits do not overflow. */
static void
encode(struct text *t, const uint32_t *points, size_t count)
{
	uint32_t n = POINT_FIRST, delta = 0, bias = BIAS_FIRST, m;
	size_t done = 0, basic, i;

	for (i = 0; i < count; i++)
		if (points[i] < POINT_FIRST) {
			put(t, (char)points[i]);
			done++;
		}
	basic = done;
	if (basic > 0)
		put(t, '-');
	while (done < count) {
		m = next_point(points, count, n);
		delta += (m - n) * (uint32_t)(done + 1);
		n = m;
		for (i = 0; i < count; i++) {
			delta += points[i] < n;
			if (points[i] != n)
				continue;
			put_number(t, delta, bias);
			bias = adapt(delta, (uint32_t)done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		n++;
	}
}

static uint32_t
small(uint32_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	return c >= 0x400 && c <= 0x40f ? c + 80 : c;
}

/* Letters and digits of any script: not what is invisible, combines with its
 * neighbour or is punctuation, which the fuller rules would compose or
 * refuse. */
static bool
may_stand(uint32_t c)
{
	return c < 0x80 ? c > 0x20 && c < 0x7f :
	    c >= 0xc0 && c != 0xd7 && c != 0xf7 &&
	    (c < 0x300 || c > 0x36f) && (c < 0x2000 || c > 0x2bff) &&
	    (c < 0x3000 || c > 0x3004) && (c < 0xd800 || c > 0xf8ff) &&
	    (c < 0xfe00 || c > 0xffff) && !clean_marks(c, CLEAN_LINE);
}

/* One label from *p on, which stands at its end afterwards. */
static enum ll_result
put_label(struct text *t, const uint8_t **p, const uint8_t *end)
{
	uint32_t points[LABEL_POINTS];
	size_t count = 0, len, i;
	bool ascii = true;

	for (; *p < end && **p != '.'; *p += len) {
		if (count == LABEL_POINTS)
			return LL_TOOBIG;
		len = utf8_decode(*p, (size_t)(end - *p), &points[count]);
		if (len == 0 || !may_stand(points[count]))
			return LL_USAGE;
		ascii = ascii && points[count] < 0x80;
		points[count] = small(points[count]);
		count++;
	}
	if (!ascii) {
		for (i = 0; i < 4; i++)
			put(t, "xn--"[i]);
		encode(t, points, count);
		return LL_OK;
	}
	for (i = 0; i < count; i++)
		put(t, (char)points[i]);
	return LL_OK;
}

enum ll_result
puny_domain(const char *domain, char *out_r, size_t room)
{
	struct text t = { out_r, room, 0, room == 0 };
	const uint8_t *p = (const uint8_t *)domain, *end = p + strlen(domain);
	enum ll_result r;

	if (room > 0)
		out_r[0] = 0;
	for (;; p++) {
		r = put_label(&t, &p, end);
		if (r != LL_OK || t.full)
			break;
		if (p == end) {
			out_r[t.len] = 0;
			return LL_OK;
		}
		put(&t, '.');
	}
	if (room > 0)
		out_r[0] = 0;
	return r != LL_OK ? r : LL_TOOBIG;
}
