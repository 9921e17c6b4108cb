#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/listen.h"

#define BACKLOG 256
#define IN_USE_TRIES 40          /* 2 s: the portal of a letterlockd that */
#define IN_USE_STEP_US 50000     /* has just died still holds its sockets */

static int
try_one(const struct sockaddr_storage *sa, socklen_t len)
{
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0), on = 1, saved;
	const void *p = sa;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (sa->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	if (bind(fd, p, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

static int
open_one(const struct sockaddr_storage *sa, socklen_t len)
{
	int fd = -1, i;

	for (i = 0; i < IN_USE_TRIES; i++) {
		fd = try_one(sa, len);
		if (fd >= 0 || errno != EADDRINUSE)
			break;
		(void)usleep(IN_USE_STEP_US);
		errno = EADDRINUSE;
	}
	return fd;
}

/* Port 0 has become a real one. */
static void
note_name(struct listen *l, size_t i)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	void *p = &sa;

	memset(&sa, 0, sizeof(sa));
	(void)getsockname(l->fds[i], p, &len);
	net_sockaddr_text(&sa, l->texts[i]);
	l->ports[i] = net_port(&sa);
}

enum ll_result
listen_open(const char *value, struct listen *l_r, char *why,
    size_t why_room)
{
	struct sockaddr_storage sa;
	char text[NET_TEXT];
	socklen_t sa_len;
	size_t len;
	int fd;

	l_r->count = 0;
	for (; *(value += strspn(value, " \t")) != '\0'; value += len) {
		len = strcspn(value, " \t");
		if (l_r->count == LISTEN_MAX ||
		    net_listen_parse(value, len, &sa, &sa_len) != LL_OK) {
			snprintf(why, why_room, "cannot listen on %.80s",
			    value);
			listen_close(l_r);
			return LL_USAGE;
		}
		fd = open_one(&sa, sa_len);
		if (fd < 0) {
			net_sockaddr_text(&sa, text);
			snprintf(why, why_room, "cannot listen on %s: %s",
			    text, strerror(errno));
			listen_close(l_r);
			return LL_IO;
		}
		l_r->fds[l_r->count] = fd;
		note_name(l_r, l_r->count++);
	}
	return LL_OK;
}

void
listen_close(struct listen *l)
{
	while (l->count > 0)
		(void)close(l->fds[--l->count]);
}
