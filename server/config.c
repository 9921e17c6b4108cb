#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "keys/tlv.h"
#include "server/config.h"
#include "server/listen.h"
#include "server/net.h"


struct key_row;

/* Checks a value; NULL, or what was expected.  *n_r: the value as number. */
typedef const char *check_fn(const struct key_row *k, const char *value,
    uint64_t *n_r);

enum key_type {
	TYPE_TEXT, TYPE_WORD, TYPE_PATH, TYPE_NUMBER, TYPE_SIZE, TYPE_BOOL,
	TYPE_LISTEN, TYPE_URL, TYPE_NETS, TYPE_RELAY, TYPE_ADDRESS,
	TYPE_CHOICE, TYPE_STARTUPS
};

struct key_row {
	const char *name;
	enum key_type type;
	const char *preset;
	uint64_t low, high;
	const char *help;
};

static const struct key_row keys[CONFIG_COUNT] = {
#define CONFIG(name, type, preset, low, high, help) \
	{ #name, TYPE_##type, preset, low, high, help },
#include "server/config.def"
#undef CONFIG
};

static const char *
check_text(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_word(const struct key_row *k, const char *value, uint64_t *n_r)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (value[strspn(value, letters)] != '\0')
		return "a name of letters, digits, - and _";
	return check_text(k, value, n_r);
}

static const char *
check_path(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_number(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_bool(const struct key_row *k, const char *value, uint64_t *n_r)
{
	(void)k;
	*n_r = strcmp(value, "yes") == 0;
	if (*n_r || strcmp(value, "no") == 0)
		return NULL;
	return "yes or no";
}

static const char *
check_listen(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_url(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_nets(const struct key_row *k, const char *value, uint64_t *n_r)
{
	struct net_list list;

	if (net_list_parse(value, &list) != LL_OK)
		return "networks as 10.0.0.0/8 or fd00::/8";
	return check_text(k, value, n_r);
}

static const char *
check_relay(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_address(const struct key_row *k, const char *value, uint64_t *n_r)
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
check_choice(const struct key_row *k, const char *value, uint64_t *n_r)
{
	(void)k;
	(void)n_r;
	if (value[0] == '\0' || strcmp(value, "required") == 0 ||
	    strcmp(value, "off") == 0)
		return NULL;
	return "required or off";
}

static bool
startups(const char *value, unsigned n[3])
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
check_startups(const struct key_row *k, const char *value, uint64_t *n_r)
{
	unsigned n[3];

	(void)k;
	(void)n_r;
	if (startups(value, n))
		return NULL;
	return "START:RATE:FULL with START <= FULL and RATE <= 100";
}

static check_fn *const checks[] = {
	[TYPE_TEXT] = check_text, [TYPE_WORD] = check_word,
	[TYPE_PATH] = check_path, [TYPE_NUMBER] = check_number,
	[TYPE_SIZE] = check_number, [TYPE_BOOL] = check_bool,
	[TYPE_LISTEN] = check_listen, [TYPE_URL] = check_url,
	[TYPE_NETS] = check_nets, [TYPE_RELAY] = check_relay,
	[TYPE_ADDRESS] = check_address, [TYPE_CHOICE] = check_choice,
	[TYPE_STARTUPS] = check_startups,
};

const char *
config_text(const struct config *c, enum config_key key)
{
	return c->values[key];
}

uint64_t
config_number(const struct config *c, enum config_key key)
{
	return c->numbers[key];
}

const char *
config_name(enum config_key key)
{
	return keys[key].name;
}

void
config_startups(const struct config *c, unsigned *start_r, unsigned *rate_r,
    unsigned *full_r)
{
	unsigned n[3] = { 10, 30, 100 };

	(void)startups(c->values[CONFIG_max_startups], n);
	*start_r = n[0];
	*rate_r = n[1];
	*full_r = n[2];
}

void
config_finish(struct config *c)
{
	int i;

	for (i = 0; i < CONFIG_COUNT; i++)
		free(c->values[i]);
	free(c->file);
	memset(c, 0, sizeof(*c));
}

enum ll_result
config_init(struct config *c)
{
	int i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < CONFIG_COUNT; i++) {
		c->values[i] = strdup(keys[i].preset);
		if (c->values[i] == NULL) {
			config_finish(c);
			return LL_NOMEM;
		}
		(void)checks[keys[i].type](&keys[i], keys[i].preset,
		    &c->numbers[i]);
	}
	return LL_OK;
}

enum ll_result
config_set(struct config *c, const char *where, const char *name,
    const char *value, char why[CONFIG_WHY])
{
	const char *expected;
	uint64_t n = 0;
	char *copy;
	int i;

	for (i = 0; i < CONFIG_COUNT; i++)
		if (strcmp(keys[i].name, name) == 0)
			break;
	if (i == CONFIG_COUNT) {
		snprintf(why, CONFIG_WHY, "%.200s: %.64s: expected a known "
		    "key (letterlockd --print-config lists them)", where, name);
		return LL_USAGE;
	}
	expected = checks[keys[i].type](&keys[i], value, &n);
	if (expected != NULL) {
		snprintf(why, CONFIG_WHY, "%.200s: %s: expected %s", where,
		    name, expected);
		return LL_USAGE;
	}
	copy = strdup(value);
	if (copy == NULL)
		return LL_NOMEM;
	free(c->values[i]);
	c->values[i] = copy;
	c->numbers[i] = n;
	return LL_OK;
}

/* One line of the file, without its newline. */
static enum ll_result
take_line(struct config *c, const char *where, char *line,
    unsigned number_of_line, char why[CONFIG_WHY])
{
	char *key = line + strspn(line, " \t"), *value, *end;
	enum ll_result r;
	int i;

	if (*key == '\0' || *key == '#')
		return LL_OK;
	value = strchr(key, '=');
	if (value == NULL || value == key) {
		snprintf(why, CONFIG_WHY, "%.200s: expected key = value",
		    where);
		return LL_USAGE;
	}
	for (end = value; end > key && (end[-1] == ' ' || end[-1] == '\t');)
		end--;
	*end = '\0';
	value++;
	value += strspn(value, " \t");
	for (end = value + strlen(value); end > value &&
	    strchr(" \t\r", end[-1]) != NULL;)
		end--;
	*end = '\0';
	if (!clean_is(value, strlen(value), CLEAN_LINE)) {
		snprintf(why, CONFIG_WHY,
		    "%.200s: %.64s: expected UTF-8 without control characters",
		    where, clean_is(key, strlen(key), CLEAN_LINE) ? key : "?");
		return LL_USAGE;
	}
	r = config_set(c, where, key, value, why);
	for (i = 0; r == LL_OK && i < CONFIG_COUNT; i++)
		if (strcmp(keys[i].name, key) == 0)
			c->lines[i] = number_of_line;
	return r;
}

static enum ll_result
read_lines(struct config *c, FILE *in, char why[CONFIG_WHY])
{
	char line[CONFIG_LINE_MAX + 2], where[256];
	unsigned n = 0;
	size_t len, total = 0;
	enum ll_result r;

	while (fgets(line, sizeof(line), in) != NULL) {
		len = strlen(line);
		total += len;
		n++;
		snprintf(where, sizeof(where), "%.190s:%u", c->file, n);
		if ((len > CONFIG_LINE_MAX && line[len - 1] != '\n') ||
		    total > CONFIG_FILE_MAX) {
			snprintf(why, CONFIG_WHY, "%.200s: expected at most "
			    "%d bytes a line, %d in all", where,
			    CONFIG_LINE_MAX, CONFIG_FILE_MAX);
			return LL_TOOBIG;
		}
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		r = take_line(c, where, line, n, why);
		if (r)
			return r;
	}
	if (ferror(in)) {
		snprintf(why, CONFIG_WHY, "%s: %s", c->file, strerror(errno));
		return LL_IO;
	}
	return LL_OK;
}

enum ll_result
config_load(struct config *c, const char *file, char why[CONFIG_WHY])
{
	enum ll_result r;
	FILE *in = NULL;

	snprintf(why, CONFIG_WHY, "out of memory");
	r = config_init(c);
	if (r)
		return r;
	c->file = strdup(file);
	if (c->file == NULL) {
		r = LL_NOMEM;
		goto out;
	}
	in = fopen(file, "re");
	if (in == NULL) {
		snprintf(why, CONFIG_WHY, "%s: %s", file, strerror(errno));
		r = LL_IO;
		goto out;
	}
	r = read_lines(c, in, why);
	if (r == LL_OK)
		r = config_check(c, why);
out:
	if (in != NULL)
		fclose(in);
	if (r)
		config_finish(c);
	return r;
}

/* The error line of a check between keys: it names the line of the key. */
static enum ll_result
mistake(const struct config *c, enum config_key key, const char *expected,
    char why[CONFIG_WHY])
{
	snprintf(why, CONFIG_WHY, "%.200s:%u: %s: expected %s",
	    c->file != NULL ? c->file : "default", c->lines[key],
	    keys[key].name, expected);
	return LL_USAGE;
}

/* True when path is dir or below it. */
static bool
is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return strncmp(path, dir, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}

static enum ll_result
check_portal(struct config *c, char why[CONFIG_WHY])
{
	char scheme[8], host[256];
	bool has_port;
	unsigned port;

	if (net_url_parse(c->values[CONFIG_portal_url], scheme, sizeof(scheme),
	    host, sizeof(host), &port, &has_port) != LL_OK)
		return mistake(c, CONFIG_portal_url, "a URL", why);
	if (strcmp(scheme, "http") == 0 && !net_host_is_loopback(host))
		return mistake(c, CONFIG_portal_url,
		    "https:// for an address that is not loopback", why);
	if ((c->values[CONFIG_portal_cert][0] == '\0') !=
	    (c->values[CONFIG_portal_key][0] == '\0'))
		return mistake(c, c->values[CONFIG_portal_cert][0] == '\0' ?
		    CONFIG_portal_key : CONFIG_portal_cert,
		    "both portal_cert and portal_key, or neither", why);
	return LL_OK;
}

/* Plain HTTP, by its URL or behind a proxy, may only listen on loopback. */
static enum ll_result
check_plain(struct config *c, char why[CONFIG_WHY])
{
	const char *at = c->values[CONFIG_portal_listen];
	struct sockaddr_storage sa;
	struct net_addr a;
	socklen_t sa_len;
	size_t len;

	if (strncmp(c->values[CONFIG_portal_url], "http:", 5) != 0 &&
	    !c->numbers[CONFIG_portal_plain])
		return LL_OK;
	for (; *(at += strspn(at, " \t")) != '\0'; at += len) {
		len = strcspn(at, " \t");
		if (net_listen_parse(at, len, &sa, &sa_len) != LL_OK ||
		    !net_addr_of(&sa, &a) || !net_is_loopback(&a))
			return mistake(c, CONFIG_portal_listen,
			    "a loopback address for a portal without TLS",
			    why);
	}
	return LL_OK;
}

/* Unset, the data lie where the file does. */
static enum ll_result
fill_data(struct config *c, char why[CONFIG_WHY])
{
	char *whole, *slash;

	if (c->values[CONFIG_data][0] != '\0' || c->file == NULL)
		return LL_OK;
	whole = realpath(c->file, NULL);
	if (whole == NULL) {
		snprintf(why, CONFIG_WHY, "%s: %s", c->file, strerror(errno));
		return LL_IO;
	}
	slash = strrchr(whole, '/');
	slash[slash == whole] = '\0';
	free(c->values[CONFIG_data]);
	c->values[CONFIG_data] = whole;
	return LL_OK;
}

enum ll_result
config_check(struct config *c, char why[CONFIG_WHY])
{
	const char *relay = c->values[CONFIG_relay];
	enum ll_result r;

	r = fill_data(c, why);
	if (r == LL_OK)
		r = check_portal(c, why);
	if (r == LL_OK)
		r = check_plain(c, why);
	if (r)
		return r;
	if (strncmp(relay, "dir:", 4) == 0 &&
	    (is_below(relay + 4, c->values[CONFIG_data]) ||
	    strstr(relay, "/../") != NULL))
		return mistake(c, CONFIG_relay,
		    "a directory outside the data directory", why);
	if (c->values[CONFIG_relay_user][0] != '\0' &&
	    c->values[CONFIG_relay_password_file][0] == '\0')
		return mistake(c, CONFIG_relay_user,
		    "relay_password_file as well", why);
	return LL_OK;
}

static void
print_help(const char *help, FILE *out)
{
	size_t len;

	for (; *help != '\0'; help += len + (help[len] == '\n')) {
		len = strcspn(help, "\n");
		fprintf(out, "# %.*s\n", (int)len, help);
	}
}

void
config_print(const struct config *c, FILE *out)
{
	const char *value;
	int i;

	for (i = 0; i < CONFIG_COUNT; i++) {
		value = c != NULL ? c->values[i] : keys[i].preset;
		print_help(keys[i].help, out);
		fprintf(out, "%s%s =%s%s\n\n",
		    strcmp(value, keys[i].preset) == 0 ? "#" : "",
		    keys[i].name, value[0] != '\0' ? " " : "", value);
	}
}
