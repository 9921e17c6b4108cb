/*
 * By which way each recipient is reached, and what the sender is told of it.
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
static struct kit_user ada, bob;
static struct chan *local;

static int
set_up(void **state)
{
	(void)state;
	kit.undo_secs = 3600;
	kit.search = "tls";
	kit.tls_domains = "safe.example  other.example=mx.other.example";
	kit_begin(&kit);
	kit_queue_keys(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "bob", ROLE_STAFF, &bob);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
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
	kit_end(&kit);
	return 0;
}

#define F(c) "1111222233334444555566667777888899990" c

static void
openpgp(const char *address, const char *fingerprint, enum key_source source)
{
	kit_add_key(ada.worker, &(struct kit_key){ address, fingerprint,
	    PARSE_OPENPGP, source, 0, 0 });
}

static void
certify(struct kit_user *u, const char *fingerprint, uint64_t until)
{
	struct msg *m = kit_request(OP_MAILKEY_PUT);

	msg_put_u64(m, F_FORMAT, PARSE_SMIME);
	msg_put_bytes(m, F_SEALED_KEY, "sealed", 6);
	msg_put_bytes(m, F_PUBLIC, "request", 7);
	msg_put_bytes(m, F_CERTIFICATE, "certificate", 11);
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	msg_put_u64(m, F_GENERATION, 1);
	msg_put_u64(m, F_KEY_EXPIRES, until);
	msg_put_u64(m, F_FLAGS, 1);
	assert_int_equal(kit_ask(u->session, m, NULL), LL_OK);
}

/* --- plans --- */

/* One line of a plan, for comparison and with its sentences. */
struct line {
	enum ll_result r;
	enum route route;
	unsigned others, keys;
	char reason[400], trust[400], words[1025];
};

static void
plan(struct kit_user *u, const char *address, enum route wish,
    enum msg_class class, struct line *l_r)
{
	const struct kit_to to[] = { { address, wish }, { NULL, 0 } };
	struct tlv_view v, key;
	struct tlv_field f;
	struct msg *m;
	uint64_t n;
	size_t at = 0;

	memset(l_r, 0, sizeof(*l_r));
	l_r->r = kit_plan(u, to, class, &m);
	v = msg_view(m);
	if (l_r->r != LL_OK || !view_nest(msg_view(m), F_RECIPIENT, &at, &v)) {
		(void)snprintf(l_r->words, sizeof(l_r->words), "%s",
		    view_text(msg_view(m), F_WORDS));
		msg_destroy(m);
		return;
	}
	l_r->route = (enum route)view_u64(v, F_ROUTE);
	(void)snprintf(l_r->reason, sizeof(l_r->reason), "%s",
	    view_text(v, F_REASON));
	(void)snprintf(l_r->trust, sizeof(l_r->trust), "%s",
	    view_text(v, F_TRUST));
	(void)snprintf(l_r->words, sizeof(l_r->words), "%s",
	    view_text(v, F_WORDS));
	for (at = 0; view_nest(v, F_PEER_KEY, &at, &key);)
		l_r->keys++;
	for (at = 0; view_each(v, F_OTHER, &at, &f);)
		if (tlv_u64(&f, &n) == LL_OK)
			l_r->others |= 1u << n;
	msg_destroy(m);
}

static enum route
route_to(const char *address, enum msg_class class)
{
	struct line l;

	plan(&ada, address, 0, class, &l);
	assert_int_equal(l.r, LL_OK);
	return l.route;
}

