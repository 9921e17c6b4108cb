#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "server/cert.h"
#include "server/file.h"

#define DAYS 3650
#define PEM_MAX 8192

/* One subject alternative name. */
static int
add_name(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t ip[16];

	if (inet_pton(AF_INET, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt,
		    GNUTLS_SAN_IPADDRESS, ip, 4, GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt,
		    GNUTLS_SAN_IPADDRESS, ip, 16, GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
	    name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int
fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *host)
{
	static const char *const own[] = { "localhost", "127.0.0.1", "::1" };
	uint8_t serial[16];
	time_t now = time(NULL);
	size_t i;
	int e;

	randombytes_buf(serial, sizeof(serial));
	serial[0] &= 0x7f;
	e = gnutls_x509_crt_set_version(crt, 3);
	if (e == 0)
		e = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (e == 0)
		e = gnutls_x509_crt_set_activation_time(crt, now - 3600);
	if (e == 0)
		e = gnutls_x509_crt_set_expiration_time(crt,
		    now + DAYS * 86400L);
	if (e == 0)
		e = gnutls_x509_crt_set_dn_by_oid(crt,
		    GNUTLS_OID_X520_COMMON_NAME, 0, host,
		    (unsigned)(strlen(host) > 64 ? 64 : strlen(host)));
	if (e == 0)
		e = add_name(crt, host);
	for (i = 0; e == 0 && i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], host) != 0)
			e = add_name(crt, own[i]);
	if (e == 0)
		e = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (e == 0)
		e = gnutls_x509_crt_set_key_usage(crt,
		    GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (e == 0)
		e = gnutls_x509_crt_set_key_purpose_oid(crt,
		    GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (e == 0)
		e = gnutls_x509_crt_set_key(crt, key);
	if (e == 0)
		e = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	return e;
}

static enum ll_result
save(const char *dir, gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	char pem[PEM_MAX], path[FILE_PATH_MAX];
	size_t len = sizeof(pem);
	enum ll_result r;

	if (gnutls_x509_privkey_export(key, GNUTLS_X509_FMT_PEM, pem,
	    &len) != 0)
		return LL_NOMEM;
	r = file_path(dir, "portal.key", path);
	if (r == LL_OK)
		r = file_create(path, 0600, pem, len);
	sodium_memzero(pem, sizeof(pem));
	if (r)
		return r;
	len = sizeof(pem);
	if (gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_PEM, pem, &len) != 0)
		return LL_NOMEM;
	r = file_path(dir, "portal.crt", path);
	if (r == LL_OK)
		r = file_create(path, 0644, pem, len);
	return r;
}

enum ll_result
cert_create(const char *dir, const char *host)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	enum ll_result r = LL_NOMEM;

	if (gnutls_x509_privkey_init(&key) == 0 &&
	    gnutls_x509_crt_init(&crt) == 0 &&
	    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
	    fill(crt, key, host) == 0)
		r = save(dir, crt, key);
	if (crt != NULL)
		gnutls_x509_crt_deinit(crt);
	if (key != NULL)
		gnutls_x509_privkey_deinit(key);
	return r;
}
