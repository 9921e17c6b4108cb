#include "keys/sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define BASE SANDBOX_BASE
#define THREADS SANDBOX_THREADS
#define FILES SANDBOX_FILES
#define FORK SANDBOX_FORK
#define PTY SANDBOX_PTY
#define NET SANDBOX_NET
#define ACCEPT SANDBOX_ACCEPT
#define SOCKPAIR SANDBOX_SOCKPAIR
#define SOCKOPT SANDBOX_SOCKOPT
#define TTY SANDBOX_TTY
#define IDS SANDBOX_IDS
#define ASAN SANDBOX_ASAN
/* Reading files comes with each group that opens any; what is executed has a
 * dynamic loader. */
#define READ (SANDBOX_READ | FILES | FORK)
#define ANY 0xffffffffu

/* Allowed for whoever has one of the groups. */
struct call {
	int number;
	uint32_t groups;
};

#define CALL(name, groups) { SCMP_SYS(name), groups }

static const struct call calls[] = {
	/* bytes and descriptors */
	CALL(read, ANY), CALL(write, ANY), CALL(readv, ANY), CALL(writev, ANY),
	CALL(pread64, ANY), CALL(pwrite64, ANY), CALL(preadv, ANY),
	CALL(pwritev, ANY), CALL(preadv2, ANY), CALL(pwritev2, ANY),
	CALL(close, ANY), CALL(close_range, ANY), CALL(fstat, ANY),
	CALL(lseek, ANY), CALL(dup, ANY), CALL(dup2, ANY), CALL(dup3, ANY),
	CALL(fcntl, ANY), CALL(sendmsg, ANY), CALL(recvmsg, ANY),
	CALL(recvfrom, ANY), CALL(shutdown, ANY), CALL(getsockname, ANY),
	CALL(getpeername, ANY),
	/* waiting */
	CALL(poll, ANY), CALL(ppoll, ANY), CALL(select, ANY),
	CALL(pselect6, ANY), CALL(epoll_create1, ANY), CALL(epoll_create, ANY),
	CALL(epoll_ctl, ANY), CALL(epoll_wait, ANY), CALL(epoll_pwait, ANY),
	CALL(epoll_pwait2, ANY), CALL(eventfd2, ANY),
	CALL(timerfd_create, ANY), CALL(timerfd_settime, ANY),
	CALL(timerfd_gettime, ANY), CALL(futex, ANY), CALL(nanosleep, ANY),
	CALL(clock_nanosleep, ANY), CALL(pause, ANY), CALL(alarm, ANY),
	CALL(setitimer, ANY), CALL(getitimer, ANY), CALL(sched_yield, ANY),
	CALL(restart_syscall, ANY),
	/* memory */
	CALL(munmap, ANY), CALL(mremap, ANY), CALL(madvise, ANY),
	CALL(brk, ANY), CALL(mlock, ANY), CALL(mlock2, ANY),
	CALL(munlock, ANY), CALL(membarrier, ANY), CALL(mincore, ANY),
	/* time, chance, names */
	CALL(clock_gettime, ANY), CALL(clock_getres, ANY),
	CALL(gettimeofday, ANY), CALL(time, ANY), CALL(times, ANY),
	CALL(getrandom, ANY), CALL(uname, ANY), CALL(sysinfo, ANY),
	CALL(getrusage, ANY), CALL(getrlimit, ANY), CALL(getpid, ANY),
	CALL(gettid, ANY), CALL(getppid, ANY), CALL(getpgrp, ANY),
	CALL(getpgid, ANY), CALL(getsid, ANY), CALL(getuid, ANY),
	CALL(geteuid, ANY), CALL(getgid, ANY), CALL(getegid, ANY),
	CALL(getresuid, ANY), CALL(getresgid, ANY), CALL(getgroups, ANY),
	CALL(getcpu, ANY), CALL(sched_getaffinity, ANY), CALL(umask, ANY),
	/* signals, threads' and processes' end */
	CALL(rt_sigaction, ANY), CALL(rt_sigprocmask, ANY),
	CALL(rt_sigreturn, ANY), CALL(rt_sigpending, ANY),
	CALL(rt_sigtimedwait, ANY), CALL(rt_sigsuspend, ANY),
	CALL(sigaltstack, ANY), CALL(signalfd4, ANY), CALL(rseq, ANY),
	CALL(set_robust_list, ANY), CALL(set_tid_address, ANY),
	CALL(exit, ANY), CALL(exit_group, ANY),
	/* threads */
	CALL(sched_getparam, THREADS), CALL(sched_getscheduler, THREADS),
	CALL(sched_get_priority_min, THREADS),
	CALL(sched_get_priority_max, THREADS),
	CALL(get_robust_list, THREADS | FORK),
	/* looking at files */
	CALL(newfstatat, READ | ASAN), CALL(statx, READ),
	CALL(stat, READ | ASAN),
	CALL(lstat, READ), CALL(access, READ), CALL(faccessat, READ),
	CALL(faccessat2, READ), CALL(readlink, READ | ASAN),
	CALL(readlinkat, READ | ASAN), CALL(getdents64, READ | ASAN),
	CALL(getcwd, READ | ASAN), CALL(fadvise64, READ),
	CALL(readahead, READ), CALL(statfs, READ), CALL(fstatfs, READ),
	CALL(sendfile, READ | ACCEPT),
	/* changing files */
	CALL(openat, FILES | ASAN), CALL(open, FILES | ASAN),
	CALL(creat, FILES), CALL(unlink, FILES), CALL(unlinkat, FILES),
	CALL(rename, FILES), CALL(renameat, FILES),
	CALL(renameat2, FILES), CALL(link, FILES),
	CALL(linkat, FILES), CALL(mkdir, FILES), CALL(mkdirat, FILES),
	CALL(rmdir, FILES), CALL(fsync, ANY), CALL(fdatasync, ANY),
	CALL(syncfs, FILES), CALL(sync_file_range, FILES),
	CALL(ftruncate, ANY), CALL(truncate, FILES),
	CALL(fallocate, FILES), CALL(flock, FILES), CALL(fchmod, FILES),
	CALL(fchmodat, FILES), CALL(chmod, FILES), CALL(fchown, FILES),
	CALL(fchownat, FILES), CALL(utimensat, FILES),
	CALL(chdir, FILES | FORK), CALL(fchdir, FILES | FORK),
	CALL(copy_file_range, FILES), CALL(msync, FILES),
	/* other programs, and what they need to get into their own sandbox */
	CALL(fork, FORK), CALL(vfork, FORK), CALL(execve, FORK),
	CALL(execveat, FORK), CALL(wait4, FORK), CALL(waitid, FORK),
	CALL(kill, FORK), CALL(tgkill, FORK | ASAN), CALL(tkill, FORK),
	CALL(pidfd_open, FORK), CALL(pidfd_send_signal, FORK),
	CALL(setpgid, FORK), CALL(setsid, FORK | PTY), CALL(mmap, FORK),
	CALL(arch_prctl, FORK), CALL(prctl, FORK | ASAN),
	CALL(prlimit64, FORK | ASAN), CALL(setrlimit, FORK),
	CALL(setpriority, FORK), CALL(getpriority, FORK), CALL(capget, FORK),
	CALL(capset, FORK), CALL(seccomp, FORK),
	CALL(landlock_create_ruleset, FORK), CALL(landlock_add_rule, FORK),
	CALL(landlock_restrict_self, FORK),
	/* sockets */
	CALL(connect, NET), CALL(sendto, NET), CALL(sendmmsg, NET),
	CALL(recvmmsg, NET), CALL(bind, NET | ACCEPT),
	CALL(setsockopt, NET | ACCEPT | SOCKOPT),
	CALL(getsockopt, NET | ACCEPT | SOCKOPT),
	CALL(accept, ACCEPT), CALL(accept4, ACCEPT), CALL(listen, ACCEPT),
	CALL(socketpair, SOCKPAIR | NET), CALL(pipe, SOCKPAIR | NET | FORK),
	CALL(pipe2, SOCKPAIR | NET | FORK), CALL(memfd_create, ANY),
	CALL(personality, ASAN),
	/* other users */
	CALL(setgroups, IDS), CALL(setresgid, IDS), CALL(setresuid, IDS),
};

