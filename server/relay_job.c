#include "server/relay_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "keys/clean.h"

static struct tlv_view
row_of(const struct relay_job *job)
{
	struct tlv_view v = { job->row, job->row_len };

	return v;
}

enum ll_result
job_create(struct tlv_view row, struct relay_job **job_r)
{
	struct relay_job *job;

	*job_r = NULL;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return LL_NOMEM;
	if (!view_id(row, F_QUEUE_ID, &job->queue)) {
		free(job);
		return LL_PROTO;
	}
	job->row = malloc(row.len + 1);
	if (job->row == NULL) {
		free(job);
		return LL_NOMEM;
	}
	memcpy(job->row, row.data, row.len);
	job->row_len = row.len;
	job->tls_only = view_u64(row, F_ROUTE) == ROUTE_TLS;
	*job_r = job;
	return LL_OK;
}

void
job_destroy(struct relay_job *job)
{
	if (job == NULL)
		return;
	job_shut(job);
	free(job->row);
	free(job);
}

const char *
job_address(const struct relay_job *job)
{
	return view_text(row_of(job), F_ADDRESS);
}

const char *
job_domain(const struct relay_job *job)
{
	const char *at = strrchr(job_address(job), '@');

	return at != NULL ? at + 1 : "";
}

void
job_shut(struct relay_job *job)
{
	body_destroy(job->mail.body);
	memset(&job->mail, 0, sizeof(job->mail));
	queue_row_finish(&job->opened);
}

void
job_fail(struct relay_job *job, enum queue_outcome outcome, const char *words)
{
	char *clean = NULL;

	job->outcome = outcome;
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) == LL_OK)
		snprintf(job->words, sizeof(job->words), "%s", clean);
	free(clean);
}

void
job_fail_stream(struct relay_job *job, enum ll_result r)
{
	char words[120];

	if (r == LL_PROTO) {
		job_fail(job, QUEUE_REFUSED,
		    "the mail has a bare line end and cannot be sent");
		return;
	}
	snprintf(words, sizeof(words), "the stored mail cannot be read: %s",
	    ll_result_text(r));
	job_fail(job, QUEUE_RETRY, words);
}

void
job_sent(struct relay_job *job, const char *reply, const char *more)
{
	const uint8_t *hash = body_hash(job->mail.body);
	char hex[2 * RELAY_STREAM_HASH + 1] = "";

	if (hash != NULL)
		sodium_bin2hex(hex, sizeof(hex), hash, RELAY_STREAM_HASH);
	job->outcome = QUEUE_SENT;
	snprintf(job->words, sizeof(job->words), "%.600s%s%s%s%.280s", reply,
	    hash != NULL ? " sha256:" : "", hex,
	    more[0] != '\0' ? " " : "", more);
}

/* --- opening --- */

static void
tell(struct relay_job *job, enum ll_result r)
{
	if (r != LL_OK && job->outcome == 0)
		job_fail(job, r == LL_NOMEM || r == LL_IO ? QUEUE_RETRY :
		    QUEUE_REFUSED, job->why);
	job->ready(job->ready_arg, job, r);
}

static void
open_notice(const struct job_world *w, struct relay_job *job)
{
	const char *why = NULL;
	char *text = NULL;
	size_t len = 0;
	enum ll_result r;

	r = mail_build(&job->opened.notice, &w->mail, &text, &len, &why);
	if (r != LL_OK)
		job->why = why != NULL ? why : ll_result_text(r);
	else
		r = body_of_text(text, len, job->crlf, &job->mail.body);
	if (text != NULL)
		sodium_memzero(text, len);
	free(text);
	tell(job, r);
}

static void
got_mail(void *arg, enum ll_result r, struct msg **reply)
{
	struct relay_stream *stream = NULL;
	struct relay_job *job = arg;
	const struct queue_mail *mail = &job->opened.mail;
	const uint8_t *data;
	size_t len = 0;
	int fd;

	if (r == LL_OK) {
		data = view_bytes(msg_view(*reply), F_DATA, &len);
		fd = data == NULL ? msg_take_fd(*reply, 0) : -1;
		r = data == NULL && fd < 0 ? LL_IO :
		    relay_stream_open(mail, data, len, fd, &stream);
	}
	if (r == LL_OK)
		r = body_of_stream(stream, mail->hash, mail->bytes,
		    &job->mail.body);
	if (r != LL_OK)
		job_fail_stream(job, r == LL_PROTO ? LL_AUTH : r);
	tell(job, r);
}

static void
open_mail(const struct job_world *w, struct relay_job *job)
{
	struct msg *m = NULL;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_QUEUE_BLOB, &m);
	if (r == LL_OK) {
		msg_put_id(m, F_QUEUE_ID, &job->queue);
		r = store_ask(w->store, m, got_mail, job);
	}
	if (r != LL_OK)
		got_mail(job, r, NULL);
}

void
job_open(struct job_world *w, struct relay_job *job, bool crlf,
    void (*ready)(void *arg, struct relay_job *job, enum ll_result r),
    void *arg)
{
	char address[321];
	enum ll_result r;

	job->ready = ready;
	job->ready_arg = arg;
	job->crlf = crlf;
	job->outcome = 0;
	job->why = "the queue row cannot be opened";
	r = queue_row_open(&w->keys, row_of(job), &job->opened);
	if (r == LL_OK)
		r = clean_address(job->opened.to, address, &job->why);
	job->mail.from = w->mail.mail_from;
	job->mail.to = job->opened.to;
	if (r != LL_OK)
		tell(job, r);
	else if (job->opened.is_mail)
		open_mail(w, job);
	else
		open_notice(w, job);
}
