#include "server/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_KILL_MS 5000
#define WORKER_CRASH_EXIT 75      /* CONTRACT.md: try later */
#define WORKER_AGENT_FD 3
#define WORKER_PATH_MAX 4096

/* What the program is and how it is told its mode. */
static const struct {
	const char *program;
	const char *argument;
} modes[] = {
	[WORKER_SCREEN] = { "letterlock-tui", "screen" },
	[WORKER_LINE] = { "letterlock-tui", "line" },
	[WORKER_EXEC] = { "letterlock-tui", "exec" },
	[WORKER_ENROL] = { "letterlock-tui", "enrol" },
	[WORKER_ENROL_LINE] = { "letterlock-tui", "enrol-line" },
	[WORKER_SFTP] = { "letterlock-sftp", NULL },
};

static void
worker_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static enum ll_result
worker_open_pty(struct session_channel *c, int fds_r[2])
{
	const struct winsize size = { .ws_row = (unsigned short)c->rows,
		.ws_col = (unsigned short)c->cols };

	c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master < 0 || unlockpt(c->master) != 0)
		return LL_IO;
	c->slave = ioctl(c->master, TIOCGPTPEER,
	    O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || ioctl(c->master, TIOCSWINSZ, &size) != 0)
		return LL_IO;
	fds_r[0] = fcntl(c->master, F_DUPFD_CLOEXEC, 4);
	return fds_r[0] < 0 ? LL_IO : LL_OK;
}

static enum ll_result
worker_open_pipes(struct session_channel *c, int fds_r[2])
{
	int io[2], err[2];
	enum ll_result r = chan_pair(io);

	if (r)
		return r;
	fds_r[0] = io[0];
	c->io = io[1];
	if (pipe2(err, O_CLOEXEC) != 0)
		return LL_IO;
	fds_r[1] = err[0];
	c->err = err[1];
	return LL_OK;
}

enum ll_result
session_worker_open(struct session_channel *c, int fds_r[2])
{
	enum ll_result r;

	fds_r[0] = fds_r[1] = -1;
	r = c->pty ? worker_open_pty(c, fds_r) : worker_open_pipes(c, fds_r);
	if (r) {
		worker_close(&fds_r[0]);
		worker_close(&fds_r[1]);
	}
	return r;
}

/* --- the child's side of fork: only what is safe there --- */

static bool
worker_descriptors(const struct session_channel *c, int agent)
{
	const int in = c->pty ? c->slave : c->io;
	const int err = c->pty ? c->slave : c->err;
	int high[3];

	/* Above the targets first, so that none is overwritten. */
	high[0] = fcntl(in, F_DUPFD, 16);
	high[1] = fcntl(err, F_DUPFD, 16);
	high[2] = fcntl(agent, F_DUPFD, 16);
	if (high[0] < 0 || high[1] < 0 || high[2] < 0)
		return false;
	return dup2(high[0], 0) == 0 && dup2(high[0], 1) == 1 &&
	    dup2(high[1], 2) == 2 &&
	    dup2(high[2], WORKER_AGENT_FD) == WORKER_AGENT_FD &&
	    close_range(WORKER_AGENT_FD + 1, ~0u, 0) == 0;
}

static void
worker_child(const struct session_channel *c, int agent, const char *path,
    char *const argv[], char *const envp[])
{
	sigset_t none;

	if (setsid() < 0)
		_exit(126);
	if (c->pty && ioctl(c->slave, TIOCSCTTY, 0) != 0)
		_exit(126);
	if (!worker_descriptors(c, agent))
		_exit(126);
	/* nohup, or who started letterlockd, may have left it ignored */
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, envp);
	_exit(127);
}

/* --- the parent's side --- */

#define WORKER_ENV_MAX (SESSION_ENV + 5)
#define WORKER_ENV_TEXT 400

struct worker_env {
	char text[WORKER_ENV_MAX][WORKER_ENV_TEXT];
	char *list[WORKER_ENV_MAX + 1];
	size_t count;
};

static void
env_add(struct worker_env *e, const char *name, const char *value)
{
	if (e->count >= WORKER_ENV_MAX)
		return;
	(void)snprintf(e->text[e->count], WORKER_ENV_TEXT, "%s=%s", name,
	    value);
	e->list[e->count] = e->text[e->count];
	e->list[++e->count] = NULL;
}

static void
worker_environment(const struct session_channel *c, struct worker_env *e)
{
	const char *sandbox = getenv("LETTERLOCK_SANDBOX");
	const char *asan = getenv("ASAN_OPTIONS");

	e->count = 0;
	env_add(e, "PATH", "/usr/bin:/bin");
	if (c->term[0])
		env_add(e, "TERM", c->term);
	if (sandbox)
		env_add(e, "LETTERLOCK_SANDBOX", sandbox);
	if (asan)
		env_add(e, "ASAN_OPTIONS", asan);
	for (size_t i = 0; i < c->env_count; i++)
		env_add(e, c->env[i].name, c->env[i].value);
}

