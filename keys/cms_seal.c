#include "keys/cms.h"

#include <string.h>
#include <openssl/cms.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "keys/write.h"

#define LINE_BYTES 57

/* Where OpenSSL writes to: base64 lines on their way out. */
struct lines {
	struct out *out;
	size_t len;
	uint8_t data[LINE_BYTES];
};

static void
put_line(struct lines *l)
{
	char text[80];

	if (l->len == 0)
		return;
	(void)EVP_EncodeBlock((unsigned char *)text, l->data, (int)l->len);
	out_put(l->out, text, strlen(text));
	out_put(l->out, "\r\n", 2);
	l->len = 0;
}

static int
lines_write(BIO *bio, const char *p, int len)
{
	struct lines *l = BIO_get_data(bio);
	size_t left = (size_t)len, n;

	if (len < 0 || l->out->err != LL_OK)
		return -1;
	for (; left > 0; p += n, left -= n) {
		n = sizeof l->data - l->len;
		n = n < left ? n : left;
		memcpy(l->data + l->len, p, n);
		l->len += n;
		if (l->len == sizeof l->data)
			put_line(l);
	}
	return len;
}

static long
lines_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *
lines_bio(struct lines *l, BIO_METHOD **method_r)
{
	BIO *bio;

	*method_r = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
	    "lines");
	if (*method_r == NULL || BIO_meth_set_write(*method_r, lines_write) !=
	    1 || BIO_meth_set_ctrl(*method_r, lines_ctrl) != 1)
		return NULL;
	bio = BIO_new(*method_r);
	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, l);
	BIO_set_init(bio, 1);
	return bio;
}

bool
cms_can_sign(struct job *job)
{
	const struct cms_own *own;

	return cms_own(job, &own) == NULL;
}

/* Those above the sender's that came with it, and the job's. */
static void
add_extras(struct job *job, CMS_ContentInfo *cms, STACK_OF(X509) *own)
{
	struct tlv_view v;
	size_t at = 0;
	X509 *cert;
	int i;

	for (i = 1; i < sk_X509_num(own); i++)
		(void)CMS_add1_cert(cms, sk_X509_value(own, i));
	while (job_each(job_view(&job->fields), PARSE_F_EXTRA, &at, &v)) {
		cert = cms_certificate(v);
		if (cert != NULL)
			(void)CMS_add1_cert(cms, cert);
		X509_free(cert);
	}
}

/* The detached signature over the entity, DER, into *der_r. */
static enum ll_result
sign(struct job *job, const struct tlv_out *entity, unsigned char **der_r,
    int *len_r)
{
	const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_PARTIAL |
	    CMS_STREAM;
	CMS_ContentInfo *cms = NULL;
	const struct cms_own *own;
	BIO *in = NULL;
	const char *why;
	enum ll_result r;

	*der_r = NULL;
	why = cms_own(job, &own);
	if (why != NULL) {
		r = job_fail(job, LL_LOCKED, "The sender's S/MIME key and "
		    "certificate can't be used: %s", why);
		goto out;
	}
	r = job_fail(job, LL_IO, "Signing (S/MIME) failed.");
	in = BIO_new_mem_buf(entity->data, (int)entity->len);
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	if (in == NULL || cms == NULL || CMS_add1_signer(cms,
	    sk_X509_value(own->certs, 0), own->key, EVP_sha256(), flags) ==
	    NULL)
		goto out;
	add_extras(job, cms, own->certs);
	if (CMS_final(cms, in, NULL, flags) != 1)
		goto out;
	*len_r = i2d_CMS_ContentInfo(cms, der_r);
	r = *len_r > 0 ? LL_OK : r;
out:
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return r;
}

/* *who_r NULL: no more.  nest_r: what the job says of that recipient. */
static enum ll_result
next_recipient(struct job *job, size_t *at, struct tlv_view *nest_r,
    const struct cms_recipient **who_r)
{
	*who_r = NULL;
	while (job_each(job_view(&job->fields), PARSE_F_RECIPIENT, at, nest_r))
		if (job_number(*nest_r, PARSE_F_FORMAT, 0) == PARSE_SMIME)
			return cms_recipient(job, job_bytes(*nest_r,
			    PARSE_F_KEY), who_r);
	return LL_OK;
}

/* Whether all of them can read AES-GCM. */
static enum ll_result
all_gcm(struct job *job, bool *all_r)
{
	const struct cms_recipient *who;
	struct tlv_view nest;
	enum ll_result r;
	size_t at = 0;

	*all_r = true;
	do {
		r = next_recipient(job, &at, &nest, &who);
		*all_r = *all_r && (who == NULL || who->gcm);
	} while (r == LL_OK && who != NULL);
	return r;
}

static bool
add_recipient(CMS_ContentInfo *cms, const struct cms_recipient *who)
{
	EVP_PKEY *key = X509_get0_pubkey(who->cert);
	CMS_RecipientInfo *ri;
	EVP_PKEY_CTX *ctx;

	ri = CMS_add1_recipient_cert(cms, who->cert, CMS_KEY_PARAM);
	ctx = ri == NULL ? NULL : CMS_RecipientInfo_get0_pkey_ctx(ri);
	if (ctx == NULL)
		return false;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) == 1;
	if (!who->oaep)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) ==
	    1 && EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1;
}

static enum ll_result
refuse(struct job *job, const struct cms_recipient *who, const char *why)
{
	char hex[65];

	cms_fingerprint(who->cert, hex);
	return job_fail(job, LL_DENIED, "A recipient's certificate %s can't "
	    "be used%s%s", hex, why != NULL ? ": " : ".",
	    why != NULL ? why : "");
}

