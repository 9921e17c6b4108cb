#include "keys/pgp.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define RSA_BITS_MIN 2048
#define UIDS_MAX 1000

bool
pgp_setup(void)
{
	rnp_ffi_t ffi;
	uint32_t v = rnp_version();

	/* 0.18.0 made session keys of zeros. */
	if (v < rnp_version_for(0, 16, 3) || v == rnp_version_for(0, 18, 0))
		return false;
	ffi = pgp_context();
	if (ffi == NULL)
		return false;
	rnp_ffi_destroy(ffi);
	return true;
}

rnp_ffi_t
pgp_context(void)
{
	static const char *const weak[] = { "MD5", "SHA1", "RIPEMD160" };
	rnp_ffi_t ffi;
	size_t i;

	if (rnp_ffi_create(&ffi, RNP_KEYSTORE_GPG, RNP_KEYSTORE_GPG) !=
	    RNP_SUCCESS)
		return NULL;
	for (i = 0; i < sizeof weak / sizeof *weak; i++)
		if (rnp_add_security_rule(ffi, RNP_FEATURE_HASH_ALG, weak[i],
		    RNP_SECURITY_OVERRIDE, 0, RNP_SECURITY_INSECURE) !=
		    RNP_SUCCESS) {
			rnp_ffi_destroy(ffi);
			return NULL;
		}
	return ffi;
}

bool
pgp_uid_address(const char *uid, char *address, size_t room)
{
	const char *open = strchr(uid, '<'), *close = strchr(uid, '>');
	const char *start = open == NULL ? uid : open + 1;
	size_t len;

	if (open == NULL && close == NULL)
		close = uid + strlen(uid);
	else if (open == NULL || close == NULL || close < start ||
	    close[1] != 0 || strchr(start, '<') != NULL)
		return false;
	len = (size_t)(close - start);
	if (len == 0 || len >= room || memchr(start, '@', len) == NULL ||
	    memchr(start, ' ', len) != NULL)
		return false;
	memcpy(address, start, len);
	address[len] = 0;
	return true;
}

bool
pgp_find_primary(struct pgp_key *k)
{
	rnp_identifier_iterator_t it = NULL;
	rnp_key_handle_t key;
	const char *id = NULL;
	bool primary, alone = true;

	if (rnp_identifier_iterator_create(k->ffi, &it, "fingerprint") !=
	    RNP_SUCCESS)
		return false;
	while (rnp_identifier_iterator_next(it, &id) == RNP_SUCCESS &&
	    id != NULL) {
		key = NULL;
		if (rnp_locate_key(k->ffi, "fingerprint", id, &key) !=
		    RNP_SUCCESS || key == NULL)
			continue;
		primary = false;
		if (rnp_key_is_primary(key, &primary) == RNP_SUCCESS &&
		    primary && k->primary == NULL) {
			k->primary = key;
			continue;
		}
		alone = alone && !primary;
		rnp_key_handle_destroy(key);
	}
	rnp_identifier_iterator_destroy(it);
	return alone && k->primary != NULL;
}

/* True when the key's numbers are large enough. */
static bool
strong(rnp_key_handle_t key, char *name, size_t room, uint32_t *bits_r)
{
	char *alg = NULL;
	bool good;

	*bits_r = 0;
	if (rnp_key_get_alg(key, &alg) != RNP_SUCCESS)
		return false;
	(void)rnp_key_get_bits(key, bits_r);
	good = strcasecmp(alg, "DSA") != 0 && strcasecmp(alg, "ELGAMAL") != 0 &&
	    (strcasecmp(alg, "RSA") != 0 || *bits_r >= RSA_BITS_MIN);
	if (name != NULL)
		snprintf(name, room, "%s-%u", alg, *bits_r);
	rnp_buffer_destroy(alg);
	return good;
}

static bool
weak_hash(rnp_signature_handle_t sig)
{
	char *hash = NULL;
	bool weak;

	if (rnp_signature_get_hash_alg(sig, &hash) != RNP_SUCCESS)
		return false;
	weak = strcasecmp(hash, "SHA1") == 0 || strcasecmp(hash, "MD5") == 0 ||
	    strcasecmp(hash, "RIPEMD160") == 0;
	rnp_buffer_destroy(hash);
	return weak;
}

/* Why nothing of a certificate is valid: SHA-1 in its own signatures is said,
 * for the owner can mend that. */
static bool
bound_weakly(rnp_key_handle_t key)
{
	rnp_uid_handle_t uid = NULL;
	rnp_signature_handle_t sig = NULL;
	size_t n = 0, i;
	bool weak = false;

	if (rnp_key_get_signature_count(key, &n) == RNP_SUCCESS)
		for (i = 0; i < n && !weak; i++)
			if (rnp_key_get_signature_at(key, i, &sig) ==
			    RNP_SUCCESS) {
				weak = weak_hash(sig);
				rnp_signature_handle_destroy(sig);
			}
	if (weak || rnp_key_get_uid_handle_at(key, 0, &uid) != RNP_SUCCESS)
		return weak;
	n = 0;
	if (rnp_uid_get_signature_count(uid, &n) == RNP_SUCCESS)
		for (i = 0; i < n && !weak; i++)
			if (rnp_uid_get_signature_at(uid, i, &sig) ==
			    RNP_SUCCESS) {
				weak = weak_hash(sig);
				rnp_signature_handle_destroy(sig);
			}
	rnp_uid_handle_destroy(uid);
	return weak;
}

