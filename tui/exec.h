/*
 * exec.h - verbs that run to their end and print text or JSON (CONTRACT.md).
 *
 * Each exec_* is a verb's run (verb.h): it writes to call->out, which is shown
 * only if it returns LL_OK, so that standard output stays empty on failure.
 */
#ifndef LL_EXEC_H
#define LL_EXEC_H

#include <jansson.h>

#include "keys/result.h"
#include "tui/verb.h"

#define EXEC_LOOK_MS 3000        /* how long a plan waits for keys */

/* Runs the command that came with AGENT_HELLO: reads standard input where the
 * verb wants it, writes to standard output and error.  Returns the exit
 * status. */
int exec_main(struct center *c);

/* The sentence for a failed call: the verb's own, or the center's. */
const char *exec_words(const struct verb_call *call, enum ll_result r);

/* Lists the verbs, or explains one. */
enum ll_result exec_help(struct verb_call *call);
/* Name, address, role, whether it is locked, login factors. */
enum ll_result exec_whoami(struct verb_call *call);
/* A folder, newest first. */
enum ll_result exec_list(struct verb_call *call);
/* A message's whole thread, oldest first. */
enum ll_result exec_thread(struct verb_call *call);
/* The drafts, newest first. */
enum ll_result exec_drafts(struct verb_call *call);
/* One message; it counts as read once all of it was written. */
enum ll_result exec_show(struct verb_call *call);
/* Moves a message to the archive. */
enum ll_result exec_archive(struct verb_call *call);
/* Moves a message to the trash. */
enum ll_result exec_trash(struct verb_call *call);
/* Moves a message back to the inbox. */
enum ll_result exec_restore(struct verb_call *call);
/* Destroys one's own key to a message in the trash. */
enum ll_result exec_purge(struct verb_call *call);
/* Marks a message unread. */
enum ll_result exec_unread(struct verb_call *call);
/* Staff and whom one has written to. */
enum ll_result exec_people(struct verb_call *call);
/* Sends call->in's text. */
enum ll_result exec_send(struct verb_call *call);
/* Routes of the recipients; sends nothing. */
enum ll_result exec_plan(struct verb_call *call);
/* Other people's keys and one's own. */
enum ll_result exec_key(struct verb_call *call);
/* Adds call->in's bytes to a draft as a file. */
enum ll_result exec_attach(struct verb_call *call);
/* Deletes a draft. */
enum ll_result exec_discard(struct verb_call *call);
/* Takes a message back within its countdown. */
enum ll_result exec_undo(struct verb_call *call);
/* Recipient by recipient, with events and codes to be told. */
enum ll_result exec_status(struct verb_call *call);
/* Destroys what was not opened yet. */
enum ll_result exec_withdraw(struct verb_call *call);
/* A new link and code for one recipient. */
enum ll_result exec_reissue(struct verb_call *call);
/* The admin's verbs (store/adminverb.h). */
enum ll_result exec_admin(struct verb_call *call);

/* --- for the parts --- */

/* The one id the call names, as a message of one's own.  LL_USAGE, LL_NOTFOUND
 * with call->why. */
LL_MUST enum ll_result exec_id(struct verb_call *call, struct id *id_r);
/* Writes j as one line and releases it; NULL is a failure of memory. */
LL_MUST enum ll_result exec_json(struct verb_call *call, json_t *j);
/* Says what became of message or draft id: an object with id and state, or
 * the sentence. */
LL_MUST enum ll_result exec_became(struct verb_call *call,
    const struct id *id, const char *state, const char *sentence);
/* Text as a JSON string: NULL gives null. */
json_t *exec_json_text(const char *text);
/* Seconds since 1970 as RFC 3339; 0 gives null. */
json_t *exec_json_time(uint64_t when);
json_t *exec_json_id(const struct id *id);
json_t *exec_json_list(char *const *list, size_t count);
/* Standard input to its end, NUL-terminated; malloc'd.  LL_DENIED with
 * call->why when the connection was cut before; *len_r is max + 1 when there
 * is more than max. */
LL_MUST enum ll_result exec_read(struct verb_call *call, size_t max,
    char **text_r, size_t *len_r);
/* The address (or "@domain") after --for, in its clean form; out_r "" when
 * there is none.  LL_USAGE with call->why. */
LL_MUST enum ll_result exec_for(struct verb_call *call, char out_r[321]);
/* Keeps a key for address and says what became of it (exec, line). */
LL_MUST enum ll_result exec_key_keep(struct verb_call *call,
    const char *address, const void *key, size_t len);
/* Adds the addresses in text (separated by blanks and commas) to the draft;
 * LL_USAGE with call->why for one that is none. */
LL_MUST enum ll_result exec_add_to(struct verb_call *call, struct draft *d,
    const char *text);
/* Prints what a sent message's recipients are at, as text. */
void exec_print_recipients(FILE *out, const struct center_sent *s,
    bool events);
/* The contract's object of a sent message. */
json_t *exec_sent_json(const struct center_sent *s);
/* Prints a plan, as text. */
void exec_print_plan(FILE *out, const struct center_plan *p);
/* The same, or the contract's object. */
LL_MUST enum ll_result exec_put_plan(struct verb_call *call,
    const struct center_plan *p);
/* Prints one row of a list: "  3  N 2026-11-23 10:00  ada@...  Subject". */
void exec_print_row(FILE *out, const struct center_row *row, size_t n);

#endif
