#include "server/relay_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/whole.h"

struct relay_dir {
	int fd;
	struct job_world *world;
	void (*ended)(void *arg, struct relay_job *job);
	void *arg;
};

enum ll_result
dir_open(const char *path, struct job_world *world,
    void (*ended)(void *arg, struct relay_job *job), void *arg,
    struct relay_dir **d_r)
{
	struct relay_dir *d;

	*d_r = NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return LL_NOMEM;
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0) {
		free(d);
		return LL_USAGE;
	}
	d->world = world;
	d->ended = ended;
	d->arg = arg;
	*d_r = d;
	return LL_OK;
}

void
dir_close(struct relay_dir *d)
{
	if (d == NULL)
		return;
	close(d->fd);
	free(d);
}

/* LL_FULL with errno is about the directory, all else about the mail. */
static enum ll_result
write_mail(int fd, struct relay_body *body)
{
	const uint8_t *p;
	size_t len;
	enum ll_result r;

	while ((r = body_next(body, &p, &len)) == LL_OK)
		if (whole_write(fd, p, len) != LL_OK)
			return LL_FULL;
	return r == LL_EOF ? LL_OK : r;
}

/* Written aside, synced, renamed, and the directory synced: a reader never
 * sees half a mail, and what was reported as sent is on disk. */
static enum ll_result
put_file(int dir, const struct relay_job *job)
{
	char name[ID_TEXT + 8], temporary[ID_TEXT + 8], text[ID_TEXT + 1];
	enum ll_result r;
	int fd, cause;

	id_text(&job->queue, text);
	snprintf(name, sizeof(name), "%s.eml", text);
	snprintf(temporary, sizeof(temporary), ".%s.tmp", text);
	fd = openat(dir, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return LL_FULL;
	r = write_mail(fd, job->mail.body);
	if (r == LL_OK && fsync(fd) != 0)
		r = LL_FULL;
	if (close(fd) != 0 && r == LL_OK)
		r = LL_FULL;
	if (r == LL_OK && (renameat(dir, temporary, dir, name) != 0 ||
	    fsync(dir) != 0))
		r = LL_FULL;
	if (r != LL_OK) {
		cause = errno;
		(void)unlinkat(dir, temporary, 0);
		errno = cause;
	}
	return r;
}

static void
opened(void *arg, struct relay_job *job, enum ll_result r)
{
	struct relay_dir *d = arg;
	char words[200];

	if (r == LL_OK) {
		r = put_file(d->fd, job);
		snprintf(words, sizeof(words), "the directory: %s",
		    strerror(errno));
		if (r == LL_OK)
			job_sent(job, "written", "");
		else if (r == LL_FULL)
			job_fail(job, QUEUE_RETRY, words);
		else
			job_fail_stream(job, r);
	}
	job_shut(job);
	d->ended(d->arg, job);
}

void
dir_submit(struct relay_dir *d, struct relay_job *job)
{
	job_open(d->world, job, false, opened, d);
}
