#include "server/intake_submit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "server/intake_house.h"
#include "server/intake_wire.h"
#include "store/loop.h"

#define SAID_MAX 262144          /* of a command's output */
#define RUN_MS 110000            /* letterlockd ends it after 120 s */

/* One command under way. */
struct run {
	struct intake_mail *m;
	const struct draft *d;
	struct tlv_view author;      /* SENDER of the store's answer */
	const char *command;
	struct chan *agent;
	int io;
	char *said;
	size_t len;
};

/* --- the agent --- */

static enum ll_result
store_channel(const struct run *x, int *fd_r)
{
	struct msg *q, *reply;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_INTAKE_SUBMIT, &q);
	if (r != LL_OK)
		return r;
	msg_put_id(q, F_USER_ID, &x->m->author);
	msg_put_id(q, F_MESSAGE_ID, &x->d->id);
	msg_put_bytes(q, F_SIGN_PK, x->m->x->sign_pk, 32);
	r = portal_store_ask(x->m->x->store, q, &reply);
	if (r != LL_OK)
		return r;
	*fd_r = msg_take_fd(reply, 0);
	msg_destroy(reply);
	return *fd_r >= 0 ? LL_OK : LL_PROTO;
}

static void
put_config(struct msg *m, const char *key, const char *value)
{
	msg_begin(m, F_CONFIG);
	msg_put_text(m, F_CONFIG_KEY, key);
	msg_put_text(m, F_CONFIG_VALUE, value);
	msg_end(m);
}

static enum ll_result
on_hello(const struct run *x, struct tlv_view v, struct msg *reply)
{
	const struct child *c = &x->m->x->child;
	enum ll_result r;
	int fd;

	(void)v;
	r = store_channel(x, &fd);
	if (r != LL_OK)
		return r;
	msg_put_u64(reply, F_STATE, WORKER_EXEC);
	msg_put_text(reply, F_COMMAND, x->command);
	msg_put_text(reply, F_USER, view_text(x->author, F_USER));
	msg_put_text(reply, F_EMAIL, view_text(x->author, F_EMAIL));
	msg_put_text(reply, F_NAME, view_text(x->author, F_NAME));
	msg_put_u64(reply, F_ROLE, ROLE_STAFF);
	msg_put_u64(reply, F_LOCKED, 0);
	msg_put_text(reply, F_ORG, child_config(c, "org_name"));
	put_config(reply, "expiry_days", child_config(c, "expiry_days"));
	put_config(reply, "attachment_max", child_config(c, "attachment_max"));
	put_config(reply, "key_search", child_config(c, "key_search"));
	msg_begin(reply, F_CONFIG);
	msg_put_text(reply, F_CONFIG_KEY, "sender");
	msg_put_text(reply, F_CONFIG_VALUE, x->m->x->bounces);
	msg_end(reply);
	/* whose key signs mail: it says so in its header */
	put_config(reply, "sender", x->m->x->bounces);
	msg_put_fd(reply, fd);
	return LL_OK;
}

static enum ll_result
on_store(const struct run *x, struct tlv_view v, struct msg *reply)
{
	enum ll_result r;
	int fd;

	(void)v;
	r = store_channel(x, &fd);
	if (r == LL_OK)
		msg_put_fd(reply, fd);
	return r;
}

/* Of all boxes only the draft's own is ours to open. */
static enum ll_result
on_box(const struct run *x, struct tlv_view v, struct msg *reply)
{
	struct id message;

	if (view_u64(v, F_BOX_TYPE) != SEAL_DRAFT || !view_id(v, F_MESSAGE_ID,
	    &message) || !id_equal(&message, &x->d->id))
		return LL_AUTH;
	msg_put_bytes(reply, F_SECRET, x->d->key.data, x->d->key.len);
	return LL_OK;
}

