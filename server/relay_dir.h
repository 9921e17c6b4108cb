/*
 * relay_dir.h - mail as files in a directory, for who carries it on from
 * there.
 */
#ifndef LL_RELAY_DIR_H
#define LL_RELAY_DIR_H

#include "server/relay_job.h"

struct relay_dir;

/* ended gets each job with its outcome.  LL_USAGE when the directory cannot
 * be opened. */
LL_MUST enum ll_result dir_open(const char *path,
    struct job_world *world,
    void (*ended)(void *arg, struct relay_job *job), void *arg,
    struct relay_dir **d_r);
/* NULL is fine. */
void dir_close(struct relay_dir *d);

/* Writes the job's mail to ID.eml, renamed into place once it is on disk. */
void dir_submit(struct relay_dir *d, struct relay_job *job);

#endif
