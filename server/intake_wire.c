#include "server/intake_wire.h"

#include <time.h>
#include <unistd.h>

#include "keys/parse.h"

#define ASK_SECS 20
#define JOB_MS 60000

void
intake_wire_came(struct intake *x, struct msg *m)
{
	int fd = msg_take_fd(m, 0);

	pthread_mutex_lock(&x->lock);
	if (x->wire_asked != 0 && msg_sequence(m) == x->wire_asked) {
		x->wire = fd >= 0 ? fd : -2;
		x->wire2 = msg_take_fd(m, 1);
		x->wire_asked = 0;
		pthread_cond_signal(&x->wire_came);
	} else if (fd >= 0) {
		(void)close(fd);
	}
	pthread_mutex_unlock(&x->lock);
}

/* Called with x->parsing held, so that one request is under way. */
static enum ll_result
ask_wire(struct intake *x, enum op op, int *fd_r, int *second_r)
{
	static uint32_t sequence;
	struct timespec until;
	enum ll_result r;
	struct msg *m;
	int waited = 0;

	r = msg_create(MSG_REQUEST, op, &m);
	if (r != LL_OK)
		return r;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ASK_SECS;
	pthread_mutex_lock(&x->lock);
	if (++sequence == 0)
		sequence = 1;
	msg_set_sequence(m, sequence);
	x->wire_asked = sequence;
	x->wire = -1;
	r = chan_send(x->child.daemon, m);
	while (r == LL_OK && x->wire == -1 && waited == 0)
		waited = pthread_cond_clockwait(&x->wire_came, &x->lock,
		    CLOCK_MONOTONIC, &until);
	*fd_r = x->wire;
	*second_r = x->wire >= 0 ? x->wire2 : -1;
	x->wire_asked = 0;
	pthread_mutex_unlock(&x->lock);
	return r == LL_OK && *fd_r < 0 ? LL_BUSY : r;
}

enum ll_result
intake_wire_hand(struct intake *x, const struct tlv_out *keys,
    struct parse_wire *w_r)
{
	enum ll_result r;
	int none;

	w_r->fd = -1;
	w_r->timeout_ms = JOB_MS;
	pthread_mutex_lock(&x->parsing);
	r = ask_wire(x, OP_PARSER, &w_r->fd, &none);
	pthread_mutex_unlock(&x->parsing);
	return r != LL_OK ? r : parse_put(w_r, 'K',
	    keys != NULL ? keys->data : NULL, keys != NULL ? keys->len : 0);
}

enum ll_result
intake_wire_submitter(struct intake *x, int *agent_r, int *io_r)
{
	enum ll_result r;

	pthread_mutex_lock(&x->parsing);
	r = ask_wire(x, OP_SUBMITTER, agent_r, io_r);
	pthread_mutex_unlock(&x->parsing);
	return r == LL_OK && *io_r < 0 ? LL_BUSY : r;
}

enum ll_result
intake_wire_open(struct intake *x, const struct tlv_out *keys,
    const struct tlv_out *job, struct parse_wire *w_r)
{
	enum ll_result r;

	r = intake_wire_hand(x, keys, w_r);
	if (r == LL_OK)
		r = job->err;
	if (r == LL_OK)
		r = parse_put(w_r, 'J', job->data, job->len);
	if (r == LL_OK)
		r = parse_put_begin(w_r, 0);
	return r;
}

void
intake_wire_close(struct parse_wire *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
}

static enum ll_result
pass_over(void *ctx, uint32_t n, const void *p, size_t len)
{
	(void)ctx;
	(void)n;
	(void)p;
	(void)len;
	return LL_OK;
}

enum ll_result
intake_wire_run(struct intake *x, const struct tlv_out *job, const void *item,
    size_t len, struct tlv_out *result_r)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct parse_wire w;
	enum ll_result r;

	tlv_out_init(result_r, 1);
	pthread_mutex_lock(&one);
	r = intake_wire_open(x, NULL, job, &w);
	if (r == LL_OK)
		r = parse_put(&w, 'D', item, len);
	if (r == LL_OK)
		r = parse_put(&w, 'E', NULL, 0);
	if (r == LL_OK) {
		tlv_out_finish(result_r);
		r = parse_answer(&w, pass_over, NULL, result_r);
	}
	intake_wire_close(&w);
	pthread_mutex_unlock(&one);
	return r;
}
