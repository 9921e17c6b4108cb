/*
 * relay_job.h - one leased row of the queue, from its lease to its recorded
 * outcome.
 */
#ifndef LL_RELAY_JOB_H
#define LL_RELAY_JOB_H

#include "server/relay_mail.h"
#include "server/relay_queue.h"
#include "server/relay_smtp.h"
#include "server/relay_store.h"

#define JOB_WORDS 1000             /* of an outcome, kept */

struct relay_job {
	struct relay_job *next;    /* for the destination that has it */
	struct relay_job *all_next, **all_at;   /* for who made it */
	void *owner;
	struct id queue;
	uint8_t *row;              /* as it was leased */
	size_t row_len;
	bool tls_only;             /* route tls: TLS is proven, or it waits */
	struct smtp_mail mail;     /* while it is handed over */
	struct queue_row opened;
	char how[500];             /* of the connection: what it proves */
	enum queue_outcome outcome;   /* 0: none yet */
	char words[JOB_WORDS + 1];
	bool unrecorded;           /* the store was away */
	/* while it is opened */
	void (*ready)(void *arg, struct relay_job *job, enum ll_result r);
	void *ready_arg;
	const char *why;
	bool crlf;
};

/* What opening a row takes. */
struct job_world {
	struct relay_store *store;
	struct queue_keys keys;
	struct mail_settings mail;
};

/* A job of a leased row (copied).  LL_PROTO for one without its id. */
LL_MUST enum ll_result job_create(struct tlv_view row,
    struct relay_job **job_r);
/* Wipes and frees.  NULL is fine. */
void job_destroy(struct relay_job *job);

/* The recipient's address, and the domain of it ("" for none). */
const char *job_address(const struct relay_job *job);
const char *job_domain(const struct relay_job *job);

/* Opens the row and makes mail ready to be sent; a finished mail is asked of
 * the store.  ready is called once, maybe before this returns: with LL_OK, or
 * with the outcome set (job_fail). */
void job_open(struct job_world *w, struct relay_job *job, bool crlf,
    void (*ready)(void *arg, struct relay_job *job, enum ll_result r),
    void *arg);
/* Wipes what job_open made. */
void job_shut(struct relay_job *job);

/* Sets the outcome; words are cleaned. */
void job_fail(struct relay_job *job, enum queue_outcome outcome,
    const char *words);
/* A stream that ended in r. */
void job_fail_stream(struct relay_job *job, enum ll_result r);
/* Sent: reply, the mail's hash, and more (may be "") of how. */
void job_sent(struct relay_job *job, const char *reply, const char *more);

#endif
