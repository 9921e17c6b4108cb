/*
 * intake_wire.h - jobs for letterlock-parse, which letterlockd starts for
 * intake (server/parsing.h): a program whose threads read mail of strangers
 * must not fork.
 */
#ifndef LL_INTAKE_WIRE_H
#define LL_INTAKE_WIRE_H

#include <stddef.h>

#include "keys/parse.h"
#include "keys/tlv.h"
#include "server/intake.h"

/* A fresh letterlock-parse that has had its 'K' (keys; NULL: none). */
LL_MUST enum ll_result intake_wire_hand(struct intake *x,
    const struct tlv_out *keys, struct parse_wire *w_r);
/* A fresh letterlock-tui exec: its agent channel, and its standard input,
 * output and error in one; both are the caller's. */
LL_MUST enum ll_result intake_wire_submitter(struct intake *x, int *agent_r,
    int *io_r);
/* Begins a job: keys is its 'K' (NULL: none); data item 0 begins, for the
 * caller to write (parse_put 'D'), to end ('E') and to read the answer of.
 * LL_BUSY when there is no parser to be had.  intake_wire_close in any case. */
LL_MUST enum ll_result intake_wire_open(struct intake *x,
    const struct tlv_out *keys, const struct tlv_out *job,
    struct parse_wire *w_r);
void intake_wire_close(struct parse_wire *w);

/* Runs one job without keys, one after the other: item is its data item 0,
 * outputs are thrown away.  LL_OK when the job answered (its own result is
 * parse_result's); result_r is initialised here and finished by the caller,
 * always. */
LL_MUST enum ll_result intake_wire_run(struct intake *x,
    const struct tlv_out *job, const void *item, size_t len,
    struct tlv_out *result_r);

/* For the thread that reads descriptor 3: letterlockd's answer. */
void intake_wire_came(struct intake *x, struct msg *m);

#endif
