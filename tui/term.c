/*
 * term.c - the terminal: set-up, restoring, sizes, keys.
 */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "store/loop.h"
#include "tui/term.h"

#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

static struct {
	SCREEN *screen;
	bool utf8, colour;
	char leave[128];        /* what a crash handler writes */
	size_t leave_len;
	struct input in;
	struct key held;        /* decoded by term_more, not taken yet */
	bool holds;
	sigset_t waiting;       /* signal mask while waiting */
} term;

static volatile sig_atomic_t hung_up, resized;

/* Names that ncurses 6.4 may not know; first match by prefix. */
static const struct {
	const char *prefix, *instead;
} aliases[] = {
	{ "xterm-kitty", "xterm-256color" },
	{ "xterm-ghostty", "xterm-256color" },
	{ "ghostty", "xterm-256color" },
	{ "alacritty", "xterm-256color" },
	{ "wezterm", "xterm-256color" },
	{ "foot", "xterm-256color" },
	{ "contour", "xterm-256color" },
	{ "rio", "xterm-256color" },
	{ "konsole", "xterm-256color" },
	{ "tmux", "screen-256color" },
	{ "screen.", "screen-256color" },
	{ "putty", "xterm-256color" },
	{ "linux-", "linux" },
	{ "vt", "vt100" },
};

static bool
name_good(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	return n >= 1 && n <= 40 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._+-") == n;
}

void
term_candidates(const char *name, const char **out, unsigned room)
{
	unsigned n = 0;
	size_t i;

	out[0] = NULL;
	if (!name_good(name) || room < 5 || strcmp(name, "dumb") == 0 ||
	    strcmp(name, "unknown") == 0)
		return;
	out[n++] = name;
	for (i = 0; i < sizeof(aliases) / sizeof(*aliases); i++) {
		if (strncmp(name, aliases[i].prefix,
		    strlen(aliases[i].prefix)) == 0) {
			out[n++] = aliases[i].instead;
			break;
		}
	}
	out[n++] = "xterm";
	out[n++] = "vt100";
	out[n] = NULL;
}

int
term_locale_says(const char *lc_all, const char *lc_ctype, const char *lang)
{
	const char *v = NULL;

	if (lc_all && *lc_all)
		v = lc_all;
	else if (lc_ctype && *lc_ctype)
		v = lc_ctype;
	else if (lang && *lang)
		v = lang;
	if (!v)
		return -1;
	return strcasestr(v, "utf-8") || strcasestr(v, "utf8") ? 1 : 0;
}

/* --- signals: flags only, and let in only while waiting --- */

static void
on_signal(int signo)
{
	if (signo == SIGWINCH)
		resized = 1;
	else
		hung_up = 1;
}

static void
on_crash(int signo)
{
	ssize_t n = write(STDOUT_FILENO, term.leave, term.leave_len);

	(void)n;
	(void)raise(signo);     /* default again: SA_RESETHAND */
}

