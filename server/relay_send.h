/*
 * relay_send.h - the ways out: an SMTP server (libcurl), or a directory.
 *
 * A hand-over is at-least-once: whoever calls records the outcome afterwards,
 * and a repeated one carries the same Message-ID (and file name).
 */
#ifndef LL_RELAY_SEND_H
#define LL_RELAY_SEND_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/id.h"
#include "keys/result.h"
#include "server/relay_stream.h"
#include "store/kind.h"

#define WORDS_MAX 1000             /* of the other server, kept */

struct relay_settings {
	const char *relay;         /* smtp://h:p, smtps://h:p, dir:PATH */
	const char *user;          /* "" for none */
	const char *password_file; /* read once, at start */
	const char *ca;            /* file of CA certificates, "" system's */
	const char *tls;           /* "required", "off", or "" */
	const char *mail_from;
};

struct relay_outcome {
	enum queue_outcome outcome;
	bool unreachable;          /* no server was spoken to: others wait */
	char words[WORDS_MAX + 1]; /* cleaned, one line */
};

/* An open way out. */
struct relay_way;

/* Reads the password, opens the directory: what needs files is done here,
 * before the sandbox.  LL_USAGE with *why_r a sentence. */
LL_MUST enum ll_result relay_way_open(const struct relay_settings *s,
    struct relay_way **w_r, const char **why_r);
/* Says QUIT, wipes, frees.  NULL is fine. */
void relay_way_close(struct relay_way *w);

/* True for a directory. */
bool relay_way_is_dir(const struct relay_way *w);

/* One mail: len bytes of text with LF line ends, or a stream. */
struct relay_source {
	const char *mail;
	size_t len;
	struct relay_stream *stream;   /* when mail is NULL */
	const uint8_t *hash;           /* SHA-256 of the stream */
};

/* Hands one mail over to address to; id names the file in a directory.
 * Blocks for at most 90 seconds. */
void relay_way_send(struct relay_way *w, const char *to, const struct id *id,
    const struct relay_source *mail, struct relay_outcome *o_r);

/* --- the bodies of the above --- */

struct relay_smtp;

/* As relay_way_open, for smtp:// and smtps://. */
LL_MUST enum ll_result relay_smtp_open(const struct relay_settings *s,
    struct relay_smtp **w_r, const char **why_r);
/* As relay_way_close. */
void relay_smtp_close(struct relay_smtp *w);
/* As relay_way_send. */
void relay_smtp_send(struct relay_smtp *w, const char *to,
    const struct relay_source *mail, struct relay_outcome *o_r);

/* The outcome of a stream that did not end well. */
void relay_stream_failed(enum ll_result r, struct relay_outcome *o_r);

/* "a.example" of an smtp URL is this machine: no TLS is demanded then. */
bool relay_is_loopback(const char *url);

#endif
