/* The portal's pages over HTTP, with a store that is played by a thread. */
#include "tests/unit/portal_fake.h"

#define ROOM 400000
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define BORDER "----ll-border"
#define MULTI "Content-Type: multipart/form-data; boundary=" BORDER "\r\n"

static char answer[ROOM], cookie[200], message_path[64];
static size_t answer_len;

/* Sends a request and reads the answer; gives its status. */
static int
ask(const char *method, const char *url, const char *head, const void *body,
    size_t len)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char request[1024];
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n%s%s%s%s\r\n", method, url,
	    cookie[0] != '\0' ? "Cookie: " : "", cookie,
	    cookie[0] != '\0' ? "\r\n" : "", head);
	assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
	while (len > 0) {
		n = send(fd, body, len, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		body = (const char *)body + n;
		len -= (size_t)n;
	}
	answer_len = 0;
	while (answer_len < ROOM - 1 && (n = recv(fd, answer + answer_len,
	    ROOM - 1 - answer_len, 0)) > 0)
		answer_len += (size_t)n;
	close(fd);
	answer[answer_len] = '\0';
	return answer_len > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static int
get(const char *url)
{
	return ask("GET", url, "", NULL, 0);
}

static int
post(const char *url, const char *type, const void *body, size_t len)
{
	char head[200];

	snprintf(head, sizeof(head), "%sContent-Length: %zu\r\n", type, len);
	return ask("POST", url, head, body, len);
}

/* The value of a hidden field of the last page. */
static const char *
hidden(const char *name, char out[64])
{
	char mark[64];
	const char *p;

	snprintf(mark, sizeof(mark), "name=\"%s\" value=\"", name);
	p = strstr(answer, mark);
	assert_non_null(p);
	snprintf(out, 64, "%.*s", (int)strcspn(p + strlen(mark), "\""),
	    p + strlen(mark));
	return out;
}

static const char *
link_path(void)
{
	static char path[64];
	char locator[ID_TEXT + 1], secret[ID_TEXT + 1];

	id_text(&fake.locator, locator);
	id_text(&fake.secret, secret);
	snprintf(path, sizeof(path), "/m/%s/%s", locator, secret);
	return path;
}

static int
try_code(const char *code)
{
	char csrf[64], body[200];

	get(link_path());
	snprintf(body, sizeof(body), "csrf=%s&code=%s", hidden("csrf", csrf),
	    code);
	return post(link_path(), FORM, body, strlen(body));
}

static void
unlock(void)
{
	const char *p;

	cookie[0] = '\0';
	assert_int_equal(try_code(fake.code), 303);
	p = strstr(answer, "Set-Cookie: ll=");
	assert_non_null(p);
	snprintf(cookie, sizeof(cookie), "%.*s", 3 + COOKIE_TEXT, p + 12);
	p = strstr(answer, "Location: /o/");
	assert_non_null(p);
	snprintf(message_path, sizeof(message_path), "%.*s", 3 + ID_TEXT,
	    p + 10);
}

static unsigned
reads_now(void)
{
	return __atomic_load_n(&fake.reads, __ATOMIC_SEQ_CST);
}

static void
get_changes_nothing(void **state)
{
	char first[SITE_WORD_MAX], second[SITE_WORD_MAX], words[64];
	unsigned tries = fake.tries;

	(void)state;
	assert_int_equal(get(link_path()), 200);
	site_words(&fake.secret, first, second);
	snprintf(words, sizeof(words), "id=\"site-words\">%s %s<", first,
	    second);
	assert_non_null(strstr(answer, words));
	assert_non_null(strstr(answer, "name=\"code\""));
	assert_non_null(strstr(answer, "Clinic &lt;1&gt;"));
	assert_non_null(strstr(answer, "Content-Security-Policy: "
	    "default-src 'none'"));
	assert_non_null(strstr(answer, "Cache-Control: no-store"));
	assert_non_null(strstr(answer, "Referrer-Policy: no-referrer"));
	assert_null(strstr(answer, "Set-Cookie"));
	assert_null(strstr(answer, "<script"));
	assert_true(answer_len < 30000);
	assert_int_equal(fake.tries, tries);
}

static void
typo_costs_no_try(void **state)
{
	char typed[MUC_TEXT + 1];
	unsigned tries = fake.tries;

	(void)state;
	memcpy(typed, fake.code, sizeof(typed));
	typed[0] = typed[0] == 'A' ? 'B' : 'A';
	assert_int_equal(try_code(typed), 403);
	assert_non_null(strstr(answer, "typing mistake"));
	assert_non_null(strstr(answer, typed));
	assert_int_equal(try_code("%3Cb%3E%22"), 403);
	assert_non_null(strstr(answer, "value=\"&lt;b&gt;&quot;\""));
	assert_int_equal(try_code(""), 403);
	assert_int_equal(fake.tries, tries);
}

static void
form_token_is_needed(void **state)
{
	char body[64];
	unsigned tries = fake.tries;

	(void)state;
	snprintf(body, sizeof(body), "code=%s", fake.code);
	assert_int_equal(post(link_path(), FORM, body, strlen(body)), 403);
	assert_int_equal(fake.tries, tries);
	usleep(60000);
	fake.state = LINK_WITHDRAWN;
	assert_int_equal(post(link_path(), FORM, body, strlen(body)), 410);
	assert_int_equal(get(link_path()), 410);
	assert_non_null(strstr(answer, "withdrawn"));
	fake.state = LINK_FROZEN;
	assert_int_equal(post(link_path(), FORM, body, strlen(body)), 423);
	usleep(60000);
	assert_int_equal(get(link_path()), 200);
	assert_non_null(strstr(answer, "is frozen"));
	assert_non_null(strstr(answer, "name=\"code\""));
	fake.state = LINK_OPEN;
}

static void
store_decides(void **state)
{
	static const struct {
		enum ll_result result;
		int status;
	} rows[] = {
		{ LL_RATE, 429 }, { LL_BUSY, 429 }, { LL_FROZEN, 423 },
		{ LL_GONE, 410 }, { LL_AUTH, 403 }, { LL_NOTFOUND, 403 },
	};
	char wrong[MUC_TEXT + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake.try_result = rows[i].result;
		assert_int_equal(try_code(fake.code), rows[i].status);
		if (rows[i].status == 429)
			assert_non_null(strstr(answer, "Retry-After: "));
	}
	fake.try_result = LL_OK;
	muc_create(wrong);
	assert_int_equal(try_code(wrong), 403);
	assert_non_null(strstr(answer, "does not open"));
	assert_null(strstr(answer, "Set-Cookie"));
}

/* The hash of a code takes 128 MiB: only who holds a lease may do it, and only
 * who has a try left asks for one. */
static void
code_needs_a_lease(void **state)
{
	unsigned leases = fake.leases, proofs = fake.proofs;
	unsigned tries = fake.tries, cancels = fake.cancels;
	char wrong[MUC_TEXT + 1];

	(void)state;
	fake.lease_result = LL_BUSY;
	assert_int_equal(try_code(fake.code), 429);
	assert_non_null(strstr(answer, "cost you no try"));
	assert_int_equal(fake.tries - fake.cancels, tries - cancels);
	assert_int_equal(fake.proofs, proofs);
	fake.lease_result = LL_OK;
	muc_create(wrong);
	assert_int_equal(try_code(wrong), 403);
	assert_int_equal(try_code(fake.code), 303);
	assert_int_equal(fake.proofs, proofs + 2);
	assert_int_equal(fake.leases, leases + 3);
	fake.try_result = LL_RATE;
	assert_int_equal(try_code(fake.code), 429);
	fake.try_result = LL_OK;
	assert_int_equal(fake.leases, leases + 3);
	assert_int_equal(fake.leased, 0);
}

/* Some proxies add a line of their own below what the client sent. */
static void
only_the_proxys_line_counts(void **state)
{
	char csrf[64], body[200];

	(void)state;
	assert_true(path_proxies("127.0.0.1", &x.trusted));
	get(link_path());
	snprintf(body, sizeof(body), "csrf=%s&code=%s", hidden("csrf", csrf),
	    fake.code);
	assert_int_equal(post(link_path(), FORM "X-Forwarded-For: 192.0.2.1"
	    "\r\nX-Forwarded-For: 198.51.100.9\r\n", body, strlen(body)),
	    303);
	assert_string_equal(fake.origin, "198.51.100.9");
	assert_true(path_proxies("", &x.trusted));
}

static void
message_is_shown(void **state)
{
	unsigned reads;

	(void)state;
	unlock();
	reads = reads_now();
	assert_int_equal(ask("HEAD", message_path, "", NULL, 0), 200);
	usleep(100000);
	assert_int_equal(reads_now(), reads);
	assert_int_equal(get(message_path), 200);
	assert_non_null(strstr(answer, "Fees &lt;&amp; more&gt;"));
	assert_non_null(strstr(answer, "&lt;b&gt;not bold&lt;/b&gt;"));
	assert_null(strchr(answer, 0x1b));
	assert_non_null(strstr(answer, "Not valid."));
	assert_non_null(strstr(answer, "ada@clinic.example"));
	assert_null(strstr(answer, "<title>Fees"));
	while (reads_now() == reads)
		usleep(1000);
	cookie[5] = cookie[5] == '7' ? '8' : '7';
	assert_int_equal(get(message_path), 403);
	cookie[0] = '\0';
	assert_int_equal(get(message_path), 403);
}

static void
file_is_streamed(void **state)
{
	char url[80];
	const char *body;

	(void)state;
	unlock();
	snprintf(url, sizeof(url), "%s/f/1", message_path);
	assert_int_equal(get(url), 200);
	assert_non_null(strstr(answer, "Content-Disposition: attachment; "));
	assert_non_null(strstr(answer, "application/octet-stream"));
	assert_non_null(strstr(answer, "default-src 'none'; sandbox\r\n"));
	assert_null(strstr(answer, ".."));
	body = strstr(answer, "\r\n\r\n") + 4;
	assert_int_equal(answer + answer_len - body, sizeof(file_text));
	assert_memory_equal(body, file_text, sizeof(file_text));
	snprintf(url, sizeof(url), "%s/f/2", message_path);
	assert_int_equal(get(url), 403);
	/* One changed byte, and the download breaks off. */
	fake.sealed_file[100000] ^= 1;
	snprintf(url, sizeof(url), "%s/f/1", message_path);
	(void)get(url);
	fake.sealed_file[100000] ^= 1;
	body = strstr(answer, "\r\n\r\n") + 4;
	assert_true((size_t)(answer + answer_len - body) < sizeof(file_text));
}

/* --- replies --- */

static size_t
put_part(char *out, const char *name, const char *file, const char *data,
    size_t len)
{
	int n = snprintf(out, 300, "--" BORDER "\r\nContent-Disposition: "
	    "form-data; name=\"%s\"%s%s%s\r\n\r\n", name,
	    file != NULL ? "; filename=\"" : "", file != NULL ? file : "",
	    file != NULL ? "\"" : "");


	memcpy(out + n, data, len);
	memcpy(out + n + len, "\r\n", 2);
	return (size_t)n + len + 2;
}

/* A reply with a text and a file of that many bytes (0: none). */
static size_t
build_reply(char *out, const char *text, size_t file_bytes)
{
	char csrf[64], once[64];
	size_t at = 0;

	get(message_path);
	hidden("csrf", csrf);
	hidden("once", once);
	at += put_part(out + at, "csrf", NULL, csrf, strlen(csrf));
	at += put_part(out + at, "once", NULL, once, strlen(once));
	at += put_part(out + at, "reply", NULL, text, strlen(text));
	if (file_bytes > 0)
		at += put_part(out + at, "file", "../a/b<c.txt", file_text,
		    file_bytes);
	else
		at += put_part(out + at, "file", "", "", 0);
	memcpy(out + at, "--" BORDER "--\r\n", strlen(BORDER) + 6);
	return at + strlen(BORDER) + 6;
}

static int
send_reply(const char *body, size_t len)
{
	char url[80];

	snprintf(url, sizeof(url), "%s/reply", message_path);
	return post(url, MULTI, body, len);
}

/* Opens what the store was given, with the author's secret key. */
static void
open_reply(struct envelope *e, struct secret *key)
{
	struct tlv_view v = msg_view(fake.reply);
	struct seal_context ctx = { .type = SEAL_HEADER, .generation = 1,
	    .owner = fake.author };
	const uint8_t *p;
	struct id id;
	size_t len;

	assert_true(view_id(v, F_MESSAGE_ID, &id));
	ctx.object = id;
	p = view_bytes(v, F_WRAP, &len);
	assert_ok(seal_box_open(fake.pk, fake.sk, &ctx, p, len, key));
	p = view_bytes(v, F_HEADER, &len);
	assert_ok(envelope_open(key->data, &id, p, len, e));
}

static void
reply_is_sealed_for_the_author(void **state)
{
	static char body[200000];
	uint8_t *plain, hash[HASH_BYTES];
	struct envelope e;
	struct secret key;
	unsigned replies;
	uint8_t *sealed;
	size_t len;
	off_t size;

	(void)state;
	unlock();
	replies = fake.replies;
	len = build_reply(body, "Line one\r\nline two", 140000);
	assert_int_equal(send_reply(body, len), 303);
	assert_non_null(strstr(answer, "?sent=1"));
	assert_int_equal(fake.replies, replies + 1);
	open_reply(&e, &key);
	assert_string_equal(e.subject, "Re: " SUBJECT);
	assert_string_equal(e.from, "bob@out.example");
	assert_false(e.is_signed);
	assert_int_equal(e.object_count, 2);
	assert_int_equal(e.objects[0].plain_bytes, 17);
	assert_int_equal(e.objects[1].plain_bytes, 140000);
	assert_null(strchr(e.objects[1].name, '/'));
	size = lseek(fake.blob, 0, SEEK_END);
	assert_int_equal(size, e.objects[1].sealed_bytes);
	sealed = malloc((size_t)size);
	assert_int_equal(pread(fake.blob, sealed, (size_t)size, 0), size);
	assert_ok(seal_object_open_buffer(key.data, &e.message,
	    &e.objects[1].id, OBJECT_ATTACHMENT, sealed, (size_t)size, &plain,
	    &len, hash));
	assert_memory_equal(plain, file_text, 140000);
	assert_memory_equal(hash, e.objects[1].hash, HASH_BYTES);
	free(plain);
	free(sealed);
	envelope_finish(&e);
	secret_finish(&key);
}

static void
same_form_has_same_idempotency(void **state)
{
	static char body[4000];
	uint8_t first[HASH_BYTES];
	size_t len;

	(void)state;
	unlock();
	len = build_reply(body, "once", 0);
	assert_int_equal(send_reply(body, len), 303);
	memcpy(first, view_hash(msg_view(fake.reply), F_IDEMPOTENCY),
	    sizeof(first));
	assert_int_equal(send_reply(body, len), 303);
	assert_memory_equal(first, view_hash(msg_view(fake.reply),
	    F_IDEMPOTENCY), sizeof(first));
	len = build_reply(body, "once", 0);
	assert_int_equal(send_reply(body, len), 303);
	assert_memory_not_equal(first, view_hash(msg_view(fake.reply),
	    F_IDEMPOTENCY), sizeof(first));
	len = build_reply(body, " \r\n ", 0);
	assert_int_equal(send_reply(body, len), 400);
}

static void
too_large_keeps_the_text(void **state)
{
	static char body[4000];
	char url[80], head[300];
	unsigned replies, blobs;
	size_t len;

	(void)state;
	unlock();
	replies = fake.replies;
	blobs = fake.blobs;
	len = build_reply(body, "Hold <this>", 2000);
	snprintf(url, sizeof(url), "%s/reply", message_path);
	/* Says 100 MB, sends the beginning: the answer comes at once. */
	snprintf(head, sizeof(head), "%sContent-Length: 100000000\r\n",
	    MULTI);
	assert_int_equal(ask("POST", url, head, body, len - 1000), 413);
	assert_non_null(strstr(answer, "Hold &lt;this&gt;</textarea>"));
	assert_non_null(strstr(answer, "Content-Security-Policy: "));
	/* Who asks before sending is told before sending. */
	snprintf(head, sizeof(head), "%sContent-Length: 100000000\r\n"
	    "Expect: 100-continue\r\n", MULTI);
	assert_int_equal(ask("POST", url, head, NULL, 0), 413);
	assert_int_equal(fake.replies, replies);
	assert_int_equal(fake.blobs, blobs);
}

/* A file that was begun and comes to nothing: the store hears of it, or it
 * would keep the place and the bytes. */
static void
broken_off_file_is_given_up(void **state)
{
	static char body[400000];
	unsigned drops, blobs, commits, n;
	size_t at;

	(void)state;
	unlock();
	drops = fake.drops;
	blobs = fake.blobs;
	commits = fake.commits;
	at = build_reply(body, "Two files", 140000) - strlen(BORDER) - 6;
	at += put_part(body + at, "file", "b.txt", file_text, 140000);
	memcpy(body + at, "--" BORDER "--\r\n", strlen(BORDER) + 6);
	assert_int_equal(send_reply(body, at + strlen(BORDER) + 6), 413);
	for (n = 0; n < 2000 && fake.drops == drops; n++)
		usleep(1000);
	assert_int_equal(fake.blobs, blobs + 2);
	assert_int_equal(fake.commits, commits + 1);
	assert_int_equal(fake.drops, drops + 1);
}

/* The page had closed while the text was written: it comes back. */
static void
too_late_keeps_the_text(void **state)
{
	static char body[4000];
	unsigned replies = fake.replies;
	size_t len;

	(void)state;
	unlock();
	len = build_reply(body, "Written <for> an hour", 500);
	cookie[5] = cookie[5] == '7' ? '8' : '7';
	assert_int_equal(send_reply(body, len), 403);
	assert_non_null(strstr(answer, "Written &lt;for&gt; an hour</text"));
	assert_non_null(strstr(answer, "this page had been closed"));
	assert_int_equal(fake.replies, replies);
}

/* --- keys --- */

static int
send_key(const char *csrf, const char *text, const char *file, size_t file_len)
{
	static char body[400000];
	char url[80];
	size_t at = 0;

	at += put_part(body, "csrf", NULL, csrf, strlen(csrf));
	at += put_part(body + at, "keyfile", file_len > 0 ? "k.asc" : "",
	    file, file_len);
	at += put_part(body + at, "key", NULL, text, strlen(text));
	memcpy(body + at, "--" BORDER "--\r\n", strlen(BORDER) + 6);
	snprintf(url, sizeof(url), "%s/key", message_path);
	return post(url, MULTI, body, at + strlen(BORDER) + 6);
}

/* What needs no letterlock-parse; there is none here. */
static void
keys_are_refused(void **state)
{
	static const struct {
		const char *text, *file;
		size_t file_len;
		int status;
		const char *words;
	} rows[] = {
		{ "", "", 0, 400, "choose a file" },
		{ " \r\n", "", 0, 400, "choose a file" },
		{ "-----BEGIN PGP PRIVATE KEY BLOCK-----", "", 0, 400,
		    "private key" },
		{ "-----BEGIN ENCRYPTED PRIVATE KEY-----", "", 0, 400,
		    "private key" },
		{ "public", "\x95\x01", 2, 400, "private key" },
		{ "public", "\xc5\x01", 2, 400, "private key" },
		{ "public", file_text, sizeof(file_text), 429, "busy" },
		{ "public", "", 0, 429, "busy" },
	};
	static char large[300000];
	char csrf[64];
	size_t i;

	(void)state;
	unlock();
	assert_int_equal(get(message_path), 200);
	assert_non_null(strstr(answer, "/key\""));
	hidden("csrf", csrf);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status = send_key(csrf, rows[i].text, rows[i].file,
		    rows[i].file_len);

		if (status != rows[i].status || strstr(answer,
		    rows[i].words) == NULL)
			fail_msg("row %zu: %d: %s", i, status, answer);
		assert_non_null(strstr(answer, "<details open>"));
	}
	assert_int_equal(send_key(csrf, "", large, sizeof(large)), 413);
	csrf[0] = csrf[0] == '7' ? '8' : '7';
	assert_int_equal(send_key(csrf, "public", "", 0), 403);
	assert_null(strstr(answer, "busy"));
	cookie[5] = cookie[5] == '7' ? '8' : '7';
	assert_int_equal(send_key(csrf, "public", "", 0), 403);
	assert_non_null(strstr(answer, "This page is closed"));
}

