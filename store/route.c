#include "store/route.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define N (1u << CLASS_NORMAL)
#define C (1u << CLASS_CONFIDENTIAL)
#define R (1u << CLASS_REGISTERED)

/* Registered asks for a proof that it was opened, which no mail gives;
 * confidential for content that is sealed on the whole way. */
const struct route_rule route_rules[] = {
	{ ROUTE_INTERNAL, 6, N | C | R, "the mailbox here" },
	{ ROUTE_PORTAL_ENROLLED, 5, N | C | R, "the portal" },
	{ ROUTE_SMIME, 3, N | C, "S/MIME" },
	{ ROUTE_OPENPGP, 3, N | C, "OpenPGP" },
	{ ROUTE_DOMAIN, 2, N | C, "domain encryption" },
	{ ROUTE_TLS, 1, N, "enforced TLS" },
	{ ROUTE_PORTAL_MUC, 4, N | C | R, "a link to the portal" },
};

const size_t route_rule_count = COUNT(route_rules);

static const unsigned floors[] = {
	[CLASS_NORMAL] = 60,
	[CLASS_CONFIDENTIAL] = 100,
	[CLASS_REGISTERED] = AMOUNT_MAX + 1,
};

#define CONFIRMED_AMOUNT 120
#define TRUSTED_AMOUNT 100

static const struct {
	unsigned amount;
	const char *words;
} origins[] = {
	[KEY_HAND] = { 120, "given by you" },
	[KEY_HOUSE] = { 110, "given by the administration" },
	[KEY_PORTAL] = { 100, "brought by this person, who had opened a "
	    "message of yours with its code," },
	[KEY_SIGNED_MAIL] = { 50, "came with a mail signed with it" },
	[KEY_WKD] = { 70, "published by their mail domain, found" },
	[KEY_DANE] = { 70, "published in their domain's signed DNS, found" },
	[KEY_SERVER] = { 20, "found on a keyserver, which checks nobody," },
	[KEY_AUTOCRYPT] = { 20, "came in the head of a mail, unchecked," },
};

const struct route_rule *
route_rule(enum route route)
{
	size_t i;

	for (i = 0; i < COUNT(route_rules); i++)
		if (route_rules[i].route == route)
			return &route_rules[i];
	return NULL;
}

bool
route_is_mail(enum route route)
{
	return route == ROUTE_SMIME || route == ROUTE_OPENPGP ||
	    route == ROUTE_DOMAIN || route == ROUTE_TLS;
}

unsigned
route_floor(enum msg_class class)
{
	return (unsigned)class < COUNT(floors) ? floors[class] : AMOUNT_MAX +
	    1;
}

unsigned
route_amount(enum key_source source, bool confirmed, bool trusted)
{
	unsigned amount = 0;

	if ((unsigned)source < COUNT(origins))
		amount = origins[source].amount;
	if (trusted && amount < TRUSTED_AMOUNT)
		amount = TRUSTED_AMOUNT;
	/* the house's own word stays what it is worth */
	if (confirmed && source != KEY_HOUSE && amount < CONFIRMED_AMOUNT)
		amount = CONFIRMED_AMOUNT;
	return amount;
}

const char *
route_origin(enum key_source source)
{
	if ((unsigned)source >= COUNT(origins) ||
	    origins[source].words == NULL)
		return "of unknown origin";
	return origins[source].words;
}
