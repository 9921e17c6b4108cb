/*
 * fuzz_parse_wire.c - bytes as a caller of letterlock-parse gets them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum ll_result
drop(void *ctx, uint32_t n, const void *p, size_t len)
{
	(void)ctx;
	(void)n;
	(void)p;
	return len > PARSE_CHUNK ? LL_PROTO : LL_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct parse_wire w = { -1, 1000 };
	struct tlv_out result;
	struct tlv_view v;
	const char *words;
	int fds[2];

	if (len > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return 0;
	if (len > 0 && write(fds[1], data, len) != (ssize_t)len)
		abort();
	close(fds[1]);
	w.fd = fds[0];
	if (parse_answer(&w, drop, NULL, &result) == LL_OK) {
		v.data = result.data;
		v.len = result.len;
		if (parse_result(v, &words) >= LL_RESULT_COUNT || words == NULL)
			abort();
	}
	tlv_out_finish(&result);
	close(fds[0]);
	return 0;
}
