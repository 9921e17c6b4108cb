/*
 * sftp_box.h - what stands behind an sftp client's paths: the attachments of
 * one's own drafts and messages.
 */
#ifndef LL_SFTP_BOX_H
#define LL_SFTP_BOX_H

#include "keys/result.h"
#include "server/sftp_serve.h"
#include "store/desk.h"

struct sftp_box;

/* desk stays the caller's. */
LL_MUST enum ll_result sftp_box_create(struct desk *desk,
    struct sftp_box **b_r);
/* NULL is fine. */
void sftp_box_destroy(struct sftp_box *b);

/* For sftp_create, with the box as ctx. */
extern const struct sftp_back sftp_box_back;

#endif
