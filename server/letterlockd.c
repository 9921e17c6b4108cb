/*
 * letterlockd - starts and keeps the programs of a letterlock.
 *
 * It holds the listening sockets, the configuration and the root secret, and
 * reads no byte that came over the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/close_range.h>

#include "server/confine.h"
#include "server/control.h"
#include "server/hostkey.h"
#include "server/house.h"
#include "server/root.h"
#include "server/service.h"

#define LOCK_WAIT_MS 5000
#define LOCK_STEP_US 20000

static const char usage[] =
"usage: letterlockd -c FILE         serve in the foreground\n"
"       letterlockd -t -c FILE      check the configuration\n"
"       letterlockd --print-config  every key with its help and default\n";

struct options {
	const char *file;
	bool test, print;
};

static bool
read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "print-config", no_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:t", names, NULL)) != -1)
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 't':
			o->test = true;
			break;
		case 'p':
			o->print = true;
			break;
		default:
			return false;
		}
	return optind == argc && (o->print || o->file != NULL);
}

/* Descriptors 0 to 2 must be taken, and none but ours may reach a child. */
static void
tidy_descriptors(void)
{
	struct rlimit most;
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd < 3)
		fd = dup(fd);
	if (fd >= 3)
		(void)close(fd);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	if (getrlimit(RLIMIT_NOFILE, &most) == 0) {
		most.rlim_cur = most.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &most);
	}
}

static enum ll_result
find_programs(struct house *h, char *why)
{
	enum proc p;

	for (p = 0; p < PROC_COUNT; p++) {
		if (proc_wanted(p, &h->config) &&
		    proc_find(proc_table[p].name, h->paths[p]) != LL_OK) {
			snprintf(why, CONFIG_WHY, "%s: not found in %.1000s",
			    proc_table[p].name, h->paths[p]);
			return LL_NOTFOUND;
		}
		if (proc_owner(proc_table[p].name, &h->config,
		    &h->owners[p]) != LL_OK) {
			snprintf(why, CONFIG_WHY, "user: there is no user %s",
			    config_text(&h->config, CONFIG_user));
			return LL_NOTFOUND;
		}
	}
	return LL_OK;
}

/* A data directory that others may enter is refused, as sshd refuses keys. */
static enum ll_result
check_data(const struct house *h, char *why)
{
	const char *data = config_text(&h->config, CONFIG_data);
	struct stat st;

	if (stat(data, &st) != 0) {
		snprintf(why, CONFIG_WHY, "%.1000s: %s (letterlock init makes "
		    "it)", data, strerror(errno));
		return LL_IO;
	}
	if (!S_ISDIR(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		snprintf(why, CONFIG_WHY, "%.1000s: expected a directory of "
		    "mode 0700", data);
		return LL_DENIED;
	}
	return LL_OK;
}

/* Waits a little for the store of a letterlockd that has just died. */
static enum ll_result
wait_for_lock(const struct house *h, char *why)
{
	const char *data = config_text(&h->config, CONFIG_data);
	uint64_t end = loop_now_ms() + LOCK_WAIT_MS;
	char path[FILE_PATH_MAX];
	enum ll_result r;
	int fd, got;

	r = file_path(data, "lock", path);
	if (r)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
		    strerror(errno));
		return LL_IO;
	}
	while ((got = flock(fd, LOCK_EX | LOCK_NB)) != 0 &&
	    loop_now_ms() < end)
		(void)usleep(LOCK_STEP_US);
	if (got == 0 && !h->owners[PROC_STORE].keep &&
	    fchown(fd, h->owners[PROC_STORE].uid,
	    h->owners[PROC_STORE].gid) != 0)
		got = -1;
	(void)close(fd);
	if (got == 0)
		return LL_OK;
	snprintf(why, CONFIG_WHY, "%.1000s: another letterlockd or letterlock "
	    "uses this directory", data);
	return LL_BUSY;
}

static enum ll_result
load_secrets(struct house *h, char *why)
{
	const char *data = config_text(&h->config, CONFIG_data);
	enum ll_result r;

	r = root_load(&h->config, &h->root, why);
	if (r)
		return r;
	r = hostkey_load(data, &h->root, &h->host_seed);
	if (r == LL_AUTH)
		snprintf(why, CONFIG_WHY, "%.900s/host_ed25519: the root "
		    "secret is not the one this directory was made with",
		    data);
	else if (r)
		snprintf(why, CONFIG_WHY, "%.900s/host_ed25519: %s", data,
		    r == LL_IO ? strerror(errno) : ll_result_text(r));
	return r;
}

