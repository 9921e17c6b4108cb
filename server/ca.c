#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "keys/seal.h"
#include "server/ca_state.h"
#include "server/root.h"

#define KEY_FILE_MAX 4096
#define NAME_BYTES 60
#define SERIAL_BYTES 16
#define CLOCK_SECS 300

static const struct seal_context key_context = { .type = SEAL_AUTHORITY };

static enum ll_result
say(char why[CA_WHY], enum ll_result r, const char *words)
{
	(void)snprintf(why, CA_WHY, "%s", words);
	return r;
}

/* --- files --- */

/* Root makes files for whom the directory belongs to. */
static enum ll_result
give(const struct ca *ca, const char *path)
{
	struct stat st;

	if (geteuid() != 0)
		return LL_OK;
	return stat(ca->dir, &st) == 0 &&
	    chown(path, st.st_uid, st.st_gid) == 0 ? LL_OK : LL_IO;
}

enum ll_result
ca_write(const struct ca *ca, const char *name, mode_t mode,
    const void *data, size_t len)
{
	char path[FILE_PATH_MAX], fresh[FILE_PATH_MAX];
	enum ll_result r;

	r = file_path(ca->dir, name, path);
	if (r == LL_OK)
		r = file_path(ca->dir, "ca.new", fresh);
	if (r)
		return r;
	(void)unlink(fresh);
	r = file_create(fresh, mode, data, len);
	if (r == LL_OK)
		r = give(ca, fresh);
	if (r == LL_OK && rename(fresh, path) != 0)
		r = LL_IO;
	if (r)
		(void)unlink(fresh);
	return r ? r : file_sync_dir(ca->dir);
}

enum ll_result
ca_write_bio(const struct ca *ca, const char *name, mode_t mode, BIO *bio)
{
	enum ll_result r = LL_NOMEM;
	char *p = NULL;
	long len;

	len = bio == NULL ? 0 : BIO_get_mem_data(bio, &p);
	if (len > 0)
		r = ca_write(ca, name, mode, p, (size_t)len);
	BIO_free(bio);
	return r;
}

enum ll_result
ca_write_issued(const struct ca *ca)
{
	json_t *all = json_pack("{s:O}", "issued", ca->issued);
	char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(1));
	enum ll_result r = LL_NOMEM;

	if (text != NULL)
		r = ca_write(ca, "ca.issued", 0600, text, strlen(text));
	free(text);
	json_decref(all);
	return r;
}

/* --- certificates --- */

void
ca_fingerprint(const X509 *cert, char hex[CA_HEX])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0, i;

	hex[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), hash, &len) == 1)
		for (i = 0; i < len && i < 32; i++)
			(void)snprintf(hex + 2 * i, 3, "%02X", hash[i]);
}

uint64_t
ca_time(const ASN1_TIME *t)
{
	struct tm tm;

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ?
	    (uint64_t)timegm(&tm) : 0;
}

bool
ca_name(X509_NAME *name, const char *field, const char *text)
{
	size_t len = strlen(text);

	if (len > NAME_BYTES)
		for (len = NAME_BYTES; len > 0 &&
		    ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
	    (const unsigned char *)text, (int)len, -1, 0) == 1;
}

bool
ca_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool done;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	done = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return done;
}

static bool
put_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n;
	bool done;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	/* positive, and never shorter */
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	done = n != NULL && BN_to_ASN1_INTEGER(n,
	    X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return done;
}

