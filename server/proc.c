#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/file.h"
#include "server/proc.h"
#include "server/root.h"

#define ENVIRONMENT_MAX 32

static const enum label store_labels[] = {
	LABEL_ROOT_PEPPER, LABEL_ROOT_TOTP, LABEL_COUNT
};
static const enum label relay_labels[] = { LABEL_ROOT_QUEUE, LABEL_COUNT };
static const enum label portal_labels[] = { LABEL_ROOT_PORTAL, LABEL_COUNT };
static const enum label session_labels[] = { LABEL_ROOT_HOST, LABEL_COUNT };
static const enum label intake_labels[] = { LABEL_ROOT_INTAKE, LABEL_COUNT };
static const enum label no_labels[] = { LABEL_COUNT };

static const enum config_key store_config[] = {
	CONFIG_data, CONFIG_org_name, CONFIG_undo_seconds, CONFIG_expiry_days,
	CONFIG_attachment_max, CONFIG_quota, CONFIG_kdf_memory_mib,
	CONFIG_kdf_passes, CONFIG_muc_kdf_memory_mib, CONFIG_kdf_runs,
	CONFIG_key_search, CONFIG_keyserver, CONFIG_trust_normal,
	CONFIG_trust_confidential, CONFIG_tls_domains, CONFIG_COUNT
};
static const enum config_key relay_config[] = {
	CONFIG_org_name, CONFIG_portal_url, CONFIG_relay, CONFIG_relay_user,
	CONFIG_relay_password_file, CONFIG_relay_ca, CONFIG_relay_tls,
	CONFIG_mail_from, CONFIG_key_search, CONFIG_keyserver,
	CONFIG_find_ca, CONFIG_find_networks, CONFIG_dns_server,
	CONFIG_dns_anchor, CONFIG_tls_domains, CONFIG_mx_port, CONFIG_COUNT
};
static const enum config_key portal_config[] = {
	CONFIG_org_name, CONFIG_portal_url, CONFIG_portal_plain,
	CONFIG_trusted_proxy, CONFIG_attachment_max, CONFIG_COUNT
};
static const enum config_key intake_config[] = {
	CONFIG_org_name, CONFIG_mail_from, CONFIG_intake_listen,
	CONFIG_attachment_max, CONFIG_intake_marked, CONFIG_secure_to,
	CONFIG_secure_from, CONFIG_secure_rules, CONFIG_intake_hold,
	CONFIG_expiry_days, CONFIG_key_search, CONFIG_COUNT
};
static const enum config_key gate_config[] = {
	CONFIG_login_grace_secs, CONFIG_COUNT
};
static const enum config_key session_config[] = {
	CONFIG_org_name, CONFIG_login_grace_secs, CONFIG_idle_lock_secs,
	CONFIG_session_max_secs, CONFIG_undo_seconds, CONFIG_expiry_days,
	CONFIG_attachment_max, CONFIG_portal_url, CONFIG_smime_rsa_bits,
	CONFIG_COUNT
};

static const enum config_key no_config[] = { CONFIG_COUNT };

const struct proc_row proc_table[PROC_COUNT] = {
	[PROC_STORE] = { "letterlock-store", true, 0,
	    store_labels, store_config },
	[PROC_RELAY] = { "letterlock-relay", true, PEER_RELAY,
	    relay_labels, relay_config },
	[PROC_PORTAL] = { "letterlock-portal", true, PEER_PORTAL,
	    portal_labels, portal_config },
	[PROC_INTAKE] = { "letterlock-intake", true, PEER_INTAKE,
	    intake_labels, intake_config },
	[PROC_GATE] = { "letterlock-gate", false, 0,
	    no_labels, gate_config },
	[PROC_SESSION] = { "letterlock-session", false, PEER_SESSION,
	    session_labels, session_config },
	[PROC_PARSE] = { "letterlock-parse", false, 0,
	    no_labels, no_config },
	[PROC_SUBMIT] = { "letterlock-tui", false, 0,
	    no_labels, no_config },
};

bool
proc_wanted(enum proc p, const struct config *c)
{
	return p != PROC_INTAKE ||
	    config_text(c, CONFIG_intake_listen)[0] != '\0';
}

