/*
 * test_known.c - known answers: each primitive against its published vectors,
 * and each of our constructions against values that another implementation of
 * the same standards (BLAKE2b, XChaCha20-Poly1305, Poly1305 streams, Argon2,
 * Ed25519) computed from keys/FORMATS.md.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "keys/envelope.h"
#include "keys/kdf.h"
#include "keys/muc.h"
#include "keys/seal.h"
#include "keys/vault.h"

#define HEX_MAX 4096

static void
assert_hex(const void *got, size_t len, const char *want)
{
	uint8_t b[HEX_MAX];

	assert_int_equal(unit_hex(want, b, sizeof b), len);
	assert_memory_equal(got, b, len);
}

/* first, first + 1, ... */
static void
count_up(uint8_t *p, size_t len, uint8_t first)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(first + i);
}

static struct id
id_of(uint8_t byte)
{
	struct id id;

	memset(id.b, byte, sizeof id.b);
	return id;
}

/* RFC 7693 appendix A (BLAKE2b-512 of "abc"), and BLAKE2's own vectors. */
static void
blake2b(void **state)
{
	uint8_t out[64], key[64];

	(void)state;
	crypto_generichash(out, 32, (const uint8_t *)"abc", 3, NULL, 0);
	assert_hex(out, 32, "bddd813c634239723171ef3fee98579b"
	    "94964e3bb1cb3e427262c8c068d52319");
	crypto_generichash(out, 64, (const uint8_t *)"abc", 3, NULL, 0);
	assert_hex(out, 64, "ba80a53f981c4d0d6a2797b69f12f6e9"
	    "4c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc95"
	    "18d38aa8dbf1925ab92386edd4009923");
	count_up(key, sizeof key, 0);
	crypto_generichash(out, 64, NULL, 0, key, sizeof key);
	assert_hex(out, 64, "10ebb67700b1868efb4417987acf4690"
	    "ae9d972fb7a590c2f02871799aaa4786b5e996e8f0f4eb981fc214b005f42d2f"
	    "f4233499391653df7aefcbc13fc51568");
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
static void
xchacha20_poly1305(void **state)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: "
	    "If I could offer you only one tip for the future, sunscreen would "
	    "be it.";
	uint8_t key[32], nonce[24], ad[12], out[sizeof text + 16];
	unsigned long long len;

	(void)state;
	count_up(key, sizeof key, 0x80);
	count_up(nonce, sizeof nonce, 0x40);
	assert_int_equal(unit_hex("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad),
	    sizeof ad);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, &len,
	    (const uint8_t *)text, sizeof text - 1, ad, sizeof ad, NULL, nonce,
	    key);
	assert_hex(out, len, "bd6d179d3e83d43b9576579493c0e939"
	    "572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
	    "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e"
	    "3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
	    "b52ec0875924c1c7987947deafd8780acf49");
}

/* RFC 7748 section 5.2; RFC 8032 section 7.1, tests 1 to 3 */
static void
curve25519(void **state)
{
	static const struct {
		const char *seed, *pk, *text, *sig;
	} rows[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc4"
		  "4449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a"
		  "0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a"
		  "84877f1eb8e5d974d873e06522490155"
		  "5fb8821590a33bacc61e39701cf9b46b"
		  "d25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f"
		  "5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc"
		  "9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540"
		  "a2b27b5416503f8fb3762223ebdb69da"
		  "085ac1e43e15996e458f3613d0f11d8c"
		  "387b2eaeb4302aeeb00d291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b1"
		  "66d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f058"
		  "0816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a3"
		  "0ce548a284743a445e3680d7db5ac3ac"
		  "18ff9b538d16f290ae67f760984dc659"
		  "4a7c15e9716ed28dc027beceea1ec40a" },
	};
	uint8_t seed[32], pk[32], sk[64], sig[64], text[2], u[32];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		unit_hex(rows[i].seed, seed, sizeof seed);
		len = unit_hex(rows[i].text, text, sizeof text);
		crypto_sign_seed_keypair(pk, sk, seed);
		assert_hex(pk, sizeof pk, rows[i].pk);
		crypto_sign_detached(sig, NULL, text, len, sk);
		assert_hex(sig, sizeof sig, rows[i].sig);
	}
	unit_hex("a546e36bf0527c9d3b16154b82465edd"
	    "62144c0ac1fc5a18506a2244ba449ac4", seed, sizeof seed);
	unit_hex("e6db6867583030db3594c1a424b15f7c"
	    "726624ec26b3353b10a903a6d0ab1c4c", u, sizeof u);
	assert_int_equal(crypto_scalarmult(pk, seed, u), 0);
	assert_hex(pk, sizeof pk, "c3da55379de9c6908e94ea4df28d084f"
	    "32eccf03491c71f754b4075577a28552");
}

