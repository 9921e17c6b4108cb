/*
 * fuzz_parse_job.c - a foreign message (first byte even) or a foreign key
 * (odd) through letterlock-parse's own jobs; what they write goes nowhere.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys/cms.h"
#include "keys/job.h"
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
	tlv_put_text(&job.fields, PARSE_F_ADDRESS, "a@b.example");
	if ((data[0] & 1) != 0) {
		tlv_put_bytes(&job.fields, PARSE_F_KEY, data + 1, len - 1);
		r = data[1] == 0x30 || data[1] == '-' ? cms_inspect(&job) :
		    pgp_inspect(&job);
	} else {
		tlv_put_raw(&job.data, data + 1, len - 1);
		job.items[0].len = len - 1;
		job.item_count = 1;
		r = open_job(&job);
	}
	/* Who is refused is told why. */
	if (r != LL_OK && r != LL_NOMEM && r != LL_EOF && job.words[0] == 0 &&
	    ll_result_text(r)[0] == 0)
		abort();
	job_finish(&job);
	return 0;
}
