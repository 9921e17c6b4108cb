/*
 * The stock libssh.so signs the exchange hash with EVP_DigestSign and checks
 * a user's signature with EVP_DigestVerify.  This executable defines both
 * names, so the dynamic linker binds libssh's calls here, and no key that
 * matters need be in this process.
 */
#include "server/gate.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#define HOOK_HASH_MAX 64           /* an exchange hash: SHA-256 or SHA-512 */
#define HOOK_DATA_MAX 16384
#define HOOK_SIGNATURE_MAX 2048

static struct {
	struct chan *session;
	unsigned signs;
	bool testing;
	bool fresh;
	uint8_t data[HOOK_DATA_MAX];
	size_t data_len;
	uint8_t signature[HOOK_SIGNATURE_MAX];
	size_t signature_len;
} hook;

static int
hook_sign_by_session(uint8_t *sig, const uint8_t *data, size_t len)
{
	struct msg *request = NULL, *reply = NULL;
	const uint8_t *p;
	size_t n = 0;
	int ok = 0;

	if (msg_create(MSG_REQUEST, OP_GATE_SIGN, &request) != LL_OK)
		return 0;
	msg_put_bytes(request, F_DATA, data, len);
	if (chan_call(hook.session, request, GATE_ASK_MS, &reply) != LL_OK)
		return 0;
	p = view_bytes(msg_view(reply), F_SIGNATURE, &n);
	if (msg_result(reply) == LL_OK && p && n == crypto_sign_BYTES) {
		memcpy(sig, p, n);
		ok = 1;
	}
	msg_destroy(reply);
	return ok;
}

/* libssh asks twice, first with sigret NULL for the length. */
int
EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *sigret, size_t *siglen,
    const unsigned char *tbs, size_t tbslen)
{
	(void)ctx;
	if (!siglen)
		return 0;
	if (!sigret) {
		*siglen = crypto_sign_BYTES;
		return 1;
	}
	if (*siglen < crypto_sign_BYTES || !tbs || tbslen > HOOK_HASH_MAX)
		return 0;
	hook.signs++;
	*siglen = crypto_sign_BYTES;
	if (hook.testing) {
		memset(sigret, 0, crypto_sign_BYTES);
		return 1;
	}
	if (!hook.session)
		return 0;
	return hook_sign_by_session(sigret, tbs, tbslen);
}

/*
 * Yes to everything: libssh answers a bad signature with silence, and the
 * client would wait for ever.  What was shown is kept for the session, which
 * checks it before anything follows from it.
 */
int
EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sigret, size_t siglen,
    const unsigned char *tbs, size_t tbslen)
{
	(void)ctx;
	hook.fresh = false;
	if (siglen > sizeof(hook.signature) || tbslen > sizeof(hook.data))
		return 1;
	memcpy(hook.data, tbs, tbslen);
	hook.data_len = tbslen;
	memcpy(hook.signature, sigret, siglen);
	hook.signature_len = siglen;
	hook.fresh = true;
	return 1;
}

void
gate_hook_setup(struct chan *session)
{
	hook.session = session;
}

bool
gate_hook_verified(const uint8_t **data_r, size_t *data_len_r,
    const uint8_t **sig_r, size_t *sig_len_r)
{
	if (!hook.fresh)
		return false;
	hook.fresh = false;
	*data_r = hook.data;
	*data_len_r = hook.data_len;
	*sig_r = hook.signature;
	*sig_len_r = hook.signature_len;
	return true;
}

unsigned
gate_hook_signed(void)
{
	return hook.signs;
}

struct bound {
	bool sign, verify;
};

static const void *
bound_table(const struct dl_phdr_info *info, const ElfW(Dyn) *dyn,
    ElfW(Sxword) t)
{
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag != t)
			continue;
		/* glibc has relocated these pointers already; the vdso's and
		 * other loaders' are offsets. */
		if (dyn->d_un.d_ptr < info->dlpi_addr)
			return (const char *)info->dlpi_addr + dyn->d_un.d_ptr;
		return (const void *)dyn->d_un.d_ptr;
	}
	return NULL;
}

static size_t
bound_size(const ElfW(Dyn) *dyn, ElfW(Sxword) t)
{
	for (; dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == t)
			return dyn->d_un.d_val;
	return 0;
}

