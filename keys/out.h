/*
 * out.h - one output of a job on its way to the wire, in chunks.
 */
#ifndef LL_OUT_H
#define LL_OUT_H

#include "keys/job.h"

struct out {
	struct job *job;
	enum ll_result err;          /* the first failure sticks */
	uint64_t total, ceiling;     /* bytes so far, and most of them */
	size_t len;
	char last;                   /* last byte of text */
	uint8_t data[PARSE_CHUNK];
};

/* Begins output n, of at most ceiling bytes. */
void out_begin(struct out *o, struct job *job, uint32_t n, uint64_t ceiling);
/* Bytes as they are. */
void out_put(struct out *o, const void *p, size_t len);
/* Text: a line feed without a carriage return gets one. */
void out_text(struct out *o, const void *p, size_t len);
/* Writes what is left; the first failure. */
LL_MUST enum ll_result out_end(struct out *o);

#endif
