/*
 * A disk that misbehaves on command: preloaded into letterlock-store by
 * test_store_limits.  The byte that says how is shared memory, a file named by
 * LL_SHIM_DISK, mapped before the sandbox closes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at);
int fdatasync(int fd);
int fsync(int fd);

enum mood { FINE, FULL, FAILING, SLOW };
#define SLOW_USECS 400000

static volatile const char *mood;
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("LL_SHIM_DISK");
	void *p = MAP_FAILED;
	int fd;

	*(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	*(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	*(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
	fd = path != NULL ? open(path, O_RDONLY) : -1;
	if (fd >= 0) {
		p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
		(void)close(fd);
	}
	if (p != MAP_FAILED)
		mood = p;
}

static int
feels(enum mood m)
{
	return mood != NULL && *mood == (char)m;
}

ssize_t
pwrite64(int fd, const void *p, size_t len, off64_t at)
{
	if (feels(FULL)) {
		errno = ENOSPC;
		return -1;
	}
	return real_pwrite(fd, p, len, at);
}

int
fdatasync(int fd)
{
	if (feels(FAILING)) {
		errno = EIO;
		return -1;
	}
	if (feels(SLOW))
		(void)usleep(SLOW_USECS);
	return real_fdatasync(fd);
}

int
fsync(int fd)
{
	if (feels(FAILING)) {
		errno = EIO;
		return -1;
	}
	return real_fsync(fd);
}
