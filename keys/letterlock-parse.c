/*
 * letterlock-parse - seals messages of one sender, inspects one key or opens
 * one foreign message, and ends.  See parse.h.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "keys/cms.h"
#include "keys/job.h"
#include "keys/open.h"
#include "keys/pgp.h"
#include "keys/sandbox.h"
#include "keys/secret.h"
#include "keys/write.h"

#define WAIT_MS 120000
#define CPU_SECS 60
#define PASSPHRASE_MAX 1024
#define STACK_BYTES (256u << 10)
#define KEEP_BYTES (1 << 20)
#define BOTAN_POOL_KIB "32"

/* Threads: Botan's RSA does its two halves at once, whether asked or not. */
static const struct sandbox sandbox = {
	"letterlock-parse", SANDBOX_BASE | SANDBOX_THREADS, 512, 16, true
};

/* So that a thread for each processor fits under the limit on memory, and that
 * memory is not given back and asked for again with each job. */
static bool
tune_memory(void)
{
	pthread_attr_t attr;
	bool done;

	if (pthread_attr_init(&attr) != 0)
		return false;
	done = pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
	    pthread_setattr_default_np(&attr) == 0;
	/* Another allocator (a sanitizer's) may not know these. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	pthread_attr_destroy(&attr);
	return done;
}

static enum ll_result
make(struct job *job)
{
	uint64_t format;

	format = job_number(job_view(&job->fields), PARSE_F_FORMAT, 0);
	if (format == PARSE_OPENPGP)
		return pgp_make(job);
	if (format == PARSE_SMIME)
		return cms_make(job);
	return job_fail(job, LL_USAGE, "No such kind of key.");
}

static enum ll_result
inspect(struct job *job)
{
	struct tlv_view key;

	key = job_bytes(job_view(&job->fields), PARSE_F_KEY);
	if (key.len == 0 || key.len > PARSE_KEY_MAX)
		return job_fail(job, key.len == 0 ? LL_USAGE : LL_TOOBIG,
		    "A key has 1 byte to %u KB.", PARSE_KEY_MAX >> 10);
	return cms_is_certificate(key) ? cms_inspect(job) : pgp_inspect(job);
}

static enum ll_result
import(struct job *job)
{
	const struct tlv_view given = job_bytes(job_view(&job->fields),
	    PARSE_F_PASSWORD);
	struct tlv_view file;
	char passphrase[PASSPHRASE_MAX + 1] = "";
	const char *address;
	enum ll_result r;

	r = job_address(job, &address);
	if (r != LL_OK)
		return r;
	if (job->item_count != 1 || given.len > PASSPHRASE_MAX)
		return job_fail(job, LL_USAGE, "One key is wanted, and a "
		    "passphrase of at most %d bytes.", PASSPHRASE_MAX);
	file.data = job->data.data;
	file.len = job->items[0].len;
	if (file.len == 0 || file.len > PARSE_KEY_MAX)
		return job_fail(job, file.len == 0 ? LL_USAGE : LL_TOOBIG,
		    "A key has 1 byte to %u KB.", PARSE_KEY_MAX >> 10);
	if (given.len > 0)
		memcpy(passphrase, given.data, given.len);
	r = file.data[0] == 0x30 ?
	    cms_import(job, file, address, passphrase) :
	    pgp_import(job, file, address, passphrase);
	explicit_bzero(passphrase, sizeof passphrase);
	return r;
}

static const struct {
	uint64_t job;
	enum ll_result (*run)(struct job *job);
} jobs[] = {
	{ PARSE_MAKE, make },
	{ PARSE_INSPECT, inspect },
	{ PARSE_SEAL, write_seal },
	{ PARSE_OPEN, open_job },
	{ PARSE_IMPORT, import },
};

static enum ll_result
run(struct job *job)
{
	uint64_t wanted;
	size_t i;

	wanted = job_number(job_view(&job->fields), PARSE_F_JOB, 0);
	for (i = 0; i < sizeof jobs / sizeof *jobs; i++)
		if (jobs[i].job == wanted)
			return jobs[i].run(job);
	return job_fail(job, LL_USAGE, "No such job.");
}

/* Job after job as long as they are SEAL: of one sender, whose keys are here
 * anyway.  Who opened something foreign ends. */
static enum ll_result
serve(struct job *job)
{
	enum ll_result r;
	bool more = false;

	do {
		r = job_read(job);
		if (r == LL_EOF && more)
			return LL_OK;
		more = r == LL_OK && job_number(job_view(&job->fields),
		    PARSE_F_JOB, 0) == PARSE_SEAL;
		if (r == LL_OK)
			r = run(job);
		/* Who asked is gone: nobody to answer. */
		if (r == LL_EOF || r == LL_BUSY)
			return r;
		r = job_answer(job, r);
	} while (r == LL_OK && more);
	return r;
}

/* RNP writes what it dislikes to standard error, words of the message among
 * it, as much as the message likes: that belongs into no log. */
static bool
silence(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && dup2(fd, STDERR_FILENO) >= 0 && close(fd) == 0;
}

/* What the libraries read or ask of the system once is asked now. */
static enum ll_result
confine(const char **why_r)
{
	const struct rlimit cpu = { CPU_SECS, CPU_SECS };

	/* Botan would lock 128 pages with some 1,000 system calls. */
	*why_r = "setting the environment";
	if (setenv("BOTAN_MLOCK_POOL_SIZE", BOTAN_POOL_KIB, 1) != 0)
		return LL_NOMEM;
	*why_r = "OpenSSL is older than 3.0.22, which has fixes that matter";
	if (!cms_setup())
		return LL_NEWER;
	*why_r = "RNP is missing or a release that must not be used";
	if (!pgp_setup())
		return LL_NEWER;
	mime_charset_setup();
	*why_r = "silencing the libraries";
	if (!silence())
		return LL_IO;
	*why_r = "locking memory";
	if (!tune_memory() || secret_setup(PARSE_CHUNK) != LL_OK)
		return LL_FULL;
	*why_r = "limiting the time";
	if (setrlimit(RLIMIT_CPU, &cpu) != 0)
		return LL_IO;
	return sandbox_enter(&sandbox, NULL, why_r);
}

int
main(void)
{
	static struct job job;
	const char *why = "standard error";
	enum ll_result r;
	int said;

	said = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (said < 0 || confine(&why) != LL_OK) {
		dprintf(said, "letterlock-parse: %s\n", why);
		return 1;
	}
	(void)close(said);
	job.wire.fd = 0;
	job.wire.timeout_ms = WAIT_MS;
	r = serve(&job);
	job_finish(&job);
	/* The libraries need not put away what the kernel will. */
	_exit(r == LL_OK ? 0 : 1);
}
