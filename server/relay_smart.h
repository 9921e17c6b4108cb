/*
 * relay_smart.h - the mail server next door that `relay` names, and how it is
 * spoken to.
 */
#ifndef LL_RELAY_SMART_H
#define LL_RELAY_SMART_H

#include "server/relay_host.h"

struct smart_settings {
	const char *relay;         /* smtp://h:p or smtps://h:p */
	const char *user;          /* "" for none */
	const char *password_file; /* read once, at start */
	const char *ca;            /* file of CA certificates, "" system's */
	const char *tls;           /* "required", "off", or "" */
};

struct relay_smart;

/* Reads the files that it names: needs none later.  LL_USAGE with *why_r a
 * sentence. */
LL_MUST enum ll_result smart_open(const struct smart_settings *s,
    struct relay_smart **m_r, const char **why_r);
/* Wipes and frees.  NULL is fine. */
void smart_close(struct relay_smart *m);

/* What host_create takes; points into m. */
void smart_host(struct relay_smart *m, struct host_settings *h_r);
/* TLS is demanded and its certificate checked: the server may be asked for
 * REQUIRETLS. */
bool smart_is_checked(const struct relay_smart *m);

#endif
