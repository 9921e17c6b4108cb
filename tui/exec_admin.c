#include <stdlib.h>
#include <string.h>

#include "store/adminverb.h"
#include "tui/exec.h"

/* The result whose exit code that is. */
static enum ll_result
result_of(int code)
{
	switch (code) {
	case 0:
		return LL_OK;
	case 2:
		return LL_USAGE;
	case 3:
		return LL_NOTFOUND;
	case 75:
		return LL_BUSY;
	default:
		return LL_DENIED;
	}
}

/* Makes sure that the store is there: adminverb asks its channel directly. */
static enum ll_result
touch_store(struct verb_call *call)
{
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_WHOAMI, &m);
	return r ? r : desk_ask(center_desk(call->c), m, NULL);
}

static enum ll_result
run(struct verb_call *call, char **argv, FILE *err)
{
	struct adminverb v = {
		.store = desk_store(center_desk(call->c)),
		.out = call->out, .err = err, .json = false,
	};
	size_t i;

	for (i = 0; i < call->raw->count; i++)
		argv[i] = call->raw->w[i].text;
	return result_of(adminverb_run(&v, (int)call->raw->count, argv));
}

/* What it said, on one line, is the sentence for the failure. */
static void
take_words(struct verb_call *call, char *words)
{
	char *p;

	words[strcspn(words, "\n")] = '\0';
	p = strncmp(words, "letterlock: ", 12) == 0 ? words + 12 : words;
	if (*p)
		(void)verb_fail(call, LL_DENIED, "%s", p);
}

enum ll_result
exec_admin(struct verb_call *call)
{
	char *words = NULL, **argv;
	size_t len = 0;
	FILE *err;
	enum ll_result r;

	r = touch_store(call);
	if (r)
		return r;
	argv = calloc(call->raw->count + 1, sizeof *argv);
	err = argv ? open_memstream(&words, &len) : NULL;
	if (!err) {
		free(argv);
		return LL_NOMEM;
	}
	r = run(call, argv, err);
	if (fclose(err) == 0 && r)
		take_words(call, words);
	free(words);
	free(argv);
	return r;
}
