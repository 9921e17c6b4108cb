/*
 * Mail keys of staff, keys of people outside, authorities: who has them, which
 * of them count, and what becomes of them when another one comes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keys/parse.h"
#include "keys/secret.h"
#include "tests/unit/storekit.h"

static struct kit kit;
static struct kit_user ada, bob, root;
static struct chan *local;

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_user(&kit, "root", ROLE_ADMIN, &root);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	kit_login(&kit, &root);
	local = kit_channel(&kit, PEER_LOCAL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	chan_destroy(local);
	kit_logout(&ada);
	kit_logout(&bob);
	kit_logout(&root);
	kit_end(&kit);
	return 0;
}

/* --- one's own --- */

static uint64_t generation = 1;

static struct msg *
mail_key(enum parse_format format, const char *fingerprint, bool certificate)
{
	struct msg *m = kit_request(OP_MAILKEY_PUT);

	msg_put_u64(m, F_FORMAT, format);
	msg_put_bytes(m, F_SEALED_KEY, "sealed", 6);
	msg_put_bytes(m, F_PUBLIC, fingerprint, strlen(fingerprint));
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	msg_put_text(m, F_ALGORITHM, "Ed25519");
	msg_put_u64(m, F_CREATED, 1000);
	msg_put_u64(m, F_GENERATION, generation);
	if (certificate)
		msg_put_bytes(m, F_CERTIFICATE, "certificate", 11);
	return m;
}

