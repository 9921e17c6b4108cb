#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sodium.h>

#include "store/chan.h"
#include "store/loop.h"

/* Descriptors that came but whose frame is not complete: one frame's, and
 * what a greedy peer could send ahead is refused. */
#define WAITING_FDS (2 * MSG_FDS_MAX)

struct item {
	struct item *next;
	struct msg *msg;
	size_t sent;             /* bytes of head and body that went */
	uint8_t head[MSG_HEAD];
};

struct chan {
	int fd;
	uint32_t sequence;
	bool deaf;               /* the peer takes no more; it may have left
				    words that are still to be read */
	bool broken;             /* nothing more can be read */
	struct item *out, **out_end;
	size_t out_bytes;
	/* the frame that is arriving */
	uint8_t head[MSG_HEAD];
	size_t head_got, body_got, body_len;
	unsigned body_fds;
	uint8_t *body;
	struct secret guarded;   /* body's memory when it holds secrets */
	int fds[WAITING_FDS];
	unsigned fd_count;
	/* messages that chan_call read past */
	struct item *kept, **kept_end;
};

enum ll_result
chan_create(int fd, struct chan **c_r)
{
	struct chan *c;
	int flags;

	*c_r = NULL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		(void)close(fd);
		return LL_IO;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		(void)close(fd);
		return LL_NOMEM;
	}
	c->fd = fd;
	c->out_end = &c->out;
	c->kept_end = &c->kept;
	*c_r = c;
	return LL_OK;
}

static void
items_destroy(struct item *i)
{
	struct item *next;

	for (; i != NULL; i = next) {
		next = i->next;
		msg_destroy(i->msg);
		free(i);
	}
}

static void
body_reset(struct chan *c)
{
	if (c->guarded.data != NULL) {
		secret_finish(&c->guarded);
	} else if (c->body != NULL) {
		sodium_memzero(c->body, c->body_len);
		free(c->body);
	}
	c->body = NULL;
	c->head_got = c->body_got = c->body_len = 0;
}

void
chan_destroy(struct chan *c)
{
	unsigned i;

	if (c == NULL)
		return;
	(void)close(c->fd);
	items_destroy(c->out);
	items_destroy(c->kept);
	for (i = 0; i < c->fd_count; i++)
		(void)close(c->fds[i]);
	body_reset(c);
	free(c);
}

int
chan_fd(const struct chan *c)
{
	return c->fd;
}

bool
chan_pending(const struct chan *c)
{
	return c->out != NULL;
}

/* --- sending --- */

/* Writes what it can of one frame.  The descriptors go with its first byte. */
static enum ll_result
item_write(struct chan *c, struct item *i)
{
	struct tlv_view body = msg_view(i->msg);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov[2];
	struct msghdr h = { .msg_iov = iov };
	int fds[MSG_FDS_MAX];
	struct cmsghdr *cm;
	unsigned n = 0;
	ssize_t wrote;

	iov[0].iov_base = i->head + (i->sent < MSG_HEAD ? i->sent : MSG_HEAD);
	iov[0].iov_len = i->sent < MSG_HEAD ? MSG_HEAD - i->sent : 0;
	h.msg_iovlen = 2;
	iov[1].iov_len = body.len;
	if (i->sent > MSG_HEAD)
		iov[1].iov_len -= i->sent - MSG_HEAD;
	/* writev takes no const; the kernel only reads */
	memcpy(&iov[1].iov_base, &body.data, sizeof(body.data));
	if (i->sent > MSG_HEAD)
		iov[1].iov_base = (char *)iov[1].iov_base +
		    (i->sent - MSG_HEAD);
	if (i->sent == 0 && i->head[12] > 0) {
		for (; n < i->head[12]; n++)
			fds[n] = msg_take_fd(i->msg, n);
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&h);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	do
		wrote = sendmsg(c->fd, &h, MSG_NOSIGNAL);
	while (wrote < 0 && errno == EINTR);
	if (wrote >= 0) {
		while (n > 0)
			(void)close(fds[--n]);
		i->sent += (size_t)wrote;
		return LL_OK;
	}
	while (n > 0) {
		n--;
		msg_return_fd(i->msg, n, fds[n]);
	}
	return errno == EAGAIN || errno == EWOULDBLOCK ? LL_AGAIN : LL_EOF;
}

