#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "keys/id.h"
#include "keys/kdf.h"
#include "keys/seal.h"
#include "server/file.h"
#include "server/root.h"

#define ROOT_SYMBOLS 52
#define SEALED_HEAD (4 + 4 + KDF_SALT_BYTES)
#define SEALED_BYTES_LEN (SEALED_HEAD + ROOT_BYTES + SEAL_OVERHEAD)
#define ROOT_KDF_MIB 256
#define ROOT_KDF_PASSES 3

static const struct seal_context sealed_context = { .type = SEAL_HOST,
	.generation = 1 };

enum ll_result
root_create(struct secret *root_r)
{
	return secret_random(root_r, ROOT_BYTES);
}

void
root_text(const struct secret *root, char text[ROOT_TEXT])
{
	char symbols[ROOT_SYMBOLS + 1];
	size_t i, n = 0;

	crockford_encode(root->data, ROOT_BYTES, symbols);
	for (i = 0; i < ROOT_SYMBOLS; i++) {
		if (i > 0 && i % 4 == 0)
			text[n++] = '-';
		text[n++] = symbols[i];
	}
	text[n] = '\0';
	sodium_memzero(symbols, sizeof(symbols));
}

enum ll_result
root_parse(const char *text, struct secret *root_r)
{
	char symbols[ROOT_SYMBOLS + 1];
	enum ll_result r = LL_OK;
	size_t n = 0;

	*root_r = (struct secret)SECRET_NONE;
	for (; r == LL_OK && *text != '\0'; text++) {
		if (strchr(" -\t\r\n", *text) != NULL)
			continue;
		if (n == ROOT_SYMBOLS)
			r = LL_USAGE;
		else
			symbols[n++] = *text;
	}
	symbols[n] = '\0';
	if (r == LL_OK)
		r = secret_init(root_r, ROOT_BYTES);
	if (r == LL_OK)
		r = crockford_decode(symbols, root_r->data, ROOT_BYTES);
	sodium_memzero(symbols, sizeof(symbols));
	if (r)
		secret_finish(root_r);
	return r;
}

/* A root secret file; path is named in the person's line. */
static enum ll_result
load_file(const char *path, int private, struct secret *root_r, char *why)
{
	struct secret text = SECRET_NONE;
	enum ll_result r = file_read(path, 256, private, &text);

	switch (r) {
	case LL_OK:
		break;
	case LL_DENIED:
		snprintf(why, CONFIG_WHY, "%.1000s: others than its owner may "
		    "read it: chmod 0400", path);
		return r;
	case LL_IO:
		snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
		    strerror(errno));
		return errno == ENOENT ? LL_NOTFOUND : r;
	default:
		snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
		    ll_result_text(r));
		return r;
	}
	r = root_parse((const char *)text.data, root_r);
	if (r)
		snprintf(why, CONFIG_WHY, "%.1000s: expected a root secret "
		    "(52 letters and digits)", path);
	secret_finish(&text);
	return r;
}