/* Fingerprint and certificate of row n of a list. */
static unsigned
mail_key_row(struct chan *c, const char *user, unsigned n, char text[129],
    bool *certified_r)
{
	struct msg *m = kit_request(OP_MAILKEY_LIST), *reply;
	struct tlv_view row;
	unsigned count = 0;
	size_t at = 0;

	if (user != NULL)
		msg_put_text(m, F_USER, user);
	assert_int_equal(kit_ask(c, m, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		if (count++ != n)
			continue;
		(void)snprintf(text, 129, "%s", view_text(row,
		    F_FINGERPRINT));
		*certified_r = view_has(row, F_CERTIFICATE);
		assert_true(view_has(row, F_SEALED_KEY));
	}
	msg_destroy(reply);
	return count;
}

static void
one_pair_of_each_format(void **state)
{
	char text[129];
	struct msg *m;
	bool certified;

	(void)state;
	assert_int_equal(kit_ask(ada.session, mail_key(PARSE_OPENPGP, "aa01",
	    false), NULL), LL_OK);
	assert_int_equal(kit_ask(ada.session, mail_key(PARSE_SMIME, "aa02",
	    false), NULL), LL_OK);
	assert_int_equal(kit_ask(ada.session, mail_key(PARSE_SMIME, "aa03",
	    false), NULL), LL_CONFLICT);
	assert_int_equal(mail_key_row(ada.worker, NULL, 0, text, &certified),
	    2);
	assert_string_equal(text, "aa02");
	assert_false(certified);
	/* an imported one stands beside it, and comes first */
	m = mail_key(PARSE_SMIME, "aa04", true);
	msg_put_u64(m, F_FLAGS, 1);
	assert_int_equal(kit_ask(ada.session, m, NULL), LL_OK);
	assert_int_equal(mail_key_row(ada.worker, NULL, 0, text, &certified),
	    3);
	assert_string_equal(text, "aa04");
	assert_true(certified);
	/* nobody sees another's */
	assert_int_equal(mail_key_row(bob.worker, NULL, 0, text, &certified),
	    0);
	/* a worker makes none: its session does */
	assert_int_equal(kit_ask(ada.worker, mail_key(PARSE_OPENPGP, "aa05",
	    false), NULL), LL_DENIED);
}

static void
a_vault_that_is_not_there(void **state)
{
	struct msg *m = kit_request(OP_MAILKEY_PUT);

	(void)state;
	msg_put_u64(m, F_FORMAT, PARSE_OPENPGP);
	msg_put_bytes(m, F_SEALED_KEY, "sealed", 6);
	msg_put_bytes(m, F_PUBLIC, "x", 1);
	msg_put_text(m, F_FINGERPRINT, "bb01");
	msg_put_u64(m, F_GENERATION, 2);
	assert_int_equal(kit_ask(bob.session, m, NULL), LL_USAGE);
}

static void
the_command_certifies(void **state)
{
	struct msg *m = mail_key(PARSE_SMIME, "bb02", false);
	char text[129];
	bool certified;

	(void)state;
	msg_put_text(m, F_USER, "bob");
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	m = kit_request(OP_MAILKEY_CERT);
	msg_put_text(m, F_USER, "bob");
	msg_put_text(m, F_FINGERPRINT, "bb02");
	msg_put_bytes(m, F_CERTIFICATE, "issued", 6);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	assert_int_equal(mail_key_row(local, "bob", 0, text, &certified), 1);
	assert_string_equal(text, "bb02");
	assert_true(certified);
	/* revoked: it ends, and stays to open what was sealed to it */
	m = kit_request(OP_MAILKEY_CERT);
	msg_put_text(m, F_USER, "bob");
	msg_put_text(m, F_FINGERPRINT, "bb02");
	msg_put_u64(m, F_KEY_EXPIRES, 77);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	assert_int_equal(mail_key_row(local, "bob", 0, text, &certified), 1);
	assert_true(certified);
	m = kit_request(OP_MAILKEY_CERT);
	msg_put_text(m, F_USER, "bob");
	msg_put_text(m, F_FINGERPRINT, "bb99");
	msg_put_bytes(m, F_CERTIFICATE, "issued", 6);
	assert_int_equal(kit_ask(local, m, NULL), LL_NOTFOUND);
	m = kit_request(OP_MAILKEY_LIST);
	msg_put_text(m, F_USER, "nobody");
	assert_int_equal(kit_ask(local, m, NULL), LL_NOTFOUND);
}

/* The keys stay with the vault that opens them; a new vault gets new ones. */
static void
keys_outlive_a_reset(void **state)
{
	struct kit_user eve;
	char text[129];
	bool certified;

	(void)state;
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	kit_login(&kit, &eve);
	assert_int_equal(kit_ask(eve.session, mail_key(PARSE_OPENPGP, "ee01",
	    false), NULL), LL_OK);
	kit_logout(&eve);
	kit_reset(local, &eve, 1);
	kit_login(&kit, &eve);
	assert_int_equal(mail_key_row(eve.worker, NULL, 0, text, &certified),
	    1);
	assert_string_equal(text, "ee01");
	assert_int_equal(kit_ask(eve.session, mail_key(PARSE_OPENPGP, "ee02",
	    false), NULL), LL_CONFLICT);
	kit_logout(&eve);
	kit_reset(local, &eve, 2);
	kit_login(&kit, &eve);
	generation = 2;
	assert_int_equal(kit_ask(eve.session, mail_key(PARSE_OPENPGP, "ee03",
	    false), NULL), LL_OK);
	generation = 1;
	assert_int_equal(mail_key_row(eve.worker, NULL, 0, text, &certified),
	    2);
	assert_string_equal(text, "ee03");
	assert_int_equal(mail_key_row(eve.worker, NULL, 1, text, &certified),
	    2);
	assert_string_equal(text, "ee01");
	kit_logout(&eve);
}

/* --- other people's --- */

static void
put_key(struct msg *m, const char *fingerprint, enum key_source source)
{
	msg_put_u64(m, F_FORMAT, PARSE_OPENPGP);
	msg_put_bytes(m, F_PUBLIC, fingerprint, strlen(fingerprint));
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	msg_put_text(m, F_ALGORITHM, "Ed25519");
	msg_put_u64(m, F_KEY_SOURCE, source);
}

static enum ll_result
add(struct chan *c, const char *address, const char *fingerprint,
    enum key_source source, uint64_t *flags_r)
{
	struct msg *m = kit_request(OP_PEERKEY_ADD), *reply;
	enum ll_result r;

	msg_put_text(m, F_ADDRESS, address);
	put_key(m, fingerprint, source);
	r = kit_ask(c, m, &reply);
	if (flags_r != NULL)
		*flags_r = view_u64(msg_view(reply), F_FLAGS);
	msg_destroy(reply);
	return r;
}

static enum ll_result
name(struct chan *c, enum op op, const char *beginning, unsigned *rows_r)
{
	struct msg *m = kit_request(op), *reply;
	struct tlv_view row;
	enum ll_result r;
	size_t at = 0;

	msg_put_text(m, F_FINGERPRINT, beginning);
	r = kit_ask(c, m, &reply);
	*rows_r = 0;
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		(*rows_r)++;
	msg_destroy(reply);
	return r;
}

/* The keys of an address as one asker sees them, "FPR:flags FPR:flags". */
static const char *
keys_of(struct chan *c, const char *address)
{
	struct msg *m = kit_request(OP_PEERKEY_LIST), *reply;
	static char text[2000];
	struct tlv_view row;
	size_t at = 0, len = 0;

	text[0] = '\0';
	msg_put_text(m, F_ADDRESS, address);
	assert_int_equal(kit_ask(c, m, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%s:%u%s", len > 0 ? " " : "", view_text(row,
		    F_FINGERPRINT), (unsigned)view_u64(row, F_FLAGS),
		    view_u64(row, F_CONFIRMED) ? "!" : "");
	msg_destroy(reply);
	return text;
}

#define F(c) "1111222233334444555566667777888899990" c

static void
first_is_pinned_second_is_a_change(void **state)
{
	uint64_t flags;
	unsigned rows;

	(void)state;
	assert_int_equal(add(ada.worker, "Carol@Out.Example", F("AA1"),
	    KEY_WKD, &flags), LL_OK);
	assert_int_equal(flags, 0);
	/* again: the same */
	assert_int_equal(add(ada.worker, "carol@out.example", F("AA1"),
	    KEY_WKD, &flags), LL_OK);
	assert_int_equal(flags, 0);
	assert_int_equal(add(ada.worker, "carol@out.example", F("AA2"),
	    KEY_WKD, &flags), LL_OK);
	assert_int_equal(flags, PEERKEY_CHANGED);
	/* both begin alike; too few digits; no digits */
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM, "11112222",
	    &rows), LL_CONFLICT);
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM, "1111222",
	    &rows), LL_USAGE);
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM, "1111222%",
	    &rows), LL_USAGE);
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM, "99999999",
	    &rows), LL_NOTFOUND);
	/* confirmed, grouped and in small letters: the old one retires */
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM,
	    "1111 2222 3333 4444 5555 6666 7777 8888 9999 0aa2", &rows),
	    LL_OK);
	assert_int_equal(rows, 1);
	assert_string_equal(keys_of(ada.worker, "carol@out.example"),
	    F("AA2") ":0!");
	/* nobody else's */
	assert_string_equal(keys_of(bob.worker, "carol@out.example"), "");
	assert_int_equal(name(bob.worker, OP_PEERKEY_REMOVE, F("AA2"), &rows),
	    LL_NOTFOUND);
	assert_int_equal(name(ada.worker, OP_PEERKEY_REMOVE, F("AA2"), &rows),
	    LL_OK);
	assert_string_equal(keys_of(ada.worker, "carol@out.example"), "");
}

