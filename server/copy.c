#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/whole.h"
#include "server/copy.h"
#include "server/file.h"

#define CHUNK 131072

static enum ll_result
pump(int in, int out, uint8_t hash[HASH_BYTES], uint64_t *size_r)
{
	crypto_generichash_state state;
	uint8_t *chunk = malloc(CHUNK);
	enum ll_result r = LL_OK;
	ssize_t n;

	*size_r = 0;
	if (chunk == NULL)
		return LL_NOMEM;
	(void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
	while (r == LL_OK && (n = read(in, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = LL_IO;
			break;
		}
		(void)crypto_generichash_update(&state, chunk, (size_t)n);
		*size_r += (uint64_t)n;
		if (out >= 0 && whole_write(out, chunk, (size_t)n))
			r = LL_IO;
	}
	(void)crypto_generichash_final(&state, hash, HASH_BYTES);
	free(chunk);
	return r;
}

static enum ll_result
close_written(int fd, mode_t mode)
{
	enum ll_result r = LL_OK;
	int saved;

	if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
		r = LL_IO;
	saved = errno;
	if (close(fd) != 0 && r == LL_OK)
		return LL_IO;
	errno = saved;
	return r;
}

enum ll_result
copy_file(const char *src, const char *dst, mode_t mode,
    uint8_t hash[HASH_BYTES], uint64_t *size_r)
{
	int in, out = -1, saved;
	enum ll_result r;
	struct stat st;

	*size_r = 0;
	in = open(src, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (in < 0)
		return errno == ENOENT ? LL_NOTFOUND : LL_IO;
	r = fstat(in, &st) == 0 ? LL_OK : LL_IO;
	if (r == LL_OK && !S_ISREG(st.st_mode))
		r = LL_PROTO;
	if (r == LL_OK && dst != NULL) {
		out = open(dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0)
			r = errno == EEXIST ? LL_CONFLICT : LL_IO;
	}
	if (r == LL_OK)
		r = pump(in, out, hash, size_r);
	saved = errno;
	(void)close(in);
	errno = saved;
	if (out < 0)
		return r;
	if (r == LL_OK)
		return close_written(out, mode);
	(void)close(out);
	errno = saved;
	return r;
}

enum ll_result
copy_parents(const char *path, size_t base_len)
{
	char part[FILE_PATH_MAX];
	const char *slash = path + base_len;
	enum ll_result r = LL_OK;

	while (r == LL_OK && *slash != '\0' &&
	    (slash = strchr(slash + 1, '/')) != NULL) {
		if ((size_t)(slash - path) >= sizeof(part))
			return LL_TOOBIG;
		memcpy(part, path, (size_t)(slash - path));
		part[slash - path] = '\0';
		r = file_mkdir(part, 0700);
	}
	return r;
}

static int
remove_one(const char *path, const struct stat *st, int kind,
    struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

enum ll_result
copy_remove_tree(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ||
	    errno == ENOENT)
		return LL_OK;
	return LL_IO;
}
