/*
 * portal_file.h - a file name in a Content-Disposition header (RFC 6266).
 */
#ifndef LL_PORTAL_FILE_H
#define LL_PORTAL_FILE_H

#include <stddef.h>

/* "attachment; filename="..."; filename*=UTF-8''..." from a name that
 * clean_file_name made; names it cannot take become "attachment" alone.
 * Truncated names stay well-formed. */
void file_disposition(const char *name, char *out, size_t room);

#endif
