#include "server/relay_send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/whole.h"

struct relay_way {
	int dir;                   /* -1: SMTP */
	struct relay_smtp *smtp;
};

static enum ll_result
open_dir(const char *path, struct relay_way *w, const char **why_r)
{
	w->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir >= 0)
		return LL_OK;
	*why_r = "relay: the directory cannot be opened";
	return LL_USAGE;
}

enum ll_result
relay_way_open(const struct relay_settings *s, struct relay_way **w_r,
    const char **why_r)
{
	struct relay_way *w;
	enum ll_result r;

	*w_r = NULL;
	*why_r = "out of memory";
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return LL_NOMEM;
	w->dir = -1;
	if (strncmp(s->relay, "dir:", 4) == 0)
		r = open_dir(s->relay + 4, w, why_r);
	else
		r = relay_smtp_open(s, &w->smtp, why_r);
	if (r == LL_OK)
		*w_r = w;
	else
		relay_way_close(w);
	return r;
}

void
relay_way_close(struct relay_way *w)
{
	if (w == NULL)
		return;
	if (w->dir >= 0)
		close(w->dir);
	relay_smtp_close(w->smtp);
	free(w);
}

bool
relay_way_is_dir(const struct relay_way *w)
{
	return w->dir >= 0;
}

/* Written aside, synced, renamed, and the directory synced: a reader never
 * sees half a mail, and what was reported as sent is on disk. */
static bool
put_file(int dir, const struct id *id, const char *mail, size_t len)
{
	char name[ID_TEXT + 8], temporary[ID_TEXT + 8], text[ID_TEXT + 1];
	bool ok;
	int fd;

	id_text(id, text);
	snprintf(name, sizeof(name), "%s.eml", text);
	snprintf(temporary, sizeof(temporary), ".%s.tmp", text);
	fd = openat(dir, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	ok = whole_write(fd, mail, len) == LL_OK && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	return ok && renameat(dir, temporary, dir, name) == 0 &&
	    fsync(dir) == 0;
}

void
relay_way_send(struct relay_way *w, const char *to, const struct id *id,
    const char *mail, size_t len, struct relay_outcome *o_r)
{
	memset(o_r, 0, sizeof(*o_r));
	if (w->dir < 0) {
		relay_smtp_send(w->smtp, to, mail, len, o_r);
		return;
	}
	if (put_file(w->dir, id, mail, len)) {
		o_r->outcome = QUEUE_SENT;
		snprintf(o_r->words, sizeof(o_r->words), "written");
		return;
	}
	o_r->outcome = QUEUE_RETRY;
	o_r->unreachable = true;
	snprintf(o_r->words, sizeof(o_r->words), "the directory: %s",
	    strerror(errno));
}
