#include "server/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMP_ROUNDS 8              /* chunks of one channel before the next */
#define PUMP_VEOF 0x04

/* One buffer for all: what is not taken at once moves to a gate_rest. */
static uint8_t chunk[GATE_CHUNK];

void
gate_rest_finish(struct gate_rest *r)
{
	free(r->data);
	memset(r, 0, sizeof(*r));
}

/* Keeps len bytes behind what is kept already. */
static bool
rest_keep(struct gate_rest *r, const void *p, size_t len)
{
	const size_t old = r->len - r->at;
	uint8_t *fresh;

	if (len == 0)
		return true;
	fresh = malloc(old + len);
	if (!fresh)
		return false;
	if (old > 0)
		memcpy(fresh, r->data + r->at, old);
	memcpy(fresh + old, p, len);
	gate_rest_finish(r);
	r->data = fresh;
	r->len = old + len;
	return true;
}

static void
rest_took(struct gate_rest *r, size_t n)
{
	r->at += n;
	if (r->at >= r->len)
		gate_rest_finish(r);
}

bool
gate_pump_room(const struct gate_channel *c)
{
	return ssh_channel_window_size(c->ssh) > 0 &&
	    !(ssh_get_poll_flags(c->gate->ssh) & SSH_WRITE_PENDING);
}

/* Hands bytes to libssh, which takes fewer, or none, during a rekey.  Returns
 * how many it took. */
static size_t
pump_send(struct gate_channel *c, bool error, const uint8_t *p, size_t len)
{
	const uint32_t window = ssh_channel_window_size(c->ssh);
	int n;

	if (!gate_pump_room(c))
		return 0;
	if (len > window)
		len = window;
	n = error ? ssh_channel_write_stderr(c->ssh, p, (uint32_t)len) :
	    ssh_channel_write(c->ssh, p, (uint32_t)len);
	return n > 0 ? (size_t)n : 0;
}

/* Worker to client.  True when something moved. */
static bool
pump_out(struct gate_channel *c, int *fd, bool error, struct gate_rest *rest)
{
	bool moved = false;

	for (int i = 0; i < PUMP_ROUNDS; i++) {
		size_t took, room = GATE_CHUNK;
		ssize_t n;

		if (rest->data) {
			took = pump_send(c, error, rest->data + rest->at,
			    rest->len - rest->at);
			rest_took(rest, took);
			moved = moved || took > 0;
			if (rest->data)
				break;
		}
		if (*fd < 0 || (!error && c->out_done) || !gate_pump_room(c))
			break;
		if (room > ssh_channel_window_size(c->ssh))
			room = ssh_channel_window_size(c->ssh);
		n = read(*fd, chunk, room);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		moved = true;
		if (n <= 0) {
			if (error) {
				(void)close(*fd);
				*fd = -1;
			} else {
				c->out_done = true;
			}
			break;
		}
		took = pump_send(c, error, chunk, (size_t)n);
		if (!rest_keep(rest, chunk + took, (size_t)n - took)) {
			gate_lost(c->gate, CHILD_FAULT);
			break;
		}
	}
	return moved;
}

/* Bytes to the worker; the rest is kept.  False when the worker is gone. */
static bool
pump_write(struct gate_channel *c, const uint8_t *p, size_t len)
{
	ssize_t n = 0;

	if (c->io < 0)
		return false;
	if (!c->in.data) {
		n = write(c->io, p, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0)
			n = 0;
	}
	if (!rest_keep(&c->in, p + n, len - (size_t)n)) {
		gate_lost(c->gate, CHILD_FAULT);
		return false;
	}
	return true;
}

static void
pump_in_rest(struct gate_channel *c)
{
	ssize_t n;

	if (!c->in.data)
		return;
	n = c->io < 0 ? (ssize_t)(c->in.len - c->in.at) :
	    write(c->io, c->in.data + c->in.at, c->in.len - c->in.at);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		n = (ssize_t)(c->in.len - c->in.at);
	rest_took(&c->in, (size_t)n);
}

