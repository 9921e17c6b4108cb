#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "keys/whole.h"

enum ll_result
whole_write(int fd, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT ||
		    errno == EFBIG))
			return LL_FULL;
		if (n <= 0)
			return LL_IO;
		p += n;
		len -= (size_t)n;
	}
	return LL_OK;
}

enum ll_result
whole_read(int fd, void *bytes, size_t room, size_t *len_r)
{
	uint8_t *p = bytes;
	ssize_t n;

	*len_r = 0;
	while (*len_r < room) {
		n = read(fd, p + *len_r, room - *len_r);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return LL_IO;
		if (n == 0)
			break;
		*len_r += (size_t)n;
	}
	return LL_OK;
}
