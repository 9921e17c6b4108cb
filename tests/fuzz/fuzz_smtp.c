/*
 * fuzz_smtp.c - a mail server that says anything at all: each mail given to the
 * connection is done or comes back, once, and never counts as sent unless a
 * reply to its end said so.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/relay_smtp.h"

#define MAILS 3

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct {
	struct loop *loop;
	struct sockaddr_storage at;
	int listener;
	struct smtp_mail mails[MAILS];
	int given, ended[MAILS], closed;
} x;

static void
give(struct relay_smtp *c)
{
	struct smtp_mail *m;

	while (x.given < MAILS && smtp_has_room(c)) {
		m = &x.mails[x.given++];
		smtp_send(c, m);
	}
}

static void
ready(void *arg, struct relay_smtp *c)
{
	(void)arg;
	give(c);
}

static void
done(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	(void)arg;
	if (x.ended[m - x.mails]++ != 0 || m->outcome < QUEUE_SENT ||
	    m->outcome > QUEUE_REFUSED)
		abort();
	if (m->outcome == QUEUE_SENT && (m->words[0] != '2' || !m->asked))
		abort();
	give(c);
}

static void
back(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	(void)arg;
	(void)c;
	if (x.ended[m - x.mails]++ != 0)
		abort();
}

static void
closed(void *arg, struct relay_smtp *c, const char *words)
{
	int i;

	(void)arg;
	(void)c;
	if (words == NULL || x.closed++ != 0)
		abort();
	for (i = 0; i < x.given; i++)
		if (x.ended[i] != 1)
			abort();
	loop_stop(x.loop);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&x.at;
	socklen_t len = sizeof(*in);

	(void)argc;
	(void)argv;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	x.listener = socket(AF_INET, SOCK_STREAM, 0);
	return x.listener < 0 || bind(x.listener, (struct sockaddr *)in,
	    len) != 0 || listen(x.listener, 8) != 0 ||
	    getsockname(x.listener, (struct sockaddr *)in, &len) != 0;
}

static void
begin(const uint8_t *data, size_t len)
{
	const struct linger gone = { 1, 0 };
	int peer = accept(x.listener, NULL, NULL);

	if (peer < 0 || (len > 0 && write(peer, data, len) < 0))
		abort();
	(void)shutdown(peer, SHUT_WR);
	/* what is written to it is read by nobody; it stays until the end */
	x.closed = 0;
	if (loop_run(x.loop) != LL_OK)
		abort();
	(void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &gone, sizeof(gone));
	close(peer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct smtp_user user = { ready, done, back, closed, NULL };
	static const char text[] = "A: b\n\n.\n..\nbody\n";
	struct smtp_server server;
	struct relay_smtp *c = NULL;
	int i;

	if (len == 0 || len > 4096)
		return 0;
	memset(&server, 0, sizeof(server));
	server.at = x.at;
	server.helo = "house.example";
	server.user = "";
	server.tls = data[0] & 1 ? SMTP_TLS_REQUIRED : SMTP_TLS_OFF;
	x.given = 0;
	memset(x.ended, 0, sizeof(x.ended));
	memset(x.mails, 0, sizeof(x.mails));
	for (i = 0; i < MAILS; i++) {
		x.mails[i].from = "a@house.example";
		x.mails[i].to = "b@partner.example";
		if (body_of_text(text, sizeof(text) - 1, true,
		    &x.mails[i].body) != LL_OK)
			abort();
	}
	if (loop_create(&x.loop) != LL_OK ||
	    smtp_create(x.loop, &server, &user, &c) != LL_OK)
		abort();
	begin(data + 1, len - 1);
	smtp_destroy(c);
	loop_destroy(x.loop);
	for (i = 0; i < MAILS; i++)
		body_destroy(x.mails[i].body);
	return 0;
}
