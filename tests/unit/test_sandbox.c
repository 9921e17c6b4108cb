/*
 * test_sandbox.c - each forbidden act in a process of its own: killed or
 * refused with the sandbox, and working without it (the positive control).
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <linux/landlock.h>
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
static int
result_of(long got)
{
	return got < 0 ? errno : WORKED;
}

static int
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

static int
read_ro(void)
{
	return open_at(path_ro, "file", O_RDONLY);
}

static int
write_ro(void)
{
	return open_at(path_ro, "file", O_WRONLY);
}

static int
make_ro(void)
{
	return open_at(path_ro, "new", O_WRONLY | O_CREAT | O_EXCL);
}

static int
truncate_ro(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/file", path_ro);
	return result_of(truncate(path, 0));
}

static int
unlink_ro(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/unlink-me", path_ro);
	return result_of(unlink(path));
}

static int
read_other(void)
{
	return open_at(path_other, "file", O_RDONLY);
}

static int
list_root(void)
{
	return result_of(open("/", O_RDONLY | O_DIRECTORY));
}

static int
make_rw(void)
{
	return open_at(path_rw, "new", O_RDWR | O_CREAT);
}

static int
stat_path(void)
{
	struct stat st;

	return result_of(stat(path_ro, &st));
}

static int
fstat_stdin(void)
{
	struct stat st;

	return result_of(fstat(0, &st));
}

/* How the store makes blobs: unlinked file, fsync, link, fsync folder. */
static int
link_blob(void)
{
	char from[64], to[128];
	int fd, folder;

	fd = open(path_rw, O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0)
		return errno;
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	snprintf(to, sizeof to, "%s/sub/blob", path_rw);
	if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) != 0)
		return errno;
	folder = open(path_rw, O_RDONLY | O_DIRECTORY);
	return result_of(folder < 0 ? -1 : fsync(folder));
}

static int
rename_across(void)
{
	char from[128], to[128];

	snprintf(from, sizeof from, "%s/a", path_rw);
	snprintf(to, sizeof to, "%s/sub/a", path_rw);
	if (open_at(path_rw, "a", O_RDWR | O_CREAT) != WORKED)
		return errno;
	return result_of(rename(from, to));
}

static int
symlink_rw(void)
{
	char at[128];

	snprintf(at, sizeof at, "%s/symlink", path_rw);
	return result_of(symlink("/etc", at));
}

