#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/config_type.h"
#include "server/net.h"


static const struct config_row keys[CONFIG_COUNT] = {
#define CONFIG(name, type, preset, low, high, help) \
	{ #name, TYPE_##type, preset, low, high, help },
#include "server/config.def"
#undef CONFIG
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

	(void)config_type_startups(c->values[CONFIG_max_startups], n);
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
		(void)config_type_check(&keys[i], keys[i].preset,
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
		    "key (letterlockd --print-config lists them)", where,
		    clean_is(name, strlen(name), CLEAN_LINE) ? name : "?");
		return LL_USAGE;
	}
	/* what the file could not hold is refused wherever it comes from */
	if (!clean_is(value, strlen(value), CLEAN_LINE)) {
		snprintf(why, CONFIG_WHY, "%.200s: %s: expected UTF-8 without "
		    "control characters", where, name);
		return LL_USAGE;
	}
	if (strlen(value) > CONFIG_LINE_MAX - 64) {
		snprintf(why, CONFIG_WHY, "%.200s: %s: expected at most %d "
		    "bytes", where, name, CONFIG_LINE_MAX - 64);
		return LL_TOOBIG;
	}
	expected = config_type_check(&keys[i], value, &n);
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
	char *key = line + strspn(line, " \t\r"), *value, *end;
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
		/* trying later would not help */
		r = errno == ENOENT ? LL_NOTFOUND : LL_IO;
		snprintf(why, CONFIG_WHY, "%s: %s", file, strerror(errno));
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
	if (strncmp(c->values[CONFIG_intake_listen], "unix:", 5) == 0 &&
	    is_below(c->values[CONFIG_intake_listen] + 5,
	    c->values[CONFIG_data]))
		return mistake(c, CONFIG_intake_listen, "a socket outside "
		    "the data directory, where the mail server may go", why);
	if (c->numbers[CONFIG_smime_rsa_bits] != 0 &&
	    c->numbers[CONFIG_smime_rsa_bits] < 2048)
		return mistake(c, CONFIG_smime_rsa_bits, "0, or 2048 to 4096",
		    why);
	if (c->values[CONFIG_relay_user][0] != '\0' &&
	    c->values[CONFIG_relay_password_file][0] == '\0')
		return mistake(c, CONFIG_relay_user,
		    "relay_password_file as well", why);
	if (strstr(c->values[CONFIG_key_search], "keyserver") != NULL &&
	    c->values[CONFIG_keyserver][0] == '\0')
		return mistake(c, CONFIG_key_search,
		    "the key keyserver as well", why);
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
