/*
 * result.h - the one result type of the tree.
 *
 * Every function that can fail returns enum ll_result; each code has one
 * meaning.  The numbers cross the wire between our programs (field RESULT),
 * so new codes are added at the end only.
 */
#ifndef LL_RESULT_H
#define LL_RESULT_H

#define LL_MUST __attribute__((warn_unused_result))

enum ll_result {
	LL_OK = 0,
	LL_NOMEM,      /* allocation refused */
	LL_IO,         /* a system call failed; errno has the cause */
	LL_FULL,       /* no room: disk, quota or a table's ceiling */
	LL_PROTO,      /* a peer or a stored object broke its format */
	LL_TOOBIG,     /* above a documented ceiling */
	LL_DENIED,     /* this role or user may not do that */
	LL_NOTFOUND,   /* no such thing, or not the asker's */
	LL_CONFLICT,   /* the world changed since it was looked at */
	LL_AUTH,       /* wrong passphrase, code, key or a failed seal */
	LL_USED,       /* right code, already used */
	LL_BUSY,       /* try later; counts as no failure */
	LL_RATE,       /* too many tries from there */
	LL_FROZEN,     /* message frozen after too many wrong codes */
	LL_GONE,       /* withdrawn or expired: the key no longer exists */
	LL_LOCKED,     /* the vault is locked: passphrase needed */
	LL_USAGE,      /* the request makes no sense as written */
	LL_AGAIN,      /* nothing to do now (non-blocking call) */
	LL_EOF,        /* the peer closed */
	LL_NEWER,      /* data of a newer schema or suite */
	LL_RESULT_COUNT
};

/* One short English phrase per code, never NULL, static storage. */
const char *ll_result_text(enum ll_result r);

/* The exit code of CONTRACT.md for a result: 0 done, 1 refused, 2 usage,
 * 3 not found, 75 try later. */
int ll_result_exit(enum ll_result r);

#endif
