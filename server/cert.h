/*
 * cert.h - the portal's self-signed certificate, made at init (GnuTLS).
 */
#ifndef LL_CERT_H
#define LL_CERT_H

#include "keys/result.h"

/* Writes dir/portal.crt (0644) and dir/portal.key (0600): ECDSA P-256, ten
 * years, for host (a name or an address) and the loopback names.  The files
 * must not exist. */
LL_MUST enum ll_result cert_create(const char *dir, const char *host);

#endif
