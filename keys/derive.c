#include "keys/derive.h"

#include <sodium.h>

#define LABEL_BYTES crypto_generichash_blake2b_PERSONALBYTES
#define DERIVE_FIELD_MAX 1048576

/* Shorter labels are filled up with zero bytes.  A label is never given a new
 * meaning: a changed construction takes a new one ("ll2."). */
static const char labels[LABEL_COUNT][LABEL_BYTES + 1] = {
	[LABEL_PW_PROOF]     = "ll1.pw.proof",
	[LABEL_PW_KEK]       = "ll1.pw.kek",
	[LABEL_RC_PROOF]     = "ll1.rc.proof",
	[LABEL_RC_KEK]       = "ll1.rc.kek",
	[LABEL_BACKUP_PROOF] = "ll1.backup.proof",
	[LABEL_VAULT]        = "ll1.vault",
	[LABEL_SELF]         = "ll1.self",
	[LABEL_COMMIT]       = "ll1.commit",
	[LABEL_HEADER]       = "ll1.header",
	[LABEL_OBJECT]       = "ll1.object",
	[LABEL_DRAFT]        = "ll1.draft",
	[LABEL_MANIFEST]     = "ll1.manifest",
	[LABEL_LOCATOR]      = "ll1.locator",
	[LABEL_LINK_KEY]     = "ll1.link.key",
	[LABEL_LINK_PROOF]   = "ll1.link.proof",
	[LABEL_SITE_WORDS]   = "ll1.site.words",
	[LABEL_COOKIE]       = "ll1.cookie",
	[LABEL_ROOT_PEPPER]  = "ll1.root.pepper",
	[LABEL_ROOT_TOTP]    = "ll1.root.totp",
	[LABEL_ROOT_QUEUE]   = "ll1.root.queue",
	[LABEL_ROOT_PORTAL]  = "ll1.root.portal",
	[LABEL_ROOT_HOST]    = "ll1.root.host",
	[LABEL_USER_PEPPER]  = "ll1.user.pepper",
	[LABEL_LINK_PEPPER]  = "ll1.link.pepper",
	[LABEL_VERIFIER]     = "ll1.verifier",
	[LABEL_DECOY]        = "ll1.decoy",
	[LABEL_TOKEN]        = "ll1.token",
	[LABEL_LEAF]         = "ll1.leaf",
	[LABEL_PLAN]         = "ll1.plan",
	[LABEL_CSRF]         = "ll1.csrf",
	[LABEL_IDEMPOTENCY]  = "ll1.idempotency",
	[LABEL_DELAY]        = "ll1.delay",
	[LABEL_ROOT_CA]      = "ll1.root-ca",
	[LABEL_ROOT_INTAKE]  = "ll1.root-intake",
	[LABEL_FIELDS]       = "ll1.fields",
};

const char *
derive_label_text(enum label label)
{
	return labels[label];
}

static enum ll_result
hash_begin(crypto_generichash_blake2b_state *st, enum label label,
    const void *key, size_t key_len)
{
	if ((unsigned)label >= LABEL_COUNT)
		return LL_USAGE;
	if (key_len != 0 && key_len < crypto_generichash_blake2b_KEYBYTES_MIN)
		return LL_USAGE;
	if (crypto_generichash_blake2b_init_salt_personal(st, key, key_len,
	    HASH_BYTES, NULL, (const unsigned char *)labels[label]) != 0)
		return LL_USAGE;
	return LL_OK;
}

static void
hash_end(crypto_generichash_blake2b_state *st, uint8_t out[HASH_BYTES])
{
	crypto_generichash_blake2b_final(st, out, HASH_BYTES);
	sodium_memzero(st, sizeof *st);
}

enum ll_result
derive(enum label label, const void *key, size_t key_len,
    const struct tlv_out *input, uint8_t out[HASH_BYTES])
{
	crypto_generichash_blake2b_state st;
	enum ll_result r;

	if (input != NULL && input->err != LL_OK)
		return input->err;
	r = hash_begin(&st, label, key, key_len);
	if (r != LL_OK)
		return r;
	if (input != NULL && input->len > 0)
		crypto_generichash_blake2b_update(&st, input->data,
		    input->len);
	hash_end(&st, out);
	return LL_OK;
}

/* The field's head and bytes go in one after the other: no copy is made of
 * what may be a secret. */
enum ll_result
derive_bytes(enum label label, const void *key, size_t key_len, const void *p,
    size_t len, uint8_t out[HASH_BYTES])
{
	crypto_generichash_blake2b_state st;
	uint8_t head[TLV_HEAD];
	enum ll_result r;

	if (len > DERIVE_FIELD_MAX)
		return LL_TOOBIG;
	r = hash_begin(&st, label, key, key_len);
	if (r != LL_OK)
		return r;
	tlv_head(1, len, head);
	crypto_generichash_blake2b_update(&st, head, sizeof head);
	if (len > 0)
		crypto_generichash_blake2b_update(&st, p, len);
	hash_end(&st, out);
	return LL_OK;
}

int
derive_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}
