/*
 * fuzz_draft.c - a journalled text as another version, or an attacker with the
 * key, might have written it: refused, or within every ceiling and sealed to
 * the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/seal.h"
#include "store/draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct id author = { "author 16 bytes" };

static void
check(struct draft *d)
{
	uint8_t *sealed;
	size_t len;

	if (strlen(d->body) > DRAFT_BODY_MAX
	    || strlen(d->subject) > DRAFT_SUBJECT_MAX
	    || d->to_count + d->cc_count > DRAFT_RECIPIENTS_MAX
	    || d->attachment_count > DRAFT_ATTACHMENTS_MAX
	    || d->cursor > strlen(d->body))
		abort();
	if (draft_seal(d, &author, 1, &sealed, &len) != LL_OK)
		return;
	if (draft_unseal(d, &author, 1, sealed, len) != LL_OK)
		abort();
	free(sealed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seal_context ctx = { .type = SEAL_DRAFT, .generation = 1 };
	uint8_t key[KEY_BYTES], *sealed;
	struct draft d;
	size_t sealed_len;

	if (secret_setup(65536) != LL_OK || draft_init(&d) != LL_OK)
		abort();
	ctx.owner = author;
	ctx.object = d.id;
	if (derive_bytes(LABEL_DRAFT, d.key.data, d.key.len, d.id.b, ID_BYTES,
	    key) != LL_OK || seal_bytes(key, &ctx, data, len, &sealed,
	    &sealed_len) != LL_OK)
		abort();
	if (draft_unseal(&d, &author, 1, sealed, sealed_len) == LL_OK)
		check(&d);
	free(sealed);
	draft_finish(&d);
	return 0;
}