static enum ll_result
on_sign(const struct run *x, struct tlv_view v, struct msg *reply)
{
	const uint8_t *hash = view_hash(v, F_HASH);
	uint8_t signature[ENVELOPE_SIGNATURE];
	enum ll_result r;

	if (hash == NULL)
		return LL_PROTO;
	r = intake_house_sign(x->m->x, hash, signature);
	if (r != LL_OK)
		return r;
	msg_put_bytes(reply, F_SIGNATURE, signature, sizeof(signature));
	msg_put_u64(reply, F_GENERATION, view_u64(x->author, F_GENERATION));
	return LL_OK;
}

static enum ll_result
on_self(const struct run *x, struct tlv_view v, struct msg *reply)
{
	const struct seal_context ctx = { SEAL_HEADER, x->m->author, x->d->id,
		view_u64(x->author, F_GENERATION) };
	uint8_t *box = NULL;
	size_t len = 0;
	enum ll_result r;

	(void)v;
	r = seal_box(view_hash(x->author, F_SEAL_PK), &ctx, x->d->key.data,
	    x->d->key.len, &box, &len);
	if (r == LL_OK)
		msg_put_bytes(reply, F_SELF_WRAP, box, len);
	free(box);
	return r;
}

static enum ll_result
on_parse(const struct run *x, struct tlv_view v, struct msg *reply)
{
	const uint64_t job = view_u64(v, F_STATE);
	struct parse_wire w;
	enum ll_result r = LL_OK;

	if (job != PARSE_SEAL && job != PARSE_INSPECT)
		return LL_DENIED;
	if (job == PARSE_SEAL)
		r = intake_house_mail(x->m->x);
	if (r == LL_OK)
		r = intake_wire_hand(x->m->x, job == PARSE_SEAL ?
		    &x->m->x->house : NULL, &w);
	if (r == LL_OK)
		msg_put_fd(reply, w.fd);
	return r;
}

static const struct {
	enum op op;
	enum ll_result (*answer)(const struct run *x, struct tlv_view v,
	    struct msg *reply);
} agent_ops[] = {
	{ OP_AGENT_HELLO, on_hello }, { OP_AGENT_STORE, on_store },
	{ OP_AGENT_BOX, on_box }, { OP_AGENT_SIGN, on_sign },
	{ OP_AGENT_SELF, on_self }, { OP_AGENT_PARSE, on_parse },
};

static enum ll_result
answer(struct run *x, const struct msg *q)
{
	enum ll_result r = LL_DENIED;
	struct msg *reply;
	size_t i;

	if (msg_kind(q) != MSG_REQUEST)
		return LL_OK;
	if (msg_reply(q, LL_OK, &reply) != LL_OK)
		return LL_NOMEM;
	for (i = 0; i < sizeof(agent_ops) / sizeof(agent_ops[0]); i++)
		if (agent_ops[i].op == msg_op(q))
			r = agent_ops[i].answer(x, msg_view(q), reply);
	if (r != LL_OK) {
		msg_destroy(reply);
		if (msg_reply(q, r, &reply) != LL_OK)
			return LL_NOMEM;
	}
	return chan_send(x->agent, reply);
}

/* --- the command --- */

static enum ll_result
listen_to(struct run *x)
{
	ssize_t n = read(x->io, x->said + x->len, SAID_MAX - x->len);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? LL_OK : LL_IO;
	x->len += (size_t)n;
	return n == 0 ? LL_EOF : x->len == SAID_MAX ? LL_TOOBIG : LL_OK;
}