static void
odd_requests_are_refused(void **state)
{
	static const struct {
		const char *method, *url, *head;
		int status;
	} rows[] = {
		{ "GET", "/", "", 200 },
		{ "HEAD", "/", "", 200 },
		{ "GET", "/style.css", "", 200 },
		{ "GET", "/nothing", "", 404 },
		{ "GET", "/m/../../etc/passwd", "", 404 },
		{ "GET", "/m/%2e%2e/%00", "", 404 },
		{ "PUT", "/", "", 405 },
		{ "DELETE", "/m/x", "", 405 },
		{ "POST", "/", "Content-Length: 0\r\n", 405 },
		{ "POST", "/o/0123456789ABCDEFGHJKMNPQRS/close",
		    FORM "Content-Length: 100000\r\n", 413 },
		{ "POST", "/o/0123456789ABCDEFGHJKMNPQRS/close",
		    FORM "Transfer-Encoding: chunked\r\n", 411 },
		{ "POST", "/o/0123456789ABCDEFGHJKMNPQRS/close",
		    "Content-Type: text/xml\r\nContent-Length: 4\r\n", 415 },
		{ "POST", "/o/0123456789ABCDEFGHJKMNPQRS/close",
		    FORM "Content-Length: 4\r\nSec-Fetch-Site: cross-site\r\n",
		    403 },
		{ "GET", "/o/0123456789ABCDEFGHJKMNPQRS/reply", "", 405 },
		{ "GET", "/o/0123456789ABCDEFGHJKMNPQRS/key", "", 405 },
	};
	size_t i;

	(void)state;
	cookie[0] = '\0';
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status = ask(rows[i].method, rows[i].url, rows[i].head,
		    NULL, 0);

		if (status != rows[i].status)
			fail_msg("row %zu: %d", i, status);
		assert_non_null(strstr(answer, "X-Content-Type-Options: "
		    "nosniff"));
		assert_non_null(strstr(answer, "Content-Security-Policy: "));
	}
}