/* The gate's libssh must be one whose signatures can be taken over. */
static enum ll_result
test_gate(const struct house *h, char *why)
{
	int status = 255;

	if (proc_run(h->paths[PROC_GATE], &h->owners[PROC_GATE],
	    "--self-test", &status) == LL_OK && status == 0)
		return LL_OK;
	/* it has said what is unfit, or the loader what is missing */
	why[0] = '\0';
	if (status == 255 || status == PROC_EXIT_FAILED)
		snprintf(why, CONFIG_WHY, "letterlock-gate: its self-test "
		    "could not be run or crashed");
	return LL_IO;
}

static enum ll_result
open_sockets(struct house *h, char *why)
{
	enum ll_result r;

	r = listen_open(config_text(&h->config, CONFIG_ssh_listen), &h->ssh,
	    why, CONFIG_WHY);
	if (r == LL_OK)
		r = listen_open(config_text(&h->config, CONFIG_portal_listen),
		    &h->portal, why, CONFIG_WHY);
	if (r == LL_OK)
		r = control_open(h, why);
	return r;
}

static void
on_signal(void *arg, int signo)
{
	struct house *h = arg;

	switch (signo) {
	case SIGCHLD:
		house_reap(h);
		break;
	case SIGHUP:
		service_reload(h);
		break;
	default:
		house_say("stopping");
		service_stop(h);
		break;
	}
}

static enum ll_result
watch_signals(struct house *h)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };
	enum ll_result r = LL_OK;
	size_t i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; r == LL_OK && i < sizeof(signals) / sizeof(signals[0]);
	    i++)
		r = loop_signal(h->loop, signals[i], on_signal, h);
	return r;
}

/* SIGHUP reads it again, wherever we are then. */
static enum ll_result
fix_config_path(struct house *h, char *why)
{
	char *whole = realpath(h->config.file, NULL);

	if (whole == NULL) {
		snprintf(why, CONFIG_WHY, "%.1000s: %s", h->config.file,
		    strerror(errno));
		return LL_IO;
	}
	free(h->config.file);
	h->config.file = whole;
	return LL_OK;
}

static enum ll_result
prepare(struct house *h, const struct options *o, char *why)
{
	enum ll_result r;

	snprintf(why, CONFIG_WHY, "out of memory");
	r = proc_memlock(why);
	if (r)
		return r;
	snprintf(why, CONFIG_WHY, "out of memory");
	r = config_load(&h->config, o->file, why);
	if (r || o->test)
		return r;
	r = fix_config_path(h, why);
	if (r == LL_OK)
		r = check_data(h, why);
	if (r == LL_OK)
		r = find_programs(h, why);
	if (r == LL_OK)
		r = load_secrets(h, why);
	if (r == LL_OK)
		r = wait_for_lock(h, why);
	if (r == LL_OK)
		r = test_gate(h, why);
	if (r)
		return r;
	snprintf(why, CONFIG_WHY, "out of memory");
	r = loop_create(&h->loop);
	if (r == LL_OK)
		r = limits_create(&h->config, &h->limits);
	if (r == LL_OK)
		r = open_sockets(h, why);
	if (r == LL_OK)
		r = watch_signals(h);
	if (r == LL_OK)
		r = confine_enter(h, why);
	return r;
}

int
main(int argc, char **argv)
{
	static struct house house;
	struct options o = { NULL, false, false };
	char why[CONFIG_WHY];
	enum ll_result r;

	if (!read_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	if (o.print) {
		config_print(NULL, stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	tidy_descriptors();
	r = prepare(&house, &o, why);
	if (r) {
		if (why[0] != '\0')
			house_say("%s", why);
		control_close(&house);
		house_finish(&house);
		return r == LL_USAGE ? 2 : 1;
	}
	if (o.test) {
		house_finish(&house);
		return 0;
	}
	r = service_begin(&house);
	if (r == LL_OK)
		r = loop_run(house.loop);
	if (r)
		house_say("%s", ll_result_text(r));
	control_close(&house);
	house_finish(&house);
	return r ? 1 : house.exit_code;
}
