#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/file.h"
#include "server/local.h"
#include "server/proc.h"
#include "server/root.h"
#include "store/loop.h"

#define BUSY_WAIT_MS 8000
#define BUSY_STEP_US 50000
#define ANSWER_MS 20000
#define READY_MS 120000          /* a migration takes its time */

enum ll_result
local_init(struct local *l, const char *dir)
{
	char *cwd = NULL;
	int n;

	memset(l, 0, sizeof(*l));
	if (dir[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (cwd == NULL)
			return LL_IO;
	}
	n = snprintf(l->data, sizeof(l->data), "%s%s%s",
	    cwd != NULL ? cwd : "", cwd != NULL ? "/" : "", dir);
	free(cwd);
	if (n < 1 || (size_t)n >= sizeof(l->data) - 100)
		return LL_TOOBIG;
	while (n > 1 && l->data[n - 1] == '/')
		l->data[--n] = '\0';
	return LL_OK;
}

bool
local_is_free(const struct local *l)
{
	char path[FILE_PATH_MAX];
	bool is_free;
	int fd;

	if (file_path(l->data, "lock", path) != LL_OK)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
	(void)close(fd);
	return is_free;
}

enum ll_result
local_control(struct local *l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const void *p = &sa;
	int fd, n;

	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/control.sock",
	    l->data);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return LL_TOOBIG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return LL_IO;
	if (connect(fd, p, sizeof(sa)) != 0) {
		(void)close(fd);
		return LL_NOTFOUND;
	}
	return chan_create(fd, &l->control);
}

/* A store channel of that role from whoever hands them out. */
static enum ll_result
ask_channel(struct chan *from, struct chan **c_r)
{
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;
	int fd;

	r = msg_create(MSG_REQUEST, OP_CHANNEL_NEW, &m);
	if (r)
		return r;
	msg_put_u64(m, F_ROLE, PEER_LOCAL);
	r = chan_call(from, m, ANSWER_MS, &reply);
	if (r == LL_OK)
		r = msg_result(reply);
	if (r == LL_OK) {
		fd = msg_take_fd(reply, 0);
		r = fd < 0 ? LL_PROTO : chan_create(fd, c_r);
	}
	msg_destroy(reply);
	return r;
}

/* --- a store of our own --- */

static enum ll_result
spawn_store(struct local *l, const struct config *c, char *why)
{
	struct proc_owner owner;
	char path[FILE_PATH_MAX];
	enum ll_result r;
	int fds[2];

	if (proc_find("letterlock-store", path) != LL_OK) {
		snprintf(why, CONFIG_WHY, "letterlock-store: not found in "
		    "%.1000s", path);
		return LL_DENIED;
	}
	r = proc_owner("letterlock-store", c, &owner);
	if (r == LL_OK)
		r = chan_pair(fds);
	if (r)
		return r;
	r = proc_spawn(path, &owner, fds[1], &l->pid);
	(void)close(fds[1]);
	if (r) {
		(void)close(fds[0]);
		return r;
	}
	return chan_create(fds[0], &l->child);
}

static enum ll_result
configure_store(struct local *l, const struct config *c,
    const struct secret *root)
{
	struct msg *m = NULL;
	enum ll_result r;
	int fds[2];

	r = proc_configure(PROC_STORE, OP_CONFIGURE, c, root, NULL, &m);
	if (r)
		return r;
	r = chan_pair(fds);
	if (r) {
		msg_destroy(m);
		return r;
	}
	msg_put_fd(m, fds[1]);
	r = chan_create(fds[0], &l->daemon);
	if (r) {
		msg_destroy(m);
		return r;
	}
	return chan_send(l->child, m);
}

static enum ll_result
await_ready(struct local *l, char *why)
{
	struct msg *m = NULL;
	enum ll_result r;
	bool ready = false;

	do {
		r = chan_wait(l->child, READY_MS, &m);
		ready = r == LL_OK && msg_op(m) == OP_READY;
		msg_destroy(m);
		m = NULL;
	} while (r == LL_OK && !ready);
	if (r == LL_EOF) {
		/* the store has said why */
		why[0] = '\0';
		return LL_DENIED;
	}
	return r;
}

static enum ll_result
open_own(struct local *l, char *why)
{
	struct secret root = SECRET_NONE;
	char path[FILE_PATH_MAX];
	struct config c;
	enum ll_result r;

	memset(&c, 0, sizeof(c));
	r = file_path(l->data, "letterlock.conf", path);
	if (r == LL_OK)
		r = config_load(&c, path, why);
	if (r)
		return r;
	snprintf(why, CONFIG_WHY, "out of memory");
	r = root_load(&c, &root, why);
	if (r == LL_OK)
		r = spawn_store(l, &c, why);
	if (r == LL_OK)
		r = configure_store(l, &c, &root);
	if (r == LL_OK)
		r = await_ready(l, why);
	if (r == LL_OK)
		r = ask_channel(l->daemon, &l->store);
	secret_finish(&root);
	config_finish(&c);
	return r;
}

enum ll_result
local_open(struct local *l, char *why)
{
	uint64_t end = loop_now_ms() + BUSY_WAIT_MS;
	enum ll_result r;

	(void)signal(SIGPIPE, SIG_IGN);
	r = proc_memlock(why);
	if (r)
		return r;
	snprintf(why, CONFIG_WHY, "out of memory");
	for (;;) {
		r = local_control(l);
		if (r == LL_OK)
			r = ask_channel(l->control, &l->store);
		if (r == LL_OK)
			return r;
		chan_destroy(l->control);
		l->control = NULL;
		if (local_is_free(l))
			return open_own(l, why);
		if (loop_now_ms() > end) {
			snprintf(why, CONFIG_WHY, "%.1000s: in use, and no "
			    "letterlockd answers", l->data);
			return LL_BUSY;
		}
		(void)usleep(BUSY_STEP_US);
	}
}

void
local_close(struct local *l)
{
	struct msg *m;
	int status;

	chan_destroy(l->store);
	chan_destroy(l->daemon);
	chan_destroy(l->control);
	if (l->child != NULL && msg_create(MSG_EVENT, OP_STOP, &m) == LL_OK)
		(void)!chan_send(l->child, m);
	if (l->child == NULL && l->pid > 0)
		(void)kill(l->pid, SIGKILL);
	while (l->pid > 0 && waitpid(l->pid, &status, 0) < 0 &&
	    errno == EINTR)
		;
	chan_destroy(l->child);
	l->store = l->daemon = l->control = l->child = NULL;
	l->pid = 0;
}