/* Removes the user ids of other addresses; the number of good ones left. */
static size_t
keep_uids(rnp_key_handle_t key, const char *address, bool *named_r)
{
	rnp_uid_handle_t uid = NULL;
	char *text = NULL, found[256];
	size_t n = 0, good = 0;
	bool valid, revoked, ours;

	*named_r = false;
	if (rnp_key_get_uid_count(key, &n) != RNP_SUCCESS || n > UIDS_MAX)
		return 0;
	while (n-- > 0) {
		if (rnp_key_get_uid_handle_at(key, n, &uid) != RNP_SUCCESS)
			continue;
		ours = false;
		if (rnp_key_get_uid_at(key, n, &text) == RNP_SUCCESS) {
			ours = pgp_uid_address(text, found, sizeof found) &&
			    job_address_is(found, address);
			rnp_buffer_destroy(text);
		}
		valid = revoked = false;
		*named_r = *named_r || ours;
		if (ours && rnp_uid_is_valid(uid, &valid) == RNP_SUCCESS &&
		    valid && rnp_uid_is_revoked(uid, &revoked) ==
		    RNP_SUCCESS && !revoked)
			good++;
		else
			(void)rnp_uid_remove(key, uid);
		rnp_uid_handle_destroy(uid);
	}
	return good;
}

static uint64_t
valid_till(rnp_key_handle_t key)
{
	uint64_t till = 0;

	if (rnp_key_valid_till64(key, &till) != RNP_SUCCESS)
		return 0;
	return till;
}

static void
take_encryption(struct pgp_key *k, rnp_key_handle_t key, uint64_t *till,
    bool *weak)
{
	uint64_t until = valid_till(key);
	bool valid = false, can = false;
	uint32_t bits;

	if (rnp_key_is_valid(key, &valid) != RNP_SUCCESS || !valid ||
	    rnp_key_allows_usage(key, "encrypt", &can) != RNP_SUCCESS ||
	    !can || until <= (uint64_t)time(NULL) ||
	    k->encrypt_count == PGP_ENCRYPT_MAX ||
	    !strong(key, NULL, 0, &bits)) {
		*weak = *weak || bound_weakly(key) || (valid && can);
		rnp_key_handle_destroy(key);
		return;
	}
	*till = until > *till ? until : *till;
	k->encrypt[k->encrypt_count++] = key;
}

/* The certificate's encryption keys of today. */
static void
find_encryption(struct pgp_key *k, uint64_t till)
{
	rnp_key_handle_t key;
	uint64_t latest = 0;
	bool weak = false;
	size_t n = 0, i;

	(void)rnp_key_get_subkey_count(k->primary, &n);
	for (i = 0; i < n; i++)
		if (rnp_key_get_subkey_at(k->primary, i, &key) == RNP_SUCCESS)
			take_encryption(k, key, &latest, &weak);
	if (rnp_locate_key(k->ffi, "fingerprint", k->fingerprint, &key) ==
	    RNP_SUCCESS && key != NULL)
		take_encryption(k, key, &latest, &weak);
	if (k->encrypt_count == 0)
		k->why = weak ? "Its encryption key is too weak or bound by "
		    "SHA-1." : "It has no encryption key that is valid today.";
	till = latest < till ? latest : till;
	k->expires = till >= UINT32_MAX ? 0 : till;
}

static const char *
why_invalid(rnp_key_handle_t key, uint32_t bits)
{
	bool is = false;

	if (rnp_key_is_revoked(key, &is) == RNP_SUCCESS && is)
		return "It was revoked by its owner.";
	if (rnp_key_is_expired(key, &is) == RNP_SUCCESS && is)
		return "It has expired.";
	if (bound_weakly(key))
		return "Its own signatures use SHA-1 or MD5, which can be "
		    "forged.";
	return bits == 0 ? "Its algorithm is unknown." :
	    "Its own signatures do not hold.";
}

