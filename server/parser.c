#include "server/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "letterlock-parse"
#define RUN_MS 60000

static bool
runs(const char *dir, char path[PATH_MAX])
{
	const int n = snprintf(path, PATH_MAX, "%s/" PROGRAM, dir);

	return n > 0 && n < PATH_MAX && access(path, X_OK) == 0;
}

static enum ll_result
find(const char *dir, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n;

	if (dir != NULL)
		return runs(dir, path) ? LL_OK : LL_NOTFOUND;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return LL_IO;
	self[n] = '\0';
	return runs(dirname(self), path) || runs(LL_LIBEXECDIR, path) ?
	    LL_OK : LL_NOTFOUND;
}

/* In the child, which borrows its parent's memory: system calls only.  fd is
 * above 1, so neither dup2 closes it. */
static void __attribute__((noreturn))
become(const char *path, char *const argv[], int fd)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, 0) != 0 || dup2(fd, 1) != 1 ||
	    close_range(3, ~0u, 0) != 0)
		_exit(126);
	(void)execve(path, argv, environ);
	_exit(127);
}

static pid_t
launch(const char *path, char *const argv[], int fd)
{
	const pid_t pid = vfork();

	if (pid == 0)
		become(path, argv, fd);
	return pid;
}

/* Above the descriptors that it becomes. */
static int
lift(int fd)
{
	int high;

	if (fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	(void)close(fd);
	return high;
}

enum ll_result
parser_start(const char *dir, const struct tlv_out *keys, struct parser *p_r)
{
	char path[PATH_MAX], name[] = PROGRAM;
	char *const argv[] = { name, NULL };
	struct parse_wire w;
	enum ll_result r;
	int fds[2];

	*p_r = (struct parser)PARSER_NONE;
	r = find(dir, path);
	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return LL_IO;
	p_r->fd = fds[0];
	fds[1] = lift(fds[1]);
	p_r->pid = fds[1] < 0 ? -1 : launch(path, argv, fds[1]);
	if (fds[1] >= 0)
		(void)close(fds[1]);
	w.fd = p_r->fd;
	w.timeout_ms = RUN_MS;
	r = p_r->pid > 0 ? LL_OK : LL_IO;
	/* The socket's buffer takes one chunk: nobody is waited for. */
	if (r == LL_OK)
		r = keys == NULL ? parse_put(&w, 'K', NULL, 0) :
		    keys->err != LL_OK ? keys->err :
		    parse_put(&w, 'K', keys->data, keys->len);
	if (r)
		parser_finish(p_r);
	return r;
}

void
parser_finish(struct parser *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*p = (struct parser)PARSER_NONE;
}

enum ll_result
parser_ask(const struct parser *p, const struct tlv_out *fields,
    const void *item, size_t len, int timeout_ms)
{
	const struct parse_wire w = { p->fd, timeout_ms };
	enum ll_result r = fields->err;

	if (r == LL_OK)
		r = parse_put(&w, 'J', fields->data, fields->len);
	if (r == LL_OK && item != NULL)
		r = parse_put_begin(&w, 0);
	if (r == LL_OK && item != NULL)
		r = parse_put(&w, 'D', item, len);
	return r == LL_OK ? parse_put(&w, 'E', NULL, 0) : r;
}

enum ll_result
parser_answer(const struct parser *p, int timeout_ms,
    struct tlv_out *result_r)
{
	const struct parse_wire w = { p->fd, timeout_ms };

	return parse_answer_secret(&w, result_r);
}

enum ll_result
parser_run(const struct tlv_out *keys, const struct tlv_out *fields,
    const void *item, size_t len, struct tlv_out *result_r, char *words,
    size_t room)
{
	struct parser p = PARSER_NONE;
	struct tlv_view v;
	const char *said = "";
	enum ll_result r;

	tlv_out_init(result_r, 1);
	r = parser_start(NULL, keys, &p);
	if (r == LL_OK)
		r = parser_ask(&p, fields, item, len, RUN_MS);
	if (r == LL_OK) {
		tlv_out_finish(result_r);
		r = parser_answer(&p, RUN_MS, result_r);
	}
	if (r == LL_OK) {
		v = (struct tlv_view){ result_r->data, result_r->len };
		r = parse_result(v, &said);
	} else {
		said = r == LL_NOTFOUND ? PROGRAM " is missing." :
		    PROGRAM " ended without an answer.";
		r = r == LL_NOTFOUND ? LL_DENIED : r;
	}
	if (words != NULL)
		(void)snprintf(words, room, "%s", said);
	parser_finish(&p);
	return r;
}

static bool
find_field(const struct tlv_out *result, enum parse_field tag,
    struct tlv_field *f_r)
{
	const struct tlv_view v = { result->data, result->len };
	size_t at = 0;

	return tlv_find(v, (uint8_t)tag, &at, f_r) == LL_OK;
}

uint64_t
parser_number(const struct tlv_out *result, enum parse_field tag,
    uint64_t otherwise)
{
	struct tlv_field f;
	uint64_t n;

	return find_field(result, tag, &f) && tlv_u64(&f, &n) == LL_OK ? n :
	    otherwise;
}

const char *
parser_text(const struct tlv_out *result, enum parse_field tag)
{
	struct tlv_field f;
	const char *text;

	return find_field(result, tag, &f) && tlv_text(&f, &text) == LL_OK ?
	    text : "";
}

const uint8_t *
parser_bytes(const struct tlv_out *result, enum parse_field tag,
    size_t *len_r)
{
	struct tlv_field f = { 0, NULL, 0 };

	if (!find_field(result, tag, &f))
		f.data = NULL;
	*len_r = f.data != NULL ? f.len : 0;
	return f.data;
}
