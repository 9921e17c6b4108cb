/*
 * test_sandbox.c - files and network: each forbidden act in a process of its
 * own, killed or refused with the sandbox, and working without it.
 */
#include "tests/unit/sandbox_case.h"

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
	int r = result_of(socket(AF_PACKET, SOCK_RAW, 0));

	/* the kernel's own answer, who is not root: it was let through */
	return r == EPERM ? WORKED : r;
}

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

static int
guarded_memory(void)
{
	struct secret s;
	enum ll_result r;

	r = secret_init(&s, 32);
	secret_finish(&s);
	return r == LL_OK ? WORKED : ENOMEM;
}

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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_works),
		cmocka_unit_test(files),
		cmocka_unit_test(blobs_are_linked_under_landlock),
		cmocka_unit_test(network),
	};

	if (secret_setup(4096) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
