/*
 * sftp_path.h - what a path of an sftp client means.
 *
 * There is no file system behind these paths:
 *   /NAME        an attachment of the newest open draft
 *   /d/ID/NAME   an attachment of one draft
 *   /m/ID/NAME   an attachment of a message
 * ID is an id or a prefix of one.
 */
#ifndef LL_SFTP_PATH_H
#define LL_SFTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/id.h"
#include "keys/result.h"

#define SFTP_NAME_ROOM 256
#define SFTP_PATH_TEXT (SFTP_NAME_ROOM + ID_TEXT + 8)

enum sftp_place { SFTP_BOX_NEWEST, SFTP_BOX_DRAFT, SFTP_BOX_MESSAGE };

struct sftp_path {
	enum sftp_place box;
	char id[ID_TEXT + 1];        /* "": /, /d or /m itself */
	char name[SFTP_NAME_ROOM];   /* cleaned; "": a directory */
};

/* Reads an absolute path, or one relative to "/".  "." and ".." are followed,
 * never above "/".  LL_NOTFOUND for what can't exist, LL_TOOBIG above
 * SFTP_PATH_MAX. */
LL_MUST enum ll_result sftp_path_parse(const void *text, size_t len,
    struct sftp_path *p_r);

/* The canonical form, for REALPATH. */
void sftp_path_text(const struct sftp_path *p, char text[SFTP_PATH_TEXT]);

/* True for "/", /d, /m and what has an id but no name. */
bool sftp_path_is_folder(const struct sftp_path *p);

#endif
