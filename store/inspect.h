/*
 * inspect.h - what a foreign public key or certificate is good for: the asking
 * side of letterlock-parse's INSPECT (keys/parse.h).
 *
 * For whoever has a wire to a letterlock-parse: a worker by its agent
 * (store/keyring.h), a program that starts one itself.
 */
#ifndef LL_INSPECT_H
#define LL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/parse.h"
#include "keys/result.h"
#include "keys/tlv.h"

#define INSPECT_WORDS 400

/* One key; texts are foreign and not cleaned. */
struct inspected {
	enum ll_result result;       /* LL_OK: good for the address */
	char words[INSPECT_WORDS];   /* why not */
	enum parse_format format;
	char fingerprint[129];       /* hex, upper case or lower */
	char algorithm[200];
	char holder[321];            /* first address in it, "" for none */
	uint64_t bits, created;
	uint64_t expires;            /* 0: never */
	bool trusted;                /* certificate with a chain to a CA */
	bool revoked;                /* a CA's CRL names it, or its owner
	                                took it back */
	uint8_t *key;                /* as it is kept; NULL unless good */
	size_t key_len;
};

struct inspection {
	struct inspected *keys;
	size_t count;
	char words[INSPECT_WORDS];   /* of a failure of the whole */
};

/* Runs one INSPECT over the wire fd (taken over) for address ("@domain": any
 * address in it).  authorities: CA and CRL fields (keys/parse.h); an empty
 * view for none.  LL_OK with at least one key, each with its own result;
 * LL_PROTO when it is no key at all, LL_TOOBIG, LL_BUSY, with words. */
LL_MUST enum ll_result inspect_run(int fd, const char *address,
    const void *key, size_t len, struct tlv_view authorities,
    struct inspection *i_r);
void inspect_finish(struct inspection *i);

#endif
