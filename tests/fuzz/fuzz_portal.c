/* What strangers send to the portal: paths, cookies, hop lists, file names and
 * form fields.  The first byte says which. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/portal_file.h"
#include "server/portal_reply.h"

static void
fuzz_path(const char *text)
{
	struct portal_path p;
	char id[ID_TEXT + 1];

	path_parse(text, &p);
	id_text(&p.delivery, id);
	if (p.kind == PATH_FILE && (p.file < 1 || p.file > 100))
		abort();
	if (p.kind != PATH_NONE && strstr(text, "..") != NULL)
		abort();
}

static void
fuzz_origin(const char *text)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	struct proxy_list l;
	char origin[ORIGIN_MAX];

	(void)path_proxies(text, &l);
	if (!path_proxies("127.0.0.0/8", &l))
		abort();
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	path_origin((const void *)&peer, text, &l, origin);
	if (strspn(origin, "0123456789abcdef.:/") != strlen(origin))
		abort();
}

static void
fuzz_cookie(const char *text)
{
	uint8_t cookie[COOKIE_BYTES];

	(void)path_cookie(text, cookie);
}

static void
fuzz_name(const char *text)
{
	char out[1200], *name = NULL;
	size_t i;

	if (clean_file_name(text, strlen(text), &name) != LL_OK)
		return;
	file_disposition(name, out, sizeof(out));
	for (i = 0; out[i] != '\0'; i++)
		if (out[i] < 0x20 || out[i] > 0x7e)
			abort();
	free(name);
}

/* Pieces of fields: name, NUL, up to 255 bytes by their length. */
static void
fuzz_form(const char *text, size_t len)
{
	static const char *const names[] = { "csrf", "once", "reply", "file",
	    "other" };
	struct request q = { 0 };
	struct page p;
	size_t n, at[5] = { 0 };
	unsigned which;

	q.reply = calloc(1, sizeof(*q.reply));
	if (q.reply == NULL)
		return;
	envelope_init(&q.reply->e);
	q.reply->letter.author_email = "a@b.example";
	while (len > 2) {
		which = (unsigned char)text[0] % 5;
		n = (unsigned char)text[1];
		n = n < len - 2 ? n : len - 2;
		/* A file needs a store: only the empty one is given. */
		if (reply_field(&q, names[which], "", NULL, text + 2,
		    at[which], which == 3 ? 0 : n) != MHD_YES)
			break;
		at[which] += n;
		text += 2 + n;
		len -= 2 + n;
	}
	page_init(&p);
	page_foreign(&p, q.reply->text != NULL ? q.reply->text : "",
	    q.reply->text_len, CLEAN_BLOCK);
	if (p.data != NULL && memchr(p.data, '<', p.len) != NULL)
		abort();
	page_finish(&p);
	reply_destroy(q.reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const parsers[])(const char *text) = {
		fuzz_path, fuzz_origin, fuzz_cookie, fuzz_name
	};
	char *text;

	if (len < 1)
		return 0;
	text = malloc(len);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	if (data[0] % 5 == 4)
		fuzz_form(text, len - 1);
	else
		parsers[data[0] % 5](text);
	free(text);
	return 0;
}
