/*
 * sandbox_case.h - acts in processes of their own, with the sandbox and
 * without, for the tests of the sandbox.
 */
#ifndef LL_SANDBOX_CASE_H
#define LL_SANDBOX_CASE_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys/sandbox.h"
#include "keys/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define KILLED (-1)              /* outcome: by SIGSYS */
#define WORKED 0                 /* otherwise an errno */
#define NOT_ENTERED 250
#define BASE SANDBOX_BASE

static char dir[64];             /* holds ro/, rw/ and other/ */
static char path_ro[80], path_rw[80], path_other[80];

/* Acts return 0 or an errno. */
static inline int
result_of(long got)
{
	return got < 0 ? errno : WORKED;
}

static inline int
open_at(const char *below, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", below, name);
	fd = open(path, flags, 0600);
	if (fd >= 0)
		close(fd);
	return result_of(fd);
}

/* A listener on loopback, made before the sandbox; connected to inside. */
static struct sockaddr_in listener_at;
static int listener = -1, client = -1;

/* A pair of pseudo-terminal ends, made before the sandbox. */
static int terminal = -1;

/* What every program does all day. */
static inline int
daily_work(void)
{
	struct pollfd p = { 0, POLLIN, 0 };
	struct timespec t = { 0, 1000 };
	struct rlimit lim;
	char *block;
	int fds[2];

	poll(&p, 1, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	t = (struct timespec){ 0, 1000 };
	nanosleep(&t, NULL);
	block = malloc(1 << 22);
	if (block == NULL)
		return ENOMEM;
	memset(block, 1, 1 << 22);
	block = realloc(block, 1 << 23);
	free(block);
	getrlimit(RLIMIT_NOFILE, &lim);
	randombytes_buf(&t, sizeof t);
	fds[0] = dup(2);
	isatty(fds[0]);
	close(fds[0]);
	prctl(PR_SET_NAME, "working", 0, 0, 0);
	return getpid() > 0 ? WORKED : EIO;
}

struct row {
	const char *name;
	int (*act)(void);
	uint32_t calls;
	int want;                /* with the sandbox */
	int control;             /* without; mostly WORKED */
};

static const struct sandbox_path system_paths[] = {
	{ path_ro, false, false },
	{ path_rw, true, false },
	{ "/dev/ptmx", true, false },
	{ "/dev/pts", true, false },
	{ "/lib", false, true },
	{ "/lib64", false, true },
	{ "/usr/lib", false, true },
	{ "/bin/true", false, true },
	{ "/etc/ld.so.cache", false, false },
	{ "/nowhere/at/all", true, true },
	{ NULL, false, false },
};

/* Enters the sandbox and acts, in a child.  off: LETTERLOCK_SANDBOX=off. */
static inline int
outcome(int (*act)(void), const struct sandbox *s, bool off)
{
	const char *why;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (off)
			setenv("LETTERLOCK_SANDBOX", "off", 1);
		if (sandbox_enter(s, system_paths, &why) != LL_OK) {
			dprintf(2, "# not entered: %s: %s\n", why,
			    strerror(errno));
			_exit(NOT_ENTERED);
		}
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	return WEXITSTATUS(status);
}

static inline void
check_rows(const struct row *rows, size_t count)
{
	struct sandbox s = { "test", 0, 0, 0, false };
	size_t i;
	int got;

	for (i = 0; i < count; i++) {
		s.calls = rows[i].calls;
		got = outcome(rows[i].act, &s, false);
		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, got,
			    rows[i].want);
		got = outcome(rows[i].act, &s, true);
		if (got != rows[i].control)
			fail_msg("%s, sandbox off: %d", rows[i].name, got);
	}
}

#define ROW(act, calls, want) { #act, act, calls, want, WORKED }
#define COUNT(rows) (sizeof (rows) / sizeof *(rows))
/* AddressSanitizer's own needs open these. */
#define UNLESS_ASAN(want, asan) (SANITIZED ? (asan) : (want))

static inline void
write_file(const char *below, const char *name)
{
	assert_int_equal(open_at(below, name, O_WRONLY | O_CREAT), WORKED);
}

/* An executable outside of what may be executed. */
static inline void
copy_true(void)
{
	char path[128], block[65536];
	int in, out;
	ssize_t n;

	snprintf(path, sizeof path, "%s/true", path_ro);
	in = open("/bin/true", O_RDONLY);
	out = open(path, O_WRONLY | O_CREAT, 0700);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof block)) > 0)
		assert_int_equal(write(out, block, (size_t)n), n);
	assert_int_equal(n, 0);
	close(in);
	close(out);
}

static inline int
group_setup(void **state)
{
	socklen_t len = sizeof listener_at;
	char sub[96];

	(void)state;
	snprintf(dir, sizeof dir, "%s", "/tmp/ll-sandbox-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path_ro, sizeof path_ro, "%s/ro", dir);
	snprintf(path_rw, sizeof path_rw, "%s/rw", dir);
	snprintf(path_other, sizeof path_other, "%s/other", dir);
	snprintf(sub, sizeof sub, "%s/sub", path_rw);
	assert_int_equal(mkdir(path_ro, 0700) | mkdir(path_rw, 0700) |
	    mkdir(path_other, 0700) | mkdir(sub, 0700), 0);
	write_file(path_ro, "file");
	write_file(path_ro, "unlink-me");
	write_file(path_other, "file");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	listener_at.sin_family = AF_INET;
	listener_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (const struct sockaddr *)&listener_at,
	    sizeof listener_at), 0);
	assert_int_equal(listen(listener, 50), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&listener_at,
	    &len), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	copy_true();
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline int
group_teardown(void **state)
{
	(void)state;
	close(listener);
	close(client);
	close(terminal);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