static void
close_forgets(void **state)
{
	char csrf[64], body[128], url[80];
	unsigned ends = fake.ends;

	(void)state;
	unlock();
	get(message_path);
	snprintf(url, sizeof(url), "%s/close", message_path);
	assert_int_equal(post(url, FORM, "csrf=x", 6), 403);
	get(message_path);
	snprintf(body, sizeof(body), "csrf=%s", hidden("csrf", csrf));
	assert_int_equal(post(url, FORM, body, strlen(body)), 200);
	assert_non_null(strstr(answer, "Max-Age=0"));
	assert_int_equal(fake.ends, ends + 1);
	assert_int_equal(get(message_path), 403);
}

/* The store's token ends before ours: the page is closed, not broken. */
static void
ended_token_closes_the_page(void **state)
{
	(void)state;
	unlock();
	fake.token[0] ^= 1;
	assert_int_equal(get(message_path), 403);
	assert_non_null(strstr(answer, "This page is closed"));
	fake.token[0] ^= 1;
	assert_int_equal(get(message_path), 200);
}

static void
requests_survive_the_store(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		play_store();
		assert_int_equal(get(link_path()), 200);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_changes_nothing),
		cmocka_unit_test(typo_costs_no_try),
		cmocka_unit_test(form_token_is_needed),
		cmocka_unit_test(store_decides),
		cmocka_unit_test(code_needs_a_lease),
		cmocka_unit_test(only_the_proxys_line_counts),
		cmocka_unit_test(message_is_shown),
		cmocka_unit_test(file_is_streamed),
		cmocka_unit_test(reply_is_sealed_for_the_author),
		cmocka_unit_test(same_form_has_same_idempotency),
		cmocka_unit_test(too_large_keeps_the_text),
		cmocka_unit_test(broken_off_file_is_given_up),
		cmocka_unit_test(too_late_keeps_the_text),
		cmocka_unit_test(keys_are_refused),
		cmocka_unit_test(odd_requests_are_refused),
		cmocka_unit_test(close_forgets),
		cmocka_unit_test(ended_token_closes_the_page),
		cmocka_unit_test(requests_survive_the_store),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, portal_fake_set_up, NULL);
}
