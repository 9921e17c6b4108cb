/*
 * intake.h - what the parts of letterlock-intake share.
 */
#ifndef LL_INTAKE_H
#define LL_INTAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "keys/secret.h"
#include "keys/tlv.h"
#include "server/child.h"
#include "server/portal_store.h"

struct intake {
	struct child child;
	struct portal_store *store;
	char bounces[321];          /* mail_from, where bounces go to */
	uint64_t most;              /* bytes of a mail that is taken */
	struct secret key;          /* the house's own, of the root */
	uint8_t sign_pk[32];        /* what it signs with */
	struct secret sign_sk;
	pthread_mutex_t submitting; /* one at a time, for all below */
	struct tlv_out house;       /* its mail key as a parser's 'K' */
	bool hold;                  /* marked mail waits for its author */
	bool submits;               /* staff's own mail is looked at */
	const char *secure_to, *secure_from, *secure_rules;
	pthread_mutex_t parsing;    /* one at a time asks for a parser */
	pthread_mutex_t lock;       /* for all below, and child.daemon */
	pthread_cond_t wire_came;
	uint32_t wire_asked;        /* sequence of the request; 0: none */
	int wire, wire2;            /* what came: -1 nothing yet, -2 refused */
	unsigned mails;             /* under way */
	bool closing;               /* no new ones */
};

#endif
