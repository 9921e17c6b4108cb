#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/config_type.h"
#include "server/listen.h"
#include "server/net.h"

/* Checks a value; NULL, or what was expected.  *n_r: the value as number. */
typedef const char *check_fn(const struct config_row *k, const char *value,
    uint64_t *n_r);

static const char *
check_text(const struct config_row *k, const char *value, uint64_t *n_r)
{
	static char why[80];
	size_t len = strlen(value);

	(void)n_r;
	if (len >= k->low && len <= k->high)
		return NULL;
	snprintf(why, sizeof(why), "text of %" PRIu64 " to %" PRIu64 " bytes",
	    k->low, k->high);
	return why;
}

static const char *
check_word(const struct config_row *k, const char *value, uint64_t *n_r)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (value[strspn(value, letters)] != '\0')
		return "a name of letters, digits, - and _";
	return check_text(k, value, n_r);
}

static const char *
check_path(const struct config_row *k, const char *value, uint64_t *n_r)
{
	if (value[0] == '\0' && k->low == 0)
		return NULL;
	if (value[0] != '/')
		return "an absolute path";
	return check_text(k, value, n_r);
}

/* Digits and, for sizes, one of K M G T. */
static bool
number(const char *value, bool suffix, uint64_t *n_r)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno != 0)
		return false;
	if (suffix && *end != '\0') {
		unit = strchr(units, *end);
		if (unit == NULL || n >> 20 != 0)
			return false;
		n <<= 10 * (unit - units + 1);
		end++;
	}
	*n_r = n;
	return *end == '\0';
}

static const char *
check_number(const struct config_row *k, const char *value, uint64_t *n_r)
{
	static char why[80];

	if (number(value, k->type == TYPE_SIZE, n_r) && *n_r >= k->low &&
	    *n_r <= k->high)
		return NULL;
	snprintf(why, sizeof(why), "a %s from %" PRIu64 " to %" PRIu64,
	    k->type == TYPE_SIZE ? "size (K, M, G, T)" : "number", k->low,
	    k->high);
	return why;
}

static const char *
check_bool(const struct config_row *k, const char *value, uint64_t *n_r)
{
	(void)k;
	*n_r = strcmp(value, "yes") == 0;
	if (*n_r || strcmp(value, "no") == 0)
		return NULL;
	return "yes or no";
}

static const char *
check_listen(const struct config_row *k, const char *value, uint64_t *n_r)
{
	struct sockaddr_storage sa;
	socklen_t sa_len;
	size_t len, count = 0;

	(void)k;
	(void)n_r;
	for (;; count++, value += len) {
		value += strspn(value, " \t");
		len = strcspn(value, " \t");
		if (len == 0)
			break;
		if (net_listen_parse(value, len, &sa, &sa_len) != LL_OK)
			count = LISTEN_MAX;
	}
	if (count >= 1 && count <= LISTEN_MAX)
		return NULL;
	return "one to three of ADDRESS:PORT, [IPV6]:PORT, *:PORT";
}

static const char *
check_url(const struct config_row *k, const char *value, uint64_t *n_r)
{
	char scheme[8], host[256];
	bool has_port;
	unsigned port;

	if (net_url_parse(value, scheme, sizeof(scheme), host, sizeof(host),
	    &port, &has_port) != LL_OK || (strcmp(scheme, "http") != 0 &&
	    strcmp(scheme, "https") != 0))
		return "http://HOST[:PORT] or https://HOST[:PORT]";
	if (value[strlen(value) - 1] == '/')
		return "a URL without a slash at its end";
	return check_text(k, value, n_r);
}

static const char *
check_nets(const struct config_row *k, const char *value, uint64_t *n_r)
{
	struct net_list list;

	if (net_list_parse(value, &list) != LL_OK)
		return "networks as 10.0.0.0/8 or fd00::/8";
	return check_text(k, value, n_r);
}

static const char *
check_relay(const struct config_row *k, const char *value, uint64_t *n_r)
{
	char scheme[8], host[256];
	bool has_port;
	unsigned port;

	if (strncmp(value, "dir:/", 5) == 0)
		return check_text(k, value, n_r);
	if (net_url_parse(value, scheme, sizeof(scheme), host, sizeof(host),
	    &port, &has_port) == LL_OK && (strcmp(scheme, "smtp") == 0 ||
	    strcmp(scheme, "smtps") == 0))
		return check_text(k, value, n_r);
	return "smtp://HOST:PORT, smtps://HOST:PORT or dir:/PATH";
}

static const char *
check_address(const struct config_row *k, const char *value, uint64_t *n_r)
{
	char address[321];
	const char *why;

	(void)k;
	(void)n_r;
	if (clean_address(value, address, &why) == LL_OK)
		return NULL;
	return "an e-mail address";
}

static const char *
check_choice(const struct config_row *k, const char *value, uint64_t *n_r)
{
	(void)k;
	(void)n_r;
	if (value[0] == '\0' || strcmp(value, "required") == 0 ||
	    strcmp(value, "off") == 0)
		return NULL;
	return "required or off";
}

