/*
 * input.c - bytes from a terminal made keys, without curses.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "tui/input.h"
#include "tui/wrap.h"

#define SEQUENCE_MAX 32         /* bytes after ESC [; longer is dropped */
#define PASTE_END "\033[201~"
#define PASTE_END_LEN 6

/* Final part of ESC [ or ESC O sequences, modifiers taken out, as xterm, the
 * Linux console, rxvt, PuTTY, screen and VT100 send them. */
static const struct {
	const char *text;
	uint32_t code;
} sequences[] = {
	{ "A", K_UP }, { "B", K_DOWN }, { "C", K_RIGHT }, { "D", K_LEFT },
	{ "H", K_HOME }, { "F", K_END }, { "Z", K_BACKTAB },
	{ "1~", K_HOME }, { "7~", K_HOME }, { "4~", K_END }, { "8~", K_END },
	{ "2~", K_INSERT }, { "3~", K_DELETE },
	{ "5~", K_PAGE_UP }, { "6~", K_PAGE_DOWN },
	{ "P", K_F1 }, { "Q", K_F2 }, { "R", K_F3 }, { "S", K_F4 },
	{ "[A", K_F1 }, { "[B", K_F2 }, { "[C", K_F3 }, { "[D", K_F4 },
	{ "[E", K_F5 }, { "11~", K_F1 }, { "12~", K_F2 }, { "13~", K_F3 },
	{ "14~", K_F4 }, { "15~", K_F5 }, { "17~", K_F6 }, { "18~", K_F7 },
	{ "19~", K_F8 }, { "20~", K_F9 }, { "21~", K_F10 },
	{ "M", K_ENTER }, { "c", K_WORD_RIGHT }, { "d", K_WORD_LEFT },
	{ "200~", K_PASTE_BEGIN }, { "201~", K_PASTE_END },
};

void
input_init(struct input *in)
{
	memset(in, 0, sizeof(*in));
}

void
input_finish(struct input *in)
{
	sodium_memzero(in, sizeof(*in));
}

static void
compact(struct input *in)
{
	if (in->start == 0)
		return;
	memmove(in->data, in->data + in->start, in->len);
	sodium_memzero(in->data + in->len, in->start);
	in->start = 0;
}

size_t
input_feed(struct input *in, const char *bytes, size_t len)
{
	size_t room;

	compact(in);
	room = sizeof(in->data) - in->len;
	if (len > room)
		len = room;
	memcpy(in->data + in->len, bytes, len);
	in->len += len;
	return len;
}

