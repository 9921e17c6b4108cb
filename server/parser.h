/*
 * parser.h - starts letterlock-parse, one process for one job, and asks it
 * (keys/parse.h).
 */
#ifndef LL_PARSER_H
#define LL_PARSER_H

#include <stddef.h>
#include <sys/types.h>

#include "keys/parse.h"
#include "keys/result.h"
#include "keys/tlv.h"

struct parser {
	pid_t pid;               /* 0: none */
	int fd;                  /* our end of the wire; -1: given away */
};

#define PARSER_NONE { 0, -1 }

/* Starts one from dir (NULL: beside this program, else LL_LIBEXECDIR) and
 * gives it the fields of keys as its 'K' (NULL: none; at most PARSE_CHUNK
 * bytes).  The caller ends it with parser_finish, or collects the process on
 * SIGCHLD.  LL_NOTFOUND without the program, LL_IO. */
LL_MUST enum ll_result parser_start(const char *dir,
    const struct tlv_out *keys, struct parser *p_r);
/* Kills it unless it has ended, waits for that, closes.  Safe to repeat. */
void parser_finish(struct parser *p);

/* Writes the job: its fields and, with item not NULL, data item 0.  Each wait
 * for the peer is at most timeout_ms. */
LL_MUST enum ll_result parser_ask(const struct parser *p,
    const struct tlv_out *fields, const void *item, size_t len,
    int timeout_ms);
/* Reads the answer of a job without outputs into guarded memory, at most 64
 * KiB; *result_r is initialised here and finished by the caller, always. */
LL_MUST enum ll_result parser_answer(const struct parser *p, int timeout_ms,
    struct tlv_out *result_r);

/* All of it: start, ask, answer, end.  The job's own result; words (room
 * bytes, NULL: not wanted) has its sentence, or one of ours. */
LL_MUST enum ll_result parser_run(const struct tlv_out *keys,
    const struct tlv_out *fields, const void *item, size_t len,
    struct tlv_out *result_r, char *words, size_t room);

/* Fields of an answer: the number or otherwise, the text or "", the bytes
 * (NULL, *len_r 0 when there are none). */
uint64_t parser_number(const struct tlv_out *result, enum parse_field tag,
    uint64_t otherwise);
const char *parser_text(const struct tlv_out *result, enum parse_field tag);
const uint8_t *parser_bytes(const struct tlv_out *result,
    enum parse_field tag, size_t *len_r);

#endif
