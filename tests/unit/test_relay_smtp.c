/* The SMTP dialogue, byte for byte, with a server that reads its lines off a
 * list; and how each mail ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "server/relay_smtp.h"

#define MAILS 2
#define HELLO "220 mx ESMTP\r\n250-mx\r\n"
#define PIPED HELLO "250 PIPELINING\r\n"
#define PLAIN HELLO "250 8BITMIME\r\n"
#define EHLO "EHLO house.example\r\n"
#define MAIL "MAIL FROM:<a@house.example>\r\n"
#define RCPT "RCPT TO:<b@x.example>\r\n"
#define BODY "A: b\r\n\r\n..\r\n...\r\nbody\r\n"

enum fate { NOT_GIVEN, SENT, RETRY, REFUSED, BACK };

static struct {
	struct loop *loop;
	struct smtp_mail mails[MAILS];
	int count, given;
	enum fate fate[MAILS];
	char words[200];           /* why it closed */
} x;

static void
give(struct relay_smtp *c)
{
	while (x.given < x.count && smtp_has_room(c))
		smtp_send(c, &x.mails[x.given++]);
}

static void
on_ready(void *arg, struct relay_smtp *c)
{
	(void)arg;
	give(c);
}

static void
on_done(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	static const enum fate fates[] = {
		[QUEUE_SENT] = SENT, [QUEUE_RETRY] = RETRY,
		[QUEUE_REFUSED] = REFUSED
	};

	(void)arg;
	assert_int_equal(x.fate[m - x.mails], NOT_GIVEN);
	x.fate[m - x.mails] = fates[m->outcome];
	give(c);
}

static void
on_back(void *arg, struct relay_smtp *c, struct smtp_mail *m)
{
	(void)arg;
	(void)c;
	assert_int_equal(x.fate[m - x.mails], NOT_GIVEN);
	x.fate[m - x.mails] = BACK;
}

static void
on_closed(void *arg, struct relay_smtp *c, const char *words)
{
	(void)arg;
	assert_true(smtp_is_closed(c));
	snprintf(x.words, sizeof(x.words), "%s", words);
	loop_stop(x.loop);
}

static void
too_long(void *arg)
{
	(void)arg;
	loop_stop(x.loop);
}

static int
listen_at(struct smtp_server *s)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&s->at;
	socklen_t len = sizeof(*in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(s, 0, sizeof(*s));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)in, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)in, &len), 0);
	s->helo = "house.example";
	s->user = "";
	return fd;
}

/* What the client said to a server with these answers; malloc'd. */
static char *
run(const struct smtp_server *given, const char *answers)
{
	const struct smtp_user user = { on_ready, on_done, on_back, on_closed,
	    NULL };
	struct smtp_server s;
	struct relay_smtp *c;
	char *said = calloc(1, 65536);
	uint64_t timer;
	size_t len = 0;
	ssize_t n;
	int fd = listen_at(&s), peer;

	assert_non_null(said);
	s.tls = given->tls;
	s.user = given->user != NULL ? given->user : "";
	s.password = given->password;
	x.given = 0;
	memset(x.fate, 0, sizeof(x.fate));
	x.words[0] = '\0';
	assert_int_equal(loop_create(&x.loop), LL_OK);
	assert_int_equal(loop_timer(x.loop, 5000, too_long, NULL, &timer),
	    LL_OK);
	assert_int_equal(smtp_create(x.loop, &s, &user, &c), LL_OK);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(write(peer, answers, strlen(answers)),
	    (ssize_t)strlen(answers));
	(void)shutdown(peer, SHUT_WR);
	assert_int_equal(loop_run(x.loop), LL_OK);
	smtp_destroy(c);
	loop_destroy(x.loop);
	while ((n = read(peer, said + len, 65535 - len)) > 0)
		len += (size_t)n;
	close(peer);
	close(fd);
	return said;
}

static void
set_mails(int count)
{
	static const char text[] = "A: b\n\n.\n..\nbody\n";
	int i;

	x.count = count;
	memset(x.mails, 0, sizeof(x.mails));
	for (i = 0; i < count; i++) {
		x.mails[i].from = "a@house.example";
		x.mails[i].to = "b@x.example";
		assert_int_equal(body_of_text(text, sizeof(text) - 1, true,
		    &x.mails[i].body), LL_OK);
	}
}

static void
drop_mails(void)
{
	int i;

	for (i = 0; i < x.count; i++)
		body_destroy(x.mails[i].body);
}

