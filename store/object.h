/*
 * object.h - bodies and attachments: small ones in the row, larger ones as
 * files blobs/xx/ID that their writer made durable before the row exists.
 */
#ifndef LL_OBJECT_H
#define LL_OBJECT_H

#include "keys/seal.h"
#include "store/serve.h"

/* Where an upload belongs. */
struct object_place {
	struct id message;       /* the draft, or the reply to be */
	struct id owner;         /* whose quota */
	const struct id *delivery; /* portal: the delivery; NULL otherwise */
	bool mails;              /* finished mails may be among them */
	bool mails_seen;         /* and were (object_attach sets it) */
};

/* BLOB_NEW, PORTAL_BLOB: OBJECT_ID, LIMIT and a descriptor into q->reply. */
LL_MUST enum ll_result object_upload_new(struct store *s, struct request *q,
    const struct object_place *place);
/* BLOB_COMMIT, PORTAL_COMMIT. */
LL_MUST enum ll_result object_upload_end(struct store *s, struct request *q,
    const struct object_place *place);
/* For whom the asker began the upload that OBJECT_ID names; false: there is
 * none. */
bool object_upload_owner(struct store *s, const struct request *q,
    struct id *owner_r);
/* Gives up an upload of that peer that was not committed; false when there is
 * none. */
bool object_upload_cancel(struct store *s, const struct peer *p,
    const struct id *object);
/* Forgets uploads of portal and intake that nothing can come of any more. */
void object_upload_expire(struct store *s, uint64_t now);
/* Every OBJECT of a SEND, PORTAL_REPLY or INTAKE_TAKE: inserts those with DATA,
 * checks that the others were uploaded to that place; puts them in order and
 * removes what was uploaded there and is not named. */
LL_MUST enum ll_result object_attach(struct store *s, struct request *q,
    struct object_place *place);
/* All OBJECT fields of a message (or draft) into m; small data comes along
 * while the message stays under a MiB.  Mails on their way out are left out. */
LL_MUST enum ll_result object_put_all(struct store *s, struct msg *m,
    const struct id *message);
/* DATA or a descriptor of one object of that message, none of its mails. */
LL_MUST enum ll_result object_give(struct store *s, struct msg *m,
    const struct id *message, const struct id *object);
/* The same of a mail, with its HASH. */
LL_MUST enum ll_result object_give_mail(struct store *s, struct msg *m,
    const struct id *message, const struct id *object);
/* LL_TOOBIG or LL_FULL, with words, when an object of that many sealed bytes is
 * above the limit or the owner's quota; *left_r: the largest that is not. */
LL_MUST enum ll_result object_fits(struct store *s, struct request *q,
    const struct id *owner, enum object_kind kind, uint64_t bytes,
    uint64_t *left_r);
/* Adds to, or takes off, what counts in the owner's quota. */
LL_MUST enum ll_result object_charge(struct store *s, const struct id *owner,
    uint64_t bytes, bool add);
/* Removes one object, or all of a message. */
LL_MUST enum ll_result object_drop(struct store *s, const struct id *message,
    const struct id *object);
LL_MUST enum ll_result object_drop_all(struct store *s,
    const struct id *message);
/* Objects of nothing: uploads to drafts that never were saved. */
LL_MUST enum ll_result object_sweep(struct store *s, uint64_t now);

/* Removes the file, if there is one. */
void object_unlink(struct store *s, const struct id *object);
/* The uploads of a peer that is gone. */
void object_forget(struct store *s, struct peer *p);
/* At start: files without a row go.  LL_CONFLICT, and nothing is removed, when
 * there are files and the database is a new one. */
LL_MUST enum ll_result object_clean(struct store *s);
/* "xx/ID". */
#define OBJECT_PATH 32
void object_path(const struct id *object, char path[OBJECT_PATH]);

#endif
