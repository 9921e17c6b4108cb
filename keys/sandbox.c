#include "keys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/landlock.h>

#include "keys/sandbox_calls.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#include <sanitizer/lsan_interface.h>

static int entered;

/* The leak checker stops the process by ptrace, which no sandbox allows. */
int
__lsan_is_turned_off(void)
{
	return entered;
}
#endif

#define CAPABILITY_MAX 63
#define MIB ((rlim_t)1 << 20)

/* Newer than the headers of Debian 12. */
#define FS_TRUNCATE (UINT64_C(1) << 14)       /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)      /* ABI 5 */
#define NET_BIND_TCP UINT64_C(1)              /* ABI 4 */
#define NET_CONNECT_TCP UINT64_C(2)
#define SCOPE_ABSTRACT_UNIX UINT64_C(1)       /* ABI 6 */
#define SCOPE_SIGNAL UINT64_C(2)

struct ruleset {
	uint64_t fs, net, scoped;
};

#define FS_READ (UINT64_C(0) | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_EXECUTE (UINT64_C(0) | LANDLOCK_ACCESS_FS_EXECUTE)
#define FS_WRITE (UINT64_C(0) | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | \
	FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_NEVER (UINT64_C(0) | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Of these rights a rule for a plain file may have some. */
#define FS_OF_FILES (UINT64_C(0) | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV | \
	LANDLOCK_ACCESS_FS_EXECUTE)

/* Tests' positive control.  Whoever may set this process's environment may
 * also trace it, unless it is set-id or was undumpable already. */
static bool
switched_off(void)
{
	const char *word = getenv("LETTERLOCK_SANDBOX");

	return word != NULL && strcmp(word, "off") == 0 &&
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 &&
	    getauxval(AT_SECURE) == 0;
}

static bool
limit(int resource, rlim_t most)
{
	struct rlimit now, want = { most, most };

	if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
		return false;
	if (now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &want) == 0;
}

/* A thread counts as a process for RLIMIT_NPROC, and AddressSanitizer maps
 * terabytes that it never uses. */
static bool
set_limits(const struct sandbox *s, bool off)
{
	if (!limit(RLIMIT_CORE, 0))
		return false;
	if (s->open_files > 0 && !limit(RLIMIT_NOFILE, s->open_files))
		return false;
	if (off)
		return true;
	if (s->no_children && (s->calls & SANDBOX_THREADS) == 0 &&
	    !limit(RLIMIT_NPROC, 0))
		return false;
#ifndef SANITIZED
	if (s->address_space_mib > 0 &&
	    !limit(RLIMIT_AS, s->address_space_mib * MIB))
		return false;
#endif
	return true;
}

static struct ruleset
ruleset_for(int abi, uint32_t calls)
{
	struct ruleset r = { FS_READ | FS_EXECUTE | FS_WRITE | FS_NEVER, 0, 0 };

	if (abi < 2)
		r.fs &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	if (abi < 3)
		r.fs &= ~FS_TRUNCATE;
	if (abi < 5)
		r.fs &= ~FS_IOCTL_DEV;
	if (abi >= 4 && (calls & SANDBOX_NET) == 0)
		r.net |= NET_CONNECT_TCP;
	if (abi >= 4 && (calls & SANDBOX_ACCEPT) == 0)
		r.net |= NET_BIND_TCP;
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return r;
}

static bool
allow_path(int ruleset, const struct sandbox_path *path, uint64_t handled)
{
	struct landlock_path_beneath_attr rule;
	struct stat st;
	bool done;

	memset(&rule, 0, sizeof rule);
	rule.allowed_access = FS_READ | (path->write ? FS_WRITE : 0) |
	    (path->exec ? FS_EXECUTE : 0);
	rule.allowed_access &= handled;
	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	/* What is not there can't be reached either. */
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	done = fstat(rule.parent_fd, &st) == 0;
	if (done && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	done = done && syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return done;
}

static bool
restrict_files(const struct sandbox *s, const struct sandbox_path *paths)
{
	struct ruleset r;
	size_t size;
	long abi;
	bool done = true;
	int fd;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		dprintf(2, "%s: this kernel has no Landlock; system calls "
		    "alone are restricted\n", s->program);
		return true;
	}
	r = ruleset_for((int)abi, s->calls);
	size = abi < 4 ? sizeof r.fs : abi < 6 ? sizeof r.fs + sizeof r.net :
	    sizeof r;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return false;
	for (; done && paths != NULL && paths->path != NULL; paths++)
		done = allow_path(fd, paths, r.fs);
	done = done && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return done;
}

/* Nothing to drop is fine: the bounding set needs a capability itself. */
static bool
drop_capabilities(uint32_t calls)
{
	const uint32_t kept = (calls & SANDBOX_IDS) == 0 ? 0 :
	    1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
	struct __user_cap_header_struct head = {
		_LINUX_CAPABILITY_VERSION_3, 0
	};
	struct __user_cap_data_struct caps[2];
	int i;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (i = 0; i <= CAPABILITY_MAX; i++)
		if (i > 31 || (kept >> i & 1) == 0)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	memset(caps, 0, sizeof caps);
	caps[0].effective = caps[0].permitted = kept;
	return syscall(SYS_capset, &head, caps) == 0;
}

static bool
restrict_calls(uint32_t groups)
{
	scmp_filter_ctx ctx;
	bool done;

#ifdef SANITIZED
	groups |= SANDBOX_ASAN;
#endif
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		return false;
	done = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS) == 0 &&
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) == 0 &&
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
	    sandbox_calls_fill(ctx, groups) == 0 && seccomp_load(ctx) == 0;
	seccomp_release(ctx);
	/* libseccomp's tables were the largest thing on the heap so far. */
	(void)malloc_trim(0);
	return done;
}

enum ll_result
sandbox_enter(const struct sandbox *s, const struct sandbox_path *paths,
    const char **why_r)
{
	bool off = switched_off();

	*why_r = "setting resource limits";
	if (!set_limits(s, off))
		return LL_IO;
	*why_r = "becoming undumpable";
	if (!off && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return LL_IO;
	*why_r = "giving up new privileges";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return LL_IO;
	*why_r = "restricting files (Landlock)";
	if (!off && !restrict_files(s, paths))
		return LL_IO;
	*why_r = "dropping capabilities";
	if (!off && !drop_capabilities(s->calls))
		return LL_IO;
	*why_r = "restricting system calls (seccomp)";
	if (!off && !restrict_calls(s->calls))
		return LL_IO;
#ifdef SANITIZED
	entered = !off;
#endif
	*why_r = NULL;
	return LL_OK;
}
