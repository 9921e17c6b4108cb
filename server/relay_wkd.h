/*
 * relay_wkd.h - where the key of an address is to be had: web key directory
 * (draft-koch-openpgp-webkey-service) and keyservers.
 */
#ifndef LL_RELAY_WKD_H
#define LL_RELAY_WKD_H

#include <stddef.h>

#include "keys/result.h"

#define WKD_HASH 33                /* 32 symbols and NUL */
#define WKD_URL 2048

/* z-base-32 of the SHA-1 of a local part in lower case. */
void wkd_hash(const char *local, size_t len, char hash_r[WKD_HASH]);

/* Addresses (URLs) of the directory's two methods, of an address as
 * clean_address gives it: advanced on the host openpgpkey.DOMAIN, direct on
 * the domain itself.  LL_USAGE for no address. */
LL_MUST enum ll_result wkd_advanced(const char *address,
    char url_r[WKD_URL]);
LL_MUST enum ll_result wkd_direct(const char *address, char url_r[WKD_URL]);

/* The question to a keyserver: hkps://HOST[:PORT] by HKP (/pks/lookup),
 * https://HOST[:PORT] by VKS (/vks/v1/by-email).  LL_USAGE. */
LL_MUST enum ll_result wkd_keyserver(const char *server, const char *address,
    char url_r[WKD_URL]);

#endif
