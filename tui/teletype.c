#include "tui/teletype.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/tlv.h"
#include "store/loop.h"

#define TICK_MS 1000

struct teletype {
	int in, out, watch_fd;
	teletype_tick_fn *tick;
	void *arg;
	uint64_t ticked_ms;
	bool is_tty, eof, stopped;
	struct termios old;
	char *data;              /* bytes read and not taken yet */
	size_t len;
	bool too_long;           /* the rest of an endless line goes */
};

enum ll_result
teletype_create(int in, int out, struct teletype **t_r)
{
	struct teletype *t = calloc(1, sizeof *t);

	*t_r = NULL;
	if (!t)
		return LL_NOMEM;
	t->data = malloc(TELETYPE_LINE_MAX);
	if (!t->data) {
		free(t);
		return LL_NOMEM;
	}
	t->in = in;
	t->out = out;
	t->watch_fd = -1;
	t->is_tty = tcgetattr(in, &t->old) == 0;
	*t_r = t;
	return LL_OK;
}

void
teletype_destroy(struct teletype *t)
{
	if (!t)
		return;
	if (t->is_tty)
		(void)tcsetattr(t->in, TCSADRAIN, &t->old);
	sodium_memzero(t->data, TELETYPE_LINE_MAX);
	free(t->data);
	free(t);
}

void
teletype_watch(struct teletype *t, int fd, teletype_tick_fn *tick, void *arg)
{
	t->watch_fd = fd;
	t->tick = tick;
	t->arg = arg;
}

void
teletype_stop(struct teletype *t)
{
	t->stopped = true;
}

bool
teletype_is_over(const struct teletype *t)
{
	return t->stopped;
}

bool
teletype_is_tty(const struct teletype *t)
{
	return t->is_tty;
}

void
teletype_put(struct teletype *t, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0 && !t->stopped) {
		n = write(t->out, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			t->stopped = true;
			return;
		}
		text += n;
		len -= (size_t)n;
	}
}

void
teletype_say(struct teletype *t, const char *format, ...)
{
	va_list ap;
	char *text = NULL;
	int len;

	va_start(ap, format);
	len = vasprintf(&text, format, ap);
	va_end(ap);
	if (len < 0)
		return;
	teletype_put(t, text, (size_t)len);
	sodium_memzero(text, (size_t)len);
	free(text);
}

/* Waits until there is something to read; false at the end. */
static bool
wait_input(struct teletype *t)
{
	struct pollfd p[2] = {
		{ .fd = t->in, .events = POLLIN },
		{ .fd = t->watch_fd, .events = POLLIN },
	};
	uint64_t now;

	while (!t->stopped) {
		now = loop_now_ms();
		if (t->tick && (p[1].revents
		    || now - t->ticked_ms >= TICK_MS)) {
			t->ticked_ms = now;
			t->tick(t->arg);
		}
		if (t->stopped)
			break;
		p[0].revents = p[1].revents = 0;
		if (poll(p, 2, TICK_MS) < 0 && errno != EINTR)
			return false;
		if (p[0].revents)
			return true;
	}
	return false;
}

static void
read_more(struct teletype *t)
{
	ssize_t n;

	if (t->len == TELETYPE_LINE_MAX) {
		t->too_long = true;
		t->len = 0;
	}
	n = read(t->in, t->data + t->len, TELETYPE_LINE_MAX - t->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		t->eof = true;
	else
		t->len += (size_t)n;
}

/* Takes a whole line out of what was read; NULL when there is none. */
static char *
take_line(struct teletype *t, size_t *len_r)
{
	char *end = memchr(t->data, '\n', t->len), *line;
	size_t len, used;

	if (!end && !(t->eof && t->len > 0))
		return NULL;
	len = end ? (size_t)(end - t->data) : t->len;
	used = end ? len + 1 : len;
	while (len > 0 && t->data[len - 1] == '\r')
		len--;
	line = malloc(len + 1);
	if (line) {
		memcpy(line, t->data, len);
		line[len] = '\0';
		*len_r = len;
	}
	sodium_memzero(t->data, used);
	memmove(t->data, t->data + used, t->len - used);
	t->len -= used;
	return line;
}

enum ll_result
teletype_line(struct teletype *t, const char *prompt, char **line_r)
{
	size_t len = 0;
	char *line;

	*line_r = NULL;
	teletype_put(t, prompt, strlen(prompt));
	for (;;) {
		if (t->stopped)
			return LL_EOF;
		line = take_line(t, &len);
		if (!line) {
			if (t->eof || !wait_input(t))
				return LL_EOF;
			read_more(t);
			continue;
		}
		if (!t->too_long && utf8_valid(line, len)) {
			*line_r = line;
			return LL_OK;
		}
		teletype_say(t, "%s\n%s", t->too_long ?
		    "That line is too long." :
		    "That line is not valid UTF-8.", prompt);
		t->too_long = false;
		sodium_memzero(line, len);
		free(line);
	}
}

static void
echo(struct teletype *t, bool on)
{
	struct termios now = t->old;

	if (!t->is_tty)
		return;
	if (!on) {
		now.c_lflag &= ~(tcflag_t)ECHO;
		now.c_lflag |= ECHONL;
	}
	(void)tcsetattr(t->in, TCSADRAIN, &now);
}

enum ll_result
teletype_secret(struct teletype *t, const char *prompt, struct secret *s_r,
    size_t *len_r)
{
	char *line;
	enum ll_result r;

	*len_r = 0;
	echo(t, false);
	r = teletype_line(t, prompt, &line);
	echo(t, true);
	if (r)
		return r;
	*len_r = strlen(line);
	if (*len_r > 0)
		r = secret_copy(s_r, line, *len_r);
	else
		r = secret_init(s_r, 1);
	sodium_memzero(line, strlen(line));
	free(line);
	return r;
}

bool
teletype_yes(struct teletype *t, const char *question)
{
	char *line;
	bool yes;

	for (;;) {
		teletype_say(t, "%s", question);
		if (teletype_line(t, " (y/n) ", &line))
			return false;
		yes = *line == 'y' || *line == 'Y';
		if (yes || *line == 'n' || *line == 'N') {
			free(line);
			return yes;
		}
		free(line);
		teletype_say(t, "Please answer y or n.\n");
	}
}
