/*
 * keyring.h - other people's keys, as a worker at its desk looks at them and
 * keeps them.
 */
#ifndef LL_KEYRING_H
#define LL_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "store/desk.h"
#include "store/inspect.h"
#include "store/kind.h"
#include "store/msg.h"

/* The certificates this house trusts, with their CRLs, as CA and CRL fields of
 * a job, for several keyring_inspect in a row.  Initialised here; the caller
 * finishes it, always. */
LL_MUST enum ll_result keyring_authorities(struct desk *k,
    struct tlv_out *out_r);

/* Has a letterlock-parse of the session look at the bytes of one or more
 * OpenPGP keys (armored or not) or of a certificate (PEM or DER), for that
 * address ("@domain" for a whole one).  authorities: as above; NULL: asked
 * for.  As inspect_run; finish *i_r in any case. */
LL_MUST enum ll_result keyring_inspect(struct desk *k, const char *address,
    const void *key, size_t len, const struct tlv_out *authorities,
    struct inspection *i_r);

/* Keeps those keys of i that are good (result LL_OK) for address; they were
 * found together, so none is a change of another.  *flags_r (may be NULL) has
 * PEERKEY_CHANGED when they are not used before someone confirms them.
 * A key that its owner or its CA took back goes, if this user has it.
 * LL_NOTFOUND when none is good. */
LL_MUST enum ll_result keyring_add(struct desk *k, const char *address,
    const struct inspection *i, enum key_source source, uint64_t *flags_r);

#endif