/* Which key of which origin does for which class. */
static void
origins_and_classes(void **state)
{
	static const struct {
		const char *address, *fingerprint;
		enum key_source source;
		enum route normal, confidential;
	} cases[] = {
		{ "hand@a.example", F("A01"), KEY_HAND, ROUTE_OPENPGP,
		    ROUTE_OPENPGP },
		{ "wkd@a.example", F("A02"), KEY_WKD, ROUTE_OPENPGP,
		    ROUTE_PORTAL_MUC },
		{ "dane@a.example", F("A03"), KEY_DANE, ROUTE_OPENPGP,
		    ROUTE_PORTAL_MUC },
		{ "signed@a.example", F("A04"), KEY_SIGNED_MAIL,
		    ROUTE_PORTAL_MUC, ROUTE_PORTAL_MUC },
		{ "server@a.example", F("A05"), KEY_SERVER, ROUTE_PORTAL_MUC,
		    ROUTE_PORTAL_MUC },
		{ "crypt@a.example", F("A06"), KEY_AUTOCRYPT,
		    ROUTE_PORTAL_MUC, ROUTE_PORTAL_MUC },
	};
	struct line l;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		openpgp(cases[i].address, cases[i].fingerprint,
		    cases[i].source);
		assert_int_equal(route_to(cases[i].address, CLASS_NORMAL),
		    cases[i].normal);
		assert_int_equal(route_to(cases[i].address,
		    CLASS_CONFIDENTIAL), cases[i].confidential);
		assert_int_equal(route_to(cases[i].address, CLASS_REGISTERED),
		    ROUTE_PORTAL_MUC);
		/* confirmed, each will do */
		kit_confirm_key(&ada, cases[i].fingerprint);
		assert_int_equal(route_to(cases[i].address,
		    CLASS_CONFIDENTIAL), ROUTE_OPENPGP);
	}
	/* it is ada's key, not bob's */
	plan(&bob, "hand@a.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	/* and the sentence tells all of it */
	plan(&ada, "wkd@a.example", 0, CLASS_NORMAL, &l);
	assert_non_null(strstr(l.trust, F("A02")));
	assert_non_null(strstr(l.trust, "published by their mail domain"));
	assert_non_null(strstr(l.trust, "confirmed by you on 2"));
	plan(&ada, "wkd@a.example", 0, CLASS_REGISTERED, &l);
	assert_non_null(strstr(l.reason, "does not prove that it was opened"));
}