static int
inet_socket(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int
unix_socket(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
netlink_socket(void)
{
	return result_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
raw_socket(void)
{
	return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

/* A listener on loopback, made before the sandbox; connected to inside. */
static struct sockaddr_in listener_at;
static int listener = -1, client = -1;

static int
connect_tcp(void)
{
	return result_of(connect(client, (const struct sockaddr *)&listener_at,
	    sizeof listener_at));
}

static int
connect_own(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return result_of(fd < 0 ? -1 : connect(fd, (const struct sockaddr *)
	    &listener_at, sizeof listener_at));
}

static int
bind_tcp(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	return result_of(bind(client, (const struct sockaddr *)&any,
	    sizeof any));
}

static int
accept_tcp(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	return fd < 0 && errno == EAGAIN ? WORKED : result_of(fd);
}

static int
pair_of_sockets(void)
{
	int fds[2];
	char c = 'x';

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return errno;
	return result_of(send(fds[0], &c, 1, MSG_NOSIGNAL) == 1 &&
	    recv(fds[1], &c, 1, 0) == 1 ? 0 : -1);
}

static int
no_delay(void)
{
	int one = 1;

	return result_of(setsockopt(client, IPPROTO_TCP, 1, &one, sizeof one));
}

static int
fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result_of(pid < 0 ? -1 : waitpid(pid, NULL, 0));
}

static int
execute(const char *path)
{
	char name[] = "true", *argv[] = { name, NULL };
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return errno;
	if (pid == 0) {
		execv(path, argv);
		_exit(errno);
	}
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED;
}

static int
execute_true(void)
{
	return execute("/bin/true");
}

static int
execute_copy(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/true", path_ro);
	return execute(path);
}

static int
exec_at_once(void)
{
	char name[] = "true", *argv[] = { name, NULL };

	return result_of(execv("/bin/true", argv));
}

static void *
answer(void *p)
{
	*(int *)p = 42;
	return p;
}

static int
start_thread(void)
{
	pthread_t thread;
	int got = 0, r;

	r = pthread_create(&thread, NULL, answer, &got);
	if (r != 0)
		return r;
	pthread_join(thread, NULL);
	return got == 42 ? WORKED : EIO;
}

static int
map_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result_of(p == MAP_FAILED ? -1 : 0);
}

static int
make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
trace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
new_namespace(void)
{
	return result_of(syscall(SYS_unshare, 0));
}

static int
become_root(void)
{
	return result_of(setuid(getuid()));
}

static int
raise_limit(void)
{
	struct rlimit lim = { 10, 10 };

	return result_of(prlimit(0, RLIMIT_CPU, &lim, NULL));
}

static int
dumpable_again(void)
{
	return result_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
key_ring(void)
{
	/* the kernel may have none: what counts is that it was asked */
	syscall(SYS_keyctl, 0, -2, 0);
	return WORKED;
}

static int
read_memory_of_parent(void)
{
	char local[8];
	struct iovec here = { local, sizeof local };
	struct iovec there = { dir, sizeof local };

	return result_of(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int
signal_parent(void)
{
	return result_of(kill(getppid(), 0));
}

static int
signal_self(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (raise(SIGUSR1) != 0)
		return errno;
	return sigwait(&set, &got) == 0 && got == SIGUSR1 ? WORKED : EIO;
}

/* A pair of pseudo-terminal ends, made before the sandbox. */
static int terminal = -1;

static int
window_size(void)
{
	struct winsize w;

	return result_of(ioctl(terminal, TIOCGWINSZ, &w));
}

static int
push_input(void)
{
	char c = 'x';

	/* EIO or EPERM is the kernel's own answer: it was let through */
	ioctl(terminal, TIOCSTI, &c);
	return WORKED;
}

static int
open_terminal(void)
{
	char name[64];
	int fd, other;

	fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 ||
	    ptsname_r(fd, name, sizeof name) != 0)
		return errno;
	other = open(name, O_RDWR | O_NOCTTY);
	return result_of(other < 0 ? -1 : ioctl(fd, TIOCSWINSZ,
	    &(struct winsize){ 24, 80, 0, 0 }));
}

static int
much_memory(void)
{
	void *p = mmap(NULL, (size_t)1 << 30, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return result_of(p == MAP_FAILED ? -1 : 0);
}

/* What every program does all day. */
static int
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

static int
guarded_memory(void)
{
	struct secret s;
	enum ll_result r;

	r = secret_init(&s, 32);
	secret_finish(&s);
	return r == LL_OK ? WORKED : ENOMEM;
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
static int
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

static void
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

static void
base_works(void **state)
{
	static const struct row rows[] = {
		ROW(daily_work, BASE, WORKED),
		ROW(guarded_memory, BASE, WORKED),
		ROW(fstat_stdin, BASE, WORKED),
		ROW(signal_self, BASE, WORKED),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
files(void **state)
{
	static const struct row rows[] = {
		ROW(read_ro, BASE, UNLESS_ASAN(EACCES, WORKED)),
		ROW(write_ro, BASE, UNLESS_ASAN(KILLED, EACCES)),
		ROW(stat_path, BASE, UNLESS_ASAN(EACCES, WORKED)),
		ROW(list_root, BASE, EACCES),
		ROW(read_ro, BASE | SANDBOX_READ, WORKED),
		ROW(read_ro, BASE | SANDBOX_FILES, WORKED),
		ROW(stat_path, BASE | SANDBOX_READ, WORKED),
		ROW(read_other, BASE | SANDBOX_READ, EACCES),
		ROW(read_other, BASE | SANDBOX_FILES, EACCES),
		ROW(write_ro, BASE | SANDBOX_READ, UNLESS_ASAN(KILLED, EACCES)),
		ROW(write_ro, BASE | SANDBOX_FILES, EACCES),
		ROW(truncate_ro, BASE | SANDBOX_FILES, EACCES),
		ROW(make_ro, BASE | SANDBOX_FILES, EACCES),
		ROW(unlink_ro, BASE | SANDBOX_FILES, EACCES),
		ROW(make_rw, BASE | SANDBOX_FILES, WORKED),
		ROW(make_rw, BASE | SANDBOX_READ, UNLESS_ASAN(KILLED, WORKED)),
		ROW(rename_across, BASE | SANDBOX_FILES, WORKED),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
blobs_are_linked_under_landlock(void **state)
{
	struct sandbox s = { "test", BASE | SANDBOX_FILES, 0, 0, false };
	char blob[128];

	(void)state;
	assert_int_equal(outcome(link_blob, &s, false), WORKED);
	snprintf(blob, sizeof blob, "%s/sub/blob", path_rw);
	assert_int_equal(access(blob, F_OK), 0);
	s.calls |= SANDBOX_FORK;
	assert_int_equal(outcome(symlink_rw, &s, false), KILLED);
	assert_int_equal(outcome(symlink_rw, &s, true), WORKED);
}

static void
network(void **state)
{
	static const struct row rows[] = {
		ROW(inet_socket, BASE, KILLED),
		ROW(unix_socket, BASE, EACCES),
		ROW(netlink_socket, BASE, EAFNOSUPPORT),
		ROW(raw_socket, SANDBOX_ALL, KILLED),
		ROW(bind_tcp, BASE | SANDBOX_SOCKOPT, KILLED),
		ROW(connect_tcp, BASE | SANDBOX_ACCEPT, KILLED),
		ROW(accept_tcp, BASE | SANDBOX_NET, KILLED),
		ROW(accept_tcp, BASE | SANDBOX_ACCEPT, WORKED),
		ROW(connect_own, BASE | SANDBOX_NET, WORKED),
		ROW(unix_socket, BASE | SANDBOX_NET, WORKED),
		ROW(pair_of_sockets, BASE, KILLED),
		ROW(pair_of_sockets, BASE | SANDBOX_SOCKPAIR, WORKED),
		ROW(no_delay, BASE, KILLED),
		ROW(no_delay, BASE | SANDBOX_SOCKOPT, WORKED),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
processes_and_threads(void **state)
{
	static const struct row rows[] = {
		ROW(fork_child, BASE, KILLED),
		ROW(fork_child, BASE | SANDBOX_THREADS, KILLED),
		ROW(exec_at_once, SANDBOX_ALL & ~SANDBOX_FORK, KILLED),
		ROW(start_thread, BASE, KILLED),
		ROW(start_thread, BASE | SANDBOX_THREADS, WORKED),
		ROW(fork_child, BASE | SANDBOX_FORK, WORKED),
		ROW(execute_true, BASE | SANDBOX_FORK, WORKED),
		ROW(execute_copy, BASE | SANDBOX_FORK, EACCES),
		ROW(signal_parent, BASE, KILLED),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
never(void **state)
{
	static const struct row rows[] = {
		ROW(map_executable, BASE, EPERM),
		ROW(make_executable, SANDBOX_ALL, EPERM),
		ROW(trace, SANDBOX_ALL, KILLED),
		ROW(new_namespace, SANDBOX_ALL, KILLED),
		ROW(become_root, SANDBOX_ALL, KILLED),
		ROW(key_ring, SANDBOX_ALL, KILLED),
		ROW(read_memory_of_parent, SANDBOX_ALL, KILLED),
		ROW(raise_limit, BASE, UNLESS_ASAN(KILLED, WORKED)),
		ROW(dumpable_again, BASE, UNLESS_ASAN(KILLED, WORKED)),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
terminals(void **state)
{
	static const struct row rows[] = {
		ROW(window_size, BASE, ENOTTY),
		ROW(window_size, BASE | SANDBOX_TTY, WORKED),
		ROW(push_input, SANDBOX_ALL, KILLED),
		ROW(open_terminal, BASE | SANDBOX_PTY, WORKED),
		ROW(open_terminal, BASE | SANDBOX_TTY,
		    UNLESS_ASAN(KILLED, KILLED)),
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
signals_stay_inside(void **state)
{
	struct sandbox s = { "test", BASE | SANDBOX_FORK, 0, 0, false };
	long abi;

	(void)state;
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 6)
		skip();
	assert_int_equal(outcome(signal_parent, &s, false), EPERM);
	assert_int_equal(outcome(signal_parent, &s, true), WORKED);
}

static void
address_space_is_limited(void **state)
{
	struct sandbox s = { "test", BASE, 256, 0, false };

	(void)state;
	if (SANITIZED)
		skip();
	assert_int_equal(outcome(much_memory, &s, false), ENOMEM);
	assert_int_equal(outcome(much_memory, &s, true), WORKED);
	s.address_space_mib = 0;
	assert_int_equal(outcome(much_memory, &s, false), WORKED);
}

/* The state of the process, as the kernel tells it. */
static int
state_is_strict(void)
{
	struct rlimit core, nofile, nproc;

	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0)
		return 3;
	if (getrlimit(RLIMIT_NOFILE, &nofile) != 0 || nofile.rlim_max != 32)
		return 4;
	if (getrlimit(RLIMIT_NPROC, &nproc) != 0 || nproc.rlim_max != 0)
		return 5;
	return prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 1 ? 6 : 0;
}

static void
process_is_undumpable_and_without_rights(void **state)
{
	struct sandbox s = { "test", BASE | SANDBOX_FORK, 0, 32, true };

	(void)state;
	assert_int_equal(outcome(state_is_strict, &s, false), 0);
	assert_int_not_equal(outcome(state_is_strict, &s, true), 0);
}

/* A process that something made undumpable does not heed the switch. */
static void
the_switch_needs_a_dumpable_process(void **state)
{
	struct sandbox s = { "test", BASE, 0, 0, false };
	const char *why;
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("LETTERLOCK_SANDBOX", "off", 1);
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		if (sandbox_enter(&s, NULL, &why) == LL_OK)
			fork_child();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* What is executed inherits the limits and can only add to them. */
static int
sandbox_again(void)
{
	struct sandbox s = { "inner", BASE, 0, 0, false };
	const char *why;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		if (sandbox_enter(&s, NULL, &why) != LL_OK)
			_exit(1);
		if (daily_work() != WORKED)
			_exit(2);
		fork_child();
		_exit(3);
	}
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? WORKED :
	    WEXITSTATUS(status);
}

static void
sandboxes_nest(void **state)
{
	struct sandbox s = { "test", SANDBOX_ALL, 0, 0, false };

	(void)state;
	assert_int_equal(outcome(sandbox_again, &s, false), WORKED);
}

static void
write_file(const char *below, const char *name)
{
	assert_int_equal(open_at(below, name, O_WRONLY | O_CREAT), WORKED);
}

/* An executable outside of what may be executed. */
static void
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

static int
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

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int
group_teardown(void **state)
{
	(void)state;
	close(listener);
	close(client);
	close(terminal);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_works),
		cmocka_unit_test(files),
		cmocka_unit_test(blobs_are_linked_under_landlock),
		cmocka_unit_test(network),
		cmocka_unit_test(processes_and_threads),
		cmocka_unit_test(never),
		cmocka_unit_test(terminals),
		cmocka_unit_test(signals_stay_inside),
		cmocka_unit_test(address_space_is_limited),
		cmocka_unit_test(process_is_undumpable_and_without_rights),
		cmocka_unit_test(the_switch_needs_a_dumpable_process),
		cmocka_unit_test(sandboxes_nest),
	};

	if (secret_setup(4096) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