static void
found_together_is_no_change(void **state)
{
	struct msg *m = kit_request(OP_PEERKEY_ADD);
	int i;

	(void)state;
	msg_put_text(m, F_ADDRESS, "dora@out.example");
	for (i = 0; i < 2; i++) {
		msg_begin(m, F_ROW);
		put_key(m, i == 0 ? F("BB1") : F("BB2"), KEY_WKD);
		msg_end(m);
	}
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_non_null(strstr(keys_of(ada.worker, "dora@out.example"),
	    F("BB1") ":0"));
	assert_non_null(strstr(keys_of(ada.worker, "dora@out.example"),
	    F("BB2") ":0"));
}

static void
a_hand_stands_beside(void **state)
{
	uint64_t flags;

	(void)state;
	assert_int_equal(add(ada.worker, "emil@out.example", F("CC1"),
	    KEY_WKD, NULL), LL_OK);
	assert_int_equal(add(ada.worker, "emil@out.example", F("CC2"),
	    KEY_HAND, &flags), LL_OK);
	assert_int_equal(flags, 0);
	assert_non_null(strstr(keys_of(ada.worker, "emil@out.example"),
	    F("CC1") ":0"));
	assert_non_null(strstr(keys_of(ada.worker, "emil@out.example"),
	    F("CC2") ":0!"));
	/* a change that the hand then gives is none any more */
	assert_int_equal(add(ada.worker, "emil@out.example", F("CC3"),
	    KEY_DANE, &flags), LL_OK);
	assert_int_equal(flags, PEERKEY_CHANGED);
	assert_int_equal(add(ada.worker, "emil@out.example", F("CC3"),
	    KEY_HAND, &flags), LL_OK);
	assert_int_equal(flags, 0);
}

