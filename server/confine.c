#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keys/sandbox.h"
#include "server/confine.h"

#define PATHS_MAX 40

/* For the programs: the dynamic loader and its libraries, terminal
 * descriptions, certificates, name service, pseudo terminals. */
static const struct sandbox_path system_paths[] = {
	{ "/lib", false, true }, { "/lib64", false, true },
	{ "/usr/lib", false, true }, { "/usr/lib64", false, true },
	{ "/usr/share", false, false }, { "/usr/local/share", false, false },
	{ "/etc", false, false }, { "/run/systemd/resolve", false, false },
	{ "/run/resolvconf", false, false }, { "/proc", false, false },
	{ "/sys/devices/system/cpu", false, false },
	{ "/sys/fs/cgroup", false, false },
	{ "/dev/null", true, false }, { "/dev/zero", false, false },
	{ "/dev/urandom", false, false }, { "/dev/random", false, false },
	{ "/dev/tty", true, false }, { "/dev/ptmx", true, false },
	{ "/dev/pts", true, false }
};

#define SYSTEM_PATHS (sizeof(system_paths) / sizeof(system_paths[0]))

/* Files and directories that the configuration names. */
static const enum config_key read_keys[] = {
	CONFIG_portal_cert, CONFIG_portal_key, CONFIG_relay_password_file,
	CONFIG_relay_ca, CONFIG_find_ca, CONFIG_dns_anchor
};

#define READ_KEYS (sizeof(read_keys) / sizeof(read_keys[0]))

struct list {
	struct sandbox_path paths[PATHS_MAX];
	size_t count;
};

static void
add(struct list *l, const char *path, bool writable, bool exec)
{
	if (path[0] == '/' && l->count + 1 < PATHS_MAX)
		l->paths[l->count++] = (struct sandbox_path){ path, writable,
		    exec };
}

/* The directory, so that a file replaced by rename can be read again. */
static const char *
parent(const char *path, char copy[FILE_PATH_MAX])
{
	if (strlen(path) >= FILE_PATH_MAX)
		return "";
	memcpy(copy, path, strlen(path) + 1);
	return path[0] == '/' ? dirname(copy) : "";
}

static void
fill_list(struct house *h, struct list *l,
    char room[READ_KEYS + 3][FILE_PATH_MAX])
{
	const char *intake = config_text(&h->config, CONFIG_intake_listen);
	const char *relay = config_text(&h->config, CONFIG_relay);
	size_t i;

	for (i = 0; i < SYSTEM_PATHS; i++)
		l->paths[l->count++] = system_paths[i];
	for (i = 0; i < READ_KEYS; i++)
		add(l, parent(config_text(&h->config, read_keys[i]), room[i]),
		    false, false);
	add(l, parent(h->paths[PROC_STORE], room[READ_KEYS]), false, true);
	add(l, parent(h->config.file, room[READ_KEYS + 1]), false, false);
	/* the directory that the milter's socket is made in */
	if (strncmp(intake, "unix:", 5) == 0)
		add(l, parent(intake + 5, room[READ_KEYS + 2]), true, false);
	add(l, config_text(&h->config, CONFIG_data), true, false);
	if (strncmp(relay, "dir:", 4) == 0)
		add(l, relay + 4, true, false);
}

static bool
same_owner(const struct house *h)
{
	enum proc p;

	for (p = 0; p < PROC_COUNT; p++)
		if (h->owners[p].keep || h->owners[p].uid != h->owners[0].uid)
			return false;
	return true;
}

/* One user for all: then this process needs no more than they. */
static enum ll_result
become_user(struct house *h)
{
	uid_t uid = h->owners[0].uid;
	gid_t gid = h->owners[0].gid;
	enum proc p;

	if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return LL_IO;
	for (p = 0; p < PROC_COUNT; p++)
		h->owners[p].keep = true;
	return LL_OK;
}

enum ll_result
confine_enter(struct house *h, char *why)
{
	static char room[READ_KEYS + 3][FILE_PATH_MAX];
	struct sandbox box = { .program = "letterlockd",
		.calls = SANDBOX_ALL };
	static struct list list;
	const char *step;

	if (same_owner(h)) {
		if (become_user(h) != LL_OK) {
			snprintf(why, CONFIG_WHY, "user: cannot become %s: %s",
			    config_text(&h->config, CONFIG_user),
			    strerror(errno));
			return LL_IO;
		}
	} else if (!h->owners[0].keep) {
		box.calls |= SANDBOX_IDS;
	}
	fill_list(h, &list, room);
	if (sandbox_enter(&box, list.paths, &step) == LL_OK)
		return LL_OK;
	snprintf(why, CONFIG_WHY, "sandbox: %s: %s", step, strerror(errno));
	return LL_IO;
}
