/*
 * exitcode.h - why a gate or a session ended.
 *
 * letterlockd reads these from wait(2) and turns them into a penalty of the
 * source; a child that died by a signal crashed, which is the gravest.
 */
#ifndef LL_EXITCODE_H
#define LL_EXITCODE_H

enum child_exit {
	CHILD_DONE = 0,         /* an ordinary end after a login */
	CHILD_FAULT = 1,        /* our own trouble: no memory, no store */
	CHILD_USAGE = 2,        /* started wrongly, or an unfit library */
	CHILD_NO_LOGIN = 10,    /* ended without one try to log in */
	CHILD_AUTH_FAILED = 11, /* one or more tries failed, none succeeded */
	CHILD_GRACE = 12,       /* login grace time ran out */
	CHILD_VIOLATION = 13,   /* the client broke the protocol's order */
	CHILD_BUSY = 14,        /* turned away for want of room: no penalty */
	CHILD_KEX = 15          /* key exchange failed or was never finished */
};

#endif
