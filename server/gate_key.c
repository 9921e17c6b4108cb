#include "server/gate.h"

#include <string.h>

#include <sodium.h>

#define KEY_PEM_MAX 1024
#define KEY_RSA_MIN_BITS 3072
#define KEY_RSA_MAX_BITS 16384

/* A growing SSH wire buffer of fixed room; overflow sticks. */
struct wire {
	uint8_t data[512];
	size_t len;
	bool full;
};

static void
wire_raw(struct wire *w, const void *p, size_t n)
{
	if (w->full || n > sizeof(w->data) - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->len, p, n);
	w->len += n;
}

static void
wire_u32(struct wire *w, uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };

	wire_raw(w, b, sizeof(b));
}

static void
wire_string(struct wire *w, const void *p, size_t n)
{
	wire_u32(w, (uint32_t)n);
	wire_raw(w, p, n);
}

static void
key_public(struct wire *w, const uint8_t pk[32])
{
	wire_string(w, "ssh-ed25519", 11);
	wire_string(w, pk, 32);
}

/* PROTOCOL.key of OpenSSH, unencrypted.  The private half is noise. */
static void
key_private(struct wire *w, const uint8_t pk[32])
{
	struct wire pub = { .len = 0 }, priv = { .len = 0 };
	uint8_t noise[64];
	uint32_t check = randombytes_random();

	randombytes_buf(noise, 32);
	memcpy(noise + 32, pk, 32);
	key_public(&pub, pk);
	wire_u32(&priv, check);
	wire_u32(&priv, check);
	key_public(&priv, pk);
	wire_string(&priv, noise, sizeof(noise));
	wire_string(&priv, "", 0);
	for (uint8_t pad = 1; priv.len % 8; pad++)
		wire_raw(&priv, &pad, 1);
	wire_raw(w, "openssh-key-v1", 15);
	wire_string(w, "none", 4);
	wire_string(w, "none", 4);
	wire_string(w, "", 0);
	wire_u32(w, 1);
	wire_string(w, pub.data, pub.len);
	wire_string(w, priv.data, priv.len);
}

enum ll_result
gate_key_create(const uint8_t pk[32], ssh_key *key_r)
{
	static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	static const char tail[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
	char text[KEY_PEM_MAX];
	struct wire w = { .len = 0 };
	size_t at = sizeof(head) - 1;

	*key_r = NULL;
	key_private(&w, pk);
	if (w.full || sodium_base64_encoded_len(w.len,
	    sodium_base64_VARIANT_ORIGINAL) + sizeof(head) + sizeof(tail) >
	    sizeof(text))
		return LL_PROTO;
	memcpy(text, head, at);
	sodium_bin2base64(text + at, sizeof(text) - at, w.data, w.len,
	    sodium_base64_VARIANT_ORIGINAL);
	at = strlen(text);
	memcpy(text + at, tail, sizeof(tail));
	if (ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, key_r) !=
	    SSH_OK)
		return LL_PROTO;
	return LL_OK;
}

/* One string of an SSH blob; moves *at behind it. */
static bool
blob_string(const uint8_t *blob, size_t len, size_t *at, const uint8_t **p_r,
    size_t *n_r)
{
	size_t n;

	if (len - *at < 4)
		return false;
	n = (size_t)blob[*at] << 24 | (size_t)blob[*at + 1] << 16 |
	    (size_t)blob[*at + 2] << 8 | blob[*at + 3];
	*at += 4;
	if (n > len - *at)
		return false;
	*p_r = blob + *at;
	*n_r = n;
	*at += n;
	return true;
}

/* Bits of an RSA key's modulus: the third string of its blob. */
static size_t
key_rsa_bits(const uint8_t *blob, size_t len)
{
	const uint8_t *p = NULL;
	size_t at = 0, n = 0, bits;

	for (int i = 0; i < 3; i++)
		if (!blob_string(blob, len, &at, &p, &n))
			return 0;
	while (n > 0 && *p == 0) {
		p++;
		n--;
	}
	if (n == 0)
		return 0;
	bits = n * 8;
	for (uint8_t top = *p; !(top & 0x80); top = (uint8_t)(top << 1))
		bits--;
	return bits;
}

enum ll_result
gate_key_blob(ssh_key key, uint8_t *blob, size_t room, size_t *len_r)
{
	const enum ssh_keytypes_e type = ssh_key_type(key);
	char *text = NULL;
	size_t bits;
	int bad;

	*len_r = 0;
	if (type != SSH_KEYTYPE_ED25519 && type != SSH_KEYTYPE_SK_ED25519 &&
	    type != SSH_KEYTYPE_RSA)
		return LL_DENIED;
	if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return LL_NOMEM;
	bad = sodium_base642bin(blob, room, text, strlen(text), NULL, len_r,
	    NULL, sodium_base64_VARIANT_ORIGINAL);
	ssh_string_free_char(text);
	if (bad)
		return LL_TOOBIG;
	if (type != SSH_KEYTYPE_RSA)
		return LL_OK;
	bits = key_rsa_bits(blob, *len_r);
	if (bits < KEY_RSA_MIN_BITS || bits > KEY_RSA_MAX_BITS)
		return LL_DENIED;
	return LL_OK;
}
