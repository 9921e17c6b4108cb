/*
 * fuzz_input.c - whatever a terminal sends becomes keys, however it is cut;
 * what is between the marks of a paste comes out byte for byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tui/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t
drain(struct input *in, bool flush, bool *pasting)
{
	struct key k;
	size_t pasted = 0;

	while (input_next(in, flush, &k) == LL_OK) {
		if (k.code == 0 || (k.code > 0x10FFFF && k.code < K_UP))
			abort();
		if (k.code == K_PASTE) {
			if (!*pasting || k.len == 0 ||
			    memmem(k.text, k.len, "\033[201~", 6))
				abort();
			pasted += k.len;
		}
		if (k.code == K_PASTE_BEGIN)
			*pasting = true;
		if (k.code == K_PASTE_END)
			*pasting = false;
	}
	return pasted;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in;
	bool pasting = false;
	size_t at = 0, piece, pasted = 0;

	input_init(&in);
	while (at < len) {
		/* the first byte of each piece says how long it is */
		piece = 1 + data[at] % 64;
		if (piece > len - at)
			piece = len - at;
		if (input_feed(&in, (const char *)data + at, piece) != piece)
			abort();
		at += piece;
		pasted += drain(&in, data[at - 1] & 1, &pasting);
	}
	pasted += drain(&in, true, &pasting);
	if (pasted > len || (!pasting && in.len > 0))
		abort();
	input_finish(&in);
	return 0;
}