enum ll_result
proc_memlock(char *why)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_MEMLOCK, &most) == 0) {
		most.rlim_cur = most.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &most) == 0 &&
		    most.rlim_cur >= PROC_MEMLOCK_BYTES &&
		    secret_setup(PROC_MEMLOCK_BYTES / 8) == LL_OK)
			return LL_OK;
	}
	snprintf(why, CONFIG_WHY, "too little memory may be locked: raise "
	    "RLIMIT_MEMLOCK (ulimit -l) to %d KiB or more",
	    PROC_MEMLOCK_BYTES / 1024);
	return LL_FULL;
}

enum ll_result
proc_find(const char *name, char *path)
{
	char self[FILE_PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;

	if (n <= 0)
		return LL_IO;
	self[n] = '\0';
	dir = dirname(self);
	if (file_path(dir, name, path) == LL_OK && access(path, X_OK) == 0)
		return LL_OK;
	if (file_path(LL_LIBEXECDIR, name, path) == LL_OK &&
	    access(path, X_OK) == 0)
		return LL_OK;
	snprintf(path, FILE_PATH_MAX, "%.500s or %s", dir, LL_LIBEXECDIR);
	return LL_NOTFOUND;
}

enum ll_result
proc_owner(const char *name, const struct config *c,
    struct proc_owner *owner_r)
{
	const char *user = config_text(c, CONFIG_user);
	struct passwd *pw;

	*owner_r = (struct proc_owner){ .keep = true };
	if (geteuid() != 0 || user[0] == '\0')
		return LL_OK;
	pw = getpwnam(name);
	if (pw == NULL)
		pw = getpwnam(user);
	if (pw == NULL)
		return LL_NOTFOUND;
	owner_r->keep = false;
	owner_r->uid = pw->pw_uid;
	owner_r->gid = pw->pw_gid;
	return LL_OK;
}

/* Variables that reach the programs; LETTERLOCK_* as well. */
static const char *const kept_variables[] = {
	"LETTERLOCK_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=",
	"LD_PRELOAD=", "FAKETIME", "TERMINFO=", "TERMINFO_DIRS=", "TZ="
};

static void
environment_of(char *env_r[ENVIRONMENT_MAX])
{
	size_t i, n = 0;
	char **e;

	for (e = environ; *e != NULL && n + 1 < ENVIRONMENT_MAX; e++)
		for (i = 0; i < sizeof(kept_variables) /
		    sizeof(kept_variables[0]); i++)
			if (strncmp(*e, kept_variables[i],
			    strlen(kept_variables[i])) == 0)
				env_r[n++] = *e;
	env_r[n] = NULL;
}

/* Descriptors of a child: 3, and what is 0 and 1 (told: 2 as well) or -1. */
struct wires {
	int fd, wire;
	bool told;
};

/* In the child, which borrows its parent's memory: system calls only.  The
 * raw ones, because the C library's set*id tell all threads. */
static void __attribute__((noreturn))
become(const char *path, char *const argv[], char *const env[],
    const struct proc_owner *owner, const struct wires *w)
{
	const int fd = w->fd;
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	if (!owner->keep && (syscall(SYS_setgroups, 1, &owner->gid) != 0 ||
	    syscall(SYS_setresgid, owner->gid, owner->gid, owner->gid) != 0 ||
	    syscall(SYS_setresuid, owner->uid, owner->uid, owner->uid) != 0))
		_exit(PROC_EXIT_FAILED);
	if (w->wire >= 0 && (dup2(w->wire, 0) != 0 || dup2(w->wire, 1) != 1 ||
	    (w->told && dup2(w->wire, 2) != 2)))
		_exit(PROC_EXIT_FAILED);
	if (fd == 3)
		(void)fcntl(3, F_SETFD, 0);
	else if (fd >= 0 && dup2(fd, 3) != 3)
		_exit(PROC_EXIT_FAILED);
	(void)execve(path, argv, env);
	_exit(PROC_EXIT_FAILED);
}

static pid_t
start(const char *path, char *const argv[], char *const env[],
    const struct proc_owner *owner, const struct wires *w)
{
	pid_t pid = vfork();

	if (pid == 0)
		become(path, argv, env, owner, w);
	return pid;
}

static enum ll_result
launch(const char *path, const struct proc_owner *owner, const char *argument,
    const struct wires *w, pid_t *pid_r)
{
	char *env[ENVIRONMENT_MAX], *argv[3] = { NULL, NULL, NULL };
	enum ll_result r = LL_NOMEM;

	environment_of(env);
	argv[0] = strdup(path);
	if (argument != NULL)
		argv[1] = strdup(argument);
	if (argv[0] == NULL || (argument != NULL && argv[1] == NULL))
		goto out;
	*pid_r = start(path, argv, env, owner, w);
	r = *pid_r < 0 ? LL_IO : LL_OK;
out:
	free(argv[0]);
	free(argv[1]);
	return r;
}

enum ll_result
proc_spawn(const char *path, const struct proc_owner *owner, int fd,
    pid_t *pid_r)
{
	const struct wires w = { fd, -1, false };

	return launch(path, owner, NULL, &w, pid_r);
}

enum ll_result
proc_spawn_wire(const char *path, const struct proc_owner *owner,
    const char *argument, int fd, int wire, bool told, pid_t *pid_r)
{
	const struct wires w = { fd, wire, told };

	return launch(path, owner, argument, &w, pid_r);
}

enum ll_result
proc_run(const char *path, const struct proc_owner *owner,
    const char *argument, int *status_r)
{
	const struct wires none = { -1, -1, false };
	enum ll_result r;
	pid_t pid;
	int status;

	r = launch(path, owner, argument, &none, &pid);
	if (r)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return LL_IO;
	*status_r = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	return LL_OK;
}

void
proc_add_config(struct msg *m, const char *key, const char *value)
{
	msg_begin(m, F_CONFIG);
	msg_put_text(m, F_CONFIG_KEY, key);
	msg_put_text(m, F_CONFIG_VALUE, value);
	msg_end(m);
}

/* Numbers go as plain digits, whatever unit the file has. */
static void
add_key(struct msg *m, const struct config *c, enum config_key key)
{
	char number[24];

	if (key == CONFIG_attachment_max || key == CONFIG_quota) {
		snprintf(number, sizeof(number), "%llu",
		    (unsigned long long)config_number(c, key));
		proc_add_config(m, config_name(key), number);
	} else {
		proc_add_config(m, config_name(key), config_text(c, key));
	}
}

static enum ll_result
add_secret(struct msg *m, enum label label, const struct secret *root,
    const struct secret *host_seed)
{
	struct secret key = SECRET_NONE;
	enum ll_result r;

	if (label == LABEL_ROOT_HOST)
		r = secret_copy(&key, host_seed->data, host_seed->len);
	else
		r = root_key(root, label, &key);
	if (r)
		return r;
	msg_begin(m, F_ROW);
	msg_put_u64(m, F_LABEL, label);
	msg_put_bytes(m, F_SECRET, key.data, key.len);
	msg_end(m);
	secret_finish(&key);
	return LL_OK;
}

/* The portal gets paths of its certificate only when it speaks TLS. */
static enum ll_result
add_certificate(struct msg *m, const struct config *c)
{
	const char *cert = config_text(c, CONFIG_portal_cert);
	char path[FILE_PATH_MAX];
	enum ll_result r;

	if (strncmp(config_text(c, CONFIG_portal_url), "https:", 6) != 0 ||
	    config_number(c, CONFIG_portal_plain))
		return LL_OK;
	if (cert[0] != '\0') {
		proc_add_config(m, "portal_cert", cert);
		proc_add_config(m, "portal_key",
		    config_text(c, CONFIG_portal_key));
		return LL_OK;
	}
	r = file_path(config_text(c, CONFIG_data), "portal.crt", path);
	if (r)
		return r;
	proc_add_config(m, "portal_cert", path);
	r = file_path(config_text(c, CONFIG_data), "portal.key", path);
	if (r == LL_OK)
		proc_add_config(m, "portal_key", path);
	return r;
}

enum ll_result
proc_configure(enum proc p, enum op op, const struct config *c,
    const struct secret *root, const struct secret *host_seed,
    struct msg **m_r)
{
	const struct proc_row *row = &proc_table[p];
	enum ll_result r;
	struct msg *m;
	size_t i;

	*m_r = NULL;
	r = msg_create(MSG_EVENT, op, &m);
	if (r)
		return r;
	for (i = 0; row->config[i] != CONFIG_COUNT; i++)
		add_key(m, c, row->config[i]);
	if (p == PROC_PORTAL)
		r = add_certificate(m, c);
	for (i = 0; r == LL_OK && row->labels[i] != LABEL_COUNT; i++)
		r = add_secret(m, row->labels[i], root, host_seed);
	if (r == LL_OK)
		r = msg_error(m);
	if (r) {
		msg_destroy(m);
		return r;
	}
	*m_r = m;
	return LL_OK;
}