static void
the_house_gives_to_all(void **state)
{
	uint64_t flags;
	unsigned rows;

	(void)state;
	assert_int_equal(add(local, "partner.example", F("DD1"), 0, &flags),
	    LL_OK);
	assert_int_equal(flags, PEERKEY_HOUSE);
	assert_int_equal(add(root.worker, "@Partner.Example", F("DD2"), 0,
	    &flags), LL_OK);
	assert_non_null(strstr(keys_of(bob.worker, "@partner.example"),
	    F("DD1") ":4!"));
	assert_non_null(strstr(keys_of(bob.worker, "@partner.example"),
	    F("DD2") ":4!"));
	assert_int_equal(name(bob.worker, OP_PEERKEY_REMOVE, F("DD1"), &rows),
	    LL_NOTFOUND);
	/* a user's worker cannot speak for the house, the portal or a whole
	 * domain's directory */
	assert_int_equal(add(bob.worker, "x@out.example", F("DD3"), KEY_HOUSE,
	    NULL), LL_USAGE);
	assert_int_equal(add(bob.worker, "x@out.example", F("DD3"), KEY_PORTAL,
	    NULL), LL_USAGE);
	assert_int_equal(add(bob.worker, "@out.example", F("DD3"), KEY_WKD,
	    NULL), LL_USAGE);
	/* what the house knows counts as standing before */
	assert_int_equal(add(local, "fay@out.example", F("DD4"), 0, NULL),
	    LL_OK);
	assert_int_equal(add(bob.worker, "fay@out.example", F("DD5"), KEY_WKD,
	    &flags), LL_OK);
	assert_int_equal(flags, PEERKEY_CHANGED);
	assert_int_equal(name(local, OP_PEERKEY_REMOVE, F("DD1"), &rows),
	    LL_OK);
}

static void
bad_ones_are_refused(void **state)
{
	struct msg *m;

	(void)state;
	assert_int_equal(add(ada.worker, "no address", F("EE1"), KEY_HAND,
	    NULL), LL_USAGE);
	assert_int_equal(add(ada.worker, "a@b@c", F("EE1"), KEY_HAND, NULL),
	    LL_USAGE);
	assert_int_equal(add(ada.worker, "", F("EE1"), KEY_HAND, NULL),
	    LL_USAGE);
	assert_int_equal(add(ada.worker, "x@out.example", "", KEY_HAND, NULL),
	    LL_USAGE);
	assert_int_equal(add(ada.worker, "x@out.example", F("EE1"), 0, NULL),
	    LL_USAGE);
	m = kit_request(OP_PEERKEY_ADD);
	msg_put_text(m, F_ADDRESS, "x@out.example");
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_USAGE);
	m = kit_request(OP_PEERKEY_ADD);
	msg_put_text(m, F_ADDRESS, "x@out.example");
	msg_put_u64(m, F_FORMAT, PARSE_PLAIN);
	msg_put_text(m, F_FINGERPRINT, F("EE1"));
	msg_put_bytes(m, F_PUBLIC, "k", 1);
	msg_put_u64(m, F_KEY_SOURCE, KEY_HAND);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_USAGE);
}

static void
an_address_holds_so_many(void **state)
{
	char text[64];
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		(void)snprintf(text, sizeof(text), F("F%02d"), i);
		assert_int_equal(add(ada.worker, "many@out.example", text,
		    KEY_AUTOCRYPT, NULL), LL_OK);
	}
	assert_int_equal(add(ada.worker, "many@out.example", F("F99"),
	    KEY_AUTOCRYPT, NULL), LL_FULL);
}

static void
a_key_is_got_whole(void **state)
{
	struct msg *m = kit_request(OP_PEERKEY_GET), *reply;
	const uint8_t *p;
	size_t len;

	(void)state;
	assert_int_equal(add(ada.worker, "gus@out.example", F("AB1"), KEY_WKD,
	    NULL), LL_OK);
	msg_put_text(m, F_FINGERPRINT, F("AB1"));
	msg_put_text(m, F_ADDRESS, "Gus@out.example");
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	p = view_bytes(msg_view(reply), F_PUBLIC, &len);
	assert_int_equal(len, strlen(F("AB1")));
	assert_memory_equal(p, F("AB1"), len);
	assert_int_equal(view_u64(msg_view(reply), F_KEY_SOURCE), KEY_WKD);
	msg_destroy(reply);
	m = kit_request(OP_PEERKEY_GET);
	msg_put_text(m, F_FINGERPRINT, F("AB1"));
	assert_int_equal(kit_ask(bob.worker, m, NULL), LL_NOTFOUND);
}

/* --- authorities --- */

static struct msg *
authorities(const char *fingerprint)
{
	struct msg *m = kit_request(OP_CA_LIST), *reply;

	if (fingerprint != NULL)
		msg_put_text(m, F_FINGERPRINT, fingerprint);
	assert_int_equal(kit_ask(ada.worker, m, &reply), LL_OK);
	return reply;
}

