#include "server/relay_send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

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

void
relay_stream_failed(enum ll_result r, struct relay_outcome *o_r)
{
	o_r->outcome = QUEUE_RETRY;
	if (r == LL_PROTO) {
		o_r->outcome = QUEUE_REFUSED;
		snprintf(o_r->words, sizeof(o_r->words),
		    "the mail has a bare line end and cannot be sent");
	} else {
		snprintf(o_r->words, sizeof(o_r->words),
		    "the stored mail cannot be read: %s", ll_result_text(r));
	}
}

static enum ll_result
write_mail(int fd, const struct relay_source *mail)
{
	const uint8_t *p;
	size_t len;
	enum ll_result r;

	if (mail->mail != NULL)
		return whole_write(fd, mail->mail, mail->len);
	while ((r = relay_stream_next(mail->stream, &p, &len)) == LL_OK) {
		r = whole_write(fd, p, len);
		if (r != LL_OK)
			return LL_FULL;
	}
	return r == LL_EOF ? LL_OK : r;
}

/* Written aside, synced, renamed, and the directory synced: a reader never
 * sees half a mail, and what was reported as sent is on disk.  LL_FULL with
 * errno is about the directory. */
static enum ll_result
put_file(int dir, const struct id *id, const struct relay_source *mail)
{
	char name[ID_TEXT + 8], temporary[ID_TEXT + 8], text[ID_TEXT + 1];
	enum ll_result r;
	int fd;

	id_text(id, text);
	snprintf(name, sizeof(name), "%s.eml", text);
	snprintf(temporary, sizeof(temporary), ".%s.tmp", text);
	fd = openat(dir, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return LL_FULL;
	r = write_mail(fd, mail);
	if (r == LL_OK && fsync(fd) != 0)
		r = LL_FULL;
	if (close(fd) != 0 && r == LL_OK)
		r = LL_FULL;
	if (r == LL_OK && (renameat(dir, temporary, dir, name) != 0 ||
	    fsync(dir) != 0))
		r = LL_FULL;
	if (r != LL_OK)
		(void)unlinkat(dir, temporary, 0);
	return r;
}

/* "written", and for a finished mail what was. */
static void
say_written(const struct relay_source *mail, struct relay_outcome *o_r)
{
	char hex[2 * RELAY_STREAM_HASH + 1];

	o_r->outcome = QUEUE_SENT;
	snprintf(o_r->words, sizeof(o_r->words), "written");
	if (mail->hash == NULL)
		return;
	sodium_bin2hex(hex, sizeof(hex), mail->hash, RELAY_STREAM_HASH);
	snprintf(o_r->words, sizeof(o_r->words), "written sha256:%s", hex);
}

void
relay_way_send(struct relay_way *w, const char *to, const struct id *id,
    const struct relay_source *mail, struct relay_outcome *o_r)
{
	enum ll_result r;

	memset(o_r, 0, sizeof(*o_r));
	if (w->dir < 0) {
		relay_smtp_send(w->smtp, to, mail, o_r);
		return;
	}
	r = put_file(w->dir, id, mail);
	if (r == LL_OK) {
		say_written(mail, o_r);
	} else if (r == LL_FULL) {
		o_r->outcome = QUEUE_RETRY;
		o_r->unreachable = true;
		snprintf(o_r->words, sizeof(o_r->words), "the directory: %s",
		    strerror(errno));
	} else {
		relay_stream_failed(r, o_r);
	}
}
