/*
 * bare.c - the bare libraries in a loop: what letterlock-parse is measured
 * against when many messages wait.
 *
 *   bare pgp SECRET PUBLIC COUNT SIZE       one context, keys read once
 *   bare smime KEY CERT PEER COUNT SIZE     (PEM) signed, then encrypted
 *
 * Prints messages per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#define STREAM (CMS_BINARY | CMS_STREAM)

static void
need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bare: %s failed\n", what);
	exit(1);
}

static long
number(const char *text)
{
	return strtol(text, NULL, 10);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *
text_of(size_t size)
{
	static const char line[] = "The quick brown fox jumps over the lazy "
	    "dog.\r\n";
	char *text = malloc(size + 1);
	size_t i;

	need(text != NULL, "malloc");
	for (i = 0; i < size; i++)
		text[i] = line[i % (sizeof line - 1)];
	return text;
}

static rnp_key_handle_t
load(rnp_ffi_t ffi, const char *path)
{
	rnp_identifier_iterator_t it;
	rnp_key_handle_t key = NULL;
	rnp_input_t in;
	const char *id;
	bool primary = false;

	need(rnp_input_from_path(&in, path) == RNP_SUCCESS, path);
	need(rnp_load_keys(ffi, RNP_KEYSTORE_GPG, in, RNP_LOAD_SAVE_PUBLIC_KEYS
	    | RNP_LOAD_SAVE_SECRET_KEYS) == RNP_SUCCESS, path);
	rnp_input_destroy(in);
	need(rnp_identifier_iterator_create(ffi, &it, "fingerprint") ==
	    RNP_SUCCESS, "keys");
	while (!primary && rnp_identifier_iterator_next(it, &id) ==
	    RNP_SUCCESS && id != NULL) {
		need(rnp_locate_key(ffi, "fingerprint", id, &key) ==
		    RNP_SUCCESS, "key");
		need(rnp_key_is_primary(key, &primary) == RNP_SUCCESS, "key");
	}
	rnp_identifier_iterator_destroy(it);
	return key;
}

static void
seal_pgp(rnp_ffi_t ffi, rnp_key_handle_t own, rnp_key_handle_t peer,
    const char *text, size_t size)
{
	rnp_op_encrypt_t op;
	rnp_output_t out;
	rnp_input_t in;

	need(rnp_input_from_memory(&in, (const uint8_t *)text, size, false) ==
	    RNP_SUCCESS && rnp_output_to_memory(&out, 0) == RNP_SUCCESS &&
	    rnp_op_encrypt_create(&op, ffi, in, out) == RNP_SUCCESS &&
	    rnp_op_encrypt_add_recipient(op, peer) == RNP_SUCCESS &&
	    rnp_op_encrypt_add_signature(op, own, NULL) == RNP_SUCCESS &&
	    rnp_op_encrypt_set_hash(op, "SHA256") == RNP_SUCCESS &&
	    rnp_op_encrypt_set_cipher(op, "AES256") == RNP_SUCCESS &&
	    rnp_op_encrypt_set_armor(op, true) == RNP_SUCCESS &&
	    rnp_op_encrypt_set_compression(op, "Uncompressed", 0) ==
	    RNP_SUCCESS && rnp_op_encrypt_execute(op) == RNP_SUCCESS,
	    "encrypting");
	rnp_op_encrypt_destroy(op);
	rnp_input_destroy(in);
	rnp_output_destroy(out);
}

static double
pgp(char **v, long count, size_t size)
{
	rnp_ffi_t mine, theirs;
	rnp_key_handle_t own, peer;
	char *text = text_of(size);
	double began;
	long i;

	need(rnp_ffi_create(&mine, "GPG", "GPG") == RNP_SUCCESS &&
	    rnp_ffi_create(&theirs, "GPG", "GPG") == RNP_SUCCESS, "RNP");
	own = load(mine, v[0]);
	peer = load(theirs, v[1]);
	began = now();
	for (i = 0; i < count; i++)
		seal_pgp(mine, own, peer, text, size);
	return (double)count / (now() - began);
}

static X509 *
certificate(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *cert;

	need(f != NULL, path);
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	need(cert != NULL, path);
	fclose(f);
	return cert;
}

static void
seal_smime(EVP_PKEY *key, X509 *own, STACK_OF(X509) *peers, const char *text,
    size_t size)
{
	BIO *in = BIO_new_mem_buf(text, (int)size);
	BIO *middle = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms;

	cms = CMS_sign(own, key, NULL, in, CMS_DETACHED | STREAM);
	need(cms != NULL && SMIME_write_CMS(middle, cms, in,
	    CMS_DETACHED | STREAM) == 1, "signing");
	CMS_ContentInfo_free(cms);
	cms = CMS_encrypt(peers, middle, EVP_aes_256_cbc(), STREAM);
	need(cms != NULL && SMIME_write_CMS(out, cms, middle, STREAM) == 1,
	    "encrypting");
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free(middle);
	BIO_free(out);
}

static double
smime(char **v, long count, size_t size)
{
	X509 *own = certificate(v[1]);
	STACK_OF(X509) *peers = sk_X509_new_null();
	char *text = text_of(size);
	FILE *f = fopen(v[0], "r");
	EVP_PKEY *key;
	double began;
	long i;

	need(f != NULL, v[0]);
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	need(key != NULL && sk_X509_push(peers, certificate(v[2])) > 0, v[0]);
	began = now();
	for (i = 0; i < count; i++)
		seal_smime(key, own, peers, text, size);
	return (double)count / (now() - began);
}

int
main(int argc, char **argv)
{
	double rate;

	if (argc == 6 && strcmp(argv[1], "pgp") == 0)
		rate = pgp(argv + 2, number(argv[4]), (size_t)number(argv[5]));
	else if (argc == 7 && strcmp(argv[1], "smime") == 0)
		rate = smime(argv + 2, number(argv[5]), (size_t)number(argv[6]));
	else {
		fprintf(stderr, "usage: bare pgp SECRET PUBLIC COUNT SIZE\n"
		    "       bare smime KEY CERT PEER COUNT SIZE\n");
		return 2;
	}
	printf("%.1f\n", rate);
	return 0;
}
