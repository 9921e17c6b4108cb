/*
 * sandbox_calls.h - the system calls behind each SANDBOX_* group, as one
 * table; used by sandbox.c and its tests.
 */
#ifndef LL_SANDBOX_CALLS_H
#define LL_SANDBOX_CALLS_H

#include <stdint.h>
#include <seccomp.h>

#include "keys/sandbox.h"

/* Set in builds with AddressSanitizer: what its reports need. */
#define SANDBOX_ASAN 0x80000000u

/* Fills ctx (default action: kill) for the groups; 0 or a negative errno. */
int sandbox_calls_fill(scmp_filter_ctx ctx, uint32_t groups);

#endif