/* What stands between the certificate and the CAs today: one that counts on
 * them must lead there, none may have been taken back.  NULL: nothing. */
static const char *
obstacle(struct job *job, struct tlv_view nest, const struct cms_recipient *who)
{
	struct tlv_view ca;
	const char *why;
	size_t at = 0;

	if (!job_each(job_view(&job->fields), PARSE_F_CA, &at, &ca))
		return NULL;
	why = cms_chain(job, who->cert, NULL);
	if (why == NULL || job_number(nest, PARSE_F_TRUSTED, 0) == 1 ||
	    strcmp(why, CMS_REVOKED) == 0)
		return why;
	return NULL;
}

static enum ll_result
add_recipients(struct job *job, CMS_ContentInfo *cms)
{
	const struct cms_recipient *who;
	struct tlv_view nest;
	const char *why;
	enum ll_result r;
	size_t at = 0, n;

	for (n = 0;; n++) {
		r = next_recipient(job, &at, &nest, &who);
		if (r != LL_OK || who == NULL)
			return r;
		if (n == PARSE_RECIPIENTS_MAX)
			return job_fail(job, LL_TOOBIG,
			    "More than %d recipients.", PARSE_RECIPIENTS_MAX);
		why = who->why != NULL ? who->why : obstacle(job, nest, who);
		if (why != NULL || !add_recipient(cms, who))
			return refuse(job, who, why);
	}
}

static bool
bio_put(void *bio, const void *p, size_t len)
{
	return len == 0 || BIO_write(bio, p, (int)len) == (int)len;
}

typedef bool sink_fn(void *to, const void *p, size_t len);

/* multipart/signed (RFC 8551, 3.5.3). */
static bool
put_signed(sink_fn *put, void *to, const struct tlv_out *entity,
    const unsigned char *der, int der_len)
{
	struct tlv_out text;
	char boundary[40];
	bool done;

	write_boundary(boundary);
	tlv_out_init(&text, PARSE_RESULT_MAX);
	write_line(&text, "Content-Type: multipart/signed; "
	    "protocol=\"application/pkcs7-signature\";\r\n micalg=sha-256; "
	    "boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary);
	done = text.err == LL_OK && put(to, text.data, text.len) &&
	    put(to, entity->data, entity->len);
	text.len = 0;
	write_line(&text, "\r\n--%s\r\nContent-Type: "
	    "application/pkcs7-signature; name=\"smime.p7s\"\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n", boundary);
	write_base64(&text, der, (size_t)der_len);
	write_line(&text, "\r\n--%s--\r\n", boundary);
	done = done && text.err == LL_OK && put(to, text.data, text.len);
	tlv_out_finish(&text);
	return done;
}

static bool
into_out(void *to, const void *p, size_t len)
{
	out_put(to, p, len);
	return true;
}

enum ll_result
cms_sign(struct job *job, const struct tlv_out *entity, struct out *out)
{
	unsigned char *der = NULL;
	enum ll_result r;
	int len = 0;

	r = sign(job, entity, &der, &len);
	if (r == LL_OK && !put_signed(into_out, out, entity, der, len))
		r = LL_NOMEM;
	OPENSSL_free(der);
	return r == LL_OK ? out->err : r;
}

static enum ll_result
encrypt(struct job *job, const struct tlv_out *entity, struct lines *lines,
    const unsigned char *der, int der_len, bool gcm)
{
	BIO_METHOD *method = NULL;
	CMS_ContentInfo *cms;
	BIO *to = NULL, *in = NULL;
	enum ll_result r;

	cms = CMS_encrypt(NULL, NULL, gcm ? EVP_aes_256_gcm() :
	    EVP_aes_256_cbc(), CMS_BINARY | CMS_PARTIAL | CMS_STREAM);
	to = lines_bio(lines, &method);
	r = cms == NULL || to == NULL ? LL_NOMEM : add_recipients(job, cms);
	if (r != LL_OK)
		goto out;
	in = BIO_new_CMS(to, cms);
	if (in == NULL || !put_signed(bio_put, in, entity, der, der_len) ||
	    BIO_flush(in) != 1)
		r = job_fail(job, LL_IO, "Encrypting (S/MIME) failed.");
	put_line(lines);
out:
	/* BIO_new_CMS put its own BIOs before ours. */
	BIO_free_all(in != NULL ? in : to);
	BIO_meth_free(method);
	CMS_ContentInfo_free(cms);
	return r;
}

enum ll_result
cms_seal(struct job *job, const struct tlv_out *entity, struct out *out)
{
	static struct lines lines;
	unsigned char *der = NULL;
	enum ll_result r;
	char head[300];
	bool gcm;
	int len = 0;

	cms_begin();
	r = all_gcm(job, &gcm);
	if (r == LL_OK)
		r = sign(job, entity, &der, &len);
	if (r != LL_OK)
		return r;
	snprintf(head, sizeof head, "Content-Type: application/pkcs7-mime; "
	    "smime-type=%s;\r\n name=\"smime.p7m\"\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    gcm ? "authEnveloped-data" : "enveloped-data");
	out_put(out, head, strlen(head));
	memset(&lines, 0, sizeof lines);
	lines.out = out;
	r = encrypt(job, entity, &lines, der, len, gcm);
	OPENSSL_free(der);
	write_told(job, PARSE_SMIME, gcm ? "AES-256-GCM" : "AES-256-CBC",
	    out->total);
	return r == LL_OK ? out->err : r;
}