static void
lists_of_the_revoked_that_do_not_fit(void **state)
{
	static uint8_t crl[1000000];
	static const char *const names[] = { "c1", "c2", "c3" };
	struct tlv_view row;
	struct msg *m, *reply;
	unsigned with = 0, elsewhere = 0, rows = 0;
	size_t i, at = 0, len;

	(void)state;
	for (i = 0; i < 3; i++) {
		m = kit_request(OP_CA_TRUST);
		msg_put_bytes(m, F_CERTIFICATE, "certificate", 11);
		msg_put_text(m, F_FINGERPRINT, names[i]);
		msg_put_text(m, F_NAME, names[i]);
		msg_put_u64(m, F_FLAGS, i == 2 ? CA_OWN : 0);
		assert_int_equal(kit_ask(local, m, NULL), LL_OK);
		m = kit_request(OP_CA_CRL);
		msg_put_text(m, F_FINGERPRINT, names[i]);
		msg_put_bytes(m, F_CRL, crl, sizeof(crl));
		assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	}
	reply = authorities(NULL);
	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		if (rows++ == 0)
			assert_true(view_u64(row, F_FLAGS) & CA_OWN);
		with += view_has(row, F_CRL);
		elsewhere += (view_u64(row, F_FLAGS) & CA_CRL_ELSEWHERE) != 0;
	}
	msg_destroy(reply);
	assert_int_equal(rows, 3);
	assert_int_equal(with, 1);
	assert_int_equal(elsewhere, 2);
	reply = authorities("c2");
	at = 0;
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	(void)view_bytes(row, F_CRL, &len);
	assert_int_equal(len, sizeof(crl));
	assert_int_equal(view_u64(row, F_FLAGS), 0);
	msg_destroy(reply);
	m = kit_request(OP_CA_REMOVE);
	msg_put_text(m, F_FINGERPRINT, "c1");
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	m = kit_request(OP_CA_REMOVE);
	msg_put_text(m, F_FINGERPRINT, "c1");
	assert_int_equal(kit_ask(local, m, NULL), LL_NOTFOUND);
	m = kit_request(OP_CA_CRL);
	msg_put_text(m, F_FINGERPRINT, "c1");
	msg_put_bytes(m, F_CRL, crl, 10);
	assert_int_equal(kit_ask(local, m, NULL), LL_NOTFOUND);
}

/* --- everything leaves its leaf --- */

static unsigned
leaves(const char *event)
{
	struct msg *m = kit_request(OP_LOG_LIST), *reply;
	struct tlv_view row;
	unsigned n = 0;
	size_t at = 0;

	assert_int_equal(kit_ask(local, m, &reply), LL_OK);
	while (view_nest(msg_view(reply), F_ROW, &at, &row))
		n += strcmp(view_text(row, F_NAME), event) == 0;
	msg_destroy(reply);
	return n;
}

static void
every_change_is_in_the_log(void **state)
{
	unsigned keys = leaves("peer-key"), gone = leaves("peer-key-gone");
	unsigned rows;

	(void)state;
	assert_int_equal(add(ada.worker, "log@out.example", F("AC1"), KEY_WKD,
	    NULL), LL_OK);
	assert_int_equal(leaves("peer-key"), keys + 1);
	assert_int_equal(add(ada.worker, "log@out.example", F("AC1"), KEY_WKD,
	    NULL), LL_OK);
	assert_int_equal(leaves("peer-key"), keys + 1);
	assert_int_equal(add(ada.worker, "log@out.example", F("AC2"), KEY_WKD,
	    NULL), LL_OK);
	assert_int_equal(name(ada.worker, OP_PEERKEY_CONFIRM, F("AC2"),
	    &rows), LL_OK);
	assert_int_equal(leaves("peer-key"), keys + 3);
	assert_int_equal(leaves("peer-key-gone"), gone + 1);
	assert_int_equal(name(ada.worker, OP_PEERKEY_REMOVE, F("AC2"), &rows),
	    LL_OK);
	assert_int_equal(leaves("peer-key-gone"), gone + 2);
	assert_true(leaves("mail-key") > 0);
	assert_true(leaves("ca") > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_pair_of_each_format),
		cmocka_unit_test(a_vault_that_is_not_there),
		cmocka_unit_test(the_command_certifies),
		cmocka_unit_test(keys_outlive_a_reset),
		cmocka_unit_test(first_is_pinned_second_is_a_change),
		cmocka_unit_test(found_together_is_no_change),
		cmocka_unit_test(a_hand_stands_beside),
		cmocka_unit_test(the_house_gives_to_all),
		cmocka_unit_test(bad_ones_are_refused),
		cmocka_unit_test(an_address_holds_so_many),
		cmocka_unit_test(a_key_is_got_whole),
		cmocka_unit_test(lists_of_the_revoked_that_do_not_fit),
		cmocka_unit_test(every_change_is_in_the_log),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
