/*
 * fuzz_tlv.c - the reader of fields: every byte string is either walked to its
 * exact end or refused, and what was walked encodes again to the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/secret.h"
#include "keys/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
read_typed(const struct tlv_field *f)
{
	const char *text;
	struct id id;
	uint64_t n;

	if (tlv_text(f, &text) == LL_OK && strlen(text) != f->len - 1)
		abort();
	if (tlv_u64(f, &n) == LL_OK && f->len != 8)
		abort();
	if (tlv_id(f, &id) == LL_OK && f->len != ID_BYTES)
		abort();
}

/* Fields within fields, as headers have them. */
static void
walk(struct tlv_view v, int depth, struct tlv_out *again)
{
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	while ((r = tlv_next(v, &at, &f)) == LL_OK) {
		if (f.data < v.data || f.data + f.len > v.data + v.len)
			abort();
		read_typed(&f);
		if (again != NULL)
			tlv_put_bytes(again, f.tag, f.data, f.len);
		if (depth > 0)
			walk((struct tlv_view){ f.data, f.len }, depth - 1,
			    NULL);
	}
	if (again == NULL)
		return;
	if (r == LL_EOF && (again->len != v.len ||
	    (v.len > 0 && memcmp(again->data, v.data, v.len) != 0)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tlv_view v = { data, len };
	struct tlv_out again;
	struct tlv_field f;
	size_t at = 0;

	if (len > (1 << 20))
		return 0;
	tlv_out_init(&again, 1 << 21);
	walk(v, 4, &again);
	tlv_out_finish(&again);
	while (tlv_find(v, 7, &at, &f) == LL_OK)
		if (f.tag != 7)
			abort();
	return 0;
}
