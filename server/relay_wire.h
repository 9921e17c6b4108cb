/*
 * relay_wire.h - one connection to a mail server: lines in, bytes out, TLS
 * (OpenSSL), nothing ever waited for.
 *
 * OpenSSL and not libcurl here, because DANE has to be set up on the TLS
 * session before its handshake, the proof of a delivery needs what the
 * handshake found, and many servers are spoken to in one loop.
 */
#ifndef LL_RELAY_WIRE_H
#define LL_RELAY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys/result.h"
#include "store/loop.h"

#define WIRE_LINE_MAX 2048         /* bytes of a reply's line */
#define WIRE_OUT_MAX 294912        /* bytes that may wait to be written */
#define WIRE_WORDS 300
#define WIRE_TLSA_MAX 8
#define WIRE_TLSA_BYTES 1024

/* TLSA data as RFC 6698 has it; only those that may be used. */
struct wire_tlsa {
	uint8_t usage, selector, match;
	size_t len;
	uint8_t data[WIRE_TLSA_BYTES];
};

enum wire_check {
	WIRE_UNCHECKED,            /* any certificate: no proof of anything */
	WIRE_BY_CA,                /* for the name, by a CA, RFC 6125 */
	WIRE_BY_DANE               /* by one of the TLSA rows, RFC 7672 */
};

/* What the other side's certificate must be. */
struct wire_peer {
	enum wire_check check;
	const char *name;          /* DNS name or address */
	const char *domain;        /* with DANE: good too (usage 2); or NULL */
	const struct wire_tlsa *tlsa;
	size_t tlsa_count;
};

struct wire_user {
	void (*opened)(void *arg);             /* connected; or TLS stands */
	void (*line)(void *arg, const char *line);
	void (*room)(void *arg);               /* less than half waits */
	void (*failed)(void *arg, const char *words);
	void *arg;
};

struct wire_proof {
	char version[16];          /* "TLSv1.3", "" without TLS */
	char certificate[65];      /* SHA-256 of it, hex */
	bool proven;               /* the check was made and held */
};

/* What TLS sessions share: ca is a file of CA certificates, "" the system's.
 * LL_USAGE when it cannot be read.  Read once: needs no files later but the
 * system's. */
struct wire_trust;
LL_MUST enum ll_result wire_trust_create(const char *ca,
    struct wire_trust **t_r);
void wire_trust_destroy(struct wire_trust *t);

struct relay_wire;

/* The user's functions may close the wire, never destroy it. */
LL_MUST enum ll_result wire_create(struct loop *loop,
    const struct wire_user *user, struct relay_wire **w_r);
/* Closes, wipes, frees.  NULL is fine. */
void wire_destroy(struct relay_wire *w);

/* Begins to connect; opened or failed follows, later. */
void wire_connect(struct relay_wire *w, const struct sockaddr_storage *to);
/* Begins TLS; opened or failed follows.  Bytes that came before it, in clear,
 * are a failure. */
void wire_start_tls(struct relay_wire *w, struct wire_trust *trust,
    const struct wire_peer *peer);
/* Ends it at once, without a word to the other side or the user. */
void wire_close(struct relay_wire *w);
bool wire_is_open(const struct relay_wire *w);

/* Bytes to be written by the next wire_flush; at most wire_room of them.  They
 * are wiped once they went. */
void wire_put(struct relay_wire *w, const void *p, size_t len);
size_t wire_room(const struct relay_wire *w);
/* Bytes written since it was opened: progress. */
uint64_t wire_written(const struct relay_wire *w);
/* Writes what goes now. */
void wire_flush(struct relay_wire *w);

/* What TLS stands now. */
void wire_proof(const struct relay_wire *w, struct wire_proof *p_r);

#endif
