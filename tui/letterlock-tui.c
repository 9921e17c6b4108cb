/*
 * letterlock-tui - the message center on one SSH channel: full screen, line
 * mode, one verb, or enrolment.
 *
 * Descriptors: 0, 1, 2 the pty, or a socket (0 and 1) and standard error; 3
 * the session, which is the key agent and hands out the store's channel.
 * argv[1] is one of modes[]; nothing that a user wrote comes by argv or the
 * environment but TERM, LANG and LC_*.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "keys/sandbox.h"
#include "keys/secret.h"
#include "tui/center.h"
#include "tui/exec.h"
#include "tui/line.h"
#include "tui/screen.h"

#define AGENT_FD 3
#define LOCKED_BYTES 131072      /* of guarded memory, at least */

/* No file is ever opened by name (terminfo was read before; blobs come as
 * descriptors from the store), no network, no program started. */
static const struct sandbox sandbox = {
	.program = "letterlock-tui",
	.calls = SANDBOX_BASE | SANDBOX_TTY,
	.address_space_mib = 4608,
	.open_files = 64,
	.no_children = true,
};

struct mode {
	const char *name;
	bool full_screen;
	int (*run)(struct center *c);
};

static int
run_enrol(struct center *c)
{
	const struct desk_self *self = center_self(c);

	return enrol_main(desk_agent(center_desk(c)), self->user, self->org);
}

static int
run_enrol_line(struct center *c)
{
	const struct desk_self *self = center_self(c);

	return line_enrol_main(desk_agent(center_desk(c)), self->user,
	    self->org);
}

/* A mode for screens stands right before the one for other terminals. */
static const struct mode modes[] = {
	{ "screen", true, screen_main },
	{ "line", false, line_main },
	{ "enrol", true, run_enrol },
	{ "enrol-line", false, run_enrol_line },
	{ "exec", false, exec_main },
};

static const struct mode *
find_mode(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

static int
fail(const char *words, enum ll_result r)
{
	(void)fprintf(stderr, "letterlock: %s\n", words);
	return ll_result_exit(r);
}

int
main(int argc, char **argv)
{
	const struct mode *mode = find_mode(argc == 2 ? argv[1] : "");
	struct center *c;
	const char *why = NULL;
	enum ll_result r;
	int status;

	if (!mode)
		return fail("it is started by the session only", LL_USAGE);
	/* A line that drops shows as the end of input, so that what was being
	 * written is journalled first. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (mode->full_screen && !screen_prepare())
		mode++;
	if (!mode->full_screen)
		(void)signal(SIGINT, SIG_IGN);
	r = secret_setup(LOCKED_BYTES);
	if (r == LL_OK)
		r = sandbox_enter(&sandbox, NULL, &why);
	if (r) {
		screen_release();
		return fail(why ? why : ll_result_text(r), r);
	}
	r = center_open(AGENT_FD, &c);
	if (r) {
		screen_release();
		return fail(ll_result_text(r), r);
	}
	status = mode->run(c);
	screen_release();
	center_close(c);
	return status;
}