void
pgp_key_examine(struct pgp_key *k, const char *address)
{
	char *text = NULL;
	uint64_t till;
	uint32_t stamp = 0;
	bool valid = false, named = true, is_strong;

	if (rnp_key_get_fprint(k->primary, &text) == RNP_SUCCESS) {
		snprintf(k->fingerprint, sizeof k->fingerprint, "%s", text);
		rnp_buffer_destroy(text);
	}
	is_strong = strong(k->primary, k->algorithm, sizeof k->algorithm,
	    &k->bits);
	if (rnp_key_get_creation(k->primary, &stamp) == RNP_SUCCESS)
		k->created = stamp;
	if (rnp_key_is_revoked(k->primary, &k->revoked) != RNP_SUCCESS)
		k->revoked = false;
	till = valid_till(k->primary);
	if (!is_strong)
		k->why = "It is too weak: DSA, ElGamal and RSA below 2,048 "
		    "bits are not used.";
	else if (rnp_key_is_valid(k->primary, &valid) != RNP_SUCCESS || !valid)
		k->why = why_invalid(k->primary, k->bits);
	find_encryption(k, till);
	if (k->why != NULL && !valid && is_strong)
		k->why = why_invalid(k->primary, k->bits);
	if (address != NULL && keep_uids(k->primary, address, &named) == 0 &&
	    k->why == NULL)
		k->why = named ? "Its user id for that address is revoked or "
		    "not signed by the key." : "None of its user ids has that "
		    "address.";
	if (address != NULL)
		(void)rnp_key_remove_signatures(k->primary,
		    RNP_KEY_SIGNATURE_NON_SELF_SIG, NULL, NULL);
}

enum ll_result
pgp_key_load(struct tlv_view bytes, const char *address, struct pgp_key *k_r)
{
	rnp_input_t in = NULL;
	char *what = NULL;
	bool public = false;

	memset(k_r, 0, sizeof *k_r);
	k_r->why = "That is no OpenPGP key.";
	k_r->ffi = pgp_context();
	if (k_r->ffi == NULL)
		return LL_NOMEM;
	if (rnp_input_from_memory(&in, bytes.data, bytes.len, false) !=
	    RNP_SUCCESS)
		return LL_PROTO;
	if (rnp_guess_contents(in, &what) == RNP_SUCCESS) {
		public = strcmp(what, "public key") == 0;
		if (strcmp(what, "secret key") == 0)
			k_r->why = "That is a private key: nobody else should "
			    "ever get it.";
		rnp_buffer_destroy(what);
	}
	public = public && rnp_load_keys(k_r->ffi, RNP_KEYSTORE_GPG, in,
	    RNP_LOAD_SAVE_PUBLIC_KEYS) == RNP_SUCCESS;
	rnp_input_destroy(in);
	if (!public)
		return LL_PROTO;
	if (!pgp_find_primary(k_r)) {
		k_r->why = "There must be exactly one key.";
		return LL_PROTO;
	}
	k_r->why = NULL;
	pgp_key_examine(k_r, address);
	return LL_OK;
}

void
pgp_key_finish(struct pgp_key *k)
{
	size_t i;

	for (i = 0; i < k->encrypt_count; i++)
		rnp_key_handle_destroy(k->encrypt[i]);
	if (k->primary != NULL)
		rnp_key_handle_destroy(k->primary);
	if (k->ffi != NULL)
		rnp_ffi_destroy(k->ffi);
	memset(k, 0, sizeof *k);
}

static void
put_split(rnp_key_handle_t key, struct tlv_out *o, size_t *count)
{
	rnp_output_t out = NULL;
	uint8_t *p;
	size_t len;

	if (rnp_output_to_memory(&out, PARSE_KEY_MAX) != RNP_SUCCESS)
		return;
	if (rnp_key_export(key, out, RNP_KEY_EXPORT_PUBLIC |
	    RNP_KEY_EXPORT_SUBKEYS) == RNP_SUCCESS &&
	    rnp_output_memory_get_buf(out, &p, &len, false) == RNP_SUCCESS) {
		tlv_put_bytes(o, PARSE_F_KEY, p, len);
		++*count;
	}
	rnp_output_destroy(out);
}

enum ll_result
pgp_key_split(struct tlv_view bytes, struct tlv_out *o, size_t *count_r)
{
	rnp_identifier_iterator_t it = NULL;
	rnp_key_handle_t key;
	rnp_ffi_t ffi = pgp_context();
	rnp_input_t in = NULL;
	const char *id = NULL;
	char *what = NULL;
	bool primary;

	*count_r = 0;
	if (ffi == NULL)
		return LL_NOMEM;
	if (rnp_input_from_memory(&in, bytes.data, bytes.len, false) ==
	    RNP_SUCCESS && rnp_guess_contents(in, &what) == RNP_SUCCESS &&
	    strcmp(what, "public key") == 0 && rnp_load_keys(ffi,
	    RNP_KEYSTORE_GPG, in, RNP_LOAD_SAVE_PUBLIC_KEYS) == RNP_SUCCESS)
		(void)rnp_identifier_iterator_create(ffi, &it, "fingerprint");
	while (it != NULL && *count_r < PGP_SPLIT_MAX && o->err == LL_OK &&
	    rnp_identifier_iterator_next(it, &id) == RNP_SUCCESS &&
	    id != NULL) {
		key = NULL;
		if (rnp_locate_key(ffi, "fingerprint", id, &key) !=
		    RNP_SUCCESS || key == NULL)
			continue;
		primary = false;
		if (rnp_key_is_primary(key, &primary) == RNP_SUCCESS &&
		    primary)
			put_split(key, o, count_r);
		rnp_key_handle_destroy(key);
	}
	rnp_identifier_iterator_destroy(it);
	rnp_buffer_destroy(what);
	rnp_input_destroy(in);
	rnp_ffi_destroy(ffi);
	return o->err;
}