static void
unknown_classes_and_routes(void **state)
{
	struct line l;

	(void)state;
	plan(&ada, "x@a.example", 0, (enum msg_class)4, &l);
	assert_int_equal(l.r, LL_USAGE);
	plan(&ada, "x@a.example", (enum route)2000, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	plan(&ada, "x@a.example", ROUTE_PORTAL_ENROLLED, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	plan(&ada, "x@a.example", ROUTE_NONE, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
}

/* Found, pinned, changed, confirmed; the warning names the command. */
static void
a_changed_key_waits(void **state)
{
	struct line l;

	(void)state;
	openpgp("carol@b.example", F("B01"), KEY_WKD);
	assert_int_equal(route_to("carol@b.example", CLASS_NORMAL),
	    ROUTE_OPENPGP);
	openpgp("carol@b.example", F("B02"), KEY_WKD);
	plan(&ada, "carol@b.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.words, "carol@b.example changed on 2"));
	assert_non_null(strstr(l.words, "key confirm " F("B02")));
	assert_non_null(strstr(l.reason, "nobody has confirmed it"));
	/* nor can it be wished for */
	plan(&ada, "carol@b.example", ROUTE_OPENPGP, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	assert_non_null(strstr(l.words, "carol@b.example cannot be reached by "
	    "OpenPGP"));
	kit_confirm_key(&ada, F("B02"));
	plan(&ada, "carol@b.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
	assert_int_equal(l.keys, 1);
	assert_string_equal(l.words, "");
	/* anybody can put a key into a mail's head: no reason to stop */
	openpgp("carol@b.example", F("B03"), KEY_AUTOCRYPT);
	plan(&ada, "carol@b.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
	assert_int_equal(l.keys, 1);
	assert_non_null(strstr(l.words, F("B03")));
}

static void
an_ended_key(void **state)
{
	const uint64_t now = (uint64_t)time(NULL);
	struct line l;

	(void)state;
	kit_add_key(ada.worker, &(struct kit_key){ "old@c.example", F("C01"),
	    PARSE_OPENPGP, KEY_HAND, now - 10, 0 });
	plan(&ada, "old@c.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.reason, "the key ended on 2"));
	/* what comes after it is no change */
	kit_add_key(ada.worker, &(struct kit_key){ "old@c.example", F("C02"),
	    PARSE_OPENPGP, KEY_WKD, now + 86400, 0 });
	plan(&ada, "old@c.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
	assert_int_equal(l.keys, 1);
	assert_non_null(strstr(l.trust, "good until 2"));
}

/* A certificate needs one of the sender's, and someone who vouches for it. */
static void
smime_wants_two_certificates(void **state)
{
	struct line l;

	(void)state;
	kit_add_key(ada.worker, &(struct kit_key){ "dora@d.example", F("D01"),
	    PARSE_SMIME, KEY_SIGNED_MAIL, 0, PEERKEY_TRUSTED });
	plan(&ada, "dora@d.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.reason, "no certificate of your own"));
	/* one that has ended is none */
	certify(&ada, "ada0", (uint64_t)time(NULL) - 10);
	assert_int_equal(route_to("dora@d.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	certify(&ada, "ada1", 0);
	plan(&ada, "dora@d.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_SMIME);
	assert_non_null(strstr(l.trust, "an authority we trust"));
	/* the authority does not vouch any more */
	kit_add_key(ada.worker, &(struct kit_key){ "dora@d.example", F("D01"),
	    PARSE_SMIME, KEY_SIGNED_MAIL, 0, 0 });
	assert_int_equal(route_to("dora@d.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	/* found at a domain, vouched for by nobody */
	kit_add_key(ada.worker, &(struct kit_key){ "dave@d.example", F("D02"),
	    PARSE_SMIME, KEY_WKD, 0, 0 });
	plan(&ada, "dave@d.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.reason, "no authority that we trust"));
	kit_confirm_key(&ada, F("D02"));
	assert_int_equal(route_to("dave@d.example", CLASS_CONFIDENTIAL),
	    ROUTE_SMIME);
	/* S/MIME comes first, OpenPGP is offered */
	openpgp("dave@d.example", F("D03"), KEY_HAND);
	plan(&ada, "dave@d.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_SMIME);
	assert_true(l.others & (1u << ROUTE_OPENPGP));
	assert_true(l.others & (1u << ROUTE_PORTAL_MUC));
	plan(&ada, "dave@d.example", ROUTE_OPENPGP, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
}

static void
domains_and_tls(void **state)
{
	struct line l;

	(void)state;
	kit_add_key(local, &(struct kit_key){ "partner.example", F("E01"), PARSE_OPENPGP,
	    0, 0, 0 });
	plan(&ada, "anyone@Partner.Example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_DOMAIN);
	assert_int_equal(l.keys, 1);
	assert_non_null(strstr(l.trust, "given by the administration"));
	/* a person's own key comes before it */
	openpgp("eve@partner.example", F("E02"), KEY_HAND);
	assert_int_equal(route_to("eve@partner.example", CLASS_NORMAL),
	    ROUTE_OPENPGP);
	/* down is no choice, up is one */
	plan(&ada, "eve@partner.example", ROUTE_DOMAIN, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	assert_non_null(strstr(l.words, "safer"));
	plan(&ada, "eve@partner.example", ROUTE_PORTAL_MUC, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	/* servers that the house names */
	assert_int_equal(route_to("x@safe.example", CLASS_NORMAL), ROUTE_TLS);
	assert_int_equal(route_to("x@OTHER.example", CLASS_NORMAL),
	    ROUTE_TLS);
	assert_int_equal(route_to("x@mx.other.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	assert_int_equal(route_to("x@unsafe.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	plan(&ada, "x@safe.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.reason, "not by enforced TLS"));
	plan(&ada, "x@safe.example", ROUTE_TLS, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	assert_non_null(strstr(l.words, "not enough for a confidential"));
	plan(&ada, "x@unsafe.example", ROUTE_TLS, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	/* colleagues stay in the house */
	plan(&ada, "bob@example.test", ROUTE_PORTAL_MUC, CLASS_NORMAL, &l);
	assert_int_equal(l.r, LL_DENIED);
	plan(&ada, "bob@example.test", ROUTE_INTERNAL, CLASS_REGISTERED, &l);
	assert_int_equal(l.route, ROUTE_INTERNAL);
}

/* The same key from two sides is one, and the better word for it counts. */
static void
known_twice(void **state)
{
	struct line l;

	(void)state;
	openpgp("gus@g.example", F("AC1"), KEY_AUTOCRYPT);
	assert_int_equal(route_to("gus@g.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	kit_add_key(local, &(struct kit_key){ "gus@g.example", F("ac1"),
	    PARSE_OPENPGP, 0, 0, 0 });
	plan(&ada, "gus@g.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
	assert_int_equal(l.keys, 1);
	assert_non_null(strstr(l.trust, "given by the administration"));
	/* found once more by less: neither its origin nor its end suffers */
	openpgp("hal@g.example", F("AC2"), KEY_HAND);
	kit_add_key(ada.worker, &(struct kit_key){ "hal@g.example", F("AC2"),
	    PARSE_OPENPGP, KEY_WKD, (uint64_t)time(NULL) + 86400, 0 });
	plan(&ada, "hal@g.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_OPENPGP);
	assert_non_null(strstr(l.trust, "given by you"));
	assert_non_null(strstr(l.trust, "good until 2"));
}

static void
a_domains_certificate(void **state)
{
	struct line l;

	(void)state;
	kit_add_key(local, &(struct kit_key){ "@gate.example", F("AD1"),
	    PARSE_SMIME, 0, 0, 0 });
	plan(&bob, "x@gate.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_PORTAL_MUC);
	assert_non_null(strstr(l.reason, "not by domain encryption: you have "
	    "no certificate"));
	certify(&bob, "bob1", 0);
	plan(&bob, "x@gate.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.route, ROUTE_DOMAIN);
	assert_int_equal(l.keys, 1);
	/* of both formats one is taken */
	kit_add_key(local, &(struct kit_key){ "@gate.example", F("AD2"),
	    PARSE_OPENPGP, 0, 0, 0 });
	plan(&bob, "x@gate.example", 0, CLASS_CONFIDENTIAL, &l);
	assert_int_equal(l.keys, 1);
	assert_non_null(strstr(l.trust, "certificate " F("AD1")));
}

/* What the relay found out of a domain. */
static void
found_tls(const char *address, const char *domain, const char *data)
{
	struct chan *relay = kit_channel(&kit, PEER_RELAY);
	struct msg *m = kit_request(OP_FINDINGS);

	msg_put_text(m, F_ADDRESS, address);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_ask(relay, kit_request(OP_FIND_LEASE), NULL),
	    LL_OK);
	m = kit_request(OP_FIND_RESULT);
	msg_put_u64(m, F_LOOKUP, LOOKUP_TLS);
	msg_put_text(m, F_ADDRESS, domain);
	msg_put_u64(m, F_STATE, FIND_FOUND);
	msg_put_bytes(m, F_DATA, data, strlen(data));
	msg_put_u64(m, F_DELAY_SECS, 600);
	assert_int_equal(kit_ask(relay, m, NULL), LL_OK);
	chan_destroy(relay);
}

static void
domains_that_publish(void **state)
{
	struct line l;

	(void)state;
	assert_int_equal(route_to("x@sts.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
	found_tls("x@sts.example", "sts.example", "sts");
	plan(&ada, "x@sts.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_TLS);
	assert_non_null(strstr(l.trust, "MTA-STS"));
	assert_true(l.others & (1u << ROUTE_PORTAL_MUC));
	found_tls("x@dane.example", "dane.example", "dane\nmx");
	plan(&ada, "x@dane.example", 0, CLASS_NORMAL, &l);
	assert_int_equal(l.route, ROUTE_TLS);
	assert_non_null(strstr(l.trust, "DANE"));
	found_tls("x@none.example", "none.example", "none");
	assert_int_equal(route_to("x@none.example", CLASS_NORMAL),
	    ROUTE_PORTAL_MUC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins_and_classes),
		cmocka_unit_test(unknown_classes_and_routes),
		cmocka_unit_test(a_changed_key_waits),
		cmocka_unit_test(an_ended_key),
		cmocka_unit_test(smime_wants_two_certificates),
		cmocka_unit_test(domains_and_tls),
		cmocka_unit_test(known_twice),
		cmocka_unit_test(a_domains_certificate),
		cmocka_unit_test(domains_that_publish),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
