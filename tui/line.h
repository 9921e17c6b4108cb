/*
 * line.h - the message center on a teletype: append-only lines, numbered
 * lists, a prompt.  For TERM=dumb, `ssh -T`, screen readers.
 */
#ifndef LL_LINE_H
#define LL_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/result.h"
#include "store/chan.h"
#include "tui/verb.h"

#define LINE_ROWS 20             /* of a list at a time */

struct line;

/* Reads verbs until quit, end of input, lock or the session's end.  Returns
 * the exit status. */
int line_main(struct center *c);
/* Enrolment as a dialogue over the agent's channel, which stays the caller's:
 * 0 enrolled, 1 given up. */
int line_enrol_main(struct chan *agent, const char *user, const char *org);

/* --- verbs that only line mode has (verb.h: line) --- */
/* A folder's newest rows, numbered. */
enum ll_result line_list(struct line *l, struct verb_call *call);
/* The drafts, numbered. */
enum ll_result line_drafts(struct line *l, struct verb_call *call);
/* The next rows of the last list. */
enum ll_result line_more(struct line *l, struct verb_call *call);
/* A message's thread, numbered. */
enum ll_result line_thread(struct line *l, struct verb_call *call);
/* Shows the next unread message. */
enum ll_result line_next(struct line *l, struct verb_call *call);
/* The dialogue about a new message. */
enum ll_result line_compose(struct line *l, struct verb_call *call);
/* The dialogue about an answer. */
enum ll_result line_reply(struct line *l, struct verb_call *call);
/* Goes on with a draft. */
enum ll_result line_edit(struct line *l, struct verb_call *call);
/* Keys; `key add` takes pasted lines. */
enum ll_result line_key(struct line *l, struct verb_call *call);
/* Asks for the passphrase. */
enum ll_result line_unlock(struct line *l, struct verb_call *call);
/* Locks and leaves. */
enum ll_result line_lock(struct line *l, struct verb_call *call);
/* Leaves. */
enum ll_result line_quit(struct line *l, struct verb_call *call);

#endif