/* The client's end of input: a socket says so, a terminal by its key. */
static void
pump_in_end(struct gate_channel *c)
{
	const uint8_t veof = PUMP_VEOF;

	c->in_done = true;
	if (c->io < 0)
		return;
	if (c->pty)
		(void)pump_write(c, &veof, 1);
	else
		(void)shutdown(c->io, SHUT_WR);
}

/*
 * Takes all that libssh holds in one call: each read lets the client send
 * another window, so reading a part of it again and again would let libssh's
 * buffer grow without end.  Returns the bytes taken.
 */
static int
pump_in_take(struct gate_channel *c)
{
	const int held = ssh_channel_poll(c->ssh, 0);
	int n;

	if (held <= 0)
		return 0;
	if (held <= GATE_CHUNK) {
		n = ssh_channel_read_nonblocking(c->ssh, chunk, GATE_CHUNK, 0);
		if (n > 0)
			(void)pump_write(c, chunk, (size_t)n);
		return n;
	}
	c->in.data = malloc((size_t)held);
	if (!c->in.data) {
		gate_lost(c->gate, CHILD_FAULT);
		return 0;
	}
	n = ssh_channel_read_nonblocking(c->ssh, c->in.data, (uint32_t)held,
	    0);
	c->in.at = 0;
	c->in.len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		gate_rest_finish(&c->in);
	return n;
}

/* Client to worker.  True when something moved. */
static bool
pump_in(struct gate_channel *c)
{
	bool moved = false;

	/* Extended data has no meaning in this direction. */
	while (ssh_channel_poll(c->ssh, 1) > 0)
		if (ssh_channel_read_nonblocking(c->ssh, chunk, GATE_CHUNK,
		    1) <= 0)
			break;
	if (ssh_channel_poll(c->ssh, 0) > GATE_BACKLOG) {
		gate_lost(c->gate, CHILD_VIOLATION);
		return false;
	}
	if (!c->started)
		return false;
	for (int i = 0; i < PUMP_ROUNDS; i++) {
		pump_in_rest(c);
		if (c->in.data)
			return moved;
		if (pump_in_take(c) <= 0)
			break;
		moved = true;
	}
	/* libssh takes a close for an end of input; to the worker a client
	 * that goes is not one that has said all */
	if (!c->in_done && !c->in.data && ssh_channel_is_eof(c->ssh) &&
	    !ssh_channel_is_closed(c->ssh) && ssh_channel_poll(c->ssh, 0) <= 0)
		pump_in_end(c);
	return moved;
}

/* Exit status, eof and close once the last byte is out. */
static void
pump_end(struct gate_channel *c)
{
	if (c->end_sent || !c->exit_known || !c->out_done || c->err >= 0 ||
	    c->out.data || c->errors.data)
		return;
	c->end_sent = true;
	(void)ssh_channel_request_send_exit_status(c->ssh,
	    (int)c->exit_status);
	(void)ssh_channel_send_eof(c->ssh);
	(void)ssh_channel_close(c->ssh);
}

static bool
pump_channel(struct gate_channel *c)
{
	const bool came = pump_in(c);
	bool moved = came;

	moved = pump_out(c, &c->err, true, &c->errors) || moved;
	moved = pump_out(c, &c->io, false, &c->out) || moved;
	pump_end(c);
	/* What came before the client closed still goes to the worker. */
	if (ssh_channel_is_closed(c->ssh) && !came &&
	    (!c->in.data || c->end_sent)) {
		gate_channel_release(c);
		moved = true;
	}
	return moved;
}

void
gate_pump(struct gate *g)
{
	bool moved = true;

	/* Reading one channel may have brought in another's packets, so go
	 * round until nothing moves, but come back for the rest of the loop
	 * now and then. */
	for (int round = 0; moved && round < PUMP_ROUNDS; round++) {
		moved = false;
		for (int i = 0; i < GATE_CHANNELS && !g->over; i++)
			if (g->channels[i].used)
				moved = pump_channel(&g->channels[i]) || moved;
	}
}

void
gate_pump_complain(struct gate_channel *c, const char *text)
{
	if (!rest_keep(&c->errors, text, strlen(text)))
		gate_lost(c->gate, CHILD_FAULT);
}
