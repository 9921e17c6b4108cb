/*
 * The one place that says who may ask for what.  A role of channel is bound to
 * its descriptor, a user and a user's role to the channel: nothing in a
 * request can change them.  An admin's or auditor's login has no row here that
 * leads to a message.
 */
#include "store/backup.h"
#include "store/handlers.h"
#include "store/lease.h"

#define P(role) (1u << (role))
#define DAEMON P(PEER_DAEMON)
#define SESSION P(PEER_SESSION)
#define WORKER P(PEER_WORKER)
#define RELAY P(PEER_RELAY)
#define PORTAL P(PEER_PORTAL)
#define INTAKE P(PEER_INTAKE)
#define LOCAL P(PEER_LOCAL)
#define SUBMIT P(PEER_SUBMIT)

#define R(role) (1u << (role))
#define NOBODY 0u
#define STAFF R(ROLE_STAFF)
#define ADMIN R(ROLE_ADMIN)
#define KEEPER (R(ROLE_STAFF) | R(ROLE_ADMIN))
#define AUDIT (R(ROLE_ADMIN) | R(ROLE_AUDITOR))
#define ANYONE (R(ROLE_STAFF) | R(ROLE_ADMIN) | R(ROLE_AUDITOR))

static const char reads[] = "changes nothing";
static const char passing[] = "lives in memory only";
static const char partial[] = "logged as a whole when the login is done";
static const char private[] = "the user's own filing and drafts";
static const char upload[] = "logged with the message that takes it";
static const char relaying[] = "logged with the outcome";
static const char finding[] = "a search is no event of a message";
static const char counted[] = "logged when the try is judged";

