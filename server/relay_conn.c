#include "server/relay_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"

void
conn_say(struct relay_smtp *c, const char *text)
{
	wire_put(c->wire, text, strlen(text));
}

void
conn_say_line(struct relay_smtp *c, const char *verb, const char *rest)
{
	conn_say(c, verb);
	conn_say(c, rest);
	conn_say(c, "\r\n");
}

void
conn_settle(struct relay_smtp *c, struct smtp_mail *m,
    enum queue_outcome outcome, const char *words)
{
	char *clean = NULL;

	m->outcome = outcome;
	if (clean_text(words, strlen(words), CLEAN_LINE, &clean) == LL_OK)
		snprintf(m->words, sizeof(m->words), "%s", clean);
	free(clean);
	c->user.done(c->user.arg, c, m);
}

/* A mail whose data were under way may have arrived: it is repeated later,
 * with the same Message-ID.  One that the server said nothing about on a
 * connection that had worked before can go to another at once. */
static void
drop_mails(struct relay_smtp *c, const char *words)
{
	struct smtp_mail *mails[SMTP_AT_ONCE];
	size_t n = c->mail_count, i;
	bool ended = c->begun && c->mails[0]->asked;

	memcpy(mails, c->mails, sizeof(mails));
	c->mail_count = 0;
	for (i = 0; i < n; i++) {
		if (i == 0 && mails[i]->refused)
			c->user.done(c->user.arg, c, mails[i]);
		else if ((i == 0 && (ended || !c->served || c->answered)))
			conn_settle(c, mails[i], QUEUE_RETRY, words);
		else
			c->user.back(c->user.arg, c, mails[i]);
	}
}

void
conn_close(struct relay_smtp *c, const char *words)
{
	if (c->step == CLOSED)
		return;
	c->step = CLOSED;
	wire_close(c->wire);
	drop_mails(c, words);
	c->user.closed(c->user.arg, c, words);
}