static void
catch_signals(void)
{
	static const int stops[] = { SIGHUP, SIGTERM, SIGINT, SIGWINCH };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
	    SIGILL, SIGSYS };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t blocked;
	size_t i;

	(void)sigemptyset(&sa.sa_mask);
	(void)sigemptyset(&blocked);
	for (i = 0; i < sizeof(stops) / sizeof(*stops); i++) {
		(void)sigaction(stops[i], &sa, NULL);
		(void)sigaddset(&blocked, stops[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &term.waiting);
	for (i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		(void)sigdelset(&term.waiting, stops[i]);
	sa.sa_handler = on_crash;
	sa.sa_flags = (int)SA_RESETHAND;
	for (i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		(void)sigaction(crashes[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTSTP, SIG_IGN);
}

static void
raw_write(const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, text, len);
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Without a word from the locale the terminal itself is asked: after two
 * bytes of UTF-8 the cursor stands in column 2, or in column 3 when it took
 * them for two characters. */
static bool
probe_utf8(void)
{
	static const char ask[] = "\r\303\251\033[6n";
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	uint64_t until = loop_now_ms() + TERM_PROBE_MS, now;
	char b[64];
	ssize_t n;
	struct input probe;
	struct key k;

	input_init(&probe);
	raw_write(ask, sizeof(ask) - 1);
	while (probe.report_row == 0 && (now = loop_now_ms()) < until) {
		if (poll(&p, 1, (int)(until - now)) <= 0)
			break;
		n = read(STDIN_FILENO, b, sizeof(b));
		if (n <= 0)
			break;
		(void)input_feed(&probe, b, (size_t)n);
		while (probe.report_row == 0 &&
		    input_next(&probe, false, &k) == LL_OK)
			if (k.code < 0x80) {
				/* typed ahead: kept for later */
				char c = (char)k.code;
				(void)input_feed(&term.in, &c, 1);
			}
	}
	raw_write("\r  \r", 4);
	return probe.report_col == 2;
}

static void
clean_environment(void)
{
	static const char *const names[] = { "TERMINFO", "TERMINFO_DIRS",
	    "TERMCAP", "TERMPATH", "LINES", "COLUMNS", "ESCDELAY",
	    "NCURSES_NO_UTF8_ACS", "NCURSES_ASSUMED_COLORS", "HOME" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)unsetenv(names[i]);
}

static void
append_leave(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n > 0 && term.leave_len + n < sizeof(term.leave)) {
		memcpy(term.leave + term.leave_len, text, n);
		term.leave_len += n;
	}
}

static void
set_colours(void)
{
	static const short colours[] = { COLOR_RED, COLOR_GREEN, COLOR_YELLOW,
	    COLOR_CYAN };
	const char *no = getenv("NO_COLOR");
	size_t i;

	term.colour = has_colors() && !(no && *no) && start_color() == OK &&
	    use_default_colors() == OK;
	for (i = 0; term.colour && i < 4; i++)
		(void)init_pair((short)(i + 1), colours[i], -1);
	/* a QR code needs black on white, whatever the default is */
	if (term.colour)
		(void)init_pair(5, COLOR_BLACK, COLOR_WHITE);
}

/* The first description that is known and can move a cursor. */
static bool
open_screen(const char *const *names)
{
	int err;

	for (; *names && !term.screen; names++) {
		if (setupterm(*names, STDOUT_FILENO, &err) != OK)
			continue;
		if (cursor_address && !generic_type)
			term.screen = newterm(*names, stdout, stdin);
	}
	return term.screen != NULL;
}

bool
term_start(void)
{
	const char *names[6];
	int says;

	if (term.screen)
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	term_candidates(getenv("TERM"), names, 6);
	clean_environment();
	if (!setlocale(LC_CTYPE, "C.UTF-8") &&
	    !setlocale(LC_CTYPE, "en_US.UTF-8"))
		return false;
	input_init(&term.in);
	if (!open_screen(names))
		return false;
	(void)raw();
	(void)noecho();
	(void)nonl();
	append_leave(PASTE_OFF);
	append_leave(exit_attribute_mode);
	append_leave(cursor_normal);
	append_leave(exit_ca_mode);
	catch_signals();
	says = term_locale_says(getenv("LC_ALL"), getenv("LC_CTYPE"),
	    getenv("LANG"));
	term.utf8 = says < 0 ? probe_utf8() : says == 1;
	set_colours();
	raw_write(PASTE_ON, sizeof(PASTE_ON) - 1);
	return true;
}

void
term_stop(void)
{
	if (!term.screen)
		return;
	(void)endwin();
	raw_write(PASTE_OFF, sizeof(PASTE_OFF) - 1);
	delscreen(term.screen);
	term.screen = NULL;
	input_finish(&term.in);
}

bool
term_utf8(void)
{
	return term.utf8;
}

bool
term_colour(void)
{
	return term.colour;
}

/* --- waiting --- */

static void
take_size(void)
{
	struct winsize w;
	int rows = 24, cols = 80;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 &&
	    w.ws_col > 0) {
		rows = w.ws_row < TERM_ROWS_MAX ? w.ws_row : TERM_ROWS_MAX;
		cols = w.ws_col < TERM_COLS_MAX ? w.ws_col : TERM_COLS_MAX;
	}
	(void)resizeterm(rows, cols);
	(void)clearok(curscr, TRUE);
}

static bool
key_ready(bool flush, struct key *k)
{
	if (!term.holds)
		return input_next(&term.in, flush, k) == LL_OK;
	*k = term.held;
	term.holds = false;
	return true;
}

bool
term_more(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	/* only a key counts: a sequence without a meaning would put the
	 * drawing off for ever */
	if (!term.holds)
		term.holds = key_ready(false, &term.held);
	return term.holds || poll(&p, 1, 0) > 0;
}

static int
time_left(uint64_t until, int timeout_ms)
{
	uint64_t now = loop_now_ms();

	if (timeout_ms < 0)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

enum term_wake
term_wait(int other_fd, int timeout_ms, struct key *k)
{
	struct pollfd p[2] = { { STDIN_FILENO, POLLIN, 0 },
	    { other_fd, POLLIN, 0 } };
	uint64_t until = loop_now_ms() + (uint64_t)(timeout_ms > 0 ?
	    timeout_ms : 0);
	struct timespec ts;
	int left, n;
	enum ll_result r;

	for (;;) {
		if (hung_up)
			return TERM_HANGUP;
		if (resized) {
			resized = 0;
			take_size();
			return TERM_RESIZED;
		}
		if (key_ready(false, k))
			return TERM_KEY;
		left = input_waits(&term.in) ? INPUT_ESC_MS :
		    time_left(until, timeout_ms);
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000L;
		n = ppoll(p, 2, left < 0 ? NULL : &ts, &term.waiting);
		if (n < 0 && errno != EINTR)
			return TERM_HANGUP;
		if (n < 0)
			continue;
		/* input that makes no key ends the wait too: what was put
		 * off because more was coming is to be drawn then */
		if (n == 0)
			return input_waits(&term.in) && key_ready(true, k) ?
			    TERM_KEY : TERM_TIMEOUT;
		if (!p[0].revents)
			return TERM_OTHER;
		r = input_read(&term.in, STDIN_FILENO);
		if (r == LL_EOF)
			return TERM_HANGUP;
		return key_ready(false, k) ? TERM_KEY : TERM_TIMEOUT;
	}
}
