/*
 * fuzz_parse_job.c - by the first byte's low bits a foreign message (0), a
 * foreign key (1), a secret key (2), or TNEF (3) through letterlock-parse's own
 * jobs; what they write goes nowhere.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys/cms.h"
#include "keys/job.h"
#include "keys/mime.h"
#include "keys/open.h"
#include "keys/pgp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The other end is read by nobody but a child, which throws all away. */
static int
nowhere(void)
{
	static int fd = -1;
	char block[65536];
	int fds[2];

	if (fd >= 0)
		return fd;
	mime_charset_setup();
	if (!cms_setup() || !pgp_setup() ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		abort();
	if (fork() == 0) {
		close(fds[0]);
		while (read(fds[1], block, sizeof block) > 0)
			;
		_exit(0);
	}
	close(fds[1]);
	fd = fds[0];
	return fd;
}

static enum ll_result
drop(void *ctx, enum mime_tnef what, const char *name, const char *charset,
    struct tlv_view content)
{
	struct tlv_out o;

	(void)ctx;
	(void)what;
	if (!utf8_valid(name, strlen(name)))
		abort();
	tlv_out_init(&o, 1 << 20);
	mime_utf8(charset, content, &o);
	if (!utf8_valid((const char *)o.data, o.len) && o.err == LL_OK &&
	    memchr(o.data, 0, o.len) == NULL)
		abort();
	tlv_out_finish(&o);
	return LL_OK;
}

static enum ll_result
run(struct job *job, unsigned what, const uint8_t *p, size_t len)
{
	const struct tlv_view v = { p, len };

	if (what == 0) {
		tlv_put_raw(&job->data, p, len);
		job->items[0].len = len;
		job->item_count = 1;
		return open_job(job);
	}
	tlv_put_text(&job->fields, PARSE_F_ADDRESS, what == 2 ? "@b.example" :
	    "a@b.example");
	tlv_put_bytes(&job->fields, PARSE_F_KEY, p, len);
	if (what == 1)
		return cms_is_certificate(v) ? cms_inspect(job) :
		    pgp_inspect(job);
	if (what == 2)
		return pgp_import(job, v, "a@b.example", "secret");
	(void)!mime_tnef(v, drop, NULL);
	return LL_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct job job;
	enum ll_result r;

	if (len < 2)
		return 0;
	memset(&job, 0, sizeof job);
	job.wire.fd = nowhere();
	job.wire.timeout_ms = 5000;
	tlv_out_init(&job.keys, PARSE_CHUNK);
	tlv_out_init(&job.fields, PARSE_JOB_MAX);
	tlv_out_init(&job.data, PARSE_DATA_MAX);
	tlv_out_init(&job.result, PARSE_RESULT_MAX);
	tlv_out_init(&job.attached_keys, PARSE_RESULT_MAX);
	tlv_out_init(&job.found, PARSE_RESULT_MAX / 2);
	r = run(&job, data[0] & 3, data + 1, len - 1);
	/* Who is refused is told why. */
	if (r != LL_OK && r != LL_NOMEM && r != LL_EOF && job.words[0] == 0 &&
	    ll_result_text(r)[0] == 0)
		abort();
	job_finish(&job);
	return 0;
}