static enum ll_result
worker_spawn(struct session_channel *c, int agent)
{
	struct worker_env *e = malloc(sizeof(*e));
	char path[WORKER_PATH_MAX], program[64], mode[16];
	char *argv[3] = { program, mode, NULL };
	pid_t pid;
	int n;

	if (!e)
		return LL_NOMEM;
	worker_environment(c, e);
	n = snprintf(path, sizeof(path), "%s/%s", c->session->bin,
	    modes[c->mode].program);
	(void)snprintf(program, sizeof(program), "%s", modes[c->mode].program);
	if (modes[c->mode].argument)
		(void)snprintf(mode, sizeof(mode), "%s",
		    modes[c->mode].argument);
	else
		argv[1] = NULL;
	if (n < 0 || (size_t)n >= sizeof(path)) {
		free(e);
		return LL_TOOBIG;
	}
	pid = fork();
	if (pid == 0)
		worker_child(c, agent, path, argv, e->list);
	free(e);
	if (pid < 0)
		return LL_IO;
	c->pid = pid;
	return LL_OK;
}

enum ll_result
session_worker_start(struct session_channel *c)
{
	int agent[2];
	enum ll_result r = chan_pair(agent);

	if (r)
		return r;
	r = chan_create(agent[0], &c->agent);
	if (!r)
		r = session_agent_watch(c);
	if (!r)
		r = worker_spawn(c, agent[1]);
	(void)close(agent[1]);
	return r;
}

static void
worker_kill(void *arg)
{
	struct session_channel *c = arg;

	c->kill_timer = 0;
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL);
}

void
session_worker_expire(struct session_channel *c)
{
	if (c->pid <= 0 || c->kill_timer)
		return;
	if (loop_timer(c->session->loop, WORKER_KILL_MS, worker_kill, c,
	    &c->kill_timer) != LL_OK)
		(void)kill(c->pid, SIGKILL);
}

void
session_worker_drain(struct session_channel *c)
{
	c->closed = true;
	c->restart = false;
	worker_close(&c->master);
	worker_close(&c->slave);
	worker_close(&c->io);
	worker_close(&c->err);
	session_worker_expire(c);
}

void
session_worker_hangup(struct session_channel *c)
{
	session_worker_drain(c);
	if (c->pid > 0)
		(void)kill(c->pid, SIGHUP);
}

static void
worker_agent_close(struct session_channel *c)
{
	if (c->session)
		session_mail_hangup(c->session, c);
	if (!c->agent)
		return;
	loop_fd_remove(c->session->loop, chan_fd(c->agent));
	chan_destroy(c->agent);
	c->agent = NULL;
}

void
session_worker_release(struct session_channel *c)
{
	worker_agent_close(c);
	worker_close(&c->master);
	worker_close(&c->slave);
	worker_close(&c->io);
	worker_close(&c->err);
	for (size_t i = 0; i < c->env_count; i++) {
		free(c->env[i].name);
		free(c->env[i].value);
	}
	free(c->command);
	memset(c, 0, sizeof(*c));
	c->master = c->slave = c->io = c->err = -1;
}

/* The client hears the exit status; the channel stays until it closes it. */
static void
worker_report(struct session_channel *c, unsigned status)
{
	struct msg *m = NULL;

	worker_close(&c->slave);
	worker_close(&c->io);
	worker_close(&c->err);
	if (msg_create(MSG_EVENT, OP_GATE_EXIT, &m) == LL_OK) {
		msg_put_u64(m, F_CHANNEL, c->number);
		msg_put_u64(m, F_EXIT, status);
	}
	session_send(c->session, m);
}

static void
worker_ended(struct session_channel *c, int status)
{
	const unsigned code = WIFEXITED(status) ?
	    (unsigned)WEXITSTATUS(status) : WORKER_CRASH_EXIT;

	c->pid = 0;
	if (c->kill_timer)
		loop_timer_remove(c->session->loop, c->kill_timer);
	c->kill_timer = 0;
	worker_agent_close(c);
	if (c->closed) {
		session_worker_release(c);
		return;
	}
	if (c->restart && c->session->state == STATE_OK) {
		c->restart = false;
		if (session_worker_start(c) == LL_OK)
			return;
	}
	worker_report(c, code);
}

void
session_worker_reap(struct session *s)
{
	int status;

	session_mail_reap(s);
	for (int i = 0; i < SESSION_CHANNELS; i++) {
		struct session_channel *c = &s->channels[i];

		if (c->used && c->pid > 0 &&
		    waitpid(c->pid, &status, WNOHANG) == c->pid)
			worker_ended(c, status);
	}
}

bool
session_worker_any(const struct session *s)
{
	for (int i = 0; i < SESSION_CHANNELS; i++)
		if (s->channels[i].used && s->channels[i].pid > 0)
			return true;
	return false;
}
