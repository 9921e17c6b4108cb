/*
 * screen.h - the full-screen message center and the full-screen enrolment.
 *
 * screen_prepare belongs before the sandbox is entered: it reads the locale
 * and terminfo.  The rest needs the terminal and the channels only.
 */
#ifndef LL_SCREEN_H
#define LL_SCREEN_H

#include <stdbool.h>

#include "keys/result.h"

struct center;
struct chan;

/* Sets locale and terminal up (descriptors 0 and 1, TERM, LANG and LC_*).
 * False: this terminal can't show screens, use line mode; nothing was
 * written to it then. */
bool screen_prepare(void);

/* Restores the terminal (also after a failure between screen_prepare and the
 * mains below; they do it themselves at their end).  Safe to repeat. */
void screen_release(void);

/* The message center, until the user leaves or the connection ends.  *c stays
 * the caller's.  Returns the exit status of the program. */
int screen_main(struct center *c);

/* Enrolment: the ENROL_* dialogue over the agent channel, which stays the
 * caller's.  user and org are what AGENT_HELLO told.  Returns the exit
 * status: 0 enrolled, 1 given up. */
int enrol_main(struct chan *agent, const char *user, const char *org);

#endif
