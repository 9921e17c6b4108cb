/*
 * fake_center.h - tui/center.h with a house of cards behind it, for tests of
 * screens.
 */
#ifndef LL_FAKE_CENTER_H
#define LL_FAKE_CENTER_H

#include <stddef.h>

#include "tui/center.h"

/* messages: how many the inbox has.  fifo: path of a named pipe whose bytes
 * are events: m new mail, l store lost, r restored, k locking, o opened. */
struct center *fake_center(size_t messages, const char *fifo,
    enum user_role role, bool locked);

/* Rows that were asked for so far. */
size_t fake_center_rows(void);

#endif
