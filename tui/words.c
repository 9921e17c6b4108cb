/*
 * words.c - dates, sizes and names as the screens show them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tui/pages.h"

void
words_date(uint64_t t, char text[12])
{
	time_t when = (time_t)t, now = time(NULL);
	struct tm tm, today;

	text[0] = '\0';
	if (!gmtime_r(&when, &tm) || !gmtime_r(&now, &today))
		return;
	(void)strftime(text, 12, tm.tm_year == today.tm_year ?
	    "%m-%d %H:%M" : "%Y-%m-%d", &tm);
}

void
words_ago(uint64_t t, char *text, size_t room)
{
	uint64_t now = (uint64_t)time(NULL);
	uint64_t secs = now > t ? now - t : 0;

	if (secs < 60)
		(void)snprintf(text, room, "%" PRIu64 " s ago", secs);
	else if (secs < 3600)
		(void)snprintf(text, room, "%" PRIu64 " min ago", secs / 60);
	else if (secs < 2 * 86400)
		(void)snprintf(text, room, "%" PRIu64 " h ago", secs / 3600);
	else
		(void)snprintf(text, room, "%" PRIu64 " days ago",
		    secs / 86400);
}

void
words_bytes(uint64_t bytes, char *text, size_t room)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
	    "TiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u < 4) {
		v /= 1024;
		u++;
	}
	(void)snprintf(text, room, u == 0 || v >= 10 ? "%.0f %s" : "%.1f %s",
	    v, units[u]);
}

const char *
words_folder(enum folder f)
{
	static const char *const names[] = { "?", "Inbox", "Sent", "Drafts",
	    "Archive", "Trash" };

	return f >= FOLDER_INBOX && f <= FOLDER_TRASH ? names[f] : names[0];
}
