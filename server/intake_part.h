/*
 * intake_part.h - a mail of staff taken apart by letterlock-parse, its text
 * and files put into drafts: the same in each of them, sealed under each one's
 * key.  Small parts are held in memory until it is known what they are, large
 * ones are sealed into the store while they come.
 */
#ifndef LL_INTAKE_PART_H
#define LL_INTAKE_PART_H

#include "keys/parse.h"
#include "server/intake_mail.h"
#include "store/draft.h"

#define PARTS_DRAFTS_MAX 9       /* one, and eight blind recipients */
#define PARTS_MAX 255
#define PARTS_MEMORY 1048576     /* bytes of parts in memory */

struct intake_part {
	uint8_t *bytes;              /* NULL once it is an upload */
	size_t len;
	size_t file;                 /* its place among the uploads, from 1 */
};

struct intake_draft {
	struct draft d;
	struct envelope files;       /* what was uploaded */
	struct upload *up;           /* the part that comes */
};

struct intake_parts {
	struct parse_wire wire;
	struct intake_mail *m;
	struct intake_draft drafts[PARTS_DRAFTS_MAX];
	size_t count;
	struct intake_part part[PARTS_MAX + 1];   /* by number */
	size_t current, files, memory;
};

/* Starts the parser and gives it what there is of the mail. */
LL_MUST enum ll_result intake_parts_begin(struct intake_mail *m,
    struct intake_parts *p);
/* One more draft.  LL_TOOBIG above PARTS_DRAFTS_MAX. */
LL_MUST enum ll_result intake_parts_draft(struct intake_parts *p);
/* Takes the last one back. */
void intake_parts_forget(struct intake_parts *p);
/* The mail is complete: text and attachments come into every draft.
 * LL_DENIED with m->words. */
LL_MUST enum ll_result intake_parts_read(struct intake_mail *m,
    struct intake_parts *p);
/* Gives up what was not committed, wipes. */
void intake_parts_finish(struct intake_parts *p);

#endif
