/*
 * route.h - the one place that says in which order the ways to a recipient are
 * tried, what a message's class asks of a way, what may be chosen instead of
 * the first one, and what a key's origin is worth.
 */
#ifndef LL_ROUTE_H
#define LL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/kind.h"

#define AMOUNT_MAX 120

struct route_rule {
	enum route route;
	unsigned strength;       /* of protection and proof: a sender may choose
	                            what is as strong as the first, or more */
	unsigned classes;        /* bits 1 << enum msg_class that it does for */
	const char *name;        /* as a person calls it */
};

/* Best first, as they are tried. */
extern const struct route_rule route_rules[];
extern const size_t route_rule_count;

/* NULL for ROUTE_NONE and what is none. */
const struct route_rule *route_rule(enum route route);
/* True when the message leaves as a finished mail on that route. */
bool route_is_mail(enum route route);
/* What a key must be worth, 0..AMOUNT_MAX, for a message of that class where
 * the configuration says nothing else. */
unsigned route_floor(enum msg_class class);
/* What a key is worth by where it came from, by whether the user has confirmed
 * it, and by whether its certificate leads to an authority of ours. */
unsigned route_amount(enum key_source source, bool confirmed, bool trusted);
/* "given by you": where such a key came from, before a date. */
const char *route_origin(enum key_source source);

#endif
