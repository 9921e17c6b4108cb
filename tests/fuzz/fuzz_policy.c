/*
 * fuzz_policy.c - what a domain publishes about its mail servers: MTA-STS
 * policy files and records, TLSA records, names on the wire.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/relay_sts.h"
#include "server/relay_tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_policy(const uint8_t *data, size_t len)
{
	struct sts_policy p;
	size_t i;

	if (sts_parse((const char *)data, len, &p) != LL_OK)
		return;
	if (p.mode < STS_MODE_NONE || p.mode > STS_MODE_ENFORCE ||
	    p.max_age_secs > STS_AGE_MAX_SECS || p.mx_count > STS_MX_MAX ||
	    (p.mode != STS_MODE_NONE && p.mx_count == 0))
		abort();
	for (i = 0; i < p.mx_count; i++) {
		const char *mx = p.mx[i];
		int star = strncmp(mx, "*.", 2) == 0;

		if (!dns_name_is_plain(mx + (star ? 2 : 0)))
			abort();
		if (!star && !sts_names(&p, mx))
			abort();
		if (sts_names(&p, ""))
			abort();
	}
}

/* Rows as { length, bytes }. */
static size_t
rows_of(const uint8_t *data, size_t len, struct dns_row rows[DNS_ROWS_MAX])
{
	size_t at = 0, n = 0, size;

	while (at < len && n < DNS_ROWS_MAX) {
		size = data[at++];
		if (size > len - at)
			size = len - at;
		rows[n].data = data + at;
		rows[n++].len = size;
		at += size;
	}
	return n;
}

static void
check_rows(const uint8_t *data, size_t len)
{
	struct wire_tlsa list[WIRE_TLSA_MAX];
	struct dns_row rows[DNS_ROWS_MAX];
	char id[STS_ID_MAX + 1], name[DNS_NAME_MAX + 1];
	size_t n = rows_of(data, len, rows), i, usable;

	if (sts_record(rows, n, id) == LL_OK &&
	    (id[0] == '\0' || strlen(id) > STS_ID_MAX))
		abort();
	usable = tls_usable(rows, n, list);
	for (i = 0; i < usable; i++)
		if (list[i].usage < 2 || list[i].usage > 3 ||
		    list[i].len == 0 || list[i].len > WIRE_TLSA_BYTES)
			abort();
	for (i = 0; i < n; i++)
		if (dns_name(rows[i].data, rows[i].len, name) == LL_OK &&
		    name[0] != '\0' && !dns_name_is_plain(name))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char name[DNS_NAME_MAX + 1], *text;

	if (len == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		check_policy(data + 1, len - 1);
		break;
	case 1:
		check_rows(data + 1, len - 1);
		break;
	default:
		text = calloc(1, len);
		if (text == NULL)
			return 0;
		memcpy(text, data + 1, len - 1);
		if (tls_is_listed(text, "a.example", name) &&
		    strlen(name) > DNS_NAME_MAX)
			abort();
		free(text);
	}
	return 0;
}
