/*
 * job.h - one job inside letterlock-parse: what came, what goes back.
 */
#ifndef LL_JOB_H
#define LL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "keys/parse.h"
#include "keys/tlv.h"

#define JOB_OUTPUT_MAX (128u << 20)  /* of one encrypted message */
#define JOB_OPENED_MAX (64u << 20)   /* bytes that a message unpacks to */

struct job_item {
	size_t at, len;              /* in data */
};

#define JOB_ATTACHED_MAX 20

/* An OpenPGP key attached to the message that is opened. */
struct job_attached {
	char fingerprint[65];
	bool unknown;                /* it is nobody's known to the reader */
	bool signed_it;              /* a good signature is its */
};

struct job {
	struct parse_wire wire;
	bool opened;                 /* K was read */
	struct tlv_out keys;         /* K, guarded */
	struct tlv_out fields;       /* J */
	struct tlv_out data;         /* all items, one after the other */
	struct job_item items[PARSE_ITEMS_MAX];
	size_t item_count;
	struct tlv_out result;       /* R without RESULT and WORDS */
	char words[400];             /* why the job failed */
	char from[256];              /* OPEN: who should have signed */
	uint64_t signatures;         /* OPEN: told so far */
	unsigned warnings;
	bool unknown_signer;         /* a signature is by a key not at hand */
	struct tlv_out attached_keys; /* a KEY field for each attached */
	struct job_attached attached[JOB_ATTACHED_MAX];
	size_t attached_count;
	struct tlv_out found;        /* FOUND fields so far */
	size_t found_count;
};

/* Reads a whole job from the wire (job->wire is set), on the first call the
 * keys before it; what is left of the job before goes.  The caller finishes
 * it, always.  LL_PROTO for one that is not as parse.h says, LL_TOOBIG above a
 * ceiling, words saying which; LL_EOF: no further job. */
LL_MUST enum ll_result job_read(struct job *job);
/* Writes the result chunk and the end. */
LL_MUST enum ll_result job_answer(struct job *job, enum ll_result result);
/* Wipes and frees. */
void job_finish(struct job *job);

/* Remembers a sentence (printf) for the one who asked; returns r. */
__attribute__((format(printf, 3, 4)))
enum ll_result job_fail(struct job *job, enum ll_result r,
    const char *format, ...);

/* A field of a nest that must be there once as text; *t_r points into it, NULL
 * when it is absent (LL_OK).  LL_PROTO for one that is no text. */
LL_MUST enum ll_result job_text(struct tlv_view v, uint8_t tag,
    const char **t_r);
/* The number in a field, or otherwise when it is absent or no number. */
uint64_t job_number(struct tlv_view v, uint8_t tag, uint64_t otherwise);
/* The bytes of the first field of that tag; len 0 when there is none. */
struct tlv_view job_bytes(struct tlv_view v, uint8_t tag);
/* The ADDRESS that a key is to be good for: an e-mail address, or "@domain".
 * LL_USAGE with words. */
LL_MUST enum ll_result job_address(struct job *job, const char **address_r);
/* True when an address that a key names is the wanted one, or in the wanted
 * "@domain". */
bool job_address_is(const char *address, const char *wanted);
/* Steps through the fields of one tag: false at the end. */
bool job_each(struct tlv_view v, uint8_t tag, size_t *at,
    struct tlv_view *nest_r);

static inline struct tlv_view
job_view(const struct tlv_out *o)
{
	struct tlv_view v = { o->data, o->len };

	return v;
}

#endif
