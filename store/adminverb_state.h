/*
 * adminverb_state.h - what the files of adminverb share; nobody else includes
 * it.
 */
#ifndef LL_ADMINVERB_STATE_H
#define LL_ADMINVERB_STATE_H

#include "store/adminverb.h"

#define ADMINVERB_PLAIN_MAX 4

enum adminverb_option {
	OPT_EMAIL, OPT_NAME, OPT_ROLE, OPT_SSH_KEY, OPT_LIMIT, OPT_COUNT
};

struct adminverb_words {
	const char *plain[ADMINVERB_PLAIN_MAX];
	int count;
	const char *operand;             /* the row's one operand, or NULL */
	char *options[OPT_COUNT];        /* NULL: not given */
};

typedef enum ll_result adminverb_fn(struct adminverb *v,
    struct adminverb_words *w);

struct adminverb_row {
	const char *words[2];
	int operands;
	adminverb_fn *fn;
	const char *usage;
};

adminverb_fn adminverb_user_add, adminverb_user_list, adminverb_user_disable,
    adminverb_user_enable, adminverb_user_reset, adminverb_server_status,
    adminverb_queue, adminverb_log;

/* Says words on err (cleaned) and returns r. */
enum ll_result adminverb_fail(struct adminverb *v, enum ll_result r,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Asks the store; its words about a failure are said. */
LL_MUST enum ll_result adminverb_ask(struct adminverb *v,
    struct msg *request, struct msg **reply_r);

#endif
