#include "keys/result.h"

struct result_row {
	const char *text;
	int exit_code;
};

static const struct result_row rows[LL_RESULT_COUNT] = {
	[LL_OK]       = { "done", 0 },
	[LL_NOMEM]    = { "out of memory", 75 },
	[LL_IO]       = { "input or output failed", 75 },
	[LL_FULL]     = { "no room left", 75 },
	[LL_PROTO]    = { "malformed data", 1 },
	[LL_TOOBIG]   = { "too large", 1 },
	[LL_DENIED]   = { "not permitted", 1 },
	[LL_NOTFOUND] = { "not found", 3 },
	[LL_CONFLICT] = { "changed meanwhile", 1 },
	[LL_AUTH]     = { "wrong key or code", 1 },
	[LL_USED]     = { "already used", 1 },
	[LL_BUSY]     = { "busy, try again", 75 },
	[LL_RATE]     = { "too many tries, wait", 75 },
	[LL_FROZEN]   = { "frozen", 1 },
	[LL_GONE]     = { "withdrawn or expired", 1 },
	[LL_LOCKED]   = { "locked: passphrase needed", 1 },
	[LL_USAGE]    = { "not understood", 2 },
	[LL_AGAIN]    = { "nothing yet", 75 },
	[LL_EOF]      = { "connection closed", 75 },
	[LL_NEWER]    = { "made by a newer version", 1 },
};

const char *
ll_result_text(enum ll_result r)
{
	if ((unsigned)r >= LL_RESULT_COUNT)
		return "unknown result";
	return rows[r].text;
}

int
ll_result_exit(enum ll_result r)
{
	if ((unsigned)r >= LL_RESULT_COUNT)
		return 1;
	return rows[r].exit_code;
}