/* The reference implementation's own vectors (its RFC 9106 ones use a secret,
 * which libsodium does not take), and our parameters through its program. */
static void
argon2id(void **state)
{
	static const char first[crypto_pwhash_STRBYTES] =
	    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
	    "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
	static const char second[crypto_pwhash_STRBYTES] =
	    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
	    "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
	struct kdf_params p = { 8, 3, { 0 } };
	struct secret out;

	(void)state;
	memcpy(p.salt, "0123456789abcdef", sizeof p.salt);
	assert_int_equal(crypto_pwhash_str_verify(first, "password", 8), 0);
	assert_int_equal(crypto_pwhash_str_verify(second, "password", 8), 0);
	assert_int_not_equal(crypto_pwhash_str_verify(second, "Password", 8),
	    0);
	assert_ok(kdf_run("correct horse", 13, &p, &out));
	assert_hex(out.data, out.len, "4b84dd36c8ff6962388661996da44d28"
	    "f5cc65d7909686980aabbb6fd01ed7f3");
	secret_finish(&out);
}

static void
derivation(void **state)
{
	uint8_t key[32], out[32];
	struct tlv_out input;
	struct id id;

	(void)state;
	count_up(key, sizeof key, 0);
	count_up(id.b, sizeof id.b, 0);
	link_locator_hash(&id, out);
	assert_hex(out, 32, "50cf1dccb35a75001a3203721b415c28"
	    "df712733894dcaa6a4ebbe3453313da3");
	tlv_out_init(&input, 100);
	tlv_put_bytes(&input, 1, "abc", 3);
	tlv_put_u64(&input, 2, 258);
	assert_ok(derive(LABEL_PW_KEK, key, sizeof key, &input, out));
	tlv_out_finish(&input);
	assert_hex(out, 32, "ff29556b578f69c24aaceff569ba4662"
	    "4ea0fe1ea2945ffd5ff2e46e32986f8f");
	assert_ok(derive(LABEL_BACKUP_PROOF, key, sizeof key, NULL, out));
	assert_hex(out, 32, "980c1b992982601e19de837f0f6d97cb"
	    "35f7ab7f3885d961620c974098003c93");
}

static void
sealed_bytes_and_wraps(void **state)
{
	struct seal_context ctx = { SEAL_DRAFT, { { 0 } }, { { 0 } }, 5 };
	uint8_t key[32], kek[32], sealed[HEX_MAX], out[32];
	struct secret got;
	size_t len;

	(void)state;
	count_up(key, sizeof key, 0);
	count_up(kek, sizeof kek, 32);
	ctx.owner = id_of(0x11);
	ctx.object = id_of(0x22);
	len = unit_hex("01404142434445464748494a4b4c4d4e4f5051525354555657a75c"
	    "641cb5845961e086e3cd9a4324a693b8a48a3a27b905a499bff3", sealed,
	    sizeof sealed);
	assert_int_equal(SEAL_DRAFT, 7);
	assert_ok(seal_open_secret(key, &ctx, sealed, len, &got));
	assert_int_equal(got.len, 12);
	assert_memory_equal(got.data, "sealed words", 12);
	secret_finish(&got);

	ctx.type = SEAL_SLOT;
	ctx.generation = 1;
	len = unit_hex("6953c07451b39d5c69e4d7872d8cc8f94b373f98ca1f616cdefa1d"
	    "809e13105601404142434445464748494a4b4c4d4e4f50515253545556573a20"
	    "6faa2263fbd87f77e533e86eec2ae944d5f0c20214542c98db349222d70d4ad8"
	    "159b37b4d7435c11b0f760b18243", sealed, sizeof sealed);
	assert_int_equal(len, SEAL_WRAP_BYTES);
	assert_ok(seal_unwrap_key(kek, &ctx, sealed, len, &got));
	assert_memory_equal(got.data, key, sizeof key);
	secret_finish(&got);

	assert_ok(seal_commitment(key, &ctx.object, out));
	assert_hex(out, 32, "bcf1d0f28cfdefc54bd0e3ffd418731a"
	    "3d69d2ca7d5d272ef4b593b6f3ff4c80");
}

