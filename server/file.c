#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/whole.h"
#include "server/file.h"

enum ll_result
file_path(const char *dir, const char *name, char path[FILE_PATH_MAX])
{
	int n = snprintf(path, FILE_PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= FILE_PATH_MAX ? LL_TOOBIG : LL_OK;
}

enum ll_result
file_create(const char *path, mode_t mode, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600), saved;
	enum ll_result r;

	if (fd < 0)
		return errno == EEXIST ? LL_CONFLICT : LL_IO;
	r = whole_write(fd, data, len) ? LL_IO : LL_OK;
	if (r == LL_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		r = LL_IO;
	saved = errno;
	if (close(fd) != 0 && r == LL_OK) {
		saved = errno;
		r = LL_IO;
	}
	if (r)
		(void)unlink(path);
	errno = saved;
	return r;
}

static enum ll_result
read_all(int fd, struct secret *out, size_t max)
{
	size_t len;
	enum ll_result r = whole_read(fd, out->data, max + 1, &len);

	if (r)
		return r;
	if (len > max)
		return LL_TOOBIG;
	out->data[len] = '\0';
	out->len = len;
	return LL_OK;
}

enum ll_result
file_read(const char *path, size_t max, int private, struct secret *out_r)
{
	int fd = -1, saved = 0;
	enum ll_result r;
	struct stat st;

	*out_r = (struct secret)SECRET_NONE;
	if (max == 0 || max > 65534)
		return LL_TOOBIG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return LL_IO;
	if (fstat(fd, &st) != 0) {
		r = LL_IO;
		goto out;
	}
	if (private && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		r = LL_DENIED;
		goto out;
	}
	r = secret_init(out_r, max + 1);
	if (r == LL_OK)
		r = read_all(fd, out_r, max);
out:
	saved = errno;
	if (r)
		secret_finish(out_r);
	(void)close(fd);
	errno = saved;
	return r;
}

enum ll_result
file_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum ll_result r = LL_OK;

	if (fd < 0)
		return LL_IO;
	if (fsync(fd) != 0)
		r = LL_IO;
	(void)close(fd);
	return r;
}

enum ll_result
file_mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return LL_OK;
	if (errno != EEXIST)
		return LL_IO;
	if (stat(path, &st) != 0)
		return LL_IO;
	if (S_ISDIR(st.st_mode))
		return LL_OK;
	errno = ENOTDIR;
	return LL_IO;
}

enum ll_result
file_is_empty_dir(const char *path)
{
	enum ll_result r = LL_OK;
	struct dirent *e;
	DIR *d = opendir(path);

	if (d == NULL)
		return errno == ENOENT ? LL_OK :
		    errno == ENOTDIR ? LL_CONFLICT : LL_IO;
	while (r == LL_OK && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0)
			r = LL_CONFLICT;
	(void)closedir(d);
	return r;
}
