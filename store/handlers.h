/*
 * handlers.h - what answers each operation of op.def; optable.c says who may
 * ask for it.  Only for letterlock-store.
 */
#ifndef LL_HANDLERS_H
#define LL_HANDLERS_H

#include "store/serve.h"

#define HANDLER(name) enum ll_result name(struct store *s, struct request *q)

/* login.c: both factors, one after the other */
HANDLER(login_begin);
HANDLER(login_probe);
HANDLER(login_key);
HANDLER(login_password);
HANDLER(login_ticket);
HANDLER(login_totp);
HANDLER(login_backup);
/* bind.c: a login becomes a user's channel */
HANDLER(bind_done);
HANDLER(bind_attach);
HANDLER(bind_worker);
HANDLER(bind_logout);
HANDLER(bind_channel);
/* enroll.c: tickets, vaults, slots */
HANDLER(enroll_begin);
HANDLER(enroll_commit);
HANDLER(enroll_local_begin);
HANDLER(enroll_local_commit);
/* sshkeys.c */
HANDLER(sshkeys_add);
HANDLER(sshkeys_list);
HANDLER(sshkeys_remove);
/* users.c: administration */
HANDLER(users_add);
HANDLER(users_list);
HANDLER(users_state);
HANDLER(users_reset);
HANDLER(users_whoami);
/* boxes.c, people.c */
HANDLER(boxes_list);
HANDLER(boxes_find);
HANDLER(boxes_thread);
HANDLER(boxes_fetch);
HANDLER(boxes_mark);
HANDLER(boxes_purge);
HANDLER(boxes_counts);
HANDLER(boxes_people);
/* drafts.c */
HANDLER(drafts_put);
HANDLER(drafts_list);
HANDLER(drafts_get);
HANDLER(drafts_delete);
/* object.c */
HANDLER(object_open);
HANDLER(object_new);
HANDLER(object_commit);
HANDLER(object_delete);
/* plan.c, send.c, status.c */
HANDLER(plan_make);
HANDLER(send_pepper);
HANDLER(send_message);
HANDLER(send_undo);
HANDLER(delivery_status);
HANDLER(delivery_withdraw);
HANDLER(delivery_reissue);
/* queue.c */
HANDLER(queue_lease);
HANDLER(queue_result);
HANDLER(queue_key);
HANDLER(queue_blob);
/* finding.c */
HANDLER(finding_list);
HANDLER(finding_seen);
HANDLER(finding_lease);
HANDLER(finding_result);
/* mailkey.c, peerkey.c, authority.c */
HANDLER(mailkey_put);
HANDLER(mailkey_list);
HANDLER(mailkey_cert);
HANDLER(peerkey_add);
HANDLER(peerkey_list);
HANDLER(peerkey_get);
HANDLER(peerkey_confirm);
HANDLER(peerkey_remove);
HANDLER(authority_list);
HANDLER(authority_trust);
HANDLER(authority_crl);
HANDLER(authority_remove);
/* link.c, portal.c */
HANDLER(link_look);
HANDLER(link_try);
HANDLER(link_prove);
HANDLER(link_cancel);
HANDLER(portal_fetch);
HANDLER(portal_object);
HANDLER(portal_read);
HANDLER(portal_blob);
HANDLER(portal_commit);
HANDLER(portal_reply);
HANDLER(portal_end);
HANDLER(portal_drop);
HANDLER(portal_key);
HANDLER(portal_authorities);
/* intake.c */
HANDLER(intake_who);
HANDLER(intake_blob);
HANDLER(intake_commit);
HANDLER(intake_drop);
HANDLER(intake_take);
HANDLER(intake_bounce);
HANDLER(drafts_submit);
HANDLER(bind_submit);
/* house.c */
HANDLER(house_status);
HANDLER(house_queue);

#undef HANDLER

#endif