static void
test_dialogues(void **state)
{
	static const struct {
		const char *name, *answers, *said;
		enum fate fate[MAILS];
		int count;
		enum smtp_tls tls;
	} rows[] = {
		{ "one mail", PIPED "250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		    EHLO MAIL RCPT "DATA\r\n" BODY ".\r\n", { SENT }, 1, 0 },
		{ "two, pipelined", PIPED "250 a\r\n250 b\r\n354 c\r\n250 d\r\n"
		    "250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		    EHLO MAIL RCPT "DATA\r\n" BODY ".\r\n" MAIL RCPT "DATA\r\n"
		    BODY ".\r\n", { SENT, SENT }, 2, 0 },
		{ "two, not pipelined", PLAIN "250 a\r\n250 b\r\n354 c\r\n"
		    "250 d\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		    EHLO MAIL RCPT "DATA\r\n" BODY ".\r\n" MAIL RCPT "DATA\r\n"
		    BODY ".\r\n", { SENT, SENT }, 2, 0 },
		{ "recipient refused, the next one not",
		    PIPED "250 a\r\n550 no\r\n554 none\r\n"
		    "250 reset\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		    EHLO MAIL RCPT "DATA\r\nRSET\r\n" MAIL RCPT "DATA\r\n"
		    BODY ".\r\n", { REFUSED, SENT }, 2, 0 },
		{ "the same, not pipelined", PLAIN "250 a\r\n450 later\r\n"
		    "250 reset\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n",
		    EHLO MAIL RCPT "RSET\r\n" MAIL RCPT "DATA\r\n" BODY
		    ".\r\n", { RETRY, SENT }, 2, 0 },
		{ "data asked for nobody", PIPED "250 a\r\n550 no\r\n354 c\r\n"
		    "554 none\r\n", EHLO MAIL RCPT "DATA\r\n.\r\n",
		    { REFUSED }, 1, 0 },
		{ "refused at its end", PIPED "250 a\r\n250 b\r\n354 c\r\n"
		    "550 spam\r\n", EHLO MAIL RCPT "DATA\r\n" BODY ".\r\n",
		    { REFUSED }, 1, 0 },
		{ "too big", PIPED "552 5.3.4 too big\r\n503 x\r\n503 x\r\n",
		    EHLO MAIL RCPT "DATA\r\n", { REFUSED }, 1, 0 },
		{ "sender refused: not the recipient's fault",
		    PIPED "550 5.7.1 you\r\n503 x\r\n503 x\r\n",
		    EHLO MAIL RCPT "DATA\r\n", { RETRY }, 1, 0 },
		{ "going down", PIPED "250 a\r\n421 bye\r\n",
		    EHLO MAIL RCPT "DATA\r\n", { RETRY }, 1, 0 },
		{ "gone after the end: may be there", PIPED "250 a\r\n250 b\r\n"
		    "354 c\r\n", EHLO MAIL RCPT "DATA\r\n" BODY ".\r\n",
		    { RETRY }, 1, 0 },
		{ "gone before the second began", PIPED "250 a\r\n250 b\r\n"
		    "354 c\r\n250 d\r\n", EHLO MAIL RCPT "DATA\r\n" BODY
		    ".\r\n" MAIL RCPT "DATA\r\n", { SENT, BACK }, 2, 0 },
		{ "greeting refused", "554 go away\r\n", "", { NOT_GIVEN }, 1,
		    0 },
		{ "no SMTP", "HTTP/1.1 400 Bad Request\r\n", "",
		    { NOT_GIVEN }, 1, 0 },
		{ "an answer too many", PIPED "250 a\r\n250 b\r\n354 c\r\n"
		    "250 d\r\n250 e\r\n", EHLO MAIL RCPT "DATA\r\n" BODY
		    ".\r\n", { SENT }, 1, 0 },
		{ "old server", "220 mx\r\n500 what\r\n250 mx\r\n250 a\r\n"
		    "250 b\r\n354 c\r\n250 d\r\n", EHLO
		    "HELO house.example\r\n" MAIL RCPT "DATA\r\n" BODY ".\r\n",
		    { SENT }, 1, 0 },
		{ "no STARTTLS where it is demanded", PIPED "250 a\r\n", EHLO,
		    { NOT_GIVEN }, 1, SMTP_TLS_REQUIRED },
		{ "STARTTLS refused", HELLO "250 STARTTLS\r\n454 no\r\n",
		    EHLO "STARTTLS\r\n", { NOT_GIVEN }, 1,
		    SMTP_TLS_IF_OFFERED },
		{ "bytes behind STARTTLS", HELLO "250 STARTTLS\r\n220 go\r\n"
		    "250 injected\r\n", EHLO "STARTTLS\r\n", { NOT_GIVEN }, 1,
		    SMTP_TLS_REQUIRED },
	};
	struct smtp_server server;
	char *said;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&server, 0, sizeof(server));
		server.tls = rows[i].tls;
		set_mails(rows[i].count);
		said = run(&server, rows[i].answers);
		if (strcmp(said, rows[i].said) != 0)
			fail_msg("%s: said %s", rows[i].name, said);
		if (memcmp(x.fate, rows[i].fate, sizeof(x.fate)) != 0)
			fail_msg("%s: %d %d", rows[i].name, x.fate[0],
			    x.fate[1]);
		free(said);
		drop_mails();
	}
	assert_non_null(strstr(x.words, "clear"));
}

