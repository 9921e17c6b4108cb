/*
 * letterlock-sftp - one channel's SFTP: files into one's own drafts, and out
 * of one's own messages.
 *
 * Descriptors: 0 and 1 the channel (one socket), 2 its standard error, 3 the
 * session, which is the key agent and hands out the channel to the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "keys/sandbox.h"
#include "keys/secret.h"
#include "server/sftp_box.h"
#include "server/sftp_serve.h"
#include "store/desk.h"

#define LOCKED_BYTES 131072       /* of guarded memory, at least */

/* No file is ever opened by name: the store hands in descriptors. */
static const struct sandbox sandbox = {
	.program = "letterlock-sftp",
	.calls = SANDBOX_BASE,
	.address_space_mib = 512,
	.open_files = 64,
	.no_children = true,
};

/* True as long as the worker may go on. */
static bool
hear_desk(struct desk *desk)
{
	struct desk_event event;

	while (desk_event(desk, &event) == LL_OK)
		if (event.kind == DESK_LOCKING || event.kind == DESK_END ||
		    event.kind == DESK_ACCOUNT)
			return false;
	return true;
}

/* Answers and writes until the client must send or read more. */
static bool
answer(struct sftp *s)
{
	const uint8_t *out;
	size_t len;
	ssize_t n;

	for (;;) {
		if (sftp_work(s))
			return false;
		out = sftp_output(s, &len);
		if (len == 0)
			return true;
		n = write(STDOUT_FILENO, out, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		sftp_sent(s, (size_t)n);
	}
}

/* One read, as far as there is room, and the answers. */
static bool
move_bytes(struct sftp *s, short revents)
{
	size_t room;
	uint8_t *in = sftp_input(s, &room);
	ssize_t n;

	if ((revents & (POLLIN | POLLHUP | POLLERR)) && room > 0) {
		n = read(STDIN_FILENO, in, room);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0)
			sftp_fed(s, (size_t)n);
	}
	return answer(s);
}

static void
serve(struct desk *desk, struct sftp *s)
{
	while (hear_desk(desk)) {
		struct pollfd fds[2] = {
			{ .fd = STDIN_FILENO },
			{ .fd = desk_fd(desk), .events = POLLIN },
		};
		size_t room, waiting;

		sftp_input(s, &room);
		sftp_output(s, &waiting);
		if (room > 0)
			fds[0].events |= POLLIN;
		if (waiting > 0)
			fds[0].events |= POLLOUT;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents && !move_bytes(s, fds[0].revents))
			return;
	}
}

static int
run(struct desk *desk)
{
	struct sftp_box *box = NULL;
	struct sftp *s = NULL;
	enum ll_result r = sftp_box_create(desk, &box);

	if (r == LL_OK)
		r = sftp_create(&sftp_box_back, box, &s);
	if (r == LL_OK)
		serve(desk, s);
	sftp_destroy(s);
	sftp_box_destroy(box);
	return ll_result_exit(r);
}

int
main(void)
{
	struct desk *desk;
	const char *why = NULL;
	enum ll_result r;
	int code;

	signal(SIGPIPE, SIG_IGN);
	r = secret_setup(LOCKED_BYTES);
	if (r == LL_OK)
		r = sandbox_enter(&sandbox, NULL, &why);
	if (r) {
		fprintf(stderr, "letterlock-sftp: %s\n",
		    why ? why : ll_result_text(r));
		return ll_result_exit(r);
	}
	if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK) != 0)
		return ll_result_exit(LL_IO);
	r = desk_open(3, &desk);
	if (r) {
		fprintf(stderr, "letterlock-sftp: %s\n", ll_result_text(r));
		return ll_result_exit(r);
	}
	code = run(desk);
	desk_close(desk);
	return code;
}
