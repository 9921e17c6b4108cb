/*
 * intake_milter.h - the milter protocol: what the mail server hears.
 */
#ifndef LL_INTAKE_MILTER_H
#define LL_INTAKE_MILTER_H

#include "server/intake.h"

/* Listens at "unix:/PATH" or "inet:PORT@HOST" for the one x of this program;
 * *why_r is a sentence on failure. */
LL_MUST enum ll_result intake_milter_open(struct intake *x,
    const char *listen, const char **why_r);
/* Serves until the program ends; called in a thread of its own. */
void *intake_milter_serve(void *x);

#endif
