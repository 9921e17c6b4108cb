#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/cert.h"
#include "server/file.h"
#include "server/net.h"
#include "server/proc.h"
#include "server/setup.h"

/* All that init may leave behind, so that a failed one can be repeated. */
static const char *const made_files[] = {
	"letterlock.conf", "root.key", "root.sealed", "host_ed25519",
	"host_ed25519.pub", "portal.crt", "portal.key"
};

#define MADE_FILES (sizeof(made_files) / sizeof(made_files[0]))

static enum ll_result
set_one(struct config *c, const char *pair, char *why)
{
	const char *equals = strchr(pair, '=');
	char name[65];

	if (equals == NULL || (size_t)(equals - pair) >= sizeof(name)) {
		snprintf(why, CONFIG_WHY, "--set: expected KEY=VALUE");
		return LL_USAGE;
	}
	memcpy(name, pair, (size_t)(equals - pair));
	name[equals - pair] = '\0';
	return config_set(c, "--set", name, equals + 1, why);
}

static enum ll_result
make_config(const struct setup *s, struct config *c, char *why)
{
	char relay[FILE_PATH_MAX];
	enum ll_result r;
	size_t i;

	r = config_init(c);
	if (r)
		return r;
	r = config_set(c, "init", "data", s->dir, why);
	if (r == LL_OK)
		r = config_set(c, "--org", "org_name", s->org, why);
	if (r == LL_OK) {
		snprintf(relay, sizeof(relay), "dir:%s-outbox", s->dir);
		r = config_set(c, "init", "relay", relay, why);
	}
	for (i = 0; r == LL_OK && s->sets != NULL && s->sets[i] != NULL; i++)
		r = set_one(c, s->sets[i], why);
	if (r == LL_OK && strcmp(config_text(c, CONFIG_data), s->dir) != 0) {
		snprintf(why, CONFIG_WHY, "--set: data is what --data says");
		r = LL_USAGE;
	}
	return r ? r : config_check(c, why);
}

/* Without the data directory's name: it is where the file is, so that it can
 * be moved. */
static enum ll_result
write_config(struct setup *s, struct config *c)
{
	char *text = NULL, why[CONFIG_WHY];
	size_t len = 0;
	enum ll_result r;
	FILE *out;

	r = config_set(c, "init", "data", "", why);
	if (r)
		return r;
	out = open_memstream(&text, &len);
	if (out == NULL)
		return LL_NOMEM;
	fputs("# letterlock's configuration: lines `key = value`.\n"
	    "# Keys at their default are commented out.\n\n", out);
	config_print(c, out);
	r = fclose(out) == 0 ? LL_OK : LL_NOMEM;
	if (r == LL_OK)
		r = file_path(s->dir, "letterlock.conf", s->config_path);
	if (r == LL_OK)
		r = file_create(s->config_path, 0600, text, len);
	free(text);
	return r;
}

static enum ll_result
make_keys(struct setup *s, const struct config *c)
{
	struct secret root = SECRET_NONE, seed = SECRET_NONE;
	char line[HOSTKEY_LINE], scheme[8], host[256];
	bool has_port;
	unsigned port;
	enum ll_result r;

	r = root_create(&root);
	if (r == LL_OK)
		r = root_save(s->dir, &root, s->passphrase);
	if (r == LL_OK)
		r = hostkey_create(s->dir, &root);
	if (r == LL_OK)
		r = hostkey_load(s->dir, &root, &seed);
	if (r == LL_OK)
		r = hostkey_public(&seed, line, s->fingerprint);
	if (r == LL_OK)
		r = net_url_parse(config_text(c, CONFIG_portal_url), scheme,
		    sizeof(scheme), host, sizeof(host), &port, &has_port);
	if (r == LL_OK)
		r = cert_create(s->dir, host);
	if (r == LL_OK)
		root_text(&root, s->root);
	secret_finish(&seed);
	secret_finish(&root);
	return r;
}

/* With the key `user`, everything belongs to that user. */
static enum ll_result
give_away(const struct setup *s, const struct config *c, const char *outbox,
    char *why)
{
	struct proc_owner owner;
	char path[FILE_PATH_MAX];
	size_t i;

	if (proc_owner("letterlock-store", c, &owner) != LL_OK) {
		snprintf(why, CONFIG_WHY, "user: there is no user %s",
		    config_text(c, CONFIG_user));
		return LL_NOTFOUND;
	}
	if (owner.keep)
		return LL_OK;
	for (i = 0; i < MADE_FILES; i++)
		if (file_path(s->dir, made_files[i], path) != LL_OK ||
		    (chown(path, owner.uid, owner.gid) != 0 &&
		    errno != ENOENT))
			return LL_IO;
	if (outbox[0] != '\0' && chown(outbox, owner.uid, owner.gid) != 0)
		return LL_IO;
	return chown(s->dir, owner.uid, owner.gid) == 0 ? LL_OK : LL_IO;
}

static void
undo(const struct setup *s)
{
	char path[FILE_PATH_MAX];
	size_t i;

	for (i = 0; i < MADE_FILES; i++)
		if (file_path(s->dir, made_files[i], path) == LL_OK)
			(void)unlink(path);
}

static enum ll_result
make_all(struct setup *s, struct config *c, char *why)
{
	const char *relay = config_text(c, CONFIG_relay), *outbox = "";
	enum ll_result r;

	if (strncmp(relay, "dir:", 4) == 0)
		outbox = relay + 4;
	r = file_mkdir(s->dir, 0700);
	if (r == LL_OK && chmod(s->dir, 0700) != 0)
		r = LL_IO;
	if (r == LL_OK && outbox[0] != '\0')
		r = file_mkdir(outbox, 0700);
	if (r)
		return r;
	r = make_keys(s, c);
	if (r == LL_OK)
		r = write_config(s, c);
	if (r == LL_OK)
		r = give_away(s, c, outbox, why);
	if (r == LL_OK)
		r = file_sync_dir(s->dir);
	if (r)
		undo(s);
	return r;
}

enum ll_result
setup_run(struct setup *s, char *why)
{
	struct config c;
	enum ll_result r;

	memset(&c, 0, sizeof(c));
	why[0] = '\0';
	r = file_is_empty_dir(s->dir);
	if (r == LL_CONFLICT)
		snprintf(why, CONFIG_WHY, "%.1000s: not empty", s->dir);
	if (r == LL_OK)
		r = make_config(s, &c, why);
	if (r == LL_OK)
		r = make_all(s, &c, why);
	if (r && why[0] == '\0')
		snprintf(why, CONFIG_WHY, "%.1000s: %s", s->dir,
		    r == LL_IO ? strerror(errno) : ll_result_text(r));
	config_finish(&c);
	return r;
}
