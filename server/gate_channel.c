#include "server/gate.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHANNEL_COMMAND_MAX 65536
#define CHANNEL_NAME_MAX 64
#define CHANNEL_VALUE_MAX 256

/* A request's message with the channel's number in it, or NULL. */
static struct msg *
channel_message(const struct gate_channel *c, enum op op)
{
	const enum msg_kind kind = op == OP_GATE_RESIZE ||
	    op == OP_GATE_CLOSED ? MSG_EVENT : MSG_REQUEST;
	struct msg *m = NULL;

	if (msg_create(kind, op, &m) != LL_OK)
		return NULL;
	msg_put_u64(m, F_CHANNEL, c->number);
	return m;
}

/* Counts one request; false above the cap or when it comes too late. */
static bool
channel_request(struct gate_channel *c)
{
	if (c->requests >= GATE_REQUESTS)
		return false;
	c->requests++;
	return !c->started && !c->gate->over;
}

/* Asks the session; 0 when it agrees, else 1 (libssh's "refused"). */
static int
channel_ask(struct gate_channel *c, struct msg *request)
{
	struct msg *reply = NULL;
	enum ll_result r;

	if (!request)
		return 1;
	r = gate_ask(c->gate, request, &reply);
	if (!r)
		r = msg_result(reply);
	msg_destroy(reply);
	return r == LL_OK ? 0 : 1;
}