/* A mail server tells a milter who has logged in there: nobody else may. */
static const char *
check_milter(const struct config_row *k, const char *value, uint64_t *n_r)
{
	const char *host = strchr(value, '@');
	char port[8];
	size_t n;

	if (value[0] == '\0' || strncmp(value, "unix:/", 6) == 0)
		return check_text(k, value, n_r);
	n = host != NULL ? (size_t)(host - value) : 0;
	if (strncmp(value, "inet:", 5) == 0 && n > 5 && n - 5 < sizeof(port) &&
	    net_host_is_loopback(host + 1)) {
		memcpy(port, value + 5, n - 5);
		port[n - 5] = '\0';
		if (number(port, false, n_r) && *n_r >= 1 && *n_r <= 65535)
			return NULL;
	}
	return "unix:/PATH or inet:PORT@127.0.0.1";
}

static const char *
check_rules(const struct config_row *k, const char *value, uint64_t *n_r)
{
	static const char *const rules[] = { "iban", "ahv", "ssn", "mrn" };
	size_t n, i;

	(void)k;
	(void)n_r;
	for (; *(value += strspn(value, " \t")) != '\0'; value += n) {
		n = strcspn(value, " \t");
		for (i = 0; i < 4; i++)
			if (strlen(rules[i]) == n &&
			    strncmp(value, rules[i], n) == 0)
				break;
		if (i == 4)
			return "words of iban, ahv, ssn, mrn";
	}
	return NULL;
}

bool
config_type_startups(const char *value, unsigned n[3])
{
	unsigned long v;
	char *end;
	int i;

	for (i = 0; i < 3; i++) {
		if (*value < '0' || *value > '9')
			return false;
		v = strtoul(value, &end, 10);
		if (v > 100000 || *end != (i < 2 ? ':' : '\0'))
			return false;
		n[i] = (unsigned)v;
		value = end + 1;
	}
	return n[0] >= 1 && n[1] <= 100 && n[2] >= n[0];
}

static const char *
check_startups(const struct config_row *k, const char *value, uint64_t *n_r)
{
	unsigned n[3];

	(void)k;
	(void)n_r;
	if (config_type_startups(value, n))
		return NULL;
	return "START:RATE:FULL with START <= FULL and RATE <= 100";
}

static const char *
check_search(const struct config_row *k, const char *value, uint64_t *n_r)
{
	static const char *const words[] = { "wkd", "keyserver", "tls" };
	const char *at = value;
	size_t i, len, known = 0;

	if (strcmp(value, "off") == 0)
		return NULL;
	for (; *at != '\0'; at += len + strspn(at + len, " \t")) {
		len = strcspn(at, " \t");
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strlen(words[i]) == len &&
			    memcmp(words[i], at, len) == 0)
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			return "words of wkd, keyserver, tls, or off";
		known++;
	}
	return known > 0 ? check_text(k, value, n_r) :
	    "words of wkd, keyserver, tls, or off";
}

static const char *
check_keyserver(const struct config_row *k, const char *value, uint64_t *n_r)
{
	char scheme[8], host[256];
	bool has_port;
	unsigned port;

	if (value[0] == '\0')
		return NULL;
	if (net_url_parse(value, scheme, sizeof(scheme), host, sizeof(host),
	    &port, &has_port) == LL_OK && (strcmp(scheme, "hkps") == 0 ||
	    strcmp(scheme, "https") == 0) &&
	    strchr(strstr(value, "://") + 3, '/') == NULL)
		return check_text(k, value, n_r);
	return "hkps://HOST[:PORT] or https://HOST[:PORT]";
}

static const char *
check_server(const struct config_row *k, const char *value, uint64_t *n_r)
{
	struct sockaddr_storage sa;
	socklen_t sa_len;

	if (value[0] == '\0')
		return NULL;
	if (value[0] != '*' && net_listen_parse(value, strlen(value), &sa,
	    &sa_len) == LL_OK && net_port(&sa) != 0)
		return check_text(k, value, n_r);
	return "ADDRESS:PORT or [IPV6]:PORT";
}

static check_fn *const checks[] = {
	[TYPE_TEXT] = check_text, [TYPE_WORD] = check_word,
	[TYPE_PATH] = check_path, [TYPE_NUMBER] = check_number,
	[TYPE_SIZE] = check_number, [TYPE_BOOL] = check_bool,
	[TYPE_LISTEN] = check_listen, [TYPE_URL] = check_url,
	[TYPE_NETS] = check_nets, [TYPE_RELAY] = check_relay,
	[TYPE_ADDRESS] = check_address, [TYPE_CHOICE] = check_choice,
	[TYPE_MILTER] = check_milter, [TYPE_RULES] = check_rules,
	[TYPE_STARTUPS] = check_startups, [TYPE_SEARCH] = check_search,
	[TYPE_KEYSERVER] = check_keyserver, [TYPE_SERVER] = check_server,
};

const char *
config_type_check(const struct config_row *row, const char *value,
    uint64_t *n_r)
{
	return checks[row->type](row, value, n_r);
}