enum ll_result
input_read(struct input *in, int fd)
{
	ssize_t n;

	compact(in);
	if (in->len == sizeof(in->data))
		return LL_FULL;
	n = read(fd, in->data + in->len, sizeof(in->data) - in->len);
	if (n > 0) {
		in->len += (size_t)n;
		return LL_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return LL_AGAIN;
	in->eof = true;
	return LL_EOF;
}

static void
take(struct input *in, size_t n)
{
	in->start += n;
	in->len -= n;
}

/* Length of the sequence body at p (after ESC [ or ESC O): 0 when it is not
 * whole yet, -1 when it is none. */
static int
body_length(const char *p, size_t len, char kind)
{
	size_t i = 0;

	if (len == 0)
		return 0;
	if (kind == '[' && p[0] == '[')
		return len < 2 ? 0 : 2;
	for (; i < len; i++) {
		if (i > SEQUENCE_MAX)
			return (int)i;
		if (p[i] >= 0x40 && p[i] <= 0x7E)
			return (int)i + 1;
		if (p[i] < 0x20 || p[i] > 0x3F)
			return -1;
	}
	return 0;
}

static unsigned
number(const char **p, const char *end)
{
	unsigned v = 0;

	while (*p < end && **p >= '0' && **p <= '9' && v < 100000)
		v = v * 10 + (unsigned)(*(*p)++ - '0');
	return v;
}

/* Code of a whole sequence body, 0 for one that means nothing here. */
static uint32_t
sequence_code(struct input *in, const char *body, size_t len)
{
	const char *p = body, *end = body + len - 1;
	char plain[SEQUENCE_MAX + 2];
	unsigned first, second = 0;
	size_t i, n = 0;
	uint32_t code = 0;

	if (body[0] == '[') {
		memcpy(plain, body, 2);
		n = 2;
	} else {
		first = number(&p, end);
		if (p < end && *p == ';') {
			p++;
			second = number(&p, end);
			if (*end == 'R' && p == end && first > 0) {
				in->report_row = (int)first;
				in->report_col = (int)second;
				return 0;
			}
		}
		if (p != end)
			return 0;
		/* "1;5C" is "C" with a modifier, "3;5~" is "3~" */
		for (p = body; *end == '~' && p < end && *p != ';'; p++)
			plain[n++] = *p;
		plain[n++] = *end;
	}
	for (i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
		if (strlen(sequences[i].text) == n &&
		    memcmp(sequences[i].text, plain, n) == 0)
			code = sequences[i].code;
	if (second >= 3 && code == K_LEFT)
		code = K_WORD_LEFT;
	if (second >= 3 && code == K_RIGHT)
		code = K_WORD_RIGHT;
	return code;
}

/* ESC stands first.  LL_AGAIN: undecided; LL_USED: taken, but no key. */
static enum ll_result
escape(struct input *in, bool flush, struct key *k)
{
	const char *p = in->data + in->start;
	int n;

	if (in->len < 2 && !flush)
		return LL_AGAIN;
	if (in->len < 2 || (p[1] != '[' && p[1] != 'O')) {
		take(in, 1);
		k->code = K_ESC;
		return LL_OK;
	}
	n = body_length(p + 2, in->len - 2, p[1]);
	if (n == 0 && !flush)
		return LL_AGAIN;
	if (n <= 0) {
		/* Esc and a bracket typed, or the rest got lost */
		take(in, 1);
		k->code = K_ESC;
		return LL_OK;
	}
	k->code = sequence_code(in, p + 2, (size_t)n);
	take(in, 2 + (size_t)n);
	if (k->code == K_PASTE_BEGIN)
		in->pasting = true;
	return k->code ? LL_OK : LL_USED;
}

/* A piece of paste: up to the end mark, or all that can't be part of it. */
static enum ll_result
pasted(struct input *in, struct key *k)
{
	const char *p = in->data + in->start;
	const char *end = memmem(p, in->len, PASTE_END, PASTE_END_LEN);
	size_t n, tail;

	if (end == p) {
		take(in, PASTE_END_LEN);
		in->pasting = false;
		k->code = K_PASTE_END;
		return LL_OK;
	}
	n = end ? (size_t)(end - p) : in->len;
	if (!end) {
		tail = n < PASTE_END_LEN - 1 ? n : PASTE_END_LEN - 1;
		for (; tail > 0; tail--)
			if (memcmp(p + n - tail, PASTE_END, tail) == 0)
				break;
		n -= tail;
	}
	if (n == 0)
		return LL_AGAIN;
	k->code = K_PASTE;
	k->text = p;
	k->len = n;
	take(in, n);
	return LL_OK;
}

static size_t
need(unsigned char c)
{
	return c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
}

enum ll_result
input_next(struct input *in, bool flush, struct key *k)
{
	enum ll_result r;
	const char *p;
	size_t n;

	memset(k, 0, sizeof(*k));
	while (in->len > 0) {
		if (in->pasting)
			return pasted(in, k);
		p = in->data + in->start;
		if (*p == '\033') {
			r = escape(in, flush, k);
			if (r == LL_USED)
				continue;
			return r;
		}
		if (need((unsigned char)*p) > in->len && !flush)
			return LL_AGAIN;
		n = wrap_decode(p, in->len, &k->code);
		take(in, n);
		if (k->code == 0 || k->code == 0xFFFD)
			continue;
		if (k->code == 8)
			k->code = K_BACKSPACE;
		if (k->code == '\n')
			k->code = K_ENTER;
		return LL_OK;
	}
	return LL_AGAIN;
}

bool
input_waits(const struct input *in)
{
	return in->len > 0 && !in->pasting;
}