static void
streams(void **state)
{
	struct id message = id_of(0x11), object = id_of(0x22);
	uint8_t key[32], sealed[HEX_MAX], hash[32];
	uint8_t *plain;
	size_t len, got;

	(void)state;
	count_up(key, sizeof key, 0);
	len = unit_hex("606162636465666768696a6b6c6d6e6f7071727374757677"
	    "9eeece0c2a2f3522fcbac9e25f7bc918d54600010eaea680d6571fae79c5a693"
	    "d14dab", sealed, sizeof sealed);
	assert_ok(seal_object_open_buffer(key, &message, &object,
	    OBJECT_ATTACHMENT, sealed, len, &plain, &got, hash));
	assert_string_equal((char *)plain, "a short attachment");
	assert_hex(hash, 32, "7691c32b8ab28e8baba5040727f0430e"
	    "acebd444edf2653d84996ae8de46378e");
	free(plain);
}

/* Two chunks: the second one's nonce depends on the first one's tag.  Sealing
 * has a random header, so the state is made by hand from a fixed one. */
static void
stream_of_two_chunks(void **state)
{
	struct id message = id_of(0x11), object = id_of(0x22);
	uint8_t key[32], header[SEAL_STREAM_HEADER], hash[32];
	struct seal_stream s;
	uint8_t *chunk, *out;
	size_t i, len;

	(void)state;
	count_up(key, sizeof key, 0);
	count_up(header, sizeof header, 0x60);
	chunk = malloc(SEAL_CHUNK);
	out = malloc(SEAL_CHUNK_OUT);
	assert_true(chunk != NULL && out != NULL);
	for (i = 0; i < SEAL_CHUNK; i++)
		chunk[i] = (uint8_t)(i * 7);
	/* init_pull takes the header; pushing from there is symmetric */
	assert_ok(seal_stream_pull_init(&s, key, &message, &object,
	    OBJECT_ATTACHMENT, header));
	assert_ok(seal_stream_push(&s, chunk, SEAL_CHUNK, 0, out, &len));
	assert_ok(seal_stream_push(&s, (const uint8_t *)"tail", 4, 1, out,
	    &len));
	assert_int_equal(s.sealed_bytes, 65598);
	seal_stream_finish(&s, hash);
	assert_hex(hash, 32, "79548df846355a6525081983cddb80af"
	    "9a2b1692cca39d32ce8784f931aeb80e");
	free(chunk);
	free(out);
}

static void
links(void **state)
{
	char first[SITE_WORD_MAX], second[SITE_WORD_MAX];
	uint8_t pepper[32], out[32];
	struct id secret;
	struct secret x, key;

	(void)state;
	assert_ok(secret_init(&x, 32));
	count_up(x.data, x.len, 0);
	count_up(pepper, sizeof pepper, 32);
	count_up(secret.b, sizeof secret.b, 0xa0);
	assert_ok(link_proof(&secret, &x, out));
	assert_hex(out, 32, "49d80265d2d9217fc931562755738d1a"
	    "cd1440cf44a53e431ab259c7faaeeaad");
	assert_ok(link_key(pepper, &secret, &x, &key));
	assert_hex(key.data, key.len, "dd3cc55a872002b5cf56deb28fcb820a"
	    "7cc43da55b9603e754c51450c246713f");
	secret_finish(&key);
	secret_finish(&x);
	/* the hash begins 20 85: words 32 and 133 of the table */
	site_words(&secret, first, second);
	assert_string_equal(first, "cactus");
	assert_string_equal(second, "mango");
	memset(out, 0, sizeof out);
	memcpy(out, "0123456789abcdef", 16);
	assert_ok(link_stretch("ABCDEFGHJKMN", out, 1, 1, &x));
	assert_hex(x.data, x.len, "172064cf650c9b8884fcf7c5e3cc1217"
	    "b268622c7099745766d80a53e012ecbb");
	secret_finish(&x);
}

static void
slots_and_tickets(void **state)
{
	uint8_t out[32];
	struct secret a;

	(void)state;
	assert_ok(secret_init(&a, 32));
	count_up(a.data, a.len, 0);
	assert_ok(slot_proof(SLOT_PASSPHRASE, &a, out));
	assert_hex(out, 32, "b6ff4355e82223e65cf976886e740b79"
	    "c4805b028351233318a79475856c4688");
	assert_ok(slot_proof(SLOT_RECOVERY, &a, out));
	assert_hex(out, 32, "02a11491c2afa2fdfb630e6d2efc1847"
	    "a861960656f5646b902701495d2e76e0");
	secret_finish(&a);
}

