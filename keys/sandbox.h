/*
 * sandbox.h - what a program gives up before it sees its first byte.
 *
 * Each program declares a const struct sandbox beside its main and calls
 * sandbox_enter once.  Order: rlimits, undumpable, no_new_privs, Landlock (an
 * empty allow list denies the whole file system), capabilities dropped,
 * seccomp (default action: kill the process).  Works unprivileged.
 */
#ifndef LL_SANDBOX_H
#define LL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"

/*
 * Groups of system calls, OR-ed.  Limits are inherited by what a program
 * executes: one with SANDBOX_FORK needs the groups, paths, descriptors and
 * address space of its children too.  Looking at files without READ or FILES
 * gives EACCES, as does an AF_UNIX socket without NET; executable memory gives
 * EPERM; whatever else is not allowed kills the process (SIGSYS).
 */
#define SANDBOX_BASE     0x0001u /* read write poll epoll memory time futex
                                    signals exit getrandom fstat lseek fsync
                                    close dup fcntl sendmsg recvmsg
                                    shutdown */
#define SANDBOX_THREADS  0x0002u /* clone for threads, sched_* */
#define SANDBOX_FILES    0x0004u /* openat, unlinkat, renameat, linkat, fsync,
                                    fdatasync, ftruncate, mkdirat, getdents */
#define SANDBOX_READ     0x0008u /* openat read-only (terminfo, zoneinfo) */
#define SANDBOX_FORK     0x0010u /* fork, exec, wait, kill */
#define SANDBOX_PTY      0x0020u /* ioctl for terminals, openat of ptmx */
#define SANDBOX_NET      0x0040u /* socket, connect (AF_INET/6/UNIX) */
#define SANDBOX_ACCEPT   0x0080u /* accept4, listen, getpeername */
#define SANDBOX_SOCKPAIR 0x0100u /* socketpair, pipe2, memfd_create */
#define SANDBOX_SOCKOPT  0x0200u /* setsockopt, getsockopt (TCP_QUICKACK) */
#define SANDBOX_TTY      0x0400u /* ioctl TCGETS.. TIOCGWINSZ only */
#define SANDBOX_ALL      0x07ffu /* still no ptrace, mount, bpf, setuid... */
#define SANDBOX_IDS      0x0800u /* setgroups, setresgid, setresuid; keeps the
                                    capabilities for those and for kill */

struct sandbox_path {
	const char *path;       /* or NULL at the end of the list */
	bool write;             /* read and write below it, else read only */
	bool exec;              /* files below it may be executed */
};

struct sandbox {
	const char *program;
	uint32_t calls;                    /* SANDBOX_* */
	size_t address_space_mib;          /* RLIMIT_AS, 0: unlimited */
	unsigned open_files;               /* RLIMIT_NOFILE, 0: leave */
	bool no_children;                  /* RLIMIT_NPROC 0; not with
	                                      SANDBOX_THREADS */
};

/* paths: run-time list (data directory, binaries), may be NULL: none; what
 * does not exist is passed over.  TCP connections need SANDBOX_NET and TCP
 * listening SANDBOX_ACCEPT in Landlock as well (kernel 6.7), and signals reach
 * only processes in the same sandbox or started from it (6.12).
 * Returns LL_OK, or LL_IO with *why_r naming the step that failed; a kernel
 * without Landlock is reported once on standard error and is no failure,
 * seccomp missing is.  The environment variable LETTERLOCK_SANDBOX=off (read
 * only when the process is dumpable and not set-id; tests' positive control)
 * leaves only RLIMIT_CORE, RLIMIT_NOFILE and no_new_privs.  Builds with
 * AddressSanitizer set no address space limit and let its reports through. */
LL_MUST enum ll_result sandbox_enter(const struct sandbox *s,
    const struct sandbox_path *paths, const char **why_r);

#endif
