/*
 * fuzz_envelope.c - a header whose plaintext is the fuzzer's: a reader of a
 * message knows its key and may have sealed anything.  What opens must be
 * within its ceilings, and seal and open again to the same manifest.  The raw
 * input is tried as ciphertext too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/envelope.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_setup(0) == LL_OK ? 0 : 1;
}

static const uint8_t key[KEY_BYTES] = { 1, 2, 3 };
static const struct id message = { "0123456789abcdef" };

static void
manifest_of(const struct envelope *e, uint8_t out[HASH_BYTES])
{
	static const uint8_t commitment[HASH_BYTES];

	if (envelope_manifest(e, commitment, out) != LL_OK)
		abort();
}

static void
seal_again(const struct envelope *e)
{
	uint8_t before[HASH_BYTES], after[HASH_BYTES], *sealed;
	struct envelope copy;
	enum ll_result r;
	size_t len;

	manifest_of(e, before);
	r = envelope_seal(e, key, &sealed, &len);
	/* a header that filled the maximum may grow by its padding */
	if (r == LL_TOOBIG)
		return;
	if (r != LL_OK || envelope_open(key, &message, sealed, len,
	    &copy) != LL_OK)
		abort();
	manifest_of(&copy, after);
	if (memcmp(before, after, HASH_BYTES) != 0)
		abort();
	envelope_finish(&copy);
	free(sealed);
}

static void
open_sealed(const void *sealed, size_t len)
{
	struct envelope e;

	if (envelope_open(key, &message, sealed, len, &e) == LL_OK) {
		if (e.subject == NULL || e.from == NULL ||
		    e.object_count < 1 ||
		    e.object_count > ENVELOPE_OBJECTS_MAX ||
		    e.reader_count > ENVELOPE_READERS_MAX ||
		    strlen(e.subject) > ENVELOPE_SUBJECT_MAX)
			abort();
		seal_again(&e);
	} else if (e.subject != NULL) {
		abort();
	}
	envelope_finish(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seal_context ctx = { SEAL_HEADER, { { 0 } }, message, 0 };
	uint8_t header_key[KEY_BYTES], *sealed;
	size_t sealed_len;

	open_sealed(data, len);
	if (derive_bytes(LABEL_HEADER, key, KEY_BYTES, message.b, ID_BYTES,
	    header_key) != LL_OK)
		abort();
	if (seal_bytes(header_key, &ctx, data, len, &sealed,
	    &sealed_len) != LL_OK)
		return 0;
	open_sealed(sealed, sealed_len);
	free(sealed);
	return 0;
}
