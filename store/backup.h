/*
 * backup.h - a whole copy while the house runs, read through the one
 * connection, in slices between the groups.
 *
 * It goes to DIR/backup.tmp (0700): letterlock.db, and the blob files as hard
 * links at blobs/xx/ID, all made durable.  The asker takes it from there.
 */
#ifndef LL_BACKUP_H
#define LL_BACKUP_H

#include "store/serve.h"

/* Handler of BACKUP; answers when all is there.  LL_BUSY: one is running. */
enum ll_result backup_begin(struct store *s, struct request *q);
/* The next slice of the database: to be called outside a transaction. */
void backup_slice(struct store *s);
/* The asker is gone (p; NULL: the store ends): its backup is given up. */
void backup_forget(struct store *s, const struct peer *p);

#endif