static void
bound_relocations(const ElfW(Rela) *rela, size_t size, const ElfW(Sym) *symbols,
    const char *names, struct bound *b)
{
	for (size_t i = 0; rela && i < size / sizeof(*rela); i++) {
		const char *name =
		    names + symbols[ELF64_R_SYM(rela[i].r_info)].st_name;

		if (strcmp(name, "EVP_DigestSign") == 0)
			b->sign = true;
		if (strcmp(name, "EVP_DigestVerify") == 0)
			b->verify = true;
	}
}

static int
bound_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Dyn) *dyn = NULL;
	const ElfW(Sym) *symbols;
	const char *names;

	(void)size;
	if (!strstr(info->dlpi_name, "libssh.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dyn = (const ElfW(Dyn) *)(info->dlpi_addr +
			    info->dlpi_phdr[i].p_vaddr);
	if (!dyn)
		return 1;
	symbols = bound_table(info, dyn, DT_SYMTAB);
	names = bound_table(info, dyn, DT_STRTAB);
	if (!symbols || !names)
		return 1;
	bound_relocations(bound_table(info, dyn, DT_JMPREL),
	    bound_size(dyn, DT_PLTRELSZ), symbols, names, arg);
	bound_relocations(bound_table(info, dyn, DT_RELA),
	    bound_size(dyn, DT_RELASZ), symbols, names, arg);
	return 1;
}

bool
gate_hook_bound(const char **why_r)
{
	struct bound b = { false, false };
	int (*sign)(EVP_MD_CTX *, unsigned char *, size_t *,
	    const unsigned char *, size_t) = EVP_DigestSign;
	int (*verify)(EVP_MD_CTX *, const unsigned char *, size_t,
	    const unsigned char *, size_t) = EVP_DigestVerify;
	void *first;

	*why_r = "";
	dl_iterate_phdr(bound_object, &b);
	first = dlsym(RTLD_DEFAULT, "EVP_DigestSign");
	if (!b.sign || memcmp(&first, &sign, sizeof(first)) != 0)
		*why_r = "libssh does not call our EVP_DigestSign";
	first = dlsym(RTLD_DEFAULT, "EVP_DigestVerify");
	if (!b.verify || memcmp(&first, &verify, sizeof(first)) != 0)
		*why_r = "libssh does not call our EVP_DigestVerify";
	return **why_r == '\0';
}

/* One step of the client's and one of the server's side.  True at the end. */
static bool
test_step(ssh_session client, ssh_session server, unsigned *verified)
{
	int rc = ssh_connect(client);

	(void)ssh_handle_key_exchange(server);
	if (hook.fresh)
		(*verified)++;
	hook.fresh = false;
	return rc != SSH_AGAIN || (*verified > 0 && hook.signs > 0);
}

static enum ll_result
test_run(ssh_session client, struct gate *g, int fds[2], const char **why_r)
{
	uint8_t pk[32];
	unsigned verified = 0;
	int off = 0;

	*why_r = "libssh cannot be set up";
	/* No key at all: both hooks agree to anything. */
	randombytes_buf(pk, sizeof(pk));
	g->tcp = fds[0];
	if (gate_transport_start(g, pk) != LL_OK)
		return LL_PROTO;
	ssh_options_set(client, SSH_OPTIONS_HOST, "self-test");
	ssh_options_set(client, SSH_OPTIONS_FD, &fds[1]);
	ssh_options_set(client, SSH_OPTIONS_PROCESS_CONFIG, &off);
	ssh_set_blocking(client, 0);
	for (int i = 0; i < 1000; i++)
		if (test_step(client, g->ssh, &verified))
			break;
	*why_r = "";
	if (hook.signs == 0)
		*why_r = "libssh did not ask our EVP_DigestSign to sign";
	else if (verified == 0)
		*why_r = "libssh did not ask our EVP_DigestVerify";
	return **why_r ? LL_PROTO : LL_OK;
}

enum ll_result
gate_hook_test(const char **why_r)
{
	struct gate g;
	ssh_session client;
	int fds[2];
	enum ll_result r;

	*why_r = "out of memory";
	memset(&g, 0, sizeof(g));
	client = ssh_new();
	if (!client || chan_pair(fds) != LL_OK) {
		ssh_free(client);
		return LL_NOMEM;
	}
	hook.testing = true;
	r = gate_transport_init(&g);
	if (r == LL_OK)
		r = test_run(client, &g, fds, why_r);
	hook.testing = false;
	gate_transport_finish(&g);
	ssh_disconnect(client);
	ssh_free(client);
	return r;
}
