#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/seal.h"
#include "server/file.h"
#include "server/hostkey.h"
#include "server/root.h"

static const struct seal_context host_context = { .type = SEAL_HOST };

/* RFC 4253's "ssh-ed25519" key blob. */
static const uint8_t blob_head[] = {
	0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5', '1', '9',
	0, 0, 0, 32
};

enum ll_result
hostkey_public(const struct secret *seed, char line[HOSTKEY_LINE],
    char fingerprint[HOSTKEY_LINE])
{
	uint8_t blob[sizeof(blob_head) + crypto_sign_PUBLICKEYBYTES];
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct secret sk = SECRET_NONE;
	char text[100];
	enum ll_result r = secret_init(&sk, crypto_sign_SECRETKEYBYTES);

	if (r)
		return r;
	memcpy(blob, blob_head, sizeof(blob_head));
	(void)crypto_sign_seed_keypair(blob + sizeof(blob_head), sk.data,
	    seed->data);
	secret_finish(&sk);
	sodium_bin2base64(text, sizeof(text), blob, sizeof(blob),
	    sodium_base64_VARIANT_ORIGINAL);
	snprintf(line, HOSTKEY_LINE, "ssh-ed25519 %s letterlock", text);
	crypto_hash_sha256(hash, blob, sizeof(blob));
	sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	snprintf(fingerprint, HOSTKEY_LINE, "SHA256:%s", text);
	return LL_OK;
}

enum ll_result
hostkey_create(const char *dir, const struct secret *root)
{
	struct secret seed = SECRET_NONE, key = SECRET_NONE;
	char path[FILE_PATH_MAX], line[HOSTKEY_LINE], print[HOSTKEY_LINE];
	uint8_t *sealed = NULL;
	enum ll_result r;
	size_t len;

	r = secret_random(&seed, crypto_sign_SEEDBYTES);
	if (r == LL_OK)
		r = root_key(root, LABEL_ROOT_HOST, &key);
	if (r == LL_OK)
		r = seal_bytes(key.data, &host_context, seed.data, seed.len,
		    &sealed, &len);
	if (r == LL_OK)
		r = file_path(dir, "host_ed25519", path);
	if (r == LL_OK)
		r = file_create(path, 0400, sealed, len);
	if (r == LL_OK)
		r = hostkey_public(&seed, line, print);
	if (r == LL_OK)
		r = file_path(dir, "host_ed25519.pub", path);
	if (r == LL_OK) {
		len = strlen(line);
		line[len] = '\n';
		r = file_create(path, 0644, line, len + 1);
	}
	free(sealed);
	secret_finish(&key);
	secret_finish(&seed);
	return r;
}

enum ll_result
hostkey_load(const char *dir, const struct secret *root,
    struct secret *seed_r)
{
	struct secret sealed = SECRET_NONE, key = SECRET_NONE;
	char path[FILE_PATH_MAX];
	enum ll_result r;

	*seed_r = (struct secret)SECRET_NONE;
	r = file_path(dir, "host_ed25519", path);
	if (r == LL_OK)
		r = file_read(path, 512, 1, &sealed);
	if (r == LL_OK)
		r = root_key(root, LABEL_ROOT_HOST, &key);
	if (r == LL_OK)
		r = seal_open_secret(key.data, &host_context, sealed.data,
		    sealed.len, seed_r);
	if (r == LL_OK && seed_r->len != crypto_sign_SEEDBYTES) {
		secret_finish(seed_r);
		r = LL_PROTO;
	}
	secret_finish(&key);
	secret_finish(&sealed);
	return r;
}