static void
fill(struct envelope *e)
{
	struct envelope_object body;
	char type[] = "text/plain";

	envelope_init(e);
	e->message = e->thread = id_of(0x33);
	e->author = id_of(0x44);
	e->author_generation = 1;
	e->date = 1700000000;
	assert_ok(envelope_set(&e->from, "ada@house.example"));
	assert_ok(envelope_set(&e->from_name, "Ada"));
	assert_ok(envelope_set(&e->subject, "Plan"));
	assert_ok(envelope_add(&e->to, &e->to_count, "bob@house.example"));
	assert_ok(envelope_add(&e->readers, &e->reader_count, "u:BOB"));
	memset(&body, 0, sizeof body);
	body.id = id_of(0x66);
	body.kind = OBJECT_BODY;
	body.plain_bytes = 100;
	body.sealed_bytes = 141;
	memset(body.hash, 0x55, sizeof body.hash);
	body.type = type;
	assert_ok(envelope_add_object(e, &body));
}

static void
manifests_and_signatures(void **state)
{
	uint8_t key[32], commitment[32], manifest[32], pk[32];
	struct envelope e;

	(void)state;
	count_up(key, sizeof key, 0);
	fill(&e);
	assert_ok(seal_commitment(key, &e.message, commitment));
	assert_ok(envelope_manifest(&e, commitment, manifest));
	assert_hex(manifest, 32, "5d41e6f6a395f9d8f6e2673b0c08cfb8"
	    "b1e39aa21eec3c431020404075e03cb3");
	unit_hex("03a107bff3ce10be1d70dd18e74bc099"
	    "67e4d6309ba50d5f1ddc8664125531b8", pk, sizeof pk);
	unit_hex("f91ca7d428441421ea377f80582cbc10"
	    "1fc3f58e0ff1321de366961b0bf04b63d3f1e94730b6a4867d70ee7684ef45c1"
	    "c7e209d5f4a9ddd500714be5af4bc507", e.signature,
	    sizeof e.signature);
	e.is_signed = true;
	assert_ok(envelope_verify(&e, commitment, pk));
	e.date++;
	assert_result(envelope_verify(&e, commitment, pk), LL_AUTH);
	envelope_finish(&e);
}

/* A label that changed, or two that are the same, would be a catastrophe. */
static void
labels_are_sixteen_bytes_and_unlike(void **state)
{
	int a, b;

	(void)state;
	for (a = 0; a < LABEL_COUNT; a++) {
		assert_true(strlen(derive_label_text(a)) <= 16);
		assert_memory_equal(derive_label_text(a), "ll1.", 4);
		assert_true(strlen(derive_label_text(a)) > 4);
		for (b = 0; b < a; b++)
			assert_memory_not_equal(derive_label_text(a),
			    derive_label_text(b), 16);
	}
}

static void
derivation_refuses_what_it_can_t_do(void **state)
{
	uint8_t key[65] = { 0 }, out[32], again[32];
	struct tlv_out broken;

	(void)state;
	assert_result(derive(LABEL_COUNT, NULL, 0, NULL, out), LL_USAGE);
	assert_result(derive(LABEL_SELF, key, 15, NULL, out), LL_USAGE);
	assert_result(derive(LABEL_SELF, key, 65, NULL, out), LL_USAGE);
	assert_ok(derive(LABEL_SELF, key, 16, NULL, out));
	assert_ok(derive(LABEL_SELF, key, 64, NULL, again));
	assert_memory_not_equal(out, again, 32);
	tlv_out_init(&broken, 1);
	tlv_put_u64(&broken, 1, 1);
	assert_result(derive(LABEL_SELF, key, 32, &broken, out), LL_TOOBIG);
	tlv_out_finish(&broken);
	assert_int_equal(derive_equal("abcd", "abcd", 4), 1);
	assert_int_equal(derive_equal("abcd", "abce", 4), 0);
	assert_int_equal(derive_equal("abcd", "abce", 0), 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(blake2b),
		cmocka_unit_test(xchacha20_poly1305),
		cmocka_unit_test(curve25519),
		cmocka_unit_test(argon2id),
		cmocka_unit_test(derivation),
		cmocka_unit_test(sealed_bytes_and_wraps),
		cmocka_unit_test(streams),
		cmocka_unit_test(stream_of_two_chunks),
		cmocka_unit_test(links),
		cmocka_unit_test(slots_and_tickets),
		cmocka_unit_test(manifests_and_signatures),
		cmocka_unit_test(labels_are_sixteen_bytes_and_unlike),
		cmocka_unit_test(derivation_refuses_what_it_can_t_do),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
