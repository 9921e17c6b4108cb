/*
 * fuzz_opened.c - what letterlock-parse says of a mail, read by the desk: the
 * process may be its sender's by then.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/secret.h"
#include "store/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct opened *o)
{
	size_t i, n;

	for (i = 0; i < o->part_count; i++)
		if (o->parts[i].signature > o->signature_count ||
		    o->parts[i].number != i + 1)
			abort();
	for (i = 0; i < o->file_count; i++) {
		if (strchr(o->files[i].name, '/') != NULL ||
		    o->files[i].name[0] == '.' || o->files[i].name[0] == '\0')
			abort();
		for (n = 0; n < i; n++)
			if (strcmp(o->files[i].name, o->files[n].name) == 0)
				abort();
	}
	for (i = 0; i < o->signature_count && i < OPENED_SIGNATURES_MAX; i++)
		if (o->signatures[i].trusted && o->signatures[i].result)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct opened_peer peers[] = {
		{ PARSE_OPENPGP, "00", true }, { PARSE_SMIME, "11", false },
	};
	static bool ready;
	struct opened o;

	if (!ready && secret_setup(65536) != LL_OK)
		return 0;
	ready = true;
	memset(&o, 0, sizeof(o));
	tlv_out_init(&o.answer, PARSE_RESULT_MAX);
	tlv_put_raw(&o.answer, data, len);
	if (opened_parse(&o, "dora@out.test", peers, 2) == LL_OK &&
	    opened_list_files(&o, 100) == LL_OK)
		check(&o);
	opened_finish(&o);
	return 0;
}
