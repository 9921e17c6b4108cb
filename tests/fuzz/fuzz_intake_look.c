/* A mail's header and body as strangers write them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/intake_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
pass(void *arg, const char *id)
{
	*(size_t *)arg += strlen(id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlv_view head = { data, size }, body = { NULL, 0 };
	const uint8_t *gap = memmem(data, size, "\r\n\r\n", 4);
	struct envelope e;
	char id[200];
	size_t sum = 0;

	if (gap != NULL) {
		head.len = (size_t)(gap - data) + 2;
		body.data = gap + 4;
		body.len = size - head.len - 2;
	}
	(void)look_encrypted(head, body);
	(void)look_report(head);
	look_references(head, pass, &sum);
	look_message_id(head, id);
	envelope_init(&e);
	if (look_facts(head, "a@b.example", 1800000000, &e) == LL_OK &&
	    (e.from == NULL || e.subject == NULL))
		abort();
	envelope_finish(&e);
	return 0;
}
