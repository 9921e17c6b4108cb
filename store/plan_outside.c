/*
 * Someone outside: which of the ways there can be used now, which is the first
 * of them in the table's order, and how to say why to a person who knows
 * nothing of keys.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "keys/parse.h"
#include "store/peerkey.h"
#include "store/plan.h"
#include "store/route.h"

#define KEYS_MAX 64              /* of one address and its domain */

/* A row of peer_keys, as far as a plan wants it. */
struct candidate {
	uint64_t format;
	char fingerprint[129];
	uint64_t expires, confirmed, added;
	enum key_source source;
	bool trusted, changed, domain, house;
	bool cbc;                /* cannot read AES-GCM */
	unsigned amount;
};

struct outside {
	struct store *s;
	struct request *q;
	struct plan *p;
	struct plan_line *l;
	const struct plan_hints *hints;
	unsigned floor;          /* that keys must reach */
	size_t count;
	struct candidate keys[KEYS_MAX];
	uint64_t domain_format;  /* what the domain route takes */
	char obstacle[ROUTE_NONE][120]; /* by route: why it came close and is
	                            none; "" for all others */
};

static void
day_text(uint64_t when, char text[16])
{
	time_t t = (time_t)when;
	struct tm tm;

	text[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, 16, "%Y-%m-%d", &tm);
}