static void
test_parameters(void **state)
{
	struct smtp_server server = { .tls = SMTP_TLS_OFF };
	char *said;

	(void)state;
	set_mails(1);
	x.mails[0].require_tls = true;
	said = run(&server, HELLO "250-SIZE 1000\r\n250 PIPELINING\r\n");
	assert_non_null(strstr(said, "MAIL FROM:<a@house.example> SIZE=21 "
	    "REQUIRETLS\r\n"));
	free(said);
	drop_mails();
}

static void
test_login(void **state)
{
	struct smtp_server server = { .tls = SMTP_TLS_OFF, .user = "post" };
	struct secret password;
	char *said;

	(void)state;
	assert_int_equal(secret_copy(&password, "s3cret", 7), LL_OK);
	server.password = &password;
	set_mails(1);
	said = run(&server, HELLO "250 AUTH LOGIN PLAIN\r\n334 \r\n"
	    "235 ok\r\n");
	assert_string_equal(said, EHLO "AUTH PLAIN\r\nAHBvc3QAczNjcmV0\r\n"
	    MAIL);
	free(said);
	said = run(&server, HELLO "250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n"
	    "334 UGFzc3dvcmQ6\r\n535 wrong\r\n");
	assert_string_equal(said, EHLO "AUTH LOGIN\r\ncG9zdA==\r\n"
	    "czNjcmV0\r\n");
	assert_string_equal(x.words, "535 wrong");
	assert_int_equal(x.fate[0], NOT_GIVEN);
	free(said);
	said = run(&server, PIPED "250 a\r\n");
	assert_string_equal(said, EHLO);
	free(said);
	drop_mails();
	secret_finish(&password);
}

/* A stream that is not what was named never gets its final dot. */
static void
test_broken_stream(void **state)
{
	static const struct {
		const char *text;
		int spoil;             /* the hash */
		enum fate fate;
	} rows[] = {
		{ "A: b\r\n\r\nbody\r\n", 0, SENT },
		{ "A: b\r\n\r\nbody\r\n", 1, RETRY },
		{ "A: b\r\n\r\nbody\n.\r\nMAIL FROM:<eve@x.example>\r\n", 0,
		    REFUSED },
	};
	struct smtp_server server = { .tls = SMTP_TLS_OFF };
	uint8_t key[KEY_BYTES], hash[RELAY_STREAM_HASH], other[HASH_BYTES];
	struct relay_stream *stream;
	struct queue_mail mail;
	uint8_t *sealed;
	size_t i, len;
	char *said;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = strlen(rows[i].text);
		set_mails(1);
		body_destroy(x.mails[0].body);
		randombytes_buf(key, sizeof(key));
		crypto_hash_sha256(hash, (const uint8_t *)rows[i].text, len);
		hash[0] ^= (uint8_t)rows[i].spoil;
		mail.key = key;
		mail.hash = hash;
		mail.bytes = len;
		id_random(&mail.message);
		id_random(&mail.object);
		assert_int_equal(seal_object_buffer(key, &mail.message,
		    &mail.object, OBJECT_MAIL, rows[i].text, len, &sealed,
		    &len, other), LL_OK);
		assert_int_equal(relay_stream_open(&mail, sealed, len, -1,
		    &stream), LL_OK);
		assert_int_equal(body_of_stream(stream, hash, mail.bytes,
		    &x.mails[0].body), LL_OK);
		said = run(&server, PIPED "250 a\r\n250 b\r\n354 c\r\n"
		    "250 d\r\n");
		assert_int_equal(x.fate[0], rows[i].fate);
		if (rows[i].fate == SENT)
			assert_non_null(strstr(said, "body\r\n.\r\n"));
		else
			assert_null(strstr(said, "\n.\r\n"));
		free(said);
		free(sealed);
		drop_mails();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_broken_stream),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