enum ll_result
chan_flush(struct chan *c)
{
	enum ll_result r;
	struct item *i;
	size_t size;

	if (c->deaf)
		return LL_EOF;
	while (c->out != NULL) {
		i = c->out;
		size = MSG_HEAD + msg_view(i->msg).len;
		r = item_write(c, i);
		if (r == LL_AGAIN)
			return LL_OK;
		if (r != LL_OK) {
			c->deaf = true;
			return r;
		}
		if (i->sent < size)
			continue;
		c->out = i->next;
		if (c->out == NULL)
			c->out_end = &c->out;
		c->out_bytes -= size;
		msg_destroy(i->msg);
		free(i);
	}
	return LL_OK;
}

enum ll_result
chan_send(struct chan *c, struct msg *m)
{
	enum ll_result r;
	struct item *i;
	size_t size;

	r = c->deaf ? LL_EOF : msg_error(m);
	size = MSG_HEAD + msg_view(m).len;
	if (r == LL_OK && c->out_bytes + size > CHAN_QUEUE_MAX) {
		c->deaf = c->broken = true;
		r = LL_FULL;
	}
	i = r == LL_OK ? calloc(1, sizeof(*i)) : NULL;
	if (i == NULL) {
		msg_destroy(m);
		return r == LL_OK ? LL_NOMEM : r;
	}
	i->msg = m;
	msg_encode_head(m, i->head);
	*c->out_end = i;
	c->out_end = &i->next;
	c->out_bytes += size;
	return chan_flush(c);
}

/* --- receiving --- */

static enum ll_result
take_fds(struct chan *c, struct msghdr *h)
{
	struct cmsghdr *cm;
	size_t count, n;
	int fd;
	enum ll_result r = LL_OK;

	if (h->msg_flags & MSG_CTRUNC)
		r = LL_PROTO;
	for (cm = CMSG_FIRSTHDR(h); cm != NULL; cm = CMSG_NXTHDR(h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (n = 0; n < count; n++) {
			memcpy(&fd, CMSG_DATA(cm) + n * sizeof(int),
			    sizeof(fd));
			if (c->fd_count < WAITING_FDS) {
				c->fds[c->fd_count++] = fd;
			} else {
				(void)close(fd);
				r = LL_PROTO;
			}
		}
	}
	return r;
}

/* Reads up to len bytes; *got_r > 0 on LL_OK. */
static enum ll_result
read_some(struct chan *c, void *p, size_t len, size_t *got_r)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { p, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes) };
	ssize_t got;

	do
		got = recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? LL_AGAIN :
		    LL_EOF;
	if (got == 0)
		return LL_EOF;
	*got_r = (size_t)got;
	return take_fds(c, &h);
}

static enum ll_result
body_begin(struct chan *c)
{
	enum ll_result r;
	bool guarded;

	r = msg_decode_head(c->head, &c->body_len, &guarded, &c->body_fds);
	if (r != LL_OK || c->body_len == 0)
		return r;
	if (guarded) {
		r = secret_init(&c->guarded, c->body_len);
		c->body = c->guarded.data;
		return r;
	}
	c->body = malloc(c->body_len);
	return c->body == NULL ? LL_NOMEM : LL_OK;
}

/* A whole frame is there: makes the message of it. */
static enum ll_result
frame_end(struct chan *c, struct msg **m_r)
{
	static const uint8_t nothing[1];
	enum ll_result r;
	unsigned n;

	r = LL_PROTO;
	if (c->fd_count >= c->body_fds)
		r = msg_decode(c->head, c->body != NULL ? c->body : nothing,
		    c->body_len, m_r);
	if (r == LL_OK) {
		for (n = 0; n < c->body_fds; n++)
			msg_put_fd(*m_r, c->fds[n]);
		c->fd_count -= c->body_fds;
		memmove(c->fds, c->fds + c->body_fds,
		    c->fd_count * sizeof(c->fds[0]));
	}
	body_reset(c);
	return r;
}

static enum ll_result
read_frame(struct chan *c, struct msg **m_r)
{
	enum ll_result r;
	size_t got = 0;

	while (c->head_got < MSG_HEAD) {
		r = read_some(c, c->head + c->head_got,
		    MSG_HEAD - c->head_got, &got);
		if (r != LL_OK)
			return r;
		c->head_got += got;
		if (c->head_got < MSG_HEAD)
			continue;
		r = body_begin(c);
		if (r != LL_OK)
			return r;
	}
	while (c->body_got < c->body_len) {
		r = read_some(c, c->body + c->body_got,
		    c->body_len - c->body_got, &got);
		if (r != LL_OK)
			return r;
		c->body_got += got;
	}
	return frame_end(c, m_r);
}