/* fgets would keep a copy in its buffer, so bytes are read one by one. */
enum ll_result
root_ask(const char *prompt, struct secret *p_r)
{
	struct termios old, quiet;
	bool tty = tcgetattr(STDIN_FILENO, &old) == 0;
	enum ll_result r = secret_init(p_r, KDF_INPUT_MAX + 1);
	size_t len = 0;

	if (r)
		return r;
	if (tty) {
		fputs(prompt, stderr);
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	while (len + 1 < p_r->len &&
	    read(STDIN_FILENO, p_r->data + len, 1) == 1 &&
	    p_r->data[len] != '\n')
		len++;
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	p_r->data[len] = '\0';
	p_r->len = len;
	return LL_OK;
}

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static enum ll_result
open_sealed(const struct secret *sealed, const struct secret *passphrase,
    struct secret *root_r)
{
	struct kdf_params p;
	struct secret kek = SECRET_NONE;
	enum ll_result r;

	if (sealed->len != SEALED_BYTES_LEN)
		return LL_PROTO;
	p.memory_mib = get_u32(sealed->data);
	p.passes = get_u32(sealed->data + 4);
	memcpy(p.salt, sealed->data + 8, KDF_SALT_BYTES);
	r = kdf_run(passphrase->data, passphrase->len, &p, &kek);
	if (r == LL_OK)
		r = seal_open_secret(kek.data, &sealed_context,
		    sealed->data + SEALED_HEAD, sealed->len - SEALED_HEAD,
		    root_r);
	secret_finish(&kek);
	return r;
}

static enum ll_result
load_sealed(const char *path, struct secret *root_r, char *why)
{
	struct secret sealed = SECRET_NONE, passphrase = SECRET_NONE;
	enum ll_result r = file_read(path, 256, 1, &sealed);

	if (r) {
		snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
		    r == LL_IO ? strerror(errno) : ll_result_text(r));
		return r;
	}
	r = root_ask("Passphrase of the root secret: ", &passphrase);
	if (r == LL_OK)
		r = open_sealed(&sealed, &passphrase, root_r);
	if (r)
		snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
		    r == LL_AUTH ? "wrong passphrase" : ll_result_text(r));
	secret_finish(&passphrase);
	secret_finish(&sealed);
	return r;
}

enum ll_result
root_load(const struct config *c, struct secret *root_r, char *why)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	const char *data = config_text(c, CONFIG_data);
	char path[FILE_PATH_MAX];
	enum ll_result r;

	*root_r = (struct secret)SECRET_NONE;
	snprintf(why, CONFIG_WHY, "root secret: path too long");
	if (credentials != NULL) {
		r = file_path(credentials, "letterlock-root", path);
		if (r)
			return r;
		if (access(path, F_OK) == 0)
			return load_file(path, 0, root_r, why);
	}
	if (config_text(c, CONFIG_root_key)[0] != '\0')
		return load_file(config_text(c, CONFIG_root_key), 1, root_r,
		    why);
	r = file_path(data, "root.sealed", path);
	if (r)
		return r;
	if (access(path, F_OK) == 0)
		return load_sealed(path, root_r, why);
	r = file_path(data, "root.key", path);
	return r ? r : load_file(path, 1, root_r, why);
}

static enum ll_result
save_sealed(const char *path, const struct secret *root,
    const struct secret *passphrase)
{
	uint8_t head[SEALED_BYTES_LEN], *sealed = NULL;
	struct secret kek = SECRET_NONE;
	struct kdf_params p;
	enum ll_result r;
	size_t len;

	kdf_params_init(&p, ROOT_KDF_MIB, ROOT_KDF_PASSES);
	put_u32(head, p.memory_mib);
	put_u32(head + 4, p.passes);
	memcpy(head + 8, p.salt, KDF_SALT_BYTES);
	r = kdf_run(passphrase->data, passphrase->len, &p, &kek);
	if (r == LL_OK)
		r = seal_bytes(kek.data, &sealed_context, root->data,
		    root->len, &sealed, &len);
	if (r == LL_OK) {
		memcpy(head + SEALED_HEAD, sealed, len);
		r = file_create(path, 0400, head, SEALED_HEAD + len);
	}
	free(sealed);
	secret_finish(&kek);
	return r;
}

enum ll_result
root_save(const char *dir, const struct secret *root,
    const struct secret *passphrase)
{
	char path[FILE_PATH_MAX], text[ROOT_TEXT + 1];
	enum ll_result r;

	r = file_path(dir, passphrase != NULL ? "root.sealed" : "root.key",
	    path);
	if (r)
		return r;
	if (passphrase != NULL)
		return save_sealed(path, root, passphrase);
	root_text(root, text);
	text[ROOT_TEXT - 1] = '\n';
	r = file_create(path, 0400, text, ROOT_TEXT);
	sodium_memzero(text, sizeof(text));
	return r;
}

enum ll_result
root_key(const struct secret *root, enum label label, struct secret *key_r)
{
	enum ll_result r = secret_init(key_r, KEY_BYTES);

	if (r)
		return r;
	r = derive(label, root->data, root->len, NULL, key_r->data);
	if (r)
		secret_finish(key_r);
	return r;
}