static enum ll_result
serve(struct run *x)
{
	const uint64_t end = loop_now_ms() + RUN_MS;
	struct msg *q = NULL;
	enum ll_result r = LL_OK;

	while (r == LL_OK && loop_now_ms() < end) {
		struct pollfd p[2] = { { chan_fd(x->agent), POLLIN, 0 },
			{ x->io, POLLIN, 0 } };

		if (chan_pending(x->agent))
			p[0].events |= POLLOUT;
		if (poll(p, 2, 1000) < 0 && errno != EINTR)
			return LL_IO;
		if (p[0].revents != 0 && chan_pending(x->agent))
			r = chan_flush(x->agent);
		while ((r == LL_OK || r == LL_AGAIN) &&
		    (r = chan_recv(x->agent, &q)) == LL_OK) {
			r = answer(x, q);
			msg_destroy(q);
		}
		/* its agent's end comes with its own: what it said counts */
		if (r == LL_AGAIN || r == LL_EOF)
			r = LL_OK;
		if (r == LL_OK && p[1].revents != 0)
			r = listen_to(x);
	}
	return r == LL_EOF ? LL_OK : r == LL_OK ? LL_BUSY : r;
}

/* *said_r: all it said, malloc'd. */
static enum ll_result
run(struct intake_mail *m, const struct draft *d, const char *verb,
    char **said_r)
{
	struct run x = { .m = m, .d = d, .io = -1 };
	char id[ID_TEXT + 1], command[80];
	int agent = -1;
	size_t at = 0;
	enum ll_result r;

	*said_r = NULL;
	id_text(&d->id, id);
	snprintf(command, sizeof(command), "%s %s", verb, id);
	x.command = command;
	if (!view_nest(msg_view(m->who), F_SENDER, &at, &x.author))
		return LL_PROTO;
	x.said = calloc(1, SAID_MAX + 1);
	if (x.said == NULL)
		return LL_NOMEM;
	r = intake_wire_submitter(m->x, &agent, &x.io);
	if (r == LL_OK)
		r = chan_create(agent, &x.agent);
	if (r == LL_OK) {
		(void)shutdown(x.io, SHUT_WR);
		r = serve(&x);
	}
	chan_destroy(x.agent);
	if (x.io >= 0)
		(void)close(x.io);
	if (r == LL_OK) {
		*said_r = x.said;
	} else {
		/* it may tell codes */
		sodium_memzero(x.said, SAID_MAX);
		free(x.said);
	}
	return r;
}

/* --- what came of it --- */

static enum ll_result
deny(struct intake_mail *m, const char *who, const char *why)
{
	snprintf(m->words, sizeof(m->words), "Not sent: %.60s%s%.110s", who,
	    who[0] != '\0' ? ": " : "", why);
	m->words[strcspn(m->words, "\n")] = '\0';
	return LL_DENIED;
}

/* The JSON of a command that did its work; else it said why not. */
static enum ll_result
read_said(struct intake_mail *m, const char *said, json_t **json_r)
{
	json_error_t error;

	*json_r = said[0] == '{' ? json_loads(said, JSON_DISABLE_EOF_CHECK,
	    &error) : NULL;
	return *json_r != NULL ? LL_OK : deny(m, "", said[0] != '\0' ? said :
	    "the sending ended without a word");
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

enum ll_result
intake_submit_plan(struct intake_mail *m, const struct draft *d)
{
	const json_t *row;
	json_t *json = NULL;
	char *said;
	size_t i;
	enum ll_result r;

	r = run(m, d, "plan --json --draft", &said);
	if (r == LL_OK)
		r = read_said(m, said, &json);
	json_array_foreach(json_object_get(json, "recipients"), i, row)
		if (r == LL_OK && json_is_true(json_object_get(row, "held")))
			r = deny(m, text_of(row, "address"),
			    text_of(row, "reason"));
	json_decref(json);
	free(said);
	return r;
}

enum ll_result
intake_submit_send(struct intake_mail *m, const struct draft *d)
{
	json_t *json = NULL;
	char *said;
	enum ll_result r;

	r = run(m, d, "send --json --draft", &said);
	if (r == LL_OK)
		r = read_said(m, said, &json);
	json_decref(json);
	/* codes stand in it */
	if (said != NULL)
		sodium_memzero(said, strlen(said));
	free(said);
	return r;
}

void
intake_submit_discard(struct intake_mail *m, const struct draft *d)
{
	char *said;

	if (run(m, d, "discard", &said) == LL_OK)
		free(said);
}
