/*
 * tlssink.c - a mail server that takes everything and keeps nothing, with
 * STARTTLS and PIPELINING: what a mail client's own speed is measured into.
 *
 *   tlssink ADDRESS PORT CERT KEY
 *
 * Each line on standard input is answered with the number of mails so far.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define IN_BYTES 65536
#define OUT_BYTES 8192

struct peer {
	int fd;
	SSL *ssl;
	char in[IN_BYTES], out[OUT_BYTES];
	size_t at, len, out_len;
};

static SSL_CTX *ctx;
static atomic_ulong mails;

static void
flush(struct peer *p)
{
	if (p->out_len == 0)
		return;
	if (p->ssl != NULL)
		(void)SSL_write(p->ssl, p->out, (int)p->out_len);
	else
		(void)!write(p->fd, p->out, p->out_len);
	p->out_len = 0;
}

static void
say(struct peer *p, const char *text)
{
	size_t len = strlen(text);

	if (p->out_len + len > OUT_BYTES)
		flush(p);
	memcpy(p->out + p->out_len, text, len);
	p->out_len += len;
}

/* Answers go out only when nothing more is to be read: as pipelining asks. */
static bool
fill(struct peer *p)
{
	ssize_t n;

	flush(p);
	memmove(p->in, p->in + p->at, p->len - p->at);
	p->len -= p->at;
	p->at = 0;
	if (p->len == IN_BYTES)
		p->len = 0;
	if (p->ssl != NULL)
		n = SSL_read(p->ssl, p->in + p->len, (int)(IN_BYTES - p->len));
	else
		n = read(p->fd, p->in + p->len, IN_BYTES - p->len);
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	return true;
}

/* The next line, without its end; NULL at the end of the connection. */
static char *
line(struct peer *p)
{
	char *nl, *begin;

	while ((nl = memchr(p->in + p->at, '\n', p->len - p->at)) == NULL)
		if (!fill(p))
			return NULL;
	begin = p->in + p->at;
	*nl = '\0';
	if (nl > begin && nl[-1] == '\r')
		nl[-1] = '\0';
	p->at = (size_t)(nl + 1 - p->in);
	return begin;
}

static bool
take_data(struct peer *p)
{
	char *text;

	do
		text = line(p);
	while (text != NULL && strcmp(text, ".") != 0);
	return text != NULL;
}

static bool
start_tls(struct peer *p)
{
	say(p, "220 go ahead\r\n");
	flush(p);
	p->ssl = SSL_new(ctx);
	return p->ssl != NULL && SSL_set_fd(p->ssl, p->fd) == 1 &&
	    SSL_accept(p->ssl) == 1;
}

static void
talk(struct peer *p)
{
	char *text;

	say(p, "220 sink ESMTP\r\n");
	while ((text = line(p)) != NULL) {
		if (strncasecmp(text, "EHLO", 4) == 0) {
			say(p, p->ssl == NULL ?
			    "250-sink\r\n250-PIPELINING\r\n250 STARTTLS\r\n" :
			    "250-sink\r\n250 PIPELINING\r\n");
		} else if (strncasecmp(text, "STARTTLS", 8) == 0) {
			if (!start_tls(p))
				return;
		} else if (strncasecmp(text, "DATA", 4) == 0) {
			say(p, "354 go on\r\n");
			if (!take_data(p))
				return;
			atomic_fetch_add(&mails, 1);
			say(p, "250 2.0.0 Ok: queued as nothing\r\n");
		} else if (strncasecmp(text, "QUIT", 4) == 0) {
			say(p, "221 bye\r\n");
			flush(p);
			return;
		} else {
			say(p, "250 2.1.0 Ok\r\n");
		}
	}
}

static void *
serve(void *arg)
{
	struct peer *p = arg;

	talk(p);
	if (p->ssl != NULL)
		SSL_free(p->ssl);
	close(p->fd);
	free(p);
	return NULL;
}

static void *
count(void *arg)
{
	char text[80];

	(void)arg;
	while (fgets(text, sizeof(text), stdin) != NULL) {
		printf("%lu\n", atomic_load(&mails));
		fflush(stdout);
	}
	exit(0);
}

static void
take_peers(int listener)
{
	pthread_t id;
	struct peer *p;
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		p = calloc(1, sizeof(*p));
		if (p == NULL) {
			close(fd);
			continue;
		}
		p->fd = fd;
		if (pthread_create(&id, NULL, serve, p) == 0) {
			pthread_detach(id);
		} else {
			close(fd);
			free(p);
		}
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const int on = 1;
	pthread_t id;
	int listener;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: tlssink ADDRESS PORT CERT KEY\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	ctx = SSL_CTX_new(TLS_server_method());
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (ctx == NULL || listener < 0 ||
	    SSL_CTX_use_certificate_chain_file(ctx, argv[3]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM) != 1 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) != 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener, 256) != 0 ||
	    pthread_create(&id, NULL, count, NULL) != 0) {
		perror("tlssink");
		return 1;
	}
	take_peers(listener);
	return 0;
}