/* Allowed, or answered with an errno, where (argument & mask) == value.  The
 * errno is for what libraries try in passing and do without. */
struct rule {
	int number;
	uint32_t with;           /* one of these groups */
	uint32_t without;        /* and none of these */
	int error;               /* 0: allowed */
	unsigned arg;
	uint64_t mask, value;
};

#define EXACT 0xffffffffu
#define OPEN_MASK ((uint64_t)(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | \
	(O_TMPFILE & ~O_DIRECTORY)))
#define NAMESPACES ((uint64_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))

#define ALLOW(name, with, without, arg, mask, value) \
	{ SCMP_SYS(name), with, without, 0, arg, mask, value }
#define DENY(name, without, error, arg, mask, value) \
	{ SCMP_SYS(name), ANY, without, error, arg, mask, value }
#define IOCTL(request, with) ALLOW(ioctl, with, 0, 1, EXACT, request)
#define PRCTL(option) ALLOW(prctl, ANY, FORK | ASAN, 0, EXACT, option)
#define PROBE(name, without, error) DENY(name, without, error, 0, 0, 0)

static const struct rule rules[] = {
	/* nothing becomes executable */
	ALLOW(mmap, ANY, FORK, 2, PROT_EXEC, 0),
	DENY(mmap, FORK, EPERM, 2, PROT_EXEC, PROT_EXEC),
	ALLOW(mprotect, ANY, 0, 2, PROT_EXEC, 0),
	DENY(mprotect, 0, EPERM, 2, PROT_EXEC, PROT_EXEC),
	/* threads, but no processes; no new namespaces for these.  clone3 has
	 * its flags where no filter sees them: glibc falls back to clone. */
	ALLOW(clone, THREADS, FORK, 0, CLONE_THREAD, CLONE_THREAD),
	ALLOW(clone, FORK, 0, 0, NAMESPACES, 0),
	PROBE(clone3, 0, ENOSYS),
	/* limits are read, not set */
	ALLOW(prlimit64, ANY, FORK | ASAN, 2, UINT64_MAX, 0),
	PRCTL(PR_SET_NAME), PRCTL(PR_GET_NAME), PRCTL(PR_GET_DUMPABLE),
	PRCTL(PR_SET_PDEATHSIG),
	/* a connected socket's send() */
	ALLOW(sendto, ANY, NET, 4, UINT64_MAX, 0),
	/* files: open for reading; a terminal for both */
	ALLOW(openat, SANDBOX_READ | FORK, FILES | ASAN, 2, OPEN_MASK,
	    O_RDONLY),
	ALLOW(open, SANDBOX_READ | FORK, FILES | ASAN, 1, OPEN_MASK, O_RDONLY),
	ALLOW(openat, PTY, FILES | ASAN, 2, OPEN_MASK, O_RDWR),
	DENY(openat, READ | ASAN, EACCES, 2, OPEN_MASK, O_RDONLY),
	DENY(open, READ | ASAN, EACCES, 1, OPEN_MASK, O_RDONLY),
	/* glibc's fstat; any other look at a path finds it closed */
	ALLOW(newfstatat, ANY, READ | ASAN, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
	DENY(newfstatat, READ | ASAN, EACCES, 3, AT_EMPTY_PATH, 0),
	ALLOW(statx, ANY, READ, 2, AT_EMPTY_PATH, AT_EMPTY_PATH),
	DENY(statx, READ, EACCES, 2, AT_EMPTY_PATH, 0),
	PROBE(stat, READ | ASAN, EACCES), PROBE(lstat, READ, EACCES),
	PROBE(access, READ, EACCES), PROBE(faccessat, READ, EACCES),
	PROBE(faccessat2, READ, EACCES), PROBE(readlink, READ | ASAN, EACCES),
	PROBE(readlinkat, READ | ASAN, EACCES), PROBE(statfs, READ, EACCES),
	/* sockets: the internet, our own; the resolver asks netlink for the
	 * address families, the name service and syslog ask AF_UNIX */
	ALLOW(socket, NET, 0, 0, EXACT, AF_INET),
	ALLOW(socket, NET, 0, 0, EXACT, AF_INET6),
	ALLOW(socket, NET, 0, 0, EXACT, AF_UNIX),
	DENY(socket, NET, EACCES, 0, EXACT, AF_UNIX),
	DENY(socket, 0, EAFNOSUPPORT, 0, EXACT, AF_NETLINK),
	/* terminals: their settings, never TIOCSTI */
	IOCTL(FIONREAD, ANY), IOCTL(FIONBIO, ANY),
	IOCTL(TCGETS, TTY | PTY), IOCTL(TIOCGWINSZ, TTY | PTY),
	IOCTL(TCSETS, TTY | PTY), IOCTL(TCSETSW, TTY | PTY),
	IOCTL(TCSETSF, TTY | PTY), IOCTL(TCSBRK, TTY | PTY),
	IOCTL(TCXONC, TTY | PTY), IOCTL(TCFLSH, TTY | PTY),
	IOCTL(TIOCGPGRP, TTY | PTY), IOCTL(TIOCSPGRP, TTY | PTY),
	IOCTL(TIOCOUTQ, TTY | PTY),
	IOCTL(TIOCSWINSZ, PTY), IOCTL(TIOCGPTN, PTY), IOCTL(TIOCSPTLCK, PTY),
	IOCTL(TIOCGPTPEER, PTY), IOCTL(TIOCSCTTY, PTY), IOCTL(TIOCNOTTY, PTY),
	/* isatty(), by which stdio chooses its buffering */
	DENY(ioctl, TTY | PTY, ENOTTY, 1, EXACT, TCGETS),
	DENY(ioctl, TTY | PTY, ENOTTY, 1, EXACT, TIOCGWINSZ),
};

static int
add_rule(scmp_filter_ctx ctx, const struct rule *rule)
{
	struct scmp_arg_cmp cmp;
	uint32_t action = rule->error == 0 ? SCMP_ACT_ALLOW :
	    SCMP_ACT_ERRNO((uint16_t)rule->error);

	if (rule->mask == 0)
		return seccomp_rule_add(ctx, action, rule->number, 0);
	cmp.arg = rule->arg;
	cmp.op = SCMP_CMP_MASKED_EQ;
	cmp.datum_a = rule->mask;
	cmp.datum_b = rule->value;
	return seccomp_rule_add_array(ctx, action, rule->number, 1, &cmp);
}

/* abort() and raise(): signals to this process itself. */
static int
add_own_signals(scmp_filter_ctx ctx)
{
	struct rule own = { SCMP_SYS(tgkill), ANY, 0, 0, 0, EXACT, 0 };

	own.value = (uint64_t)getpid();
	return add_rule(ctx, &own);
}

int
sandbox_calls_fill(scmp_filter_ctx ctx, uint32_t groups)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof calls / sizeof *calls; i++)
		if ((calls[i].groups & groups) != 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
			    calls[i].number, 0);
	for (i = 0; r == 0 && i < sizeof rules / sizeof *rules; i++)
		if ((rules[i].with & groups) != 0 &&
		    (rules[i].without & groups) == 0)
			r = add_rule(ctx, &rules[i]);
	if (r == 0 && (groups & (FORK | ASAN)) == 0)
		r = add_own_signals(ctx);
	return r;
}
