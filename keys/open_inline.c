/*
 * Armored OpenPGP messages within plain text, as before there was PGP/MIME.
 * What is in such a block is text, never MIME; what stands around it was
 * protected by nothing.
 */
#include "keys/open.h"

#include <ctype.h>
#include <string.h>

static const char begin[] = "-----BEGIN PGP MESSAGE-----";
static const char end[] = "-----END PGP MESSAGE-----";

/* Where a line that starts with mark begins, from `at` on; len: no such. */
static size_t
find_line(struct tlv_view v, size_t at, const char *mark)
{
	const size_t n = strlen(mark);
	const uint8_t *p;

	while (at < v.len) {
		if (v.len - at >= n && memcmp(v.data + at, mark, n) == 0)
			return at;
		p = memchr(v.data + at, '\n', v.len - at);
		if (p == NULL)
			break;
		at = (size_t)(p - v.data) + 1;
	}
	return v.len;
}

bool
open_inline_block(struct tlv_view text, size_t *at, struct tlv_view *before_r,
    struct tlv_view *block_r)
{
	const size_t start = find_line(text, *at, begin);
	size_t stop;

	before_r->data = text.data + *at;
	before_r->len = start - *at;
	if (start == text.len)
		return false;
	stop = find_line(text, start, end);
	if (stop < text.len)
		stop += sizeof end - 1;
	block_r->data = text.data + start;
	block_r->len = stop - start;
	*at = stop;
	return true;
}

bool
open_is_blank(struct tlv_view v)
{
	size_t i;

	for (i = 0; i < v.len; i++)
		if (!isspace(v.data[i]))
			return false;
	return true;
}