static enum ll_result
recv_wire(struct chan *c, struct msg **m_r)
{
	enum ll_result r;

	*m_r = NULL;
	if (c->broken)
		return LL_EOF;
	r = read_frame(c, m_r);
	if (r != LL_OK && r != LL_AGAIN)
		c->broken = true;
	return r;
}

enum ll_result
chan_recv(struct chan *c, struct msg **m_r)
{
	struct item *i = c->kept;

	if (i == NULL)
		return recv_wire(c, m_r);
	c->kept = i->next;
	if (c->kept == NULL)
		c->kept_end = &c->kept;
	*m_r = i->msg;
	free(i);
	return LL_OK;
}

/* --- blocking use --- */

/* Waits until the socket is ready for what is wanted; LL_BUSY at deadline_ms
 * (0: none). */
static enum ll_result
wait_ready(struct chan *c, bool until, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t now;
	int timeout = -1, n;

	if (chan_pending(c))
		p.events |= POLLOUT;
	do {
		if (until) {
			now = loop_now_ms();
			if (now >= deadline_ms)
				timeout = 0;
			else if (deadline_ms - now > 3600000)
				timeout = 3600000;
			else
				timeout = (int)(deadline_ms - now);
		}
		n = poll(&p, 1, timeout);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return LL_IO;
	if (n == 0)
		return LL_BUSY;
	return LL_OK;
}

static enum ll_result
keep(struct chan *c, struct msg *m)
{
	struct item *i = calloc(1, sizeof(*i));

	if (i == NULL) {
		msg_destroy(m);
		return LL_NOMEM;
	}
	i->msg = m;
	*c->kept_end = i;
	c->kept_end = &i->next;
	return LL_OK;
}

enum ll_result
chan_call(struct chan *c, struct msg *request, int timeout_ms,
    struct msg **reply_r)
{
	uint64_t deadline = loop_now_ms() +
	    (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
	uint32_t sequence;
	enum ll_result r;
	struct msg *m;

	*reply_r = NULL;
	sequence = ++c->sequence;
	msg_set_sequence(request, sequence);
	r = chan_send(c, request);
	while (r == LL_OK) {
		r = recv_wire(c, &m);
		if (r == LL_OK && msg_kind(m) == MSG_REPLY &&
		    msg_sequence(m) == sequence) {
			*reply_r = m;
			return LL_OK;
		}
		if (r == LL_OK && msg_kind(m) == MSG_REPLY)
			/* the late answer to a call that timed out */
			msg_destroy(m);
		else if (r == LL_OK)
			r = keep(c, m);
		if (r != LL_AGAIN)
			continue;
		r = wait_ready(c, timeout_ms >= 0, deadline);
		if (r == LL_OK)
			r = chan_flush(c);
	}
	return r;
}

enum ll_result
chan_ask(struct chan *c, struct msg *request, struct msg **reply_r,
    char *words, size_t words_room)
{
	const char *text;
	enum ll_result r;
	struct msg *m;

	if (reply_r != NULL)
		*reply_r = NULL;
	if (words != NULL && words_room > 0)
		words[0] = '\0';
	r = chan_call(c, request, -1, &m);
	if (r != LL_OK)
		return r;
	r = msg_result(m);
	text = view_text(msg_view(m), F_WORDS);
	if (words != NULL && words_room > 0) {
		strncpy(words, text, words_room - 1);
		words[words_room - 1] = '\0';
	}
	if (r == LL_OK && reply_r != NULL)
		*reply_r = m;
	else
		msg_destroy(m);
	return r;
}

enum ll_result
chan_wait(struct chan *c, int timeout_ms, struct msg **m_r)
{
	uint64_t deadline = loop_now_ms() +
	    (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
	enum ll_result r;

	for (;;) {
		r = chan_recv(c, m_r);
		if (r != LL_AGAIN)
			return r;
		r = wait_ready(c, timeout_ms >= 0, deadline);
		if (r == LL_OK)
			r = chan_flush(c);
		if (r != LL_OK)
			return r == LL_BUSY ? LL_AGAIN : r;
	}
}

enum ll_result
chan_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return LL_IO;
	return LL_OK;
}