const struct op_rule op_rules[] = {
	{ OP_CHANNEL_NEW, DAEMON, NOBODY, NEED_NOTHING, 0, passing,
	    bind_channel },

	{ OP_AUTH_BEGIN, SESSION, NOBODY, NEED_NOTHING, 0, reads,
	    login_begin },
	{ OP_AUTH_PROBE, SESSION, NOBODY, NEED_BEGUN, 0, reads, login_probe },
	{ OP_AUTH_KEY, SESSION, NOBODY, NEED_BEGUN, 0, passing, login_key },
	{ OP_AUTH_PASSWORD, SESSION, NOBODY, NEED_BEGUN, OP_WRITES, partial,
	    login_password },
	{ OP_AUTH_TICKET, SESSION, NOBODY, NEED_BEGUN, OP_WRITES, partial,
	    login_ticket },
	{ OP_AUTH_TOTP, SESSION, NOBODY, NEED_FACTOR, OP_WRITES, partial,
	    login_totp },
	{ OP_AUTH_BACKUP, SESSION, NOBODY, NEED_FACTOR, OP_WRITES, partial,
	    login_backup },
	{ OP_AUTH_DONE, SESSION, NOBODY, NEED_FACTOR, OP_WRITES, NULL,
	    bind_done },
	{ OP_AUTH_ATTACH, SESSION, NOBODY, NEED_NOTHING, 0, passing,
	    bind_attach },
	{ OP_WORKER_NEW, SESSION, ANYONE, NEED_BOUND, 0, passing,
	    bind_worker },
	{ OP_KDF_LEASE, SESSION | PORTAL | LOCAL | WORKER | SUBMIT, NOBODY,
	    NEED_NOTHING, 0, passing, lease_take },
	{ OP_KDF_RELEASE, SESSION | PORTAL | LOCAL | WORKER | SUBMIT, NOBODY,
	    NEED_NOTHING, 0, passing, lease_release },
	{ OP_ENROL_BEGIN, SESSION, NOBODY, NEED_TICKET, 0, reads,
	    enroll_begin },
	{ OP_ENROL_COMMIT, SESSION, NOBODY, NEED_TICKET, OP_WRITES, NULL,
	    enroll_commit },
	{ OP_LOGOUT, SESSION, ANYONE, NEED_BOUND, OP_WRITES,
	    "the login was logged", bind_logout },
	{ OP_KEY_ADD, SESSION | WORKER, ANYONE, NEED_BOUND, OP_WRITES, NULL,
	    sshkeys_add },
	{ OP_KEY_LIST, SESSION | WORKER, ANYONE, NEED_BOUND, 0, reads,
	    sshkeys_list },
	{ OP_KEY_REMOVE, SESSION | WORKER, ANYONE, NEED_BOUND, OP_WRITES,
	    NULL, sshkeys_remove },

	{ OP_WHOAMI, SESSION | WORKER | SUBMIT, ANYONE, NEED_BOUND, 0, reads,
	    users_whoami },
	{ OP_LIST, WORKER, STAFF, NEED_BOUND, 0, reads, boxes_list },
	{ OP_FIND, WORKER, STAFF, NEED_BOUND, 0, reads, boxes_find },
	{ OP_THREAD, WORKER, STAFF, NEED_BOUND, 0, reads, boxes_thread },
	{ OP_FETCH, WORKER, STAFF, NEED_BOUND, OP_WRITES, NULL, boxes_fetch },
	{ OP_OBJECT_OPEN, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES, NULL,
	    object_open },
	{ OP_MARK, WORKER, STAFF, NEED_BOUND, OP_WRITES, NULL, boxes_mark },
	{ OP_BLOB_NEW, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, passing,
	    object_new },
	{ OP_BLOB_COMMIT, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES, upload,
	    object_commit },
	{ OP_PLAN, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, reads, plan_make },
	{ OP_LINK_PEPPER, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, reads,
	    send_pepper },
	{ OP_SEND, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES | OP_ONCE |
	    OP_RECALLS, NULL, send_message },
	{ OP_UNDO, WORKER, STAFF, NEED_BOUND, OP_WRITES | OP_ONCE, NULL,
	    send_undo },
	{ OP_STATUS, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, reads,
	    delivery_status },
	{ OP_WITHDRAW, WORKER, STAFF, NEED_BOUND, OP_WRITES, NULL,
	    delivery_withdraw },
	{ OP_REISSUE, WORKER, STAFF, NEED_BOUND, OP_WRITES | OP_ONCE, NULL,
	    delivery_reissue },
	{ OP_DRAFT_PUT, WORKER, STAFF, NEED_BOUND, OP_WRITES, private,
	    drafts_put },
	{ OP_DRAFT_LIST, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, reads,
	    drafts_list },
	{ OP_DRAFT_GET, WORKER | SUBMIT, STAFF, NEED_BOUND, 0, reads, drafts_get
	    },
	{ OP_DRAFT_DELETE, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES,
	    private, drafts_delete },
	{ OP_OBJECT_DELETE, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES,
	    private, object_delete },
	{ OP_PEOPLE, WORKER, STAFF, NEED_BOUND, 0, reads, boxes_people },
	{ OP_PURGE, WORKER, STAFF, NEED_BOUND, OP_WRITES, NULL, boxes_purge },
	{ OP_COUNTS, WORKER, STAFF, NEED_BOUND, 0, reads, boxes_counts },

	{ OP_FINDINGS, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES, finding,
	    finding_list },
	{ OP_FINDING_SEEN, WORKER | SUBMIT, STAFF, NEED_BOUND, OP_WRITES,
	    finding, finding_seen },
	{ OP_MAILKEY_PUT, SESSION | LOCAL | INTAKE, STAFF, NEED_BOUND,
	    OP_WRITES, NULL, mailkey_put },
	{ OP_MAILKEY_LIST, SESSION | WORKER | LOCAL | SUBMIT | INTAKE, STAFF,
	    NEED_BOUND, 0, reads, mailkey_list },
	{ OP_MAILKEY_CERT, LOCAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    mailkey_cert },
	{ OP_PEERKEY_ADD, WORKER | LOCAL | SUBMIT, KEEPER, NEED_BOUND,
	    OP_WRITES, NULL, peerkey_add },
	{ OP_PEERKEY_LIST, WORKER | LOCAL | SUBMIT, KEEPER, NEED_BOUND, 0,
	    reads, peerkey_list },
	{ OP_PEERKEY_GET, WORKER | LOCAL | SUBMIT, KEEPER, NEED_BOUND, 0, reads,
	    peerkey_get },
	{ OP_PEERKEY_CONFIRM, WORKER | LOCAL, KEEPER, NEED_BOUND, OP_WRITES,
	    NULL, peerkey_confirm },
	{ OP_PEERKEY_REMOVE, WORKER | LOCAL, KEEPER, NEED_BOUND, OP_WRITES,
	    NULL, peerkey_remove },
	{ OP_CA_LIST, SESSION | WORKER | LOCAL | SUBMIT, KEEPER, NEED_BOUND, 0,
	    reads, authority_list },
	{ OP_CA_TRUST, LOCAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    authority_trust },
	{ OP_CA_CRL, LOCAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    authority_crl },
	{ OP_CA_REMOVE, LOCAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    authority_remove },

	{ OP_USER_ADD, WORKER | LOCAL, ADMIN, NEED_BOUND, OP_WRITES, NULL,
	    users_add },
	{ OP_USER_LIST, WORKER | LOCAL, ADMIN, NEED_BOUND, 0, reads,
	    users_list },
	{ OP_USER_STATE, WORKER | LOCAL, ADMIN, NEED_BOUND, OP_WRITES, NULL,
	    users_state },
	{ OP_USER_RESET, WORKER | LOCAL, ADMIN, NEED_BOUND, OP_WRITES, NULL,
	    users_reset },
	{ OP_SERVER_STATUS, WORKER | LOCAL, AUDIT, NEED_BOUND, 0, reads,
	    house_status },
	{ OP_QUEUE_LIST, WORKER | LOCAL, ADMIN, NEED_BOUND, 0, reads,
	    house_queue },
	{ OP_LOG_LIST, WORKER | LOCAL, AUDIT, NEED_BOUND, 0, reads,
	    log_list },
	{ OP_BACKUP, LOCAL, NOBODY, NEED_NOTHING, 0, NULL, backup_begin },
	{ OP_LOCAL_ENROL, LOCAL, NOBODY, NEED_NOTHING, 0, reads,
	    enroll_local_begin },
	{ OP_LOCAL_COMMIT, LOCAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    enroll_local_commit },

	{ OP_QUEUE_LEASE, RELAY, NOBODY, NEED_NOTHING, OP_WRITES, relaying,
	    queue_lease },
	{ OP_QUEUE_RESULT, RELAY, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    queue_result },
	{ OP_QUEUE_BLOB, RELAY, NOBODY, NEED_NOTHING, 0, reads, queue_blob },
	{ OP_QUEUE_KEY, RELAY, NOBODY, NEED_NOTHING, OP_WRITES,
	    "the key of a day is no event of a message", queue_key },

	{ OP_FIND_LEASE, RELAY, NOBODY, NEED_NOTHING, OP_WRITES, finding,
	    finding_lease },
	{ OP_FIND_RESULT, RELAY, NOBODY, NEED_NOTHING, OP_WRITES, finding,
	    finding_result },

	{ OP_LINK_LOOK, PORTAL, NOBODY, NEED_NOTHING, 0, reads, link_look },
	{ OP_LINK_TRY, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES | OP_ONCE,
	    counted, link_try },
	{ OP_LINK_PROVE, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    link_prove },
	{ OP_LINK_CANCEL, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES, counted,
	    link_cancel },
	{ OP_PORTAL_FETCH, PORTAL, NOBODY, NEED_NOTHING, 0, reads,
	    portal_fetch },
	{ OP_PORTAL_OBJECT, PORTAL, NOBODY, NEED_NOTHING, 0, reads,
	    portal_object },
	{ OP_PORTAL_READ, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    portal_read },
	{ OP_PORTAL_BLOB, PORTAL, NOBODY, NEED_NOTHING, 0, passing,
	    portal_blob },
	{ OP_PORTAL_COMMIT, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES, upload,
	    portal_commit },
	{ OP_PORTAL_REPLY, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES | OP_ONCE,
	    NULL, portal_reply },
	{ OP_PORTAL_END, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES,
	    "leaving the page is no event", portal_end },
	{ OP_PORTAL_DROP, PORTAL, NOBODY, NEED_NOTHING, 0, passing,
	    portal_drop },
	{ OP_PORTAL_KEY, PORTAL, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    portal_key },
	{ OP_PORTAL_CAS, PORTAL, NOBODY, NEED_NOTHING, 0, reads,
	    portal_authorities },

	{ OP_INTAKE_WHO, INTAKE, NOBODY, NEED_NOTHING, 0, reads, intake_who },
	{ OP_INTAKE_BLOB, INTAKE, NOBODY, NEED_NOTHING, 0, passing,
	    intake_blob },
	{ OP_INTAKE_COMMIT, INTAKE, NOBODY, NEED_NOTHING, OP_WRITES, upload,
	    intake_commit },
	{ OP_INTAKE_DROP, INTAKE, NOBODY, NEED_NOTHING, 0, passing,
	    intake_drop },
	{ OP_INTAKE_TAKE, INTAKE, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    intake_take },
	{ OP_INTAKE_BOUNCE, INTAKE, NOBODY, NEED_NOTHING, OP_WRITES, NULL,
	    intake_bounce },
	{ OP_INTAKE_SUBMIT, INTAKE, NOBODY, NEED_NOTHING, 0, passing,
	    bind_submit },
	{ OP_INTAKE_DRAFT, INTAKE, NOBODY, NEED_NOTHING, OP_WRITES | OP_ONCE,
	    private, drafts_submit },
};