/* A worker's descriptor, which must never make the gate wait. */
static int
channel_take(struct msg *reply, unsigned n)
{
	const int fd = msg_take_fd(reply, n);
	const int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* The same for what starts a worker: takes its descriptors. */
static int
channel_start(struct gate_channel *c, struct msg *request)
{
	struct msg *reply = NULL;
	const char *words;

	if (!request || gate_ask(c->gate, request, &reply) != LL_OK)
		return 1;
	if (msg_result(reply) != LL_OK) {
		msg_destroy(reply);
		return 1;
	}
	c->started = true;
	c->io = channel_take(reply, 0);
	c->err = channel_take(reply, 1);
	c->out_done = c->io < 0;
	if (view_has(msg_view(reply), F_EXIT)) {
		c->exit_known = true;
		c->exit_status = (uint32_t)view_u64(msg_view(reply), F_EXIT);
	}
	words = view_text(msg_view(reply), F_WORDS);
	if (words[0])
		gate_pump_complain(c, words);
	msg_destroy(reply);
	return 0;
}

static int
channel_pty(ssh_session ssh, ssh_channel ch, const char *term, int cols,
    int rows, int px, int py, void *userdata)
{
	struct gate_channel *c = userdata;
	struct msg *m;
	int refused;

	(void)ssh; (void)ch; (void)px; (void)py;
	if (!channel_request(c) || c->pty)
		return 1;
	m = channel_message(c, OP_GATE_PTY);
	if (!m)
		return 1;
	if (!term || strlen(term) > CHANNEL_NAME_MAX ||
	    !utf8_valid(term, strlen(term)))
		term = "";
	msg_put_text(m, F_TERM, term);
	msg_put_u64(m, F_COLS, (uint32_t)cols);
	msg_put_u64(m, F_ROWS, (uint32_t)rows);
	refused = channel_ask(c, m);
	c->pty = !refused;
	return refused;
}

static int
channel_resize(ssh_session ssh, ssh_channel ch, int cols, int rows, int px,
    int py, void *userdata)
{
	struct gate_channel *c = userdata;
	struct msg *m;

	(void)ssh; (void)ch; (void)px; (void)py;
	if (!c->pty || c->gate->over)
		return 1;
	m = channel_message(c, OP_GATE_RESIZE);
	if (!m)
		return 1;
	msg_put_u64(m, F_COLS, (uint32_t)cols);
	msg_put_u64(m, F_ROWS, (uint32_t)rows);
	return chan_send(c->gate->session, m) == LL_OK ? 0 : 1;
}

static int
channel_env(ssh_session ssh, ssh_channel ch, const char *name,
    const char *value, void *userdata)
{
	struct gate_channel *c = userdata;
	struct msg *m;

	(void)ssh; (void)ch;
	if (!channel_request(c) || !name || !value ||
	    strlen(name) > CHANNEL_NAME_MAX ||
	    strlen(value) > CHANNEL_VALUE_MAX ||
	    !utf8_valid(name, strlen(name)) ||
	    !utf8_valid(value, strlen(value)))
		return 1;
	m = channel_message(c, OP_GATE_ENV);
	if (!m)
		return 1;
	msg_put_text(m, F_ENV_NAME, name);
	msg_put_text(m, F_ENV_VALUE, value);
	return channel_ask(c, m);
}

static int
channel_shell(ssh_session ssh, ssh_channel ch, void *userdata)
{
	struct gate_channel *c = userdata;

	(void)ssh; (void)ch;
	if (!channel_request(c))
		return 1;
	return channel_start(c, channel_message(c, OP_GATE_START_SHELL));
}

static int
channel_exec(ssh_session ssh, ssh_channel ch, const char *command,
    void *userdata)
{
	struct gate_channel *c = userdata;
	struct msg *m;

	(void)ssh; (void)ch;
	if (!channel_request(c) || !command)
		return 1;
	m = channel_message(c, OP_GATE_EXEC);
	if (!m)
		return 1;
	/* without it the session says why: to a refused request OpenSSH's
	 * client shows nothing, and one beside a master waits for ever */
	if (strlen(command) <= CHANNEL_COMMAND_MAX &&
	    utf8_valid(command, strlen(command)))
		msg_put_text(m, F_COMMAND, command);
	return channel_start(c, m);
}

static int
channel_subsystem(ssh_session ssh, ssh_channel ch, const char *name,
    void *userdata)
{
	struct gate_channel *c = userdata;
	struct msg *m;

	(void)ssh; (void)ch;
	if (!channel_request(c) || !name ||
	    strlen(name) > CHANNEL_NAME_MAX || !utf8_valid(name, strlen(name)))
		return 1;
	m = channel_message(c, OP_GATE_SUBSYSTEM);
	if (!m)
		return 1;
	msg_put_text(m, F_NAME, name);
	return channel_start(c, m);
}

static void
channel_callbacks(struct gate_channel *c)
{
	c->callbacks.userdata = c;
	c->callbacks.channel_pty_request_function = channel_pty;
	c->callbacks.channel_pty_window_change_function = channel_resize;
	c->callbacks.channel_env_request_function = channel_env;
	c->callbacks.channel_shell_request_function = channel_shell;
	c->callbacks.channel_exec_request_function = channel_exec;
	c->callbacks.channel_subsystem_request_function = channel_subsystem;
	ssh_callbacks_init(&c->callbacks);
}

static struct gate_channel *
channel_free_place(struct gate *g)
{
	for (int i = 0; i < GATE_CHANNELS; i++)
		if (!g->channels[i].used)
			return &g->channels[i];
	return NULL;
}

ssh_channel
gate_channel_open(ssh_session ssh, void *userdata)
{
	struct gate *g = userdata;
	struct gate_channel *c;

	if (!g->authed) {
		gate_lost(g, CHILD_VIOLATION);
		return NULL;
	}
	c = channel_free_place(g);
	if (!c || g->over || g->bye)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->gate = g;
	c->number = g->next_number++;
	c->io = c->err = -1;
	if (channel_ask(c, channel_message(c, OP_GATE_CHANNEL)))
		return NULL;
	c->ssh = ssh_channel_new(ssh);
	if (!c->ssh)
		return NULL;
	channel_callbacks(c);
	if (ssh_set_channel_callbacks(c->ssh, &c->callbacks) != SSH_OK) {
		ssh_channel_free(c->ssh);
		return NULL;
	}
	c->used = true;
	return c->ssh;
}

void
gate_channel_exit(struct gate *g, unsigned number, uint32_t status)
{
	for (int i = 0; i < GATE_CHANNELS; i++) {
		struct gate_channel *c = &g->channels[i];

		if (!c->used || c->number != number)
			continue;
		c->exit_known = true;
		c->exit_status = status;
	}
}

void
gate_channel_release(struct gate_channel *c)
{
	struct msg *m;

	if (!c->used)
		return;
	m = channel_message(c, OP_GATE_CLOSED);
	if (m && chan_send(c->gate->session, m) != LL_OK)
		c->gate->over = true;
	if (c->io >= 0)
		(void)close(c->io);
	if (c->err >= 0)
		(void)close(c->err);
	gate_rest_finish(&c->in);
	gate_rest_finish(&c->out);
	gate_rest_finish(&c->errors);
	ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
	ssh_channel_free(c->ssh);
	memset(c, 0, sizeof(*c));
	c->io = c->err = -1;
}