/* Appends, as far as there is room. */
static void __attribute__((format(printf, 3, 4)))
say(char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

/* --- the keys --- */

static void
read_candidate(sqlite3_stmt *st, struct candidate *c)
{
	memset(c, 0, sizeof(*c));
	c->format = db_u64(st, 0);
	(void)snprintf(c->fingerprint, sizeof(c->fingerprint), "%s",
	    db_text(st, 1));
	c->expires = db_u64(st, 2);
	c->source = (enum key_source)db_u64(st, 3);
	c->trusted = db_u64(st, 4) != 0;
	c->changed = db_u64(st, 5) != 0;
	c->confirmed = db_u64(st, 6);
	c->added = db_u64(st, 7);
	c->domain = db_text(st, 8)[0] == '@';
	c->house = db_u64(st, 9) != 0;
	c->cbc = strstr(db_text(st, 10), "AES-256-CBC") != NULL;
	c->amount = route_amount(c->source, c->confirmed != 0, c->trusted);
}

/* The same key from two owners is one: what vouches better for it counts. */
static void
keep_better(struct outside *o, const struct candidate *c)
{
	struct candidate *k;
	size_t i;

	for (i = 0; i < o->count; i++) {
		k = &o->keys[i];
		if (strcasecmp(k->fingerprint, c->fingerprint) != 0 ||
		    k->domain != c->domain || k->format != c->format)
			continue;
		if (c->amount > k->amount || (k->changed && !c->changed))
			*k = *c;
		return;
	}
	o->keys[o->count++] = *c;
}

static enum ll_result
load_keys(struct outside *o)
{
	const char *domain = strchr(o->l->address, '@');
	struct candidate c;
	sqlite3_stmt *st;
	enum ll_result r;

	r = db_query(o->s->db, &st, "SELECT format, fingerprint, expires,"
	    " source, trusted, changed, confirmed, added, address, owner ="
	    " zeroblob(16), algorithm FROM peer_keys WHERE address IN"
	    " (lower(?1), ?2) AND owner IN (?3, zeroblob(16)) ORDER BY added,"
	    " rowid LIMIT ?4", "ttdu", o->l->address, domain,
	    &o->q->peer->user, KEYS_MAX);
	if (r != LL_OK)
		return r;
	while ((r = db_next(o->s->db, st)) == LL_OK) {
		read_candidate(st, &c);
		keep_better(o, &c);
	}
	return r == LL_EOF ? LL_OK : r;
}

static bool
is_over(const struct outside *o, const struct candidate *c)
{
	return c->expires != 0 && c->expires <= o->q->now;
}

static bool
is_good(const struct outside *o, const struct candidate *c)
{
	if (c->changed || is_over(o, c) || c->amount < o->floor)
		return false;
	/* a certificate says by itself nothing about whose it is */
	return c->format != PARSE_SMIME || c->trusted || c->confirmed != 0 ||
	    c->source == KEY_HAND || c->source == KEY_HOUSE ||
	    c->source == KEY_PORTAL;
}

static bool
is_of(const struct candidate *c, uint64_t format, bool domain)
{
	return c->format == format && c->domain == domain;
}

/* A changed key shakes those before it, unless it comes from where anybody
 * could have put it: else a forged mail would take a safe way away. */
static bool
shakes(const struct candidate *c)
{
	return c->changed && c->amount >= route_floor(CLASS_NORMAL);
}

/* Whether the author could open and sign S/MIME. */
static enum ll_result
ask_certificate(struct outside *o)
{
	uint64_t found;
	enum ll_result r;

	if (o->p->certificate >= 0)
		return LL_OK;
	r = db_number(o->s->db, 0, &found, "SELECT EXISTS (SELECT 1 FROM"
	    " mail_keys k JOIN users u ON u.user = k.user AND u.generation ="
	    " k.generation WHERE k.user = ?1 AND format = ?2 AND certificate"
	    " IS NOT NULL AND (certificate_until = 0 OR certificate_until >"
	    " ?3))", "dii", &o->q->peer->user, (uint64_t)PARSE_SMIME,
	    o->q->now);
	/* what a mail program handed in is signed by the house */
	o->p->certificate = found != 0 && o->q->peer->role != PEER_SUBMIT;
	return r;
}

static const char *
format_name(uint64_t format)
{
	return format == PARSE_SMIME ? "S/MIME" : "OpenPGP";
}

/* Why keys of that kind are of no use. */
static void
explain(struct outside *o, const struct candidate *c)
{
	const size_t size = sizeof(o->obstacle[0]);
	char *text, day[16];

	text = o->obstacle[c->domain ? ROUTE_DOMAIN :
	    c->format == PARSE_SMIME ? ROUTE_SMIME : ROUTE_OPENPGP];
	text[0] = '\0';
	if (c->changed) {
		day_text(c->added, day);
		say(text, size, "the key changed on %s and nobody has "
		    "confirmed it", day);
	} else if (is_over(o, c)) {
		day_text(c->expires, day);
		say(text, size, "the key ended on %s", day);
	} else if (o->p->class == CLASS_REGISTERED) {
		say(text, size, "a mail does not prove that it was opened");
	} else if (c->format == PARSE_SMIME && !c->trusted &&
	    c->amount >= o->floor) {
		say(text, size, "no authority that we trust vouches for the "
		    "certificate");
	} else {
		say(text, size, "nobody has confirmed the key yet");
	}
}

static void
warn_of_change(struct outside *o, const struct candidate *c, bool blocks)
{
	char day[16];

	day_text(c->added, day);
	if (o->l->words[0] != '\0')
		say(o->l->words, sizeof(o->l->words), " ");
	say(o->l->words, sizeof(o->l->words), blocks ?
	    "The %s key of %s changed on %s: ask them whether the new one is "
	    "theirs, then confirm it (key confirm %s) or remove it (key remove "
	    "%.16s)." : "Another %s key of %s turned up on %s, from where "
	    "anybody could have put it; it is not used (key confirm %s, or key "
	    "remove %.16s).", format_name(c->format), c->domain ?
	    strchr(o->l->address, '@') + 1 : o->l->address, day,
	    c->fingerprint, c->fingerprint);
}

/* Whether a format's keys, of the address or of its domain, can be used. */
static bool
keys_do(struct outside *o, uint64_t format, bool domain)
{
	const struct candidate *c, *bad = NULL;
	bool good = false, shaken = false;
	size_t i;

	for (i = 0; i < o->count; i++) {
		c = &o->keys[i];
		if (!is_of(c, format, domain))
			continue;
		good = good || is_good(o, c);
		shaken = shaken || shakes(c);
		if (!is_good(o, c) && (bad == NULL || shakes(c)))
			bad = c;
	}
	for (i = 0; i < o->count; i++)
		if (is_of(&o->keys[i], format, domain) && o->keys[i].changed)
			warn_of_change(o, &o->keys[i], shakes(&o->keys[i]) ||
			    !good);
	if (bad != NULL && (!good || shaken))
		explain(o, bad);
	return good && !shaken;
}

static void
use(struct outside *o, enum route route)
{
	o->l->usable |= 1u << route;
}

static void
lacks_certificate(struct outside *o, enum route route)
{
	(void)snprintf(o->obstacle[route], sizeof(o->obstacle[route]),
	    "you have no certificate of your own, ask the administration for "
	    "one");
}

static enum ll_result
weigh_keys(struct outside *o)
{
	bool smime, domain_smime, certified;
	enum ll_result r;

	r = load_keys(o);
	if (r != LL_OK || o->count == 0)
		return r;
	smime = keys_do(o, PARSE_SMIME, false);
	domain_smime = keys_do(o, PARSE_SMIME, true);
	if (smime || domain_smime)
		r = ask_certificate(o);
	if (r != LL_OK)
		return r;
	certified = o->p->certificate == 1;
	if (smime && !certified)
		lacks_certificate(o, ROUTE_SMIME);
	if (domain_smime && !certified)
		lacks_certificate(o, ROUTE_DOMAIN);
	if (smime && certified)
		use(o, ROUTE_SMIME);
	if (keys_do(o, PARSE_OPENPGP, false))
		use(o, ROUTE_OPENPGP);
	o->domain_format = domain_smime && certified ? PARSE_SMIME :
	    PARSE_OPENPGP;
	if ((domain_smime && certified) || keys_do(o, PARSE_OPENPGP, true))
		use(o, ROUTE_DOMAIN);
	return LL_OK;
}

/* --- choosing --- */

static enum route
first_usable(const struct outside *o)
{
	size_t i;

	for (i = 0; i < route_rule_count; i++)
		if (o->l->usable & (1u << route_rules[i].route))
			return route_rules[i].route;
	return ROUTE_NONE;
}

/* Takes away what the class does not allow. */
static void
hold_to_class(struct outside *o)
{
	size_t i;

	for (i = 0; i < route_rule_count; i++)
		if (!(route_rules[i].classes & (1u << o->p->class)))
			o->l->usable &= ~(1u << route_rules[i].route);
	if (o->hints->tls[0] != '\0' && !(o->l->usable & (1u << ROUTE_TLS)))
		say(o->obstacle[ROUTE_TLS], sizeof(o->obstacle[ROUTE_TLS]),
		    "a %s message is sealed on the whole way",
		    class_name(o->p->class));
}

static enum ll_result
refuse(struct outside *o, enum route wish, const char *why)
{
	const struct route_rule *rule = route_rule(wish);

	(void)snprintf(o->s->words, sizeof(o->s->words), "%s cannot be reached "
	    "by %s: %s.", o->l->address, rule != NULL ? rule->name : "that",
	    why);
	o->q->words = o->s->words;
	return LL_DENIED;
}

static enum ll_result
choose(struct outside *o, enum route wish)
{
	const struct route_rule *first, *wanted = route_rule(wish);
	char why[260] = "";

	o->l->route = first_usable(o);
	if (wish == 0 || wish == ROUTE_NONE || wish == o->l->route)
		return LL_OK;
	first = route_rule(o->l->route);
	if (wanted == NULL || !(o->l->usable & (1u << wish))) {
		if (wanted != NULL && !(wanted->classes &
		    (1u << o->p->class)))
			say(why, sizeof(why), "that is not enough for a %s "
			    "message", class_name(o->p->class));
		else if (wish == ROUTE_TLS)
			say(why, sizeof(why), "their domain does not prove its "
			    "mail server");
		else if (wanted != NULL && o->obstacle[wish][0] != '\0')
			say(why, sizeof(why), "%s", o->obstacle[wish]);
		else
			say(why, sizeof(why), "there is no key or mailbox for "
			    "it");
		return refuse(o, wish, why);
	}
	if (first != NULL && wanted->strength < first->strength) {
		say(why, sizeof(why), "%s is there and is safer",
		    first->name);
		return refuse(o, wish, why);
	}
	o->l->route = wish;
	return LL_OK;
}

/* --- saying it --- */

/* A code that opened an earlier link of this pair opens the next ones too. */
static enum ll_result
look_for_pair(struct outside *o)
{
	char day[16];
	uint64_t last;
	enum ll_result r;

	r = db_number(o->s->db, 0, &last, "SELECT p.last FROM pairs p JOIN"
	    " users u ON u.user = p.user AND u.generation = p.generation WHERE"
	    " p.user = ?1 AND p.address = lower(?2)", "dt", &o->q->peer->user,
	    o->l->address);
	if (r != LL_OK || last == 0)
		return r;
	day_text(last, day);
	say(o->l->known, sizeof(o->l->known), "gets a link by e-mail; the "
	    "code that worked on %s opens it too", day);
	return LL_OK;
}

static void
trust_of(struct outside *o, const struct candidate *c, size_t others)
{
	char *text = o->l->trust, day[16];
	const size_t size = sizeof(o->l->trust);

	day_text(c->added, day);
	say(text, size, "%s %s, %s on %s", c->format == PARSE_SMIME ?
	    "certificate" : "key", c->fingerprint, route_origin(c->source),
	    day);
	if (c->trusted)
		say(text, size, ", vouched for by an authority we trust");
	if (c->cbc)
		say(text, size, ", reads AES-256-CBC only");
	if (c->confirmed != 0 && c->source != KEY_HAND && !c->house) {
		day_text(c->confirmed, day);
		say(text, size, ", confirmed by you on %s", day);
	}
	if (c->expires != 0) {
		day_text(c->expires, day);
		say(text, size, ", good until %s", day);
	}
	if (others > 0)
		say(text, size, "; and %u more", (unsigned)others);
}

static enum ll_result
take_key(struct outside *o, const struct candidate *c)
{
	struct plan_key *grown, *k;

	grown = realloc(o->p->keys, (o->p->key_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return LL_NOMEM;
	o->p->keys = grown;
	k = &grown[o->p->key_count++];
	memset(k, 0, sizeof(*k));
	k->format = c->format;
	memcpy(k->fingerprint, c->fingerprint, sizeof(k->fingerprint));
	k->expires = c->expires;
	k->domain = c->domain;
	o->l->key_count++;
	return LL_OK;
}

/* Every good key of the route: each opens the mail. */
static enum ll_result
take_keys(struct outside *o)
{
	const bool domain = o->l->route == ROUTE_DOMAIN;
	const struct candidate *best = NULL;
	uint64_t format = PARSE_OPENPGP;
	enum ll_result r = LL_OK;
	size_t i;

	if (o->l->route == ROUTE_SMIME)
		format = PARSE_SMIME;
	else if (domain)
		format = o->domain_format;
	o->l->first_key = o->p->key_count;
	for (i = 0; r == LL_OK && i < o->count; i++) {
		if (!is_of(&o->keys[i], format, domain) ||
		    !is_good(o, &o->keys[i]))
			continue;
		if (best == NULL || o->keys[i].amount > best->amount)
			best = &o->keys[i];
		r = take_key(o, &o->keys[i]);
	}
	if (r == LL_OK && best != NULL)
		trust_of(o, best, o->l->key_count - 1);
	return r;
}

static const char *
trust_of_tls(const char *tls)
{
	if (strcmp(tls, "policy") == 0)
		return "the administration asks for it: that server shows a "
		    "certificate in its name, or nothing is sent";
	if (strcmp(tls, "dane") == 0)
		return "their domain's signed DNS names the server's "
		    "certificate (DANE)";
	return "their domain says which servers take its mail and that each "
	    "has a certificate (MTA-STS)";
}

/* Why not by the first way that would have come before the chosen one. */
static void
add_obstacle(struct outside *o)
{
	const struct route_rule *rule = route_rules;
	struct plan_line *l = o->l;

	if (l->route != first_usable(o))
		return;
	while (rule->route != l->route && o->obstacle[rule->route][0] == '\0')
		rule++;
	if (rule->route == l->route)
		return;
	say(l->reason, sizeof(l->reason), " (not by %s: %s)", rule->name,
	    o->obstacle[rule->route]);
	if (l->known[0] != '\0')
		say(l->known, sizeof(l->known), " (not by %s: %s)", rule->name,
		    o->obstacle[rule->route]);
}

static enum ll_result
say_why(struct outside *o)
{
	struct plan_line *l = o->l;
	const char *domain = strchr(l->address, '@') + 1;
	enum ll_result r = LL_OK;

	switch (l->route) {
	case ROUTE_SMIME:
	case ROUTE_OPENPGP:
		say(l->reason, sizeof(l->reason), "an %s key is known: it "
		    "opens in this person's own mail program", l->route ==
		    ROUTE_SMIME ? "S/MIME" : "OpenPGP");
		r = take_keys(o);
		break;
	case ROUTE_DOMAIN:
		say(l->reason, sizeof(l->reason), "sealed to the house %s, "
		    "whose mail gateway opens it for this person", domain);
		r = take_keys(o);
		break;
	case ROUTE_TLS:
		say(l->reason, sizeof(l->reason), "the way to %s's mail server "
		    "is encrypted and the server proves its name; it arrives "
		    "as ordinary mail", domain);
		say(l->trust, sizeof(l->trust), "%s",
		    trust_of_tls(o->hints->tls));
		break;
	default:
		say(l->reason, sizeof(l->reason), "%sgets a link by e-mail and "
		    "needs the unlock code from you", o->hints->keys ||
		    o->hints->tls[0] != '\0' ? "" : "not known here: ");
		r = look_for_pair(o);
		break;
	}
	add_obstacle(o);
	return r;
}

enum ll_result
plan_outside(struct store *s, struct request *q, struct plan *p,
    struct plan_line *l, const struct plan_hints *h, enum route wish)
{
	struct outside o = { .s = s, .q = q, .p = p, .l = l, .hints = h };
	enum ll_result r = LL_OK;

	o.floor = s->floors[p->class];
	use(&o, ROUTE_PORTAL_MUC);
	if (h->tls[0] != '\0')
		use(&o, ROUTE_TLS);
	if (h->keys)
		r = weigh_keys(&o);
	if (r != LL_OK)
		return r;
	hold_to_class(&o);
	r = choose(&o, wish);
	return r == LL_OK ? say_why(&o) : r;
}
