/*
 * test_sandbox_process.c - processes, memory, terminals, and what the kernel
 * says of a process in the sandbox.
 */
#include "tests/unit/sandbox_case.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/capability.h>
#include <linux/landlock.h>

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
	struct __user_cap_header_struct head = {
		_LINUX_CAPABILITY_VERSION_3, 0
	};
	struct __user_cap_data_struct has[2];
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
	if (syscall(SYS_capget, &head, has) != 0 || has[0].permitted != 0 ||
	    has[1].permitted != 0)
		return 6;
	/* dropping these takes a right that only root has to begin with */
	return geteuid() == 0 && prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 1 ? 7 :
	    0;
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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
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