const size_t op_rule_count = sizeof(op_rules) / sizeof(op_rules[0]);

static const struct op_rule *
rule_of(enum op op)
{
	/* by operation number; filled on first use */
	static const struct op_rule *by_op[256];
	static bool filled;
	size_t i;

	if (!filled)
		for (i = 0; i < op_rule_count; i++)
			by_op[op_rules[i].op] = &op_rules[i];
	filled = true;
	return (unsigned)op < 256 ? by_op[op] : NULL;
}

enum ll_result
op_permit(const struct peer *p, enum op op, const struct op_rule **rule_r)
{
	const struct op_rule *rule = rule_of(op);
	const struct login *l = &p->login;

	*rule_r = rule;
	if (rule == NULL || p->ended || !(rule->peers & P(p->role)))
		return LL_DENIED;
	/* the local command is the house's owner, intake keeps the house's
	 * mail keys: no user is bound to them */
	if (p->role == PEER_LOCAL || p->role == PEER_INTAKE)
		return LL_OK;
	if (rule->roles != NOBODY &&
	    (!p->bound || !(rule->roles & R(p->user_role))))
		return LL_DENIED;
	switch (rule->need) {
	case NEED_NOTHING:
		return LL_OK;
	case NEED_BEGUN:
		return l->begun && !p->bound ? LL_OK : LL_DENIED;
	case NEED_FACTOR:
		return (l->key || l->password) && !p->bound ? LL_OK :
		    LL_DENIED;
	case NEED_TICKET:
		return l->ticket ? LL_OK : LL_DENIED;
	case NEED_BOUND:
		return p->bound ? LL_OK : LL_DENIED;
	}
	return LL_DENIED;
}
