/* Keys that come with a message, for whoever keeps them after an inspection. */
#include "keys/open.h"

#include <string.h>
#include <strings.h>

#include "keys/clean.h"
#include "keys/pgp.h"

#define AUTOCRYPT_MAX 24000      /* of the header field */

void
open_found(struct job *job, enum parse_format format, struct tlv_view key,
    enum parse_source source, const char *address)
{
	struct tlv_out nest;

	if (key.len == 0 || key.len > FOUND_KEY_MAX ||
	    job->found_count == JOB_ATTACHED_MAX)
		return;
	job->found_count++;
	tlv_out_init(&nest, FOUND_KEY_MAX + 1000);
	tlv_put_u64(&nest, PARSE_F_FORMAT, (uint64_t)format);
	tlv_put_bytes(&nest, PARSE_F_KEY, key.data, key.len);
	tlv_put_u64(&nest, PARSE_F_SOURCE, (uint64_t)source);
	if (address != NULL)
		tlv_put_text(&nest, PARSE_F_ADDRESS, address);
	if (nest.err == LL_OK)
		tlv_put_tlv(&job->found, PARSE_F_FOUND, &nest);
	tlv_out_finish(&nest);
}

/* --- attached --- */

static void
keep_key(struct job *job, struct tlv_view key)
{
	struct job_attached *a = &job->attached[job->attached_count];
	struct pgp_key k;
	size_t i;

	if (job->attached_count == JOB_ATTACHED_MAX)
		return;
	memset(a, 0, sizeof *a);
	if (pgp_key_load(key, NULL, &k) == LL_OK)
		snprintf(a->fingerprint, sizeof a->fingerprint, "%s",
		    k.fingerprint);
	pgp_key_finish(&k);
	for (i = 0; i < job->attached_count; i++)
		if (strcmp(job->attached[i].fingerprint, a->fingerprint) == 0)
			return;
	if (a->fingerprint[0] == 0)
		return;
	tlv_put_bytes(&job->attached_keys, PARSE_F_KEY, key.data, key.len);
	if (job->attached_keys.err == LL_OK)
		job->attached_count++;
}

static void
keep_part(struct job *job, const struct mime_entity *e)
{
	struct tlv_out bytes, keys;
	struct tlv_view key;
	size_t count, at = 0;

	tlv_out_init(&bytes, FOUND_KEY_MAX);
	tlv_out_init(&keys, PARSE_RESULT_MAX);
	mime_decode(e, &bytes);
	if (strcmp(e->type, "application/pgp-keys") != 0) {
		if (bytes.err == LL_OK)
			open_found(job, PARSE_SMIME, job_view(&bytes),
			    PARSE_S_ATTACHED, NULL);
	} else if (bytes.err == LL_OK && pgp_key_split(job_view(&bytes),
	    &keys, &count) == LL_OK)
		while (job_each(job_view(&keys), PARSE_F_KEY, &at, &key))
			keep_key(job, key);
	tlv_out_finish(&bytes);
	tlv_out_finish(&keys);
}

static bool
is_key(const char *type)
{
	static const char *const types[] = { "application/pgp-keys",
		"application/pkix-cert", "application/x-x509-ca-cert",
		"application/x-x509-user-cert" };
	size_t i;

	for (i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static void
collect(struct job *job, struct tlv_view whole, unsigned depth,
    unsigned *parts)
{
	struct mime_entity e;
	struct tlv_view part;
	size_t at = 0;

	mime_read(whole, &e);
	if (depth >= OPEN_DEPTH_MAX || ++*parts > OPEN_PARTS_MAX)
		return;
	/* Not those of a message inside: they are somebody else's. */
	if (strncmp(e.type, "multipart/", 10) == 0)
		while (mime_part(e.body, e.boundary, &at, &part))
			collect(job, part, depth + 1, parts);
	else if (is_key(e.type))
		keep_part(job, &e);
}

void
open_collect(struct job *job, struct tlv_view whole)
{
	unsigned parts = 0;

	collect(job, whole, 0, &parts);
}

/* --- Autocrypt --- */

/* One header of the sender's counts, several make none (Autocrypt 1.1). */
static bool
autocrypt_field(const char *value, const char *from, struct tlv_out *key)
{
	const char *data = strstr(value, "keydata=");
	struct mime_entity e;
	char address[256];

	if (!mime_param(value, "addr", address, sizeof address)) {
		/* mime_param wants a first value before the first ';'. */
		if (strncmp(value, "addr=", 5) != 0 ||
		    strcspn(value + 5, "; ") >= sizeof address)
			return false;
		snprintf(address, sizeof address, "%.*s",
		    (int)strcspn(value + 5, "; "), value + 5);
	}
	if (data == NULL || from[0] == 0 || strcasecmp(address, from) != 0)
		return false;
	memset(&e, 0, sizeof e);
	snprintf(e.encoding, sizeof e.encoding, "base64");
	e.body.data = (const uint8_t *)data + 8;
	e.body.len = strlen(data + 8);
	key->len = 0;
	mime_decode(&e, key);
	return key->err == LL_OK && key->len > 0;
}

static void
put_autocrypt(struct job *job, struct tlv_view whole)
{
	static char value[AUTOCRYPT_MAX];
	struct mime_entity e;
	struct tlv_out key;
	size_t n, good = 0;

	mime_read(whole, &e);
	tlv_out_init(&key, FOUND_KEY_MAX);
	for (n = 0; n < 20 && mime_field(e.head, "Autocrypt", n, value,
	    sizeof value); n++)
		if (autocrypt_field(value, job->from, &key))
			good++;
	if (good == 1)
		open_found(job, PARSE_OPENPGP, job_view(&key),
		    PARSE_S_AUTOCRYPT, job->from);
	tlv_out_finish(&key);
}

void
open_put_found(struct job *job, struct tlv_view whole)
{
	struct tlv_view key;
	size_t at = 0, i;

	for (i = 0; i < job->attached_count && job_each(
	    job_view(&job->attached_keys), PARSE_F_KEY, &at, &key); i++)
		open_found(job, PARSE_OPENPGP, key, job->attached[i].signed_it ?
		    PARSE_S_SIGNER : PARSE_S_ATTACHED, NULL);
	put_autocrypt(job, whole);
	tlv_put_raw(&job->result, job->found.data, job->found.len);
}
