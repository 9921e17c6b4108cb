#include "server/session.h"

void
session_send(struct session *s, struct msg *m)
{
	if (!m || !s->gate) {
		msg_destroy(m);
		if (s->state != STATE_ENDING)
			session_end(s, CHILD_FAULT, NULL);
		return;
	}
	if (chan_send(s->gate, m) != LL_OK && s->state != STATE_ENDING)
		session_end(s, CHILD_DONE, NULL);
}

void
session_answer_words(struct session *s, const struct msg *request,
    enum ll_result r, const char *words)
{
	struct msg *reply = NULL;

	if (s->state == STATE_ENDING)
		return;
	if (msg_reply(request, r, &reply) == LL_OK && words)
		msg_put_text(reply, F_WORDS, words);
	session_send(s, reply);
}

void
session_answer(struct session *s, const struct msg *request,
    enum ll_result r)
{
	session_answer_words(s, request, r, NULL);
}

static void
gate_lost(struct session *s, struct msg *m)
{
	session_end(s, (enum child_exit)view_u64(msg_view(m), F_STATE), NULL);
}

/* What may be asked in which states, and who answers. */
static const struct {
	enum op op;
	unsigned states;
	void (*handler)(struct session *s, struct msg *m);
} requests[] = {
	{ OP_GATE_SIGN, STATE_ANY, session_auth_sign },
	{ OP_GATE_PROBE, STATE_START | STATE_FACTOR1, session_auth_probe },
	{ OP_GATE_KEY, STATE_START | STATE_FACTOR1, session_auth_key },
	{ OP_GATE_PASSWORD, STATE_START | STATE_FACTOR1,
	    session_auth_password },
	{ OP_GATE_PROMPT, STATE_FACTOR2 | STATE_UNLOCK, session_auth_prompt },
	{ OP_GATE_ANSWER, STATE_FACTOR2 | STATE_UNLOCK, session_auth_answer },
	{ OP_GATE_CHANNEL, STATE_IN, session_channel_open },
	{ OP_GATE_PTY, STATE_IN, session_channel_pty },
	{ OP_GATE_ENV, STATE_IN, session_channel_env },
	{ OP_GATE_START_SHELL, STATE_IN, session_channel_shell },
	{ OP_GATE_EXEC, STATE_IN, session_channel_exec },
	{ OP_GATE_SUBSYSTEM, STATE_IN, session_channel_subsystem },
	{ OP_GATE_RESIZE, STATE_IN, session_channel_resize },
	{ OP_GATE_CLOSED, STATE_IN, session_channel_closed },
	{ OP_GATE_LOST, STATE_ANY, gate_lost },
};

void
session_gate_request(struct session *s, struct msg *m)
{
	s->asked_ms = loop_now_ms();
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (requests[i].op != msg_op(m))
			continue;
		if (!(requests[i].states & (unsigned)s->state))
			break;
		requests[i].handler(s, m);
		return;
	}
	/* Out of turn: a gate that does so is not itself any more. */
	session_end(s, CHILD_VIOLATION, NULL);
}
