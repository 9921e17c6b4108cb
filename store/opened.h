/*
 * opened.h - mail that came in as mail, opened and taken apart by
 * letterlock-parse (keys/parse.h, OPEN), for whoever sits at a desk.
 *
 * Nothing here is cleaned for showing but file names; text is foreign
 * (keys/clean.h).  Nothing of it is kept anywhere: it is opened at each look.
 */
#ifndef LL_OPENED_H
#define LL_OPENED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/parse.h"
#include "keys/result.h"
#include "store/desk.h"
#include "store/mail.h"

#define OPENED_TEXT_MAX (4u << 20)   /* bytes of text that are shown, in all */
#define OPENED_FILE_MAX (64u << 20)  /* of one file */
#define OPENED_WORDS 400
#define OPENED_PARTS_MAX 500
#define OPENED_SIGNATURES_MAX 20
#define OPENED_WARNINGS_MAX 20
#define OPENED_FOUND_MAX 8

struct opened_signature {
	enum parse_format format;
	enum ll_result result;       /* as keys/parse.h has it */
	char words[OPENED_WORDS];
	char fingerprint[129];
	char holder[321];            /* the sender's address when it is among
	                                the key's, else the key's first */
	uint64_t created;            /* as the signer says; 0: not said */
	bool trusted;                /* the key was checked by somebody, or its
	                                path ends at a CA of ours */
};

struct opened_part {
	enum parse_what what;
	uint32_t number;             /* of the output */
	unsigned depth;
	unsigned signature;          /* that covers it, from 1; 0: none */
	uint64_t bytes;
	const char *name, *type;     /* "" for none */
	char *text;                  /* all but files; NULL when too long */
	size_t len;
};

/* What can be taken away as a file; the names are as sftp shows them. */
struct opened_file {
	uint32_t number;             /* of the part; 0: the mail as it came */
	unsigned signature;
	uint64_t bytes;
	char *name;                  /* clean, no two are the same */
	char *type;
};

struct opened_found {
	enum parse_format format;
	enum parse_source source;
	const uint8_t *key;
	size_t len;
};

struct opened {
	enum ll_result result;       /* LL_OK, or why it stays sealed; then
	                                there is one file, the mail itself */
	char words[OPENED_WORDS];    /* and a sentence for it */
	const char *encrypted;       /* how; "": it was not */
	/* as written, "" for none */
	const char *subject, *from, *to, *cc, *reply_to;
	bool protected;              /* these come from inside */
	bool weak;                   /* changes on the way would not show */
	const char *warnings[OPENED_WARNINGS_MAX];
	size_t warning_count;
	struct opened_signature *signatures;
	size_t signature_count;      /* there may be more than the array has */
	struct opened_part *parts;
	size_t part_count;
	struct opened_file *files;
	size_t file_count;
	struct opened_found found[OPENED_FOUND_MAX];
	size_t found_count;
	struct tlv_out answer;       /* what the texts point into */
};

/* The object of the envelope that is a mail as it came in; 0: none, it is a
 * message like any other. */
size_t opened_object(const struct envelope *e);

/* Opens it with the user's own keys, what the user and the house know of the
 * sender's keys, and the house's authorities.  A mail that can't be opened, of
 * a kind not known, or one that letterlock-parse breaks off at, is no failure:
 * result and words say so.  LL_LOCKED; LL_BUSY: too many are being opened, or
 * the store is away; LL_AUTH: what is stored was damaged. */
LL_MUST enum ll_result opened_read(struct desk *k, const struct mail *m,
    struct opened *o_r);
/* Wipes and frees. */
void opened_finish(struct opened *o);

/* One file of it, whole, malloc'd; the caller wipes and frees.  Nothing comes
 * out unless all of the mail could be opened. */
LL_MUST enum ll_result opened_file(struct desk *k, const struct mail *m,
    uint32_t number, uint8_t **p_r, size_t *len_r);

/* --- between opened.c and opened_read.c --- */

/* A key of the sender's that was handed in. */
struct opened_peer {
	enum parse_format format;
	char fingerprint[129];
	bool trusted;
};

/* Fills *o from o->answer, but for texts.  from: the sender's address. */
LL_MUST enum ll_result opened_parse(struct opened *o, const char *from,
    const struct opened_peer *peers, size_t peer_count);
/* Makes the list of files.  raw_bytes: of the mail as it came. */
LL_MUST enum ll_result opened_list_files(struct opened *o,
    uint64_t raw_bytes);

#endif
