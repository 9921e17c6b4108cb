/*
 * relay_sts.h - MTA-STS as text (RFC 8461): the TXT record and the policy
 * file.  Pure functions over bytes that strangers wrote.
 */
#ifndef LL_RELAY_STS_H
#define LL_RELAY_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/result.h"
#include "server/relay_dns.h"

#define STS_ID_MAX 32
#define STS_MX_MAX 32
#define STS_POLICY_MAX 65536             /* bytes of the file */
#define STS_AGE_MAX_SECS 31557600        /* a year, RFC 8461 3.2 */

enum sts_mode { STS_MODE_NONE = 1, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint64_t max_age_secs;           /* at most STS_AGE_MAX_SECS */
	size_t mx_count;
	char mx[STS_MX_MAX][DNS_NAME_MAX + 3];  /* lower case; may begin "*." */
};

/* The id of the one record among a name's TXT records that speaks of STS.
 * LL_NOTFOUND: none does, or more than one; LL_PROTO: it does not say it as it
 * must. */
LL_MUST enum ll_result sts_record(const struct dns_row *rows, size_t count,
    char id[STS_ID_MAX + 1]);

/* Reads the policy file.  LL_PROTO for one that is not valid: then there is
 * no policy in it. */
LL_MUST enum ll_result sts_parse(const char *text, size_t len,
    struct sts_policy *p_r);

/* True when host is one of the policy's servers.  "*." stands for exactly one
 * label. */
bool sts_names(const struct sts_policy *p, const char *host);

#endif