X509 *
ca_blank(EVP_PKEY *public, X509 *issuer, long days)
{
	X509 *cert = X509_new();
	time_t now = time(NULL);
	bool done;

	done = cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    put_serial(cert) && X509_set_pubkey(cert, public) == 1 &&
	    X509_time_adj_ex(X509_getm_notBefore(cert), 0, -CLOCK_SECS,
	    &now) != NULL && X509_time_adj_ex(X509_getm_notAfter(cert),
	    (int)days, 0, &now) != NULL;
	if (done && issuer != NULL)
		done = X509_set_issuer_name(cert,
		    X509_get_subject_name(issuer)) == 1 &&
		    (ca_time(X509_get0_notAfter(cert)) <=
		    ca_time(X509_get0_notAfter(issuer)) ||
		    X509_set1_notAfter(cert,
		    X509_get0_notAfter(issuer)) == 1);
	if (done)
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *
make_own(EVP_PKEY *key, const char *org)
{
	X509 *cert = ca_blank(key, NULL, CA_OWN_DAYS);
	X509_NAME *name;
	char common[400];

	if (cert == NULL)
		return NULL;
	(void)snprintf(common, sizeof(common), "%s mail CA", org);
	name = X509_get_subject_name(cert);
	if (ca_name(name, "O", org) &&
	    ca_name(name, "CN", strlen(common) <= NAME_BYTES ? common :
	    "Mail CA") && X509_set_issuer_name(cert, name) == 1 &&
	    ca_extend(cert, cert, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") &&
	    ca_extend(cert, cert, NID_key_usage,
	    "critical,keyCertSign,cRLSign") &&
	    ca_extend(cert, cert, NID_subject_key_identifier, "hash") &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* --- beginning and end --- */

static enum ll_result
lock(struct ca *ca, char why[CA_WHY])
{
	char path[FILE_PATH_MAX];
	enum ll_result r = file_path(ca->dir, "ca.crt", path);

	if (r)
		return r;
	ca->lock = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (ca->lock < 0 && errno == ENOENT)
		return say(why, LL_NOTFOUND, "there is no CA here yet: "
		    "letterlock ca init");
	if (ca->lock < 0)
		return LL_IO;
	if (flock(ca->lock, LOCK_EX | LOCK_NB) != 0)
		return say(why, LL_BUSY, "another letterlock ca is running");
	return LL_OK;
}

static struct ca *
blank(const char *dir)
{
	struct ca *ca = calloc(1, sizeof(*ca));

	if (ca != NULL) {
		ca->lock = -1;
		(void)snprintf(ca->dir, sizeof(ca->dir), "%s", dir);
	}
	return ca;
}

void
ca_close(struct ca *ca)
{
	if (ca == NULL)
		return;
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	X509_CRL_free(ca->crl);
	json_decref(ca->issued);
	if (ca->lock >= 0)
		(void)close(ca->lock);
	free(ca);
}

/* Sealed: the file alone signs nothing. */
static enum ll_result
write_key(const struct ca *ca, const struct secret *root)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(ca->key);
	struct secret key = SECRET_NONE;
	unsigned char *der = NULL;
	uint8_t *sealed = NULL;
	size_t sealed_len;
	enum ll_result r = LL_NOMEM;
	int len;

	len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	if (len > 0)
		r = root_key(root, LABEL_ROOT_CA, &key);
	if (r == LL_OK)
		r = seal_bytes(key.data, &key_context, der, (size_t)len,
		    &sealed, &sealed_len);
	if (r == LL_OK)
		r = ca_write(ca, "ca.key", 0400, sealed, sealed_len);
	free(sealed);
	if (len > 0)
		OPENSSL_clear_free(der, (size_t)len);
	secret_finish(&key);
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

static enum ll_result
write_cert(const struct ca *ca)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || PEM_write_bio_X509(bio, ca->cert) != 1) {
		BIO_free(bio);
		return LL_NOMEM;
	}
	return ca_write_bio(ca, "ca.crt", 0644, bio);
}

enum ll_result
ca_create(const char *dir, const struct secret *root, const char *org,
    struct ca **ca_r, char why[CA_WHY])
{
	struct ca *ca = blank(dir);
	enum ll_result r;

	*ca_r = NULL;
	why[0] = '\0';
	if (ca == NULL)
		return LL_NOMEM;
	r = lock(ca, why);
	if (r == LL_OK)
		r = say(why, LL_CONFLICT, "there is a CA already: letterlock "
		    "ca list");
	else if (r == LL_NOTFOUND)
		r = say(why, LL_OK, "");
	if (r == LL_OK) {
		ca->issued = json_array();
		ca->key = EVP_EC_gen("P-256");
		if (ca->key != NULL)
			ca->cert = make_own(ca->key, org);
		r = ca->issued != NULL && ca->cert != NULL ? LL_OK :
		    LL_NOMEM;
	}
	if (r == LL_OK)
		r = write_key(ca, root);
	if (r == LL_OK)
		r = ca_write_issued(ca);
	if (r == LL_OK)
		r = ca_renew(ca);
	/* last: with it there is a CA */
	if (r == LL_OK)
		r = write_cert(ca);
	if (r) {
		ca_close(ca);
		return r;
	}
	*ca_r = ca;
	return LL_OK;
}

static enum ll_result
read_key(struct ca *ca, const struct secret *root, char why[CA_WHY])
{
	struct secret sealed = SECRET_NONE, key = SECRET_NONE;
	struct secret der = SECRET_NONE;
	char path[FILE_PATH_MAX];
	const unsigned char *p;
	enum ll_result r;

	r = file_path(ca->dir, "ca.key", path);
	if (r == LL_OK)
		r = file_read(path, KEY_FILE_MAX, 1, &sealed);
	if (r == LL_OK)
		r = root_key(root, LABEL_ROOT_CA, &key);
	if (r == LL_OK)
		r = seal_open_secret(key.data, &key_context, sealed.data,
		    sealed.len, &der);
	if (r == LL_OK) {
		p = der.data;
		ca->key = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
		r = ca->key != NULL ? LL_OK : LL_PROTO;
	}
	if (r)
		(void)say(why, r, r == LL_AUTH ? "ca.key is not sealed under "
		    "this root secret" : r == LL_DENIED ?
		    "ca.key: others may read it (it must have mode 0400)" :
		    "ca.key can't be read");
	secret_finish(&der);
	secret_finish(&key);
	secret_finish(&sealed);
	return r;
}

enum ll_result
ca_read_issued(const char *dir, char **json_r)
{
	char path[FILE_PATH_MAX];
	json_t *all = NULL, *list;
	enum ll_result r;

	*json_r = NULL;
	r = file_path(dir, "ca.issued", path);
	if (r)
		return r;
	if (access(path, F_OK) != 0) {
		*json_r = strdup("[]");
		return *json_r != NULL ? LL_OK : LL_NOMEM;
	}
	all = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(all, "issued");
	if (json_is_array(list))
		*json_r = json_dumps(list, 0);
	json_decref(all);
	return *json_r != NULL ? LL_OK : LL_PROTO;
}

static enum ll_result
read_rest(struct ca *ca, char why[CA_WHY])
{
	char path[FILE_PATH_MAX];
	json_t *all = NULL;
	BIO *in = NULL;

	if (file_path(ca->dir, "ca.crt", path) == LL_OK)
		in = BIO_new_file(path, "r");
	if (in != NULL)
		ca->cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	if (ca->cert == NULL || X509_check_private_key(ca->cert, ca->key) != 1)
		return say(why, LL_PROTO, "ca.crt does not belong to ca.key");
	if (X509_cmp_current_time(X509_get0_notAfter(ca->cert)) <= 0)
		return say(why, LL_DENIED, "the CA's own certificate has "
		    "expired");
	if (file_path(ca->dir, "ca.issued", path) == LL_OK)
		all = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	ca->issued = json_incref(json_object_get(all, "issued"));
	json_decref(all);
	if (!json_is_array(ca->issued))
		return say(why, LL_PROTO, "ca.issued can't be read");
	in = NULL;
	if (file_path(ca->dir, "ca.crl", path) == LL_OK)
		in = BIO_new_file(path, "r");
	if (in != NULL)
		ca->crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	BIO_free(in);
	return ca->crl != NULL ? LL_OK : ca_renew(ca);
}

enum ll_result
ca_open(const char *dir, const struct secret *root, struct ca **ca_r,
    char why[CA_WHY])
{
	struct ca *ca = blank(dir);
	enum ll_result r;

	*ca_r = NULL;
	why[0] = '\0';
	if (ca == NULL)
		return LL_NOMEM;
	r = lock(ca, why);
	if (r == LL_OK)
		r = read_key(ca, root, why);
	if (r == LL_OK)
		r = read_rest(ca, why);
	if (r) {
		ca_close(ca);
		return r;
	}
	*ca_r = ca;
	return LL_OK;
}
