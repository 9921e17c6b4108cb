/*
 * test_screen.c - the screens over a house of cards.
 *
 * "show ROLE MESSAGES FIFO" runs them on this terminal: for looking at them,
 * and for tests with a terminal emulator.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "keys/sandbox.h"
#include "keys/secret.h"
#include "tests/unit/fake_center.h"
#include "tui/screen.h"
#include "tui/term.h"

#define OUTPUT_MAX (1 << 20)

/* As letterlock-tui's: screens need nothing more. */
static const struct sandbox sandbox = {
	.program = "test_screen",
	.calls = SANDBOX_BASE | SANDBOX_FILES | SANDBOX_SOCKPAIR |
	    SANDBOX_TTY,
	.address_space_mib = 4608,
	.open_files = 64,
	.no_children = true,
};

static int
show(const char *role, size_t messages, const char *fifo)
{
	enum user_role r = ROLE_STAFF;
	struct center *c;
	const char *why;

	if (secret_setup(65536) || !screen_prepare())
		return 3;
	if (strcmp(role, "admin") == 0)
		r = ROLE_ADMIN;
	c = fake_center(messages, fifo, r, strcmp(role, "locked") == 0);
	if (sandbox_enter(&sandbox, NULL, &why))
		return 4;
	return screen_main(c);
}

/* --- a run on a pty --- */

static struct {
	pid_t pid;
	int pty;
	int fifo;
	char path[64];
	char *out;
	size_t len;
} run;

static void
start(const char *term, size_t messages)
{
	struct winsize w = { .ws_row = 24, .ws_col = 80 };

	(void)snprintf(run.path, sizeof(run.path), "/tmp/ll-fifo-%d",
	    (int)getpid());
	(void)unlink(run.path);
	assert_int_equal(mkfifo(run.path, 0600), 0);
	run.fifo = open(run.path, O_RDWR | O_CLOEXEC);
	assert_true(run.fifo >= 0);
	run.out = calloc(1, OUTPUT_MAX + 1);
	assert_non_null(run.out);
	run.len = 0;
	run.pid = forkpty(&run.pty, NULL, NULL, &w);
	assert_true(run.pid >= 0);
	if (run.pid == 0) {
		(void)setenv("TERM", term, 1);
		(void)setenv("LC_ALL", "C.UTF-8", 1);
		_exit(show("staff", messages, run.path));
	}
}

/* Reads until text was written after offset `from`, or two seconds passed. */
static bool
seen(const char *text, size_t from)
{
	struct pollfd p = { run.pty, POLLIN, 0 };
	ssize_t n;

	while (!memmem(run.out + from, run.len - from, text, strlen(text))) {
		if (poll(&p, 1, 2000) <= 0 || run.len == OUTPUT_MAX)
			return false;
		n = read(run.pty, run.out + run.len, OUTPUT_MAX - run.len);
		if (n <= 0)
			return false;
		run.len += (size_t)n;
	}
	return true;
}

static void
press(const char *keys)
{
	assert_int_equal(write(run.pty, keys, strlen(keys)), strlen(keys));
}

static int
stop(void)
{
	int status;

	(void)seen("no such text", run.len);
	(void)waitpid(run.pid, &status, 0);
	(void)close(run.pty);
	(void)close(run.fifo);
	(void)unlink(run.path);
	free(run.out);
	return status;
}

/* A login paints once, in less than 8 KB, and fetches a screenful. */
static void
test_first_paint(void **state)
{
	static const char *const terms[] = { "xterm-256color", "vt100",
	    "linux", "xterm-ghostty", "tmux-256color" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
		start(terms[i], 100000);
		assert_true(seen("Message number 100000", 0));
		(void)seen("no such text", 0);
		assert_true(run.len < 8192);
		press("q");
		usleep(500000);
		press("q");
		assert_int_equal(stop(), 0);
	}
}

static void
test_live_arrival(void **state)
{
	size_t before;

	(void)state;
	start("xterm-256color", 3);
	assert_true(seen("Message number 3", 0));
	(void)seen("no such text", 0);
	before = run.len;
	assert_int_equal(write(run.fifo, "m", 1), 1);
	assert_true(seen("New message", before));
	(void)kill(run.pid, SIGTERM);
	assert_int_equal(stop(), 0);
}

/* Whatever ends it: bracketed paste is off, the cursor is there. */
static void
test_leaves_clean(void **state)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGSEGV };
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < 3; i++) {
		start("xterm-256color", 3);
		assert_true(seen("Message number 3", 0));
		(void)kill(run.pid, signals[i]);
		assert_true(seen("\033[?2004l", 0));
		assert_true(seen("\033[?1049l", 0));
		status = stop();
		if (signals[i] == SIGSEGV)
			assert_true(WIFSIGNALED(status));
		else
			assert_int_equal(status, 0);
	}
}

static void
test_candidates(void **state)
{
	static const struct {
		const char *term, *first, *second;
	} rows[] = {
		{ "xterm-kitty", "xterm-kitty", "xterm-256color" },
		{ "xterm-ghostty", "xterm-ghostty", "xterm-256color" },
		{ "alacritty", "alacritty", "xterm-256color" },
		{ "tmux-256color", "tmux-256color", "screen-256color" },
		{ "vt220", "vt220", "vt100" },
		{ "what-is-this", "what-is-this", "xterm" },
		{ "dumb", NULL, NULL }, { "", NULL, NULL },
		{ "../../etc/passwd", NULL, NULL },
		{ "a-name-that-is-longer-than-any-terminal-has", NULL, NULL },
	};
	const char *out[6];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		term_candidates(rows[i].term, out, 6);
		if (!rows[i].first) {
			assert_null(out[0]);
			continue;
		}
		assert_string_equal(out[0], rows[i].first);
		assert_string_equal(out[1], rows[i].second);
	}
	term_candidates(NULL, out, 6);
	assert_null(out[0]);
}

static void
test_locale(void **state)
{
	(void)state;
	assert_int_equal(term_locale_says(NULL, NULL, NULL), -1);
	assert_int_equal(term_locale_says("", "", "de_DE.UTF-8"), 1);
	assert_int_equal(term_locale_says(NULL, "C", "de_DE.UTF-8"), 0);
	assert_int_equal(term_locale_says("C.utf8", "C", "C"), 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_locale),
		cmocka_unit_test(test_first_paint),
		cmocka_unit_test(test_live_arrival),
		cmocka_unit_test(test_leaves_clean),
	};

	if (argc == 5 && strcmp(argv[1], "show") == 0)
		return show(argv[2], (size_t)strtoul(argv[3], NULL, 10),
		    argv[4]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
