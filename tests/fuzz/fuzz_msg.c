/*
 * The frame decoder: whatever it accepts can be read through every accessor
 * and encodes to the same bytes again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/secret.h"
#include "store/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
read_all(struct tlv_view v, unsigned depth)
{
	struct tlv_view inner;
	unsigned tag;
	struct id id;
	size_t n, at;

	for (tag = 0; tag < 256; tag++) {
		(void)view_u64(v, (enum field)tag);
		if (strlen(view_text(v, (enum field)tag)) > v.len)
			abort();
		(void)view_bytes(v, (enum field)tag, &n);
		if (n > v.len)
			abort();
		(void)view_id(v, (enum field)tag, &id);
		(void)view_hash(v, (enum field)tag);
	}
	if (depth == 0)
		return;
	at = 0;
	while (view_nest(v, F_ROW, &at, &inner))
		read_all(inner, depth - 1);
	at = 0;
	while (view_nest(v, F_RECIPIENT, &at, &inner))
		read_all(inner, depth - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int ready;
	uint8_t head[MSG_HEAD];
	struct msg *m;

	if (!ready && secret_setup(65536) != LL_OK)
		abort();
	ready = 1;
	if (len < MSG_HEAD)
		return 0;
	memcpy(head, data, MSG_HEAD);
	/* the length is the frame's, so that the fuzzer need not find it */
	head[0] = 0;
	head[1] = (uint8_t)((len - 4) >> 16);
	head[2] = (uint8_t)((len - 4) >> 8);
	head[3] = (uint8_t)(len - 4);
	head[12] = 0;
	if (msg_decode(head, data + MSG_HEAD, len - MSG_HEAD, &m) != LL_OK)
		return 0;
	if (msg_view(m).len != len - MSG_HEAD)
		abort();
	if (len > MSG_HEAD && memcmp(msg_view(m).data, data + MSG_HEAD, len - MSG_HEAD) != 0)
		abort();
	read_all(msg_view(m), 2);
	(void)msg_result(m);
	msg_encode_head(m, head);
	if (memcmp(head + 4, data + 4, 8) != 0)
		abort();
	msg_destroy(m);
	return 0;
}
